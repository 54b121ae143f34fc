# How leaky a plain partition of a data set is: do the true neighbours of a query lie in the cells nearest to it?
#
# In:   points, queries and the true nearest of each query. Out: shares between 0 and 1.
# Rule: plain k-means in numpy, and nothing of fieldstore's: this judges data, not the engine.
"""`python -m benchmarks synthetic`: the shipped generator beside real embeddings."""

import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.plan import Plan
from benchmarks.report import Report, Row

VISITED = (8, 16, 32, 64, 128)
MINILM: dict[tuple[int, int], tuple[float, ...]] = {  # by points and cells, as `shares` measures it
    (100_000, 1024): (0.774, 0.848, 0.903, 0.940, 0.970),
    (20_000, 256): (0.793, 0.870, 0.927, 0.969, 0.993),
}
TOLERANCE = 0.02
_QUERIES = 1000
_SAMPLE, _STEPS, _BLOCK = 50_000, 8, 8192


def run(plan: Plan) -> None:
    """Print both curves and whether they agree: with the data that --data names, or with what is written down above.

    Ends with status 1 when they do not.
    """
    count, cells = (20_000, 256) if plan.quick else (100_000, 1024)
    report = Report("synthetic", f"Share of the true ten in the nearest of {cells:,} cells, {count:,} points", plan)
    made = _curve(data.synthetic(count, _QUERIES), cells)
    if data.folder_of(plan.data) is None:
        name, aim = "MiniLM (as written down)", MINILM[count, cells]
    else:
        loaded = data.load(plan.data, count, _QUERIES)
        name, aim = loaded.name, _curve(loaded, cells)
    rows: list[Row] = [
        {"data": name, **{f"{v} cells": share for v, share in zip(VISITED, curve, strict=True)}}
        for name, curve in (("synthetic", made), (name, aim))
    ]
    report.table(rows)
    apart = max(abs(a - b) for a, b in zip(made, aim, strict=True))
    report.say(f"at most {apart:.3f} apart: the curves {'agree' if apart <= TOLERANCE else 'DISAGREE'} (±{TOLERANCE})")
    report.save()
    if apart > TOLERANCE:
        sys.exit(1)


def shares(points: data.Rows, queries: data.Rows, nearest: NDArray[np.int64], cells: int) -> tuple[float, ...]:
    """Which share of `nearest`, (q, k), lies in the 8, 16, ... cells nearest to its query."""
    centroids = _centroids(points, cells)
    home = _cell_of(points, centroids)
    distance_rank = np.argsort(np.argsort(-(queries @ centroids.T), axis=1), axis=1)
    ranks = np.take_along_axis(distance_rank, home[nearest], axis=1)
    return tuple(float((ranks < visited).mean()) for visited in VISITED)


def _curve(loaded: data.Data, cells: int) -> tuple[float, ...]:
    return shares(loaded.points, loaded.queries, data.truth(loaded, 10).nearest, cells)


def _centroids(points: data.Rows, cells: int) -> data.Rows:
    """Spherical k-means on a sample; an empty cell starts anew at a random point."""
    rng = np.random.default_rng(0)
    sample = points[np.sort(rng.permutation(len(points))[:_SAMPLE])]
    centroids = sample[rng.permutation(len(sample))[:cells]]
    for _ in range(_STEPS):
        home = _cell_of(sample, centroids)
        sums = np.zeros_like(centroids)
        np.add.at(sums, home, sample)
        sums[np.bincount(home, minlength=cells) == 0] = sample[rng.integers(len(sample))]
        centroids = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centroids


def _cell_of(points: data.Rows, centroids: data.Rows) -> NDArray[np.int64]:
    blocks = [np.argmax(points[b : b + _BLOCK] @ centroids.T, axis=1) for b in range(0, len(points), _BLOCK)]
    return np.concatenate(blocks)
