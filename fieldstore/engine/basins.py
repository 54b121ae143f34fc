# The founding retrieval: the continuous maxima that the query and its candidates ascend to.
#
# In:   candidates, best first, and the local field of the strongest points around the query.
# Out:  a ranking; points are named by their number.
# Rule: every candidate is in exactly one result, shown or a member.
"""Records at the maxima of a local field."""

import math

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import loops
from fieldstore.engine.ascent import Around
from fieldstore.engine.inputs import FloatRows
from fieldstore.engine.ranking import Ranking

POOL = 128  # candidates that ascend, and points of the field they ascend in
_ONE = 0.2  # bandwidths between two ends that are one maximum


def maxima(
    starts: NDArray[np.float64],
    around: Around,
    chosen: NDArray[np.int64],
    scores: NDArray[np.float64],
    cosines: NDArray[np.float32],
    points: FloatRows,
    kappa: float,
    k: int,
) -> Ranking:
    """At most k maxima of the field around a query, the strongest first, each shown by the record that says most there.

    starts (1 + c, d): the query, then the c candidates chosen, which scores and cosines are of, best first; points
    (n, d). A maximum at x is worth cos(q, x) + ln(phi(x)) / kappa: as a lone point there, of that weight, would be.
    """
    if not len(chosen):
        return Ranking(chosen, scores, cosines, scores, [])
    ends, _, _ = around.climbed(starts, kappa)
    tops, net = around.summed(ends, kappa)
    reached = _merged(ends, net > 0, kappa)
    heads = np.unique(reached[reached >= 0])
    values = ends[heads] @ starts[0] + tops[heads] - 1.0 + np.log(net[heads]) / kappa
    said = ends[heads] @ points[chosen].T.astype(np.float64) + (scores - cosines)  # by each candidate, at each maximum
    shown: dict[int, float] = {}  # position of a candidate, value of the best maximum that it stands for
    stands = np.full(len(starts), -1)  # by maximum: that candidate
    for number in np.argsort(-values, kind="stable").tolist():
        stands[heads[number]] = here = int(said[number].argmax())
        shown.setdefault(here, float(values[number]))
    of = np.where(reached[1:] >= 0, stands[reached[1:]], -1)  # by candidate: whom it is a member of
    of[list(shown)] = list(shown)
    (parts,) = loops.shares(scores[None], np.array([len(scores)]), kappa)
    results = list(shown)[:k]
    members = [np.flatnonzero((of == here) & (np.arange(len(of)) != here)) for here in results]
    together = np.array([parts[of == here].sum() for here in results])
    return Ranking(
        chosen[results],
        np.array([shown[here] for here in results]),
        cosines[results],
        together,
        [Ranking(chosen[some], scores[some], cosines[some], parts[some], []) for some in members],
    )


def _merged(ends: NDArray[np.float64], higher: NDArray[np.bool_], kappa: float) -> NDArray[np.int64]:
    """(s,) the first end that each is one maximum with; -1 where phi is not positive, and so no attractor."""
    reached = np.full(len(ends), -1)
    apart = 2.0 * math.sin(min(_ONE * kappa**-0.5, math.pi) / 2.0)
    for i in np.flatnonzero(higher).tolist():
        if reached[i] < 0:
            near = higher & (reached < 0) & (((ends - ends[i]) ** 2).sum(axis=1) < apart**2)
            reached[near] = i
            reached[i] = i
    return reached
