# The one seam for file access: everything the store does to a file goes through a `Files`.
#
# Rule: SQLite's own access goes through the VFS named here, so a test can stand in for the disk in both halves.
# Rule: a failed sync is never tried again: the kernel may already have dropped what it could not write.
"""File access, replaceable as a whole so that faults can be injected."""

import errno
import fcntl
import mmap
import os
from pathlib import Path


class Files:
    """The real disk. vfs: name of the SQLite VFS to open databases with; None = SQLite's default."""

    vfs: str | None = None

    def make_folder(self, path: Path) -> None:
        """Create a folder (mode 0700) and its parents, and make their names durable."""
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:
            self.sync_folder(folder.parent)

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def open(self, path: Path) -> int:
        """Open for reading and writing, created (mode 0600) when absent; symbolic links are refused."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close(self, file: int) -> None:
        """Close."""
        os.close(file)

    def size(self, file: int) -> int:
        """Length in bytes."""
        return os.fstat(file).st_size

    def read(self, file: int, length: int, offset: int) -> bytes:
        """At most so many bytes from there."""
        return os.pread(file, length, offset)

    def next_data(self, file: int, offset: int) -> int:
        """Where, from there on, the file next holds something but a hole; its length where nothing more comes."""
        try:
            return os.lseek(file, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return self.size(file)
            raise

    def write(self, file: int, data: memoryview, offset: int) -> None:
        """All of the bytes, from there on."""
        while data:
            written = self.write_some(file, data, offset)
            data, offset = data[written:], offset + written

    def write_some(self, file: int, data: memoryview, offset: int) -> int:
        """The first of the bytes, as many as the system takes at once; how many those were."""
        return os.pwrite(file, data, offset)

    def resize(self, file: int, length: int) -> None:
        """Set the length; growth reserves real blocks where the file system can, so that a full disk shows here."""
        grown = length - self.size(file)
        if grown > 0 and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, length - grown, grown)
        else:
            os.ftruncate(file, length)

    def sync(self, file: int) -> None:
        """Make content durable."""
        if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone stops at the drive's cache
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(file)
        else:
            os.fsync(file)

    def map(self, file: int, length: int) -> mmap.mmap:
        """The first bytes, mapped for reading only and shared with every process through the page cache."""
        return mmap.mmap(file, length, mmap.MAP_SHARED, mmap.PROT_READ)

    def try_lock(self, file: int) -> bool:
        """Take the exclusive advisory lock of an open file, if it is free."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, file: int) -> None:
        """Give the lock back."""
        fcntl.flock(file, fcntl.LOCK_UN)


DISK = Files()
