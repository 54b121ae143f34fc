# The look for leftovers: whether given byte runs stand in any file of a folder.
#
# In:   a folder, and needles of at least 4 bytes. Out: where each was found.
# Rule: it runs in a child process, started by `search_folder`: closing a database file in the process that holds an
# SQLite
#       connection would drop SQLite's locks. The needles go through a pipe and are never written down.
"""Searching every file of a store for bytes that must be gone."""

import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

_STEP = 8 * 2**20  # bytes looked at together
_MOST = 1_000_000  # places reported of one search


class Search(NamedTuple):
    """What was looked at, and what was found: (needle number, file relative to the folder, offset).

    Of a needle in a file the first place is told, and every place in the file called `everywhere`. complete: False when
    there were too many places to tell, and so not everything was looked at.
    """

    files: int
    bytes: int
    found: list[tuple[int, str, int]]
    complete: bool = True


def search_folder(folder: Path, needles: list[bytes], everywhere: str) -> Search:
    """Look for the needles in every file below a folder, from a child process. Raises OSError when that fails."""
    task = json.dumps(
        {"folder": str(folder), "needles": [needle.hex() for needle in needles], "everywhere": everywhere}
    )
    child = subprocess.run([sys.executable, "-P", __file__], input=task.encode(), capture_output=True, check=False)
    if child.returncode != 0:
        raise OSError(f"the look for leftovers failed: {child.stderr.decode(errors='replace').strip()[-500:]}")
    files, size, found, complete = json.loads(child.stdout)
    return Search(files, size, [tuple(place) for place in found], complete)


class Finder:
    """Finds many needles in one pass: the first four bytes of all of them through a table of hashes."""

    def __init__(self, needles: list[bytes]) -> None:
        self._needles = needles
        self._by_start: dict[bytes, list[int]] = {}
        for number, needle in enumerate(needles):
            self._by_start.setdefault(needle[:4], []).append(number)
        self._starts = np.zeros(2**20, np.bool_)
        for start in self._by_start:
            self._starts[_hash(np.frombuffer(start, "<u4"))] = True
        self.longest = max(map(len, needles), default=4)

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """(needle number, offset) of every place, in order of offsets."""
        found: list[int] = []
        for shift in range(min(4, max(len(data) - 3, 0))):
            words = np.frombuffer(data, "<u4", count=(len(data) - shift) // 4, offset=shift)
            found += (4 * np.flatnonzero(self._starts[_hash(words)]) + shift).tolist()
        for offset in sorted(found):
            for number in self._by_start.get(data[offset : offset + 4], ()):
                if data.startswith(self._needles[number], offset):
                    yield number, offset


def _hash(words: "np.ndarray[Any, np.dtype[np.uint32]]") -> "np.ndarray[Any, np.dtype[np.uint32]]":
    return (words * np.uint32(2654435761)) >> np.uint32(12)


def holders(values: Iterable[tuple[str, int, bytes]], needles: list[bytes]) -> dict[int, set[tuple[str, int]]]:
    """Which of the values (kind, number, bytes) hold a needle: (kind, number) by needle."""
    finder = Finder(needles)
    found: dict[int, set[tuple[str, int]]] = {}
    pending: list[tuple[str, int, bytes]] = []
    size = 0
    for value in chain(values, [("", 0, b"")]):
        pending.append(value)
        size += len(value[2])
        if size < _STEP and value[0]:
            continue
        starts = [0, *accumulate(len(data) for _, _, data in pending)]
        for number, offset in finder.places(b"".join(data for _, _, data in pending)):
            at = bisect_right(starts, offset) - 1
            if offset + len(needles[number]) <= starts[at + 1]:  # not across the edge of two values
                found.setdefault(number, set()).add(pending[at][:2])
        pending, size = [], 0
    return found


def _steps(file: BinaryIO, size: int) -> Iterator[int]:
    """Where to begin reading: at every step that is not all hole."""
    first = 0
    while first < size:
        try:
            data = os.lseek(file.fileno(), first, os.SEEK_DATA)
        except OSError:  # nothing but a hole is left
            return
        first = max(first, data // _STEP * _STEP)
        yield first
        first += _STEP


def files_below(folder: Path) -> list[tuple[str, Path]]:
    """Every plain file in a folder and below, by its name from there. OSError where a folder cannot be looked into."""
    found: list[Path] = []

    def refused(error: OSError) -> None:
        raise error

    for place, _, names in os.walk(folder, onerror=refused):
        found += (Path(place, name) for name in names)
    plain = (path for path in found if path.is_file() and not path.is_symlink())
    return sorted((str(path.relative_to(folder)), path) for path in plain)


def _look(folder: Path, needles: list[bytes], everywhere: str) -> Search:
    finder = Finder(needles)
    result = Search(0, 0, [])
    for name, path in files_below(folder):
        size = path.stat().st_size
        result = result._replace(files=result.files + 1, bytes=result.bytes + size)
        seen: set[int] = set()
        with path.open("rb") as file:
            for first in _steps(file, size):
                file.seek(first)
                for number, offset in finder.places(file.read(_STEP + finder.longest - 1)):
                    if offset < _STEP and number not in seen:
                        result.found.append((number, name, first + offset))
                        if name != everywhere:
                            seen.add(number)
                        if len(result.found) >= _MOST:
                            return result._replace(complete=False)
    return result


if __name__ == "__main__":
    _task = json.load(sys.stdin)
    _needles = [bytes.fromhex(needle) for needle in _task["needles"]]
    json.dump(_look(Path(_task["folder"]), _needles, _task["everywhere"]), sys.stdout)
