# LlamaIndex's vector store over one FieldStore: translate, delegate, return.
#
# In:   nodes with their embeddings, queries, filters, ids of source documents.
# Out:  nodes, receipts, certificates.
# Rule: no storage, no retries, no search logic; what cannot be honoured is refused by name.
# Rule: a sync method is the one true body; its async twin runs it in a thread, with every argument.
"""`FieldVectorStore`."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import (
    DEFAULT_PERSIST_DIR,
    DEFAULT_PERSIST_FNAME,
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
)

from fieldstore import Certificate, Entry, FieldStore, Hit, Receipt, UnknownRecord
from llama_index.vector_stores.fieldstore import persisting, sources
from llama_index.vector_stores.fieldstore.filters import EVERYTHING, FILTER_KEYS, Where, both, to_where
from llama_index.vector_stores.fieldstore.nodes import ID, columns, to_node
from llama_index.vector_stores.fieldstore.queries import FieldQueryResult, Mode, checked_mode, question

_DEFAULT_PERSIST_PATH = os.path.join(DEFAULT_PERSIST_DIR, DEFAULT_PERSIST_FNAME)


def _in_thread(method: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The async twin of a method; a precise type would not fit the methods of the base class that it overrides."""

    @wraps(method)
    async def twin(self: "FieldVectorStore", /, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)

    return twin


def _refuse(unknown: Mapping[str, Any]) -> None:
    """Raise TypeError for arguments that nothing here would honour."""
    if unknown:
        raise TypeError(f"FieldVectorStore has no argument {', '.join(sorted(unknown))} here; nothing was done")


