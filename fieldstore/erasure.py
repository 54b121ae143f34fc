# Erasing: destroying the bytes of points, and saying so only after having looked.
#
# The order is the point of it (durability, 5): the erase entries and the intent are committed first, so that the
# records are out of every answer and an interrupted erase is finished on open; then rows are overwritten in place,
# content is deleted under secure_delete, the database's log is truncated, every file is searched, and only then is
# there a certificate.
"""The procedure of an erase."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fieldstore.certificate import Certificate, signed
from fieldstore.errors import ErasePending, LeftoversFound
from fieldstore.ledger import Tree
from fieldstore.storage.folder import Folder
from fieldstore.storage.leftovers import Search

_SHORTEST = 16  # bytes: less is found by chance
_PIECE, _STRIDE = 32, 64
_VECTOR_PIECE, _VECTOR_PIECES = 64, 4


def finish(folder: Folder, dim: int, key: bytes | None, timeout: float, remembered: set[bytes]) -> Certificate:
    """Finish every erase that has begun, of which there is at least one; inside the writer's lock.

    remembered: needles of an earlier try in this process, added to and emptied here. Where content was deleted before a
    crash, nothing is left to search for; the database is then rebuilt from what it still holds, and the certificate
    says so.
    Raises ErasePending when a reader of the database keeps old pages alive, LeftoversFound when a search still finds
    bytes.
    """
    database = folder.database
    begun = database.erasing()
    points = [point for point, _ in begun]
    found, skipped = _needles(folder, points, dim)
    interrupted = not remembered and any(database.content(point) is None for point in points)
    remembered.update(found)
    needles = sorted(remembered)
    folder.vectors(dim).zero(points)
    with database.transaction():
        database.delete_content(points)
    if interrupted:
        database.vacuum()
    checkpoint = _truncated(folder, timeout)
    search, carriers, left = _look(folder, points, needles, dim)
    if left:
        raise LeftoversFound(
            f"bytes of erased records stand in {', '.join(sorted(left))}; no certificate was issued. They are out "
            "of every answer; call finish_erase() to try again"
        )
    leaves = [leaf for _, leaf in database.entries()]
    tree = Tree(leaves)
    body: dict[str, Any] = {
        "store": database.facts()["uuid"],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "tree": {"size": tree.size, "root": tree.root().hex()},
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
            "database": f"rows deleted, SQLite {database.sqlite_version()}"
            + (", rebuilt after an interruption" if interrupted else ""),
            "secure_delete": database.secure_delete(),
            "checkpoint": None if folder.path is None else list(checkpoint),
        },
        "scan": {
            "files": search.files,
            "bytes": search.bytes,
            "needles": len(needles),
            "too_short_to_search": skipped,
            "leftovers": 0,
            "also_in_other_records": carriers,
        },
    }
    certificate = signed(body, key)
    with database.transaction():
        database.end_erase(points, certificate.to_json())
    remembered.clear()
    folder.database.checkpoint()
    return certificate


def check_words(folder: Folder, points: Sequence[int], dim: int, words: Sequence[str | None]) -> None:
    """ValueError when the words to be kept with an erase quote what it erases."""
    needles, _ = _needles(folder, points, dim)
    for word in words:
        if word is not None and any(needle in word.encode() for needle in needles):
            raise ValueError("actor or reason quotes what is to be erased, and would outlive it; nothing was erased")


def _truncated(folder: Folder, timeout: float) -> tuple[int, int, int]:
    """Empty the database's log, waiting for readers as long as the time-out."""
    deadline = time.monotonic() + timeout
    result = folder.database.checkpoint()
    while result[0] and time.monotonic() < deadline:  # SQLite's own busy handler does the waiting
        result = folder.database.checkpoint()
    if folder.path is not None and result != (0, 0, 0):
        raise ErasePending(
            "the records are out of every answer and their content is deleted, but a reader of the database keeps old "
            "pages on disk; no certificate was issued. Close it and call finish_erase(), or open the store again"
        )
    return result


def _needles(folder: Folder, points: Sequence[int], dim: int) -> tuple[list[bytes], int]:
    """Byte runs that only these points' content explains, and how many values were too short to be looked for."""
    rows = folder.vectors(dim).rows(folder.database.points())
    needles: set[bytes] = set()
    skipped = 0
    for point in points:
        row = np.ascontiguousarray(rows[point], "<f4").tobytes()
        step = max(_VECTOR_PIECE, len(row) // _VECTOR_PIECES // 4 * 4)
        needles.update(_telling(row[i : i + _VECTOR_PIECE]) for i in range(0, len(row), step))
        content = folder.database.content(point)
        if content is None:  # deleted before an interruption
            continue
        needles.add(content.salt)
        for value in (content.id, content.text or "", content.metadata):
            data = value.encode()
            skipped += 0 < len(data) < _SHORTEST
            needles.update(_telling(data[i : i + _PIECE]) for i in range(0, len(data), _STRIDE))
    return sorted(needle for needle in needles if len(needle) >= _SHORTEST), skipped


def _telling(piece: bytes) -> bytes:
    """The piece without zeros at its ends; nothing if it is too plain to tell anything."""
    piece = piece.strip(b"\0")
    return piece if len(set(piece)) >= 4 else b""


def _look(folder: Folder, points: Sequence[int], needles: list[bytes], dim: int) -> tuple[Search, int, set[str]]:
    """Search, and once more after a VACUUM if something was found: what was searched, carriers, files with leftovers.

    A hit that a kept record explains, by its row of the vectors or its content in the database, counts as a carrier.
    """
    search = folder.search(needles)
    carriers, left = _attributed(folder, points, needles, search, dim)
    if left:
        folder.database.vacuum()
        folder.database.checkpoint()
        search = folder.search(needles)
        carriers, left = _attributed(folder, points, needles, search, dim)
    return search, len(carriers), left


def _attributed(
    folder: Folder, points: Sequence[int], needles: list[bytes], search: Search, dim: int
) -> tuple[set[int], set[str]]:
    if not search.complete:
        return set(), {"more places than can be told apart"}
    erased, count = set(points), folder.database.points()
    owners: dict[int, list[int]] = {}
    carriers: set[int] = set()
    left: set[str] = set()
    for number, file, offset in search.found:
        row = folder.row_at(file, offset, dim)
        if row is not None:
            explained = [row] if row < count and row not in erased else []
        else:
            if number not in owners:
                owners[number] = folder.database.owners(needles[number])
            explained = owners[number]
        carriers.update(explained)
        if not explained:
            left.add(file)
    return carriers, left
