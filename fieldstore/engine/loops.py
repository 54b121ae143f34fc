# The compiled loops of a query: which points are best, and what they make of one another.
#
# In:   contiguous arrays and plain numbers, checked by field.py.
# Out:  new arrays. No I/O, no Python objects, no exceptions.
# Rule: sums run in point order on one thread and skip points of weight 0, so a forgotten point leaves no bit behind.
# Rule: a cached loop calls only loops of this file and the machine instructions; numba's cache misses edits elsewhere.
# Rule: no fastmath: a reordered sum would differ between two loops that must agree bit for bit.
"""Ranking: best points, shares, attractors."""

import math

import numpy as np

from fieldstore.engine.abreast import two_to
from fieldstore.engine.compiled import loop as _loop
from fieldstore.engine.instructions import dot, prefetch, sixteen_dots

_EXP_FLOOR = -745.0  # exp of less is 0 in float64
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # as in FreeBSD's e_exp.c
_WHOLE = 1.5 * 2.0**52  # adding and taking away this rounds to a whole number
_TAYLOR_13 = 1.0 / math.factorial(13)
_TAYLOR_12_TO_2 = tuple(1.0 / math.factorial(i) for i in range(12, 1, -1))
_WIDE = 16  # sums taken side by side
_FEW = 128  # candidates that are put in order by counting
_AHEAD = 4  # rows asked for before they are needed
_ROUNDING = 1e-6  # of a float32 cosine
_MIX = 0.3  # what the neighbours say counts this much in a smoothed score; field-semantics, measured on Cranfield


def cache_folder() -> str:
    """Where numba keeps what it compiled; the working folder where it cannot keep anything."""
    return str(best.stats.cache_path or ".")  # type: ignore[attr-defined]


@_loop
def _whole(x):
    """The n of exp(x) = 2 ** n * exp(r), |r| <= ln 2 / 2: a whole number, as a float64."""
    return (x * _LOG2_E + _WHOLE) - _WHOLE


@_loop
def _fraction(x, n):
    """The exp(r) that goes with n, to within 1 ulp, |x| < 2**49. Without a branch, so that it is taken in lanes.

    r = x - n ln 2, with ln 2 in two parts, of which the first times n is exact for |x| < 2**20 (Cody and Waite 1980);
    exp(r) is its Taylor series to r**13 / 13!, the rest being less than 2**-57, the largest terms added last.
    """
    high = x - n * _LN2_HIGH
    low = n * _LN2_LOW
    r = high - low
    series = _TAYLOR_13
    for coefficient in _TAYLOR_12_TO_2:
        series = series * r + coefficient
    return 1.0 + (high + (r * r * series - low))


@_loop
def _exp(x):
    """exp(x) for x <= 709, to within 1 ulp; 0 below about -709."""
    x = max(x, _EXP_FLOOR)
    n = _whole(x)
    return _fraction(x, n) * two_to(max(n, -1023.0))


@_loop
def _worse(score, point, other_score, other_point):
    """Whether the first candidate ranks behind the second: lower score, or equal and the later point."""
    return score < other_score or (score == other_score and point > other_point)


@_loop
def _sort(points, scores, cosines):
    """Put candidates in order, in place: by score, best first, ties by number.

    Few by counting who is better, which goes side by side; more, or what is no number, by Shell's sort.
    """
    count = points.shape[0]
    few = count <= _FEW
    for i in range(count):
        few &= scores[i] == scores[i]
    if few:
        places = np.zeros(count, np.int64)
        held = np.empty(count, np.int64), np.empty(count, np.float64), np.empty(count, np.float32)
        for j in range(count):
            score, point = scores[j], points[j]
            for i in range(count):
                places[i] += (score > scores[i]) | ((score == scores[i]) & (point < points[i]))
        for i in range(count):
            held[0][places[i]], held[1][places[i]], held[2][places[i]] = points[i], scores[i], cosines[i]
        for i in range(count):
            points[i], scores[i], cosines[i] = held[0][i], held[1][i], held[2][i]
        return
    step = 1
    while step < count // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, count):
            p, score, cosine = points[i], scores[i], cosines[i]
            j = i
            while j >= step and _worse(scores[j - step], points[j - step], score, p):
                points[j], scores[j], cosines[j] = points[j - step], scores[j - step], cosines[j - step]
                j -= step
            points[j], scores[j], cosines[j] = p, score, cosine
        step //= 3


@_loop
def best(queries, points, offsets, allowed, m):
    """The m points of the highest score <q, v> + offset, best first, ties by number; by a heap whose root is the worst.

    queries   (q, d) float32  unit vectors; what is best for one does not depend on the others
    points    (n, d) float32  unit vectors
    offsets   (n,)   float64  ln(effective weight) / kappa; -inf = not in the field
    allowed   (n,)   bool     which points may answer; length 0 = all
    m         int             at most this many
    returns   points (q, m) int64, scores (q, m) float64, cosines (q, m) float32, counts (q,) int64: so many of each row
    """
    found = np.empty((queries.shape[0], m), np.int64)
    values = np.empty((queries.shape[0], m), np.float64)
    plain = np.empty((queries.shape[0], m), np.float32)
    counts = np.empty(queries.shape[0], np.int64)
    for q in range(queries.shape[0]):
        query = queries[q]
        chosen, scores, cosines = found[q], values[q], plain[q]
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
        _sort(chosen[:count], scores[:count], cosines[:count])
        counts[q] = count
    return found, values, plain, counts


