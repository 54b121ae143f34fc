# The tables of a store: entries, records, and what is derived from the entries.
#
#   facts         what the store is: dim, uuid, embedder, …; size, time and frontier of the ledger
#   entries       the ledger: one encoded leaf a row, never changed, never deleted; point is derived from it
#   notes         who and why, erasable
#   records       content by point: id, text, metadata, salt; one row per version, deleted by an erase
#   sums          derived from entries: where each point stands
#   erasing       points whose erase has begun and is not certified yet
#   certificates  of the erases so far; content-free
#   filter_…      of declared keys; see filter_values.py
#   kept_out      fingerprints of what is kept out; see keep_out.py
#   text_index    of the live records' texts; see text_index.py
#   repellers     places that records are hidden around; see repellers.py
#
# Rule: values are always bound, never spelled into SQL.
"""The store's database."""

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.errors import StoreDamaged
from fieldstore.ledger import LATEST, NO_ELEMENT, Draft, Kind, Leaf, Sum, commitment
from fieldstore.records import MILLIONTHS
from fieldstore.storage.belief import SEALED, check_facts, check_schema, check_seal, check_size, seal
from fieldstore.storage.connection import Connection
from fieldstore.storage.files import Files
from fieldstore.storage.filter_values import SCHEMA as FILTER_SCHEMA
from fieldstore.storage.filter_values import FilterValues
from fieldstore.storage.foreign import APPLICATION, FORMAT
from fieldstore.storage.keep_out import SCHEMA as KEEP_OUT_SCHEMA
from fieldstore.storage.keep_out import KeepOut
from fieldstore.storage.repellers import FACT as REPELLED
from fieldstore.storage.repellers import SCHEMA as REPELLER_SCHEMA
from fieldstore.storage.repellers import PlacedRepellers
from fieldstore.storage.text_index import SCHEMA as TEXT_SCHEMA
from fieldstore.storage.text_index import Asking, TextIndex

_SINGLY = 32  # points that a statement names one by one, which is a third quicker than a list of any length
_SCHEMA = """
CREATE TABLE facts(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries(seq INTEGER PRIMARY KEY, point INTEGER, leaf BLOB NOT NULL);
CREATE TABLE notes(seq INTEGER PRIMARY KEY, salt BLOB NOT NULL, actor TEXT, reason TEXT);
CREATE TABLE records(point INTEGER PRIMARY KEY, id TEXT NOT NULL, text TEXT, metadata TEXT NOT NULL, salt BLOB NOT
NULL); CREATE INDEX records_by_id ON records(id, point);
CREATE TABLE sums(point INTEGER PRIMARY KEY, element BLOB NOT NULL, weight INTEGER NOT NULL, seq INTEGER NOT NULL,
                  kind INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE INDEX sums_by_seq ON sums(seq);
CREATE TABLE erasing(point INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE certificates(number INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
_VERSION = f"""
SELECT r.id, s.element, s.point, s.weight, s.seq, s.kind, s.last
FROM records r JOIN sums s ON s.point = r.point AND s.kind != {int(Kind.ERASE)}
"""  # records whose erase is not finished are gone for everybody but the erase
_LATEST = f"""
SELECT r.id, s.element, s.point, s.weight, s.seq, s.kind, s.last
FROM json_each(?) j CROSS JOIN records r ON r.point = (
    SELECT n.point FROM records n JOIN sums m ON m.point = n.point AND m.kind != {int(Kind.ERASE)}
    WHERE n.id = j.value ORDER BY n.point DESC LIMIT 1
) CROSS JOIN sums s ON s.point = r.point
"""  # one statement for any number of ids; CROSS JOIN keeps SQLite to this order
_LIVE_POINTS = """
SELECT s.point FROM json_each(?) j CROSS JOIN records r ON r.id = j.value
CROSS JOIN sums s ON s.point = r.point AND s.weight > 0
"""
_IDS = """
SELECT r.id FROM json_each(?) j CROSS JOIN records r ON r.point = j.value CROSS JOIN sums s ON s.point = r.point
WHERE (? IS NULL OR r.id > ?) AND s.seq >= ? AND s.seq < ? ORDER BY r.id LIMIT ?
"""
_FORGOTTEN = """
FROM records r JOIN sums s ON s.point = r.point WHERE s.kind = ? AND NOT EXISTS
(SELECT 1 FROM records n WHERE n.id = r.id AND n.point > r.point)
"""
_SHOWN_OF_MANY = """
SELECT r.point, r.id, r.text, r.metadata FROM json_each(?) j CROSS JOIN records r ON r.point = j.value
"""  # one statement for any number of points


class Content(NamedTuple):
    """What a record holds besides its vector; metadata as the stored JSON text."""

    id: str
    text: str | None
    metadata: str
    salt: bytes

    def commitment(self, row: bytes) -> bytes:
        """What the ledger holds of this content and its vector's bytes."""
        text = None if self.text is None else self.text.encode()
        return commitment(self.salt, row, self.metadata.encode(), text, self.id.encode())


