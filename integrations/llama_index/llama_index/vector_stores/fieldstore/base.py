# LlamaIndex's vector store over one FieldStore: translate, delegate, return. What only looks is in `finding`.
#
# In:   nodes with their embeddings, filters, ids of source documents.
# Out:  receipts, certificates, what the ledger says.
# Rule: no storage, no retries; what cannot be honoured is refused by name.
"""`FieldVectorStore`."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import DEFAULT_PERSIST_DIR, DEFAULT_PERSIST_FNAME, MetadataFilters

from fieldstore import Certificate, Entry, FieldStore, NotAStore, Receipt, Residual, UnknownRecord
from llama_index.vector_stores.fieldstore import persisting, sources
from llama_index.vector_stores.fieldstore.filters import EVERYTHING, FILTER_KEYS, both, listed, to_where
from llama_index.vector_stores.fieldstore.finding import Finding, in_thread
from llama_index.vector_stores.fieldstore.nodes import ID, SOURCE, columns, weights_of
from llama_index.vector_stores.fieldstore.past import PastVectorStore
from llama_index.vector_stores.fieldstore.queries import WORDED, Mode, checked_mode

_DEFAULT_PERSIST_PATH = os.path.join(DEFAULT_PERSIST_DIR, DEFAULT_PERSIST_FNAME)


def _refuse(unknown: Mapping[str, Any]) -> None:
    """Raise TypeError for arguments that nothing here would honour."""
    if unknown:
        raise TypeError(f"FieldVectorStore has no argument {', '.join(sorted(unknown))} here; nothing was done")


class FieldVectorStore(Finding):
    """Nodes found by meaning, forgotten on request, with proof of both.

    path: directory of the store, created or opened; None keeps it in memory. The first nodes decide the dimension.
    store: a FieldStore opened elsewhere (with its own kappa, signing key, ...), instead of `path`. It stays yours to
    close. on_delete: what LlamaIndex's `delete`, `delete_nodes` and `clear` mean: "forget" (out of every answer;
    `restore` undoes it), or "erase" (destroyed for good). mode: how queries in LlamaIndex's mode "default" are
    answered: "default" by cosine, "mmr", "field", where near-copies answer once, "text_search" or "hybrid". weight_key:
    the metadata key under which nodes say what they weigh, in copies; one that says nothing weighs 1. text_index: keep
    an index of the words, for "text_search" and "hybrid"; it is built once, also for a store that is there, and kept.

    Raises ValueError when both `path` and `store` are given, or for an unknown on_delete or mode.
    """

    path: str | None = None
    on_delete: Literal["forget", "erase"] = "forget"
    weight_key: str | None = None

    _store: FieldStore = PrivateAttr()
    _opened_here: bool = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        store: FieldStore | None = None,
        on_delete: Literal["forget", "erase"] = "forget",
        mode: Mode = "default",
        weight_key: str | None = None,
        text_index: bool = False,
    ) -> None:
        if path is not None and store is not None:
            raise ValueError("give path or store, not both; no store was opened")
        if store is not None and text_index and not store.text_index:
            raise ValueError(f"{store} has no text index; open it with FieldStore(path, text_index=True)")
        if on_delete not in ("forget", "erase"):
            raise ValueError(f"on_delete is {on_delete!r}; it is 'forget' or 'erase'. No store was opened")
        checked_mode(mode)
        opened = _opened(path, text_index) if store is None else store
        super().__init__(
            stores_text=True,
            path=None if opened.path is None else str(opened.path),  # type: ignore[call-arg]
            on_delete=on_delete,
            mode=mode,
            weight_key=weight_key,
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

    # ---- opening and closing

    def close(self) -> None:
        """Close the store, if it was opened here."""
        if self._opened_here:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

        An id stored before is replaced, or revived if it was forgotten. weight: in copies, of each of these nodes,
        whatever their metadata says under `weight_key`. Nodes that are kept out (see `forget`) are not stored; they are
        the `kept_out` of what is returned, a list of ids all the same.

        Raises:
            ValueError: a node has no embedding or one of another dimension, metadata is no JSON or is named "_node", a
                weight is none, or an id comes twice; nothing was added.
            TypeError: any other argument.
        """
        _refuse(kwargs)
        nodes = list(nodes)  # once: a generator is empty the second time
        if not nodes:
            return []
        weights = weight if weight is not None or self.weight_key is None else weights_of(nodes, self.weight_key)
        return self._store.add(**columns(nodes), weights=weights, reason=reason, actor=actor)

    # ---- forgetting

    def delete(
        self,
        ref_doc_id: str,
        *,
        erase: bool | None = None,
        keep_out: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Forget every node of a source document, and the document itself where it was stored whole.

        erase: True destroys them for good instead, False does not; None follows `on_delete`. keep_out: refuse it from
        now on, as in `forget`. A document that is not there is no error.

        Raises:
            ValueError: it is to be erased and kept out; `erase` does that, with a secret. Nothing was changed.
        """
        _refuse(delete_kwargs)
        self._delete(self._document(ref_doc_id), erase, reason, actor, keep_out)

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
        self._delete(self._selection(None, node_ids, filters), erase, reason, actor)

    def clear(self, *, erase: bool | None = None, reason: str | None = None, actor: str | None = None) -> None:
        """Forget every node (erase: as in `delete`, and then what is forgotten already goes, too)."""
        self._delete({"where": EVERYTHING}, erase, reason, actor)

    def _delete(
        self,
        selected: dict[str, Any],
        erase: bool | None,
        reason: str | None,
        actor: str | None,
        keep_out: bool = False,
    ) -> None:
        if not (self.on_delete == "erase" if erase is None else erase):
            self._store.forget(**selected, keep_out=keep_out, reason=reason, actor=actor)
            return
        if keep_out:
            raise ValueError("erase(ref_doc_id, keep_out=SECRET) keeps out what it erases; nothing was changed")
        ids = selected.get("ids")
        if ids is not None:  # `FieldStore.erase` refuses what is not there
            ids = selected["ids"] = [id for id in ids if self._store.history(id)]
        try:
            if ids != []:
                self._store.erase(**selected, reason=reason, actor=actor)
                return
        except UnknownRecord:
            pass
        self._store.finish_erase()  # or an erase that was interrupted would pass for done when it is asked for again

    def _document(self, ref_doc_id: str) -> dict[str, Any]:
        """A source document, as `FieldStore` takes it; one that was not made here may know sources by another key."""
        where = sources.of_source(ref_doc_id)
        return {"source": ref_doc_id} if self._store.source_key == SOURCE else {"where": where}

    def _selection(
        self, ref_doc_id: str | None, node_ids: list[str] | None, filters: MetadataFilters | None
    ) -> dict[str, Any]:
        """A document, ids, or a condition, as `FieldStore` takes them.

        Raises:
            ValueError: nothing is selected, or by two ways.
        """
        condition = to_where(filters)
        if ref_doc_id is not None:
            if node_ids is not None or filters is not None:
                raise ValueError("give ref_doc_id, or node_ids and filters; nothing was changed")
            return self._document(ref_doc_id)
        if node_ids is None and condition is None:
            raise ValueError("nothing is selected: give ids or filters; nothing was changed. clear() empties a store")
        if condition is None or not node_ids:
            return {"where": condition} if node_ids is None else {"ids": listed(node_ids)}
        return {"where": both({ID: {"$in": listed(node_ids)}}, condition)}

    def forget(
        self,
        ref_doc_id: str | None = None,
        *,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        near: float | str | None = None,
        dry_run: bool = False,
        keep_out: bool = False,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take nodes out of every answer until `restore`; their content is kept.

        A source document's, or those of node_ids and filters; near: and every live node of at least this cosine to one
        of them, or "copies" or "windows". dry_run: change nothing, and tell what would go. keep_out: refuse the same
        texts, and the document that is named, from now on: a pipeline that reads them again adds nothing. (By their
        texts alone, in a store that was not made by this class.) See `FieldStore.forget`.
        """
        selected = self._selection(ref_doc_id, node_ids, filters)
        return self._store.forget(**selected, near=near, dry_run=dry_run, keep_out=keep_out, reason=reason, actor=actor)

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
        before. There is no restore by filters, which would bring those back, too. What was kept out is let in again.
        """
        if (ref_doc_id is None) == (node_ids is None):
            raise ValueError("restore takes ref_doc_id or node_ids, one of them; nothing was restored")
        if node_ids is None:
            assert ref_doc_id is not None
            node_ids = sources.forgotten_since_written(self._store, ref_doc_id)
            with suppress(UnknownRecord):  # mostly it is not kept out
                self._store.let_in(source=ref_doc_id, reason=reason, actor=actor)
        return self._store.restore(node_ids, reason=reason, actor=actor)

    undo = restore

    def erase(
        self,
        ref_doc_id: str | None = None,
        *,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        keep_out: bytes | str | os.PathLike[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Destroy nodes for good, live or forgotten, every version of them; selected as in `forget`.

        keep_out: a secret, or a file of it outside the store, by which they are refused from now on. Unlike `delete`,
        it raises UnknownRecord where there is nothing to erase. See `FieldStore.erase`.
        """
        selected = self._selection(ref_doc_id, node_ids, filters)
        return self._store.erase(**selected, keep_out=keep_out, reason=reason, actor=actor)

    def history(self, ref_doc_id: str) -> list[Entry]:
        """What was ever done to the nodes of a source document, when, by whom and why, oldest first."""
        return sources.history(self._store, ref_doc_id)

    def residual(
        self, ref_doc_id: str | None = None, *, node_ids: list[str] | None = None, carriers: int = 10
    ) -> list[Residual]:
        """How much of each node's content other live nodes still carry, before or after forgetting it.

        Of a source document as it was last written, looking at the nodes of other documents only; or of node_ids,
        looking at all. carriers: how many to name, at most. See `FieldStore.residual`.

        Raises:
            UnknownRecord: there is no such document or node, live or forgotten.
        """
        if (ref_doc_id is None) == (node_ids is None):
            raise ValueError("residual takes ref_doc_id or node_ids, one of them; nothing was measured")
        if ref_doc_id is None:
            return self._store.residual(node_ids or [], carriers=carriers)
        ids = sources.of_the_last_version(self._store, ref_doc_id)
        return self._store.residual(ids, carriers=carriers, where={SOURCE: {"$ne": ref_doc_id}})

    def as_of(self, at: int | datetime, *, forgotten: bool = False) -> PastVectorStore:
        """The store as it was after that ledger entry, or at that time, to be read; an index over it answers from then.

        Without what is forgotten by now, unless forgotten=True asks for it; and without an index of words, so a store
        whose queries look for words by default answers by cosine there. See `FieldStore.as_of`.
        """
        mode = "default" if self.mode in WORDED else self.mode
        return PastVectorStore(self._store.as_of(at, forgotten=forgotten), mode=mode)

    def rebuild_docstore(self, *, forgotten: bool = True) -> SimpleDocumentStore:
        """A docstore for an index over a store that was opened again, so that `refresh_ref_docs` knows what is there.

        It knows the hash of every document that LlamaIndex stored here, and no word of it. With it, unchanged documents
        are passed over, and those that were forgotten stay so until they change; forgotten=False leaves these out, so
        that they come again. What was erased is in no docstore.

            context = StorageContext.from_defaults(vector_store=store, docstore=store.rebuild_docstore())
            index = VectorStoreIndex([], storage_context=context)
        """
        return sources.docstore(self._store, forgotten)

    async_add = in_thread(add)
    adelete = in_thread(delete)
    adelete_nodes = in_thread(delete_nodes)
    aclear = in_thread(clear)
    aforget = in_thread(forget)
    arestore = in_thread(restore)
    aundo = arestore
    aerase = in_thread(erase)
    aresidual = in_thread(residual)
    ahistory = in_thread(history)
    aas_of = in_thread(as_of)
    arebuild_docstore = in_thread(rebuild_docstore)

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
            ValueError: fs is no local file system, the store in memory was opened elsewhere, or it keeps something out,
                which no other store would.
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
        persisting.write(file, persisting.Pointer(self._store.path, uuid, self.on_delete, self.mode, self.weight_key))

    @classmethod
    def from_persist_path(
        cls, persist_path: str | os.PathLike[str], fs: AbstractFileSystem | None = None
    ) -> "FieldVectorStore":
        """The store that a pointer left by `persist` names, with the on_delete, mode and weight_key it had.

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
        opened = cls(
            store=store,
            on_delete=pointer.on_delete,  # type: ignore[arg-type]
            mode=pointer.mode,
            weight_key=pointer.weight_key,
        )
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


def _opened(path: str | os.PathLike[str] | None, text_index: bool) -> FieldStore:
    """The store at a path; a new one has a node's document for its records' source."""
    if path is not None:
        with suppress(NotAStore):
            return FieldStore(path, filter_keys=FILTER_KEYS, text_index=text_index, create=False)
    return FieldStore(path, filter_keys=FILTER_KEYS, text_index=text_index, source_key=SOURCE)
