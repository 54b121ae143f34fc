# One writer at a time, across processes: an advisory lock on a file of its own, held for one write.
#
# Rule: never a lock of SQLite's files; closing another descriptor of those would drop SQLite's own locks.
"""The writer's lock, and where a store may be kept."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fieldstore.errors import NotAStore, WriterBusy
from fieldstore.storage.files import Files

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
        return self._files.read(file, 20, 0).decode(errors="replace").strip() or "unknown"

    def close(self) -> None:
        """Close the lock file."""
        if self._file is not None:
            self._files.close(self._file)
            self._file = None


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
