# fieldstore as a contender: its knob where this version has one, the flat scan where it has none.
#
# Rule: nothing but that knob is ever turned.
"""fieldstore's side of every question."""

import inspect
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.data import Rows
from benchmarks.peers import Built
from benchmarks.timing import Search
from fieldstore import Field, FieldStore

EFFORTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
K = 10


def takes(function: Callable[..., Any], option: str) -> bool:
    """Whether this version knows the option."""
    return option in inspect.signature(function).parameters


def built(field: Field, quick: bool) -> Built:
    """The field in the shape of the peers."""
    if not takes(Field.nearest, "effort"):
        return exact_built(field)

    def at(effort: float, k: int) -> Search:
        options: dict[str, Any] = {"effort": effort}
        return lambda query: field.nearest(query, k, **options).points

    return Built({f"effort {effort:g}": effort for effort in ((1.0, 4.0) if quick else EFFORTS)}, at)


def exact_built(field: Field) -> Built:
    """The flat scan, in the same shape."""
    options: dict[str, Any] = {"exact": True} if takes(Field.nearest, "exact") else {}
    return Built({"exact": None}, lambda _, k: lambda query: field.nearest(query, k, **options).points)


def field_of(points: Rows) -> Field:
    """A field of all the points, indexed: the first query is asked here."""
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
    half, tenth, hundredth and rare have 2, 10, 100 and 10,000 values, for filters.
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


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for stores; TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="fieldstore-benchmarks-") as name:
        yield Path(name)
