# What it costs to forget and to erase one record on disk, in stores of several sizes.
#
# Rule: the stores take turns, so that whatever else the machine does in the meantime is done to all of them.
"""Time of one durable `add`, `forget` and `erase`, by the size of the store."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import table
from fieldstore import FieldStore

_DIM = 384
_TIMES = 30
_WORDS = 60  # to a record


def run(sizes: list[int]) -> None:
    """Print the table: median time of each verb, one row per size."""
    rng = np.random.default_rng(2)
    print(f"One record at a time, on disk (TMPDIR chooses which), {_DIM} dimensions; medians of {_TIMES}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = {size: stack.enter_context(_store(folder / str(size), size, rng)) for size in sizes}
        vectors, texts = rng.normal(size=(_TIMES, 1, _DIM)), [_texts(rng, 1) for _ in range(_TIMES)]
        add = _medians(stores, lambda store, i: store.add(vectors[i], texts=texts[i], ids=[f"new{i}"]))
        forget = _medians(stores, lambda store, i: store.forget(f"r{i}"))
        erase = _medians(stores, lambda store, i: store.erase(f"r{_TIMES + i}"))
    rows = [("records", "add", "forget", "erase")]
    for size in sizes:
        rows.append((f"{size:,}", *(f"{medians[size] * 1e3:,.1f} ms" for medians in (add, forget, erase))))
    print(table(rows), end="\n\n", flush=True)


def _store(path: Path, size: int, rng: np.random.Generator) -> FieldStore:
    store = FieldStore(path, dim=_DIM, kappa=20.0)
    for begin in range(0, size, 10_000):
        numbers = range(begin, min(begin + 10_000, size))
        vectors = rng.normal(size=(len(numbers), _DIM))
        store.add(vectors, texts=_texts(rng, len(numbers)), ids=[f"r{i}" for i in numbers])
    return store


def _texts(rng: np.random.Generator, count: int) -> list[str | None]:
    """Passages of words no other passage has: an erase looks for every piece of its own."""
    return [" ".join(f"{word:x}" for word in words) for words in rng.integers(16**6, size=(count, _WORDS)).tolist()]


def _medians(stores: dict[int, FieldStore], verb: Callable[[FieldStore, int], object]) -> dict[int, float]:
    """Seconds by size of store; each store in turn, so many times."""
    seconds: dict[int, list[float]] = {size: [] for size in stores}
    for i in range(_TIMES):
        for size, store in stores.items():
            begin = time.perf_counter()
            verb(store, i)
            seconds[size].append(time.perf_counter() - begin)
    return {size: statistics.median(taken) for size, taken in seconds.items()}
