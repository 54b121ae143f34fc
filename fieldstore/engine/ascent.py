# Following a field uphill, for explanation and pictures.
#
# In:   a place, and the strongest points around it, all checked.
# Out:  where it ended, and what that is worth.
# Rule: the field followed is that of the strongest points; what lies outside is bounded, and the bound is said. Where
# they were only looked for in cells there is no bound, and that is said too.
"""The local field and the ascent over it (field-semantics, 5 and 6)."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.inputs import FloatRows
from fieldstore.engine.repellers import Repellers

_MOST_STEPS, _SHORTEST = 300, 1e-5  # steps; chord of a step that ends it
_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Ascent:
    """Where following the field uphill from one start ended.

    place    (d,) float64  unit vector
    phi      float         field of the candidates there, in copies; an attractor only if > 0
    steps    int           steps taken
    settled  bool          False when the limit of steps came first
    bound    float | None  how much the points outside the candidates can add to phi there, at most; None = not known,
                           since the candidates were looked for in cells
    """

    place: NDArray[np.float64]
    phi: float
    steps: int
    settled: bool
    bound: float | None
    _around: "Around" = field(repr=False)
    _kappa: float = field(repr=False)

    @cached_property
    def rate(self) -> float:
        """Contraction rate: below 1 the end is a strict maximum. Worked out when first asked for, in milliseconds."""
        return _rate(self.place, self._around, self._kappa)


class Local(NamedTuple):
    """The field of the points that say most at one place.

    points  (m,) int64         their numbers, in order; all of negative weight among them
    contributions (m,) float64 w K of each at the place, in copies; repellers come on top
    phi     float              the field of the points and all repellers at the place, in copies
    bound   float | None       how much all other points can add to phi, at most; 0 = there are none; None = not known,
                               since these were looked for in cells
    """

    points: NDArray[np.int64]
    contributions: NDArray[np.float64]
    phi: float
    bound: float | None


class Outside(NamedTuple):
    """What was left out. weight: the sum of the absolute weights, in copies; cosine: the largest with the place."""

    weight: float
    cosine: float

    def bound(self, kappa: float, angle: float = 0.0) -> float:
        """How much it can say at so many radians from the place, at most."""
        if self.weight == 0.0:
            return 0.0
        closest = math.cos(max(0.0, math.acos(min(max(self.cosine, -1.0), 1.0)) - angle))
        return self.weight * math.exp(kappa * (closest - 1.0))


class Around(NamedTuple):
    """Points around a place, and all repellers behind them, as the loops take them. outside: None = not known.

    points (m,) int64;  rows (m + r, d) float32;  weights, shifts (m + r,) float64
    """

    points: NDArray[np.int64]
    rows: FloatRows
    weights: NDArray[np.float64]
    shifts: NDArray[np.float64]
    outside: Outside | None

    def summed(self, places: NDArray[np.float64], kappa: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """tops and net, (q,) each, at places (q, d): phi = net exp(kappa (top - 1))."""
        tops, plus, minus, _ = sums.pull_at(sealed(places), self.rows, self.weights, self.shifts, kappa)
        return tops, plus - minus

    def phi(self, place: NDArray[np.float64], kappa: float) -> float:
        """The field of them at a place; the largest number there is where it would be more than that."""
        (top,), (net,) = self.summed(place[None], kappa)
        return times_exp(float(net), kappa * (float(top) - 1.0))

    def climbed(
        self, starts: NDArray[np.float64], kappa: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Where the ways uphill from starts (s, d) end, (s, d); steps (s,); whether they settled (s,)."""
        return sums.climb(  # type: ignore[no-any-return]
            sealed(starts), self.rows, self.weights, self.shifts, kappa, _MOST_STEPS, _SHORTEST
        )


def local(place: NDArray[np.float64], around: Around, kappa: float) -> Local:
    """The field of those around at their place (d,)."""
    count = len(around.points)
    cosines = around.rows[:count].astype(np.float64) @ place
    contributions = around.weights[:count] * np.exp(kappa * (cosines - 1.0))
    outside = around.outside
    bound = None if outside is None else outside.bound(kappa)
    return Local(around.points, contributions, around.phi(place, kappa), bound)


