# From point numbers and leaves to what a caller gets: hits, records, residuals, entries.
#
# Rule: inside `mirror.reading`, and over rankings of that same state of the store.
"""The values the reading verbs return, filled in from the database."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from itertools import islice, starmap
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore import metadata
from fieldstore.engine.field import Field, Ranking
from fieldstore.engine.threads import ahead
from fieldstore.errors import StoreDamaged
from fieldstore.filters import Filter, value_at
from fieldstore.ledger import Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Carrier, Entry, Hit, KeptOut, Record, Residual, fresh_hit
from fieldstore.storage.keep_out import Row

_SLICE = 128  # queries that are ranked together, while the records of those before are being fetched
_ID, _TEXT, _METADATA = map(itemgetter, (1, 2, 3))  # of a row that the database shows
_Rank = Callable[[ArrayLike], list[Ranking]]
_Row = tuple[str, str | None, dict[str, Any], float, float, float, float]  # what makes a hit, but for its members


def ranker(
    mirror: Mirror,
    k: int,
    ids: Sequence[str] | None,
    condition: Filter | None,
    by: str,
    smooth: bool,
    per: str | None,
    reach: float | None,
    exact: bool,
    effort: float,
    field: Field,
) -> _Rank:
    """How to rank queries, (q, dim), over the mirror's field; to be called with or without the lock.

    To make one needs the lock where there are ids, a condition or `per`: the database is asked.
    """
    allowed = mirror.allowed(ids, condition)
    if by == "nearest":
        return partial(field.nearest_many, k=k, allowed=allowed, smooth=smooth, exact=exact, effort=effort)
    if by == "ascent":
        return partial(field.maxima_many, k=k, allowed=allowed, exact=exact, effort=effort)
    groups = None if per is None else mirror.groups(per)
    return partial(field.attractors_many, k=k, allowed=allowed, groups=groups, reach=reach, exact=exact, effort=effort)


def ranked(rank: _Rank, queries: NDArray[Any]) -> Iterable[list[Ranking]]:
    """The rankings of the first queries of (q, dim), of the next, ...; all cores rank ahead of whoever asks."""
    if 0 < len(queries) <= _SLICE:
        return [rank(queries)]
    return ahead(lambda part: rank(queries[part]), len(queries), _SLICE)


def hits(mirror: Mirror, rankings: list[Ranking]) -> list[list[Hit]]:
    """The rankings with their records; no two hits share an object that could be changed."""
    rows = _rows(mirror, [part for ranking in rankings for part in (*ranking.members, ranking)])
    found = []
    for ranking in rankings:
        members = [tuple(starmap(fresh_hit, islice(rows, len(some.points)))) for some in ranking.members]
        own = islice(rows, len(ranking.points))
        whole = ((*row, of) for row, of in zip(own, members, strict=True)) if members else own
        found.append([*starmap(fresh_hit, whole)])
    return found


def _rows(mirror: Mirror, parts: list[Ranking]) -> Iterator[_Row]:
    """What the parts hold, one after the other; asked of the database at once."""
    if len(parts) == 1:
        points, scores, cosines, shares, _ = parts[0]
    else:
        points, scores, cosines, shares = map(np.concatenate, [*zip(*parts, strict=True)][:4])
    mirror.refuse_changed(points, cosines)
    ids, texts, metadatas = _contents(mirror, points.tolist())
    weights = mirror.weights_of(points)
    return zip(ids, texts, metadatas, scores.tolist(), cosines.tolist(), weights, shares.tolist(), strict=True)


def _contents(mirror: Mirror, points: list[int]) -> tuple[list[str], list[str | None], list[dict[str, Any]]]:
    """Ids, texts and metadata of live points, in their order; UnknownRecord when the database lost one of them."""
    rows = mirror.folder.database.shown(points)
    try:
        found = [rows[point] for point in points]
    except KeyError:
        mirror.contents(points)  # tells which
        raise
    return [*map(_ID, found)], [*map(_TEXT, found)], metadata.decode_all([*map(_METADATA, found)])


def records(mirror: Mirror, points: list[int], with_vectors: bool) -> list[Record]:
    """The records of live points."""
    vectors = [mirror.row(point).copy() if with_vectors else None for point in points]
    weights = mirror.weights_of(np.array(points, np.int64))
    rows = zip(*_contents(mirror, points), weights, vectors, strict=True)
    return list(starmap(Record, rows))


def forgotten(mirror: Mirror, ids: Set[str] | None, condition: Filter | None) -> list[Record]:
    """The newest versions of records that are forgotten, of those ids, that match."""
    versions = [known for known in mirror.forgotten(condition) if ids is None or known.id in ids]
    rows = zip(*_contents(mirror, [known.sum.point for known in versions]), strict=True)
    return [Record(*row, -known.sum.last / MILLIONTHS) for row, known in zip(rows, versions, strict=True)]


def residual(mirror: Mirror, id: str, count: int, allowed: NDArray[np.bool_] | None) -> Residual:
    """How much of a live or forgotten record's content the others still carry; UnknownRecord for any other."""
    known = mirror.kept(id)
    mirror.row(known.sum.point)  # refuses one that was changed
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged rows, which are noticed next
        copies, others = mirror.field.remaining(known.sum.point, count, allowed=allowed)
    if not copies <= 1.001 * mirror.weights.sum():
        raise StoreDamaged(f"a vector in {mirror.name} was changed: no field is that strong; verify() tells which")
    mirror.refuse_changed(others.points, others.cosines)
    weight = (known.sum.weight or -known.sum.last) / MILLIONTHS
    contents = mirror.contents(others.points.tolist())
    carriers = tuple(
        Carrier(contents[point].id, float(cosine), float(share))
        for point, cosine, share in zip(others.points.tolist(), others.cosines, others.shares, strict=True)
    )
    return Residual(id, copies / (weight + copies), copies, carriers)


def sources(mirror: Mirror, ids: Sequence[str]) -> dict[str, int]:
    """For each source of records that are live or forgotten, how many live records have it."""
    database, key = mirror.folder.database, mirror.facts["source_key"]
    points = [version.sum.point for version in database.latest(ids).values()]
    stored = [content.metadata for content in database.contents(points).values()]
    named = {}
    for record in metadata.decode_all(stored):
        if (source := value_at(record, key)) is not None:
            named[source if isinstance(source, str) else json.dumps(source, ensure_ascii=False)] = source
    return dict(zip(named, mirror.tally(key, [*named.values()]), strict=True))


def kept_out(mirror: Mirror, row: Row) -> KeptOut:
    """Something that is kept out, or was."""
    database = mirror.folder.database
    leaf, content = database.leaf(row.seq), None if row.point is None else database.content(row.point)
    actor, reason = database.note(row.seq)
    return KeptOut(
        name=leaf.element.hex(),
        what=row.what,
        id=None if content is None else content.id,
        outside=row.key is not None,
        time=datetime.fromtimestamp(leaf.time, UTC),
        actor=actor,
        reason=reason,
    )


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
