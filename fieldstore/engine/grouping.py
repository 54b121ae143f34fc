# Centres in groups of near ones, so that very many points find their cells without a look at every centre.
#
# In:   centres, as the partition has them. Out: the same in another order, coded, behind the leaders of the groups.
# Rule: made for one use and thrown away: nothing of it is kept, and no query asks it.
"""Groups of centres."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import lanes, scan

_PER_ROOT = 1.2  # groups for each square root of centres
_ROUNDS = 4  # of k-means
_LOOK = 8  # groups at least in which a point looks for its cells

Numbers = NDArray[np.int64]
Rows = NDArray[np.float32]


class Groups(NamedTuple):
    """Coded centres by group, each beginning with lane 0 of a block. L: lanes of a block.

    blocks       (blocks, size) uint64  codes, as in `Parts.centre_blocks`, but with leaders less |c|**2 / 2, not / 4
    floats                              the same as float32
    places       (blocks L,) int64      the centre in each place
    begins, ends (groups,) int64        the first block of each group, and the one behind its last
    leaders      int                    blocks of leaders, from the first: leader g in place g + 1
    wanted       int                    groups in which a point looks for its cells
    """

    blocks: NDArray[np.uint64]
    floats: Rows
    places: Numbers
    begins: Numbers
    ends: Numbers
    leaders: int
    wanted: int


def one_group(blocks: NDArray[np.uint64]) -> Groups:
    """Coded centres in their own order, all of them looked at: for points too few to make groups for."""
    count = len(blocks)
    return Groups(
        blocks, blocks.view(np.float32), np.arange(scan.LANES * count), np.array([0]), np.array([count]), 0, 1
    )


def grouped(centres: NDArray[np.int8], scales: Rows, size: int, behind: int) -> Groups:
    """Centres (n, d) by their scales (n,), in groups by k-means; size: of a block; behind: as in `scan`."""
    values = (scales[1:, None] * centres[1:]).astype(np.float32)  # centre 0 is no cell that could be found
    group, leaders = _k_means(values, round(_PER_ROOT * math.sqrt(len(values))))
    sizes = np.bincount(group, minlength=len(leaders))
    first = -(-(1 + len(leaders)) // scan.LANES)
    ends = first + np.cumsum(-(-sizes // scan.LANES))
    begins = np.concatenate([[first], ends[:-1]])
    order = np.argsort(group, kind="stable")
    within = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[group[order]]
    places = np.zeros(scan.LANES * int(ends[-1]), np.int64)
    places[scan.LANES * begins[group[order]] + within] = order + 1
    all_centres, all_scales = centres[places], scales[places]
    led = slice(1, 1 + len(leaders))
    all_scales[led] = np.abs(leaders).max(axis=1, initial=1e-30) / np.float32(127.0)
    all_centres[led] = np.rint(leaders / all_scales[led, None])
    blocks = np.zeros((int(ends[-1]), size), np.uint64)
    floats = blocks.view(np.float32)
    lanes.code_centres(0, len(places), all_centres, all_scales, blocks, floats, behind)
    offsets = floats[:, behind : behind + scan.LANES]
    offsets -= floats[:, behind + 2 * scan.LANES :]  # of |c|**2, a half and not a quarter: the points are to join
    nobody = places == 0
    nobody[led] = False
    offsets[nobody.reshape(-1, scan.LANES)] = -np.inf
    return Groups(blocks, floats, places, begins, ends, first, min(_LOOK, len(leaders)))


def _k_means(values: Rows, count: int) -> tuple[Numbers, Rows]:
    """The group of each value, (n,), and the means of the groups; begun from values spread evenly over them."""
    leaders = values[np.linspace(0, len(values) - 1, count).round().astype(np.int64)]
    for _ in range(_ROUNDS):
        group = _nearest(values, leaders)
        order = np.argsort(group, kind="stable")
        begins = np.flatnonzero(np.diff(group[order], prepend=-1))
        sizes = np.diff(begins, append=len(values)).astype(np.float32)
        leaders = (np.add.reduceat(values[order], begins) / sizes[:, None]).astype(np.float32)
    return _nearest(values, leaders), leaders


def _nearest(values: Rows, leaders: Rows) -> Numbers:
    nearest: Numbers = (values @ leaders.T - (leaders**2).sum(axis=1) / np.float32(2.0)).argmax(axis=1)
    return nearest
