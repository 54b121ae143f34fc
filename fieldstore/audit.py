# The audit: everything that can be recomputed is recomputed from the ledger, and every difference is said in plain
# words.
#
# Rule: it trusts nothing derived, neither on disk nor in memory, and changes nothing.
"""The checks behind `FieldStore.verify`."""

import hmac
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from fieldstore import ledger, metadata
from fieldstore.certificate import Certificate, verify_certificate
from fieldstore.checkpoint import Checkpoint, origin_of
from fieldstore.errors import FieldStoreError
from fieldstore.ledger import NOTHING, Fold, Kind, Leaf
from fieldstore.merkle import Frontier
from fieldstore.records import MILLIONTHS
from fieldstore.storage.database import Database
from fieldstore.storage.folder import Folder
from fieldstore.storage.repellers import FACT as REPELLED

_AT_ONCE = 4096  # points
Progress = Callable[[int, int], None]


def differences(
    folder: Folder,
    weights: np.ndarray[Any, np.dtype[np.float64]],
    kappa: float,
    kept: Checkpoint | None = None,
    public_key: str | bytes | None = None,
    progress: Progress | None = None,
    repellers: tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float64]]] | None = None,
) -> list[str]:
    """What is wrong with a store. weights, kappa: as the engine in memory has them. kept: what the ledger once was.

    repellers: places and radii that the engine hides points around; None = there is no field yet.
    public_key: of whoever must have signed the certificates; None = it is not asked.
    progress: called with how many entries and points are done, and how many there are.
    """
    found: list[str] = []
    steps = _found(folder, weights, kappa, kept, public_key, repellers)
    done, total = 0, folder.database.rows_to_check()
    while True:
        try:
            step = next(steps)
        except StopIteration:
            return found
        except (FieldStoreError, ValueError, TypeError, AttributeError, KeyError) as error:
            return [*found, f"the database holds something that cannot be read, and the check ended there: {error!r}"]
        if isinstance(step, str):
            found.append(step)
        elif progress is not None:
            done += step
            progress(done, total)


def _found(
    folder: Folder,
    weights: np.ndarray[Any, np.dtype[np.float64]],
    kappa: float,
    kept: Checkpoint | None,
    public_key: str | bytes | None,
    repellers: tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float64]]] | None,
) -> Iterator[str | int]:
    """Differences; and in between, how many more entries or points have been looked at."""
    database = folder.database
    yield from (f"database: {problem}" for problem in database.damage())
    fold = Fold()
    commitments: dict[bytes, bytes] = {}  # the newest by element
    notes: dict[int, tuple[int | None, Leaf]] = {}  # the entries that have one, and their points
    frontier = Frontier()
    certificates = database.certificates()
    asked = {kept.size if kept else 0, *filter(None, map(_size_of, certificates))}
    roots = {0: frontier.root()}  # of the ledger when it had so many entries
    for some in database.all_entries():
        for point, data in some:
            frontier.append(data)
            if frontier.size in asked:
                roots[frontier.size] = frontier.root()
            try:
                leaf = Leaf.decode(data)
            except ValueError as error:
                yield f"entry {fold.size}: {error}"
                return
            yield from fold.take(leaf)
            if leaf.kind in (Kind.ADD, Kind.UPDATE):
                commitments[leaf.element] = leaf.commitment
            if leaf.note != NOTHING:
                notes[leaf.seq] = point, leaf
            known = fold.sums.get(leaf.element)
            if point != (known.point if known else None):
                yield f"entry {leaf.seq} is filed under point {point}"
        yield len(some)
    if kept is not None:
        yield from _since(kept, database.facts()["uuid"], frontier.size, roots)
    yield from _facts(database.facts(), fold, frontier, kappa)
    yield from _sums(database, fold, weights)
    yield from _kept_out(database, fold)
    yield from _notes(folder, fold, notes)
    yield from _repellers(database, fold, repellers)
    yield from _certificates(folder, fold, certificates, roots, public_key)
    yield from _contents(folder, fold, commitments)
    wrong = folder.database.filter_values.wrong()
    yield from (f"point {point}: what is kept for a filter key is not what its metadata says" for point in wrong)
    strays = folder.database.text_index.strays()
    yield from (f"point {point} is in the text index and has no live text, or the other way round" for point in strays)


