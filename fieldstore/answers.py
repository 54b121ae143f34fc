# From point numbers and leaves to what a caller gets: hits, records, residuals, entries.
#
# Rule: inside `mirror.reading`, and over rankings of that same state of the store.
"""The values the reading verbs return, filled in from the database."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata
from fieldstore.engine.field import Ranking
from fieldstore.filters import Filter
from fieldstore.ledger import Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Carrier, Entry, Hit, Record, Residual
from fieldstore.storage.database import Content


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
    contents = mirror.contents(np.concatenate([ranking.points, *(of.points for of in ranking.members)]).tolist())
    return _filled(ranking, contents, mirror.weights)


def _filled(ranking: Ranking, contents: dict[int, Content], weights: NDArray[np.float64]) -> list[Hit]:
    points = ranking.points.tolist()
    members = [tuple(_filled(of, contents, weights)) for of in ranking.members] or [()] * len(points)
    columns = (ranking.scores, ranking.cosines, ranking.shares, weights[ranking.points])
    found = []
    for point, score, cosine, share, weight, under in zip(points, *(c.tolist() for c in columns), members, strict=True):
        id, text, stored, _ = contents[point]
        found.append(Hit(id, text, metadata.decode(stored), score, cosine, weight, share, under))
    return found


def records(mirror: Mirror, points: list[int], with_vectors: bool) -> list[Record]:
    """The records of live points."""
    contents, weights = mirror.contents(points), mirror.weights[points].tolist()
    found = []
    for point, weight in zip(points, weights, strict=True):
        id, text, stored, _ = contents[point]
        vector = mirror.row(point).copy() if with_vectors else None
        found.append(Record(id, text, metadata.decode(stored), weight, vector))
    return found


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