@_loop
def ranked(queries, points, offsets, near, ends, m):
    """`best` among few: of the points of near that end at ends[q], for each query; those that weigh something.

    near      (c,)   int64    numbers of points, each once for a query;  the rest as in `best`, and the same bits
    ends      (q,)   int64    where the points of the next one begin; length 0 = all of near are for everyone
    returns   as `best`, and the least of the counts
    """
    found = np.empty((queries.shape[0], m), np.int64)
    values = np.empty((queries.shape[0], m), np.float64)
    plain = np.empty((queries.shape[0], m), np.float32)
    counts = np.empty(queries.shape[0], np.int64)
    chosen = np.empty(near.shape[0], np.int64)
    scores = np.empty(near.shape[0], np.float64)
    cosines = np.empty(near.shape[0], np.float32)
    least = m
    begin = 0
    end = near.shape[0]
    for q in range(queries.shape[0]):
        query = queries[q]
        if ends.shape[0] > 0:
            begin, end = end if q > 0 else 0, ends[q]
        count = 0
        for i in range(begin, end):
            prefetch(offsets, near[i])
        for i in range(begin, min(begin + _AHEAD, end)):
            prefetch(points, near[i])
        for i in range(begin, end):
            if i + _AHEAD < end:
                prefetch(points, near[i + _AHEAD])
            p = near[i]
            if offsets[p] != -np.inf:
                chosen[count] = p
                cosines[count] = dot(query, points[p])
                scores[count] = cosines[count] + offsets[p]
                count += 1
        _sort(chosen[:count], scores[:count], cosines[:count])
        count = min(m, count)
        for i in range(count):
            found[q, i], values[q, i], plain[q, i] = chosen[i], scores[i], cosines[i]
        counts[q] = count
        least = min(least, count)
    return found, values, plain, counts, least


@_loop
def _shares(scores, kappa, parts):
    """Fill in each score's part of the whole field, in the order of the scores; kernels relative to the largest.

    scores    (m,)   float64  effective similarities, the best first
    parts     (m,)   float64  filled: they add up to 1
    """
    total = 0.0
    for i in range(scores.shape[0]):
        parts[i] = _exp(kappa * (scores[i] - scores[0]))
        total += parts[i]
    for i in range(scores.shape[0]):
        parts[i] /= total


@_loop
def shares(scores, counts, kappa):
    """Each score's part of the whole field of its row, of which the first counts[q] count: (q, m) float64, as scores.

    scores    (q, m) float64  effective similarities, the best first
    """
    parts = np.empty(scores.shape, np.float64)
    for q in range(scores.shape[0]):
        _shares(scores[q, : counts[q]], kappa, parts[q, : counts[q]])
    return parts


@_loop
def _absorb(points, chosen, groups, reach, owner, shown, cosines):
    """Who speaks for whom: going best first, each free candidate absorbs the free ones within its reach.

    Candidates meet the attractors before them, four by four; what no attractor is compared with costs nothing.

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    the candidates, best first
    groups    (n,)   int64    candidates of one group absorb each other; -1 = no group; length 0 = none at all
    reach     float           cosine from which a candidate is absorbed
    owner     (m,)   int64    filled: position of the attractor each belongs to; its own position = it is one
    shown     (m,)   int64    filled from the front: positions of the attractors, best first
    cosines   (m, w) float32  filled from the front: between the attractors, symmetric; w at least m
    returns   int             how many attractors there are
    """
    m = chosen.shape[0]
    rows = np.zeros(m + 3, np.int64)  # three more, so that there are always four
    heads = np.zeros(m + 3, np.int64)
    for i in range(m):
        rows[i] = chosen[i]
    near = np.empty((4, m + 3), np.float32)
    tile = np.empty((4, 4), np.float32)
    among = np.empty((4, 4), np.float32)
    count = 0
    for first in range(0, m, 4):
        four = rows[first : first + 4]
        before = count
        for a in range(0, before, 4):
            sixteen_dots(points, four, heads[a : a + 4], tile)
            for i in range(4):
                for b in range(4):
                    near[i, a + b] = tile[i, b]
        sixteen_dots(points, four, four, among)
        for i in range(first, min(first + 4, m)):
            row = near[i - first]
            group = groups[chosen[i]] if groups.shape[0] > 0 else -1
            owner[i] = i
            for a in range(count):
                if a >= before:  # it is one of these four
                    row[a] = among[i - first, shown[a] - first]
                if row[a] >= reach or (group >= 0 and group == groups[heads[a]]):
                    owner[i] = shown[a]
                    break
            if owner[i] == i:
                for a in range(count):
                    cosines[count, a] = row[a]
                    cosines[a, count] = row[a]
                shown[count] = i
                heads[count] = chosen[i]
                count += 1
    return count