class FieldVectorStore(BasePydanticVectorStore):
    """Nodes found by meaning, forgotten on request, with proof of both.

    path: directory of the store, created or opened; None keeps it in memory. The first nodes decide the dimension.
    store: a FieldStore opened elsewhere (with its own kappa, signing key, ...), instead of `path`. It stays yours to
    close. on_delete: what LlamaIndex's `delete`, `delete_nodes` and `clear` mean: "forget" (out of every answer;
    `restore` undoes it), or "erase" (destroyed for good). mode: how queries in LlamaIndex's mode "default" are
    answered: "default" by cosine, "mmr", or "field", where near-copies answer once.

    Raises ValueError when both `path` and `store` are given, or for an unknown on_delete or mode.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    path: str | None = None
    on_delete: Literal["forget", "erase"] = "forget"
    mode: Mode = "default"

    _store: FieldStore = PrivateAttr()
    _opened_here: bool = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        store: FieldStore | None = None,
        on_delete: Literal["forget", "erase"] = "forget",
        mode: Mode = "default",
    ) -> None:
        if path is not None and store is not None:
            raise ValueError("give path or store, not both; no store was opened")
        if on_delete not in ("forget", "erase"):
            raise ValueError(f"on_delete is {on_delete!r}; it is 'forget' or 'erase'. No store was opened")
        checked_mode(mode)
        opened = FieldStore(path, filter_keys=FILTER_KEYS) if store is None else store
        super().__init__(
            stores_text=True,
            path=None if opened.path is None else str(opened.path),  # type: ignore[call-arg]
            on_delete=on_delete,
            mode=mode,
        )
        self._store = opened
        self._opened_here = store is None

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex calls this class."""
        return "FieldVectorStore"

    @property
    def client(self) -> FieldStore:
        """The store itself: search, residuals, certificates, verify."""
        return self._store

    def __bool__(self) -> bool:
        """True, empty or not: LlamaIndex asks `if vector_store:` and would put another store in its place."""
        return True

    # ---- opening and closing

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._opened_here:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"FieldVectorStore over {self._store} cannot be pickled; open it again by its path")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> NoReturn:
        raise TypeError(f"FieldVectorStore over {self._store} cannot be copied; use it from as many places as you like")

    # ---- writing

    def add(
        self,
        nodes: Sequence[BaseNode],
        *,
        weight: float | None = None,
        reason: str | None = None,
        actor: str | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store nodes with their embeddings, in one transaction; returns their ids, in order.

        An id stored before is replaced, or revived if it was forgotten. weight: in copies, of each of these nodes.

        Raises:
            ValueError: a node has no embedding or one of another dimension, metadata is no JSON or is named "_node", or
                an id comes twice; nothing was added.
            TypeError: any other argument.
        """
        _refuse(kwargs)
        batch = columns(nodes)
        if not batch["ids"]:
            return []
        return self._store.add(**batch, weights=weight, reason=reason, actor=actor)

    # ---- forgetting

    def delete(
        self,
        ref_doc_id: str,
        *,
        erase: bool | None = None,
        reason: str | None = None,
        actor: str | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Forget every node of a source document, and the document itself where it was stored whole.

        erase: True destroys them for good instead, False does not; None follows `on_delete`. A document that is not
        there is no error.
        """
        _refuse(delete_kwargs)
        self._delete(None, sources.of_source(ref_doc_id), erase, reason, actor)

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        *,
        erase: bool | None = None,
        reason: str | None = None,
        actor: str | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Forget nodes (erase: as in `delete`): those of node_ids, those that match, or those of both.

        `[]` and ids that are not there delete nothing.

        Raises:
            ValueError: neither is given, or filters without a filter; `clear` is what empties a store.
        """
        _refuse(delete_kwargs)
        self._delete(*_selection(None, node_ids, filters), erase, reason, actor)

    def clear(self, *, erase: bool | None = None, reason: str | None = None, actor: str | None = None) -> None:
        """Forget every node (erase: as in `delete`, and then what is forgotten already goes, too)."""
        self._delete(None, EVERYTHING, erase, reason, actor)

    def _delete(
        self, ids: list[str] | None, where: Where | None, erase: bool | None, reason: str | None, actor: str | None
    ) -> None:
        if not (self.on_delete == "erase" if erase is None else erase):
            self._store.forget(ids, where=where, reason=reason, actor=actor)
            return
        if ids is not None:  # `FieldStore.erase` refuses what is not there
            ids = [id for id in ids if self._store.history(id)]
        try:
            if ids != []:
                self._store.erase(ids, where=where, reason=reason, actor=actor)
                return
        except UnknownRecord:
            pass
        self._store.finish_erase()  # or an erase that was interrupted would pass for done when it is asked for again

    def forget(
        self,
        ref_doc_id: str | None = None,
        *,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take nodes out of every answer until `restore`; their content is kept.

        A source document's, or those of node_ids and filters. See `FieldStore.forget`.
        """
        ids, where = _selection(ref_doc_id, node_ids, filters)
        return self._store.forget(ids, where=where, reason=reason, actor=actor)

    def restore(
        self,
        ref_doc_id: str | None = None,
        *,
        node_ids: list[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Bring forgotten nodes back as they were: those of node_ids, or those of a source document.

        Of a document, those that were forgotten since it was last written: not the nodes of versions that were replaced
        before. There is no restore by filters, which would bring those back, too.
        """
        if (ref_doc_id is None) == (node_ids is None):
            raise ValueError("restore takes ref_doc_id or node_ids, one of them; nothing was restored")
        if node_ids is None:
            assert ref_doc_id is not None
            node_ids = sources.forgotten_since_written(self._store, ref_doc_id)
        return self._store.restore(node_ids, reason=reason, actor=actor)

    undo = restore

    def erase(
        self,
        ref_doc_id: str | None = None,
        *,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Destroy nodes for good, live or forgotten, every version of them; selected as in `forget`.

        Unlike `delete`, it raises UnknownRecord where there is nothing to erase. See `FieldStore.erase`.
        """
        ids, where = _selection(ref_doc_id, node_ids, filters)
        return self._store.erase(ids, where=where, reason=reason, actor=actor)

    def history(self, ref_doc_id: str) -> list[Entry]:
        """What was ever done to the nodes of a source document, when, by whom and why, oldest first."""
        return sources.history(self._store, ref_doc_id)

    # ---- finding

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> FieldQueryResult:
        """The nodes that answer, best first, with their cosines; filtered before they are ranked.

        Arguments (a retriever's `vector_store_kwargs`): mode, "default", "mmr" or "field"; ignore_node_ids, for a
        retriever that sends node_ids of its own accord (an index that holds an IndexNode does). Mode "mmr":
        mmr_threshold, 1 = nearness alone, 0 = unlikeness alone; mmr_prefetch_k, how many of the nearest are looked at.
        The order is that of choice. Mode "field": per, a metadata key (or "ref_doc_id") of which each value answers
        once; reach, the cosine from which nodes are near-copies. Results may be fewer than asked for.

        `node_ids=[]` is no restriction, `doc_ids=[]` lets nothing pass.

        Raises:
            ValueError: the mode or a field of the query cannot be honoured, or there is no embedding.
            TypeError: any other argument.
        """
        asked = question(query, self.mode, kwargs)
        if asked.mode == "field":
            return _result(
                self._store.search(asked.vector, asked.k, where=asked.where, by="attractors", **asked.options)
            )
        if asked.mode == "default":
            return _result(self._store.search(asked.vector, asked.k, where=asked.where))
        return self._most_diverse(asked.vector, asked.k, asked.where, **asked.options)

    def _most_diverse(
        self,
        vector: list[float],
        k: int,
        where: Where | None,
        mmr_threshold: float = 0.5,
        mmr_prefetch_k: int | None = None,
    ) -> FieldQueryResult:
        if not 0 <= mmr_threshold <= 1:
            raise ValueError(f"mmr_threshold is {mmr_threshold}; it goes from 0 (most diverse) to 1 (nearest alone)")
        nearest = max(20, 4 * k) if mmr_prefetch_k is None else max(k, mmr_prefetch_k)
        hits = {hit.id: hit for hit in self._store.search(vector, nearest, where=where)}
        # What was forgotten since the search has no record any more, and is not shown.
        vectors = {record.id: record.vector for record in self._store.get(list(hits), vectors=True)}
        _, order = get_top_k_mmr_embeddings(
            vector,
            list(vectors.values()),  # type: ignore[arg-type]
            similarity_top_k=k,
            embedding_ids=list(vectors),
            mmr_threshold=mmr_threshold,
        )
        return _result([hits[id] for id in order])

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Live nodes with their unit vectors: of node_ids, in that order; that match; of both; or all. `[]` is none."""
        return [to_node(record) for record in self._store.get(node_ids, where=to_where(filters), vectors=True)]

    async_add = _in_thread(add)
    adelete = _in_thread(delete)
    adelete_nodes = _in_thread(delete_nodes)
    aclear = _in_thread(clear)
    aforget = _in_thread(forget)
    arestore = _in_thread(restore)
    aundo = arestore
    aerase = _in_thread(erase)
    ahistory = _in_thread(history)
    aquery = _in_thread(query)
    aget_nodes = _in_thread(get_nodes)

    # ---- persisting

    def persist(
        self,
        persist_path: str | os.PathLike[str] = _DEFAULT_PERSIST_PATH,
        fs: AbstractFileSystem | None = None,
    ) -> None:
        """Leave a pointer to the store at persist_path; `from_persist_path` follows it.

        A store on disk is safe already, and is never copied: an erase could not reach the copy. One in memory moves to
        disk, beside the pointer, and lives there from now on: its live nodes, without its history and without what is
        forgotten. Nobody else may write to it meanwhile.

        Raises:
            ValueError: fs is no local file system, or the store in memory was opened elsewhere.
            FileExistsError: there is a store already where one in memory would go; nothing was written.
        """
        file = persisting.local(persist_path, fs)
        if self._store.path is None:
            if not self._opened_here:
                raise ValueError("this store in memory was opened elsewhere and stays there; open it with a path")
            memory, self._store = self._store, persisting.on_disk(self._store, file.with_suffix(".fieldstore"))
            self.path = str(self._store.path)
            memory.close()
        assert self._store.path is not None
        uuid = str(self._store.stats()["uuid"])
        persisting.write(file, persisting.Pointer(self._store.path, uuid, self.on_delete, self.mode))

    @classmethod
    def from_persist_path(
        cls, persist_path: str | os.PathLike[str], fs: AbstractFileSystem | None = None
    ) -> "FieldVectorStore":
        """The store that a pointer left by `persist` names, with the on_delete and mode it had.

        Raises:
            FileNotFoundError, ValueError: there is no pointer, or another store where it points to.
            NotAStore: there is no store any more.
        """
        file = persisting.local(persist_path, fs)
        pointer = persisting.read(file)
        store = FieldStore(pointer.path, create=False)
        if store.stats()["uuid"] != pointer.uuid:
            store.close()
            raise ValueError(f"'{file}' points to another store than the one at '{pointer.path}' now")
        opened = cls(store=store, on_delete=pointer.on_delete, mode=pointer.mode)  # type: ignore[arg-type]
        opened._opened_here = True
        return opened

    @classmethod
    def from_persist_dir(
        cls,
        persist_dir: str | os.PathLike[str] = DEFAULT_PERSIST_DIR,
        namespace: str = "default",
        fs: AbstractFileSystem | None = None,
    ) -> "FieldVectorStore":
        """The store that `StorageContext.persist(persist_dir)` left a pointer to."""
        return cls.from_persist_path(Path(persist_dir) / f"{namespace}__{DEFAULT_PERSIST_FNAME}", fs)


def _selection(
    ref_doc_id: str | None, node_ids: list[str] | None, filters: MetadataFilters | None
) -> tuple[list[str] | None, Where | None]:
    """Ids, or a condition: what `FieldStore` takes; ValueError where nothing is selected, or by two ways."""
    condition = to_where(filters)
    if ref_doc_id is not None:
        if node_ids is not None or filters is not None:
            raise ValueError("give ref_doc_id, or node_ids and filters; nothing was changed")
        return None, sources.of_source(ref_doc_id)
    if node_ids is None and condition is None:
        raise ValueError("nothing is selected: give ids or filters; nothing was changed. clear() empties a store")
    if condition is None or not node_ids:
        return (None, condition) if node_ids is None else (list(node_ids), None)
    return None, both({ID: {"$in": list(node_ids)}}, condition)


def _result(hits: list[Hit]) -> FieldQueryResult:
    return FieldQueryResult(
        nodes=[to_node(hit) for hit in hits],
        similarities=[hit.cosine for hit in hits],
        ids=[hit.id for hit in hits],
        scores=[hit.score for hit in hits],
        shares=[hit.share for hit in hits],
        members=[[NodeWithScore(node=to_node(member), score=member.cosine) for member in hit.members] for hit in hits],
    )
