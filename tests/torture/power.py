# What a disk may hold after power was lost: everything that was synced, and of the rest any part.
#
# In:   a trace of operations (`disk.Op`), and the files there were before it. Out: files by name, as bytes.
# Rule: a sync makes content durable, a sync of the folder names; a file whose name was not synced may be gone whole.
# Rule: a write may be torn at sectors; bytes outside of it are never harmed (SQLite calls that powersafe overwrite).
"""The states of a disk after a loss of power."""

import random
from collections.abc import Iterator

from tests.torture.disk import Op

_OF_SQLITE = ("-wal", "-journal")  # when it first syncs one of these, SQLite syncs the folder too
KINDS = {"dropped": None, "kept": None, "reordered": None, "torn at 512": 512, "torn at 4096": 4096}
Files = dict[str, bytes]


class _File:
    """One file: what of it is durable, and what was done to it since."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = content
        self.pending: list[Op] = []

    def after(self, ops: list[Op]) -> bytes:
        """Its content when these have come through."""
        if not ops:
            return self.durable
        content = bytearray(self.durable)
        for op in ops:
            if op.kind == "resize":
                del content[op.offset :]
                content.extend(bytes(op.offset - len(content)))
            else:
                content.extend(bytes(max(op.offset - len(content), 0)))
                content[op.offset : op.offset + len(op.data)] = op.data
        return bytes(content)


class Power:
    """Follows a trace, and knows at any time what a loss of power may leave. folder: its name."""

    def __init__(self, folder: str, files: Files) -> None:
        self._folder = folder
        self._names = {name: _File(content) for name, content in files.items()}  # as a process sees them
        self._durable = dict(self._names)
        self._renamed: list[tuple[str, _File | None]] = []  # changes of names that were not synced

    def follow(self, op: Op) -> None:
        """The next operation went through."""
        if op.kind in ("write", "resize"):
            self._names[op.name].pending.append(op)
        elif op.kind == "sync":
            file = self._names[op.name]
            file.durable, file.pending = file.after(file.pending), []
            if op.name.endswith(_OF_SQLITE) and any(name == op.name for name, _ in self._renamed):
                self._sync_names()
        elif op.kind == "names" and op.name == self._folder:
            self._sync_names()
        elif op.kind == "create" and op.name != self._folder:
            self._names[op.name] = _File()
            self._renamed.append((op.name, self._names[op.name]))
        elif op.kind == "unlink":
            self._names.pop(op.name, None)
            self._renamed.append((op.name, None))

    def _sync_names(self) -> None:
        self._durable, self._renamed = dict(self._names), []

    def states(self, luck: random.Random) -> Iterator[tuple[str, Files]]:
        """(kind, files) of every kind of loss; one only where nothing is at stake."""
        files = {*self._names.values(), *self._durable.values()}
        if not self._renamed and not any(file.pending for file in files):
            yield "nothing at stake", self._left("kept", luck)
            return
        for kind in KINDS:
            yield kind, self._left(kind, luck)

    def _left(self, kind: str, luck: random.Random) -> Files:
        names = dict(self._durable)
        for name, file in self._renamed:
            if kind == "kept" or (kind != "dropped" and luck.random() < 0.5):
                names.pop(name, None) if file is None else names.update({name: file})
        return {name: file.after(self._came_through(file.pending, kind, luck)) for name, file in names.items()}

    def _came_through(self, ops: list[Op], kind: str, luck: random.Random) -> list[Op]:
        if kind == "kept":
            return ops
        if kind == "dropped":
            return []
        odds = luck.choice((0.1, 0.5, 0.9))
        sector = KINDS[kind]
        if sector is None:
            return [op for op in ops if luck.random() < odds]
        return [piece for op in ops for piece in _pieces(op, sector) if luck.random() < odds]


def _pieces(op: Op, sector: int) -> Iterator[Op]:
    """A write, cut where sectors of the disk end."""
    if op.kind != "write":
        yield op
        return
    at, end = op.offset, op.offset + len(op.data)
    while at < end:
        until = min(end, (at // sector + 1) * sector)
        yield op._replace(offset=at, data=op.data[at - op.offset : until - op.offset])
        at = until
