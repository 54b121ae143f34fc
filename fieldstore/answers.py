# From point numbers and leaves to what a caller gets: hits, records, residuals, entries.
#
# Rule: inside `mirror.reading`; what was forgotten or erased in the meantime is left out here, whatever the ranking
# says.
"""The values the reading verbs return, filled in from the database."""

from datetime import UTC, datetime

from fieldstore import metadata
from fieldstore.engine.field import Ranking
from fieldstore.ledger import Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Carrier, Entry, Hit, Record, Residual


def hits(mirror: Mirror, ranking: Ranking) -> list[Hit]:
    """The ranking with its records."""
    found = []
    for number, point in enumerate(ranking.points.tolist()):
        weight = float(mirror.weights[point])
        if weight <= 0:
            continue
        content = mirror.content(point)
        found.append(
            Hit(
                id=content.id,
                text=content.text,
                metadata=metadata.decode(content.metadata),
                score=float(ranking.scores[number]),
                cosine=float(ranking.cosines[number]),
                weight=weight,
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


def residual(mirror: Mirror, id: str) -> Residual:
    """How much of a live or forgotten record's content the others still carry; UnknownRecord for any other."""
    known = mirror.kept(id)
    copies, others = mirror.field.remaining(known.sum.point)
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
