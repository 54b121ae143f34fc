"""What the tests are about: a fox, a fish, a door; and an embedding that knows which words texts share."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import VectorStoreQuery

from llama_index.vector_stores.fieldstore.testing.samples import DOOR, FISH, FOX, embed, node

__all__ = ["DOOR", "FISH", "FOX", "WordEmbedding", "ask", "embed", "ids_of", "node"]


class WordEmbedding(BaseEmbedding):
    """Texts that share words lie close together; no model, the same everywhere."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed(query)


def ask(text: str = FOX, k: int = 9, **fields: Any) -> VectorStoreQuery:
    """A query for a text."""
    return VectorStoreQuery(query_embedding=embed(text), query_str=text, similarity_top_k=k, **fields)


def ids_of(nodes: Sequence[BaseNode] | None) -> list[str]:
    assert nodes is not None
    return [node.node_id for node in nodes]
