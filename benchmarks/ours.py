# fieldstore as a contender: its one knob, the flat scan, and stores on disk.
#
# Rule: nothing but that knob is ever turned.
"""fieldstore's side of every question."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import Data, Rows
from benchmarks.peers import Built
from benchmarks.timing import Search
from fieldstore import Field, FieldStore

EFFORTS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 4.0)
K = 10


def built(field: Field, quick: bool) -> Built:
    """The field in the shape of the peers."""

    def at(effort: float, k: int) -> Search:
        return lambda query: field.nearest(query, k, effort=effort).points

    return Built({f"effort {effort:g}": effort for effort in ((1.0, 4.0) if quick else EFFORTS)}, at)


def exact_built(field: Field) -> Built:
    """The flat scan, in the same shape."""
    return Built({"exact": None}, lambda _, k: lambda query: field.nearest(query, k, exact=True).points)


def field_of(points: Rows) -> Field:
    """A field of all the points, in cells if there are enough of them; the first query is asked here."""
    field = Field(points.shape[1])
    field.add(points)
    field.nearest(points[0], K)
    return field


class Batch(NamedTuple):
    """Records as all stores want them: numbers, unit rows, ids, texts, metadata."""

    numbers: range
    rows: Rows
    ids: list[str]
    texts: list[str]
    metadatas: list[dict[str, Any]]

    def into(self, store: FieldStore) -> None:
        """Add them to a store of ours."""
        store.add(self.rows, texts=self.texts, metadatas=self.metadatas, ids=self.ids)


def batches(points: Rows, size: int) -> Iterator[Batch]:
    """All the points as records, so many at a time.

    Texts of 60 words, none of which another text has: an erase looks for every piece of its own. The metadata keys
    half, tenth, hundredth and rare have 2, 10, 100 and 10,000 values, for filters; plain has 10.
    """
    for begin in range(0, len(points), size):
        numbers = range(begin, min(begin + size, len(points)))
        words = np.random.default_rng((3, begin)).integers(16**6, size=(len(numbers), 60)).tolist()
        yield Batch(
            numbers,
            points[begin : numbers.stop],
            [f"r{i}" for i in numbers],
            [" ".join(f"{word:x}" for word in line) for line in words],
            [
                {
                    "source": f"document {i // 20}",
                    "half": i % 2,
                    "tenth": i % 10,
                    "hundredth": i % 100,
                    "rare": i % 10_000,
                    "plain": i % 10,
                }
                for i in numbers
            ],
        )


def fill(path: Path, points: Rows) -> FieldStore:
    """A store on disk with all the points as records."""
    store = FieldStore(path, dim=points.shape[1])
    for batch in batches(points, 10_000):
        batch.into(store)
    return store


def store_of(loaded: Data) -> Path:
    """A closed store of all the points, filled once in a run; whoever changes it takes a copy (`shutil.copytree`)."""
    path = _home() / f"{loaded.name} {len(loaded.points)}"
    if not path.exists():
        fill(path, loaded.points).close()
    return path


@cache
def _home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="fieldstore-benchmarks-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for stores; TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="fieldstore-benchmarks-") as name:
        yield Path(name)
