# What a query asks, checked; what it gets.
#
# In:   LlamaIndex's query, the arguments beside it (vector_store_kwargs), the store's own mode.
# Out:  the mode, a `where`, and the options of that mode.
# Rule: a mode, an argument or a field of the query that nothing here honours is refused by name.
"""Queries and their results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from llama_index.core.schema import NodeWithScore
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult

from llama_index.vector_stores.fieldstore.filters import Where, both, listed, to_where
from llama_index.vector_stores.fieldstore.nodes import SOURCE

Mode = Literal["default", "mmr", "field", "text_search", "hybrid"]

_OPTIONS: dict[str, tuple[str, ...]] = {  # of each mode
    "default": ("exact", "effort"),
    "mmr": ("mmr_threshold", "mmr_prefetch_k", "exact", "effort"),
    "field": ("per", "reach", "fill", "exact", "effort"),
    "text_search": (),
    "hybrid": ("alpha", "exact", "effort"),
}
WORDED = ("text_search", "hybrid")  # modes that look for the words of the query
_ANY_MODE = ("mode", "ignore_node_ids")
_IN_THE_QUERY = {"mmr_threshold": "mmr", "alpha": "hybrid", "hybrid_top_k": "hybrid"}  # and the mode each belongs to
_NOT_HONOURED = ("output_fields", "embedding_field", "sparse_top_k")
_SOURCE_NAMES = ("doc_id", "document_id", "ref_doc_id")


@dataclass
class FieldQueryResult(VectorStoreQueryResult):
    """A query result that also tells what stands behind each node.

    similarities: cosines to the query; in modes "text_search" and "hybrid" the scores. scores: the values ranked by; in
    mode "field" smoothed by the neighbours. phi: the field of the candidates at the query; 1.0 is as much as one copy
    of the query itself. shares: the part of phi that each node makes up, with its members, 0 to 1. Without an embedding
    phi and shares are 0. members: the near-copies each node speaks for, best first; empty outside mode "field". None of
    it is in a node's metadata, which a language model would read.
    """

    phi: float = 0.0
    scores: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    members: list[list[NodeWithScore]] = field(default_factory=list)


class Question(NamedTuple):
    """A checked query. ids: the only nodes that may answer. options: arguments of that mode that were given."""

    vector: list[float] | None
    text: str | None
    k: int
    ids: list[str] | None
    where: Where | None
    mode: Mode
    options: dict[str, Any]


def question(query: VectorStoreQuery, default: Mode, arguments: Mapping[str, Any]) -> Question:
    """What is asked.

    The mode: that of the arguments, or the query's own unless it is "default", or the store's.

    Raises:
        ValueError: the mode is none of ours, a field of the query cannot be honoured, or there is no embedding or no
            text and the mode needs it.
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
    for name, owner in _IN_THE_QUERY.items():
        if getattr(query, name) is not None and mode != owner:
            raise ValueError(f"{name} belongs to mode {owner!r}, not {mode!r}; nothing was searched")
    if query.query_embedding is None and mode != "text_search":
        raise ValueError(f"a query in mode {mode!r} needs a query_embedding; nothing was searched")
    if query.query_str is None and mode in WORDED:
        raise ValueError(f"a query in mode {mode!r} needs a query_str; nothing was searched")
    options = {name: getattr(query, name, None) for name in _OPTIONS[mode]}
    options |= {name: arguments[name] for name in options if arguments.get(name) is not None}
    options = {name: value for name, value in options.items() if value is not None}
    if options.get("per") in _SOURCE_NAMES:
        options["per"] = SOURCE
    where = both(to_where(query.filters), _documents(query))
    k = query.similarity_top_k if query.hybrid_top_k is None else query.hybrid_top_k
    return Question(query.query_embedding, query.query_str, k, _ids(query, arguments), where, mode, options)


def checked_mode(mode: Any) -> Mode:
    """One of our modes; ValueError for any other."""
    if not isinstance(mode, str) or mode not in _OPTIONS:
        raise ValueError(f"unknown or unsupported mode {mode!r}; fieldstore has {', '.join(_OPTIONS)}")
    return cast(Mode, mode)


def _ids(query: VectorStoreQuery, arguments: Mapping[str, Any]) -> list[str] | None:
    """[] is no restriction: every retriever over a re-opened index sends it."""
    return listed(query.node_ids) if query.node_ids and not arguments.get("ignore_node_ids") else None


def _documents(query: VectorStoreQuery) -> Where | None:
    """[] is nothing: a user who may see no document sees none."""
    return None if query.doc_ids is None else {SOURCE: {"$in": listed(query.doc_ids)}}
