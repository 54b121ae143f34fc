# Erasing: destroying the bytes of points, and saying so only after having looked.
#
# The order is the point of it (durability, 5): the erase entries and the intent are committed first, so that the
# records are out of every answer and an interrupted erase is finished on open; nothing is destroyed while somebody
# still reads the state of before, since rows are read from where they lie; then rows are overwritten in place, content
# is deleted under secure_delete, the database's log is truncated, every file is searched, and only then is there a
# certificate.
"""The procedure of an erase."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np

from fieldstore import fingerprint
from fieldstore.certificate import Certificate, signed
from fieldstore.errors import ErasePending, LeftoversFound, StoreDamaged, WriteFailed
from fieldstore.ledger import Kind, Leaf
from fieldstore.merkle import Frontier, Tree
from fieldstore.storage.database import Database
from fieldstore.storage.folder import DATABASE, Folder
from fieldstore.storage.leftovers import Search, holders

_SHORTEST = 16  # bytes: less is found by chance
_PIECE, _STRIDE = 32, 64
_VECTOR_PIECE, _VECTOR_PIECES = 64, 4
_ONE_LINE = 128  # bytes: an id or value of metadata up to here tells as a whole, as a path that many begin like
R = TypeVar("R")


def finish(folder: Folder, dim: int, key: bytes | None, timeout: float, remembered: dict[bytes, bool]) -> Certificate:
    """Finish every erase that has begun, of which there is at least one; inside the writer's lock.

    remembered: `_needles` of an earlier try in this process, added to and emptied here. Where content was deleted
    before a crash, nothing is left to search for: then the certificate says so, and rests on the database having been
    rebuilt from what it still holds, and on there being no other file than the store's own.
    Raises StoreDamaged, before anything is destroyed, where the ledger is not the one that was written; ErasePending
    when somebody reads an older state of the database or the search cannot be made; LeftoversFound when it finds
    something.
    """
    database = folder.database
    begun = database.erasing()
    points = [point for point, _ in begun]
    leaves, tree = _ledger(database, begun)
    with database.transaction():
        database.begin_erase(begun)  # of a process that died before its sync, the intent may be on no disk so far
    found, skipped = _needles(folder, points, dim)
    searchable = bool(remembered) or all(database.content(point) is not None for point in points)
    remembered.update(found)
    _wait_for_readers(database, timeout)
    needles, telling = sorted(remembered), {needle for needle, tells in remembered.items() if tells}
    dropped = [one.name for one in database.repellers.all() if one.point in points and one.place is not None]
    folder.vectors(dim).zero(points)
    _clear_index(folder)
    with database.transaction():
        database.delete_content(points)
        database.text_index.scrub()
    database.vacuum()  # pages that were split or joined keep copies of old rows which deleting does not reach
    checkpoint = _truncated(folder, timeout)
    search, carriers, left = _look(folder, points, needles, telling, dim)
    if not searchable:
        left |= set(folder.strangers())
    if left:
        raise LeftoversFound(
            f"bytes of erased records stand (or may) in {', '.join(sorted(left))}; no certificate was issued. The "
            "records are out of every answer. Remove what holds them, and call finish_erase()"
        )
    first = min(seq for _, seq in begun)
    body: dict[str, Any] = {
        "store": database.facts()["uuid"],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "tree": {
            "size": tree.size,
            "root": tree.root().hex(),
            "before": {"size": first, "root": tree.root(first).hex()},
            "consistency": [step.hex() for step in tree.consistency(first)],
        },
        "erased": [
            {
                "seq": seq,
                "element": database.element(point).hex(),
                "leaf": leaves[seq].hex(),
                "proof": [step.hex() for step in tree.proof(seq)],
            }
            for point, seq in begun
        ],
        "method": {
            "vectors": "rows overwritten with zeros in place" + ("" if folder.path is None else " and synced"),
            "index": "overwritten with zeros; it is built again from what is left",
            "database": f"rows deleted, file rebuilt from what it keeps, SQLite {database.sqlite_version()}",
            "secure_delete": database.secure_delete(),
            "checkpoint": None if folder.path is None else list(checkpoint),
        },
        "scan": {
            "files": search.files,
            "bytes": search.bytes,
            "searched_for_content": searchable,
            "needles": len(needles),
            "too_short_or_plain_to_search": skipped,
            "leftovers": 0,
            "also_in_other_records": len({number for kind, number in carriers if kind == "record"}),
            "also_in_notes_of_entries": sorted({number for kind, number in carriers if kind == "note"}),
            "also_in_repellers": sorted({f"r{number}" for kind, number in carriers if kind == "repeller"}),
        },
        "repellers_dropped": dropped,
    }
    if (kept := _keep_out(folder, leaves[first:], first)) is not None:
        body["keep_out"] = kept
    certificate = signed(body, key)
    with database.transaction():
        database.end_erase(points, certificate.to_json())
    remembered.clear()
    with suppress(WriteFailed):  # the certificate stands
        database.checkpoint()
    return certificate


def _keep_out(folder: Folder, since: Sequence[bytes], first: int) -> dict[str, Any] | None:
    """What the erase did about keeping out: since: the ledger from its first entry on, at that position."""
    outside = [row for row in folder.database.keep_out.all() if row.key is not None and row.seq > first]
    lifted = sum(Leaf.decode(data).kind is Kind.LET_IN for data in since)
    if not outside and not lifted:
        return None
    key = None if not outside or outside[0].key is None else outside[0].key.hex()
    return {
        "fingerprints_under_a_secret_outside_the_store": len(outside),
        "name_of_the_secret": key,
        "fingerprints_under_the_key_of_the_store_destroyed": lifted,
    }


def _ledger(database: Database, begun: Sequence[tuple[int, int]]) -> tuple[list[bytes], Tree]:
    """The entries, of which a certificate is to say where they stand, and their tree; all of begun are erases there."""
    leaves, facts = [leaf for _, leaf in database.entries()], database.facts()
    tree = Tree(leaf if isinstance(leaf, bytes) else b"" for leaf in leaves)
    whole = tree.size == facts["size"] and tree.root() == Frontier(tree.size, facts["frontier"]).root()
    said = {seq: database.leaf(seq) for _, seq in begun if whole and 0 <= seq < tree.size}
    if any(seq not in said or said[seq][1:3] != (Kind.ERASE, database.element(point)) for point, seq in begun):
        raise StoreDamaged(
            "the ledger is not the one that was written, so an erase could not be certified; nothing was destroyed. "
            "verify() tells more; bring the store back from a backup"
        )
    return leaves, tree


def check_words(folder: Folder, points: Sequence[int], words: Sequence[str | None]) -> None:
    """ValueError when the words to be kept with an erase quote what it erases: 16 bytes of it, or an id of 6."""
    for content in filter(None, map(folder.database.content, points)):
        values = [content.id.encode(), (content.text or "").encode(), content.metadata.encode()]
        for word in words:
            said = b"" if word is None else word.encode()
            runs = (said[i : i + _SHORTEST] for i in range(len(said) - _SHORTEST + 1))
            named = len(values[0]) >= 6 and values[0] in said
            if named or any(run in value for run in runs for value in values):
                raise ValueError(
                    "actor or reason quotes what is to be erased, and would outlive it; nothing was erased. Say it "
                    "in other words"
                )


def _clear_index(folder: Folder) -> None:
    """Overwrite codes and centres that remember the points; they are worked out anew."""
    try:
        if folder.index is not None:
            folder.index.clear()
    except OSError as error:
        raise WriteFailed(f"the index could not be overwritten ({error}); the erase is pending") from error


def _wait_for_readers(database: Database, timeout: float) -> None:
    """Until none of them reads a state in which the records were live, as long as the time-out."""
    if not _tried(database.fold_in, bool, timeout):
        raise ErasePending(
            "the records are out of every answer, but somebody still reads the database as it was before, so nothing "
            "was destroyed and no certificate was issued. Close that reader and call finish_erase(), or open the store "
            "again"
        )


def _tried(what: Callable[[], R], well: Callable[[R], bool], timeout: float) -> R:
    """What it gives once that is well, or when the time is up; SQLite's own busy handler does the waiting."""
    deadline = time.monotonic() + timeout
    result = what()
    while not well(result) and time.monotonic() < deadline:
        result = what()
    return result


