# The repellers in the database: places that records are hidden around.
#
#   repellers   seq = position of the entry that placed it; until = of the one that took it back, NULL while it stands;
#               point = of the record whose place it is, NULL for a vector that was given; place and salt are content,
#               NULL once they were destroyed
#
# Rule: the table is made by the first repeller, and asked only where the fact says that there was one.
# Rule: a place stays when its repeller is taken back, for views of the past; only an erase destroys it.
"""Places and radii, beside the records."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.errors import StoreDamaged
from fieldstore.ledger import repeller_commitment

FACT = "repelled"  # position of the last entry about a repeller; missing where there never was one
SCHEMA = """
CREATE TABLE IF NOT EXISTS repellers(seq INTEGER PRIMARY KEY, element BLOB NOT NULL, until INTEGER, point INTEGER,
radius REAL NOT NULL, place BLOB, salt BLOB);
"""
_COLUMNS = "seq, element, until, point, radius, place, salt"
_Rows = Callable[[str, Sequence[Any]], list[Any]]


class Placed(NamedTuple):
    """A repeller as it is kept. place: the row's bytes, little-endian float32; None like the salt when destroyed."""

    seq: int
    element: bytes
    until: int | None
    point: int | None
    radius: float
    place: bytes | None
    salt: bytes | None

    @property
    def name(self) -> str:
        """What it is called: by its place in the ledger, which tells nothing else."""
        return f"r{self.seq}"

    @property
    def last(self) -> int:
        """The last entry about it, while it is not destroyed."""
        return self.seq if self.until is None else self.until

    def commitment(self) -> bytes | None:
        """What the ledger holds of place and radius; None once they were destroyed."""
        if self.place is None or self.salt is None:
            return None
        return repeller_commitment(self.salt, self.place, self.radius)


def places_and_radii(placed: Sequence[Placed], dim: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(r, dim) and (r,), of repellers that were not destroyed. Raises StoreDamaged for a place of another length."""
    for one in placed:
        if one.place is None or len(one.place) != 4 * dim or not isinstance(one.radius, float):
            raise StoreDamaged(f"the place of the repeller {one.name} was changed; bring the store back from a backup")
    rows = np.frombuffer(b"".join(one.place or b"" for one in placed), "<f4").astype(np.float32)
    return rows.reshape(len(placed), dim), np.array([one.radius for one in placed], np.float64)


class PlacedRepellers:
    """All repellers there ever were. rows: runs one SQL statement on the store's connection."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

    def any(self) -> bool:
        """Whether there ever was one."""
        return bool(self._rows("SELECT 1 FROM facts WHERE key = ?", (FACT,)))

    def all(self) -> list[Placed]:
        """Every one, oldest first. Raises StoreDamaged for one that cannot be."""
        return self._found("", ())

    def standing(self, size: int | None = None) -> list[Placed]:
        """Those that hide something now, or after the first `size` entries, oldest first; none that was destroyed."""
        if size is None:
            return self._found("WHERE until IS NULL AND place IS NOT NULL", ())
        return self._found("WHERE seq < ? AND (until IS NULL OR until >= ?) AND place IS NOT NULL", (size, size))

    def lost(self, size: int) -> list[Placed]:
        """Those that hid something after the first `size` entries, and whose places were destroyed since."""
        return self._found("WHERE seq < ? AND (until IS NULL OR until >= ?) AND place IS NULL", (size, size))

    def of(self, points: Sequence[int], rows: Sequence[bytes]) -> list[Placed]:
        """Those that an erase of points destroys: placed by one of them, or at the very row of one by a vector."""
        wanted, places = set(points), set(rows)
        known = [one for one in self.all() if one.place is not None]
        return [one for one in known if one.point in wanted or (one.point is None and one.place in places)]

    def _found(self, condition: str, values: Sequence[Any]) -> list[Placed]:
        if not self.any():
            return []
        found = [
            Placed(*row) for row in self._rows(f"SELECT {_COLUMNS} FROM repellers {condition} ORDER BY seq", values)
        ]
        for one in found:
            whole = isinstance(one.place, bytes) and isinstance(one.salt, bytes)
            if not isinstance(one.element, bytes) or not (whole or one.place is one.salt is None):
                raise StoreDamaged(f"what is kept of the repeller {one.name} cannot be; verify() tells more")
        return found

    # -- inside a transaction ------------------------------------------------------------------------------------------

    def put(self, placed: Sequence[Placed]) -> None:
        """Keep new ones, or what became of known ones."""
        if not placed:
            return
        self._rows(SCHEMA, ())
        for one in placed:
            self._rows(f"INSERT OR REPLACE INTO repellers({_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?)", one)

    def destroy(self, points: Sequence[int]) -> None:
        """Drop the places, and the words, of those that belong to points that are erased."""
        for one in self.all():
            if one.point in points and one.place is not None:
                self._rows("DELETE FROM notes WHERE seq IN (?, ?)", (one.seq, one.until))
                self._rows("UPDATE repellers SET point = NULL, place = NULL, salt = NULL WHERE seq = ?", (one.seq,))

    # -- for the look for leftovers ------------------------------------------------------------------------------------

    def salts(self, point: int) -> Iterator[bytes]:
        """The salts that die with a point."""
        yield from (one.salt for one in self.all() if one.point == point and one.salt is not None)

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """(seq, bytes) of everything that is meant to be here."""
        for one in self.all():
            yield from ((one.seq, value) for value in (one.element, one.place, one.salt) if value is not None)
