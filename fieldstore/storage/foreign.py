# Whether a database file is ours to open, before anything opens it for writing.
#
# Rule: what is not ours, or newer than we are, is left as it is, to the byte.
"""Refusing databases of something else."""

import os
from pathlib import Path

import apsw

from fieldstore.errors import NotAStore, UnsupportedFormat
from fieldstore.storage.files import Files

APPLICATION = 0x464C4453  # "FLDS"
FORMAT = 1
_JOURNAL = bytes.fromhex("d9d505f920a163d7")  # how a rollback journal begins, and ends where it names a super-journal


def refuse_foreign(files: Files, path: Path) -> None:
    """NotAStore or UnsupportedFormat unless this file is empty, or a database of ours; it is left as it is.

    Empty is also what the undoing of its very first write will make of it.

    Looks without a trace: as an immutable file, or, where a log lies beside it, without a shared index or a checkpoint.
    """
    log = path.with_name(path.name + "-wal")
    logged = log.exists() and log.stat().st_size > 0
    name, flags = f"{path.absolute().as_uri()}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    if logged:
        name, flags = str(path), apsw.SQLITE_OPEN_READWRITE
    try:
        connection = apsw.Connection(name, flags=flags, vfs=files.vfs)
    except apsw.CantOpenError as error:
        raise NotAStore(f"'{path}' cannot be opened ({error}); it was left as it is") from None
    asked = "PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema"
    try:
        if logged:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            _look_alone(connection)
        application, version, tables = (int(str(connection.execute(sql).fetchall()[0][0])) for sql in asked)
    except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError, UnicodeDecodeError) as error:
        if _was_empty(files, path):
            return
        raise NotAStore(f"'{path}' is no fieldstore database ({error}); it was left as it is") from None
    finally:
        connection.close()
    if application == APPLICATION and version > FORMAT:
        raise UnsupportedFormat(
            f"'{path}' has the format {version}, this fieldstore reads up to {FORMAT}; it was left as it is. "
            "Install a newer fieldstore"
        )
    if application != APPLICATION and (application or tables):
        raise NotAStore(f"'{path}' is a database of something else; it was left as it is")


def _look_alone(connection: apsw.Connection) -> None:
    """Without a shared index, unless somebody has the database open, and so it is there already."""
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE; SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.BusyError:
        connection.execute("PRAGMA locking_mode=NORMAL")


def refuse_journal_of_many(path: Path) -> None:
    """NotAStore for a rollback journal that names another: SQLite would delete whatever file that name is of."""
    if not path.exists() or path.stat().st_size < len(_JOURNAL):
        return
    with path.open("rb") as file:
        file.seek(-len(_JOURNAL), os.SEEK_END)
        end = file.read()
    if end == _JOURNAL:
        raise NotAStore(f"'{path}' belongs to several databases, which a store is not; it was left as it is")


def _was_empty(files: Files, path: Path) -> bool:
    """Whether power was lost in the first write to a database, by the journal beside it: SQLite will undo that."""
    journal = path.with_name(path.name + "-journal")
    if not journal.exists():
        return False
    file = files.open(journal)
    try:
        head = files.read(file, 28, 0)
    finally:
        files.close(file)
    return head[:8] == _JOURNAL and head[16:20] == bytes(4)  # its mark, and the pages that the database had before
