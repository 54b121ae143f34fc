# The compiled loops that sum the field: its value, its pull, what repellers leave of it, and the way uphill.
#
# In:   contiguous arrays and plain numbers, checked by field.py. Out: new arrays.
# Rule: sums run in point order on one thread and skip points of weight 0, so a forgotten point leaves no bit behind.
# Rule: a cached loop calls only loops of this file and the machine instructions; numba's cache misses edits elsewhere.
# Rule: no fastmath: a reordered sum would differ between two loops that must agree bit for bit.
"""Sums over all points."""

import numpy as np

from fieldstore.engine.abreast import ABREAST, add_kernels, products
from fieldstore.engine.compiled import loop as _loop
from fieldstore.engine.instructions import dot

_EXP_FLOOR = -745.0  # exp of less is 0 in float64
_LOG2_E = 1.4426950408889634
_BLOCK = 49_152  # numbers of points held at a time: 393 KB in float32, well inside most second caches
_NEAR = 0.9  # cosine from which a kernel is worth float64
_STEEPEST = 2.0**48  # a kernel is a power of two of so much times the chord, at most
_ROUNDING = 1e-6  # of a float32 cosine


@_loop
def _sums(place, points, weights, shifts, kappa, cosines, pull):
    """The field at one place, relative to its largest kernel exp(kappa (top - 1)).

    place     (d,)   float64  unit vector
    points    (n, d) float32, weights (n,) float64, kappa float: as in field_at
    shifts    (n,)   float64  added to each point's cosine, so that a kernel may be exp(kappa) times too strong for a
                              weight to say; length 0 = nothing is added
    cosines   (n,)   float64  scratch
    pull      (d,)   float64  filled with the sum of w K v; length 0 = not wanted
    returns   top, plus, minus: the largest cosine of a weighted point; the sums of the positive and of the
              absolute negative contributions, both divided by exp(kappa (top - 1))
    """
    top = -np.inf
    for p in range(points.shape[0]):
        if weights[p] != 0.0:
            cosines[p] = dot(place, points[p])
            if shifts.shape[0] > 0:
                cosines[p] += shifts[p]
            if cosines[p] > top:
                top = cosines[p]
    plus = 0.0
    minus = 0.0
    for i in range(pull.shape[0]):
        pull[i] = 0.0
    for p in range(points.shape[0]):
        if weights[p] == 0.0:
            continue
        power = kappa * (cosines[p] - top)
        if power < _EXP_FLOOR:
            continue
        contribution = weights[p] * np.exp(power)
        if contribution > 0.0:
            plus += contribution
        else:
            minus -= contribution
        for i in range(pull.shape[0]):
            pull[i] += contribution * points[p, i]
    return top, plus, minus


