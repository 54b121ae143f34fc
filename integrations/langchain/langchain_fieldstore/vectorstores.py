# LangChain's VectorStore over one FieldStore: translate, delegate, return.
#
# In:   texts and documents; an Embeddings turns them into vectors here.
# Out:  documents, receipts, certificates.
# Rule: no storage, no retries, no search logic; what cannot be honoured is refused by name.
# Rule: a method on vectors is the one true body; its text and async forms only embed and call it.
"""`FieldVectorStore`."""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial, wraps
from os import PathLike
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

from fieldstore import Certificate, Entry, FieldStore, Hit, Receipt, UnknownRecord
from langchain_fieldstore.diversity import most_diverse
from langchain_fieldstore.documents import Columns, columns_of_documents, columns_of_texts, to_document, to_where

if TYPE_CHECKING:
    from langchain_fieldstore.retrievers import FieldRetriever

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def _in_thread(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """The async form of a method that embeds nothing."""

    @wraps(method)
    async def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await run_in_executor(None, partial(getattr(self, method.__name__), *args, **kwargs))

    return twin


def relevance(cosine: float) -> float:
    """A cosine as LangChain's relevance, 0 to 1; rounding may carry a cosine past 1."""
    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))


def _refuse(unknown: Mapping[str, Any]) -> None:
    """Raise TypeError for arguments that nothing here would honour."""
    if unknown:
        raise TypeError(f"FieldVectorStore has no argument {', '.join(sorted(unknown))} here; nothing was done")


