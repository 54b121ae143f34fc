# What a query asks, checked; what it gets.
#
# In:   LlamaIndex's query, the arguments beside it (vector_store_kwargs), the store's own mode.
# Out:  the mode, a `where`, and the options of that mode.
# Rule: a mode, an argument or a field of the query that nothing here honours is refused by name.
"""Queries and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult

from llama_index.vector_stores.fieldstore.filters import Where, both, to_where
from llama_index.vector_stores.fieldstore.nodes import ID, SOURCE

Mode = Literal["default", "mmr", "field"]

_OPTIONS: dict[str, tuple[str, ...]] = {  # of each mode
    "default": (),
    "mmr": ("mmr_threshold", "mmr_prefetch_k"),
    "field": ("per", "reach"),
}
_ANY_MODE = ("mode", "ignore_node_ids")
_NOT_HONOURED = ("output_fields", "embedding_field", "alpha", "sparse_top_k", "hybrid_top_k")
_SOURCE_NAMES = ("doc_id", "document_id", "ref_doc_id")


@dataclass
class FieldQueryResult(VectorStoreQueryResult):
    """A query result that also tells what stands behind each node.

    similarities: cosines to the query. scores: the values ranked by; in mode "field" smoothed by the neighbours.
    shares: the part of the candidates' field that each node makes up, with its members, 0 to 1. members: the
    near-copies each node speaks for, best first; empty outside mode "field".
    """

    scores: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    members: list[list[NodeWithScore]] = field(default_factory=list)


class Question(NamedTuple):
    """A checked query. options: arguments of that mode that were given."""

    vector: list[float]
    k: int
    where: Where | None
    mode: Mode
    options: dict[str, Any]


def question(query: VectorStoreQuery, default: Mode, arguments: Mapping[str, Any]) -> Question:
    """What is asked.

    The mode: that of the arguments, or the query's own unless it is "default", or the store's.

    Raises:
        ValueError: the mode is none of ours, there is no embedding, or a field of the query cannot be honoured.
        TypeError: an argument is unknown, or belongs to another mode.
    """
    asked = arguments.get("mode")
    if asked is None:
        asked = default if query.mode == "default" else query.mode
    mode = checked_mode(getattr(asked, "value", asked))
    unknown = set(arguments) - {*_ANY_MODE, *_OPTIONS[mode]}
    if unknown:
        raise TypeError(
            f"a query in mode {mode!r} has no argument {', '.join(sorted(unknown))}; "
            f"it has {', '.join([*_ANY_MODE, *_OPTIONS[mode]])}"
        )
    for name in _NOT_HONOURED:
        if getattr(query, name) is not None:
            raise ValueError(f"fieldstore cannot honour {name}={getattr(query, name)!r}; leave it out")
    if query.query_embedding is None:
        raise ValueError(f"a query in mode {mode!r} needs a query_embedding; nothing was searched")
    options = {name: arguments[name] for name in _OPTIONS[mode] if arguments.get(name) is not None}
    if query.mmr_threshold is not None:
        if mode != "mmr":
            raise ValueError(f"mmr_threshold belongs to mode 'mmr', not {mode!r}")
        options.setdefault("mmr_threshold", query.mmr_threshold)
    if options.get("per") in _SOURCE_NAMES:
        options["per"] = SOURCE
    where = both(to_where(query.filters), _ids(query, arguments), _documents(query))
    return Question(query.query_embedding, query.similarity_top_k, where, mode, options)


def checked_mode(mode: Any) -> Mode:
    """One of our modes; ValueError for any other."""
    if mode not in _OPTIONS:
        raise ValueError(f"unknown or unsupported mode {mode!r}; fieldstore has {', '.join(_OPTIONS)}")
    known: Mode = mode
    return known


def _ids(query: VectorStoreQuery, arguments: Mapping[str, Any]) -> Where | None:
    """[] is no restriction: every retriever over a re-opened index sends it."""
    return {ID: {"$in": list(query.node_ids)}} if query.node_ids and not arguments.get("ignore_node_ids") else None


def _documents(query: VectorStoreQuery) -> Where | None:
    """[] is nothing: a user who may see no document sees none."""
    return None if query.doc_ids is None else {SOURCE: {"$in": list(query.doc_ids)}}
