# What the suite stores and asks: a fox, a fish, a door, and facts to filter by.
"""Nodes with embeddings, queries and filters, made without a model."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from llama_index.core.schema import ImageNode, IndexNode, NodeRelationship, ObjectType, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

DIM = 64
FOX, FISH, DOOR = "the red fox runs", "the red fish swims", "a blue door opens"

Store = BasePydanticVectorStore
Op = FilterOperator

FACTS: dict[str, dict[str, Any]] = {  # what the nodes of the filter tests say
    "ann": {"who": "ann", "page": 3, "rate": 0.5, "note": "Red Fox"},
    "bob": {"who": "bob", "page": 4, "rate": 1.5, "note": "red fish"},
    "cat": {"who": "cat", "page": 5, "rate": 2.5, "note": ""},
    "bare": {},
}
LISTS: dict[str, dict[str, Any]] = {"ann": {"tags": ["a", "b"]}, "bob": {"tags": ["b", "c"]}, "bare": {}}
CASES: list[tuple[FilterOperator, str, Any]] = [
    (Op.EQ, "who", "ann"),
    (Op.EQ, "page", 4),
    (Op.NE, "who", "ann"),
    (Op.GT, "page", 3),
    (Op.GTE, "rate", 1.5),
    (Op.LT, "page", 4),
    (Op.LTE, "rate", 0.5),
    (Op.IN, "who", ["ann", "cat", "nobody"]),
    (Op.NIN, "who", ["ann", "cat"]),
    (Op.TEXT_MATCH, "note", "Red"),
    (Op.TEXT_MATCH_INSENSITIVE, "note", "RED"),
    (Op.IS_EMPTY, "note", None),
]
CASES_OF_LISTS: list[tuple[FilterOperator, str, Any]] = [
    (Op.ANY, "tags", ["a", "z"]),
    (Op.ALL, "tags", ["b", "c"]),
    (Op.CONTAINS, "tags", "b"),
]


def embed(text: str) -> list[float]:
    """(DIM,) the sum of one fixed direction per word, nearly at right angles to those of other words."""
    words = re.findall(r"\w+", text.lower()) or [""]
    seeds = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") for word in words]
    total: list[float] = np.sum([np.random.default_rng(seed).normal(size=DIM) for seed in seeds], axis=0).tolist()
    return total


def node(id: str, text: str = FOX, source: str | None = None, **metadata: Any) -> TextNode:
    """A node with its embedding, of a source document or of none."""
    relationships = {} if source is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=source)}
    return TextNode(id_=id, text=text, metadata=metadata, embedding=embed(text), relationships=relationships)


def group(*filters: Any, condition: FilterCondition | None = FilterCondition.AND) -> MetadataFilters:
    """Filters of one condition."""
    return MetadataFilters(filters=list(filters), condition=condition)


def only(key: str, value: Any, operator: FilterOperator = Op.EQ) -> MetadataFilters:
    """One filter."""
    return group(MetadataFilter(key=key, value=value, operator=operator))


def ask(store: Store, text: str = FOX, k: int = 50, **fields: Any) -> VectorStoreQueryResult:
    """A query for a text."""
    asked = VectorStoreQuery(query_embedding=embed(text), query_str=text, similarity_top_k=k, **fields)
    return store.query(asked)


def found(store: Store, text: str = FOX, k: int = 50, **fields: Any) -> list[str]:
    """The ids that a query finds, best first."""
    result = ask(store, text, k, **fields)
    return list(result.ids) if result.ids is not None else [one.node_id for one in result.nodes or ()]


def expected(facts: dict[str, dict[str, Any]], filters: MetadataFilters) -> set[str]:
    """What LlamaIndex's own function lets pass."""
    passes = build_metadata_filter_fn(lambda id: facts[id], filters)
    return {id for id in facts if passes(id)}


def rich(kind: str) -> TextNode:
    """A node with something in every field that a store might drop."""
    other = RelatedNodeInfo(node_id="other", node_type=ObjectType.TEXT, metadata={"page": 1}, hash="its hash")
    fields: dict[str, Any] = {
        "id_": "1",
        "text": FOX,
        "metadata": {"who": "ann", "page": 3},
        "embedding": embed(FOX),
        "excluded_embed_metadata_keys": ["page"],
        "excluded_llm_metadata_keys": ["who"],
        "start_char_idx": 7,
        "end_char_idx": 23,
        "text_template": "{content} -- {metadata_str}",
        "relationships": {
            NodeRelationship.SOURCE: other,
            NodeRelationship.NEXT: other,
            NodeRelationship.CHILD: [other],
        },
    }
    make: dict[str, Callable[[], TextNode]] = {
        "text": lambda: TextNode(**fields),
        "image": lambda: ImageNode(image="aGk=", image_mimetype="image/png", **fields),
        "index": lambda: IndexNode(index_id="another", **fields),
    }
    return make[kind]()
