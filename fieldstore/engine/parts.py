# The arrays of a partition, and how they hang together.
#
# Rule: changed by the loops of lanes.py and by Partition alone, which hands all of them to a query at once.
"""Cells, blocks of codes and centres, as arrays."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import scan

KEPT = ("centres", "scales", "centre_blocks", "heads", "blocks", "following", "free", "cells")

Rows = NDArray[np.float32]


class Parts(NamedTuple):
    """The arrays of a partition; a query takes them all at once. d dimensions, W = ceil(d / 64), L = lanes of a block.

    centres        (cells, d) int8        turned, by their scales (>= cells,) float32; 0 is the mean of all
    centre_blocks  (.., size) uint64      their codes against centre 0, L to a block; also seen as float32
    heads          (>= cells, 2) int32    newest block or -1, lanes in use
    blocks         (blocks, size) uint64  W L words of codes, one bit a dimension; then L 32-bit numbers each: A, with
                                          ln(weight) / kappa in it and -inf in a free lane; B; the point, -1 in a free
                                          lane; also seen as float32 and as int32 (numbers)
    following      (blocks,) int32        the next block of the same chain; -1 at its end
    free           (1,) int32             first block of the free chain; -1 when there is none
    cells          (>= points, 2) int32   the two cells of a point; -1 = none; -2 - cell = the one it was taken out of
    """

    centres: NDArray[np.int8]
    scales: Rows
    centre_blocks: NDArray[np.uint64]
    centre_floats: Rows
    heads: NDArray[np.int32]
    blocks: NDArray[np.uint64]
    floats: Rows
    numbers: NDArray[np.int32]
    following: NDArray[np.int32]
    free: NDArray[np.int32]
    cells: NDArray[np.int32]

    def with_blocks(self, blocks: NDArray[np.uint64], following: NDArray[np.int32]) -> "Parts":
        """These blocks in place of the ones here."""
        return self._replace(
            blocks=blocks, floats=blocks.view(np.float32), numbers=blocks.view(np.int32), following=following
        )

    def with_centres(
        self,
        centres: NDArray[np.int8],
        scales: Rows,
        blocks: NDArray[np.uint64],
        heads: NDArray[np.int32],
    ) -> "Parts":
        """These centres in place of the ones here."""
        return self._replace(
            centres=centres, scales=scales, centre_blocks=blocks, centre_floats=blocks.view(np.float32), heads=heads
        )

    @property
    def behind(self) -> int:
        """32-bit numbers of codes in a block: where A begins."""
        return 2 * int(self.blocks.shape[1]) - 3 * scan.LANES

    def behind_centres(self) -> list[Rows]:
        """What stands for A in the places of centre_blocks behind the last centre."""
        offsets = self.centre_floats[:, self.behind : self.behind + scan.LANES]
        block, lane = divmod(len(self.centres), scan.LANES)
        return [offsets[block : block + 1, lane:], offsets[block + 1 :]]

    def checked(self, state: dict[str, NDArray[Any]], points: int) -> "Parts":
        """The arrays that were kept, of a field of so many points. Raises ValueError for what cannot be a state."""
        parts = self._replace(**{name: state[name] for name in KEPT})
        for name in KEPT:
            now, then = getattr(self, name), getattr(parts, name)
            if then.dtype != now.dtype or then.shape[1:] != now.shape[1:]:
                raise ValueError(f"{name} is {then.shape} {then.dtype}, not (.., {now.shape[1:]}) {now.dtype}")
        parts = parts.with_blocks(parts.blocks, parts.following)
        parts = parts.with_centres(parts.centres, parts.scales, parts.centre_blocks, parts.heads)
        cells, blocks = len(parts.centres), len(parts.blocks)
        held = parts.numbers[:, parts.behind + 2 * scan.LANES :]
        for name, numbers, count in (
            ("heads", parts.heads[:cells, 0], blocks),
            ("following", parts.following, blocks),
            ("free", parts.free, blocks),
            ("cells", parts.cells, cells),
            ("numbers", held, min(points, len(parts.cells))),
        ):
            if len(numbers) and not -2 - cells <= int(numbers.min()) <= int(numbers.max()) < count:
                raise ValueError(f"{name} point outside of what is there")
        if min(len(parts.scales), len(parts.heads), scan.LANES * len(parts.centre_blocks)) < cells:
            raise ValueError("there are more centres than places for them")
        if not ((parts.scales[:cells] >= 0.0) & (parts.scales[:cells] <= 1.0)).all():
            raise ValueError("centres lie beyond where any mean of unit rows is")
        if any((nobody != -np.inf).any() for nobody in parts.behind_centres()):
            raise ValueError("there are codes of no centre")
        chained = np.concatenate([parts.heads[:cells, 0], parts.following, parts.free])
        chained = chained[chained >= 0]
        if len(np.unique(chained)) < len(chained):
            raise ValueError("a block belongs to two chains, or to one twice")
        if len(parts.free) != 1 or not parts._in_order(held >= 0):
            raise ValueError("lanes and their counts differ")
        return parts

    def _in_order(self, held: NDArray[np.bool_]) -> bool:
        """Whether each cell's chain has the blocks its lanes need, full but for the newest, and all others are free.

        held (blocks, L): lanes in use. No block belongs to two chains.
        """
        heads, left = self.heads[: len(self.centres)].T.astype(np.int64)
        if left.min(initial=0) < 0 or left.sum() != np.count_nonzero(held) or (heads[left == 0] != -1).any():
            return False
        lanes, free = np.zeros(len(held), np.int64), len(held)
        here, left = heads[left > 0], left[left > 0]
        fill = (left - 1) % scan.LANES + 1
        while len(here):
            if (here < 0).any():
                return False
            lanes[here], left, free = fill, left - fill, free - len(here)
            here, more = self.following[here].astype(np.int64), left > 0
            if (here[~more] != -1).any():
                return False
            here, left, fill = here[more], left[more], np.full(np.count_nonzero(more), scan.LANES)
        following, block = self.following.tolist(), int(self.free[0])
        while block >= 0:
            block, free = following[block], free - 1
        return free == 0 and bool((held.sum(axis=1) == lanes).all())


def empty_block(size: int, last: int = -1) -> NDArray[np.uint64]:
    """(size,) a block whose lanes are all free; last: what stands in the last of a lane's numbers."""
    block = np.zeros(size, np.uint64)
    behind = 2 * size - 3 * scan.LANES
    block.view(np.float32)[behind : behind + scan.LANES] = -np.inf
    block.view(np.int32)[behind + 2 * scan.LANES :] = last
    return block