@_loop
def _mix(scores, cosines, kappa, k):
    """Mix each of the first scores with the kernel-weighted mean of all the others, in place.

    scores    (m,)   float64  effective similarities, best first
    cosines   (c, w) float32  between the candidates, the first m of them those of the scores; w a multiple of _WIDE,
                              zeros where there are no candidates; the diagonal is lost
    kappa     float           concentration
    k         int             the best k of the mixed scores are wanted
    returns   int             so many are mixed, 0.7 own + 0.3 others; none of the rest can be among the best k
    """
    m = scores.shape[0]
    if m < 2:
        return m
    least = (1.0 - _MIX) * scores[min(k, m) - 1] + _MIX * (scores[m - 1] - scores[0]) - _ROUNDING
    mixed = 0
    while mixed < m and (1.0 - _MIX) * scores[mixed] >= least:  # the others say no more than the best of them
        mixed += 1
    lanes = -(-mixed // _WIDE) * _WIDE  # as many as go side by side; the last of them may be nobody's
    tops = np.full(lanes, np.float32(-np.inf))
    totals = np.zeros(lanes)
    said = np.zeros(lanes)
    for j in range(m):
        cosines[j, j] = -np.inf  # the kernel of nobody with itself
        row = cosines[j]
        for i in range(lanes):
            tops[i] = max(tops[i], row[i])
    for j in range(m):  # each sum goes over j in order; they are taken side by side
        row = cosines[j]
        score = scores[j]
        for i in range(lanes):
            kernel = _exp(kappa * (np.float64(row[i]) - np.float64(tops[i])))  # to the largest: never 0 / 0
            totals[i] += kernel
            said[i] += kernel * score
    for i in range(mixed):
        scores[i] = (1.0 - _MIX) * scores[i] + _MIX * said[i] / totals[i]
    return mixed


@_loop
def smoothed(points, chosen, scores, kappa):
    """Scores of the chosen points, each mixed with its neighbours': as if they all were attractors.

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    rows of points, best first; scores (m,) float64 are theirs
    kappa     float           concentration
    returns   (m,)   float64  0.7 own + 0.3 neighbours; a lone score is kept
    """
    m = chosen.shape[0]
    between = np.zeros((m, -(-m // _WIDE) * _WIDE), np.float32)
    _absorb(points, chosen, np.empty(0, np.int64), np.inf, np.empty(m, np.int64), np.empty(m, np.int64), between)
    mixed = scores.copy()
    _mix(mixed, between, kappa, m)
    return mixed


@_loop
def attract(points, chosen, scores, cosines, groups, reach, kappa, k):
    """The k best attractors among the candidates, and those each absorbed (field-semantics, 4).

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    the candidates, best first; scores (m,) float64 and cosines (m,) float32 are theirs
    groups    (n,)   int64    candidates of one group absorb each other; -1 = no group; length 0 = none at all
    reach     float           cosine from which a candidate is absorbed
    kappa     float           concentration
    k         int             at most this many
    returns   of the attractors, best first: points (r,) int64, values (r,) float64, cosines (r,) float32 and
              shares (r,) float64 of the candidates' field, members included; then points, scores, cosines and
              shares (t,) of the members of the first, of the second, ..., each group best first; and ends (r,)
              int64: where in these the members of each attractor end and those of the next begin
    """
    m = chosen.shape[0]
    owner = np.empty(m, np.int64)
    shown = np.empty(m, np.int64)
    between = np.zeros((m, -(-m // _WIDE) * _WIDE), np.float32)
    count = _absorb(points, chosen, groups, reach, owner, shown, between)
    values = scores[shown[:count]]
    if count >= 4:
        count = _mix(values, between, kappa, k)
        values = values[:count]
    heads = shown[:count]
    near = cosines[heads]
    _sort(heads, values, near)
    kept = min(k, count)
    rank = np.full(m, -1, np.int64)  # of an attractor's position, if it is among the k
    for a in range(kept):
        rank[heads[a]] = a
    parts = np.empty(m, np.float64)
    _shares(scores, kappa, parts)
    together = np.zeros(kept)
    ends = np.zeros(kept, np.int64)
    for i in range(m):
        a = rank[owner[i]]
        if a >= 0:
            together[a] += parts[i]
            if owner[i] != i:
                ends[a] += 1
    members = np.empty(ends.sum(), np.int64)
    free = 0
    for a in range(kept):  # from how many each has to where the next one goes, and in the end to where they end
        free, ends[a] = free + ends[a], free
    for i in range(m):
        a = rank[owner[i]]
        if a >= 0 and owner[i] != i:
            members[ends[a]] = i
            ends[a] += 1
    heads = heads[:kept]
    return (
        chosen[heads], values[:kept], near[:kept], together,
        chosen[members], scores[members], cosines[members], parts[members], ends,
    )  # fmt: skip
