# The values that fieldstore hands out: plain, frozen, and free of any reference to the store's files.
"""What the verbs of a store return."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

MILLIONTHS = 1_000_000  # weights are kept as whole millionths, so that they sum exactly


@dataclass(frozen=True, slots=True)
class Record:
    """A live record. weight: net, in copies. vector: (dim,) float32 of unit length, where asked for."""

    id: str
    text: str | None
    metadata: dict[str, Any]
    weight: float
    vector: NDArray[np.float32] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that answered.

    score: the value ranked by, a cosine plus ln(weight) / kappa, smoothed where the mode says so; cosine: plain.
    share: part of the candidates' field this result makes up, with its members, 0 to 1.
    members: the other candidates an attractor speaks for, best first; empty for plain nearest.
    """

    id: str
    text: str | None
    metadata: dict[str, Any]
    score: float
    cosine: float
    weight: float
    share: float
    members: tuple["Hit", ...] = ()


class _Unfrozen:
    __slots__ = Hit.__slots__

    def __init__(
        self,
        id: str,
        text: str | None,
        metadata: dict[str, Any],
        score: float,
        cosine: float,
        weight: float,
        share: float,
        members: tuple[Hit, ...] = (),
    ) -> None:
        self.id = id
        self.text = text
        self.metadata = metadata
        self.score = score
        self.cosine = cosine
        self.weight = weight
        self.share = share
        self.members = members
        self.__class__ = Hit  # type: ignore[assignment]  # of the same slots


fresh_hit: Callable[..., Hit] = _Unfrozen  # type: ignore[assignment]
"""As `Hit`, in a fifth of the time: hits are what a search makes most of, and a frozen one sets itself slowly."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger, in words.

    seq: position, from 0. kind: add, forget, restore, supersede, update, reweight, erase, calibrate, repel, unrepel,
    keep_out or let_in. point: number of the point it is about; None where it is about none. weight: signed, in copies
    (kappa for a calibration). ref: seq of the entry it answers, the previous one about the same; its own seq where it
    is the first. time: UTC, whole seconds. actor, reason: as given, None when not given or erased. element: 32 hex
    digits that name the point in certificates.
    """

    seq: int
    kind: str
    point: int | None
    weight: float
    ref: int
    time: datetime
    element: str
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Repeller:
    """A place that live records are hidden around: out of every ranking, but still there for `get`, `count`, `history`.

    name: what `unrepel` takes. radius: the cosine from which a record of weight 1 is silent. time: UTC, whole seconds.
    record: id of the record whose place it is; None for a vector that was given. hides: ids of the live records that it
    silences, alone or where they would answer without it, as of now.
    """

    name: str
    radius: float
    time: datetime
    record: str | None
    hides: tuple[str, ...]
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Carrier:
    """A live record that still carries another's content. share: its part of what remains felt there, 0 to 1."""

    id: str
    cosine: float
    share: float


@dataclass(frozen=True, slots=True)
class Residual:
    """How much of a record's content the others still carry (field-semantics, 7).

    copies: the field of all other live records at its place, at the narrow bandwidth 37.5 / (1 - mu0).
    residual: copies / (its weight + copies): alone 0, one exact copy 1/2. carriers: who, strongest first.
    """

    id: str
    residual: float
    copies: float
    carriers: tuple[Carrier, ...]

    @property
    def flagged(self) -> bool:
        """Whether half a copy or more is left."""
        return self.residual >= 1 / 3


class Added(list[str]):
    """The ids of records given to `add`, in their order. kept_out: those that were refused, and are not stored."""

    def __init__(self, ids: Iterable[str] = (), kept_out: Iterable[str] = ()) -> None:
        super().__init__(ids)
        self.kept_out = tuple(kept_out)

    @property
    def stored(self) -> list[str]:
        """The others."""
        out = set(self.kept_out)
        return [id for id in self if id not in out]


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Something that is kept out. name: its own, 32 hex digits, as in the ledger. what: "text" or "source".

    id: of the record whose text it is, where that is still there. outside: it is recognised by a secret that is kept
    outside the store only. time, actor, reason: of the forget or erase that asked for it.
    """

    name: str
    what: str
    id: str | None
    outside: bool
    time: datetime
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """A record that went because it is near another one. cosine: to that one, whose id is `to`."""

    id: str
    cosine: float
    to: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a verb did. ids: the records it changed; unchanged: those it found as wanted; unknown: those not there.

    entries: the ledger positions it wrote; none when nothing had to change. near: those of the records that went only
    for being near, most similar first. dry_run: nothing was done; ids and near are what would go. kept_out: those an
    update left as they were, because their new text or source is kept out.
    """

    verb: str
    ids: tuple[str, ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]
    entries: tuple[int, ...]
    _residuals: Callable[[], list[Residual]] = field(repr=False, compare=False)
    _sources: Callable[[], dict[str, int]] = field(repr=False, compare=False)
    near: tuple[Near, ...] = ()
    dry_run: bool = False
    kept_out: tuple[str, ...] = ()

    def residuals(self) -> list[Residual]:
        """Who still carries the content of the records changed; computed now, not when the verb ran."""
        return self._residuals()

    @property
    def sources(self) -> dict[str, int]:
        """For each source of the records changed, how many live records have it; counted now, not when the verb ran.

        A source that is no string is named as JSON writes it. Records that were erased since have none.
        """
        return self._sources()
