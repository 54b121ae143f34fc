"""What the tests are about: a fox, a fish, a door; and an embedding that knows which words texts share."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery

FOX, FISH, DOOR = "the red fox runs", "the red fish swims", "a blue door opens"


class WordEmbedding(BaseEmbedding):
    """Texts that share words lie close together; no model, the same everywhere."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return embed(text)

    def _get_query_embedding(self, query: str) -> list[float]:
        return embed(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return embed(query)


def embed(text: str, dim: int = 64) -> list[float]:
    """(dim,) the sum of one fixed direction per word, nearly at right angles to those of other words."""
    words = re.findall(r"\w+", text.lower()) or [""]
    seeds = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") for word in words]
    total: list[float] = np.sum([np.random.default_rng(seed).normal(size=dim) for seed in seeds], axis=0).tolist()
    return total


def node(id: str, text: str = FOX, source: str | None = None, **metadata: Any) -> TextNode:
    """A node with its embedding, of a source document or of none."""
    relationships = {} if source is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)}
    return TextNode(id_=id, text=text, metadata=metadata, embedding=embed(text), relationships=relationships)


def ask(text: str = FOX, k: int = 9, **fields: Any) -> VectorStoreQuery:
    """A query for a text."""
    return VectorStoreQuery(query_embedding=embed(text), query_str=text, similarity_top_k=k, **fields)


def ids_of(nodes: Sequence[BaseNode] | None) -> list[str]:
    assert nodes is not None
    return [node.node_id for node in nodes]
