# Following a field uphill, for explanation and pictures.
#
# In:   a place, points, their weights and kappa, all checked.
# Out:  where it ended, and what that is worth.
# Rule: the field followed is that of the strongest candidates; what lies outside is bounded, and the bound is said.
"""The ascent over a local field (field-semantics, 5 and 6)."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.inputs import FloatRows

_MOST_STEPS, _SHORTEST = 300, 1e-5  # steps; chord of a step that ends it


class Ascent(NamedTuple):
    """Where following the field uphill from one start ended.

    place    (d,) float64  unit vector
    phi      float         field of the candidates there, in copies; an attractor only if > 0
    steps    int           steps taken
    settled  bool          False when the limit of steps came first
    rate     float         contraction rate; below 1 the end is a strict maximum
    bound    float         how much the points outside the candidates can add to phi there, at most
    """

    place: NDArray[np.float64]
    phi: float
    steps: int
    settled: bool
    rate: float
    bound: float


def ascend(
    place: NDArray[np.float64], points: FloatRows, weights: NDArray[np.float64], kappa: float, candidates: int
) -> Ascent:
    """Uphill from place (d,) over the candidates of points (n, d) and weights (n,) that contribute most there.

    Raises ValueError when no point weighs anything.
    """
    local, outside = _local(place, points, weights, kappa, candidates)
    rows, held = sealed(points[local]), sealed(weights[local])
    end, steps, settled = sums.climb(place, rows, held, kappa, _MOST_STEPS, _SHORTEST)
    (power,), (plus,), (minus,) = sums.field_at(sealed(end[None]), rows, held, kappa)
    angle = math.acos(float(np.clip(place @ end, -1.0, 1.0)))
    bound = 0.0
    if len(outside):
        nearest = float(np.clip((points[outside].astype(np.float64) @ place).max(), -1.0, 1.0))
        closest = math.cos(max(0.0, math.acos(nearest) - angle))
        bound = float(np.abs(weights[outside]).sum() * math.exp(kappa * (closest - 1.0)))
    phi = math.ldexp(plus - minus, int(power))
    return Ascent(end, phi, int(steps), bool(settled), _rate(end, rows, held, kappa), bound)


def _rate(place: NDArray[np.float64], rows: FloatRows, weights: NDArray[np.float64], kappa: float) -> float:
    """kappa lambda_max(sum w K t t') / |h|, t the tangent part of each point; relative to the largest kernel."""
    cosines = rows.astype(np.float64) @ place
    contributions = weights * np.exp(kappa * (cosines - cosines.max()))
    pull = np.linalg.norm(contributions @ rows)
    if pull == 0.0:
        return math.inf
    tangents = rows - cosines[:, None] * place
    spread = (tangents * contributions[:, None]).T @ tangents
    return float(kappa * np.linalg.eigvalsh(spread)[-1] / pull)


def _local(
    place: NDArray[np.float64], points: FloatRows, weights: NDArray[np.float64], kappa: float, m: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the m points of largest |w| K at place, all repellers among them; and of the others that weigh."""
    weighted = np.flatnonzero(weights)
    if not len(weighted):
        raise ValueError("the field has no weighted point; there is nothing to ascend")
    held = weights[weighted]
    strength = points[weighted].astype(np.float64) @ place + np.log(np.abs(held)) / kappa
    strength[held < 0] = np.inf
    order = np.argsort(-strength, kind="stable")
    keep = max(m, int((held < 0).sum()))
    return np.sort(weighted[order[:keep]]), weighted[order[keep:]]
