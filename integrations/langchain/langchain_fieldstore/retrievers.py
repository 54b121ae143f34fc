# LangChain's retriever over one FieldVectorStore, with the field's own way of searching.
#
# In:   a query, the retriever's fields, its search_kwargs, and what `invoke` was given; the later beats the earlier.
# Out:  documents, best first.
# Rule: an option that the search_type cannot honour is refused by name.
"""`FieldRetriever`."""

import json
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStoreRetriever
from pydantic import ConfigDict, model_validator

from fieldstore import Hit
from langchain_fieldstore.documents import relevance, value_at
from langchain_fieldstore.filters import Filter, Predicate, restriction
from langchain_fieldstore.reading import documents_shown
from langchain_fieldstore.vectorstores import FieldVectorStore

_NEAREST = frozenset({"k", "filter", "score_threshold", "return_scores"})
_OPTIONS = {
    "similarity": _NEAREST,
    "similarity_score_threshold": _NEAREST,
    "mmr": frozenset({"k", "filter", "fetch_k", "lambda_mult"}),
    "field": _NEAREST | {"per", "reach", "fill"},
    "hybrid": _NEAREST | {"alpha"},
}

_NEUTRAL = {"score_threshold": None, "per": None, "fill": True, "return_scores": False}  # fields that ask for nothing


class FieldRetriever(VectorStoreRetriever):
    """Retrieves from a `FieldVectorStore`; every field can also be given in `search_kwargs` and to `invoke`.

    ```python
    retriever = vector_store.as_retriever(search_type="field", k=3, per="source")
    documents = retriever.invoke("query", k=5)
    ```
    """

    vectorstore: FieldVectorStore
    """Where to search."""

    k: int = 4
    """How many documents to return."""

    filter: dict[str, Any] | Predicate | None = None
    """Only documents that match are ranked: a dict as for `FieldStore.search`, or a function that takes a Document."""

    score_threshold: float | None = None
    """Leave out documents whose relevance, (1 + cosine) / 2, is lower. Not with "mmr"."""

    per: str | None = None
    """With "field": the metadata key, or dotted path, of which no value is to come back twice."""

    fill: bool = True
    """With "field": where fewer than k distinct things are near, add the nearest of what they stand for."""

    return_scores: bool = False
    """Add `_score` (the value ranked by), `_share` (of the field) and `_members` (ids spoken for) to the metadata of
    the documents returned. Not with "mmr"."""

    allowed_search_types: ClassVar[Collection[str]] = tuple(_OPTIONS)

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")  # else as_retriever(top_k=1) is ignored

    @model_validator(mode="after")
    def validate_search_type(self) -> Self:
        """Check `search_type` and the options given so far; LangChain's validator of this name does not see them all.

        Raises:
            ValueError: the search type is unknown, cannot honour an option, or lacks the threshold it is named after.
        """
        self._options({})
        return self

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        return self._find(query, self.vectorstore.vector_of(query), **options)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        vector = await self.vectorstore.avector_of(query)
        return await run_in_executor(None, lambda: self._find(query, vector, **options))

    def _options(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Everything this search is asked for: the fields that apply, then search_kwargs, then `invoke`'s own."""
        if self.search_type not in _OPTIONS:  # it may have been assigned, which LangChain does not check
            raise ValueError(f"search_type is {self.search_type!r}; it is one of {', '.join(_OPTIONS)}")
        known = _OPTIONS[self.search_type]
        fields = {name: getattr(self, name) for name in ("k", "filter", *_NEUTRAL)}
        given = self.search_kwargs | {name: value for name, value in asked.items() if name != "verbose"}  # LangChain's
        set_here = {name for name, neutral in _NEUTRAL.items() if fields[name] != neutral}
        unknown = sorted((given.keys() | set_here) - known)
        if unknown:
            has = ", ".join(sorted(known))
            raise ValueError(f"search_type {self.search_type!r} has no option {', '.join(unknown)}; it has {has}")
        options = {name: value for name, value in fields.items() if name in known} | given
        _check(self.search_type, options["k"], options.get("score_threshold"))
        return options

    def _find(self, query: str, vector: list[float], k: int, filter: Filter, **options: Any) -> list[Document]:
        """The one body of all search types, sync and async."""
        if self.search_type == "mmr":
            return self.vectorstore.max_marginal_relevance_search_by_vector(vector, k, filter=filter, **options)
        store = self.vectorstore.store
        allowed = restriction(filter, store.get)
        least = options.pop("score_threshold")
        with_scores = options.pop("return_scores")
        if self.search_type == "field":
            fill = options.pop("fill")
            hits = store.search(vector, k, **allowed, by="attractors", **options)
            hits = _filled(hits, k, options["per"]) if fill else hits
        elif self.search_type == "hybrid":
            hits = store.search(vector, k, **allowed, by="hybrid", text=query, **options)
        else:
            hits = store.search(vector, k, **allowed)
        found = [hit for hit in hits if least is None or relevance(hit.cosine) >= least]
        documents = documents_shown(store, found)
        if with_scores:
            for document, hit in zip(documents, found, strict=True):
                members = [member.id for member in hit.members]
                document.metadata |= {"_score": hit.score, "_share": hit.share, "_members": members}
        return documents


def _check(search_type: str, k: object, threshold: object) -> None:
    """Raise ValueError for values out of range, before anything is embedded."""
    if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k is {k!r}; it is a whole number of at least 1")
    if threshold is None:
        if search_type == "similarity_score_threshold":
            raise ValueError("search_type 'similarity_score_threshold' needs a score_threshold, 0 to 1")
    elif isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= float(threshold) <= 1:
        raise ValueError(f"score_threshold is {threshold!r}; it is a number from 0 to 1")


def _filled(hits: list[Hit], k: int, per: str | None) -> list[Hit]:
    """The attractors, then the nearest of their members until there are k, no value of `per` twice."""
    full = list(hits)
    seen = {_group(hit, per) for hit in hits}
    for member in sorted((member for hit in hits for member in hit.members), key=lambda member: -member.score):
        group = _group(member, per)
        if len(full) < k and (group is None or group not in seen):  # as in the store: without a value, no twin
            full.append(member)
            seen.add(group)
    return full


def _group(hit: Hit, per: str | None) -> str | None:
    """What two hits of the same value of `per` have in common; None without a value. As JSON, since 1 == True."""
    value = None if per is None else value_at(hit.metadata, per)
    return None if value is None else json.dumps(value, sort_keys=True)
