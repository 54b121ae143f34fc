# fieldstore as a contender: its knobs where they exist, the flat scan where they do not.
#
# Rule: an option that this version does not have is left out, and the report says so; nothing else is switched.
"""fieldstore's side of every question."""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def efforts(quick: bool) -> Sequence[float | None]:
    """Settings of the one knob; None = there is none, every answer is exact."""
    if not takes(Field.nearest, "effort"):
        return (None,)
    return (1.0, 4.0) if quick else EFFORTS


def nearest(field: Field, effort: float | None = None, **options: Any) -> Search:
    """`Field.nearest` for the first K, at an effort; None = the default."""
    if effort is not None:
        options["effort"] = effort
    return lambda query: field.nearest(query, K, **options).points


def built(field: Field, quick: bool) -> Built:
    """The field in the shape of the peers."""
    return Built(efforts(quick), lambda effort, _: nearest(field, effort))


def exact(field: Field) -> Search:
    """The flat scan."""
    options: dict[str, Any] = {"exact": True} if takes(Field.nearest, "exact") else {}
    return lambda query: field.nearest(query, K, **options).points


def field_of(points: Rows) -> Field:
    """A field of all the points, indexed: the first query is asked here."""
    field = Field(points.shape[1])
    field.add(points)
    field.nearest(points[0], K)
    return field


def texts(numbers: range) -> list[str]:
    """A text for each record, about 60 words: no two have a word in common, as an erase looks for every piece."""
    rng = np.random.default_rng((3, numbers.start))
    return [" ".join(f"{word:x}" for word in words) for words in rng.integers(16**6, size=(len(numbers), 60)).tolist()]


def metadatas(numbers: range) -> list[dict[str, Any]]:
    """Metadata for each record; the keys `one in n` have n values each, for filters."""
    return [
        {"source": f"document {i // 20}", "year": 2000 + i % 25, "half": i % 2, "tenth": i % 10}
        | {"hundredth": i % 100, "rare": i % 10_000}
        for i in numbers
    ]


def ids(numbers: range) -> list[str]:
    """The ids of records, r0, r1, ..."""
    return [f"r{i}" for i in numbers]


def add(store: FieldStore, points: Rows, begin: int, end: int) -> None:
    """Rows begin to end as records with text and metadata, in one batch."""
    numbers = range(begin, min(end, len(points)))
    store.add(points[begin:end], texts=texts(numbers), metadatas=metadatas(numbers), ids=ids(numbers))


def fill(path: Path, points: Rows, batch: int = 10_000) -> FieldStore:
    """A store on disk with all the points as records."""
    store = FieldStore(path, dim=points.shape[1])
    for begin in range(0, len(points), batch):
        add(store, points, begin, begin + batch)
    return store


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for stores; TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="fieldstore-benchmarks-") as name:
        yield Path(name)


