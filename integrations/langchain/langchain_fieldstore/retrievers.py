# LangChain's retriever over one FieldVectorStore, with the field's own way of searching.
#
# In:   a query, the retriever's fields, its search_kwargs, and what `invoke` was given; the later beats the earlier.
# Out:  documents, best first.
# Rule: an option that the search_type cannot honour is refused by name.
"""`FieldRetriever`."""

from collections.abc import Collection
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStoreRetriever
from pydantic import ConfigDict, model_validator

from fieldstore import Hit
from langchain_fieldstore.documents import to_document, to_where
from langchain_fieldstore.vectorstores import FieldVectorStore, relevance

_NEAREST = frozenset({"k", "filter", "score_threshold", "return_scores"})
_OPTIONS = {
    "similarity": _NEAREST,
    "similarity_score_threshold": _NEAREST,
    "mmr": frozenset({"k", "filter", "fetch_k", "lambda_mult"}),
    "field": _NEAREST | {"per", "reach", "fill"},
}

_NEUTRAL = {"score_threshold": None, "per": None, "return_scores": False}  # field values that ask for nothing


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

    filter: dict[str, Any] | None = None
    """Only documents that match are ranked; see `FieldStore.search`."""

    score_threshold: float | None = None
    """Leave out documents whose relevance, (1 + cosine) / 2, is lower. Not with "mmr"."""

    per: str | None = None
    """With "field": the metadata key of which no value is to come back twice."""

    fill: bool = True
    """With "field": where fewer than k distinct things are near, add the nearest of what they stand for."""

    return_scores: bool = False
    """Add `_score` (the value ranked by), `_share` (of the field) and `_members` (ids spoken for) to the metadata of
    the documents returned. Not with "mmr"."""

    allowed_search_types: ClassVar[Collection[str]] = tuple(_OPTIONS)

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")  # else as_retriever(top_k=1) is ignored

    @model_validator(mode="before")
    @classmethod
    def validate_search_type(cls, values: dict[str, Any]) -> Any:
        """Check `search_type` and, for "similarity_score_threshold", that a threshold is given in either place.

        Raises:
            ValueError: one of them is not so.
        """
        search_type = values.get("search_type", "similarity")
        if search_type not in cls.allowed_search_types:
            raise ValueError(f"search_type is {search_type!r}; it is one of {', '.join(cls.allowed_search_types)}")
        given = values | values.get("search_kwargs", {})
        if search_type == "similarity_score_threshold" and given.get("score_threshold") is None:
            raise ValueError("search_type 'similarity_score_threshold' needs a score_threshold, 0 to 1")
        return values

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        return self._find(self.vectorstore.embedding.embed_query(query), **options)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self._options(kwargs)
        vector = await self.vectorstore.embedding.aembed_query(query)
        return await run_in_executor(None, lambda: self._find(vector, **options))

    def _options(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Everything this search is asked for: the fields that apply, then search_kwargs, then `invoke`'s own."""
        if self.search_type not in _OPTIONS:  # it may have been assigned, which LangChain does not check
            raise ValueError(f"search_type is {self.search_type!r}; it is one of {', '.join(_OPTIONS)}")
        known = _OPTIONS[self.search_type]
        fields = {name: getattr(self, name) for name in ("k", "filter", *_NEUTRAL, "fill")}
        given = self.search_kwargs | {name: value for name, value in asked.items() if name != "verbose"}  # LangChain's
        set_here = {name for name, neutral in _NEUTRAL.items() if fields[name] != neutral}
        unknown = sorted((given.keys() | set_here) - known)
        if unknown:
            has = ", ".join(sorted(known))
            raise ValueError(f"search_type {self.search_type!r} has no option {', '.join(unknown)}; it has {has}")
        return {name: value for name, value in fields.items() if name in known} | given

    def _find(self, vector: list[float], k: int, filter: dict[str, Any] | None, **options: Any) -> list[Document]:
        """The one body of all four search types, sync and async."""
        if self.search_type == "mmr":
            return self.vectorstore.max_marginal_relevance_search_by_vector(vector, k, filter=filter, **options)
        store, where = self.vectorstore.store, to_where(filter)
        least = options.pop("score_threshold")
        with_scores = options.pop("return_scores")
        if self.search_type == "field":
            fill = options.pop("fill")
            hits = store.search(vector, k, where=where, by="attractors", **options)
            hits = _filled(hits, k, options["per"]) if fill else hits
        else:
            hits = store.search(vector, k, where=where)
        found = [hit for hit in hits if least is None or relevance(hit.cosine) >= least]
        return [_with_scores(hit) if with_scores else to_document(hit) for hit in found]


def _filled(hits: list[Hit], k: int, per: str | None) -> list[Hit]:
    """The attractors, then the nearest of their members until there are k, no value of `per` twice."""
    full = list(hits)
    seen = [] if per is None else [hit.metadata.get(per) for hit in hits]
    for member in sorted((member for hit in hits for member in hit.members), key=lambda member: -member.score):
        value = None if per is None else member.metadata.get(per)
        if len(full) < k and (value is None or value not in seen):  # as in the store: without a value, no twin
            full.append(member)
            seen.append(value)
    return full


def _with_scores(hit: Hit) -> Document:
    document = to_document(hit)
    document.metadata |= {"_score": hit.score, "_share": hit.share, "_members": [member.id for member in hit.members]}
    return document
