# What is kept out: fingerprints of texts and sources, each recorded by an entry of the ledger.
#
#   kept_out  seq of the entry; print, the fingerprint; what it is of: "text" or "source"; key, the name of a key that
#             is kept elsewhere, null = the store's own; point, the record it was taken from, of a text; source, the
#             entry of the source it was recorded with; salt of the entry's commitment
#
# Rule: a fingerprint that is let in again is deleted, and its salt with it; the ledger keeps two entries that say no
# more than when.
"""Fingerprints in the database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from fieldstore.errors import StoreDamaged

FACT = "keep_out_key"  # the store's own key: 32 random bytes

SCHEMA = """
CREATE TABLE IF NOT EXISTS kept_out(seq INTEGER PRIMARY KEY, print BLOB NOT NULL, what TEXT NOT NULL, key BLOB,
point INTEGER, source INTEGER, salt BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS kept_out_prints ON kept_out(print);
CREATE INDEX IF NOT EXISTS kept_out_points ON kept_out(point) WHERE point IS NOT NULL;
"""
_ALL = "SELECT seq, print, what, key, point, source, salt FROM kept_out"


class Row(NamedTuple):
    """One fingerprint as it is kept."""

    seq: int
    print: bytes
    what: str
    key: bytes | None
    point: int | None
    source: int | None
    salt: bytes


class Change(NamedTuple):
    """What a verb changes: fingerprints that come, and the entries of those that go. key: the store's own, if it has
    none yet."""

    key: bytes
    rows: Sequence[Row]
    dropped: Sequence[int]


class KeepOut:
    """The fingerprints of one store. rows: runs one SQL statement on its connection."""

    def __init__(self, rows: Callable[[str, Sequence[Any]], list[Any]]) -> None:
        self._rows = rows

    def key(self) -> bytes | None:
        """The store's own key; None while nothing was ever kept out."""
        found = self._rows("SELECT value FROM facts WHERE key = ?", (FACT,))
        if found and not (isinstance(found[0][0], bytes) and len(found[0][0]) == 32):
            raise StoreDamaged("the key of what is kept out cannot be one; bring the store back from a backup")
        return found[0][0] if found else None

    def change(self, change: Change) -> None:
        """Inside a transaction: keep these, and those no longer."""
        if change.rows:
            self._rows(SCHEMA, ())
            self._rows("INSERT OR IGNORE INTO facts VALUES(?, ?)", (FACT, change.key))
        for row in change.rows:
            self._rows("INSERT INTO kept_out VALUES(?, ?, ?, ?, ?, ?, ?)", row)
        for seq in change.dropped:
            self._rows("DELETE FROM kept_out WHERE seq = ?", (seq,))

    def all(self) -> list[Row]:
        """Every one, oldest first."""
        return [] if self.key() is None else [*self._found(f"{_ALL} ORDER BY seq", ())]

    def of_points(self, points: Sequence[int]) -> list[Row]:
        """Those that were taken from these points' texts."""
        return self._picked("point", map(str, points), "j.value")

    def of_prints(self, prints: Iterable[bytes]) -> list[Row]:
        """Those with these fingerprints."""
        return self._picked("print", (f'"{one.hex()}"' for one in prints), "unhex(j.value)")

    def of_source(self, seq: int) -> list[Row]:
        """Those that were recorded with a source."""
        return [*self._found(f"{_ALL} WHERE source = ? ORDER BY seq", (seq,))]

    def keys(self) -> set[bytes]:
        """The names of keys elsewhere, that some are of."""
        return set() if self.key() is None else {key for (key,) in self._rows(
            "SELECT DISTINCT key FROM kept_out WHERE key IS NOT NULL", ()
        )}  # fmt: skip

    def _picked(self, column: str, values: Iterable[str], value: str) -> list[Row]:
        if self.key() is None:
            return []
        sql = f"SELECT k.* FROM json_each(?) j CROSS JOIN kept_out k ON k.{column} = {value} ORDER BY k.seq"
        return [*self._found(sql, (f"[{','.join(values)}]",))]

    def _found(self, sql: str, values: Sequence[Any]) -> Iterator[Row]:
        for row in map(Row._make, self._rows(sql, values)):
            if (
                not isinstance(row.print, bytes)
                or row.what not in ("text", "source")
                or not isinstance(row.salt, bytes)
            ):
                raise StoreDamaged(f"what entry {row.seq} keeps out cannot be read; bring the store back from a backup")
            yield row
