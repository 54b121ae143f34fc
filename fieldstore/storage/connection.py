# One connection to SQLite: its settings, what a transaction is, how the log is folded in, what SQLite's errors mean.
#
# Rule: secure_delete is on and read back on every connection, so that deleted content is overwritten.
# Rule: never ANALYZE, VACUUM INTO or PRAGMA optimize: they copy content.
"""The connection that the store's tables are reached by."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import apsw

from fieldstore.errors import FieldStoreError, ForkedStore, NotAStore, StoreClosed, StoreDamaged, WriteFailed
from fieldstore.storage.files import Files

_log = logging.getLogger("fieldstore")
_UNREADABLE = (  # what SQLite and apsw raise where a file does not hold what it must
    apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.MismatchError, apsw.TooBigError, apsw.FormatError,
    apsw.ConstraintError, apsw.NoMemError, UnicodeDecodeError,
)  # fmt: skip
_OLDEST_SQLITE = 3_051_003  # before it, a checkpoint racing a write could lose a page (WAL-reset bug)
_REFUSED = apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError  # what a failing disk ends as
_CACHE = 16384  # KiB of pages: the upper levels of every tree of a million records, and all that one batch changes
_TOGETHER = 50  # rows inserted by one statement

if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SQLITE:  # apsw brings its own SQLite, so this fails only on odd builds
    raise ImportError(f"fieldstore needs SQLite 3.51.3 or newer, apsw here carries {apsw.sqlite_lib_version()}")


class Connection:
    """One connection. path None = in memory. timeout: seconds to wait where SQLite is busy."""

    def __init__(self, files: Files, path: Path | None, timeout: float) -> None:
        """Opens or creates the file. Raises NotAStore where it cannot."""
        self._path = path
        _refuse_inherited(path)
        try:
            self._use(self._connected(files, path))
        except apsw.CantOpenError as error:
            raise NotAStore(f"'{path}' cannot be opened ({error})") from None
        try:
            self._connection.set_busy_timeout(int(min(timeout * 1000, 2**31 - 1)))
            self._configure()
        except BaseException:
            self._connection.close()
            raise
        if path is not None:
            _opened[self] = os.getpid(), _identity(path)

    def _connected(self, files: Files, path: Path | None) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        vfs = None if path is None else files.vfs
        return apsw.Connection(":memory:" if path is None else str(path), flags=flags, vfs=vfs)

    def _use(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()  # for what is read to its end at once: a new one would cost microseconds

    def _configure(self) -> None:
        """The settings that durability and erasing rest on; each is read back."""
        mode = self._one("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0")
        self._connection.execute(f"PRAGMA cache_size=-{_CACHE}")
        if self._one("PRAGMA secure_delete=ON") != 1 or mode not in ("wal", "memory"):
            raise NotAStore(f"'{self._path}': SQLite refused secure_delete or write-ahead logging ({mode})")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Raises WriteFailed when the disk refused, StoreClosed when the outcome is unknown."""
        committing = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            committing = True
            self._connection.execute("COMMIT")
        except BaseException as error:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            except apsw.Error:
                committing = True
            if isinstance(error, _UNREADABLE):
                raise self._said(error) from error
            if not isinstance(error, (*_REFUSED, apsw.BusyError, WriteFailed)):
                raise
            if committing and not isinstance(error, apsw.BusyError):
                raise StoreClosed(f"the write may or may not have happened ({error}); open the store again") from error
            raise WriteFailed(f"the write failed ({error}); nothing was changed") from error

    def begin_reading(self) -> bool:
        """From now on everything read belongs to one state of the database; whether this is to be ended by us."""
        if self._connection.in_transaction:
            return False
        self._cursor.execute("BEGIN")
        return True

    def end_reading(self) -> None:
        """Let go of that state."""
        if self._connection.in_transaction:
            with suppress(apsw.Error):  # of a damaged file: whoever read it has said so
                self._cursor.execute("ROLLBACK")

    def changes(self) -> int:
        """A number that differs whenever another connection has written since."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def fold_in(self) -> bool:
        """Move the log into the database; whether all of it went, and so nobody reads an older state any longer.

        Raises WriteFailed when the disk refused.
        """
        return not self._checkpointed("FULL")[0]

    def checkpoint(self) -> tuple[int, int, int]:
        """Move the log into the database and truncate it: (0, 0, 0) when nothing of it is left.

        Raises WriteFailed when the disk refused; what was committed is safe in the log then.
        """
        return self._checkpointed("TRUNCATE")

    def _checkpointed(self, how: str) -> tuple[int, int, int]:
        try:
            busy, pages, moved = self._rows(f"PRAGMA wal_checkpoint({how})")[0]
        except (apsw.BusyError, apsw.LockedError):
            return 1, -1, -1
        return int(busy), int(pages), int(moved)

    def vacuum(self) -> None:
        """Rebuild the database file; what remained in half-empty pages goes."""
        self._rows("VACUUM")

    def damage(self) -> list[str]:
        """What SQLite itself finds wrong."""
        found = [str(line) for (line,) in self._rows("PRAGMA integrity_check") if line != "ok"]
        if self.secure_delete() != 1:
            found.append("secure_delete is off")
        return found

    def secure_delete(self) -> int:
        """1 when what is deleted is overwritten, as SQLite itself says."""
        return int(self._one("PRAGMA secure_delete"))

    def sqlite_version(self) -> str:
        """The SQLite that does the work."""
        return apsw.sqlite_lib_version()

    def close(self) -> None:
        """Close the connection. SQLite folds its log in; where the disk refuses, the log stays and nothing is lost."""
        _opened.pop(self, None)
        try:
            self._connection.close()
        except apsw.Error as error:
            _log.warning(
                "the log of '%s' could not be folded in on closing; the next open does it: %s", self._path, error
            )

    def _rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        try:
            return self._cursor.execute(sql, values).fetchall()
        except (*_UNREADABLE, *_REFUSED) as error:
            raise self._said(error) from error

    def _one(self, sql: str, *values: Any) -> Any:
        rows = self._rows(sql, values)
        return rows[0][0] if rows else None

    def _one_by_one(self, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        """The rows of a statement of which not all may be wanted."""
        try:
            with closing(self._connection.cursor()) as cursor:
                yield from cursor.execute(sql, values)
        except (*_UNREADABLE, *_REFUSED) as error:
            raise self._said(error) from error

    def _each(self, sql: str, points: Sequence[int]) -> list[Any]:
        """The rows of one statement for each of the points in turn; it is prepared once."""
        try:
            return self._connection.executemany(sql, [(point,) for point in points]).fetchall()
        except (*_UNREADABLE, *_REFUSED) as error:
            raise self._said(error) from error

    def _insert(self, verb: str, places: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, many by one statement: after each, another thread takes the interpreter, and is waited for."""
        given = list(rows)
        whole = len(given) - len(given) % _TOGETHER
        together = (list(chain.from_iterable(given[i : i + _TOGETHER])) for i in range(0, whole, _TOGETHER))
        self._connection.executemany(verb + ",".join([places] * _TOGETHER), together)
        self._connection.executemany(verb + places, given[whole:])

    def _tokenizer(self, name: str, options: list[str]) -> apsw.FTS5Tokenizer:
        return self._connection.fts5_tokenizer(name, options)

    def _said(self, error: BaseException) -> FieldStoreError:
        """SQLite's trouble with the file, in our words."""
        if isinstance(error, _REFUSED):
            return WriteFailed(f"the disk refused '{self._path}' ({error}); nothing was changed")
        why = "or memory is short " if isinstance(error, apsw.NoMemError) else ""
        return StoreDamaged(f"'{self._path}' is damaged {why}({error}); bring it back from a backup")


_opened: WeakKeyDictionary[Connection, tuple[int, tuple[int, int]]] = WeakKeyDictionary()  # by whom, and which file


def _identity(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_dev, known.st_ino


def _refuse_inherited(path: Path | None) -> None:
    """ForkedStore where a parent had this file open when it forked: SQLite would take the parent's locks for ours.

    Then two processes write at once, and what one of them has committed is lost.
    """
    for pid, file in _opened.copy().values():
        if path is not None and pid != os.getpid() and path.exists() and file == _identity(path):
            raise ForkedStore(
                f"'{path}' was open in process {pid} when it was forked into this one, which can not open it again; "
                "nothing was done. Close it before a fork, or start processes by spawn"
            )
