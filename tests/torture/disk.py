# A disk on which everything can go wrong: whatever the store or SQLite does to a file passes through one recorder.
#
# In:   a fault, or none. Out: the fault injected at its operation; the trace of all operations, with what was written.
# Rule: it stands in front of the real files, so locks, mappings and SQLite's shared index work as always.
# Rule: a disk that has stopped refuses everything that changes a file; what lies there is what a dead process left.
"""Injecting faults into file access, and recording it."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import apsw

from fieldstore.storage.files import Files

PAGE = 4096
_VFS = "torture"


class Op(NamedTuple):
    """One change: "write" (data at offset), "resize" (to offset), "sync", "names" (sync of the folder), "create",
    "unlink", or "mark": something the program says, in data."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""


class Fault(NamedTuple):
    """What goes wrong, from operation number `at` on: once, or with everything it concerns from then on.

    how: "stop" = the process dies there; "EIO" = refused; "ENOSPC" = no room; "short" = a write is not whole (a file of
    the store: once; SQLite's: no room for the rest); "lose" = a sync fails, and what was not synced is lost now;
    "late" = the same, but it is lost only by `Disk.reboot`.
    part: how much of a write that stops, or is short, goes through, 0 to 1.
    """

    at: int
    how: str
    sticky: bool = False
    part: float = 0.0

    def concerns(self, op: Op) -> bool:
        """Whether an operation can go wrong in this way."""
        kinds = {
            "ENOSPC": ("write", "resize", "create"),
            "short": ("write",),
            "lose": ("sync",),
            "late": ("sync",),
        }.get(self.how)
        return kinds is None or op.kind in kinds


class Died(BaseException):
    """The process ended here: nothing may catch it and go on."""


class Refused(Exception):
    """The fault that an operation meets."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.how)
        self.fault = fault


class Disk:
    """The recorder of one folder. record: keep the trace."""

    def __init__(self, folder: Path, fault: Fault | None = None, *, record: bool = False) -> None:
        self.folder = folder
        self.fault = fault
        self.dead = False
        self.count = 0  # operations that were asked for
        self.injected = 0
        self.trace: list[Op] | None = [] if record else None
        self.files = _Files(self)
        _disks[folder] = self
        self._loses = fault is not None and fault.how in ("lose", "late")
        self._synced: dict[str, bytes] = {}  # what of each file has been synced
        self._lost: dict[tuple[str, int], bytes] = {}  # pages that are on no disk, and what is there instead
        if self._loses and folder.exists():
            self._synced = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def mark(self, data: bytes) -> None:
        """Say something in the trace."""
        if self.trace is not None:
            self.trace.append(Op("mark", "", 0, data))

    def pass_through(self, op: Op) -> None:
        """Count it and let it pass; Refused where it does not."""
        number, self.count = self.count, self.count + 1
        fault = self.fault
        if self.dead and fault is not None:
            raise Refused(fault._replace(part=0.0))
        if fault is not None and number >= fault.at and (fault.sticky or not self.injected) and fault.concerns(op):
            self.injected += 1
            self.dead = fault.how == "stop"
            if self._loses:
                self._lose(op.name, at_once=fault.how == "lose")
            raise Refused(fault)
        if self.trace is not None:
            self.trace.append(op)
        if op.kind == "write" and self._lost:  # a page that is written to again is written whole
            for page in range(op.offset // PAGE, (op.offset + len(op.data) - 1) // PAGE + 1):
                self._lost.pop((op.name, page), None)

    def synced(self, name: str) -> None:
        """A sync went through."""
        if self._loses:
            self._synced[name] = (self.folder / name).read_bytes()

    def _lose(self, name: str, at_once: bool) -> None:
        path = self.folder / name
        before, now = self._synced.get(name, b""), path.read_bytes()
        before = before[: len(now)].ljust(len(now), b"\0")
        for page in range(-(-len(now) // PAGE)):
            part = slice(page * PAGE, (page + 1) * PAGE)
            if before[part] != now[part]:
                self._lost[name, page] = before[part]
        if at_once:
            self.reboot()

    def reboot(self) -> None:
        """What was lost, and not written again since, is found to be lost."""
        for (name, page), data in self._lost.items():
            if (self.folder / name).exists():
                with (self.folder / name).open("r+b") as file:
                    size = os.fstat(file.fileno()).st_size
                    os.pwrite(file.fileno(), data[: max(size - page * PAGE, 0)], page * PAGE)
        self._lost.clear()


class _Files(Files):
    """The store's own file access, by way of a disk."""

    vfs = _VFS

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._names: dict[int, str] = {}

    def _pass_through(self, op: Op) -> None:
        try:
            self._disk.pass_through(op)
        except Refused as refused:
            if refused.fault.how == "stop":
                raise Died from None
            code = errno.ENOSPC if refused.fault.how == "ENOSPC" else errno.EIO
            raise OSError(code, "injected", op.name) from None

    def make_folder(self, path):
        self._pass_through(Op("create", path.name))
        super().make_folder(path)

    def sync_folder(self, path):
        self._pass_through(Op("names", path.name))
        super().sync_folder(path)

    def open(self, path):
        if not path.exists():
            self._pass_through(Op("create", path.name))
        file = super().open(path)
        self._names[file] = path.name
        return file

    def close(self, file):
        self._names.pop(file, None)
        super().close(file)

    def write_some(self, file, data, offset):
        op = Op("write", self._names[file], offset, bytes(data))
        try:
            self._disk.pass_through(op)
        except Refused as refused:
            fault = refused.fault
            part = data[: int(len(data) * fault.part)]
            written = super().write_some(file, part, offset) if part else 0
            if fault.how == "short" and written:
                return written  # and the rest is asked for again
            if fault.how == "stop":
                raise Died from None
            code = errno.EIO if fault.how == "EIO" else errno.ENOSPC
            raise OSError(code, "injected", op.name) from None
        return super().write_some(file, data, offset)

    def resize(self, file, length):
        self._pass_through(Op("resize", self._names[file], length))
        super().resize(file, length)

    def sync(self, file):
        self._pass_through(Op("sync", self._names[file]))
        super().sync(file)
        self._disk.synced(self._names[file])

    def unlock(self, file):
        with suppress(OSError):
            super().unlock(file)