def _since(kept: Checkpoint, uuid: str, size: int, roots: dict[int, bytes]) -> Iterator[str]:
    """Whether the ledger only grew since. roots: what it was then, by number of entries."""
    if kept.origin != origin_of(uuid):
        yield f"the checkpoint is of '{kept.origin}', this store's are of '{origin_of(uuid)}'"
    elif size < kept.size:
        yield f"the checkpoint saw {kept.size} entries, the ledger has {size}: its tail was cut off"
    elif roots[kept.size] != kept.root:
        yield f"the first {kept.size} entries are not those the checkpoint saw: history was rewritten since"


def _facts(facts: dict[str, Any], fold: Fold, frontier: Frontier, kappa: float) -> Iterator[str]:
    stored = Frontier(facts["size"], facts["frontier"])
    if facts["size"] != fold.size:
        yield f"the ledger has {fold.size} entries, the store believes in {facts['size']}"
    if stored.root() != frontier.root():
        yield f"the ledger's root is {frontier.root().hex()}, the store believes in {stored.root().hex()}"
    if (facts["kappa"], facts["measured"]) != (fold.kappa, fold.measured):
        yield f"kappa is {fold.kappa} millionths by the ledger, the store believes in {facts['kappa']}"
    if facts["time"] != fold.time:
        yield f"the last entry is of the time {fold.time}, the store believes {facts['time']}"
    if fold.kappa is not None and kappa != fold.kappa / MILLIONTHS:
        yield f"kappa is {fold.kappa / MILLIONTHS} by the ledger, the field uses {kappa}"


def _sums(database: Database, fold: Fold, weights: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[str]:
    right: set[bytes] = set()
    for some in database.all_sums():
        for element, *stored in some:
            known = fold.sums.get(element)
            if known is None:
                yield f"a sum is stored for {element.hex()}, which the ledger does not know"
            elif stored == [known.point, known.weight, known.seq, known.kind, known.last]:
                right.add(element)
    for element in fold.sums.keys() - right:
        known = fold.sums[element]
        yield f"point {known.point} stands at {known.weight} millionths by the ledger; the stored sum differs"
    summed = np.fromiter((known.weight for known in fold.sums.values()), np.float64, len(fold.sums)) / MILLIONTHS
    both = min(len(summed), len(weights))
    for point in [*np.flatnonzero(summed[:both] != weights[:both]).tolist(), *range(both, len(summed))]:
        in_field = weights[point] if point < both else None
        yield f"point {point} weighs {summed[point]} by the ledger and {in_field} in the field"
    if len(weights) > len(summed):
        yield f"the field has {len(weights)} points, the ledger {len(summed)}"


def _repellers(
    database: Database,
    fold: Fold,
    hiding: tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float64]]] | None,
) -> Iterator[str]:
    """Every repeller of the ledger must be kept as it was committed to, or be destroyed, and the field must feel it."""
    last = max((known.last for known in fold.repellers.values()), default=None)
    if database.facts().get(REPELLED) != last:
        yield f"the last entry about a repeller is {last}, the store believes in {database.facts().get(REPELLED)}"
    kept = {one.element: one for one in database.repellers.all()}
    for element, known in fold.repellers.items():
        one = kept.pop(element, None)
        if one is None or (one.seq, one.until) != (known.seq, known.until):
            yield f"the repeller of entry {known.seq} is not kept as the ledger says it stands"
        elif known.destroyed and one.place is not None:
            yield f"the place of repeller {one.name} was to be destroyed, and is still there; call finish_erase()"
        elif not known.destroyed and not hmac.compare_digest(one.commitment() or b"", known.commitment):
            yield f"repeller {one.name} is not what the ledger committed to: its place or radius was changed"
    yield from (f"repeller {one.name} is kept, but the ledger never placed it" for one in kept.values())
    standing = database.repellers.standing()
    felt = [] if hiding is None else [(row.astype("<f4").tobytes(), float(at)) for row, at in zip(*hiding, strict=True)]
    if felt != [(one.place, one.radius) for one in standing]:
        yield f"{len(standing)} repellers stand by the ledger, and the field feels {len(felt)}, or others"


def _kept_out(database: Database, fold: Fold) -> Iterator[str]:
    """What is kept out must be what the ledger committed to, all of it and nothing else."""
    rows = {row.seq: row for row in database.keep_out.all()}
    for leaf in fold.kept_out.values():
        row = rows.pop(leaf.seq, None)
        if row is None:
            yield f"entry {leaf.seq} keeps something out, and what is missing"
        elif not hmac.compare_digest(leaf.commitment, ledger.kept_out(row.salt, row.print, row.what, row.key)):
            yield f"what entry {leaf.seq} keeps out is not what the ledger committed to"
    yield from (f"something is kept out by entry {seq}, of which the ledger does not know" for seq in rows)


