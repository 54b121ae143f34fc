# The numeric loops, and nothing else: every compiled function of fieldstore.
#
# In:   contiguous arrays and plain numbers, checked by field.py.
# Out:  new arrays. No I/O, no Python objects, no exceptions.
# Rule: sums run in point order on one thread and skip points of weight 0, so a forgotten point leaves no bit behind.
# Rule: a cached loop calls only loops of this file and the machine instructions; numba's cache misses edits elsewhere.
# Rule: no fastmath: a reordered sum would differ between two loops that must agree bit for bit.
"""The compiled loops of the engine."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit

from fieldstore.engine.instructions import dot, prefetch

_Loop = TypeVar("_Loop", bound=Callable[..., object])
_EXP_FLOOR = -745.0  # exp of less is 0 in float64
_AHEAD = 4  # rows asked for before they are needed
_ROUNDING = 1e-6  # of a float32 cosine
_MIX = 0.3  # what the neighbours say counts this much in a smoothed score; field-semantics, measured on Cranfield


def _loop(function: _Loop) -> _Loop:
    """Compile without the GIL; cached on disk where numba finds a folder it may write to."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable place for the cache: compile once a process
        return njit(nogil=True)(function)


def cache_folder() -> str:
    """Where numba keeps what it compiled; the working folder where it cannot keep anything."""
    return str(best.stats.cache_path or ".")  # type: ignore[attr-defined]


@_loop
def _worse(score, point, other_score, other_point):
    """Whether the first candidate ranks behind the second: lower score, or equal and the later point."""
    return score < other_score or (score == other_score and point > other_point)


@_loop
def best(query, points, offsets, allowed, m):
    """The m points of the highest score <q, v> + offset, unordered; a heap whose root is the worst kept.

    query     (d,)   float32  unit vector
    points    (n, d) float32  unit vectors
    offsets   (n,)   float64  ln(effective weight) / kappa; -inf = not in the field
    allowed   (n,)   bool     which points may answer; length 0 = all
    m         int             at most this many
    returns   chosen (c,) int64, scores (c,) float64, cosines (c,) float32, c <= m
    """
    chosen = np.empty(m, np.int64)
    scores = np.empty(m, np.float64)
    cosines = np.empty(m, np.float32)
    count = 0
    for p in range(points.shape[0]):
        if offsets[p] == -np.inf or (allowed.shape[0] > 0 and not allowed[p]):
            continue
        cosine = dot(query, points[p])
        score = cosine + offsets[p]
        if count < m:  # climb from the new leaf
            here = count
            count += 1
            while here > 0:
                above = (here - 1) // 2
                if not _worse(score, p, scores[above], chosen[above]):
                    break
                chosen[here], scores[here], cosines[here] = chosen[above], scores[above], cosines[above]
                here = above
        elif _worse(scores[0], chosen[0], score, p):  # replace the worst and sink
            here = 0
            while True:
                below = 2 * here + 1
                if below >= m:
                    break
                if below + 1 < m and _worse(scores[below + 1], chosen[below + 1], scores[below], chosen[below]):
                    below += 1
                if not _worse(scores[below], chosen[below], score, p):
                    break
                chosen[here], scores[here], cosines[here] = chosen[below], scores[below], cosines[below]
                here = below
        else:
            continue
        chosen[here], scores[here], cosines[here] = p, score, cosine
    return chosen[:count], scores[:count], cosines[:count]


@_loop
def ranked(query, points, offsets, chosen, m):
    """The chosen points that weigh something, by score, best first, ties by number; at most m.

    chosen    (c,)   int64    numbers of points, each once;  the others as in `best`, and the same bits
    returns   points (r,) int64, scores (r,) float64, cosines (r,) float32, r <= m
    """
    found = np.empty(chosen.shape[0], np.int64)
    scores = np.empty(chosen.shape[0], np.float64)
    cosines = np.empty(chosen.shape[0], np.float32)
    count = 0
    for i in range(min(_AHEAD, chosen.shape[0])):
        prefetch(points, chosen[i])
    for i in range(chosen.shape[0]):
        if i + _AHEAD < chosen.shape[0]:
            prefetch(points, chosen[i + _AHEAD])
        p = chosen[i]
        if offsets[p] != -np.inf:
            found[count] = p
            cosines[count] = dot(query, points[p])
            scores[count] = cosines[count] + offsets[p]
            count += 1
    step = 1
    while step < count // 3:
        step = 3 * step + 1
    while step > 0:  # Shell's sort
        for i in range(step, count):
            p, score, cosine = found[i], scores[i], cosines[i]
            j = i
            while j >= step and _worse(scores[j - step], found[j - step], score, p):
                found[j], scores[j], cosines[j] = found[j - step], scores[j - step], cosines[j - step]
                j -= step
            found[j], scores[j], cosines[j] = p, score, cosine
        step //= 3
    kept = min(m, count)
    return found[:kept], scores[:kept], cosines[:kept]


@_loop
def gram(points, chosen):
    """Cosines between the chosen points.

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    rows to compare
    returns   (m, m) float32  symmetric
    """
    m = chosen.shape[0]
    cosines = np.empty((m, m), np.float32)
    for i in range(m):
        for j in range(i, m):
            cosine = dot(points[chosen[i]], points[chosen[j]])
            cosines[i, j] = cosine
            cosines[j, i] = cosine
    return cosines


