# LangChain's VectorStore over one FieldStore: translate, delegate, return.
#
# In:   texts and documents; an Embeddings turns them into vectors here.
# Out:  their ids. What finds is in searching.py, what forgets in forgetting.py.
# Rule: no storage, no retries, no search logic; what cannot be honoured is refused by name.
"""`FieldVectorStore`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor

from fieldstore import Added, FieldStore, Receipt
from langchain_fieldstore.calls import refuse
from langchain_fieldstore.documents import Columns, columns_of_documents, columns_of_texts
from langchain_fieldstore.forgetting import Forgetting
from langchain_fieldstore.reading import note_written
from langchain_fieldstore.searching import Searching

if TYPE_CHECKING:
    from langchain_fieldstore.retrievers import FieldRetriever

Written = Added | Receipt  # what FieldStore.add and FieldStore.update return
_FILTER_KEYS = ("source",)  # where loaders say which document a chunk comes from


class FieldVectorStore(Forgetting, Searching):
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
        namespace: str | None
            A tenant: a store of its own below `path`, which shares no id, search, filter or erase with the others.
        text_index: bool
            Keep an index of the words too, for `search_type="hybrid"`; once made it stays.
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
        namespace: str | None = None,
        text_index: bool = False,
        on_delete: Literal["forget", "erase"] = "forget",
    ) -> None:
        """Create or open the store at `path` (None: in memory), or use `store`.

        Raises:
            ValueError: `path`, `namespace` or `text_index` is given beside `store`, a namespace is empty or has no
                path, or `on_delete` is neither "forget" nor "erase".
            TypeError: `embedding` embeds nothing.
        """
        if store is not None and (path is not None or namespace is not None or text_index):
            raise ValueError("give path, namespace and text_index, or store, not both; no store was opened")
        if namespace is not None:
            path = _place_of(namespace, path)
        if not hasattr(embedding, "embed_query"):
            raise TypeError(f"embedding is a {type(embedding).__name__}; give an Embeddings. No store was opened")
        if on_delete not in ("forget", "erase"):
            raise ValueError(f"on_delete is {on_delete!r}; it is 'forget' or 'erase'. No store was opened")
        self.embedding = embedding
        self.on_delete = on_delete
        self.store = FieldStore(path, filter_keys=_FILTER_KEYS, text_index=text_index) if store is None else store
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

    def __reduce__(self) -> str | tuple[Any, ...]:
        path = self.store.path
        again = "one in memory lives in this process alone; give it a path"
        if path is not None:
            again = f"open it again with FieldVectorStore(embedding, path={str(path)!r})"
        raise TypeError(f"a FieldVectorStore cannot be pickled or copied: {again}")

    # ---- writing

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any] | None] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Added:
        """Embed and store texts in one transaction; an id stored before is replaced, or revived if forgotten.

        `metadatas` and `ids` are as many as the texts; None among them stands for `{}` and for a new uuid4.
        `batch_size` is accepted because LangChain's indexing passes it; there is one batch, whole or not at all.
        Returns the ids, in order; its `kept_out` are those that were refused, see `forget(keep_out=True)`.

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
    ) -> Added:
        """`add_texts` with the async embedder."""
        return await self._awrite(self.store.add, columns_of_texts(texts, metadatas, ids), **kwargs)

    def add_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> Added:
        """`add_texts` for documents; `ids`, when given, beat the documents' own."""
        return self._write(self.store.add, columns_of_documents(documents, ids), **kwargs)

    async def aadd_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> Added:
        """`add_documents` with the async embedder."""
        return await self._awrite(self.store.add, columns_of_documents(documents, ids), **kwargs)

    def update_documents(self, ids: Iterable[str], documents: Iterable[Document]) -> Added:
        """Replace live documents, one per id, in one transaction: text, metadata and vector. Returns the ids.

        Raises:
            UnknownRecord: an id is not live; nothing was changed, and nothing forgotten is revived.
        """
        return self._write(self.store.update, columns_of_documents(documents, ids))

    async def aupdate_documents(self, ids: Iterable[str], documents: Iterable[Document]) -> Added:
        """`update_documents` with the async embedder."""
        return await self._awrite(self.store.update, columns_of_documents(documents, ids))

    def update_document(self, document_id: str, document: Document) -> str:
        """`update_documents` for one."""
        return self.update_documents([document_id], [document])[0]

    async def aupdate_document(self, document_id: str, document: Document) -> str:
        """`update_document` with the async embedder."""
        return (await self.aupdate_documents([document_id], [document]))[0]

    def _write(
        self, verb: Callable[..., Written], columns: Columns, *, batch_size: int | None = None, **unknown: Any
    ) -> Added:
        """Embed the texts, then hand everything to the store's `verb` in one call."""
        refuse(unknown)
        if not columns["texts"]:
            return Added()
        vectors = _one_each(self.embedding.embed_documents(columns["texts"]), columns)
        return self._written(columns, verb(vectors=vectors, **columns))

    async def _awrite(
        self, verb: Callable[..., Written], columns: Columns, *, batch_size: int | None = None, **unknown: Any
    ) -> Added:
        refuse(unknown)
        if not columns["texts"]:
            return Added()
        vectors = _one_each(await self.embedding.aembed_documents(columns["texts"]), columns)
        return self._written(columns, await run_in_executor(None, partial(verb, vectors=vectors, **columns)))

    def _written(self, columns: Columns, written: Written) -> Added:
        added = Added(columns["ids"], written.kept_out)
        note_written(self.store, added.stored)
        return added

    # ---- retrieving

    def as_retriever(self, **kwargs: Any) -> "FieldRetriever":
        """A `FieldRetriever` over this store; `kwargs` are its fields."""
        from langchain_fieldstore.retrievers import FieldRetriever  # the retriever's own type names this class

        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return FieldRetriever(vectorstore=self, tags=tags, **kwargs)


def _one_each(vectors: list[list[float]], columns: Columns) -> list[list[float]]:
    """The embedder's vectors, as many as the texts; ValueError otherwise, as from a server that drops empty ones."""
    if len(vectors) != len(columns["texts"]):
        raise ValueError(
            f"the embedder gave {len(vectors)} vectors for {len(columns['texts'])} texts; nothing was done"
        )
    return vectors


def _place_of(namespace: str, path: str | PathLike[str] | None) -> Path:
    """The directory of a namespace's own store: any string will do as a name."""
    if path is None or not namespace:
        raise ValueError("a namespace has a name, and a path to lie below; no store was opened")
    plain = "abcdefghijklmnopqrstuvwxyz0123456789-_"  # no capitals: some file systems take Ann for ann
    coded = {letter: "".join(f"%{byte:02x}" for byte in letter.encode()) for letter in namespace}
    return Path(path) / "".join(letter if letter in plain else coded[letter] for letter in namespace)
