# One writer at a time, across processes: an advisory lock on a file of its own, held for one write.
#
#   21 bytes   the process that holds it, or held it last
#   30 bytes   entries the ledger has, and a CRC-32: a ledger of fewer has lost what was acknowledged
#
# Rule: never a lock of SQLite's files; closing another descriptor of those would drop SQLite's own locks.
"""The writer's lock, and where a store may be kept."""

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fieldstore.errors import NotAStore, WriterBusy
from fieldstore.storage.files import Files

_NOTE_AT = 21  # behind the holder's line
_POLL = 0.005  # seconds between two tries
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre", "ncpfs"}


class WriterLock:
    """The lock file of one store. timeout: seconds to wait for another writer."""

    def __init__(self, files: Files, path: Path, timeout: float) -> None:
        self._files = files
        self._path = path
        self._timeout = timeout
        self._file: int | None = None  # opened by the first write
        self._is_held = False

    @contextmanager
    def held(self, timeout: float | None = None) -> Iterator[None]:
        """Be the only writer; WriterBusy, naming the holder, after the time-out (by default the lock's own).

        One thread at a time; whoever holds it already may ask again.
        """
        if self._is_held:
            yield
            return
        timeout = self._timeout if timeout is None else timeout
        if self._file is None:
            self._file = self._files.open(self._path)
        deadline = time.monotonic() + timeout
        while not self._files.try_lock(self._file):
            if time.monotonic() >= deadline:
                raise WriterBusy(
                    f"process {self._holder(self._file)} has been writing to '{self._path.parent}' for more than "
                    f"{timeout:g} s; nothing was changed. Try again, or open with a longer timeout"
                )
            time.sleep(_POLL)
        self._is_held = True
        try:
            with suppress(OSError):  # it is only for the message of who waits
                self._files.write(self._file, memoryview(f"{os.getpid():<20}\n".encode()), 0)
            yield
        finally:
            self._is_held = False
            self._files.unlock(self._file)

    def _holder(self, file: int) -> str:
        said = self._files.read(file, 20, 0).strip()
        return said.decode() if said.isdigit() else "unknown"

    def note(self, entries: int) -> None:
        """While it is held: how far the ledger has come. Not synced: it may stay behind, but not be ahead."""
        assert self._file is not None  # it is held
        with suppress(OSError):
            self._files.write(self._file, memoryview(_noted(entries)), _NOTE_AT)

    def noted(self) -> int:
        """What was noted last; 0 where nothing was, or nothing whole."""
        if not self._path.exists():
            return 0
        file = self._file if self._file is not None else self._files.open(self._path)
        try:
            said = self._files.read(file, 30, _NOTE_AT)
        finally:
            if file != self._file:
                self._files.close(file)
        number = said[:20].strip()
        return int(number) if number.isdigit() and said == _noted(int(number)) else 0

    def close(self) -> None:
        """Close the lock file."""
        if self._file is not None:
            self._files.close(self._file)
            self._file = None


def _noted(entries: int) -> bytes:
    number = f"{entries:>20}"
    return f"{number} {zlib.crc32(number.encode()):08x}\n".encode()


def refuse_network_folder(path: Path) -> None:
    """NotAStore for a path on a network file system, where locks and mappings do not hold (as far as Linux tells)."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return
    here = path.resolve()
    found = ("", "")
    for line in mounts.read_text().splitlines():
        _, folder, kind, *_ = line.split(" ")
        folder = folder.replace("\\040", " ")
        if here.is_relative_to(folder) and len(folder) >= len(found[0]):
            found = (folder, kind)
    if found[1] in _NETWORK:
        raise NotAStore(f"'{path}' lies on a network file system ({found[1]}), where a store cannot be kept safely")
