# LangChain's VectorStore over one FieldStore: translate, delegate, return.
#
# In:   texts and documents; an Embeddings turns them into vectors here.
# Out:  documents; what forgetting gives back is in forgetting.py.
# Rule: no storage, no retries, no search logic; what cannot be honoured is refused by name.
# Rule: a method on vectors is the one true body; its text and async forms only embed and call it.
"""`FieldVectorStore`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

from fieldstore import FieldStore, Hit
from langchain_fieldstore.calls import in_thread, refuse
from langchain_fieldstore.diversity import most_diverse
from langchain_fieldstore.documents import (
    Columns,
    Filter,
    columns_of_documents,
    columns_of_texts,
    encodable,
    relevance,
    to_document,
    to_where,
)
from langchain_fieldstore.forgetting import Forgetting

if TYPE_CHECKING:
    from langchain_fieldstore.retrievers import FieldRetriever

_FILTER_KEYS = ("source",)  # where loaders say which document a chunk comes from
T = TypeVar("T")


class FieldVectorStore(Forgetting, VectorStore):
    """Documents found by meaning, forgotten on request, with proof of both.

    Setup:
        ```bash
        pip install . ./integrations/langchain  # in a checkout; once published: pip install langchain-fieldstore
        ```

    Key init args:
        embedding: Embeddings
            Turns texts into vectors; the first ones decide the store's dimension.
        path: str | PathLike | None
            Directory of the store, created or opened. None keeps it in memory.
        store: FieldStore | None
            A store opened elsewhere (with its own kappa, signing key, ...), instead of `path`. It stays yours to close.
        on_delete: "forget" | "erase"
            What `delete` means: take out of every answer (default, `restore` undoes it), or destroy for good.

    Instantiate:
        ```python
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_fieldstore import FieldVectorStore

        vector_store = FieldVectorStore(DeterministicFakeEmbedding(size=64))
        ```

    Add Documents:
        ```python
        from langchain_core.documents import Document

        foo = Document(id="1", page_content="foo", metadata={"baz": "bar"})
        thud = Document(id="2", page_content="thud", metadata={"bar": "baz"})
        doomed = Document(id="3", page_content="i will be deleted :(")
        vector_store.add_documents([foo, thud, doomed])
        ```

    Update Documents:
        ```python
        vector_store.update_document("2", Document(page_content="thud", metadata={"bar": "qux"}))
        ```

    Delete Documents:
        ```python
        vector_store.delete(["3"])
        ```

    Search:
        ```python
        print(vector_store.similarity_search("thud", k=1))
        ```
        ```text
        [Document(id='2', metadata={'bar': 'qux'}, page_content='thud')]
        ```

    Search with filter:
        ```python
        print(vector_store.similarity_search("thud", k=1, filter={"baz": {"$in": ["bar", "foo"]}}))
        ```
        ```text
        [Document(id='1', metadata={'baz': 'bar'}, page_content='foo')]
        ```

    Search with score:
        ```python
        [(document, cosine)] = vector_store.similarity_search_with_score("thud", k=1)
        print(f"{cosine:.3f} {document.page_content}")
        ```
        ```text
        1.000 thud
        ```

    Async:
        ```python
        import asyncio

        print(asyncio.run(vector_store.asimilarity_search("foo", k=1)))
        ```
        ```text
        [Document(id='1', metadata={'baz': 'bar'}, page_content='foo')]
        ```

    Use as Retriever:
        ```python
        retriever = vector_store.as_retriever(search_type="mmr", k=1)
        print(retriever.invoke("thud"))
        ```
        ```text
        [Document(id='2', metadata={'bar': 'qux'}, page_content='thud')]
        ```

    Field search:
        ```python
        print(vector_store.field_search("thud", k=1))
        ```
        ```text
        [Document(id='2', metadata={'bar': 'qux'}, page_content='thud')]
        ```

    Forget, restore, erase:
        ```python
        print(vector_store.forget(["1"], reason="asked by its author").ids, vector_store.restore(["1"]).ids)
        certificate = vector_store.erase(["1"])
        ```
        ```text
        ('1',) ('1',)
        ```
    """

    def __init__(
        self,
        embedding: Embeddings,
        path: str | PathLike[str] | None = None,
        *,
        store: FieldStore | None = None,
        on_delete: Literal["forget", "erase"] = "forget",
    ) -> None:
        """Create or open the store at `path` (None: in memory), or use `store`.

        Raises:
            ValueError: both `path` and `store` are given, or `on_delete` is neither "forget" nor "erase".
        """
        if path is not None and store is not None:
            raise ValueError("give path or store, not both; no store was opened")
        if on_delete not in ("forget", "erase"):
            raise ValueError(f"on_delete is {on_delete!r}; it is 'forget' or 'erase'. No store was opened")
        self.embedding = embedding
        self.on_delete = on_delete
        self.store = FieldStore(path, filter_keys=_FILTER_KEYS) if store is None else store
        self._opened_here = store is None

    @property
    def embeddings(self) -> Embeddings:
        """What turns texts into vectors."""
        return self.embedding

    # ---- opening and closing

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A vector store made with `kwargs` (path, store, on_delete), and the texts added to it."""
        vector_store = cls(embedding, **kwargs)
        try:
            vector_store.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            vector_store.close()  # nobody else could
            raise
        return vector_store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """The same with the async embedder."""
        vector_store = await run_in_executor(None, partial(cls, embedding, **kwargs))
        try:
            await vector_store.aadd_texts(texts, metadatas, ids=ids)
        except BaseException:
            vector_store.close()
            raise
        return vector_store

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._opened_here:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and store texts in one transaction; an id stored before is replaced, or revived if forgotten.

        `metadatas` and `ids` are as many as the texts; None among them stands for `{}` and for a new uuid4.
        `batch_size` is accepted because LangChain's indexing passes it; there is one batch, whole or not at all.
        Returns the ids, in order.

        Raises:
            ValueError: the numbers differ, an id comes twice, or metadata is not JSON; nothing was added.
            TypeError: any other argument.
        """
        return self._write(self.store.add, columns_of_texts(texts, metadatas, ids), **kwargs)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """`add_texts` with the async embedder."""
        return await self._awrite(self.store.add, columns_of_texts(texts, metadatas, ids), **kwargs)

    def add_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """`add_texts` for documents; `ids`, when given, beat the documents' own."""
        return self._write(self.store.add, columns_of_documents(documents, ids), **kwargs)

    async def aadd_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """`add_documents` with the async embedder."""
        return await self._awrite(self.store.add, columns_of_documents(documents, ids), **kwargs)

    def update_documents(self, ids: Iterable[str], documents: Iterable[Document]) -> list[str]:
        """Replace live documents, one per id, in one transaction: text, metadata and vector. Returns the ids.

        Raises:
            UnknownRecord: an id is not live; nothing was changed, and nothing forgotten is revived.
        """
        return self._write(self.store.update, columns_of_documents(documents, ids))

    async def aupdate_documents(self, ids: Iterable[str], documents: Iterable[Document]) -> list[str]:
        """`update_documents` with the async embedder."""
        return await self._awrite(self.store.update, columns_of_documents(documents, ids))

    def update_document(self, document_id: str, document: Document) -> str:
        """`update_documents` for one."""
        return self.update_documents([document_id], [document])[0]

    async def aupdate_document(self, document_id: str, document: Document) -> str:
        """`update_document` with the async embedder."""
        return (await self.aupdate_documents([document_id], [document]))[0]

    def _write(
        self, verb: Callable[..., object], columns: Columns, *, batch_size: int | None = None, **unknown: Any
    ) -> list[str]:
        """Embed the texts, then hand everything to the store's `verb` in one call."""
        refuse(unknown)
        if columns["texts"]:
            verb(vectors=self.embedding.embed_documents(columns["texts"]), **columns)
        return columns["ids"]

    async def _awrite(
        self, verb: Callable[..., object], columns: Columns, *, batch_size: int | None = None, **unknown: Any
    ) -> list[str]:
        refuse(unknown)
        if columns["texts"]:
            vectors = await self.embedding.aembed_documents(columns["texts"])
            await run_in_executor(None, partial(verb, vectors=vectors, **columns))
        return columns["ids"]

    # ---- finding

    def vector_of(self, query: str) -> list[float]:
        """A query, embedded."""
        return self.embedding.embed_query(encodable(query, "the query"))

    async def avector_of(self, query: str) -> list[float]:
        """`vector_of` with the async embedder."""
        return await self.embedding.aembed_query(encodable(query, "the query"))

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The live documents among `ids`, in that order, each once."""
        return [to_document(record) for record in self.store.get(ids)]

    def similarity_search(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The k nearest documents that pass `filter`, best first; fewer only where fewer are live."""
        return self.similarity_search_by_vector(self.vector_of(query), k, filter=filter, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """`similarity_search` for a vector of any length but zero."""
        return [to_document(hit) for hit in self._hits(embedding, k, filter, kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """`similarity_search` with each document's cosine to the query, -1 to 1: higher is closer."""
        return self.similarity_search_with_score_by_vector(self.vector_of(query), k, filter=filter, **kwargs)

    def similarity_search_with_score_by_vector(
        self, /, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_score` for a vector."""
        return [(to_document(hit), hit.cosine) for hit in self._hits(embedding, k, filter, kwargs)]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """k documents that are near the query yet unlike one another, in the order they were chosen.

        They are chosen among the `fetch_k` nearest (never fewer than k) that pass `filter`.
        `lambda_mult`: 1 = nearness alone, 0 = unlikeness alone.
        """
        return self.max_marginal_relevance_search_by_vector(
            self.vector_of(query), k, fetch_k, lambda_mult, filter=filter, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """`max_marginal_relevance_search` for a vector."""
        cosines = {hit.id: hit.cosine for hit in self._hits(embedding, max(fetch_k, k), filter, kwargs)}
        # Records, not hits, are what is shown: what was forgotten since the search has no record any more.
        records = self.store.get(list(cosines), vectors=True)
        vectors = [record.vector for record in records if record.vector is not None]
        order = most_diverse([cosines[record.id] for record in records], vectors, k, lambda_mult)
        return [to_document(records[place]) for place in order]

    def field_search(
        self, query: str, k: int = 4, *, filter: Filter = None, per: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The distinct things near the query: one document for each group of mutually similar ones, best first.

        `per` names a metadata key or dotted path (the source document, say): one document per value at most. Fewer
        than k come back where fewer distinct things are near; the retriever's `fill` adds to them.
        """
        return self.field_search_by_vector(self.vector_of(query), k, filter=filter, per=per, **kwargs)

    def field_search_by_vector(
        self, /, embedding: list[float], k: int = 4, *, filter: Filter = None, per: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """`field_search` for a vector."""
        return [to_document(hit) for hit in self._hits(embedding, k, filter, kwargs, by="attractors", per=per)]

    def _hits(self, vector: list[float], k: int, filter: Filter, unknown: Mapping[str, Any], **how: Any) -> list[Hit]:
        refuse(unknown)
        return self.store.search(vector, k, where=to_where(filter), **how)

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """LangChain's `search`, which also knows the search_type "field"."""
        if search_type == "field":
            return self.field_search(query, **kwargs)
        return super().search(query, search_type, **kwargs)

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """`search` with the async embedder."""
        if search_type == "field":
            return await self.afield_search(query, **kwargs)
        return await super().asearch(query, search_type, **kwargs)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """`similarity_search` with the async embedder."""
        return await self._by_query(self.similarity_search_by_vector, query, k, **kwargs)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """`similarity_search_with_score` with the async embedder."""
        return await self._by_query(self.similarity_search_with_score_by_vector, query, k, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """`max_marginal_relevance_search` with the async embedder."""
        by_vector = self.max_marginal_relevance_search_by_vector
        return await self._by_query(by_vector, query, k, fetch_k, lambda_mult, **kwargs)

    async def afield_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """`field_search` with the async embedder."""
        return await self._by_query(self.field_search_by_vector, query, k, **kwargs)

    asimilarity_search_with_score_by_vector = in_thread(similarity_search_with_score_by_vector)
    afield_search_by_vector = in_thread(field_search_by_vector)

    async def _by_query(self, by_vector: Callable[..., T], query: str, *args: Any, **kwargs: Any) -> T:
        """Embed without blocking, then run the body that takes a vector in a thread."""
        vector = await self.avector_of(query)
        return await run_in_executor(None, partial(by_vector, vector, *args, **kwargs))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance

    def as_retriever(self, **kwargs: Any) -> "FieldRetriever":
        """A `FieldRetriever` over this store; `kwargs` are its fields."""
        from langchain_fieldstore.retrievers import FieldRetriever  # the retriever's own type names this class

        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return FieldRetriever(vectorstore=self, tags=tags, **kwargs)
