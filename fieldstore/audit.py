# The audit: everything that can be recomputed is recomputed from the ledger, and every difference is said in plain
# words.
#
# Rule: it trusts nothing derived, neither on disk nor in memory, and changes nothing.
"""The checks behind `FieldStore.verify`."""

import hmac
from collections.abc import Iterator
from typing import Any

import numpy as np

from fieldstore import ledger, metadata
from fieldstore.certificate import Certificate, verify_certificate
from fieldstore.errors import FieldStoreError
from fieldstore.ledger import Fold, Frontier, Kind, Leaf
from fieldstore.records import MILLIONTHS
from fieldstore.storage.folder import Folder


def differences(folder: Folder, weights: np.ndarray[Any, np.dtype[np.float64]], kappa: float) -> list[str]:
    """What is wrong with a store. weights, kappa: as the engine in memory has them."""
    found: list[str] = []
    try:
        found += _found(folder, weights, kappa)
    except (FieldStoreError, ValueError, TypeError, AttributeError, KeyError) as error:
        found.append(f"the database holds something that cannot be read, and the check ended there: {error!r}")
    return found


def _found(folder: Folder, weights: np.ndarray[Any, np.dtype[np.float64]], kappa: float) -> Iterator[str]:
    database = folder.database
    yield from (f"database: {problem}" for problem in database.damage())
    fold = Fold()
    commitments: dict[bytes, bytes] = {}  # the newest by element
    notes: dict[int, tuple[int | None, Leaf]] = {}  # the entries that have one, and their points
    frontier = Frontier()
    for point, data in database.entries():
        frontier.append(data)
        try:
            leaf = Leaf.decode(data)
        except ValueError as error:
            yield f"entry {fold.size}: {error}"
            return
        yield from fold.take(leaf)
        if leaf.kind in (Kind.ADD, Kind.UPDATE):
            commitments[leaf.element] = leaf.commitment
        if any(leaf.note):
            notes[leaf.seq] = point, leaf
        known = fold.sums.get(leaf.element)
        if point != (known.point if known else None):
            yield f"entry {leaf.seq} is filed under point {point}"
    yield from _facts(database.facts(), fold, frontier, kappa)
    yield from _sums(dict(database.sums()), fold, weights)
    yield from _notes(folder, fold, notes)
    yield from _certificates(folder, fold)
    yield from _contents(folder, fold, commitments)
    wrong = folder.database.filter_values.wrong()
    yield from (f"point {point}: what is kept for a filter key is not what its metadata says" for point in wrong)


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


def _sums(stored: dict[bytes, ledger.Sum], fold: Fold, weights: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[str]:
    for element, known in fold.sums.items():
        if stored.pop(element, None) != known:
            yield f"point {known.point} stands at {known.weight} millionths by the ledger; the stored sum differs"
        in_field = weights[known.point] if known.point < len(weights) else None
        if in_field != known.weight / MILLIONTHS:
            yield f"point {known.point} weighs {known.weight / MILLIONTHS} by the ledger and {in_field} in the field"
    for element in stored:
        yield f"a sum is stored for {element.hex()}, which the ledger does not know"
    if len(weights) > len(fold.sums):
        yield f"the field has {len(weights)} points, the ledger {len(fold.sums)}"


def _notes(folder: Folder, fold: Fold, notes: dict[int, tuple[int | None, Leaf]]) -> Iterator[str]:
    """Notes that are there must be those committed to; about points that were not erased they must be there."""
    stored = {seq: ledger.note(salt, actor, reason) for seq, salt, actor, reason in folder.database.notes()}
    gone = {known.point for known in fold.sums.values() if known.kind is Kind.ERASE}
    for point, leaf in notes.values():
        if leaf.seq not in stored and (point not in gone or leaf.kind is Kind.ERASE):
            yield f"actor and reason of entry {leaf.seq} are missing"
    for seq, said in stored.items():
        if seq not in notes or not hmac.compare_digest(notes[seq][1].note, said):
            yield f"actor and reason of entry {seq} are not those the ledger committed to"


def _certificates(folder: Folder, fold: Fold) -> Iterator[str]:
    """Every finished erase must have its certificate, every certificate must hold and be about this ledger."""
    database = folder.database
    pending = {seq for _, seq in database.erasing()}
    uuid = database.facts()["uuid"]
    certified: set[int] = set()
    for number, body in enumerate(database.certificates()):
        wrong = verify_certificate(body)
        yield from (f"certificate {number}: {difference}" for difference in wrong)
        if not wrong and Certificate.from_json(body).body["store"] != uuid:
            yield f"certificate {number} is of another store"
        if not wrong:
            erased = Certificate.from_json(body).body["erased"]
            certified |= {one["seq"] for one in erased if database.leaf(one["seq"]).encode().hex() == one["leaf"]}
    for known in fold.sums.values():
        if known.kind is Kind.ERASE and known.seq not in certified | pending:
            yield f"point {known.point} was erased, but no certificate says so"


def _contents(folder: Folder, fold: Fold, commitments: dict[bytes, bytes]) -> Iterator[str]:
    database = folder.database
    dim = database.facts()["dim"]
    if dim is None:
        return
    rows = folder.vectors(dim).rows(len(fold.sums))
    pending = dict(database.erasing())
    live: dict[str, int] = {}
    for element, known in fold.sums.items():
        content = database.content(known.point)
        name = f"point {known.point}"
        if known.kind is Kind.ERASE:
            if known.point in pending:
                yield f"{name} is being erased and not certified yet; call finish_erase()"
            elif content is not None or rows[known.point].any():
                yield f"{name} was erased, but its {'record' if content is not None else 'vector'} is still there"
            continue
        if content is None:
            yield f"{name} has no record, though it was never erased"
            continue
        found = content.commitment(rows[known.point].astype("<f4").tobytes())
        if not hmac.compare_digest(found, commitments[element]):
            yield f"{name} (record '{content.id}') is not what the ledger committed to: content or vector was changed"
        if content.metadata != metadata.encode(metadata.decode(content.metadata)):
            yield f"{name} (record '{content.id}') has metadata in another form than stores keep it in"
        if known.weight and live.setdefault(content.id, known.point) != known.point:
            yield f"record '{content.id}' is live twice, as points {live[content.id]} and {known.point}"
    yield from (
        f"point {point} has a record, but the ledger never added it" for point in database.strays(len(fold.sums))
    )


def orphans(folder: Folder) -> list[str]:
    """Rows that no point owns; inside the writer's lock, or an add that is under way would be taken for one."""
    dim = folder.database.facts()["dim"]
    rows = [] if dim is None else folder.vectors(dim).orphans(folder.database.points())
    if not rows:
        return []
    return [f"{len(rows)} rows beyond the last point hold something; opening the store for writing clears them"]
