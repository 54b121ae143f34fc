# The rules of the ledger: what an entry is, what it may say, how entries sum up, what they commit to.
#
# In:   numbers and bytes. Out: entries, sums, commitments. No I/O.
# Rule: an entry holds no content: no text, no vector, no metadata, no id; only numbers and salted commitments.
# Rule: the leaf's layout is frozen; a change of it is a new version byte beside this one.
"""The ledger: signed weights in whole millionths, in an append-only, content-free, hashed list."""

import hmac
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from fieldstore.merkle import Frontier

# version u8 | seq u64 | kind u8 | element 16 bytes | ref u64 | weight i64 millionths | time u64 seconds
# | commitment 32 bytes | note 32 bytes; big-endian, no padding.
_LEAF = struct.Struct(">BQB16sQqQ32s32s")
_LEAF_VERSION = 1
NOTHING = bytes(32)
NO_ELEMENT = bytes(16)
LATEST = 253_402_300_799  # the last second of the year 9999: no calendar here goes on


class Kind(IntEnum):
    """Why an entry was written."""

    ADD = 1  # a new point
    FORGET = 2  # its inverse
    RESTORE = 3  # the inverse of that
    SUPERSEDE = 4  # the inverse of a version that a new embedding replaced
    UPDATE = 5  # weight 0: new text or metadata, and so a new commitment
    REWEIGHT = 6  # the difference to the new weight
    ERASE = 7  # the inverse, if any weight was left; the content is destroyed
    CALIBRATE = 8  # kappa in millionths; element 0; ref = live points it was measured from, 0 = given by hand
    REPEL = 9  # weight 0: a new repeller; element = its own, committed to: place and radius
    UNREPEL = 10  # weight 0: it is taken back; once more: its place was destroyed
    KEEP_OUT = 11  # weight 0: what has this fingerprint is refused; element: its own name; ref = seq
    LET_IN = 12  # weight 0: and no longer; ref = the KEEP_OUT it lifts


class Leaf(NamedTuple):
    """One entry as it is hashed. weight in millionths of a copy, time in whole seconds since 1970 (UTC)."""

    seq: int
    kind: Kind
    element: bytes
    ref: int
    weight: int
    time: int
    commitment: bytes = NOTHING
    note: bytes = NOTHING

    def encode(self) -> bytes:
        """The leaf's 114 bytes."""
        return _LEAF.pack(_LEAF_VERSION, *self)

    @classmethod
    def decode(cls, data: bytes) -> "Leaf":
        """The entry in these bytes; ValueError for another length, version or kind."""
        if len(data) != _LEAF.size:
            raise ValueError(f"a ledger leaf has {_LEAF.size} bytes, not {len(data)}")
        version, seq, kind, *rest = _LEAF.unpack(data)
        if version != _LEAF_VERSION:
            raise ValueError(f"ledger leaf of unknown version {version}")
        return cls(seq, Kind(kind), *rest)


def new_element() -> bytes:
    """A random name for a point."""
    return os.urandom(16)


def new_salt() -> bytes:
    """A random key for one commitment or note; it lives beside the content and dies with it."""
    return os.urandom(32)


def _sealed(salt: bytes, purpose: bytes, parts: Iterable[bytes]) -> bytes:
    pieces = [purpose]
    for part in parts:
        pieces += (len(part).to_bytes(8, "big"), part)
    return hmac.digest(salt, b"".join(pieces), "sha256")


def commitment(salt: bytes, vector: bytes, metadata: bytes, text: bytes | None, id: bytes) -> bytes:
    """HMAC-SHA-256 over a record's exact stored bytes, each part length-prefixed; text None differs from empty."""
    return _sealed(salt, b"fieldstore/v1", [vector, metadata, b"" if text is None else b"\x01" + text, id])


def repeller_commitment(salt: bytes, place: bytes, radius: float) -> bytes:
    """HMAC-SHA-256 over a repeller's place, float32 little-endian, and radius, float64 big-endian."""
    return _sealed(salt, b"fieldstore/v1/repeller", [place, struct.pack(">d", radius)])


def note(salt: bytes, actor: str | None, reason: str | None) -> bytes:
    """HMAC-SHA-256 over who and why, whose words lie in an erasable table."""
    said = [b"" if word is None else b"\x01" + word.encode() for word in (actor, reason)]
    return _sealed(salt, b"fieldstore/v1/note", said)


def kept_out(salt: bytes, mark: bytes, what: str, key: bytes | None) -> bytes:
    """HMAC-SHA-256 over a fingerprint that is kept out, what it is of and the name of its key."""
    return _sealed(salt, b"fieldstore/v1/kept-out", [mark, what.encode(), key or b""])


