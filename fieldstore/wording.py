# Finding by words: BM25 over the text index, and its fusion with the field by reciprocal ranks.
#
# Rule: inside `mirror.reading`, and all of one state of the store.
# Rule: who may answer is settled before anybody is ranked.
"""The searches by text."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from fieldstore import answers
from fieldstore.engine.field import Mask, Ranking
from fieldstore.engine.inputs import FloatRows
from fieldstore.errors import StoreDamaged
from fieldstore.mirror import Mirror
from fieldstore.records import Hit

_FLAT = 60  # k of reciprocal rank fusion, as published: the larger, the less the first places count
_DEPTH = 100  # places of each ranking that are fused, or twice what is wanted


def by_text(
    mirror: Mirror, queries: FloatRows | None, texts: Sequence[str], k: int, allowed: Mask | None
) -> list[list[Hit]]:
    """The k best by BM25 for each text. queries: (q, dim) unit vectors to tell the cosines to; None = nan."""
    k, rankings = min(k, len(mirror.weights)), []
    for number, text in enumerate(texts):
        best = dict(islice(_ranked(mirror, text, allowed), k))
        felt = {} if queries is None else _felt(mirror, queries[number], [*best])
        rankings.append(_ranking([*best], best, felt))
    return answers.hits(mirror, rankings)


def by_both(
    mirror: Mirror,
    queries: FloatRows,
    texts: Sequence[str],
    k: int,
    alpha: float,
    allowed: Mask | None,
    exact: bool,
    effort: float,
) -> list[list[Hit]]:
    """The k best by reciprocal rank fusion (Cormack, Clarke and Büttcher 2009) of the nearest and BM25.

    score = alpha / (60 + rank among the nearest) + (1 - alpha) / (60 + rank by BM25), ranks from 1 on; who is not
    among the first 100, or 2 k, of one ranking gets nothing from it. Ties go to the larger cosine.
    """
    depth, rankings = max(_DEPTH, 2 * min(k, len(mirror.weights))), []
    nearest = mirror.field.nearest_many(queries, depth, allowed=allowed, exact=exact, effort=effort)
    for query, near, text in zip(queries, nearest, texts, strict=True):
        worded = [point for point, _ in islice(_ranked(mirror, text, allowed), depth)]
        scores: dict[int, float] = {}
        for weight, points in ((alpha, near.points.tolist()), (1 - alpha, worded)):
            for rank, point in enumerate(points if weight else (), 1):
                scores[point] = scores.get(point, 0.0) + weight / (_FLAT + rank)
        felt = _felt(mirror, query, [*scores])
        best = sorted(scores, key=lambda point: (-scores[point], -felt[point][0], point))[:k]
        rankings.append(_ranking(best, scores, felt))
    return answers.hits(mirror, rankings)


def _ranked(mirror: Mirror, text: str, allowed: Mask | None) -> Iterable[tuple[int, float]]:
    """Who may answer, by BM25."""
    found = mirror.folder.database.text_index.ranked(text)
    return found if allowed is None else ((point, score) for point, score in found if allowed.of[point])


def _felt(mirror: Mirror, query: FloatRows, points: list[int]) -> dict[int, tuple[float, float]]:
    """The cosines of points to the query, and their shares of the field that they make up there: none if hidden."""
    if not points:
        return {}
    chosen = np.zeros(len(mirror.weights), np.bool_)
    if not 0 <= min(points) <= max(points) < len(chosen):
        raise StoreDamaged(f"the text index of {mirror.name} holds a point that there is not; verify() tells more")
    chosen[points] = True
    near = mirror.field.nearest(query, len(points), allowed=Mask(chosen))
    values = zip(near.cosines.tolist(), near.shares.tolist(), strict=True)
    hidden = {point: (float(mirror.row(point) @ query), 0.0) for point in points}
    return hidden | dict(zip(near.points.tolist(), values, strict=True))


def _ranking(points: list[int], scores: dict[int, float], felt: dict[int, tuple[float, float]]) -> Ranking:
    unknown = math.nan, math.nan
    cosines, shares = np.array([felt.get(point, unknown) for point in points]).reshape(-1, 2).T
    values = np.array([scores[point] for point in points])
    return Ranking(np.array(points, np.int64), values, cosines.astype(np.float32), shares, [])
