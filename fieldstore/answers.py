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
    """The ranking with its records."""
    found = []
    for number, point in enumerate(ranking.points.tolist()):
        content = mirror.content(point)
        found.append(
            Hit(
                id=content.id,
                text=content.text,
                metadata=metadata.decode(content.metadata),
                score=float(ranking.scores[number]),
                cosine=float(ranking.cosines[number]),
                weight=float(mirror.weights[point]),
                share=float(ranking.shares[number]),
                members=tuple(hits(mirror, ranking.members[number])) if ranking.members else (),
            )
        )
    return found


def record(mirror: Mirror, point: int, with_vector: bool) -> Record:
    """The record of a live point."""
    content = mirror.content(point)
    vector = mirror.row(point).copy() if with_vector else None
    weight = float(mirror.weights[point])
    return Record(content.id, content.text, metadata.decode(content.metadata), weight, vector)


def residual(mirror: Mirror, id: str, count: int, allowed: NDArray[np.bool_] | None) -> Residual:
    """How much of a live or forgotten record's content the others still carry; UnknownRecord for any other."""
    known = mirror.kept(id)
    copies, others = mirror.field.remaining(known.sum.point, count, allowed=allowed)
    weight = (known.sum.weight or -known.sum.last) / MILLIONTHS
    carriers = tuple(
        Carrier(mirror.content(point).id, float(cosine), float(share))
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
