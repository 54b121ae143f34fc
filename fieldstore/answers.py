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
from fieldstore.filters import Filter
from fieldstore.ledger import Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Carrier, Entry, Hit, Record, Residual

_Records = dict[int, tuple[str, str | None, dict[str, Any]]]  # id, text, metadata by point


def ranker(
    mirror: Mirror,
    k: int,
    condition: Filter | None,
    by: str,
    smooth: bool,
    per: str | None,
    reach: float | None,
) -> Callable[[NDArray[np.float32]], Ranking]:
    """How to rank one query, (dim,), over the field as it stands; to be called with or without the lock."""
    field = mirror.field
    allowed = None if condition is None else mirror.mask(condition)
    if by == "nearest":
        return lambda query: field.nearest(query, k, allowed=allowed, smooth=smooth)
    groups = None if per is None else mirror.groups(per)
    return lambda query: field.attractors(query, k, allowed=allowed, groups=groups, reach=reach)


def hits(mirror: Mirror, ranking: Ranking) -> list[Hit]:
    """The ranking with its records, all fetched at once."""
    points = ranking.points.tolist()
    for members in ranking.members:
        points += members.points.tolist()
    return _filled(ranking, _records_of(mirror, points), mirror.weights)


def _filled(ranking: Ranking, records: _Records, weights: NDArray[np.float64]) -> list[Hit]:
    points = ranking.points.tolist()
    members = [tuple(_filled(of, records, weights)) for of in ranking.members] or [()] * len(points)
    columns = (ranking.scores, ranking.cosines, weights[ranking.points], ranking.shares)
    rows = zip(points, *(column.tolist() for column in columns), members, strict=True)
    return [Hit(*records[point], *numbers) for point, *numbers in rows]


def _records_of(mirror: Mirror, points: list[int]) -> _Records:
    """Id, text and metadata of live points, in one statement; UnknownRecord when the database lost one of them."""
    rows = mirror.folder.database.shown(points)
    if len(rows) < len(points):
        mirror.contents(points)  # tells which
    metadatas = metadata.decode_all([stored for _, _, _, stored in rows])
    return {point: (id, text, read) for (point, id, text, _), read in zip(rows, metadatas, strict=True)}


def records(mirror: Mirror, points: list[int], with_vectors: bool) -> list[Record]:
    """The records of live points."""
    held, weights = _records_of(mirror, points), mirror.weights[points].tolist()
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
