# LangChain's RecordManager, as a view: what `index()` asks is answered from the store, and nothing is kept beside it.
#
# A key is a live document's id; its group is in its metadata; its time is when its newest ledger entry was written, or
# when `update` last named it in this process, which is what `index()` does with documents that it leaves as they are.
# Rule: nothing that another verb, object or process does to the store can be missed, for nothing is remembered instead.
# Rule: a time that `get_time` gave out stands for the ledger's position at that moment, since entries keep whole
#       seconds: a time alone could not tell what a run wrote from what it found there a moment before.
"""`FieldRecordManager`."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.documents import Document
from langchain_core.indexing import RecordManager

from langchain_fieldstore.calls import in_thread
from langchain_fieldstore.documents import to_document, value_at
from langchain_fieldstore.filters import to_where
from langchain_fieldstore.vectorstores import FieldVectorStore

SourceKey = str | Callable[[Document], str] | None
_MOMENTS = 1000  # times given out and remembered; a run needs its own until it ends


class FieldRecordManager(RecordManager):
    """What `langchain_core.indexing.index` needs to know, read from the vector store it writes to.

    ```python
    manager = FieldRecordManager(vector_store, source_id_key="source")
    index(loader, manager, vector_store, cleanup="full", source_id_key="source", key_encoder="sha256")
    ```

    There is nothing to set up and nothing to keep in step: what was forgotten is indexed again when a loader still
    brings it, what was restored is known and left alone, and every document counts, also one that was added without
    `index()`. With `cleanup="full"` the store therefore ends up holding what the loader brings and nothing else; give
    a `filter` to leave the others alone.

    vector_store: the one that `index()` is given.
    source_id_key: as `index()` is given it: the metadata key of a document's source, a function of it, or None.
    filter: conditions on metadata; cleaning up looks at no other documents.
    """

    def __init__(
        self,
        vector_store: FieldVectorStore,
        *,
        source_id_key: SourceKey = "source",
        filter: dict[str, Any] | None = None,
    ) -> None:
        """Raises TypeError for a filter that is no dict."""
        super().__init__(f"fieldstore/{vector_store.store.path or 'in memory'}")
        self._vector_store = vector_store
        self._store = vector_store.store
        self._source_id_key = source_id_key
        self._where = to_where(filter)
        self._moments: dict[float, int] = {}  # time given out -> entries that the ledger had then
        self._named: dict[str, float] = {}  # key -> when `update` last named it
        self._lock = threading.Lock()
        self._last = 0.0

    def create_schema(self) -> None:
        """Nothing: the store is the schema."""

    def get_time(self) -> float:
        """Seconds since 1970, later than every time given out before."""
        return self._now(self._store.seq + 1)

    def _now(self, entries: int | None) -> float:
        with self._lock:
            now = self._last = max(time.time(), math.nextafter(self._last, math.inf))
            if entries is not None:
                self._moments[now] = entries
                if len(self._moments) > _MOMENTS:
                    del self._moments[next(iter(self._moments))]
            return now

    def update(
        self, keys: Sequence[str], *, group_ids: Sequence[str | None] | None = None, time_at_least: float | None = None
    ) -> None:
        """Note that these keys are wanted still. Nothing is written: what is stored, `add_documents` has stored.

        Raises:
            ValueError: there are more or fewer groups than keys, `time_at_least` is in the future, or a stored document
                has another group in its metadata than the one given: then `source_id_key` is not what `index()` has.
        """
        now = self._now(None)
        if group_ids is not None and len(group_ids) != len(keys):
            raise ValueError(f"got {len(keys)} keys but {len(group_ids)} groups; nothing was noted")
        if time_at_least is not None and time_at_least > now:
            raise ValueError(f"time_at_least is {time_at_least}, and it is {now} only; nothing was noted")
        self._check_groups(keys, group_ids)
        with self._lock:
            self._named.update(dict.fromkeys(keys, now))

    def exists(self, keys: Sequence[str]) -> list[bool]:
        """Which of the keys are live now."""
        live = {record.id for record in self._store.get(keys)}
        return [key in live for key in keys]

    def list_keys(
        self,
        *,
        before: float | None = None,
        after: float | None = None,
        group_ids: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """The live keys that were written, or last named by `update`, before and after these times; of these groups."""
        keys = self._store.ids(where=self._where, changed_before=self._moment(before))
        with self._lock:
            named = dict(self._named)
        if before is not None:
            keys = [key for key in keys if named.get(key, -math.inf) < before]
        if after is not None:
            fresh = set(self._store.ids(where=self._where, changed_after=self._moment(after)))
            keys = [key for key in keys if key in fresh or named.get(key, -math.inf) > after]
        if group_ids is not None:
            members = set(self._members(group_ids))
            keys = [key for key in keys if key in members]
        return keys if limit is None else keys[:limit]

    def delete_keys(self, keys: Sequence[str]) -> None:
        """Take these keys out: of the store, as `delete` does, for it is the store that has them.

        `index()` has deleted them by then, and nothing is left to do.
        """
        with self._lock:
            for key in keys:
                self._named.pop(key, None)
        if live := [record.id for record in self._store.get(keys)]:
            self._vector_store.delete(live)

    def _moment(self, time: float | None) -> int | datetime | None:
        """The ledger's position at a time that was given out; for any other time, whole seconds, which lose nothing."""
        if time is None:
            return None
        with self._lock:
            entries = self._moments.get(time)
        return datetime.fromtimestamp(math.floor(time), UTC) if entries is None else entries

    def _members(self, group_ids: Sequence[str]) -> list[str]:
        """The live keys of these groups."""
        key = self._source_id_key
        if key is None:
            raise ValueError("this record manager has no source_id_key, so it knows no groups; nothing was listed")
        if callable(key):
            wanted = set(group_ids)
            records = self._store.get(where=self._where)
            return [record.id for record in records if key(to_document(record)) in wanted]
        of_groups = {key: {"$in": list(group_ids)}}
        return self._store.ids(where=of_groups if self._where is None else {"$and": [self._where, of_groups]})

    def _check_groups(self, keys: Sequence[str], group_ids: Sequence[str | None] | None) -> None:
        """Raise ValueError where `index()` goes by another key than this manager: cleaning up would find nothing."""
        groups = {key: group for key, group in zip(keys, group_ids or (), strict=False) if group is not None}
        if not groups or callable(self._source_id_key):
            return
        for record in self._store.get(list(groups)):
            group, own = groups[record.id], self._source_id_key
            found = None if own is None else value_at(record.metadata, own)
            others = [name for name, value in record.metadata.items() if value == group]
            if found is None or (found != group and others):
                theirs = f"by {others[0]!r}" if others else "by something else"
                raise ValueError(
                    f"this record manager tells sources by {own!r}, and index() {theirs}; nothing was noted. Give both "
                    "the same source_id_key"
                )

    acreate_schema = in_thread(create_schema)
    aget_time = in_thread(get_time)
    aupdate = in_thread(update)
    aexists = in_thread(exists)
    alist_keys = in_thread(list_keys)
    adelete_keys = in_thread(delete_keys)
