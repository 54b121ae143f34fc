# The look for leftovers: whether given byte runs stand in any file of a folder.
#
# In:   a folder, and needles of at least 4 bytes. Out: where each was found.
# Rule: it runs in a child process, started by `search_folder`: closing a database file in the process that holds an
# SQLite
#       connection would drop SQLite's locks. The needles go through a pipe and are never written down.
"""Searching every file of a store for bytes that must be gone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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


def _look(folder: Path, needles: list[bytes], everywhere: str) -> Search:
    """Every place of every needle. The first four bytes are found through a table of hashes, all needles at once."""
    by_start: dict[bytes, list[int]] = {}
    for number, needle in enumerate(needles):
        by_start.setdefault(needle[:4], []).append(number)
    starts = np.zeros(2**20, np.bool_)
    for start in by_start:
        starts[_hash(np.frombuffer(start, "<u4"))] = True
    longest = max(map(len, needles), default=4)
    result = Search(0, 0, [])
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        size = path.stat().st_size
        result = result._replace(files=result.files + 1, bytes=result.bytes + size)
        name = str(path.relative_to(folder))
        wanted = {start: list(numbers) for start, numbers in by_start.items()}
        with path.open("rb") as file:
            for first in range(0, size, _STEP):
                file.seek(first)
                data = file.read(_STEP + longest - 1)
                for offset in _candidates(data, starts):
                    for number in tuple(wanted.get(data[offset : offset + 4], ())):
                        if offset < _STEP and data.startswith(needles[number], offset):
                            result.found.append((number, name, first + offset))
                            if name != everywhere:
                                wanted[data[offset : offset + 4]].remove(number)
                            if len(result.found) >= _MOST:
                                return result._replace(complete=False)
    return result


def _hash(words: "np.ndarray[tuple[int], np.dtype[np.uint32]]") -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return (words * np.uint32(2654435761)) >> np.uint32(12)


def _candidates(data: bytes, starts: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[int]:
    """Offsets at which four bytes hash like the start of a needle."""
    found: list[int] = []
    for shift in range(min(4, max(len(data) - 3, 0))):
        words = np.frombuffer(data, "<u4", count=(len(data) - shift) // 4, offset=shift)
        found += (4 * np.flatnonzero(starts[_hash(words)]) + shift).tolist()
    return sorted(found)


if __name__ == "__main__":
    _task = json.load(sys.stdin)
    _needles = [bytes.fromhex(needle) for needle in _task["needles"]]
    json.dump(_look(Path(_task["folder"]), _needles, _task["everywhere"]), sys.stdout)
