# The verbs that take documents out: LangChain's `delete`, and the store's own forget, restore and erase.
#
# In:   ids or a filter. Out: receipts, certificates.
# Rule: nothing is ever taken for "all of them": that has to be asked for by name.
"""`Forgetting`, the part of `FieldVectorStore` that embeds nothing and finds nothing."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from os import PathLike
from typing import Any, Literal

from fieldstore import Certificate, Entry, FieldStore, Receipt, Record, Residual, UnknownRecord
from langchain_fieldstore.calls import in_thread, refuse
from langchain_fieldstore.filters import Filter, restriction, to_where


class Forgetting:
    """Deletes, forgets, restores and erases in `store`."""

    store: FieldStore
    on_delete: Literal["forget", "erase"]

    def delete(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Filter = None,
        delete_all: bool = False,
        erase: bool | None = None,
        keep_out: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        **kwargs: Any,
    ) -> bool:
        """Take documents out of every answer, by exactly one of `ids`, `filter` and `delete_all`. Always True.

        `erase` decides between forgetting (False) and destroying for good (True); None follows `on_delete`. Erasing
        also reaches what is forgotten already. Ids that are not there and `[]` delete nothing, and are no error.
        `keep_out`: refuse the same texts from now on; only where it forgets.
        Unlike LangChain's base class says, `delete()` does not empty the store: ask for `delete_all=True`.

        Raises:
            ValueError: not exactly one of the three is given (`filter={}` does not count); nothing was deleted.
            ErasePending, LeftoversFound: gone from every answer, but bytes are left on disk; delete again to go on.
        """
        refuse(kwargs)
        if [ids is not None, bool(filter), delete_all].count(True) != 1:
            raise ValueError("delete takes exactly one of ids, filter= and delete_all=True; nothing was deleted")
        if self.on_delete == "erase" if erase is None else erase:
            if keep_out:
                raise ValueError("erase(..., keep_out=SECRET) keeps out what it erases; nothing was deleted")
            self._erase_known(ids, filter, reason, actor)
        else:
            ids = self.store.ids() if delete_all else ids
            self.forget(ids, filter=filter, keep_out=keep_out, reason=reason, actor=actor)
        return True

    def _erase_known(self, ids: Sequence[str] | None, filter: Filter, reason: str | None, actor: str | None) -> None:
        """Erase what there is to erase: `FieldStore.erase` refuses ids that are neither live nor forgotten."""
        if ids is None:
            chosen = restriction(filter, self._all_records)
            ids = chosen.get("ids")
            if ids is None:
                where = chosen.get("where")
                ids = self.store.ids(where=where) + self.store.ids(where=where, forgotten=True)
        left = [ids] if isinstance(ids, str) else list(ids)
        for _ in range(len(left) + 1):
            left = [id for id in left if self.store.history(id)]
            if not left:
                break
            with suppress(UnknownRecord):  # somebody erased one of them just now: the others remain to be erased
                self.store.erase(left, reason=reason, actor=actor)
                return
        self.store.finish_erase()  # or an erase that was interrupted would pass for done when it is asked for again

    def forget(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Filter = None,
        source: Any = None,
        near: float | str | None = None,
        dry_run: bool = False,
        keep_out: bool = False,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take documents out of every answer until `restore`; their content is kept. See `FieldStore.forget`.

        By ids, `filter`, or `source`: all whose metadata has this value at the store's `source_key`, "source".
        `near`: also what is at least this similar to one of them, a cosine, "copies" or "windows". `dry_run`: only tell
        what would go. `keep_out`: refuse the same texts, and the source, from now on.
        """
        selection = _selection(ids, filter, source, self.store.get)
        options: dict[str, Any] = {"near": near, "dry_run": dry_run, "keep_out": keep_out}
        return self.store.forget(**selection, **options, reason=reason, actor=actor)

    def forget_where(self, /, filter: Filter, **options: Any) -> Receipt:
        """`forget` whatever matches: everything about a person, say. The receipt names what that was."""
        return self.forget(filter=filter, **options)

    def forget_older_than(self, age: timedelta, *, reason: str = "expired", actor: str | None = None) -> Receipt:
        """`forget` what was not added, updated or restored for so long: a time to live, applied when this is called.

        Raises:
            ValueError: the age is below 0; nothing was forgotten.
        """
        if age < timedelta(0):
            raise ValueError(f"age is {age}; it is 0 or more. Nothing was forgotten")
        old = self.store.ids(changed_before=datetime.now(UTC) - age)
        return self.store.forget(old, reason=reason, actor=actor)

    def restore(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Filter = None,
        source: Any = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Bring forgotten documents back as they were; their texts are kept out no longer. See `FieldStore.restore`."""
        selection = _selection(ids, filter, source, self.store.forgotten)
        return self.store.restore(**selection, reason=reason, actor=actor)

    def erase(
        self,
        ids: Sequence[str] | None = None,
        *,
        filter: Filter = None,
        source: Any = None,
        keep_out: bytes | str | PathLike[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Destroy documents for good, live or forgotten, every version of them. See `FieldStore.erase`."""
        selection = _selection(ids, filter, source, self._all_records)
        return self.store.erase(**selection, keep_out=keep_out, reason=reason, actor=actor)

    def _all_records(self) -> list[Record]:
        return self.store.get() + self.store.forgotten()

    def history(self, id: str) -> list[Entry]:
        """What was ever done to one document, oldest first. See `FieldStore.history`."""
        return self.store.history(id)

    def residual(
        self, ids: Sequence[str], *, carriers: int = 10, filter: Mapping[str, Any] | None = None
    ) -> list[Residual]:
        """How much of each document's content other live ones still carry. See `FieldStore.residual`.

        `filter`: look only at those that match. Before or after forgetting; for what was erased nothing can be said.
        """
        return self.store.residual(ids, carriers=carriers, where=to_where(filter))

    aforget = in_thread(forget)
    aforget_where = in_thread(forget_where)
    aforget_older_than = in_thread(forget_older_than)
    arestore = in_thread(restore)
    aerase = in_thread(erase)
    ahistory = in_thread(history)
    aresidual = in_thread(residual)


def _selection(
    ids: Sequence[str] | None, filter: Filter, source: Any, records: Callable[[], list[Record]]
) -> dict[str, Any]:
    """What a verb of the store is about: the ids, what the filter means, or a source."""
    if ids is not None and filter:
        raise ValueError("give ids or filter=, not both; nothing was changed")
    if ids is None and not filter and source is None:  # the store would ask for a where=, which is filter= here
        raise ValueError("give ids, a filter that is not empty, or source=; nothing was changed")
    return {"ids": ids, **restriction(filter, records), "source": source}
