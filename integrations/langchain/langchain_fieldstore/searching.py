# The methods that find documents: LangChain's searches, and the field's own.
#
# In:   a query or a vector, k, a filter. Out: documents, with or without their cosine, best first.
# Rule: one body a search_type, on vectors and with scores; every other form only embeds, awaits, or drops the scores.
# Rule: every document that leaves here is noted for whoever asked what was read (`reading`).
"""`Searching`, the part of `FieldVectorStore` that finds."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

from fieldstore import FieldStore, Hit
from langchain_fieldstore.calls import in_thread, refuse
from langchain_fieldstore.diversity import most_diverse
from langchain_fieldstore.documents import encodable, relevance
from langchain_fieldstore.filters import Filter, restriction
from langchain_fieldstore.reading import documents_shown

T = TypeVar("T")
Scored = list[tuple[Document, float]]
SEARCH_TYPES = ("similarity", "similarity_score_threshold", "mmr", "field", "hybrid")


def _bare(scored: Scored) -> list[Document]:
    return [document for document, _ in scored]


def _check_type(search_type: str) -> None:
    """LangChain's own message would not name the field's."""
    if search_type not in SEARCH_TYPES:
        raise ValueError(f"search_type is {search_type!r}; it is one of {', '.join(SEARCH_TYPES)}")


class Searching(VectorStore):
    """Finds in `store`; `embedding` turns queries into vectors."""

    store: FieldStore
    embedding: Embeddings

    def vector_of(self, query: str) -> list[float]:
        """A query, embedded."""
        return self.embedding.embed_query(encodable(query, "the query"))

    async def avector_of(self, query: str) -> list[float]:
        """`vector_of` with the async embedder."""
        return await self.embedding.aembed_query(encodable(query, "the query"))

    async def _by_query(self, by_vector: Callable[..., T], query: str, *args: Any, **kwargs: Any) -> T:
        """Embed without blocking, then run the body that takes a vector in a thread."""
        vector = await self.avector_of(query)
        return await run_in_executor(None, partial(by_vector, vector, *args, **kwargs))

    def _hits(self, vector: list[float], k: int, filter: Filter, unknown: Mapping[str, Any], **how: Any) -> list[Hit]:
        refuse(unknown)
        return self.store.search(vector, k, **restriction(filter, self.store.get), **how)

    def _scored(self, hits: list[Hit]) -> Scored:
        return list(zip(documents_shown(self.store, hits), [hit.cosine for hit in hits], strict=True))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The live documents among `ids`, in that order, each once."""
        return documents_shown(self.store, self.store.get(ids))

    # ---- by search_type

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """LangChain's `search`, which also knows the search_types "field" and "hybrid"."""
        if search_type == "field":
            return self.field_search(query, **kwargs)
        if search_type == "hybrid":
            return self.hybrid_search(query, **kwargs)
        _check_type(search_type)
        return super().search(query, search_type, **kwargs)

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """`search` with the async embedder."""
        if search_type == "field":
            return await self.afield_search(query, **kwargs)
        if search_type == "hybrid":
            return await self.ahybrid_search(query, **kwargs)
        _check_type(search_type)
        return await super().asearch(query, search_type, **kwargs)

    # ---- the nearest

    def similarity_search(
        self, query: str, k: int = 4, *, filter: Filter = None, search_type: str = "similarity", **kwargs: Any
    ) -> list[Document]:
        """The k nearest documents that pass `filter`, best first; fewer only where fewer are live.

        `filter` is a dict of conditions on metadata, or a function that takes a Document and says whether it may
        answer; both are applied before ranking, and a function is asked of every live document.
        Another `search_type` makes this `search` of that type.
        """
        if search_type != "similarity":
            return self.search(query, search_type, k=k, filter=filter, **kwargs)
        return self.similarity_search_by_vector(self.vector_of(query), k, filter=filter, **kwargs)

    async def asimilarity_search(
        self, query: str, k: int = 4, *, filter: Filter = None, search_type: str = "similarity", **kwargs: Any
    ) -> list[Document]:
        """`similarity_search` with the async embedder."""
        if search_type != "similarity":
            return await self.asearch(query, search_type, k=k, filter=filter, **kwargs)
        return await self._by_query(self.similarity_search_by_vector, query, k, filter=filter, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """`similarity_search` for a vector of any length but zero."""
        return documents_shown(self.store, self._hits(embedding, k, filter, kwargs))

    def similarity_search_with_score(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> Scored:
        """`similarity_search` with each document's cosine to the query, -1 to 1: higher is closer."""
        return self.similarity_search_with_score_by_vector(self.vector_of(query), k, filter=filter, **kwargs)

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """`similarity_search_with_score` with the async embedder."""
        return await self._by_query(self.similarity_search_with_score_by_vector, query, k, **kwargs)

    def similarity_search_with_score_by_vector(
        self, /, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> Scored:
        """`similarity_search_with_score` for a vector."""
        return self._scored(self._hits(embedding, k, filter, kwargs))

    asimilarity_search_with_score_by_vector = in_thread(similarity_search_with_score_by_vector)

    # ---- near, yet unlike one another

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """k documents that are near the query yet unlike one another, in the order they were chosen.

        They are chosen among the `fetch_k` nearest (never fewer than k) that pass `filter`.
        `lambda_mult`: 1 = nearness alone, 0 = unlikeness alone.
        """
        return _bare(self.max_marginal_relevance_search_with_score(query, k, fetch_k, lambda_mult, **kwargs))

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """`max_marginal_relevance_search` with the async embedder."""
        return _bare(await self.amax_marginal_relevance_search_with_score(query, k, fetch_k, lambda_mult, **kwargs))

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """`max_marginal_relevance_search` for a vector."""
        by_vector = self.max_marginal_relevance_search_with_score_by_vector
        return _bare(by_vector(embedding, k, fetch_k, lambda_mult, **kwargs))

    def max_marginal_relevance_search_with_score(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """`max_marginal_relevance_search` with each document's cosine to the query; the order stays that of choice."""
        by_vector = self.max_marginal_relevance_search_with_score_by_vector
        return by_vector(self.vector_of(query), k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search_with_score(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> Scored:
        """`max_marginal_relevance_search_with_score` with the async embedder."""
        by_vector = self.max_marginal_relevance_search_with_score_by_vector
        return await self._by_query(by_vector, query, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        /,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> Scored:
        """`max_marginal_relevance_search_with_score` for a vector."""
        cosines = {hit.id: hit.cosine for hit in self._hits(embedding, max(fetch_k, k), filter, kwargs)}
        # Records, not hits, are what is shown: what was forgotten since the search has no record any more.
        records = self.store.get(list(cosines), vectors=True)
        vectors = [record.vector for record in records if record.vector is not None]
        order = most_diverse([cosines[record.id] for record in records], vectors, k, lambda_mult)
        chosen = [records[place] for place in order]
        shown = documents_shown(self.store, chosen)
        return [(document, cosines[record.id]) for document, record in zip(shown, chosen, strict=True)]

    amax_marginal_relevance_search_with_score_by_vector = in_thread(max_marginal_relevance_search_with_score_by_vector)

    # ---- the field

    def field_search(
        self, query: str, k: int = 4, *, filter: Filter = None, per: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The distinct things near the query: one document for each group of mutually similar ones, best first.

        `per` names a metadata key or dotted path (the source document, say): one document per value at most. `reach`
        is the cosine from which documents count as similar. Fewer than k come back where fewer distinct things are
        near; the retriever's `fill` adds to them. `filter` as in `similarity_search`.
        """
        return self.field_search_by_vector(self.vector_of(query), k, filter=filter, per=per, **kwargs)

    async def afield_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """`field_search` with the async embedder."""
        return await self._by_query(self.field_search_by_vector, query, k, **kwargs)

    def field_search_by_vector(self, /, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """`field_search` for a vector."""
        return _bare(self.field_search_with_score_by_vector(embedding, k, **kwargs))

    def field_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """`field_search` with each document's cosine to the query."""
        return self.field_search_with_score_by_vector(self.vector_of(query), k, **kwargs)

    async def afield_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """`field_search_with_score` with the async embedder."""
        return await self._by_query(self.field_search_with_score_by_vector, query, k, **kwargs)

    def field_search_with_score_by_vector(
        self,
        /,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Filter = None,
        per: str | None = None,
        reach: float | None = None,
        **kwargs: Any,
    ) -> Scored:
        """`field_search_with_score` for a vector."""
        hits = self._hits(embedding, k, filter, kwargs, by="attractors", per=per, reach=reach)
        return self._scored(hits)

    afield_search_by_vector = in_thread(field_search_by_vector)
    afield_search_with_score_by_vector = in_thread(field_search_with_score_by_vector)

    # ---- by words and by meaning

    def hybrid_search(
        self, query: str, k: int = 4, *, filter: Filter = None, alpha: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The documents that are near the query or hold its words, both lists joined by their ranks; best first.

        `alpha`: weight of nearness, 1 = by nearness only, 0 = by words only. Needs a store with an index of the words:
        `FieldVectorStore(..., text_index=True)`. `filter` as in `similarity_search`.
        """
        return self._by_words(query, self.vector_of(query), k, filter=filter, alpha=alpha, **kwargs)

    async def ahybrid_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """`hybrid_search` with the async embedder."""
        return await self._by_query(partial(self._by_words, query), query, k, **kwargs)

    def _by_words(
        self, text: str, vector: list[float], k: int, *, filter: Filter = None, alpha: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        hits = self._hits(vector, k, filter, kwargs, by="hybrid", text=text, alpha=alpha)
        return documents_shown(self.store, hits)
