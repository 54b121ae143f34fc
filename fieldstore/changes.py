# What the writing verbs append: each one drafts its entries on top of everything committed so far, and commits once.
#
# In:   checked arguments. Out: what was changed, for the receipt.
# Rule: one transaction a call; whatever raises before the commit leaves the store as it was.
# Rule: what is as wanted already gets no entry: a second inverse would dig a hole.
"""The writing verbs, below their public face in `store`."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore import erasure, keeping
from fieldstore.arguments import Batch
from fieldstore.engine.bandwidth import measured_kappa
from fieldstore.engine.inputs import unit_rows
from fieldstore.errors import FieldStoreError, StoreClosed, UnknownRecord
from fieldstore.keeping import Keeping
from fieldstore.ledger import Draft, Kind, new_salt
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Near
from fieldstore.selecting import Selection, Targets, targets
from fieldstore.storage.database import Content, Version
from fieldstore.storage.keep_out import Row
from fieldstore.storage.repellers import Placed

Words = tuple[str | None, str | None]  # reason, actor


class Changed(NamedTuple):
    """Ids that a verb changed, found as wanted, and did not find; the entries it wrote."""

    ids: tuple[str, ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]
    entries: tuple[int, ...]


def _changed(draft: Draft, ids: Sequence[str], same: Sequence[str], unknown: Sequence[str] = ()) -> Changed:
    return Changed(tuple(ids), tuple(same), tuple(unknown), tuple(leaf.seq for leaf in draft.leaves))


def add(mirror: Mirror, batch: Batch, vectors: ArrayLike, words: Words) -> set[int]:
    """Store the batch's records, in place of those of the same id; returns the places of those that are kept out."""
    with mirror.writing(settled=False) as database, _uncollected():
        dim = batch.dim if mirror.dim is None else mirror.dim
        rows = unit_rows(vectors, dim)
        refused = keeping.refused(mirror, batch.texts, batch.metadatas)
        if len(refused) == len(batch.ids):
            return refused
        first = database.points()
        draft = mirror.draft(*words)
        contents: list[tuple[int, Content]] = []
        fresh: list[int] = []
        versions = database.latest([id for id, new in zip(batch.ids, batch.generated, strict=True) if not new])
        held = mirror.contents([known.sum.point for known in versions.values()])
        for number, id in enumerate(batch.ids):
            if number in refused:
                continue
            row = rows[number].tobytes()
            known = versions.get(id)
            if known is not None and mirror.row(known.sum.point).tobytes() == row:
                contents += _refreshed(draft, known, held[known.sum.point], row, batch, number)
                continue
            if known is not None and known.sum.weight:
                draft.invert(Kind.SUPERSEDE, known.element, known.sum)
            point = first + len(fresh)
            fresh.append(number)
            content = Content(id, batch.texts[number], batch.metadatas[number], new_salt())
            draft.add(point, batch.weights[number] or MILLIONTHS, content.commitment(row))
            contents.append((point, content))
        facts = {"dim": dim} if mirror.dim is None else None
        _commit(mirror, draft, rows[fresh], contents, facts)
        return refused


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python not look for cycles meanwhile: what a batch needs is gone after it, and a full look takes longer."""
    looking = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looking:
            gc.enable()


def _commit(
    mirror: Mirror,
    draft: Draft,
    fresh: NDArray[np.float32],
    contents: Sequence[tuple[int, Content]],
    facts: dict[str, Any] | None = None,
) -> None:
    """Write the rows of new points, if any, and then the entries that name them."""
    if not len(fresh):
        mirror.commit(draft, contents, facts=facts)
        return
    stored = mirror.folder.vectors(fresh.shape[1])
    first = mirror.folder.database.points()
    try:
        stored.write(first, fresh)  # rows first: the ledger never names a row that is not there
        mirror.measure(draft, stored.rows(first + len(fresh)))
        mirror.commit(draft, contents, facts=facts)
    except StoreClosed:  # it may have happened: the next open sees which rows are anybody's
        raise
    except BaseException:
        with suppress(FieldStoreError, OSError):
            stored.discard(first)
        raise


def _refreshed(
    draft: Draft, known: Version, held: Content, row: bytes, batch: Batch, number: int
) -> list[tuple[int, Content]]:
    """What brings a record of the same vector up to date: a restore, a new weight, new text or metadata."""
    if not known.sum.weight:
        draft.invert(Kind.RESTORE, known.element, known.sum)
    weight, net = batch.weights[number], known.sum.weight or -known.sum.last
    if weight is not None and weight != net:
        draft.answer(Kind.REWEIGHT, known.element, known.sum, weight - net)
    return _rewritten(draft, known, held, row, batch.texts[number], batch.metadatas[number])


def _rewritten(
    draft: Draft, known: Version, held: Content, row: bytes, text: str | None, stored: str
) -> list[tuple[int, Content]]:
    """An update entry, and the content, if text or metadata differ from what the record holds."""
    if (held.text, held.metadata) == (text, stored):
        return []
    content = Content(known.id, text, stored, new_salt())
    draft.answer(Kind.UPDATE, known.element, known.sum, 0, content.commitment(row))
    return [(known.sum.point, content)]


def update(
    mirror: Mirror,
    ids: list[str],
    vectors: ArrayLike | None,
    texts: list[str | None] | None,
    metadatas: list[str] | None,
    words: Words,
) -> tuple[Changed, set[str]]:
    """New vectors, texts or metadata for live records; None = as it is. Weights stay. Returns also who is kept out."""
    with mirror.writing() as database:
        versions = mirror.live(ids)
        rows = np.array([mirror.row(known.sum.point) for known in versions])
        if vectors is not None and versions:
            rows = unit_rows(vectors, mirror.field.dim)
        draft = mirror.draft(*words)
        contents: list[tuple[int, Content]] = []
        old = mirror.contents([known.sum.point for known in versions])
        refused = keeping.refused(mirror, texts, metadatas)
        first = database.points()
        fresh: list[int] = []
        for number, known in enumerate(versions):
            if number in refused:
                continue
            held = old[known.sum.point]
            text = held.text if texts is None else texts[number]
            stored = held.metadata if metadatas is None else metadatas[number]
            row = rows[number].tobytes()
            if row == mirror.row(known.sum.point).tobytes():
                contents += _rewritten(draft, known, held, row, text, stored)
                continue
            draft.invert(Kind.SUPERSEDE, known.element, known.sum)
            content = Content(known.id, text, stored, new_salt())
            draft.add(first + len(fresh), known.sum.weight, content.commitment(row))
            contents.append((first + len(fresh), content))
            fresh.append(number)
        _commit(mirror, draft, rows[fresh], contents)
    changed, out = {content.id for _, content in contents}, {ids[number] for number in refused}
    same = [id for id in ids if id not in changed | out]
    return _changed(draft, [id for id in ids if id in changed], same), out


def reweight(mirror: Mirror, ids: list[str], millionths: int, words: Words) -> Changed:
    """Another weight for live records."""
    with mirror.writing():
        draft = mirror.draft(*words)
        versions = mirror.live(ids)
        changed = [known for known in versions if known.sum.weight != millionths]
        for known in changed:
            draft.answer(Kind.REWEIGHT, known.element, known.sum, millionths - known.sum.weight)
        mirror.commit(draft)
    same = [known.id for known in versions if known.sum.weight == millionths]
    return _changed(draft, [known.id for known in changed], same)


def calibrate(mirror: Mirror, kappa: float | None) -> None:
    """Kappa as given, or measured from all live points."""
    with mirror.writing():
        live = mirror.live_points(None)
        draft = mirror.draft()
        if kappa is not None:
            draft.calibrate(round(kappa * MILLIONTHS), 0)
        elif len(live) >= 2:
            measured = measured_kappa(np.array([mirror.row(point) for point in live]))
            draft.calibrate(round(measured * MILLIONTHS), len(live))
        else:
            raise ValueError(f"kappa is measured from at least 2 live points, here are {len(live)}; it was not changed")
        mirror.commit(draft)


def invert(
    mirror: Mirror, kind: Kind, selection: Selection, words: Words, *, keep_out: bool = False
) -> tuple[Changed, list[Near]]:
    """Forget live records, or restore forgotten ones; and which of them were only near the others.

    keep_out: and keep what is forgotten out. What is restored is let in.
    """
    with mirror.writing():
        meant = targets(mirror, kind, selection)
        draft = mirror.draft(*words)
        for known in meant.versions:
            draft.invert(kind, known.element, known.sum)
        out = Keeping(mirror, draft)
        if keep_out:
            keeping.of_forgotten(out, mirror, _spoken_of(mirror, meant), selection.source)
        elif kind is Kind.RESTORE:
            keeping.of_restored(out, mirror, meant.versions, selection.source)
        mirror.commit(draft, keeping=out.change())
    return _changed(draft, [known.id for known in meant.versions], meant.same, meant.unknown), meant.near


def would_invert(
    mirror: Mirror, kind: Kind, selection: Selection, *, keep_out: bool = False
) -> tuple[Changed, list[Near]]:
    """What `invert` would do. Raises what it would raise."""
    with mirror.reading():
        meant = targets(mirror, kind, selection)
        if keep_out:
            keeping.check_texts(mirror, _spoken_of(mirror, meant), selection.source)
    return Changed(tuple(v.id for v in meant.versions), tuple(meant.same), tuple(meant.unknown), ()), meant.near


def _spoken_of(mirror: Mirror, meant: Targets) -> list[Version]:
    """The versions that a forget is about, those that were forgotten before too."""
    return [*meant.versions, *mirror.folder.database.latest(meant.same).values()]


def begin_erase(
    mirror: Mirror, selection: Selection | None, before: int | None, words: Words, secret: bytes | None
) -> None:
    """Take every version of the records out of the field, and note the intent to destroy their content.

    Those selected, or, before a time in seconds since 1970, all that were forgotten by then. secret: keep out, under
    this key, what is erased. Inside `mirror.writing`, which the rest of the erase needs too. Raises UnknownRecord for
    an id that has no version.
    """
    database = mirror.folder.database
    ids, condition = (None, None) if selection is None else (selection.ids, selection.condition)
    if before is not None:
        past = database.entries_before(before)
        ids = [known.id for known in mirror.forgotten(None) if known.sum.seq < past]
    elif ids is None:
        live = [known.id for known in database.at(mirror.live_points(condition))]
        ids = [*live, *(known.id for known in mirror.forgotten(condition))]
    versions = [version for id in ids for version in database.versions(id)]
    begun = database.erasing_ids()
    missing = set(ids) - {version.id for version in versions} - begun
    if not missing and not versions and begun & set(ids):
        return  # asked for again: it only has to be finished
    if missing or not versions:
        name = f"record '{min(missing)}'" if missing else "record that matches"
        raise UnknownRecord(
            f"no {name} in {mirror.name}; nothing was erased. store.ids() and ids(forgotten=True) list them"
        )
    _begin(mirror, versions, words, None if selection is None else selection.source, secret)


def begin_erasing_again(mirror: Mirror, elements: list[str], words: Words) -> bool:
    """As `begin_erase`, for points by their names in another copy's ledger; whether any of them is here."""
    versions = mirror.folder.database.named(elements)
    if versions:
        _begin(mirror, versions, words)
    return bool(versions)