class FieldVectorStore(VectorStore):
    """Documents found by meaning, forgotten on request, with proof of both.

    Setup:
        ```bash
        pip install langchain-fieldstore
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
        print(vector_store.add_documents([foo, thud, doomed]))
        ```
        ```text
        ['1', '2', '3']
        ```

    Update Documents:
        ```python
        vector_store.update_document("2", Document(page_content="thud", metadata={"bar": "qux"}))
        ```

    Delete Documents:
        ```python
        print(vector_store.delete(["3"]))
        ```
        ```text
        True
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

        [document] = asyncio.run(vector_store.asimilarity_search("foo", k=1))
        print(document.page_content)
        ```
        ```text
        foo
        ```

    Use as Retriever:
        ```python
        retriever = vector_store.as_retriever(search_type="mmr", k=1)
        print(retriever.invoke("thud"))
        ```
        ```text
        [Document(id='2', metadata={'bar': 'qux'}, page_content='thud')]
        ```

    Forget and restore:
        ```python
        print(vector_store.forget(["1"], reason="asked by its author").ids)
        print(vector_store.restore(["1"]).ids)
        ```
        ```text
        ('1',)
        ('1',)
        ```

    Erase:
        ```python
        certificate = vector_store.erase(["1"])
        print(vector_store.restore(["1"]).unknown)
        ```
        ```text
        ('1',)
        ```

    Field search:
        ```python
        print(vector_store.field_search("thud", k=4))
        ```
        ```text
        [Document(id='2', metadata={'bar': 'qux'}, page_content='thud')]
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
        self.store = FieldStore(path) if store is None else store
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
        return self._add(columns_of_texts(texts, metadatas, ids), **kwargs)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """`add_texts` with the async embedder."""
        return await self._aadd(columns_of_texts(texts, metadatas, ids), **kwargs)

    def add_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """`add_texts` for documents; `ids`, when given, beat the documents' own."""
        return self._add(columns_of_documents(documents, ids), **kwargs)

    async def aadd_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """`add_documents` with the async embedder."""
        return await self._aadd(columns_of_documents(documents, ids), **kwargs)

    def _add(self, columns: Columns, *, batch_size: int | None = None, **kwargs: Any) -> list[str]:
        _refuse(kwargs)
        if not columns["texts"]:
            return []
        return self.store.add(self.embedding.embed_documents(columns["texts"]), **columns)

    async def _aadd(self, columns: Columns, *, batch_size: int | None = None, **kwargs: Any) -> list[str]:
        _refuse(kwargs)
        if not columns["texts"]:
            return []
        vectors = await self.embedding.aembed_documents(columns["texts"])
        return await run_in_executor(None, partial(self.store.add, vectors, **columns))

    def update_documents(self, ids: Sequence[str], documents: Iterable[Document]) -> list[str]:
        """Replace live documents, one per id: text, metadata and vector. Returns the ids.

        Raises:
            UnknownRecord: an id is not live; nothing was changed, and nothing forgotten is revived.
        """
        self._require_live(ids)
        return self.add_documents(documents, ids=ids)

    async def aupdate_documents(self, ids: Sequence[str], documents: Iterable[Document]) -> list[str]:
        """`update_documents` with the async embedder."""
        await run_in_executor(None, self._require_live, ids)
        return await self.aadd_documents(documents, ids=ids)

    def update_document(self, document_id: str, document: Document) -> str:
        """`update_documents` for one."""
        return self.update_documents([document_id], [document])[0]

    def _require_live(self, ids: Sequence[str]) -> None:
        missing = [id for id in ids if not self.store.exists(id)]
        if missing:
            raise UnknownRecord(f"no live record {missing[0]!r}; nothing was changed. New documents: add_documents")

    # ---- forgetting

    def delete(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        delete_all: bool = False,
        erase: bool | None = None,
        reason: str | None = None,
        actor: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Take documents out of every answer, by exactly one of `ids`, `filter` and `delete_all`. Always True.

        `erase` decides between forgetting (False) and destroying for good (True); None follows `on_delete`. Erasing
        also reaches what is forgotten already. Ids that are not there and `[]` delete nothing, and are no error.
        Unlike LangChain's base class says, `delete()` does not empty the store: ask for `delete_all=True`.

        Raises:
            ValueError: not exactly one of the three is given (`filter={}` does not count); nothing was deleted.
            ErasePending, LeftoversFound: gone from every answer, but bytes are left on disk; delete again to go on.
        """
        _refuse(kwargs)
        if [ids is not None, bool(filter), delete_all].count(True) != 1:
            raise ValueError("delete takes exactly one of ids, filter= and delete_all=True; nothing was deleted")
        if self.on_delete == "erase" if erase is None else erase:
            self._erase_known(ids, to_where(filter), reason, actor)
        elif delete_all:
            self.store.forget(self.store.ids(), reason=reason, actor=actor)
        else:
            self.forget(ids, filter=filter, reason=reason, actor=actor)
        return True

    def _erase_known(
        self, ids: Sequence[str] | None, where: dict[str, Any] | None, reason: str | None, actor: str | None
    ) -> None:
        """Erase what there is to erase: `FieldStore.erase` refuses ids that are neither live nor forgotten."""
        if ids is None:
            ids = self.store.ids(where=where) + self.store.ids(where=where, forgotten=True)
        known = [id for id in ([ids] if isinstance(ids, str) else ids) if self.store.history(id)]
        if known:
            self.store.erase(known, reason=reason, actor=actor)
        else:
            self.store.finish_erase()  # or an erase that was interrupted would pass for done when it is asked for again

    def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take documents out of every answer until `restore`; their content is kept. See `FieldStore.forget`."""
        return self.store.forget(ids, where=to_where(filter), reason=reason, actor=actor)

    def restore(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Bring forgotten documents back as they were. See `FieldStore.restore`."""
        return self.store.restore(ids, where=to_where(filter), reason=reason, actor=actor)

    def erase(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Destroy documents for good, live or forgotten, every version of them. See `FieldStore.erase`."""
        return self.store.erase(ids, where=to_where(filter), reason=reason, actor=actor)

    def history(self, id: str) -> list[Entry]:
        """What was ever done to one document, oldest first. See `FieldStore.history`."""
        return self.store.history(id)

    aforget = _in_thread(forget)
    arestore = _in_thread(restore)
    aerase = _in_thread(erase)
    ahistory = _in_thread(history)

    # ---- finding

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The live documents among `ids`, in that order, each once."""
        return [to_document(record) for record in self.store.get(ids)]

    def similarity_search(
        self, query: str, k: int = 4, *, filter: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[Document]:
        """The k nearest documents that pass `filter`, best first; fewer only where fewer are live."""
        return self.similarity_search_by_vector(self.embedding.embed_query(query), k, filter=filter, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[Document]:
        """`similarity_search` for a vector of any length but zero."""
        return [to_document(hit) for hit in self._hits(embedding, k, filter, kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """`similarity_search` with each document's cosine to the query, -1 to 1: higher is closer."""
        return self.similarity_search_with_score_by_vector(
            self.embedding.embed_query(query), k, filter=filter, **kwargs
        )

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Mapping[str, Any] | None = None, **kwargs: Any
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
        filter: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """k documents that are near the query yet unlike one another, in the order they were chosen.

        They are chosen among the `fetch_k` nearest (never fewer than k) that pass `filter`.
        `lambda_mult`: 1 = nearness alone, 0 = unlikeness alone.
        """
        return self.max_marginal_relevance_search_by_vector(
            self.embedding.embed_query(query), k, fetch_k, lambda_mult, filter=filter, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Mapping[str, Any] | None = None,
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
        self, query: str, k: int = 4, *, filter: Mapping[str, Any] | None = None, per: str | None = None, **kwargs: Any
    ) -> list[Document]:
        """The distinct things near the query: one document for each group of mutually similar ones, best first.

        `per` names a metadata key (the source document, say): one document per value at most. Fewer than k come back
        where fewer distinct things are near; the retriever's `fill` adds to them.
        """
        return self.field_search_by_vector(self.embedding.embed_query(query), k, filter=filter, per=per, **kwargs)

    def field_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: Mapping[str, Any] | None = None,
        per: str | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """`field_search` for a vector."""
        hits = self._hits(embedding, k, filter, kwargs, by="attractors", per=per)
        return [to_document(hit) for hit in hits]

    def _hits(
        self, vector: list[float], k: int, filter: Mapping[str, Any] | None, unknown: Mapping[str, Any], **how: Any
    ) -> list[Hit]:
        _refuse(unknown)
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

    async def _by_query(self, by_vector: Callable[..., T], query: str, *args: Any, **kwargs: Any) -> T:
        """Embed without blocking, then run the body that takes a vector in a thread."""
        vector = await self.embedding.aembed_query(query)
        return await run_in_executor(None, partial(by_vector, vector, *args, **kwargs))

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance

    def as_retriever(self, **kwargs: Any) -> "FieldRetriever":
        """A `FieldRetriever` over this store; `kwargs` are its fields."""
        from langchain_fieldstore.retrievers import FieldRetriever  # the retriever's own type names this class

        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return FieldRetriever(vectorstore=self, tags=tags, **kwargs)
