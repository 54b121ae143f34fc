# The slow, obvious twin of every loop: what the field semantics say, in plain numpy float64.
#
# In:   points (n, d) of unit length, weights (n,) in copies, kappa, one place (d,).
# Out:  plain numbers, arrays and lists.
# The hash tree's twin, at the end, takes a list of leaves and follows the recursive definitions of RFC 9162, 2.1.
# Rule: written from the semantics, never from the loops; clearer is better, faster is not a reason.
"""What the engine has to compute, ten lines at a time."""

import hashlib
import math
import re
from typing import NamedTuple

import numpy as np


class Shown(NamedTuple):
    """One attractor: its point, the score it is ranked by, its share and what it absorbed, best first."""

    point: int
    score: float
    share: float
    members: list[int]


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def spread(rng, count, dim):
    """Unit vectors in every direction."""
    return unit(rng.normal(size=(count, dim)))


def clustered(rng, count, dim, noise=0.6):
    """Unit vectors in about one clump for every eight, the way texts on few subjects lie."""
    centres = spread(rng, 1 + count // 8, dim)
    return unit(centres[rng.integers(len(centres), size=count)] + noise * spread(rng, count, dim))


def cosines(place, points):
    return (np.asarray(points, np.float64) * place).sum(axis=1)


def contributions(place, points, weights, kappa):
    return weights * np.exp(kappa * (cosines(place, points) - 1.0))


def field(place, points, weights, kappa):
    return float(contributions(place, points, weights, kappa).sum())


def field_similarity(place, points, weights, kappa):
    """1 + ln(phi) / kappa, with the largest kernel taken out of the sum first; -inf where phi is not positive."""
    near = cosines(place, points)
    top = near[weights != 0].max(initial=-math.inf)
    net = (weights[weights != 0] * np.exp(kappa * (near[weights != 0] - top))).sum()
    return top + math.log(net) / kappa if net > 0 else -math.inf


def pull(place, points, weights, kappa):
    return contributions(place, points, weights, kappa) @ np.asarray(points, np.float64)


def gradient(place, points, weights, kappa):
    h = pull(place, points, weights, kappa)
    return kappa * (h - (h @ place) * place)


def effective_weights(points, weights, kappa):
    effective = []
    for point, weight in zip(points, weights, strict=True):
        repelled = sum(
            -w * math.exp(kappa * (float(np.float64(point) @ np.float64(repeller)) - 1.0))
            for repeller, w in zip(points, weights, strict=True)
            if w < 0
        )
        effective.append(max(0.0, weight - repelled) if weight > 0 else 0.0)
    return np.array(effective)


def scores(query, points, weights, kappa):
    """Effective similarity of every point; -inf for those that weigh nothing."""
    with np.errstate(divide="ignore"):
        return cosines(query, points) + np.log(effective_weights(points, weights, kappa)) / kappa


def candidates(query, points, weights, kappa, m, allowed=None):
    """Numbers of the m points of the best score, best first, ties by number; and the scores of all."""
    s = scores(query, points, weights, kappa)
    free = [i for i in range(len(s)) if s[i] > -math.inf and (allowed is None or allowed[i])]
    return sorted(free, key=lambda i: (-s[i], i))[:m], s


def shares(chosen, s, kappa):
    """Each one's part of the candidates' field, in their order."""
    parts = np.array([math.exp(kappa * (s[i] - s[chosen[0]])) for i in chosen])
    return parts / parts.sum() if len(parts) else parts


def smoothed(s, between, kappa):
    """0.7 own + 0.3 the others' mean, each other by its kernel relative to the largest of the row."""
    mixed = []
    for i in range(len(s)):
        others = [j for j in range(len(s)) if j != i]
        if not others:
            return list(s)
        kernel = np.exp(kappa * (between[i, others] - between[i, others].max()))
        mixed.append(0.7 * s[i] + 0.3 * float(kernel @ np.asarray(s)[others] / kernel.sum()))
    return mixed


def nearest(query, points, weights, kappa, k, allowed=None, smooth=False):
    """The k best as (numbers, values ranked by, shares); smoothing reorders the first 50 of the pool."""
    pool, s = candidates(query, points, weights, kappa, max(50, 3 * k), allowed)
    share = shares(pool, s, kappa)
    values = [s[i] for i in pool]
    order = list(range(len(pool)))
    if smooth:
        head = np.asarray(points, np.float64)[pool[:50]]
        values[:50] = smoothed(values[:50], head @ head.T, kappa)
        order[:50] = sorted(order[:50], key=lambda r: -values[r])
    order = order[:k]
    return [pool[r] for r in order], [values[r] for r in order], [share[r] for r in order]


def attractors(query, points, weights, kappa, k, reach, groups=None, allowed=None):
    """Best first, each free candidate absorbs the free ones within reach or of its group (field-semantics, 4)."""
    pool, s = candidates(query, points, weights, kappa, max(100, 3 * k), allowed)
    rows = np.asarray(points, np.float64)
    share = dict(zip(pool, shares(pool, s, kappa), strict=True))
    free, members = list(pool), {}
    while free:
        i = free[0]
        same = [j for j in free if groups is not None and groups[i] >= 0 and groups[i] == groups[j]]
        members[i] = [j for j in free[1:] if rows[i] @ rows[j] >= reach or j in same]
        free = [j for j in free[1:] if j not in members[i]]
    found = list(members)
    values = [s[i] for i in found]
    if len(found) >= 4:
        values = smoothed(values, rows[found] @ rows[found].T, kappa)
    order = sorted(range(len(found)), key=lambda a: -values[a])[:k]
    return [
        Shown(found[a], values[a], share[found[a]] + sum(share[j] for j in members[found[a]]), members[found[a]])
        for a in order
    ]


def ascend(start, points, weights, kappa):
    """Every place on the way uphill, start and end included (field-semantics, 5)."""
    x, path, repelled = start, [start], bool((weights < 0).any())
    for _ in range(300):
        h, f = pull(x, points, weights, kappa), field(x, points, weights, kappa)
        negative = -contributions(x, points, weights, kappa)[weights < 0].sum()
        push = kappa * negative if repelled else 0.0
        y = unit(h + push * x)
        doublings = 0
        while repelled and (angle(x, y) > kappa**-0.5 or field(y, points, weights, kappa) < f):
            if doublings == 60:
                return path
            doublings += 1
            push = max(2.0 * push, float(np.linalg.norm(h)) / 2.0)
            y = unit(h + push * x)
        move = float(np.linalg.norm(y - x))
        x = y
        path.append(x)
        if move < 1e-5:
            break
    return path


def angle(x, y):
    return 2.0 * math.asin(min(1.0, float(np.linalg.norm(x - y)) / 2.0))


def mean_cosine(points):
    """Over all distinct pairs, one by one."""
    rows = np.asarray(points, np.float64)
    pairs = [rows[i] @ rows[j] for i in range(len(rows)) for j in range(i)]
    return sum(pairs) / len(pairs)


def residual(point, points, weights, kappa):
    """phi' / (w + phi') at the point's place, without the point, at the narrow bandwidth 2.5 kappa."""
    others = [i for i in range(len(points)) if i != point]
    place = unit(points[point])
    left = field(place, np.asarray(points)[others], weights[others], 2.5 * kappa)
    return left / (weights[point] + left)


def head(leaves):
    """MTH (2.1.1), by its recursive definition."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\x00" + leaves[0] if leaves else b"").digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + head(leaves[:k]) + head(leaves[k:])).digest()


def sides(m, n):
    """On which side the siblings of leaf m of n stand, nearest first."""
    if n < 2:
        return ""
    k = 1 << (n - 1).bit_length() - 1
    return sides(m, k) + "r" if m < k else sides(m - k, n - k) + "l"


def path(m, leaves):
    """PATH (2.1.3.1)."""
    if len(leaves) < 2:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return [*path(m, leaves[:k]), head(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), head(leaves[:k])]


def consistency(m, leaves, whole=True):
    """SUBPROOF (2.1.4.1): that the first m leaves are still those of a tree of m; whole: it is the asker's own root."""
    if m == len(leaves):
        return [] if whole else [head(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return [*consistency(m, leaves[:k], whole), head(leaves[k:])]
    return [*consistency(m - k, leaves[k:], False), head(leaves[:k])]


def words(text):
    """Runs of letters and digits, without case (accents are left to the tests that are about them)."""
    return re.findall(r"[^\W_]+", text.lower())


def bm25(texts, query):
    """Of every text that holds a word of the query: its place and BM25, as SQLite's FTS5 has it; None is no text."""
    held = {place: words(text) for place, text in enumerate(texts) if text is not None}
    mean = sum(map(len, held.values())) / max(len(held), 1)
    scores = {}
    for word in dict.fromkeys(words(query)):
        holders = sum(word in each for each in held.values())
        rarity = max(math.log((len(held) - holders + 0.5) / (holders + 0.5)), 1e-6) if holders else 0.0
        for place, each in held.items():
            if count := each.count(word):
                part = rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(each) / mean))
                scores[place] = scores.get(place, 0.0) + part
    return scores