def ascend(place: NDArray[np.float64], around: Around, kappa: float) -> Ascent:
    """Uphill from place (d,) over the points around it."""
    (end,), (steps,), (settled,) = around.climbed(place[None], kappa)
    angle = math.acos(float(np.clip(place @ end, -1.0, 1.0)))
    bound = None if around.outside is None else around.outside.bound(kappa, angle)
    return Ascent(end, around.phi(end, kappa), int(steps), bool(settled), bound, around, kappa)


def _rate(place: NDArray[np.float64], around: Around, kappa: float) -> float:
    """kappa lambda_max(sum w K t t') / |h|, t the tangent part of each point; relative to the largest kernel."""
    rows = around.rows
    cosines = rows.astype(np.float64) @ place
    raised = cosines + around.shifts
    contributions = around.weights * np.exp(kappa * (raised - raised.max()))
    pull = np.linalg.norm(contributions @ rows)
    if pull == 0.0:
        return math.inf
    tangents = rows - cosines[:, None] * place
    spread = (tangents * contributions[:, None]).T @ tangents
    return float(kappa * np.linalg.eigvalsh(spread)[-1] / pull)


def around(
    place: NDArray[np.float64],
    points: FloatRows,
    weights: NDArray[np.float64],
    repellers: Repellers,
    kappa: float,
    m: int,
) -> Around:
    """The m points of largest |w| K at place (d,), all of negative weight among them, by the cosines of all of them.

    points (n, d), weights (n,).
    """
    weighted = np.flatnonzero(weights)
    cosines = sums.cosines_at(place, sealed(points), sealed(weights))[weighted]
    chosen, others = _strongest(cosines, weights[weighted], kappa, m)
    outside = Outside(float(np.abs(weights[weighted[others]]).sum()), float(cosines[others].max(initial=-1.0)))
    return _gathered(weighted[chosen], points, weights, repellers, outside)


def among(
    place: NDArray[np.float64],
    found: NDArray[np.int64],
    points: FloatRows,
    weights: NDArray[np.float64],
    repellers: Repellers,
    kappa: float,
    m: int,
) -> Around:
    """The same among points that were found in cells, found (c,), in order, each once: what lies outside is unknown."""
    felt = weights[found]
    found, felt = found[felt != 0.0], felt[felt != 0.0]  # another thread may have forgotten some since
    cosines = sums.cosines_at(place, sealed(points[found]), sealed(felt))
    chosen, _ = _strongest(cosines, felt, kappa, m)
    return _gathered(found[chosen], points, weights, repellers, None)


def _strongest(
    cosines: NDArray[np.float64], weights: NDArray[np.float64], kappa: float, m: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which are the m of largest |w| K, negative ones first of all, in order; and which are the others."""
    strength = cosines + np.log(np.abs(weights)) / kappa
    strength[weights < 0] = np.inf
    keep = max(m, int((weights < 0).sum()))
    if keep >= len(strength):
        return np.arange(len(strength)), np.empty(0, np.int64)
    least = np.partition(strength, len(strength) - keep)[len(strength) - keep]
    above, ties = np.flatnonzero(strength > least), np.flatnonzero(strength == least)
    chosen = np.zeros(len(strength), np.bool_)
    chosen[above] = True
    chosen[ties[: keep - len(above)]] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def _gathered(
    chosen: NDArray[np.int64],
    points: FloatRows,
    weights: NDArray[np.float64],
    repellers: Repellers,
    outside: Outside | None,
) -> Around:
    return Around(
        chosen,
        sealed(np.concatenate([points[chosen], repellers.places])),
        sealed(np.concatenate([weights[chosen], repellers.weights])),
        sealed(np.concatenate([np.zeros(len(chosen)), repellers.shifts])),
        outside,
    )


def times_exp(net: float, power: float) -> float:
    """net exp(power), or the largest float of its sign where that is more than a float holds."""
    if net == 0.0 or abs(power) < 700.0:
        return net * math.exp(min(power, 700.0))
    size = math.log(abs(net)) + power
    return math.copysign(math.exp(size) if size < 709.78 else _LARGEST, net)
