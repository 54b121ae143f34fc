# Which points may answer a query, with what queries ask of that again and again.
"""Masks over points."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EVERYONE = np.empty(0, np.bool_)  # what the loops take for no mask at all


class Mask:
    """The points that may answer: of (n,) bool, not changed from then on. For all the queries with one filter."""

    __slots__ = ("_count", "_numbers", "of")

    def __init__(self, of: NDArray[np.bool_]) -> None:
        self.of = np.ascontiguousarray(of, np.bool_)
        self._count: int | None = None
        self._numbers: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """How many points match."""
        if self._count is None:
            self._count = int(np.count_nonzero(self.of))
        return self._count

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(count,) the points that match, in order; worked out, and kept, only for who asks."""
        if self._numbers is None:
            self._numbers = np.flatnonzero(self.of)
        return self._numbers


def checked_mask(allowed: Mask | ArrayLike | None) -> Mask | None:
    """A mask of what says who may answer; ValueError unless it is truth values: numbers might be meant as points."""
    if allowed is None or isinstance(allowed, Mask):
        return allowed
    of = np.asarray(allowed)
    if of.dtype != np.bool_:
        raise ValueError(f"a mask must be truth values, one for each point, not {of.dtype}")
    return Mask(of)
