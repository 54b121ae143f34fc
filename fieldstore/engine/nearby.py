# Everything within a given cosine of some places: for forgetting, which must not miss any of it.
#
# In:   unit rows, numbers of points, a cosine. Out: points with their cosines, the most similar first.
# Rule: every point is compared with every place: nothing here is approximate.
"""What is near."""

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine.inputs import ROUNDING, FloatRows

_ROWS, _PLACES = 4096, 256  # compared together


def within(
    points: FloatRows, numbers: NDArray[np.int64], places: FloatRows, least: float
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Of the points (n, d) with these numbers, those of cosine >= least to one of the places (m, d), m >= 1.

    Returns their numbers, their cosines to the most similar place, and which place that is; ties by number.
    """
    found = []
    for begin in range(0, len(numbers), _ROWS):
        some = numbers[begin : begin + _ROWS]
        rows = points[some]
        best, to = np.full(len(some), -2.0, np.float32), np.zeros(len(some), np.int64)
        for first in range(0, len(places), _PLACES):
            cosines = rows @ places[first : first + _PLACES].T
            at = cosines.argmax(axis=1)
            top = cosines[np.arange(len(some)), at]
            to = np.where(top > best, first + at, to)
            best = np.maximum(best, top)
        near = best >= least - ROUNDING
        found.append((some[near], best[near], to[near]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64)
    chosen, best, to = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((chosen, -best))
    return chosen[order], best[order], to[order]