def let_in(mirror: Mirror, names: list[str] | None, source: Any, text: str | None, words: Words) -> list[Row]:
    """Let in what was kept out; what it was."""
    with mirror.writing():
        draft = mirror.draft(*words)
        out = Keeping(mirror, draft)
        rows = keeping.let_in(out, mirror, names, source, text)
        mirror.commit(draft, keeping=out.change())
    return rows


def _begin(
    mirror: Mirror, versions: list[Version], words: Words, source: Any = None, secret: bytes | None = None
) -> None:
    erasure.check_words(mirror.folder, [version.sum.point for version in versions], words)
    draft = mirror.draft(*words)
    entries = [(v.sum.point, draft.invert(Kind.ERASE, v.element, v.sum)) for v in versions]
    dropped = _dropped(mirror, draft, [v.sum.point for v in versions])
    out = Keeping(mirror, draft)
    keeping.of_erased(out, mirror, versions, source, secret)
    mirror.commit(draft, erasing=entries, repellers=dropped, keeping=out.change())


def _dropped(mirror: Mirror, draft: Draft, points: list[int]) -> list[Placed]:
    """What becomes of the repellers at the places of points that are erased: taken back, and filed under those points.

    Their places are destroyed together with the content.
    """
    rows = mirror.folder.vectors(mirror.field.dim).rows(mirror.folder.database.points())
    by_row = {np.ascontiguousarray(rows[point], "<f4").tobytes(): point for point in points}
    dropped = []
    for one in mirror.folder.database.repellers.of(points, list(by_row)):
        until = draft.unrepel(one.element, one.seq) if one.until is None else one.until
        draft.unrepel(one.element, until)
        assert one.place is not None  # else there would be nothing to drop
        dropped.append(one._replace(until=until, point=by_row[one.place] if one.point is None else one.point))
    return dropped