@_loop
def absorb(cosines, groups, reach):
    """Who speaks for whom: going best first, each free candidate absorbs the free ones within its reach.

    cosines   (m, m) float32  between the candidates, best first
    groups    (m,)   int64    candidates of one group absorb each other; -1 = no group; length 0 = none at all
    reach     float           cosine from which a candidate is absorbed
    returns   (m,)   int64    position of the attractor each belongs to; its own position = it is one
    """
    m = cosines.shape[0]
    owner = np.full(m, -1, np.int64)
    for i in range(m):
        if owner[i] >= 0:
            continue
        owner[i] = i
        for j in range(i + 1, m):
            related = groups.shape[0] > 0 and groups[i] >= 0 and groups[i] == groups[j]
            if owner[j] < 0 and (related or cosines[i, j] >= reach):
                owner[j] = i
    return owner


@_loop
def smoothed(scores, cosines, kappa):
    """Each score mixed with its neighbours' kernel-weighted mean score, itself left out.

    scores    (m,)   float64  effective similarities
    cosines   (m, m) float32  between the candidates
    kappa     float           concentration
    returns   (m,)   float64  0.7 own + 0.3 neighbours; a lone score is kept
    """
    m = scores.shape[0]
    mixed = scores.copy()
    for i in range(m):
        top = -np.inf
        for j in range(m):
            if j != i and cosines[i, j] > top:
                top = cosines[i, j]
        total = 0.0
        said = 0.0
        for j in range(m):
            if j != i:  # relative to the row's largest kernel: never 0 / 0
                kernel = np.exp(kappa * (np.float64(cosines[i, j]) - top))
                total += kernel
                said += kernel * scores[j]
        if total > 0.0:
            mixed[i] = (1.0 - _MIX) * scores[i] + _MIX * said / total
    return mixed


@_loop
def _sums(place, points, weights, kappa, cosines, pull):
    """The field at one place, relative to its largest kernel exp(kappa (top - 1)).

    place     (d,)   float64  unit vector
    points    (n, d) float32, weights (n,) float64, kappa float: as in field_at
    cosines   (n,)   float64  scratch
    pull      (d,)   float64  filled with the sum of w K v; length 0 = not wanted
    returns   top, plus, minus: the largest cosine of a weighted point; the sums of the positive and of the
              absolute negative contributions, both divided by exp(kappa (top - 1))
    """
    top = -np.inf
    for p in range(points.shape[0]):
        if weights[p] != 0.0:
            cosines[p] = dot(place, points[p])
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
def field_at(places, points, weights, kappa):
    """phi at each place, kept in parts so that neither overflow nor underflow can happen here.

    places    (q, d) float64  unit vectors: where to look
    points    (n, d) float32  unit vectors: where the records sit
    weights   (n,)   float64  net weight per point, in copies; zeros are skipped
    kappa     float           concentration, 1 / bandwidth**2
    returns   tops, plus, minus, each (q,) float64: phi = (plus - minus) exp(kappa (top - 1))
    """
    tops = np.empty(places.shape[0])
    plus = np.empty(places.shape[0])
    minus = np.empty(places.shape[0])
    cosines = np.empty(points.shape[0])
    nothing = np.empty(0)
    for q in range(places.shape[0]):
        tops[q], plus[q], minus[q] = _sums(places[q], points, weights, kappa, cosines, nothing)
    return tops, plus, minus


@_loop
def pull_at(places, points, weights, kappa):
    """The pull h = sum of w K v at each place, in the same parts as field_at.

    returns   tops (q,), pulls (q, d) float64: h = pull exp(kappa (top - 1))
    """
    tops = np.empty(places.shape[0])
    pulls = np.empty(places.shape)
    cosines = np.empty(points.shape[0])
    for q in range(places.shape[0]):
        tops[q], _, _ = _sums(places[q], points, weights, kappa, cosines, pulls[q])
    return tops, pulls


@_loop
def damped(points, weights, kappa):
    """Effective weights: each positive weight less what the repellers (negative weights) say at its place.

    returns   (n,)   float64  max(0, w_i - sum_r |w_r| K(v_i, v_r)); 0 for weights that are not positive
    """
    effective = np.maximum(weights, 0.0)
    for r in range(points.shape[0]):
        if weights[r] >= 0.0:
            continue
        for p in range(points.shape[0]):
            if weights[p] > 0.0:
                away = 1.0 - float(dot(points[p], points[r]))
                if away < _ROUNDING:
                    away = 0.0  # an exact copy, whatever the rounding of its cosine
                effective[p] += weights[r] * np.exp(-kappa * away)
    return np.maximum(effective, 0.0)


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
def climb(start, points, weights, kappa, limit, tolerance):
    """Safeguarded ascent of phi on the sphere (field-semantics, 5): mean shift, damped where repellers are felt.

    start      (d,)   float64  unit vector
    points     (m, d) float32  the candidates; weights (m,) float64, of any sign
    kappa      float           concentration
    limit      int             at most this many steps
    tolerance  float           stop once a step is shorter, as a chord
    returns    end (d,) float64, steps int, settled bool (False: the limit came first)
    """
    place = start.copy()
    target = np.empty_like(place)
    pull = np.empty_like(place)
    cosines = np.empty(points.shape[0])
    sigma = 1.0 / np.sqrt(kappa)
    longest = 2.0 * np.sin(min(sigma, np.pi) / 2.0)  # the chord of one bandwidth
    repelled = False
    for p in range(points.shape[0]):
        if weights[p] < 0.0:
            repelled = True
    top, plus, minus = _sums(place, points, weights, kappa, cosines, pull)
    for step in range(limit):
        push = kappa * minus if repelled else 0.0
        if not _step(place, pull, push, target):
            return place, step, True
        new_top, new_plus, new_minus = _sums(target, points, weights, kappa, cosines, np.empty(0))
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
            new_top, new_plus, new_minus = _sums(target, points, weights, kappa, cosines, np.empty(0))
        move = _distance(place, target)
        place[:] = target
        top, plus, minus = _sums(place, points, weights, kappa, cosines, pull)
        if move < tolerance:
            return place, step + 1, True
    return place, limit, False
