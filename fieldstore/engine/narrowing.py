# The cells of the points that one filter passes: how many lanes it has in each; and, once it is asked often, these
# lanes close together, so that its queries read nothing else.
#
# In:   the arrays of a partition, and which points may answer. Out: arrays of the same shapes, fewer blocks.
# Rule: nothing is changed; the centres are shared with the whole. Either way the same is found, to the bit.
"""Cells of some of the points."""

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import lanes, scan
from fieldstore.engine.masks import EVERYONE, Mask
from fieldstore.engine.parts import Parts
from fieldstore.engine.threads import spread

_OFTEN = 8  # queries from which copying the lanes is worth its while
_SLICE = 512  # cells that a further thread is worth its while for


class Narrowed:
    """What is kept for a mask while no point of the partition changes. whole: the arrays of all its points.

    room (cells, 2) int32: the first block that lanes of the mask's points in a cell would have, -1 = none; how many
    they are.
    """

    __slots__ = ("_asked", "_mask", "_whole", "parts", "room")

    def __init__(self, whole: Parts, mask: Mask) -> None:
        cells = len(whole.centres)
        of = whole.cells[mask.numbers[: np.searchsorted(mask.numbers, len(whole.cells))]]
        counts = np.bincount(of[(of >= 0) & (of < cells)], minlength=cells)
        used = -(-counts // scan.LANES)
        self.room = np.empty((cells, 2), np.int32)
        self.room[:, 0], self.room[:, 1] = np.where(counts, used.cumsum() - used, -1), counts
        self.parts: Parts | None = None
        self._whole, self._mask, self._asked = whole, mask, 0

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        blocks = 0 if self.parts is None else self.parts.blocks.nbytes
        return blocks + self.room.nbytes + self._mask.of.nbytes + self._mask.numbers.nbytes

    def ask(self, queries: int) -> tuple[Parts, NDArray[np.bool_], bool]:
        """Where so many more queries should look; who may answer there; whether more is kept now."""
        first, self._asked = self._asked == 0, self._asked + queries
        copying = self.parts is None and self._asked >= _OFTEN
        if copying:
            self.parts = self._copied()
        if self.parts is None:
            return self._whole, self._mask.of, first
        return self.parts, EVERYONE, copying

    def _copied(self) -> Parts:
        """The arrays with the lanes of the mask's points only; nobody's to change."""
        whole, heads = self._whole, self.room.copy()
        used = -(-heads[:, 1] // scan.LANES)
        ends = used.cumsum(dtype=np.int64)
        following = np.arange(1, ends[-1] + 1, dtype=np.int32)
        following[ends[used > 0] - 1] = -1
        blocks = np.zeros((ends[-1], whole.blocks.shape[1]), np.uint64)
        fresh = whole.with_blocks(blocks, following)

        def work(part: slice) -> None:
            lanes.narrow(
                self._mask.of, part.start, part.stop, whole.behind, whole.heads, whole.blocks, whole.numbers,
                whole.following, heads, fresh.blocks, fresh.floats, fresh.numbers,
            )  # fmt: skip

        spread(work, len(heads), _SLICE)
        return fresh._replace(heads=heads)
