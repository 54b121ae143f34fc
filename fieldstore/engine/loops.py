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
from fieldstore.engine.compiled import part as _part
from fieldstore.engine.instructions import dot, prefetch, sixteen_dots

_EXP_FLOOR = -745.0  # exp of less is 0 in float64
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # as in FreeBSD's e_exp.c
_WHOLE = 1.5 * 2.0**52  # adding and taking away this rounds to a whole number
_TAYLOR_13 = 1.0 / math.factorial(13)
_TAYLOR_12_TO_2 = tuple(1.0 / math.factorial(i) for i in range(12, 1, -1))
_WIDE = 16  # sums taken side by side
_AHEAD = 4  # rows asked for before they are needed
_ROUNDING = 1e-6  # of a float32 cosine
_COARSE = 16384  # steps of a number of 16 bits from 0 to 1
_COARSE_STEP = 32  # of which so many are taken at once
_MORE = 8  # candidates mixed at once beyond those wanted: measured on minilm, ten of which lie among the first 20
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
    """Put candidates in order, in place: by score, best first, ties by number. Shell's sort."""
    count = points.shape[0]
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


@_part
def _absorb(points, chosen, groups, reach, exact, owner, shown, cosines):
    """Who speaks for whom: going best first, each free candidate absorbs the free ones within its reach.

    Candidates meet the attractors before them, four by four: the first attractors themselves, for their cosines are
    wanted later; the others in whole numbers of 16 bits, which say for certain who is not within reach. Where they do
    not, the rows are asked, so no bit depends on them.

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    the candidates, best first
    groups    (n,)   int64    candidates of one group absorb each other; -1 = no group; length 0 = none at all
    reach     float           cosine from which a candidate is absorbed
    exact     int             of so many of the first attractors the cosines with all are wanted; a multiple of four
    owner     (m,)   int64    filled: position of the attractor each belongs to; its own position = it is one
    shown     (m,)   int64    filled from the front: positions of the attractors, best first
    cosines   (w, w) float32  filled: a row for each attractor, with those cosines; its own is -inf;  w at least m
    returns   int             how many attractors there are
    """
    m = chosen.shape[0]
    dim = points.shape[1]
    rows = np.zeros(m + 3, np.int64)  # three more, so that there are always four
    places = np.zeros(m + 3, np.int64)
    for i in range(m):
        rows[i] = chosen[i]
        places[i] = i
    coarse = np.zeros((m + 3, -(-dim // _COARSE_STEP) * _COARSE_STEP), np.int16)
    _coarsen(points, chosen, exact, coarse)
    blur = 1.1 * np.sqrt(dim) / _COARSE + 2.0 * _ROUNDING  # of two rows, half a step off at most in every number
    bar = np.int32(min(max(reach - blur, -1.5), 1.5) * _COARSE * _COARSE)
    heads = np.zeros(m + 3, np.int64)  # positions
    numbers = np.zeros(m + 3, np.int64)  # their points
    counted = np.empty(16, np.int32)
    tile = np.empty(16, np.float32)
    near = np.empty((4, m + 3), np.float32)
    absorber = np.empty(4, np.int64)
    count = 0
    for first in range(0, m, 4):
        before = count
        behind = -(-before // 4) * 4  # where these four meet themselves
        for i in range(4):
            absorber[i] = before
            heads[behind + i] = first + i
            numbers[behind + i] = rows[first + i]
            for b in range(4):
                near[b, behind + i] = -np.inf
        for a in range(0, behind + 4, 4):
            if before >= exact and a >= exact:
                if sixteen_dots(coarse, places, first, heads, a, counted) < bar:
                    continue
                within = False
                for i in range(4):
                    for b in range(4):
                        itself = a == behind and i == b
                        within |= counted[4 * i + b] >= bar and absorber[i] == before and not itself
                if not within:
                    continue
            largest = sixteen_dots(points, rows, first, numbers, a, tile)
            for i in range(4):
                for b in range(4):
                    near[i, a + b] = tile[4 * i + b]
            if largest >= reach:
                for i in range(4):
                    for b in range(min(4, before - a)):
                        if tile[4 * i + b] >= reach and absorber[i] == before:
                            absorber[i] = a + b
        for own in range(first, min(first + 4, m)):
            row = near[own - first]
            group = groups[chosen[own]] if groups.shape[0] > 0 else -1
            if group >= 0:
                for a in range(absorber[own - first]):
                    if group == groups[numbers[a]]:
                        absorber[own - first] = a
                        break
            owner[own] = own
            if absorber[own - first] < before:
                owner[own] = heads[absorber[own - first]]
            for other in range(first, own):
                same = group >= 0 and group == groups[chosen[other]]
                if owner[own] == own and owner[other] == other and (same or row[behind + other - first] >= reach):
                    owner[own] = other
            if owner[own] == own:
                for a in range(min(before, exact)):
                    cosines[count, a] = row[a]
                for a in range(before, min(count, exact)):
                    cosines[count, a] = row[behind + shown[a] - first]
                shown[count] = own
                count += 1
        for a in range(before, count):
            heads[a] = shown[a]
            numbers[a] = chosen[shown[a]]
    for i in range(min(exact, count)):
        cosines[i, i] = -np.inf
        for j in range(i):
            cosines[j, i] = cosines[i, j]
    return count


@_part
def _coarsen(points, chosen, first, coarse):
    """The numbers of the chosen points from the first on, each at most 1, in steps of 1 / _COARSE; a row for each."""
    scale = np.float32(_COARSE)
    up = np.float32(_COARSE + 0.5)  # above zero all are rounded the same way
    for i in range(first, chosen.shape[0]):
        row = points[chosen[i]]
        target = coarse[i]
        for j in range(row.shape[0]):
            target[j] = np.int32(row[j] * scale + up) - np.int32(_COARSE)


@_part
def _meet(points, chosen, first, last, cosines):
    """Fill in the cosines of the chosen from first to last, a multiple of four or all, with all from first on.

    cosines   (w, w) float32, a row for each of the chosen; its own is -inf;  w at least m + 3
    """
    m = chosen.shape[0]
    rows = np.zeros(m + 3, np.int64)
    for i in range(m):
        rows[i] = chosen[i]
    tile = np.empty(16, np.float32)
    for i in range(first, last, 4):
        for j in range(i, m, 4):
            sixteen_dots(points, rows, i, rows, j, tile)
            for a in range(4):
                for b in range(4):
                    cosines[j + b, i + a] = tile[4 * a + b]
                    if j < last:
                        cosines[i + a, j + b] = tile[4 * a + b]
    for i in range(first, last):
        cosines[i, i] = -np.inf  # the kernel of nobody with itself


@_part
def _others(scores, count, cosines, kappa, first, last, means):
    """The kernel-weighted mean of the first scores, for each from first to last: what all others say about it.

    scores    (m,)   float64; the first `count` of them speak
    cosines   (w, w) float32, as `_meet` leaves them;  w at least first + the next multiple of _WIDE
    means     (l,)   float64, filled from the front;  l at least that multiple
    """
    lanes = -(-(last - first) // _WIDE) * _WIDE  # as many as go side by side; the last of them may be nobody's
    tops = np.full(lanes, np.float32(-np.inf))
    totals = np.zeros(lanes)
    said = np.zeros(lanes)
    for j in range(count):
        row = cosines[j, first : first + lanes]
        for i in range(lanes):
            tops[i] = max(tops[i], row[i])
    for j in range(count):  # each sum goes over j in order; they are taken side by side
        row = cosines[j, first : first + lanes]
        score = scores[j]
        for i in range(lanes):
            kernel = _exp(kappa * (np.float64(row[i]) - np.float64(tops[i])))  # to the largest: never 0 / 0
            totals[i] += kernel
            said[i] += kernel * score
    for i in range(lanes):
        means[i] = said[i] / totals[i]


@_part
def _to_be_mixed(k):
    """How many scores to mix at first, where the best k are wanted; a multiple of four."""
    return -(-(k + _MORE) // 4) * 4


@_part
def _at_rank(values, count, k):
    """The k-th largest of the first values, k or more."""
    found = np.inf
    for i in range(count):
        larger = 0
        for j in range(count):
            larger += values[j] > values[i]
        if larger < k:
            found = min(found, values[i])
    return found


@_part
def _mixed(points, chosen, scores, kappa, k, met, cosines):
    """Scores, two or more, each mixed with the kernel-weighted mean of all the others.

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    rows of points, best first; scores (m,) float64 are theirs
    kappa     float           concentration
    k         int             the best k of the mixed scores are wanted
    met       int             of so many of the first the cosines with all are known; a multiple of four, or all
    cosines   (w, w) float32  as `_meet` leaves them;  w a multiple of _WIDE, at least m + _WIDE
    returns   (c,)   float64  0.7 own + 0.3 others, of the first c; none of the rest can be among the best k
    """
    m = scores.shape[0]
    mixed = scores.copy()
    means = np.empty(cosines.shape[0])
    done, first, last, speakers, least = 0, 0, met, m, 0.0
    while first < last:
        _others(scores, speakers, cosines, kappa, first, last, means)
        if speakers == m:
            for i in range(first, last):
                mixed[i] = (1.0 - _MIX) * scores[i] + _MIX * means[i - first]
            done = first = last
            speakers = done  # what they say of the rest is no less than what all say, for they are the best
            if done == m:
                break
            least = _at_rank(mixed, done, k) - _ROUNDING
            while last < m and (1.0 - _MIX) * scores[last] + _MIX * scores[0] >= least:
                last += 1
            for i in range(done, min(m, last + 3)):
                for j in range(done):
                    cosines[j, i] = cosines[i, j]
        else:
            end, last = last, first
            for i in range(first, end):
                if (1.0 - _MIX) * scores[i] + _MIX * means[i - first] >= least:
                    last = min(m, -(-(i + 1) // 4) * 4)
            _meet(points, chosen, first, last, cosines)
            speakers = m
    return mixed[:done]


@_loop
def attract(points, chosen, scores, cosines, groups, reach, kappa, k, fewest):
    """The k best attractors among the candidates, and those each absorbed (field-semantics, 4).

    points    (n, d) float32  unit vectors
    chosen    (m,)   int64    the candidates, best first; scores (m,) float64 and cosines (m,) float32 are theirs
    groups    (n,)   int64    candidates of one group absorb each other; -1 = no group; length 0 = none at all
    reach     float           cosine from which a candidate is absorbed
    kappa     float           concentration
    k         int             at most this many
    fewest    int             attractors whose scores are mixed; those of fewer are left as they are
    returns   of the attractors, best first: positions among the candidates (r,) int64, values (r,) float64, cosines
              (r,) float32 and shares (r,) float64 of the candidates' field, members included; then points, scores,
              cosines and shares (t,) of the members of the first, of the second, ..., each group best first; and ends
              (r,) int64: where in these the members of each attractor end and those of the next begin
    """
    m = chosen.shape[0]
    owner = np.empty(m, np.int64)
    shown = np.empty(m, np.int64)
    width = -(-m // _WIDE) * _WIDE + _WIDE
    between = np.zeros((width, width), np.float32)
    exact = _to_be_mixed(k)
    count = _absorb(points, chosen, groups, reach, exact, owner, shown, between)
    values = scores[shown[:count]]
    if count >= fewest:
        values = _mixed(points, chosen[shown[:count]], values, kappa, k, min(exact, count), between)
        count = values.shape[0]
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
        heads, values[:kept], near[:kept], together,
        chosen[members], scores[members], cosines[members], parts[members], ends,
    )  # fmt: skip
