# The Merkle tree over the ledger's leaves (RFC 9162, 2.1), and the proofs about it.
#
# In:   encoded leaves. Out: hashes, and whether proofs hold. No I/O.
# Rule: a proof is checked by what the RFC says of checking, never by building the tree again.
"""The hash tree that makes the ledger a transparency log."""

import hashlib
import hmac
from collections.abc import Iterable


def _leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of the tree over the leaves so far: at most 64 hashes, enough to append and to give the root.

    Holds the roots of the perfect subtrees of the binary digits of `size`, largest first.
    """

    def __init__(self, size: int = 0, hashes: bytes = b"") -> None:
        self.size = size
        self._hashes = [hashes[i : i + 32] for i in range(0, len(hashes), 32)]

    def append(self, leaf: bytes) -> None:
        """Add the encoded leaf."""
        new = _leaf_hash(leaf)
        for _ in range((self.size ^ (self.size + 1)).bit_length() - 1):  # as many merges as size has trailing ones
            new = _node_hash(self._hashes.pop(), new)
        self._hashes.append(new)
        self.size += 1

    def root(self) -> bytes:
        """The tree head over all leaves; of none, the hash of nothing."""
        if not self._hashes:
            return hashlib.sha256(b"").digest()
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = _node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """The hashes, to be given back with the size."""
        return b"".join(self._hashes)


class Tree:
    """The whole tree over encoded leaves, for proofs; the frontier is enough for everything else."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self._levels = [[_leaf_hash(leaf) for leaf in leaves]]
        while len(level := self._levels[-1]) > 1:
            odd = level[-1:] if len(level) % 2 else []  # the last of an odd level moves up as it is
            self._levels.append([_node_hash(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)] + odd)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def root(self, size: int | None = None) -> bytes:
        """The head of the tree over the first leaves, by default all; of no leaves, the hash of nothing."""
        size = self.size if size is None else size
        if not size:
            return hashlib.sha256(b"").digest()
        end, root = size, b""
        while end:  # the perfect subtrees that the digits of size stand for, the last and smallest first
            begin = end & (end - 1)
            root = _node_hash(self._head(begin, end), root) if root else self._head(begin, end)
            end = begin
        return root

    def proof(self, index: int) -> list[bytes]:
        """The audit path of one leaf (RFC 9162, 2.1.3.1), nearest sibling first."""
        path = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index //= 2
        return path

    def consistency(self, first: int) -> list[bytes]:
        """The proof that the first leaves are still those of a tree that held so many (RFC 9162, 2.1.4.1).

        first: from 0 to `size`. Of none, or of all, nothing has to be proved.
        """
        if first in (0, self.size):
            return []
        path, begin, end = [], 0, self.size
        while first != end:
            middle = begin + (1 << (end - begin - 1).bit_length() - 1)
            if first <= middle:
                path.append(self._head(middle, end))
                end = middle
            else:
                path.append(self._head(begin, middle))
                begin = middle
        if begin:  # else it is the old root, which whoever asks has
            path.append(self._head(begin, end))
        return path[::-1]

    def _head(self, begin: int, end: int) -> bytes:
        """The head over leaves that are a subtree of ours: a whole one, or the rest behind one."""
        height = (end - begin - 1).bit_length()
        return self._levels[height][begin >> height]


def included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether the audit path leads from the leaf to the root of a tree of this size (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last = index, size - 1
    found = _leaf_hash(leaf)
    for step in path:
        if last == 0:
            return False
        if here % 2 or here == last:
            found = _node_hash(step, found)
            while here % 2 == 0 and here:
                here >>= 1
                last >>= 1
        else:
            found = _node_hash(found, step)
        here >>= 1
        last >>= 1
    return last == 0 and hmac.compare_digest(found, root)


def consistent(first: int, old: bytes, size: int, new: bytes, path: list[bytes]) -> bool:
    """Whether the proof shows that a ledger of this size and root only added to one of first and old (2.1.4.2)."""
    if not 0 <= first <= size:
        return False
    if first in (0, size):
        alike = hmac.compare_digest(old, new if first else hashlib.sha256(b"").digest())
        return alike and not path
    here, last = first - 1, size - 1
    while here % 2:
        here >>= 1
        last >>= 1
    steps = iter(path if here else [old, *path])  # a whole subtree: the proof leaves the old root out
    try:
        found_old = found_new = next(steps)
        for step in steps:
            if last == 0:
                return False
            if here % 2 or here == last:
                found_old, found_new = _node_hash(step, found_old), _node_hash(step, found_new)
                while here % 2 == 0 and here:
                    here >>= 1
                    last >>= 1
            else:
                found_new = _node_hash(found_new, step)
            here >>= 1
            last >>= 1
    except StopIteration:
        return False
    return last == 0 and hmac.compare_digest(found_old, old) and hmac.compare_digest(found_new, new)