# -- what the entries add up to ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sum:
    """Where a point stands: its number, net weight in millionths, and its last entry's position, kind and weight."""

    point: int
    weight: int
    seq: int
    kind: Kind
    last: int


class Repelled(NamedTuple):
    """Where a repeller stands: the entries that placed it, took it back, and were the last; is its place destroyed?"""

    seq: int
    until: int | None
    destroyed: bool
    last: int
    commitment: bytes


class Fold:
    """The ledger summed up, entry by entry: one Sum per element, in point order; kappa and what it was measured from.

    Point numbers are the order of the ADD entries. `take` returns what is wrong with an entry, in plain words.
    """

    def __init__(self) -> None:
        self.size = 0
        self.time = 0
        self.kappa: int | None = None  # millionths
        self.measured = 0
        self.sums: dict[bytes, Sum] = {}
        self.repellers: dict[bytes, Repelled] = {}
        self.kept_out: dict[bytes, Leaf] = {}  # by element

    def take(self, leaf: Leaf) -> list[str]:
        """Add the next entry; returns the rules it breaks."""
        wrong = []
        if leaf.seq != self.size:
            wrong.append(f"entry {leaf.seq} stands where entry {self.size} should")
        if leaf.time < self.time:
            wrong.append(f"entry {leaf.seq} is older than the one before it")
        self.size += 1
        self.time = leaf.time
        if leaf.kind is Kind.CALIBRATE:
            if leaf.weight <= 0 or leaf.element != NO_ELEMENT:
                wrong.append(f"entry {leaf.seq} sets kappa to {leaf.weight} millionths, about {leaf.element.hex()}")
            self.kappa, self.measured = leaf.weight, leaf.ref
        elif leaf.kind in (Kind.REPEL, Kind.UNREPEL):
            wrong += self._repelled(leaf)
        elif leaf.kind in (Kind.KEEP_OUT, Kind.LET_IN):
            wrong += self._keep_out(leaf)
        elif leaf.kind is Kind.ADD:
            if leaf.element in self.sums or leaf.element in self.repellers:
                wrong.append(f"entry {leaf.seq} adds a point that is already there")
            if leaf.weight <= 0 or leaf.ref != leaf.seq:
                wrong.append(f"entry {leaf.seq} adds a point with weight {leaf.weight} and reference {leaf.ref}")
            self.sums[leaf.element] = Sum(len(self.sums), leaf.weight, leaf.seq, leaf.kind, leaf.weight)
        elif leaf.element not in self.sums:
            wrong.append(f"entry {leaf.seq} is about a point that was never added")
        else:
            known = self.sums[leaf.element]
            wrong += _breaks(leaf, known)
            self.sums[leaf.element] = Sum(known.point, known.weight + leaf.weight, leaf.seq, leaf.kind, leaf.weight)
        return wrong

    def _repelled(self, leaf: Leaf) -> Iterator[str]:
        """Add an entry about a repeller; yields the rules it breaks."""
        known = self.repellers.get(leaf.element)
        if leaf.weight:
            yield f"entry {leaf.seq} gives a repeller a weight of {leaf.weight}"
        if leaf.kind is Kind.REPEL:
            if known is not None or leaf.element in self.sums or leaf.element == NO_ELEMENT or leaf.ref != leaf.seq:
                yield f"entry {leaf.seq} places a repeller that is already there, or refers to entry {leaf.ref}"
            self.repellers[leaf.element] = Repelled(leaf.seq, None, False, leaf.seq, leaf.commitment)
        elif known is None:
            yield f"entry {leaf.seq} takes back a repeller that was never placed"
        else:
            if leaf.ref != known.last or known.destroyed or leaf.commitment != NOTHING:
                yield f"entry {leaf.seq} takes back, once too often or not after entry {known.last}, a repeller"
            until = leaf.seq if known.until is None else known.until
            self.repellers[leaf.element] = known._replace(until=until, destroyed=known.until is not None, last=leaf.seq)

    def _keep_out(self, leaf: Leaf) -> list[str]:
        kept = self.kept_out.pop(leaf.element, None)
        if leaf.kind is Kind.KEEP_OUT:
            self.kept_out[leaf.element] = leaf
            right = kept is None and leaf.ref == leaf.seq
        else:
            right = kept is not None and leaf.ref == kept.seq
        if right and not leaf.weight:
            return []
        return [f"entry {leaf.seq} ({leaf.kind.name.lower()}) answers entry {leaf.ref} with weight {leaf.weight}"]


