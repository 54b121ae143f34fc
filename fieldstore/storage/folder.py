# Everything one store keeps, opened together: database, vectors and lock in a directory, or the same in memory.
#
# Rule: nothing is created or changed in a directory before it has proved to be a store, or empty.
"""A store's directory."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from fieldstore.errors import NotAStore, StoreClosed
from fieldstore.storage.database import Database
from fieldstore.storage.files import Files
from fieldstore.storage.foreign import refuse_foreign, refuse_journal_of_many
from fieldstore.storage.index_file import IndexFile
from fieldstore.storage.leftovers import Search, files_below, search_folder
from fieldstore.storage.lock import WriterLock, refuse_network_folder
from fieldstore.storage.vectors import VectorFile, VectorMemory, Vectors

DATABASE, VECTORS, INDEX, _LOCK = "store.db", "vectors.f32", "index", "lock"
_OWN = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", VECTORS, INDEX, _LOCK}


class Folder:
    """path None = in memory. timeout: seconds to wait for another writer. facts: what a new store is; None = make none.

    Raises NotAStore for a path that holds something else; it is left as it was.
    """

    read_only = False

    def __init__(self, path: Path | None, files: Files, timeout: float, facts: dict[str, Any] | None) -> None:
        self.path = path
        self.index = None if path is None else IndexFile(files, path / INDEX)
        self._files = files
        self._lock: WriterLock | None = None
        self._vectors: Vectors | None = None
        if path is not None:
            check_folder(path)
            if facts is None and not (path / DATABASE).exists():
                raise NotAStore(f"there is no store '{path}'; nothing was created")
            if not path.exists():
                files.make_folder(path)
            self._lock = WriterLock(files, path / _LOCK, timeout)
        database = None if path is None else path / DATABASE
        try:
            if database is not None and database.exists():
                self._refuse_foreign(database)
            with nullcontext() if database is not None and database.exists() else self.writing():
                if database is not None and not database.exists():
                    files.close(files.open(database))  # with the mode of all our files; SQLite would ask the umask
                    files.sync_folder(database.parent)  # so that no loss of power leaves a journal of nothing
                self.database = Database(files, database, timeout)
            if not self.database.created:  # new, or its creation was interrupted
                if facts is None:
                    raise NotAStore(f"there is no store '{path}'; nothing was created")
                with self.writing():
                    self.database.create(facts)
                    if path is not None:
                        files.sync_folder(path)
            self.database.check()
        except BaseException:
            if hasattr(self, "database"):
                self.database.close()
            if self._lock is not None:
                self._lock.close()
            raise

    def _refuse_foreign(self, database: Path) -> None:
        try:
            refuse_foreign(self._files, database)
        except NotAStore:
            if not (database.parent / _LOCK).exists():
                raise
            with self.writing():  # it may have been looked at while another process was making it
                refuse_foreign(self._files, database)

    @contextmanager
    def writing(self, timeout: float | None = None) -> Iterator[None]:
        """Be the only writer, across processes. timeout: seconds to wait for another one, if not as long as usual."""
        with nullcontext() if self._lock is None else self._lock.held(timeout):
            yield

    def acknowledge(self, entries: int) -> None:
        """Inside `writing`, behind a commit: note how many entries the ledger has by now."""
        if self._lock is not None:
            self._lock.note(entries)

    def acknowledged(self) -> int:
        """How many entries the ledger had at least, as far as is known outside of the database."""
        return 0 if self._lock is None else self._lock.noted()

    def vectors(self, dim: int) -> Vectors:
        """The vectors, opened when their dimension is known."""
        if self._vectors is not None and self._vectors.dim != dim:  # of a first add that never came to be
            self._vectors.close()
            self._vectors = None
        if self._vectors is None:
            if self.path is None:
                self._vectors = VectorMemory(dim)
            else:
                vectors = VectorFile(self._files, self.path / VECTORS, dim)
                try:
                    self._files.sync_folder(self.path)  # its name must be as durable as its rows
                except OSError as error:
                    vectors.close()
                    raise StoreClosed(f"'{self.path}' could not be synced ({error}); open the store again") from error
                self._vectors = vectors
        return self._vectors

    def search(self, needles: list[bytes]) -> Search:
        """Look for byte runs in every file."""
        return Search(0, 0, []) if self.path is None else search_folder(self.path, needles, everywhere=VECTORS)

    def strangers(self) -> list[str]:
        """Files in the directory, or below it, that are none of the store's."""
        return [] if self.path is None else [name for name, _ in files_below(self.path) if name not in _OWN]

    def row_at(self, file: str, offset: int, dim: int) -> int | None:
        """The point whose row lies at this offset of the vectors; None for another file."""
        return offset // (4 * dim) if file == VECTORS else None

    def close(self) -> None:
        """Close everything."""
        for part in (self.database, self._vectors, self._lock):
            if part is not None:
                part.close()


def check_folder(path: Path) -> None:
    """NotAStore for a path that is none and that none can be made of."""
    if path.is_symlink() and not path.exists():
        raise NotAStore(f"'{path}' is a symbolic link to nowhere; nothing was created")
    if path.exists() and not path.is_dir():
        raise NotAStore(f"'{path}' is a file, not the directory of a store; it was left as it is")
    here = path if path.exists() else path.parent
    refuse_network_folder(here if here.exists() else here.resolve())
    if not path.exists():
        return
    names = {entry.name for entry in path.iterdir()}
    strange = names - {_LOCK}  # an interrupted creation leaves the lock at most, before there is a database
    if DATABASE not in names and strange:
        example = min(strange)
        raise NotAStore(f"'{path}' is no store: it holds '{example}' and no {DATABASE}; it was left as it is")
    for name in sorted(name for name in names if name in _OWN or name.startswith(DATABASE)):
        file = path / name
        if file.is_symlink():
            raise NotAStore(f"'{path}': '{name}' is a symbolic link; a store's files must be its own")
        if not file.is_file():  # opening a pipe would wait for ever
            raise NotAStore(f"'{path}': '{name}' is no plain file; it was left as it is")
    refuse_journal_of_many(path / f"{DATABASE}-journal")