class _Vfs(apsw.VFS):
    """SQLite's file access, by way of the newest disk of the folder that a file is in."""

    def __init__(self) -> None:
        super().__init__(_VFS, "")

    def xOpen(self, name, flags):
        if not name:
            raise apsw.CantOpenError("a temporary file: what is in it would be beyond any erase")
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        disk = _disks[path.parent]
        if flags[0] & apsw.SQLITE_OPEN_CREATE and not path.exists():
            _ask(disk, Op("create", path.name))
        return _File(disk, path.name, name, flags)

    def xDelete(self, name, sync_folder):
        disk = _disks[Path(name).parent]
        _ask(disk, Op("unlink", Path(name).name))
        super().xDelete(name, sync_folder)
        if sync_folder:
            _ask(disk, Op("names", disk.folder.name))


class _File(apsw.VFSFile):
    def __init__(self, disk, short, name, flags):
        self._disk, self._name = disk, short
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        try:
            self._disk.pass_through(Op("write", self._name, offset, bytes(data)))
        except Refused as refused:
            if part := data[: int(len(data) * refused.fault.part)]:
                super().xWrite(part, offset)
            raise _error(refused.fault) from None
        super().xWrite(data, offset)

    def xTruncate(self, length):
        _ask(self._disk, Op("resize", self._name, length))
        super().xTruncate(length)

    def xSync(self, how):
        _ask(self._disk, Op("sync", self._name))
        super().xSync(how)
        self._disk.synced(self._name)


def _ask(disk: Disk, op: Op) -> None:
    try:
        disk.pass_through(op)
    except Refused as refused:
        raise _error(refused.fault) from None


def _error(fault: Fault) -> apsw.Error:
    return (apsw.FullError if fault.how in ("ENOSPC", "short") else apsw.IOError)("injected")


_disks: "WeakValueDictionary[Path, Disk]" = WeakValueDictionary()
_vfs = _Vfs()
