# The part of a partition that one filter passes, its lanes close together, so that its queries read nothing else.
#
# In:   the arrays of a partition, and which points may answer. Out: arrays of the same shapes, fewer blocks.
# Rule: nothing is changed; the centres are shared with the whole.
"""Cells of some of the points."""

import numpy as np

from fieldstore.engine import lanes, scan
from fieldstore.engine.masks import Mask
from fieldstore.engine.parts import Parts
from fieldstore.engine.threads import spread

_SLICE = 512  # cells that a further thread is worth its while for


def narrowed(parts: Parts, mask: Mask) -> Parts:
    """The arrays with the lanes of the mask's points only; nobody's to change."""
    cells = len(parts.centres)
    of = parts.cells[mask.numbers[: np.searchsorted(mask.numbers, len(parts.cells))]]
    most = np.bincount(of[(of >= 0) & (of < cells)], minlength=cells)
    used = -(-most // scan.LANES)
    ends = used.cumsum()
    into = np.empty((cells, 2), np.int32)
    into[:, 0], into[:, 1] = np.where(most, ends - used, -1), most
    following = np.arange(1, ends[-1] + 1, dtype=np.int32)
    following[ends[most > 0] - 1] = -1
    blocks = np.zeros((ends[-1], parts.blocks.shape[1]), np.uint64)
    fresh = parts.with_blocks(blocks, following)

    def work(part: slice) -> None:
        lanes.narrow(
            mask.of, part.start, part.stop, parts.behind, parts.heads, parts.blocks, parts.numbers, parts.following,
            into, fresh.blocks, fresh.floats, fresh.numbers,
        )  # fmt: skip

    spread(work, cells, _SLICE)
    return fresh._replace(heads=into)
