# Repellers: places that points are hidden around.
#
# A repeller at place v of radius tau weighs -exp(kappa (1 - tau)), so that it takes exp(kappa (<v, x> - tau)) off a
# weight at x. That number may be too large for any float; so it is kept as a weight of -1 whose cosines are raised by
# 1 - tau. A point of negative weight repels too: by as much as it weighs, nothing raised.
#
# Rule: they are few, kept apart from the points, and felt by every one of them, in the order they are in.
"""What repels, as the loops take it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.inputs import FloatRows
from fieldstore.engine.threads import spread

_SLICE = 4096  # points that a further thread is worth its while for


class Repellers(NamedTuple):
    """places (r, d) float32 unit vectors; radii (r,) float64, cosines; nobody's to change."""

    places: FloatRows
    radii: NDArray[np.float64]

    @property
    def weighted(self) -> tuple[FloatRows, NDArray[np.float64], NDArray[np.float64]]:
        """Places, weights and shifts, as the sums take them."""
        return self.places, sealed(self.weights), sealed(self.shifts)

    @property
    def weights(self) -> NDArray[np.float64]:
        """(r,) -1 each, to go with `shifts`."""
        return np.full(len(self.radii), -1.0)

    @property
    def shifts(self) -> NDArray[np.float64]:
        """(r,) what their cosines are raised by."""
        return 1.0 - self.radii

    def felt_at(self, queries: FloatRows, kappa: float) -> NDArray[np.bool_]:
        """(q,) near which of queries (q, dim) something is hidden: where a twentieth of a copy or more is taken off."""
        near: NDArray[np.bool_] = np.any(queries @ self.places.T > self.radii - math.log(20.0) / kappa, axis=1)
        return near

    def joined(self, points: FloatRows, weights: NDArray[np.float64]) -> "Repelling":
        """All that repels: the points (n, d) of negative weight, in their order, and these behind them."""
        negative = np.flatnonzero(weights < 0)
        return Repelling(
            sealed(np.concatenate([points[negative], self.places])),
            np.concatenate([-weights[negative], np.ones(len(self.radii))]),
            np.concatenate([np.zeros(len(negative)), self.shifts]),
        )


class Repelling(NamedTuple):
    """places (r, d) float32; strengths (r,), in copies; shifts (r,), what their cosines are raised by."""

    places: FloatRows
    strengths: NDArray[np.float64]
    shifts: NDArray[np.float64]

    def damped(self, points: FloatRows, weights: NDArray[np.float64], kappa: float) -> NDArray[np.float64]:
        """(n,) effective weights of points (n, d)."""

        def work(part: slice) -> NDArray[np.float64]:
            rows = sealed(points[part])
            effective: NDArray[np.float64] = sums.damped(rows, weights[part], *self, kappa)
            return effective

        return np.concatenate(spread(work, len(points), _SLICE))

    def felt(self, points: FloatRows, kappa: float) -> NDArray[np.float64]:
        """(n, r) what each takes off the weight of each of points (n, d), in copies."""
        felt: NDArray[np.float64] = sums.felt_from(sealed(points), *self, kappa)
        return felt


def nothing_repels(dim: int) -> Repellers:
    """No repellers at all."""
    return Repellers(np.empty((0, dim), np.float32), np.empty(0))


def silencing(felt: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(m, r) which of r silence each of m points; felt (m, r), what each takes off the weights (m, 1), all of which go.

    Whoever does it alone, or is needed for it; where nobody is either, the fewest that together suffice.
    """
    with np.errstate(invalid="ignore"):  # of two that silence beyond all measure, each does so alone
        found: NDArray[np.bool_] = (felt >= weights) | (felt.sum(axis=1, keepdims=True) - felt < weights)
    rest = ~found.any(axis=1)
    strongest = np.argsort(-felt[rest], axis=1, kind="stable")
    ordered = np.take_along_axis(felt[rest], strongest, axis=1)
    chosen = np.zeros(ordered.shape, np.bool_)
    np.put_along_axis(chosen, strongest, ordered.cumsum(axis=1) - ordered < weights[rest], axis=1)
    found[rest] = chosen
    return found
