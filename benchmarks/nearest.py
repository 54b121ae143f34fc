# Exact nearest neighbours, one query at a time: fieldstore beside faiss and numpy.
#
# Rule: every contender answers each query right after the others did, in an order that rotates, so that whatever else
#       the machine does in the meantime is done to all of them; ratios are taken query by query.
"""Time per query of an exact search over all points."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import table
from fieldstore import Field, FieldStore

_MINILM = Path(__file__).parents[2] / "shared" / "data" / "minilm"  # beside the repository, on some machines
_QUERIES = 200
_K = 10
_TIE = 1e-6  # cosines nearer than this are equal to float32: either point is a right answer

Search = Callable[[np.ndarray], list[int]]


def run(count: int) -> None:
    """Print the table: median time per query, ratio to the first contender, recall."""
    name, points, queries = _vectors(count)
    print(f"Nearest {_K} of {len(points):,} points, {points.shape[1]} dimensions, {name}; {len(queries)} queries")
    contenders = _contenders(points)
    seconds, found = _race(contenders, queries)
    cosines = points.astype(np.float64) @ queries.T.astype(np.float64)
    tenth = np.partition(cosines, -_K, axis=0)[-_K]
    first = next(iter(contenders))
    rows = [("", "µs per query", f"÷ {first}", f"recall@{_K}")]
    for name in contenders:
        right = [(cosines[points_found, q] >= tenth[q] - _TIE).sum() / _K for q, points_found in enumerate(found[name])]
        ratio = np.median(seconds[name] / seconds[first])
        rows.append((name, f"{np.median(seconds[name]) * 1e6:,.0f}", f"{ratio:.2f}", f"{np.mean(right):.4f}"))
    print(table(rows), end="\n\n", flush=True)


def _contenders(points: np.ndarray) -> dict[str, Search]:
    """Everyone who is installed, by name; each has taken in all the points."""

    def in_numpy(query: np.ndarray) -> list[int]:
        cosines = points @ query
        best = np.argpartition(-cosines, _K)[:_K]
        return best[np.argsort(-cosines[best])].tolist()

    field = Field(points.shape[1])
    field.add(points)
    store = FieldStore(dim=points.shape[1], kappa=field.kappa)
    for begin in range(0, len(points), 10_000):
        batch = points[begin : begin + 10_000]
        store.add(batch, ids=[str(begin + i) for i in range(len(batch))])
    searches: dict[str, Search] = {
        "numpy": in_numpy,
        "Field.nearest": lambda query: field.nearest(query, _K).points.tolist(),
        "FieldStore.search": lambda query: [int(hit.id) for hit in store.search(query, _K)],
    }
    try:
        import faiss
    except ImportError:
        print("faiss is not installed here, so it is left out; `make bench` installs it")
        return searches
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(points.shape[1])
    index.add(points)
    return {"faiss.IndexFlatIP": lambda query: index.search(query[None], _K)[1][0].tolist(), **searches}


def _race(contenders: dict[str, Search], queries: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, list]]:
    """Seconds and answers of every contender for every query."""
    seconds = {name: np.empty(len(queries)) for name in contenders}
    found: dict[str, list] = {name: [] for name in contenders}
    names = list(contenders)
    for search in contenders.values():
        search(queries[0])  # compiles, and touches every page once
    for q, query in enumerate(queries):
        for name in names[q % len(names) :] + names[: q % len(names)]:
            begin = time.perf_counter()
            answer = contenders[name](query)
            seconds[name][q] = time.perf_counter() - begin
            found[name].append(answer)
    return seconds, found


def _vectors(count: int) -> tuple[str, np.ndarray, np.ndarray]:
    """What they are, the points and the queries, as unit rows in float32."""
    if _MINILM.is_dir():
        points = np.load(_MINILM / "vectors.npy", mmap_mode="r")[:count]
        queries = np.load(_MINILM / "queries.npy", mmap_mode="r")[:_QUERIES]
        return "MiniLM embeddings", _unit(points), _unit(queries)
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(1 + count // 100, 384)).astype(np.float32)
    rows = centres[rng.integers(len(centres), size=count + _QUERIES)]
    rows += rng.normal(scale=0.7, size=rows.shape).astype(np.float32)
    return "synthetic clusters", _unit(rows[_QUERIES:]), _unit(rows[:_QUERIES])


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
