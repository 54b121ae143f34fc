# From point numbers and leaves to what a caller gets: hits, records, residuals, entries.
#
# Rule: inside `mirror.reading`, and over rankings of that same state of the store.
"""The values the reading verbs return, filled in from the database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata
from fieldstore.engine.field import Ranking
from fieldstore.engine.threads import spread
from fieldstore.filters import Filter
from fieldstore.ledger import Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Carrier, Entry, Hit, Record, Residual

_Rank = Callable[[NDArray[np.float32]], Ranking]
_Content = tuple[str, str | None, dict[str, Any]]  # id, text, metadata


def ranker(
    mirror: Mirror,
    k: int,
    condition: Filter | None,
    by: str,
    smooth: bool,
    per: str | None,
    reach: float | None,
    exact: bool,
    effort: float,
) -> _Rank:
    """How to rank one query, (dim,), over the field as it stands; to be called with or without the lock."""
    field = mirror.field
    allowed = None if condition is None else mirror.mask(condition)
    if by == "nearest":
        return lambda query: field.nearest(query, k, allowed=allowed, smooth=smooth, exact=exact, effort=effort)
    groups = None if per is None else mirror.groups(per)
    return lambda query: field.attractors(
        query, k, allowed=allowed, groups=groups, reach=reach, exact=exact, effort=effort
    )


def ranked(rank: _Rank, queries: NDArray[np.float32]) -> list[Ranking]:
    """The rankings of many queries, (q, dim), on all cores."""
    parts = spread(lambda part: [rank(query) for query in queries[part]], len(queries), least=32)
    return [ranking for part in parts for ranking in part]


def hits(mirror: Mirror, rankings: list[Ranking]) -> list[list[Hit]]:
    """The rankings with their records; no two hits share an object that could be changed."""
    weights = mirror.weights
    return [_hits(mirror, ranking, weights) for ranking in rankings]


def _hits(mirror: Mirror, ranking: Ranking, weights: NDArray[np.float64]) -> list[Hit]:
    points: list[int] = ranking.points.tolist()
    own = len(points)
    for some in ranking.members:
        points += some.points.tolist()
    contents = _contents(mirror, points)
    if not ranking.members:
        return _filled(ranking, contents, weights, [()] * own)
    rest = iter(contents[own:])
    members = [
        tuple(_filled(some, list(islice(rest, len(some.points))), weights, [()] * len(some.points)))
        for some in ranking.members
    ]
    return _filled(ranking, contents[:own], weights, members)


def _filled(
    ranking: Ranking, contents: list[_Content], weights: NDArray[np.float64], members: Sequence[tuple[Hit, ...]]
) -> list[Hit]:
    numbers = (ranking.scores, ranking.cosines, weights[ranking.points], ranking.shares)
    rows = zip(contents, *[column.tolist() for column in numbers], members, strict=True)
    return [
        Hit(id, text, read, score, cosine, weight, share, of)
        for (id, text, read), score, cosine, weight, share, of in rows
    ]


def _contents(mirror: Mirror, points: list[int]) -> list[_Content]:
    """What live points hold, in their order; UnknownRecord when the database lost one of them."""
    rows = mirror.folder.database.shown(points)
    if len(rows) < len(points):
        mirror.contents(points)  # tells which
    metadatas = metadata.decode_all([stored for _, _, _, stored in rows])
    return [(id, text, read) for (_, id, text, _), read in zip(rows, metadatas, strict=True)]


def records(mirror: Mirror, points: list[int], with_vectors: bool) -> list[Record]:
    """The records of live points."""
    vectors = [mirror.row(point).copy() if with_vectors else None for point in points]
    rows = zip(_contents(mirror, points), mirror.weights[points].tolist(), vectors, strict=True)
    return [Record(*content, *rest) for content, *rest in rows]


def residual(mirror: Mirror, id: str, count: int, allowed: NDArray[np.bool_] | None) -> Residual:
    """How much of a live or forgotten record's content the others still carry; UnknownRecord for any other."""
    known = mirror.kept(id)
    mirror.row(known.sum.point)  # refuses one that was changed
    copies, others = mirror.field.remaining(known.sum.point, count, allowed=allowed)
    weight = (known.sum.weight or -known.sum.last) / MILLIONTHS
    contents = mirror.contents(others.points.tolist())
    carriers = tuple(
        Carrier(contents[point].id, float(cosine), float(share))
        for point, cosine, share in zip(others.points.tolist(), others.cosines, others.shares, strict=True)
    )
    return Residual(id, copies / (weight + copies), copies, carriers)


def entry(mirror: Mirror, point: int | None, leaf: Leaf) -> Entry:
    """A ledger entry in words."""
    actor, reason = mirror.folder.database.note(leaf.seq)
    return Entry(
        seq=leaf.seq,
        kind=leaf.kind.name.lower(),
        point=point,
        weight=leaf.weight / MILLIONTHS,
        ref=leaf.ref,
        time=datetime.fromtimestamp(leaf.time, UTC),
        element=leaf.element.hex(),
        actor=actor,
        reason=reason,
    )
