# The vectors: row i is point i, float32, little-endian, unit length; in a file that is mapped, or in memory.
#
# Rule: rows are written with pwrite and synced before the ledger names them; a mapping is only ever read.
# Rule: rows beyond the ledger's count are nobody's: overwritten by the next add, zeroed by the store on open.
"""Where the vectors lie."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldstore.errors import StoreClosed, StoreDamaged, WriteFailed
from fieldstore.storage.files import Files

_GROWTH = 4096  # rows: the file grows by whole steps of this many
Rows = NDArray[np.float32]


class Vectors(Protocol):
    """Rows by number, of dim numbers each."""

    dim: int

    def rows(self, count: int) -> Rows:
        """The first count rows, (count, dim), to be read only."""
        ...

    def write(self, first: int, rows: Rows) -> None:
        """Put rows from number first on, durably."""
        ...

    def zero(self, points: list[int]) -> None:
        """Overwrite rows with zeros in place, durably."""
        ...

    def orphans(self, count: int) -> list[int]:
        """Numbers of the rows beyond the first count that hold something, as a crashed add leaves them."""
        ...

    def discard(self, count: int) -> None:
        """Zero what lies beyond the first count rows: a refused or crashed add's."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class VectorMemory:
    """Rows in memory."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows = np.zeros((0, dim), np.float32)

    def rows(self, count: int) -> Rows:
        """The first count rows."""
        return self._rows[:count]

    def write(self, first: int, rows: Rows) -> None:
        """Put rows from number first on; a full array is replaced by one twice as long, so old views stay valid."""
        end = first + len(rows)
        if end > len(self._rows):
            grown = np.zeros((max(end, 2 * len(self._rows)), self._rows.shape[1]), np.float32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[first:end] = rows

    def zero(self, points: list[int]) -> None:
        """Overwrite rows with zeros."""
        self._rows[points] = 0.0

    def orphans(self, count: int) -> list[int]:
        """Rows beyond the first count that hold something."""
        return [count + int(row) for row in np.flatnonzero(self._rows[count:].any(axis=1))]

    def discard(self, count: int) -> None:
        """Zero what lies beyond."""
        self._rows[count:] = 0.0

    def close(self) -> None:
        """Nothing to do: views may still be in use."""


class VectorFile:
    """Rows in a file. dim: dimensions of a row."""

    def __init__(self, files: Files, path: Path, dim: int) -> None:
        self._files = files
        self._path = path
        self.dim = dim
        self._width = 4 * dim
        self._file = files.open(path)
        self._mapped: Rows = np.empty((0, dim), np.float32)

    def rows(self, count: int) -> Rows:
        """The first count rows, mapped. Raises StoreDamaged when the file is too short for them."""
        if count > len(self._mapped):
            whole = self._files.size(self._file) // self._width
            if whole < count:
                raise StoreDamaged(
                    f"{self._path.name} holds {whole} rows, the ledger names {count}; nothing was changed. "
                    "Bring the file back from a backup"
                )
            whole = min(whole, -(-count // _GROWTH) * _GROWTH)  # however long the file says it is
            mapping = self._files.map(self._file, whole * self._width)
            self._mapped = np.frombuffer(mapping, "<f4").reshape(whole, self.dim)
        return self._mapped[:count]

    def write(self, first: int, rows: Rows) -> None:
        """Put rows from number first on, durably."""
        end = first + len(rows)
        data = np.ascontiguousarray(rows, "<f4")
        try:
            if end * self._width > self._files.size(self._file):
                steps = -(-end // _GROWTH)
                self._files.resize(self._file, steps * _GROWTH * self._width)
            self._files.write(self._file, memoryview(data.tobytes()), first * self._width)
        except OSError as error:  # rows beyond the ledger's count are nobody's, so nothing has happened yet
            raise WriteFailed(f"the vectors could not be written ({error}); nothing was changed") from error
        self._sync()

    def zero(self, points: list[int]) -> None:
        """Overwrite rows with zeros in place, durably; zeroing what is zero already is harmless."""
        nothing = memoryview(bytes(self._width))
        try:
            for point in points:
                self._files.write(self._file, nothing, point * self._width)
        except OSError as error:
            raise WriteFailed(f"vectors could not be overwritten ({error}); their erase is pending") from error
        self._sync()

    def _sync(self) -> None:
        try:
            self._files.sync(self._file)
        except OSError as error:  # what the kernel could not write it may have dropped: do not try again, look again
            raise StoreClosed(f"the disk could not be synced ({error}), and the store closed; open it again") from error

    def orphans(self, count: int) -> list[int]:
        """Rows beyond the first count that hold something, the last perhaps in part."""
        end = -(-self._files.size(self._file) // self._width)
        held: list[int] = []
        first = count
        while (first := max(first, self._files.next_data(self._file, first * self._width) // self._width)) < end:
            data = self._files.read(self._file, _GROWTH * self._width, first * self._width)
            padded = np.frombuffer(data.ljust(-(-len(data) // self._width) * self._width, b"\0"), np.uint8)
            held += [first + int(row) for row in np.flatnonzero(padded.reshape(-1, self._width).any(axis=1))]
            first += _GROWTH
        return held

    def discard(self, count: int) -> None:
        """Zero what lies beyond."""
        if orphans := self.orphans(count):
            self.zero(orphans)

    def close(self) -> None:
        """Close the file; views handed out stay readable."""
        self._files.close(self._file)
