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
def _sharpen(cosines, count, rows, places):
    """Take cosines of places and points near each other again, in float64, as of places of length 1 exactly.

    cosines   (count or more, 16) float64;  rows (count or more, padded), places (padded, 16), side by side: float32
    """
    for p in range(count):
        near = False
        for lane in range(ABREAST):
            near |= cosines[p, lane] > _NEAR
        if near:
            for lane in range(ABREAST):
                if cosines[p, lane] > _NEAR:
                    total = 0.0
                    square = 0.0
                    for i in range(places.shape[0]):
                        coordinate = np.float64(places[i, lane])
                        total += np.float64(rows[p, i]) * coordinate
                        square += coordinate * coordinate
                    cosines[p, lane] = total / np.sqrt(square)


@_loop
def field_at(narrow, wide, points, weights, kappa):
    """phi at some places, kept in parts so that neither overflow nor underflow can happen here.

    Every place has its own sums, taken over the weighted points in their order. Places stand side by side in lanes; the
    sums are scaled by powers of two only, which changes no bit: so no result depends on which other places or points
    of weight 0 there are.

    narrow    (a, e, 16) float32, or
    wide      (b, e, 8) float64: unit vectors, where to look, side by side; cosines are taken in their type. The other
              one has length 0. e: the dimensions, and zeros up to a multiple of 8, as behind the last place
    points    (n, d) float32  unit vectors: where the records sit
    weights   (n,)   float64  net weight per point, in copies; zeros are skipped
    kappa     float           concentration, 1 / bandwidth**2
    returns   powers, plus and minus (q,) float64, q a multiple of 16: phi = (plus - minus) 2**power
    """
    single = narrow.shape[0] > 0
    groups = narrow.shape[0] + (wide.shape[0] + 1) // 2
    padded = narrow.shape[1]
    most = max(8, min(_BLOCK // padded, 256) // 8 * 8)  # points at a time, so that they stay in the cache
    narrow_rows = np.zeros((most if single else 0, padded), np.float32)
    wide_rows = np.zeros((0 if single else most, padded), np.float64)
    held = np.empty(most, np.float64)  # their weights
    cosines = np.zeros((most, ABREAST), np.float64)
    rate = min(kappa * _LOG2_E, _STEEPEST)
    tops = np.empty(groups * ABREAST, np.float64)
    plus = np.empty(groups * ABREAST, np.float64)
    minus = np.empty(groups * ABREAST, np.float64)
    for q in range(groups * ABREAST):
        tops[q] = -np.inf
        plus[q] = 0.0
        minus[q] = 0.0
    p = 0
    while p < points.shape[0]:
        taken = 0
        while p < points.shape[0] and taken < most:
            if weights[p] != 0.0:
                held[taken] = weights[p]
                for i in range(points.shape[1]):
                    if single:
                        narrow_rows[taken, i] = points[p, i]
                    else:
                        wide_rows[taken, i] = points[p, i]
                taken += 1
            p += 1
        if taken == 0:
            break
        for g in range(groups):
            if single:
                for first in range(0, taken, 8):
                    products(narrow[g], narrow_rows[first:], cosines[first:], 0)
                _sharpen(cosines, taken, narrow_rows, narrow[g])
            else:
                for part in range(2 * g, min(2 * g + 2, wide.shape[0])):
                    for first in range(0, taken, 8):
                        products(wide[part], wide_rows[first:], cosines[first:], part % 2 * 8)
            here = g * ABREAST
            add_kernels(cosines[:taken], held, rate, tops[here:], plus[here:], minus[here:])
    for q in range(groups * ABREAST):
        if tops[q] == -np.inf:
            tops[q] = 0.0  # of no point
    return tops, plus, minus


@_loop
def pull_at(places, points, weights, shifts, kappa):
    """phi, and the pull h = sum of w K v, at each place, relative to the largest kernel there.

    places (q, d) float64;  shifts (n,) or (0,) as in _sums;  the rest as in field_at
    returns   tops, plus, minus (q,), pulls (q, d) float64: h = pull exp(kappa (top - 1)), and phi alike
    """
    tops = np.empty(places.shape[0], np.float64)
    plus = np.empty(places.shape[0], np.float64)
    minus = np.empty(places.shape[0], np.float64)
    pulls = np.empty(places.shape, np.float64)
    place = np.empty(places.shape[1], np.float64)
    cosines = np.empty(points.shape[0], np.float64)
    for q in range(places.shape[0]):
        for i in range(place.shape[0]):
            place[i] = places[q, i]
        tops[q], plus[q], minus[q] = _sums(place, points, weights, shifts, kappa, cosines, pulls[q])
    return tops, plus, minus, pulls


@_loop
def cosines_at(place, points, weights):
    """The cosine of each point that weighs something with place, (d,) float64; (n,) float64, -2 for the others."""
    cosines = np.empty(points.shape[0], np.float64)
    for p in range(points.shape[0]):
        cosines[p] = dot(place, points[p]) if weights[p] != 0.0 else -2.0
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
    effective = np.empty(points.shape[0], np.float64)
    for p in range(points.shape[0]):
        left = weights[p]
        if left > 0.0:
            for r in range(repellers.shape[0]):
                left -= _felt(points[p], repellers[r], strengths[r], shifts[r], kappa)
        effective[p] = 0.0 if left < 0.0 else left
    return effective


@_loop
def felt_from(points, repellers, strengths, shifts, kappa):
    """What each of the repellers takes off a weight at each of points, as in `damped`: (n, r) float64, in copies."""
    felt = np.empty((points.shape[0], repellers.shape[0]), np.float64)
    for p in range(points.shape[0]):
        for r in range(repellers.shape[0]):
            felt[p, r] = _felt(points[p], repellers[r], strengths[r], shifts[r], kappa)
    return felt


@_loop
def _step(place, pull, push, target):
    """target = norm(pull + push * place); returns how far that is as a chord, -1 where there is no direction."""
    square = 0.0
    for i in range(place.shape[0]):
        target[i] = pull[i] + push * place[i]
        square += target[i] * target[i]
    length = np.sqrt(square)
    if not length > 0.0:
        return -1.0
    square = 0.0
    for i in range(place.shape[0]):
        target[i] /= length
        away = place[i] - target[i]
        square += away * away
    return np.sqrt(square)


@_loop
def climb(starts, points, weights, shifts, kappa, limit, tolerance):
    """Safeguarded ascents of phi on the sphere (field-semantics, 5): mean shift, damped where repellers are felt.

    starts     (s, d) float64  unit vectors; no way uphill knows of the others
    points     (m, d) float32  the candidates; weights (m,) float64, of any sign; shifts (m,) float64 as in _sums
    kappa      float           concentration
    limit      int             at most this many steps
    tolerance  float           stop once a step is shorter, as a chord
    returns    ends (s, d) float64, steps (s,) int64, settled (s,) bool (False: the limit came first)
    """
    ends = np.empty(starts.shape, np.float64)
    steps = np.empty(starts.shape[0], np.int64)
    settled = np.empty(starts.shape[0], np.bool_)
    place = np.empty(starts.shape[1], np.float64)
    target = np.empty(starts.shape[1], np.float64)
    pull = np.empty(starts.shape[1], np.float64)
    ahead = np.empty(starts.shape[1], np.float64)  # the pull at the target
    cosines = np.empty(points.shape[0], np.float64)
    sigma = 1.0 / np.sqrt(kappa)
    longest = 2.0 * np.sin(min(sigma, np.pi) / 2.0)  # the chord of one bandwidth
    repelled = False
    for p in range(points.shape[0]):
        if weights[p] < 0.0:
            repelled = True
    for s in range(starts.shape[0]):
        for i in range(place.shape[0]):
            place[i] = starts[s, i]
        top, plus, minus = _sums(place, points, weights, shifts, kappa, cosines, pull)
        taken = 0
        done = False
        while taken < limit and not done:
            push = kappa * minus if repelled else 0.0
            move = _step(place, pull, push, target)
            doublings = 0
            new_top, new_plus, new_minus = top, plus, minus
            while move >= 0.0:
                new_top, new_plus, new_minus = _sums(target, points, weights, shifts, kappa, cosines, ahead)
                if not repelled:
                    break
                shared = max(top, new_top)  # both fields in one scale
                before = (plus - minus) * np.exp(kappa * (top - shared))
                after = (new_plus - new_minus) * np.exp(kappa * (new_top - shared))
                if move <= longest and after >= before:
                    break
                if doublings == 60:
                    move = -1.0
                    break
                doublings += 1
                push = max(2.0 * push, np.sqrt(dot(pull, pull)) / 2.0)
                move = _step(place, pull, push, target)
            done = not move >= tolerance
            if move >= 0.0:  # else there is no better place to go to
                place, target = target, place
                pull, ahead = ahead, pull
                top, plus, minus = new_top, new_plus, new_minus
                taken += 1
        for i in range(place.shape[0]):
            ends[s, i] = place[i]
        steps[s] = taken
        settled[s] = done
    return ends, steps, settled
