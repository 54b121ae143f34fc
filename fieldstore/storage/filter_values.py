# The values at declared filter keys, beside the records: derived from the metadata, so that no filter has to parse it.
#
#   filter_paths   where in the metadata a key's value may lie, in the order filters look; number = place in the fact
#   filter_values  the value there, as its JSON text, by number and point; no row where the key is missing
#
# Rule: triggers on `records` keep the values, so that no way of writing or erasing a record can forget them.
# Rule: a value's text is a run of bytes of the stored metadata: what explains the one explains the other.
"""Declared filter keys in the database."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fieldstore.errors import StoreDamaged

FACT = "filter_keys"  # a JSON list, only ever added to; a key's number is its place in it

_AT = """
SELECT p.number, {0}.point, {0}.metadata -> p.path FROM {1} filter_paths p
WHERE {0}.metadata -> p.path IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM filter_paths q WHERE q.number = p.number AND q.rank < p.rank AND {0}.metadata -> q.path IS NOT NULL)
"""
_EXPECTED = _AT.format("r", "records r CROSS JOIN")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS filter_paths(number INTEGER, rank INTEGER, path TEXT NOT NULL, PRIMARY KEY(number, rank))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS filter_values(number INTEGER, point INTEGER, value TEXT NOT NULL, PRIMARY KEY(number, point))
WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS filter_values_put AFTER INSERT ON records BEGIN
    DELETE FROM filter_values WHERE point = new.point AND number IN (SELECT number FROM filter_paths);
    INSERT INTO filter_values {_AT.format("new", "")};
END;
CREATE TRIGGER IF NOT EXISTS filter_values_gone AFTER DELETE ON records BEGIN
    DELETE FROM filter_values WHERE point = old.point AND number IN (SELECT number FROM filter_paths);
END;
"""
_Rows = Callable[[str, Sequence[Any]], list[Any]]


class FilterValues:
    """What is kept of the declared keys. rows: runs one SQL statement on the store's connection."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def keys(self) -> list[str]:
        """The declared keys, by number."""
        found = self._rows("SELECT value FROM facts WHERE key = ?", (FACT,))
        try:
            keys: list[str] = json.loads(found[0][0]) if found else []
        except (ValueError, TypeError, RecursionError):
            keys = [""]
        if not isinstance(keys, list) or "" in keys or not all(isinstance(key, str) for key in keys):
            raise StoreDamaged("the filter keys that are declared cannot be read; bring the store back from a backup")
        return keys

    def declare(self, keys: Sequence[str]) -> None:
        """Inside a transaction: keep these keys' values as well, from the records that are there on."""
        known = self.keys()
        fresh = [key for key in dict.fromkeys(keys) if key not in known]
        self._rows(SCHEMA, ())
        for number, key in enumerate(fresh, len(known)):
            for rank, path in enumerate(_paths(key)):
                self._rows("INSERT INTO filter_paths VALUES(?, ?, ?)", (number, rank, path))
        self._rows(f"INSERT INTO filter_values {_EXPECTED} AND p.number >= ?", (len(known),))
        self._rows("INSERT OR REPLACE INTO facts VALUES(?, ?)", (FACT, json.dumps(known + fresh)))

    def all(self, number: int) -> Iterator[list[tuple[int, str | None]]]:
        """(point, value) of every record that has the key, in point order, some ten thousand at a time."""
        sql = "SELECT point, value FROM filter_values WHERE number = ? AND point > ? ORDER BY point LIMIT 20000"
        last = -1
        while rows := self._rows(sql, (number, last)):
            yield rows
            last = rows[-1][0]

    def since(self, number: int, seq: int) -> Iterator[list[tuple[int, str | None]]]:
        """(point, value or None) of every live point with an entry at or after a position."""
        yield self._rows(
            "SELECT s.point, v.value FROM sums s LEFT JOIN filter_values v ON v.number = ? AND v.point = s.point "
            "WHERE s.seq >= ? AND s.weight > 0",
            (number, seq),
        )

    def of(self, point: int) -> list[str]:
        """The values kept of one point."""
        if not self.keys():
            return []
        sql = "SELECT value FROM filter_values WHERE point = ? AND number IN (SELECT number FROM filter_paths)"
        values = [value for (value,) in self._rows(sql, (point,))]
        if not all(isinstance(value, str) for value in values):
            raise StoreDamaged(f"what is kept of point {point} for a filter key is no text; verify() tells more")
        return values

    def wrong(self) -> list[int]:
        """Points of which something else is kept than their metadata says; -1 for paths that are not the keys'."""
        if not (keys := self.keys()):
            return []
        meant_paths = [(number, rank, path) for number, key in enumerate(keys) for rank, path in enumerate(_paths(key))]
        if self._rows("SELECT number, rank, path FROM filter_paths ORDER BY number, rank", ()) != meant_paths:
            return [-1]
        kept, meant = "SELECT number, point, value FROM filter_values", f"SELECT * FROM ({_EXPECTED})"
        sql = f"SELECT point FROM ({meant} EXCEPT {kept}) UNION SELECT point FROM ({kept} EXCEPT {meant})"
        return [point for (point,) in self._rows(sql, ())]


def _paths(key: str) -> list[str]:
    """SQLite's paths for a dotted one, in the order `filters` looks: a key that itself holds dots comes first."""
    return ["$" + "".join(f'."{part}"' for part in parts) for parts in _splits(key)]


def _splits(key: str) -> Iterator[list[str]]:
    yield [key]
    for dot in (i for i, letter in enumerate(key) if letter == "."):
        yield from ([key[:dot], *rest] for rest in _splits(key[dot + 1 :]))
