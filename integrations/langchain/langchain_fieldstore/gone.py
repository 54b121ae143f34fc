# What a store has forgotten or erased, as far as somebody else may still hold it.
#
# Rule: an id that is neither live nor known may be anybody's; it counts as erased only for who knows that it was ours.
# Rule: what a live record says as well is not gone, whichever record was forgotten.
"""`Gone`, what must not be told any more."""

import threading
from collections.abc import Iterable

from fieldstore import FieldStore, UnknownRecord
from langchain_fieldstore.quoting import Quotes, Span

_CHANGES_IT = frozenset({"forget", "restore", "erase"})  # kinds of entries
_COPY = 1 - 1e-5  # cosine from which a record says the same


class Gone:
    """Asks one store; what was forgotten since the last question counts in the next."""

    def __init__(self, store: FieldStore) -> None:
        self._store = store
        self._seq: int | None = None  # the newest entry that was taken in
        self._quotes = Quotes()
        self._others: dict[str, bool] = {}  # by id: whether a live record says the same
        self._lock = threading.Lock()

    def among(self, ids: Iterable[str], ours: Iterable[str] = ()) -> set[str]:
        """Which of the ids are forgotten; ours: ids that were this store's once, and are erased if it has them not."""
        ours = set(ours)
        asked = {id for id in {*ids, *ours} if id}
        live = {record.id for record in self._store.get(sorted(asked))} if asked else set()
        return {id for id in asked - live if id in ours or self._store.history(id)}

    def erased(self, ids: Iterable[str]) -> set[str]:
        """Which of the ids that are gone nothing is known of any more, their words included."""
        return {id for id in ids if not self._store.history(id)}

    def spans(self, text: str) -> list[Span]:
        """The passages of a text that are taken from forgotten records, and that no live one holds."""
        found = self._known().spans(text)
        return [span for span in found if any(not self.said_by_others(key) for key in span.keys)]

    def _known(self) -> Quotes:
        """The words of what is forgotten; gathered anew only when something was forgotten, restored or erased."""
        with self._lock:
            seq = self._store.seq
            if seq != self._seq:
                entries = self._store.entries(-1 if self._seq is None else self._seq)
                if self._seq is None or any(entry.kind in _CHANGES_IT for entry in entries):
                    texts = ((record.id, record.text) for record in self._store.forgotten())
                    self._quotes = Quotes((id, text) for id, text in texts if text)
                self._seq, self._others = seq, {}
            return self._quotes

    def said_by_others(self, id: str) -> bool:
        """Whether a live record is the same to the embedder as a forgotten one: the same text told again is."""
        others = self._others
        if id not in others:
            try:
                [residual] = self._store.residual([id], carriers=1)
            except UnknownRecord:  # erased: nobody can tell
                return False
            others[id] = any(carrier.cosine > _COPY for carrier in residual.carriers)
        return others[id]

    def texts_of_live(self, ids: Iterable[str]) -> list[tuple[str, str]]:
        """(id, text) of those of the records that are live."""
        return [(record.id, record.text) for record in self._store.get(sorted(ids)) if record.text]
