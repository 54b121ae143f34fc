# What a query shows of the candidates found for it: the nearest, or the attractors.
#
# In:   candidates, best first; the points they are rows of; checked numbers.
# Out:  rankings; points are named by their number.
# Rule: nothing here looks for a point: what is not among the candidates is not there.
"""From candidates to a ranking (field-semantics, 3 and 4)."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import loops
from fieldstore.engine.inputs import ROUNDING, FloatRows

POOL = 100  # candidates that attractors are made from
SMOOTH_POOL = 50  # candidates of a nearest query; smoothing reorders them
_EMPTY: tuple[Any, Any, Any, Any] = np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32), np.empty(0)


class Candidates(NamedTuple):
    """What was found for many queries, a row each: points, scores and cosines (q, m), best first, ties by number.

    counts (q,): how many of a row there are; the rest of it is nothing.
    """

    points: NDArray[np.int64]
    scores: NDArray[np.float64]
    cosines: NDArray[np.float32]
    counts: NDArray[np.int64]


class Ranking(NamedTuple):
    """What a query found, best first; every array has one item per result.

    points   (k,) int64    point numbers
    scores   (k,) float64  the value ranked by: cosine + ln(effective weight) / kappa, smoothed where asked
    cosines  (k,) float32  plain cosine to the query
    shares   (k,) float64  part of the candidates' field that the result (with its members) makes up, 0 to 1
    members  one Ranking per result: the other candidates it speaks for, best first; none for plain nearest
    """

    points: NDArray[np.int64]
    scores: NDArray[np.float64]
    cosines: NDArray[np.float32]
    shares: NDArray[np.float64]
    members: list["Ranking"]


def nearest(found: Candidates, points: FloatRows, kappa: float, k: int, smooth: bool) -> list[Ranking]:
    """The first k of each query's candidates; smooth: their first 50 reordered by what their neighbours say."""
    shares = loops.shares(found.scores, found.counts, kappa)
    if smooth:
        for columns in zip(*found[:3], shares, found.counts.tolist(), strict=True):
            _smooth(*columns, points, kappa)
    rankings = []
    for query, count in enumerate(found.counts.tolist()):
        shown = query, slice(min(count, k))
        rankings.append(Ranking(found.points[shown], found.scores[shown], found.cosines[shown], shares[shown], []))
    return rankings


def _smooth(
    chosen: NDArray[np.int64],
    scores: NDArray[np.float64],
    cosines: NDArray[np.float32],
    parts: NDArray[np.float64],
    count: int,
    points: FloatRows,
    kappa: float,
) -> None:
    """Reorder the first of one query's candidates, in place; count: how many there are."""
    head = slice(min(count, SMOOTH_POOL))
    scores[head] = loops.smoothed(points, chosen[head], scores[head], kappa)
    order = np.argsort(-scores[head], kind="stable")
    for column in (chosen, scores, cosines, parts):
        column[head] = column[order]


def attractors(
    found: Candidates, points: FloatRows, groups: NDArray[np.int64], reach: float, kappa: float, k: int
) -> list[Ranking]:
    """The k best attractors among each query's candidates, with those each absorbed.

    points: (n, dim). groups: (n,), -1 = of no group; or (0,) = no groups. reach: cosine from which one is absorbed.
    """
    rankings = []
    for chosen, values, plain, count in zip(*found[:3], found.counts.tolist(), strict=True):
        own = chosen[:count], values[:count], plain[:count]
        *shown, numbers, scores, cosines, shares, ends = loops.attract(points, *own, groups, reach - ROUNDING, kappa, k)
        members, start = [], 0
        for end in ends.tolist():
            if start == end:  # nearly always, so the same empty arrays for all
                members.append(Ranking(*_EMPTY, []))
            else:
                here = slice(start, end)
                members.append(Ranking(numbers[here], scores[here], cosines[here], shares[here], []))
            start = end
        rankings.append(Ranking(shown[0], shown[1], shown[2], shown[3], members))
    return rankings
