# How far around a query to look, learned from the neighbours of some of the points.
#
# In:   the arrays of a partition, some of its points, and a way to find what is near them. Out: plain numbers.
# Rule: the bounds hold for 96 of 100 neighbours of such points, whatever the data are like.
"""The reach of a query."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import loops
from fieldstore.engine.arrays import sealed
from fieldstore.engine.parts import Parts
from fieldstore.engine.threads import spread

PULL = 0.7  # how much nearer the last one visited is for each unit that the points found by then are better
LEAST_CELLS = 4  # visited by every query
_FAR = 0.25  # how far below the best cell the last one visited lies at most, as a part of the room, to be measured
_ASKED = 512  # points whose neighbours measure the gap
_NEIGHBOURS = 320  # candidates among which the ten nearest of such a point are looked for
_REACHED = 0.96  # part of those neighbours that lie in the cells visited
_ANYHOW = 0.99  # part of them in cells that are visited whatever was found
_RANK = 50  # the neighbour that the points found by then are as good as
_NO_COSINE = 1.5  # no cosine of unit rows, rounded, is larger

Numbers = NDArray[np.int64]
Rows = NDArray[np.float32]


class Reach(NamedTuple):
    """How far around a query to look, in units of a cell's score.

    room    1 - |mean|**2 of the points: the scale that cosines differ on
    far     how far below the best cell's score the last one visited lies at most
    gap     and how far, less PULL times what the points found lie above the best cell's score
    most    cells visited at most
    points  how many there were when this was learned
    """

    room: float = 1.0
    far: float = 2.0
    gap: float = 2.0
    most: int = 1
    points: int = 0


def some_of(points: Numbers) -> Numbers:
    """Those of points, (n,), whose neighbours are asked for, spread evenly over them."""
    return points[np.linspace(0, len(points) - 1, min(len(points), _ASKED)).round().astype(np.int64)]


def widest(turned: Rows, cells: int, points: int) -> Reach:
    """With which to look for the neighbours of turned rows (a, d); cells, points: how many there are."""
    mean = turned.mean(axis=0, dtype=np.float64)
    room = max(1e-3, 1.0 - float(mean @ mean))
    return Reach(room, _FAR * room, 2.0, cells, points)


def learned(
    wide: Reach,
    rows: Rows,
    offsets: NDArray[np.float64],
    asked: Numbers,
    turned: Rows,
    parts: Parts,
    find: Callable[[Rows, int], tuple[Numbers, Numbers]],
) -> Reach:
    """In which cells, and in how many, the neighbours of the points asked, (a,), are; turned: their rows (a, d).

    rows (n, d), offsets (n,): of all points. find: about so many points near queries, as `loops.ranked` takes them,
    looked for with the wide reach.
    """
    cells = len(parts.centres)
    centres = parts.scales[:cells, None] * parts.centres
    scores = turned @ centres.T - (centres**2).sum(axis=1) / 4.0
    scores[:, 0] = -np.inf
    best = scores.max(axis=1)
    below = np.full((len(asked), 10), np.nan)
    above = np.zeros(len(asked))

    def work(part: slice) -> None:
        queries = sealed(rows[asked[part]])
        found, _, cosines, counts, _ = loops.ranked(queries, rows, offsets, *find(queries, _NEIGHBOURS), _RANK + 1)
        for number, count in enumerate(counts.tolist(), part.start):
            some, nearness = found[number - part.start, :count], cosines[number - part.start, :count]
            sound = np.abs(nearness) <= _NO_COSINE  # a damaged row may be among those found
            if not sound.any():
                continue
            some, nearness = some[sound], nearness[sound]
            own = parts.cells[some[1:11]]  # the first is itself
            reached = np.where(own > 0, scores[number, own], np.where(own == 0, np.inf, -np.inf)).max(axis=1)
            below[number, : len(own)] = best[number] - reached
            above[number] = nearness[-1] - best[number]

    spread(work, len(asked), least=32)
    below = np.where(below < np.inf, np.maximum(below, 0.0), np.nan)
    if np.isnan(below).all():
        return wide
    far = max(float(np.nanquantile(below, _ANYHOW)), 0.02 * wide.room)
    gap = float(np.nanquantile(below + PULL * above[:, None], _REACHED))
    within = (scores >= (best - np.minimum(far, gap - PULL * above))[:, None]).sum(axis=1)
    return wide._replace(far=far, gap=gap, most=min(cells, 2 * max(LEAST_CELLS, int(within.max()))))
