# From point numbers and leaves to what a caller gets: hits, records, residuals, entries.
#
# Rule: inside `mirror.reading`, and over rankings of that same state of the store.
"""The values the reading verbs return, filled in from the database."""

from collections.abc import Callable
from datetime import UTC, datetime
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
_Stored = dict[int, tuple[str, str | None, str]]  # id, text, metadata as it is stored, by point
_Records = dict[int, tuple[str, str | None, dict[str, Any]]]


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
    """The rankings with their records, all fetched at once."""
    wanted = [_points_of(ranking) for ranking in rankings]
    stored = _stored(mirror, wanted[0] if len(wanted) == 1 else list({point for some in wanted for point in some}))
    weights = mirror.weights
    return [
        _filled(ranking, _read({point: stored[point] for point in points}), weights)
        for ranking, points in zip(rankings, wanted, strict=True)
    ]


def _points_of(ranking: Ranking) -> list[int]:
    points: list[int] = ranking.points.tolist()
    for members in ranking.members:
        points += members.points.tolist()
    return points


def _filled(ranking: Ranking, records: _Records, weights: NDArray[np.float64]) -> list[Hit]:
    points = ranking.points.tolist()
    members = [tuple(_filled(of, records, weights)) for of in ranking.members] or [()] * len(points)
    columns = (ranking.scores, ranking.cosines, weights[ranking.points], ranking.shares)
    rows = zip(points, *(column.tolist() for column in columns), members, strict=True)
    return [Hit(*records[point], *numbers) for point, *numbers in rows]


def _stored(mirror: Mirror, points: list[int]) -> _Stored:
    """Id, text and metadata of live points, in one statement; UnknownRecord when the database lost one of them."""
    rows = mirror.folder.database.shown(points)
    if len(rows) < len(points):
        mirror.contents(points)  # tells which
    return {point: (id, text, stored) for point, id, text, stored in rows}


def _read(stored: _Stored) -> _Records:
    """The same with the metadata as objects, of which nobody else holds a reference."""
    metadatas = metadata.decode_all([kept for _, _, kept in stored.values()])
    return {point: (id, text, read) for (point, (id, text, _)), read in zip(stored.items(), metadatas, strict=True)}


def records(mirror: Mirror, points: list[int], with_vectors: bool) -> list[Record]:
    """The records of live points."""
    held, weights = _read(_stored(mirror, points)), mirror.weights[points].tolist()
    vectors = [mirror.row(point).copy() if with_vectors else None for point in points]
    return [Record(*held[point], *rest) for point, *rest in zip(points, weights, vectors, strict=True)]


def residual(mirror: Mirror, id: str, count: int, allowed: NDArray[np.bool_] | None) -> Residual:
    """How much of a live or forgotten record's content the others still carry; UnknownRecord for any other."""
    known = mirror.kept(id)
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
