# Which points are worth showing to a query: looked for among the cells, or among all points, and scored exactly.
#
# In:   unit rows and checked numbers. Out: candidates, best first.
# Rule: this is the one place where points are found for a query; a faster way of finding them goes here.
# Rule: what is found for a query never depends on the queries beside it.
"""From queries to candidates."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import loops
from fieldstore.engine.arrays import sealed
from fieldstore.engine.inputs import FloatRows
from fieldstore.engine.masks import EVERYONE, Mask
from fieldstore.engine.partition import Partition
from fieldstore.engine.ranking import Candidates

_FEW = 2048  # points: a filter that passes no more of them has them all scored
_DEEPER = 0.15  # how much farther to look for each doubling of what is wanted
_FOR_ALL = np.empty(0, np.int64)


class Wanted(NamedTuple):
    """What to find. k: results; pool: candidates, k or more; mask: who may answer, None = all; effort: how far to look.

    exact: score every point.
    """

    k: int
    pool: int
    mask: Mask | None
    exact: bool
    effort: float


def candidates(
    queries: FloatRows, points: FloatRows, offsets: NDArray[np.float64], cells: Partition | None, wanted: Wanted
) -> Candidates:
    """The first `pool` points by score for each of the queries, ties by number; always k of them if there are k.

    queries (q, dim), points (n, dim), offsets (>= n,): ln(effective weight) / kappa. cells: where the points are, if
    they are in cells.
    """
    queries = sealed(queries)  # always, so that the loops need only know read-only ones
    mask, pool = wanted.mask, wanted.pool
    near, enough = (None, 0) if wanted.exact or cells is None else _near(queries, len(points), cells, wanted)
    if near is None:
        everyone = EVERYONE if mask is None else mask.of
        return Candidates(*loops.best(queries, points, offsets, everyone, pool))
    *columns, least = loops.ranked(queries, points, offsets, *near, pool)
    found = Candidates(*columns)
    if least < enough:
        short = found.counts < enough
        again = candidates(queries[short], points, offsets, None, wanted)
        found.points[short], found.scores[short] = again.points, again.scores
        found.cosines[short], found.counts[short] = again.cosines, again.counts
    return found


_Near = tuple[NDArray[np.int64], NDArray[np.int64]]  # points, and where each query's end; () = all are for every query


def _near(queries: FloatRows, count: int, cells: Partition, wanted: Wanted) -> tuple[_Near | None, int]:
    """Points worth scoring, and how many at least must turn out to weigh something; None for all points."""
    mask, held = wanted.mask, len(cells)
    matching = held if mask is None else mask.count
    if mask is not None and matching <= max(_FEW, 2 * wanted.pool):
        return (mask.numbers, _FOR_ALL), 0
    if 8 * wanted.pool > held:
        return None, 0
    depth = wanted.effort * (1.0 + _DEEPER * math.log2(max(wanted.k, 10) / 10))
    return cells.find_many(queries, wanted.pool, count, mask, depth), min(wanted.k, matching)
