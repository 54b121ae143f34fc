# What lies around the engine: storing in batches, the way from a ranking to hits, filters over metadata.
#
# Rule: of each thing the quickest of several tries is told, and processor time beside it: a busy machine only adds.
"""Time of what `FieldStore` does besides looking for points."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import table
from fieldstore import FieldStore

_DIM = 384
_BATCH = 1000
_WORDS = 40  # to a record
_FILTERED_DIM = 8  # filters do not look at vectors


def run(count: int) -> None:
    """Print the table; filters over so many records."""
    rng = np.random.default_rng(3)
    print(f"Around the engine, on disk (TMPDIR chooses which); {_WORDS} words and 3 metadata keys to a record")
    rows = [("", "wall", "processor")]
    with tempfile.TemporaryDirectory() as folder:
        with FieldStore(Path(folder) / "batches", dim=_DIM) as store:
            batches = iter([_records(rng, i * _BATCH, _BATCH, _DIM) for i in range(8)])
            wall, cpu = _quickest(lambda: store.add(**next(batches)), 8)
            rows.append((f"add, of a batch of {_BATCH:,}", _us(wall / _BATCH), _us(cpu / _BATCH)))
            ones = iter([_records(rng, 10**6 + i, 1, _DIM) for i in range(50)])
            rows.append(("add, one alone", *map(_us, _quickest(lambda: store.add(**next(ones)), 50))))
            query, field = rng.normal(size=_DIM), store.field
            engine = _quickest(lambda: field.nearest(query, 10), 300)
            search = _quickest(lambda: store.search(query, 10), 300)
            rows.append(("search, k = 10, beyond Field.nearest", *map(_us, np.subtract(search, engine))))
        with FieldStore(Path(folder) / "filters", dim=_FILTERED_DIM, kappa=20.0, filter_keys=["source"]) as store:
            for first in range(0, count, 10_000):
                store.add(**_records(rng, first, min(10_000, count - first), _FILTERED_DIM))
            rows.append(
                (
                    f"first filter over a declared key, {count:,}",
                    *map(_us, _quickest(lambda: store.count(_where(0)), 1)),
                )
            )
            numbers = iter(range(1, 10))
            further = _quickest(lambda: store.count(_where(next(numbers))), 9)
            rows.append((f"another over it, {count:,}", *map(_us, further)))
            rows.append((f"over another key, {count:,}", *map(_us, _quickest(lambda: store.count({"page": 3}), 1))))
    print(table(rows), end="\n\n", flush=True)


def _where(number: int) -> dict[str, str]:
    return {"source": f"document {number}"}


def _records(rng: np.random.Generator, first: int, count: int, dim: int) -> dict[str, object]:
    numbers = range(first, first + count)
    words = rng.integers(16**6, size=(count, _WORDS)).tolist()
    return {
        "vectors": rng.normal(size=(count, dim)).astype(np.float32),
        "texts": [" ".join(f"{word:x}" for word in some) for some in words],
        "metadatas": [{"source": f"document {i // 50}", "page": i % 50, "lang": "en"} for i in numbers],
        "ids": [f"r{i}" for i in numbers],
    }


def _quickest(verb: Callable[[], object], times: int) -> tuple[float, float]:
    """Least seconds of wall and of processor time."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        verb()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"