def _notes(folder: Folder, fold: Fold, notes: dict[int, tuple[int | None, Leaf]]) -> Iterator[str]:
    """Notes that are there must be those committed to; about points that were not erased they must be there, and about
    what is still kept out."""
    stored = {seq: ledger.note(salt, actor, reason) for seq, salt, actor, reason in folder.database.notes()}
    gone = {known.point for known in fold.sums.values() if known.kind is Kind.ERASE}
    destroyed = {element for element, known in fold.repellers.items() if known.destroyed}
    for point, leaf in notes.values():
        if leaf.element in destroyed or (leaf.kind is Kind.KEEP_OUT and leaf.element not in fold.kept_out):
            continue
        if leaf.seq not in stored and (point not in gone or leaf.kind is Kind.ERASE):
            yield f"actor and reason of entry {leaf.seq} are missing"
    for seq, said in stored.items():
        if seq not in notes or not hmac.compare_digest(notes[seq][1].note, said):
            yield f"actor and reason of entry {seq} are not those the ledger committed to"


def _size_of(certificate: str) -> int | None:
    """How many entries the ledger of a certificate had; None where it does not say."""
    try:
        size = Certificate.from_json(certificate).body["tree"]["size"]
    except (ValueError, KeyError, TypeError):
        return None
    return size if isinstance(size, int) else None


def _certificates(
    folder: Folder, fold: Fold, certificates: list[str], roots: dict[int, bytes], public_key: str | bytes | None
) -> Iterator[str]:
    """Every finished erase must have its certificate, every certificate must hold and be about this ledger."""
    pending = {seq for _, seq in folder.database.erasing()}
    certified: set[int] = set()
    for number, text in enumerate(certificates):
        wrong = verify_certificate(text, public_key)
        if not wrong:
            body = Certificate.from_json(text).body
            tree = body["tree"]
            if body["store"] != folder.database.facts()["uuid"] or roots.get(tree["size"], b"").hex() != tree["root"]:
                wrong = ["it is about another ledger"]
            else:
                certified |= {one["seq"] for one in body["erased"]}
        yield from (f"certificate {number}: {difference}" for difference in wrong)
    for known in fold.sums.values():
        if known.kind is Kind.ERASE and known.seq not in certified | pending:
            yield f"point {known.point} was erased, but no certificate says so"


def _contents(folder: Folder, fold: Fold, commitments: dict[bytes, bytes]) -> Iterator[str | int]:
    """Every point that was not erased must hold what was committed to: its text, metadata, id, and vector."""
    database = folder.database
    dim = database.facts()["dim"]
    if dim is None:
        return
    rows = folder.vectors(dim).rows(len(fold.sums))
    pending = dict(database.erasing())
    live: dict[str, int] = {}
    standing = iter(fold.sums.items())
    while some := list(islice(standing, _AT_ONCE)):
        contents = database.contents_between(some[0][1].point, some[-1][1].point)
        for element, known in some:
            content, name = contents.get(known.point), f"point {known.point}"
            if known.kind is Kind.ERASE:
                if known.point in pending:
                    yield f"{name} is being erased and not certified yet; call finish_erase()"
                elif content is not None or rows[known.point].any():
                    yield f"{name} was erased, but its {'record' if content is not None else 'vector'} is still there"
            elif content is None:
                yield f"{name} has no record, though it was never erased"
            else:
                if not hmac.compare_digest(content.commitment(rows[known.point].tobytes()), commitments[element]):
                    yield (
                        f"{name} (record '{content.id}') is not what the ledger committed to: content or vector was "
                        "changed"
                    )
                if content.metadata != metadata.encode(metadata.decode(content.metadata)):
                    yield f"{name} (record '{content.id}') has metadata in another form than stores keep it in"
                if known.weight and live.setdefault(content.id, known.point) != known.point:
                    yield f"record '{content.id}' is live twice, as points {live[content.id]} and {known.point}"
        yield len(some)
    yield from (
        f"point {point} has a record, but the ledger never added it" for point in database.strays(len(fold.sums))
    )


def undisturbed(folder: Folder) -> list[str]:
    """What can be told only inside the writer's lock: the text index's words, and rows that no point owns."""
    return [*folder.database.text_index.damage(), *_orphans(folder)]


def _orphans(folder: Folder) -> list[str]:
    """Rows that no point owns; inside the writer's lock, or an add that is under way would be taken for one."""
    dim = folder.database.facts()["dim"]
    rows = [] if dim is None else folder.vectors(dim).orphans(folder.database.points())
    if not rows:
        return []
    return [f"{len(rows)} rows beyond the last point hold something; opening the store for writing clears them"]
