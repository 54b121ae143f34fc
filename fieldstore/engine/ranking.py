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

Candidates = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]
"""Point numbers, scores and cosines, (m,) each, best first; ties by number."""


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


def nearest(found: Candidates, points: FloatRows, kappa: float, k: int, smooth: bool) -> Ranking:
    """The first k of the candidates; smooth: their first 50 reordered by what their neighbours say."""
    chosen, scores, cosines = found
    shares = loops.shares(scores, kappa)
    if smooth:
        head = slice(0, SMOOTH_POOL)
        scores[head] = loops.smoothed(points, chosen[head], scores[head], kappa)
        order = np.argsort(-scores[head], kind="stable")
        for column in (chosen, scores, cosines, shares):
            column[head] = column[order]
    return Ranking(chosen[:k], scores[:k], cosines[:k], shares[:k], [])


def attractors(
    found: Candidates, points: FloatRows, groups: NDArray[np.int64], reach: float, kappa: float, k: int
) -> Ranking:
    """The k best attractors among the candidates, with those each absorbed.

    points: (n, dim). groups: (n,), -1 = of no group; or (0,) = no groups. reach: cosine from which one is absorbed.
    """
    *shown, numbers, scores, cosines, shares, ends = loops.attract(points, *found, groups, reach - ROUNDING, kappa, k)
    members, start = [], 0
    for end in ends.tolist():
        if start == end:  # nearly always, so the same empty arrays for all
            members.append(Ranking(*_EMPTY, []))
        else:
            here = slice(start, end)
            members.append(Ranking(numbers[here], scores[here], cosines[here], shares[here], []))
        start = end
    return Ranking(shown[0], shown[1], shown[2], shown[3], members)