def _truncated(folder: Folder, timeout: float) -> tuple[int, int, int]:
    """Empty the database's log, waiting for readers as long as the time-out."""
    result = _tried(folder.database.checkpoint, lambda done: not done[0], timeout)
    if folder.path is not None and result != (0, 0, 0):
        raise ErasePending(
            "the records are out of every answer and their content is deleted, but a reader of the database keeps old "
            "pages on disk; no certificate was issued. Close it and call finish_erase(), or open the store again"
        )
    return result


def _needles(folder: Folder, points: Sequence[int], dim: int) -> tuple[dict[bytes, bool], int]:
    """Byte runs of these points' content, and how many values were too short to be looked for.

    Each with whether it tells: whether a record that also holds it says the same. All of them do but runs of ids and
    metadata cut anywhere, which may be keys and brackets alone, or a folder that many paths begin with.
    """
    rows = folder.vectors(dim).rows(folder.database.points())
    telling: set[bytes] = set()
    plain: set[bytes] = set()
    skipped, own = 0, folder.database.keep_out.key()
    for point in points:
        row = np.ascontiguousarray(rows[point], "<f4").tobytes()
        step = max(_VECTOR_PIECE, len(row) // _VECTOR_PIECES // 4 * 4)
        telling.update(_varied(row[i : i + _VECTOR_PIECE]) for i in range(0, len(row), step))
        content = folder.database.content(point)
        if content is None:  # deleted before an interruption
            continue
        telling.add(content.salt)
        telling.update(folder.database.repellers.salts(point))
        if own is not None:
            telling.add(fingerprint.of_text(own, content.text) or b"")
        telling |= _said_in(content.metadata)
        for said in _forms(content.id):
            telling |= _whole_or_pieces(said)
        for said in _forms(content.text or ""):
            telling |= _pieces(said)
        for value in (content.id, content.text or "", content.metadata, *folder.database.filter_values.of(point)):
            pieces = _pieces(value.encode())
            skipped += bool(value) and not any(len(piece) >= _SHORTEST for piece in pieces)
            plain |= pieces
        if folder.database.text_index.on:
            plain.update(_varied(word.encode()) for word in folder.database.text_index.words(content.text or ""))
    return {needle: needle in telling for needle in sorted(telling | plain) if len(needle) >= _SHORTEST}, skipped


def _pieces(data: bytes) -> set[bytes]:
    """Its runs; the last one begins early enough to be whole, since a short ending stands elsewhere by chance."""
    starts = (min(i, max(0, len(data) - _PIECE)) for i in range(0, len(data), _STRIDE))
    return {_varied(data[i : i + _PIECE]) for i in starts}


def _whole_or_pieces(data: bytes) -> set[bytes]:
    return {_varied(data)} if len(data) <= _ONE_LINE else _pieces(data)


def _forms(value: str) -> list[bytes]:
    """A string as its bytes stand alone, in JSON, and in JSON that is kept in JSON: each time more of it escaped."""
    forms = [value]
    for _ in range(2):
        forms.append(json.dumps(forms[-1], ensure_ascii=False)[1:-1])
    return [form.encode(errors="surrogatepass") for form in forms]


def _said_in(metadata: str) -> set[bytes]:
    """What metadata says: its strings, also of JSON kept in one; no names of keys. Nothing where it is damaged."""
    names: set[str] = set()
    values: set[str] = set()
    _take_apart(_json_in(metadata), True, names, values)
    return {run for value in values - names for form in _forms(value) for run in _whole_or_pieces(form)}


def _take_apart(part: Any, further: bool, names: set[str], values: set[str]) -> None:
    """Add the names of keys, and the strings; further: of a string that is JSON, what that says."""
    if isinstance(part, dict):
        names.update(part)
        for inner in part.values():
            _take_apart(inner, further, names, values)
    elif isinstance(part, list):
        for inner in part:
            _take_apart(inner, further, names, values)
    elif isinstance(part, str) and further and (inner := _json_in(part)) is not None:
        _take_apart(inner, False, names, values)
    elif isinstance(part, str):
        values.add(part)


def _json_in(text: str) -> Any:
    """The object or list that the text is the JSON of, else None."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _varied(piece: bytes) -> bytes:
    """The piece without zeros at its ends; nothing if it is too plain to tell anything."""
    piece = piece.strip(b"\0")
    return piece if len(set(piece)) >= 4 else b""


def _look(
    folder: Folder, points: Sequence[int], needles: list[bytes], telling: set[bytes], dim: int
) -> tuple[Search, set[tuple[str, int]], set[str]]:
    """What was searched, what else holds needles that tell (a record, note or repeller, and its number), the files with
    leftovers.

    A hit is explained by the vector of a point that was not erased, or by something that the database means to hold.
    """
    try:
        search = folder.search(needles)
    except OSError as error:
        raise ErasePending(
            f"the content is deleted, but the files could not be searched ({error}); no certificate was issued. Call "
            "finish_erase()"
        ) from error
    if not search.complete:
        return search, set(), {"more places than can be told apart"}
    erased, count = set(points), folder.database.points()
    kept = holders(folder.database.kept(), needles) if any(file == DATABASE for _, file, _ in search.found) else {}
    carriers: set[tuple[str, int]] = set()
    left: set[str] = set()
    for number, file, offset in search.found:
        row = folder.row_at(file, offset, dim)
        if row is not None and row < count and row not in erased:
            holding = {("record", row)}
        elif file == DATABASE and number in kept:
            holding = kept[number]
        else:
            holding = set()
            left.add(file)
        if needles[number] in telling:
            carriers |= holding
    return search, carriers, left