class Version(NamedTuple):
    """One version of a record: its id, the element that names its point in the ledger, and where that stands."""

    id: str
    element: bytes
    sum: Sum


class Database(Connection):
    """The tables of one store. path None = in memory. timeout: seconds to wait where SQLite is busy."""

    def __init__(self, files: Files, path: Path | None, timeout: float) -> None:
        """Opens or creates the file; `foreign.py` has looked at it before. Raises NotAStore where it cannot."""
        super().__init__(files, path, timeout)
        self.filter_values = FilterValues(self._rows)
        self.keep_out = KeepOut(self._rows)
        self.text_index = TextIndex(Asking(self._rows, self._one_by_one, self._tokenizer))
        self.repellers = PlacedRepellers(self._rows)

    def create(self, facts: dict[str, Any]) -> None:
        """Make the tables, unless they are there, and set the facts, in one transaction."""
        if self._one("PRAGMA application_id") == APPLICATION:
            return
        with self.transaction():
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA application_id={APPLICATION}; PRAGMA user_version={FORMAT}")
            self.set_facts({**facts, "size": 0, "frontier": b"", "time": 0, "kappa": None, "measured": 0})

    @property
    def created(self) -> bool:
        """Whether the tables are there."""
        return bool(self._one("PRAGMA application_id") == APPLICATION)

    def check(self) -> None:
        """StoreDamaged unless these are the tables of a store, and as much as it says it holds can be in the file."""
        self.begin_reading()  # all of it as of one moment: another process may be writing
        try:
            found = self._rows("SELECT type, name, tbl_name, sql FROM sqlite_schema")
            ours = _SCHEMA + FILTER_SCHEMA + TEXT_SCHEMA + KEEP_OUT_SCHEMA + REPELLER_SCHEMA
            check_schema(self._path, found, ours)
            room = self._one("PRAGMA page_count") * self._one("PRAGMA page_size")
            facts = self.facts()
            check_size(self._path, facts, self.points(), room)
            check_seal(self._path, facts)
        finally:
            self.end_reading()

    # -- facts ---------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """Everything the store is, by name."""
        facts = self._all_facts()
        check_facts(self._path, facts)
        return facts

    def _all_facts(self) -> dict[str, Any]:
        return dict(self._rows("SELECT key, value FROM facts"))

    def set_facts(self, facts: dict[str, Any]) -> None:
        """Inside a transaction: state or restate facts."""
        self._connection.executemany("INSERT OR REPLACE INTO facts VALUES(?, ?)", facts.items())
        if SEALED & facts.keys():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES('seal', ?)", (seal(self._all_facts()),))

    # -- writing, inside a transaction ---------------------------------------------------------------------------------

    def append(self, draft: Draft) -> None:
        """Append the draft's entries and bring everything derived from them up to date."""
        if not draft.leaves:
            return
        points = {element: known.point for element, known in draft.sums.items()}
        lines = zip(draft.leaves, draft.encoded, strict=True)
        entries = ((leaf.seq, points.get(leaf.element), data) for leaf, data in lines)
        self._insert("INSERT INTO entries VALUES", "(?, ?, ?)", entries)
        self._insert("INSERT INTO notes VALUES", "(?, ?, ?, ?)", draft.notes)
        sums = ((s.point, element, s.weight, s.seq, int(s.kind), s.last) for element, s in draft.sums.items())
        self._insert("INSERT OR REPLACE INTO sums VALUES", "(?, ?, ?, ?, ?, ?)", sums)
        repelled = [leaf.seq for leaf in draft.leaves if leaf.kind in (Kind.REPEL, Kind.UNREPEL)]
        self.set_facts(
            {"size": draft.frontier.size, "frontier": draft.frontier.to_bytes(), "time": draft.time}
            | {
                name: value
                for leaf in draft.leaves
                if leaf.kind is Kind.CALIBRATE
                for name, value in (("kappa", leaf.weight), ("measured", leaf.ref))
            }
            | ({REPELLED: max(repelled)} if repelled else {})
        )

    def put(self, contents: Iterable[tuple[int, Content]]) -> None:
        """Store content by point, in place of what was there."""
        rows = ((point, *content) for point, content in contents)
        self._insert("INSERT OR REPLACE INTO records VALUES", "(?, ?, ?, ?, ?)", rows)

    def begin_erase(self, entries: Iterable[tuple[int, int]]) -> None:
        """Note the intent to erase: (point, position of its erase entry)."""
        self._connection.executemany("INSERT OR REPLACE INTO erasing VALUES(?, ?)", entries)

    def delete_content(self, points: Sequence[int]) -> None:
        """Delete the points' records, and the words of every note about them but their erase's own."""
        for point in points:
            chain = [leaf.seq for leaf in self.chain(point) if leaf.kind is not Kind.ERASE]
            self.delete_notes(chain)
            self._connection.execute("DELETE FROM records WHERE point = ?", (point,))
        self.repellers.destroy(points)

    def delete_notes(self, seqs: Iterable[int]) -> None:
        """Delete the words of these entries."""
        self._connection.executemany("DELETE FROM notes WHERE seq = ?", ((seq,) for seq in seqs))

    def end_erase(self, points: Sequence[int], certificate: str) -> None:
        """The erase is certified: drop the intents, keep the certificate."""
        self._connection.executemany("DELETE FROM erasing WHERE point = ?", ((point,) for point in points))
        self._connection.execute("INSERT INTO certificates(body) VALUES(?)", (certificate,))

    # -- reading -------------------------------------------------------------------------------------------------------

    def entries(self, first: int = 0, limit: int = -1) -> Iterator[tuple[int | None, bytes]]:
        """The ledger from a position on: the point each entry is about, and its encoded leaf."""
        yield from self._rows("SELECT point, leaf FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit))

    def all_entries(self) -> Iterator[list[tuple[int | None, bytes]]]:
        """The whole ledger as `entries` gives it, some ten thousand at a time."""
        last = -(2**63)
        while rows := self._rows(
            "SELECT seq, point, leaf FROM entries WHERE seq > ? ORDER BY seq LIMIT 10000", (last,)
        ):
            yield [(point, leaf) for _, point, leaf in rows]
            last = rows[-1][0]

    def rows_to_check(self) -> int:
        """How many entries and points there are."""
        return int(self._one("SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM sums)"))

    def leaf(self, seq: int) -> Leaf:
        """One entry. Raises StoreDamaged when it is missing or unreadable."""
        data = self._one("SELECT leaf FROM entries WHERE seq = ?", seq)
        if data is None:
            raise StoreDamaged(f"entry {seq} is missing from the ledger")
        return self._decoded(seq, data)

    def leaves(self, first: int, limit: int) -> list[tuple[int | None, Leaf]]:
        """`entries`, decoded. Raises StoreDamaged for an unreadable one."""
        lines = enumerate(self.entries(first, limit), first)
        return [(point, self._decoded(seq, data)) for seq, (point, data) in lines]

    def _decoded(self, seq: int, data: bytes) -> Leaf:
        try:
            leaf = Leaf.decode(data)
        except (ValueError, TypeError) as error:
            raise StoreDamaged(f"the ledger holds an unreadable entry: {error}") from None
        if leaf.time > LATEST:
            raise StoreDamaged(f"the ledger holds an entry of a time behind the year 9999: {leaf.time}")
        if seq != leaf.seq:
            raise StoreDamaged(f"the ledger holds entry {leaf.seq} in place of entry {seq}")
        return leaf

    def chain(self, point: int) -> list[Leaf]:
        """Every entry about a point, newest first, by following the references."""
        seq = self._one("SELECT seq FROM sums WHERE point = ?", point)
        found = [self.leaf(seq)]
        while found[-1].ref < found[-1].seq:
            found.append(self.leaf(found[-1].ref))
        return found

    def note(self, seq: int) -> tuple[str | None, str | None]:
        """Actor and reason of an entry, None where not given or erased."""
        rows = self._rows("SELECT actor, reason FROM notes WHERE seq = ?", (seq,))
        return rows[0] if rows else (None, None)

    def notes(self) -> Iterator[tuple[int, bytes, str | None, str | None]]:
        """Every note: position, salt, actor, reason."""
        yield from self._rows("SELECT seq, salt, actor, reason FROM notes ORDER BY seq")

    def points(self) -> int:
        """How many points there have ever been."""
        return int(self._one("SELECT coalesce(max(point) + 1, 0) FROM sums"))

    def sums_since(self, seq: int) -> NDArray[np.int64]:
        """(m, 2) point and net weight, in millionths, of every point with an entry at or after a position.

        Raises ValueError, TypeError or OverflowError where one of them is no whole number.
        """
        if seq == 0:
            ((count, first, last),) = self._rows("SELECT count(*), min(point), max(point) FROM sums")
            if count and (first, last) == (0, count - 1):  # nearly all weigh 1, and fetching a row takes longest
                sums = np.stack([np.arange(count), np.full(count, MILLIONTHS)], axis=1)
                others = _pairs(self._rows("SELECT point, weight FROM sums WHERE weight IS NOT ?", (MILLIONTHS,)))
                sums[others[:, 0], 1] = others[:, 1]
                return sums
        return _pairs(self._rows("SELECT point, weight FROM sums WHERE seq >= ?", (seq,)))

    def erased(self) -> list[int]:
        """Every point whose content was destroyed, or is about to be."""
        rows = self._rows("SELECT point, weight FROM sums WHERE kind = ?", (int(Kind.ERASE),))
        if weighing := [point for point, weight in rows if weight]:
            raise StoreDamaged(f"point {weighing[0]} is said to be erased, and weighs something; verify() tells more")
        return [point for point, _ in rows]

    def all_sums(self) -> Iterator[list[tuple[bytes, int, int, int, int, int]]]:
        """Where every point stands, in point order, some ten thousand at a time: element, then the fields of a Sum."""
        last = -(2**63)
        sql = "SELECT element, point, weight, seq, kind, last FROM sums WHERE point > ? ORDER BY point LIMIT 10000"
        while rows := self._rows(sql, (last,)):
            yield rows
            last = rows[-1][1]

    def latest(self, ids: Sequence[str]) -> dict[str, Version]:
        """The newest versions of those records that are there, live or forgotten."""
        rows = self._rows(_LATEST, (json.dumps(ids),)) if ids else []
        return {row[0]: _version(row) for row in rows}

    def live_points(self, ids: Sequence[str]) -> list[int]:
        """Points of those of the records that are live, in no order; all by one statement."""
        return [point for (point,) in self._rows(_LIVE_POINTS, (json.dumps(ids),))]

    def versions(self, id: str) -> list[Version]:
        """Every version of a record, oldest first."""
        return [_version(row) for row in self._rows(_VERSION + "WHERE r.id = ? ORDER BY r.point", (id,))]

    def named(self, elements: Sequence[str]) -> list[Version]:
        """The versions of these elements, in hex, that are there and were not erased."""
        sql = f"{_VERSION} WHERE lower(hex(s.element)) IN (SELECT value FROM json_each(?)) ORDER BY s.point"
        return [_version(row) for row in self._rows(sql, (json.dumps(elements),))]

    def erasures(self) -> list[str]:
        """The element, in hex, of every point that was erased, in point order."""
        rows = self._rows("SELECT lower(hex(element)) FROM sums WHERE kind = ? ORDER BY point", (int(Kind.ERASE),))
        return [element for (element,) in rows]

    def position_before(self, moment: int | float | None) -> int:
        """The position behind the last entry before a position, an int, or a time, a float; None = the ledger's end."""
        if moment is None:
            return int(self.facts()["size"])
        return moment if isinstance(moment, int) else self.entries_before(math.ceil(moment))

    def position_after(self, moment: int | float | None) -> int:
        """The position of the first entry after a position, an int, or a time, a float; None = the first of all."""
        if moment is None:
            return 0
        return moment + 1 if isinstance(moment, int) else self.entries_before(math.floor(moment) + 1)

    def entries_before(self, time: int) -> int:
        """How many entries are older than a time, in seconds since 1970; they never go back in time."""
        size = int(self.facts()["size"])
        return bisect_left(range(size), time, key=lambda seq: self.leaf(seq).time)

    def forgotten(self) -> list[tuple[Version, str]]:
        """The newest version, with its metadata, of every record that is not live."""
        rows = self._rows(
            "SELECT r.id, s.element, s.point, s.weight, s.seq, s.kind, s.last, r.metadata "
            f"{_FORGOTTEN} ORDER BY r.point",
            (int(Kind.FORGET),),
        )
        return [(_version(row[:7]), row[7]) for row in rows]

    def points_forgotten(self) -> list[int]:
        """Every version of every record that is forgotten, but for those that were added after that."""
        rows = self._rows(
            "SELECT DISTINCT r.point FROM sums s JOIN records q ON q.point = s.point JOIN records r ON r.id = q.id "
            "WHERE s.kind = ? AND r.point <= q.point",
            (int(Kind.FORGET),),
        )
        return [point for (point,) in rows]

    def ids_of(
        self, points: Sequence[int], after: str | None, between: tuple[int, int], limit: int | None
    ) -> list[str]:
        """Ids of points whose newest entry lies in [first, end): sorted, those behind `after`, at most limit."""
        values = (json.dumps(points), after, after, *between, -1 if limit is None else limit)
        return [id for (id,) in self._rows(_IDS, values)]

    def count_forgotten(self) -> int:
        """How many records are forgotten and not erased."""
        return int(self._one(f"SELECT count(*) {_FORGOTTEN}", int(Kind.FORGET)))

    def at(self, points: Sequence[int]) -> list[Version]:
        """The versions that points are, in their order; StoreDamaged when one has no record."""
        found = [_version(row) for row in self._each(_VERSION + "WHERE r.point = ?", points)]
        if len(found) < len(points):
            missing = min(set(points) - {version.sum.point for version in found})
            raise StoreDamaged(f"point {missing} has no record")
        return found

    def contents(self, points: Sequence[int]) -> dict[int, Content]:
        """What points hold; those that were erased are left out."""
        rows = self._each("SELECT point, id, text, metadata, salt FROM records WHERE point = ?", points)
        return {row[0]: _content(*row) for row in rows}

    def contents_between(self, first: int, last: int) -> dict[int, Content]:
        """What the points from first to last hold; those that were erased are left out."""
        sql = "SELECT point, id, text, metadata, salt FROM records WHERE point BETWEEN ? AND ?"
        return {row[0]: Content(*row[1:]) for row in self._rows(sql, (first, last))}

    def shown(self, points: Sequence[int]) -> dict[int, tuple[int, str, str | None, str]]:
        """(point, id, text, metadata) of points, by point; those that were erased are left out."""
        if 0 < len(points) <= _SINGLY:
            rows = self._rows(_shown_singly(len(points)), points)
        else:
            in_order = sorted(set(points))  # as they lie on disk
            rows = self._rows(_SHOWN_OF_MANY, (str(in_order),))  # a list of numbers is JSON
        return {row[0]: row for row in rows}

    def content(self, point: int) -> Content | None:
        """What a point holds; None when it was erased."""
        return self.contents([point]).get(point)

    def metadata_since(self, seq: int) -> Iterator[list[tuple[int, str]]]:
        """(point, metadata) of every live point with an entry at or after a position, some thousand at a time."""
        rows = self._rows(
            "SELECT s.point, r.metadata FROM sums s JOIN records r ON r.point = s.point "
            "WHERE s.seq >= ? AND s.weight > 0",
            (seq,),
        )
        yield from (rows[first : first + 1000] for first in range(0, len(rows), 1000))

    def strays(self, points: int) -> list[int]:
        """Records stored for points beyond the ledger's."""
        rows = self._rows("SELECT point FROM records WHERE point >= ?", (points,))
        return [point for (point,) in rows]

    def kept(self) -> Iterator[tuple[str, int, bytes]]:
        """Every run of bytes that the database means to hold.

        ("record", point, …), ("note", seq, …), ("repeller", seq, …), ("own", 0, …).
        """
        for point, *values in self._connection.execute("SELECT point, id, text, metadata, salt FROM records"):
            for value in values:
                yield "record", point, _bytes(value)
        for seq, *values in self._connection.execute("SELECT seq, actor, reason, salt FROM notes"):
            for value in values:
                yield "note", seq, _bytes(value)
        for seq, value in self.repellers.kept():
            yield "repeller", seq, value
        for (value,) in self._connection.execute(
            "SELECT body FROM certificates UNION ALL SELECT value FROM facts UNION ALL SELECT sql FROM sqlite_schema"
        ):
            yield "own", 0, _bytes(value)
        yield from (("own", 0, part) for row in self.keep_out.all() for part in (row.print, row.salt))
        yield from (("own", 0, word.encode()) for word in self.text_index.held())

    def erasing(self) -> list[tuple[int, int]]:
        """Erases begun and not certified: (point, position of the erase entry)."""
        return self._rows(
            "SELECT e.point, e.seq FROM erasing e JOIN sums s ON s.point = e.point AND s.kind = ? ORDER BY e.point",
            (int(Kind.ERASE),),
        )

    def erasing_ids(self) -> set[str]:
        """Ids of records whose erase has begun and whose content is not deleted yet."""
        sql = "SELECT r.id FROM records r JOIN sums s ON s.point = r.point AND s.kind = ?"
        return {id for (id,) in self._rows(sql, (int(Kind.ERASE),))}

    def certificates(self) -> list[str]:
        """The certificates of all erases, oldest first."""
        return [body for (body,) in self._rows("SELECT body FROM certificates ORDER BY number")]

    def element(self, point: int) -> bytes:
        """The name of a point in the ledger."""
        element: bytes = self._one("SELECT element FROM sums WHERE point = ?", point)
        return element


@cache
def _shown_singly(count: int) -> str:
    """`_SHOWN_OF_MANY` for so many; with IN (…), a quarter slower, SQLite would first make a table of the points."""
    points = ",".join(["(?)"] * count)
    return f"SELECT r.point, r.id, r.text, r.metadata FROM (VALUES {points}) j CROSS JOIN records r ON point = column1"


def _pairs(rows: list[tuple[Any, Any]]) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(-1, 2)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b"" if value is None else str(value).encode()


def _content(point: int, id: object, text: object, metadata: object, salt: object) -> Content:
    if isinstance(id, str) and isinstance(text, str | None) and isinstance(metadata, str) and isinstance(salt, bytes):
        return Content(id, text, metadata, salt)
    raise StoreDamaged(f"the record of point {point} holds what no record can; bring the store back from a backup")


def _version(row: Sequence[Any]) -> Version:
    id, element, point, weight, seq, kind, last = row
    if not isinstance(element, bytes) or len(element) != len(NO_ELEMENT) or not all(type(n) is int for n in row[3:]):
        raise StoreDamaged(f"what is kept of point {point} cannot be; verify() tells more")
    try:
        return Version(id, element, Sum(point, weight, seq, Kind(kind), last))
    except ValueError as error:
        raise StoreDamaged(f"point {point} stands where no point can ({error})") from None