def _breaks(leaf: Leaf, known: Sum) -> Iterator[str]:
    """The rules for an entry about a point that stands as known."""
    name = f"entry {leaf.seq} ({leaf.kind.name.lower()})"
    if leaf.ref != known.seq:
        yield f"{name} answers entry {leaf.ref}, but its point's last entry is {known.seq}"
    if known.kind is Kind.ERASE:
        yield f"{name} is about a point that was erased"
    expected = {
        Kind.FORGET: -known.weight,
        Kind.SUPERSEDE: -known.weight,
        Kind.ERASE: -known.weight,
        Kind.RESTORE: -known.last,
        Kind.UPDATE: 0,
    }.get(leaf.kind)
    if expected is not None and leaf.weight != expected:
        yield f"{name} adds {leaf.weight} millionths where its inverse is {expected}"
    if leaf.kind in (Kind.FORGET, Kind.SUPERSEDE, Kind.UPDATE, Kind.REWEIGHT) and known.weight <= 0:
        yield f"{name} is about a point that was not live"
    if leaf.kind is Kind.RESTORE and known.kind is not Kind.FORGET:
        yield f"{name} restores what was not forgotten"
    if leaf.kind is Kind.REWEIGHT and known.weight + leaf.weight <= 0:
        yield f"{name} leaves a weight of {known.weight + leaf.weight} millionths"


class Draft:
    """Entries about to be appended together: leaves, also encoded, and notes in order, the new sums, the frontier.

    frontier: of the ledger as it stands; it is not changed. time: seconds since 1970, never before the last entry's.
    actor, reason: who and why, for every entry of the draft.
    """

    def __init__(self, frontier: Frontier, time: int, actor: str | None, reason: str | None) -> None:
        self.frontier = Frontier(frontier.size, frontier.to_bytes())
        self.time = time
        self.leaves: list[Leaf] = []
        self.encoded: list[bytes] = []
        self.notes: list[tuple[int, bytes, str | None, str | None]] = []
        self.sums: dict[bytes, Sum] = {}
        self._said = (actor, reason)

    def add(self, point: int, weight: int, commitment: bytes) -> bytes:
        """A new point of this number; returns its element."""
        element = new_element()
        seq = self._append(Kind.ADD, element, self.frontier.size, weight, commitment)
        self.sums[element] = Sum(point, weight, seq, Kind.ADD, weight)
        return element

    def answer(self, kind: Kind, element: bytes, known: Sum, weight: int, commitment: bytes = NOTHING) -> int:
        """An entry about a point that stands as known, weight millionths; returns its position."""
        known = self.sums.get(element, known)
        seq = self._append(kind, element, known.seq, weight, commitment)
        self.sums[element] = Sum(known.point, known.weight + weight, seq, kind, weight)
        return seq

    def invert(self, kind: Kind, element: bytes, known: Sum) -> int:
        """The inverse of the whole net weight (forget, supersede, erase), or of a forget (restore)."""
        known = self.sums.get(element, known)
        return self.answer(kind, element, known, -known.last if kind is Kind.RESTORE else -known.weight)

    def repel(self, commitment: bytes) -> tuple[int, bytes]:
        """A new repeller; returns the entry's position, and the element that names it."""
        element = new_element()
        return self._append(Kind.REPEL, element, self.frontier.size, 0, commitment), element

    def unrepel(self, element: bytes, last: int) -> int:
        """A repeller is taken back, whose last entry was that one; if it had been already, its place is destroyed."""
        return self._append(Kind.UNREPEL, element, last, 0, NOTHING)

    def calibrate(self, kappa: int, measured: int) -> int:
        """kappa in millionths from now on, measured from so many live points; 0 = given by hand."""
        return self._append(Kind.CALIBRATE, NO_ELEMENT, measured, kappa, NOTHING)

    def keep_out(self, commitment: bytes) -> int:
        """Something is kept out from now on, under a name of its own; returns the position."""
        return self._append(Kind.KEEP_OUT, new_element(), self.frontier.size, 0, commitment)

    def let_in(self, element: bytes, ref: int) -> int:
        """What that entry kept out under this name is let in again."""
        return self._append(Kind.LET_IN, element, ref, 0, NOTHING)

    def _append(self, kind: Kind, element: bytes, ref: int, weight: int, commitment: bytes) -> int:
        seq = self.frontier.size
        said = NOTHING
        if self._said != (None, None):
            salt = new_salt()
            said = note(salt, *self._said)
            self.notes.append((seq, salt, *self._said))
        leaf = Leaf(seq, kind, element, ref, weight, self.time, commitment, said)
        data = leaf.encode()
        self.leaves.append(leaf)
        self.encoded.append(data)
        self.frontier.append(data)
        return seq
