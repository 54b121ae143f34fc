# A store's directory, opened only to be read: on media that cannot be written, by people who must not write.
#
# Rule: nothing in the directory is created or changed, not even SQLite's shared index. While there is no log beside the
# database, it is read as a file that nobody changes; before each reading we look whether that still holds.
# Rule: once somebody writes, we read as everybody does, beside the log that the writer made.
"""Opening a store without a trace."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from fieldstore.errors import NotAStore, ReadOnlyStore, UnsupportedFormat, WriterBusy
from fieldstore.storage.database import Database
from fieldstore.storage.files import Files
from fieldstore.storage.folder import DATABASE, INDEX, VECTORS, Folder, check_folder
from fieldstore.storage.foreign import FORMAT, refuse_foreign
from fieldstore.storage.index_file import IndexFile
from fieldstore.storage.vectors import VectorFile, VectorMemory, Vectors


class ReadOnlyFolder(Folder):
    """A store at a path, to be read. timeout: as for `Folder`. Raises NotAStore where there is none."""

    read_only = True

    def __init__(self, path: Path, files: Files, timeout: float) -> None:
        self.path: Path = path
        self._files = _ReadOnlyFiles(files.vfs)
        self._lock = None
        self._vectors: Vectors | None = None
        self.index = IndexFile(self._files, path / INDEX)
        check_folder(path)
        if not (path / DATABASE).exists():
            raise NotAStore(f"there is no store '{path}'; nothing was created")
        self.database = _ReadOnlyDatabase(self._files, path / DATABASE, timeout)
        try:
            if not self.database.created:
                raise NotAStore(f"there is no store '{path}'; nothing was created")
            self.database.check()
        except BaseException:
            self.database.close()
            raise

    @contextmanager
    def writing(self, timeout: float | None = None) -> Iterator[None]:
        """Refused."""
        raise ReadOnlyStore(f"the store '{self.path}' is open to be read only; nothing was changed")
        yield

    def vectors(self, dim: int) -> Vectors:
        """The vectors; of a store that never had one there need be no file."""
        if self._vectors is None or self._vectors.dim != dim:
            there = (self.path / VECTORS).exists() or self.database.points() > 0
            self._vectors = VectorFile(self._files, self.path / VECTORS, dim) if there else VectorMemory(dim)
        return self._vectors


class _ReadOnlyFiles(Files):
    """The disk, to look at."""

    def __init__(self, vfs: str | None) -> None:
        self.vfs = vfs

    def open(self, path: Path) -> int:
        """Open for reading; symbolic links are refused."""
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise NotAStore(f"'{path}' cannot be read ({error}); nothing was changed") from error

    def write(self, file: int, data: memoryview, offset: int) -> None:
        """Refused."""
        raise ReadOnlyStore("a file of a store that is open to be read only was to be written; nothing was changed")


class _ReadOnlyDatabase(Database):
    def __init__(self, files: Files, path: Path, timeout: float) -> None:
        self._opened = 0
        super().__init__(files, path, timeout)

    def _connected(self, files: Files, path: Path | None) -> apsw.Connection:
        assert path is not None
        self._files, self._place, self._opened = files, path, self._opened + 1
        self._seen = _looks(path)
        if self._seen is not None:  # nobody writes
            refuse_foreign(files, path)
            name, flags = f"{path.absolute().as_uri()}?immutable=1", apsw.SQLITE_OPEN_URI
        elif not path.with_name(f"{path.name}-shm").exists():
            raise NotAStore(
                f"'{path}' was copied or left with a log that only writing can fold in; nothing was changed. Open the "
                "store once without read_only=True"
            )
        else:
            name, flags = str(path), 0
        return apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | flags, vfs=files.vfs)

    def _configure(self) -> None:
        self._connection.execute("PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0")
        if (version := self._one("PRAGMA user_version")) > FORMAT:
            raise UnsupportedFormat(
                f"'{self._place}' has the format {version}, this fieldstore reads up to {FORMAT}; it was left as it is"
            )

    def begin_reading(self) -> bool:
        """As every database; where somebody began to write since the last time, beside his log from now on."""
        if self._seen is not None and self._seen != _looks(self._place) and not self._connection.in_transaction:
            self._connection.close()
            self._use(self._connected(self._files, self._place))
            self._configure()
        return super().begin_reading()

    def end_reading(self) -> None:
        """Let go of that state. Raises WriterBusy when somebody began to write just then: it may be no state at all."""
        super().end_reading()
        if self._seen is not None and self._seen != _looks(self._place):
            raise WriterBusy(f"somebody began to write to '{self._place}' while it was read; ask again")

    def changes(self) -> int:
        """A number that differs whenever a connection has written since, or we had to open another one."""
        return (self._opened << 32) + super().changes()


def _looks(path: Path) -> tuple[int, ...] | None:
    """What a file looks like that nobody writes to; None where there is a log with something in it."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return None
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