@_loop
def _abreast(places):
    """Places (q, d) in groups of sixteen, side by side and a cache line wide; zeros after the last.

    returns   (ceil(q / 16), 1 or 2, d and up to 7, 16 or 8): 16 if they are float32; a multiple of 8 dimensions
    """
    count, dim = places.shape
    width = 64 // places.itemsize
    sides = np.zeros((-(-count // ABREAST), ABREAST // width, -(-dim // 8) * 8, width), places.dtype)
    for q in range(count):
        for i in range(dim):
            sides[q // ABREAST, q % ABREAST // width, i, q % width] = places[q, i]
    return sides


@_loop
def _sharpen(cosines, rows, places):
    """Take cosines of places and points near each other again, in float64, as of places of length 1 exactly.

    cosines   (m, 16) float64;  rows (m or more, >= d), places (up to 16, d): float32
    """
    for p in range(cosines.shape[0]):
        nearest = cosines[p].max()
        if nearest > _NEAR:
            for lane in range(places.shape[0]):
                if cosines[p, lane] > _NEAR:
                    total = 0.0
                    square = 0.0
                    for i in range(places.shape[1]):
                        coordinate = np.float64(places[lane, i])
                        total += np.float64(rows[p, i]) * coordinate
                        square += coordinate * coordinate
                    cosines[p, lane] = total / np.sqrt(square)


@_loop
def field_at(places, points, weights, kappa):
    """phi at each place, kept in parts so that neither overflow nor underflow can happen here.

    Every place has its own sums, taken over the weighted points in their order. Places stand side by side in lanes; the
    sums are scaled by powers of two only, which changes no bit: so no result depends on which other places or points
    of weight 0 there are.

    places    (q, d) float64 or float32, which the cosines are then taken in; unit vectors: where to look
    points    (n, d) float32  unit vectors: where the records sit
    weights   (n,)   float64  net weight per point, in copies; zeros are skipped
    kappa     float           concentration, 1 / bandwidth**2
    returns   powers (q,) int64, plus and minus (q,) float64: phi = (plus - minus) 2**power
    """
    count, dim = places.shape
    sides = _abreast(places)
    groups, parts, padded, width = sides.shape
    most = max(8, min(_BLOCK // padded, 256) // 8 * 8)  # points at a time, so that they stay in the cache
    rows = np.zeros((most, padded), places.dtype)
    held = np.empty(most)  # their weights
    cosines = np.zeros((most, ABREAST))
    rate = min(kappa * _LOG2_E, _STEEPEST)
    tops = np.full((groups, ABREAST), -np.inf)
    plus = np.zeros((groups, ABREAST))
    minus = np.zeros((groups, ABREAST))
    p = 0
    while p < points.shape[0]:
        taken = 0
        while p < points.shape[0] and taken < most:
            if weights[p] != 0.0:
                held[taken] = weights[p]
                for i in range(dim):
                    rows[taken, i] = points[p, i]
                taken += 1
            p += 1
        for g in range(groups):
            for part in range(min(parts, -(-(count - g * ABREAST) // width))):
                for first in range(0, taken, 8):
                    products(sides[g, part], rows[first:], cosines[first:], part * width)
                if width == ABREAST:  # float32
                    _sharpen(cosines[:taken], rows, places[g * ABREAST : g * ABREAST + ABREAST])
            if taken > 0:
                add_kernels(cosines[:taken], held, rate, tops[g], plus[g], minus[g])
    found = np.zeros(count, np.int64)
    for q in range(count):
        if tops[q // ABREAST, q % ABREAST] > -np.inf:
            found[q] = np.int64(tops[q // ABREAST, q % ABREAST])
    return found, plus.ravel()[:count].copy(), minus.ravel()[:count].copy()


@_loop
def pull_at(places, points, weights, shifts, kappa):
    """phi, and the pull h = sum of w K v, at each place, relative to the largest kernel there.

    places (q, d) float64;  shifts (n,) or (0,) as in _sums;  the rest as in field_at
    returns   tops, plus, minus (q,), pulls (q, d) float64: h = pull exp(kappa (top - 1)), and phi alike
    """
    tops = np.empty(places.shape[0])
    plus = np.empty(places.shape[0])
    minus = np.empty(places.shape[0])
    pulls = np.empty(places.shape)
    cosines = np.empty(points.shape[0])
    for q in range(places.shape[0]):
        tops[q], plus[q], minus[q] = _sums(places[q], points, weights, shifts, kappa, cosines, pulls[q])
    return tops, plus, minus, pulls


@_loop
def cosines_at(place, points, weights):
    """The cosine of each point that weighs something with place, (d,) float64; (n,) float64, -2 for the others."""
    cosines = np.full(points.shape[0], -2.0)
    for p in range(points.shape[0]):
        if weights[p] != 0.0:
            cosines[p] = dot(place, points[p])
    return cosines


@_loop
def _felt(point, repeller, strength, shift, kappa):
    """What a repeller takes off a weight: strength exp(kappa (cosine - 1 + shift)), which may be infinite."""
    away = 1.0 - float(dot(point, repeller))
    if away < _ROUNDING:
        away = 0.0  # an exact copy, whatever the rounding of its cosine
    return strength * np.exp(kappa * (shift - away))


@_loop
def damped(points, weights, repellers, strengths, shifts, kappa):
    """Effective weights: each positive weight less what the repellers take off it, in their order.

    points    (n, d) float32, weights (n,) float64;  repellers (r, d) float32, strengths, shifts (r,) float64
    returns   (n,)   float64  max(0, w_i - sum_r strength_r exp(kappa (<v_i, v_r> - 1 + shift_r))); 0 for weights that
                              are not positive
    """
    effective = np.maximum(weights, 0.0)
    for p in range(points.shape[0]):
        if weights[p] > 0.0:
            for r in range(repellers.shape[0]):
                effective[p] -= _felt(points[p], repellers[r], strengths[r], shifts[r], kappa)
    return np.maximum(effective, 0.0)


@_loop
def felt_from(points, repellers, strengths, shifts, kappa):
    """What each of the repellers takes off a weight at each of points, as in `damped`: (n, r) float64, in copies."""
    felt = np.empty((points.shape[0], repellers.shape[0]))
    for p in range(points.shape[0]):
        for r in range(repellers.shape[0]):
            felt[p, r] = _felt(points[p], repellers[r], strengths[r], shifts[r], kappa)
    return felt


@_loop
def _step(place, pull, push, target):
    """target = norm(pull + push * place); False where that has no direction, and target is the place itself."""
    square = 0.0
    for i in range(place.shape[0]):
        target[i] = pull[i] + push * place[i]
        square += target[i] * target[i]
    length = np.sqrt(square)
    for i in range(place.shape[0]):
        target[i] = target[i] / length if length > 0.0 else place[i]
    return length > 0.0


@_loop
def _distance(a, b):
    square = 0.0
    for i in range(a.shape[0]):
        square += (a[i] - b[i]) ** 2
    return np.sqrt(square)


@_loop
def climb(start, points, weights, shifts, kappa, limit, tolerance):
    """Safeguarded ascent of phi on the sphere (field-semantics, 5): mean shift, damped where repellers are felt.

    start      (d,)   float64  unit vector
    points     (m, d) float32  the candidates; weights (m,) float64, of any sign; shifts (m,) float64 as in _sums
    kappa      float           concentration
    limit      int             at most this many steps
    tolerance  float           stop once a step is shorter, as a chord
    returns    end (d,) float64, steps int, settled bool (False: the limit came first)
    """
    place = start.copy()
    target = np.empty_like(place)
    pull = np.empty_like(place)
    ahead = np.empty_like(place)  # the pull at the target
    cosines = np.empty(points.shape[0])
    sigma = 1.0 / np.sqrt(kappa)
    longest = 2.0 * np.sin(min(sigma, np.pi) / 2.0)  # the chord of one bandwidth
    repelled = False
    for p in range(points.shape[0]):
        if weights[p] < 0.0:
            repelled = True
    top, plus, minus = _sums(place, points, weights, shifts, kappa, cosines, pull)
    for step in range(limit):
        push = kappa * minus if repelled else 0.0
        if not _step(place, pull, push, target):
            return place, step, True
        new_top, new_plus, new_minus = _sums(target, points, weights, shifts, kappa, cosines, ahead)
        doublings = 0
        while repelled:
            shared = max(top, new_top)  # both fields in one scale
            before = (plus - minus) * np.exp(kappa * (top - shared))
            after = (new_plus - new_minus) * np.exp(kappa * (new_top - shared))
            if _distance(place, target) <= longest and after >= before:
                break
            if doublings == 60:
                return place, step, True
            doublings += 1
            push = max(2.0 * push, np.sqrt(dot(pull, pull)) / 2.0)
            if not _step(place, pull, push, target):
                return place, step, True
            new_top, new_plus, new_minus = _sums(target, points, weights, shifts, kappa, cosines, ahead)
        move = _distance(place, target)
        place, target = target, place
        pull, ahead = ahead, pull
        top, plus, minus = new_top, new_plus, new_minus
        if move < tolerance:
            return place, step + 1, True
    return place, limit, False


@_loop
def climb_all(starts, points, weights, shifts, kappa, limit, tolerance):
    """`climb` from each of starts, (s, d) float64: the same to the bit.

    returns    ends (s, d) float64, steps (s,) int64, settled (s,) bool
    """
    ends = np.empty(starts.shape)
    steps = np.empty(starts.shape[0], np.int64)
    settled = np.empty(starts.shape[0], np.bool_)
    for s in range(starts.shape[0]):
        ends[s], steps[s], settled[s] = climb(starts[s], points, weights, shifts, kappa, limit, tolerance)
    return ends, steps, settled
