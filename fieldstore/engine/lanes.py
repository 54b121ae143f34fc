# The compiled loops that change a partition: coding rows, taking and giving back lanes, moving centres.
#
# In:   the arrays of a Partition (its docstring gives shapes), checked by it; turned rows of unit length.
# Out:  those arrays, changed in place; small new ones. One thread changes at a time, but for `fill` on other points.
# Rule: a cached loop calls only loops of this file, and the machine instructions.
# Rule: what is taken out is overwritten: no lane keeps a bit of a point that is not there.
"""Coding and placing.

Codes: Gao and Long, "RaBitQ", SIGMOD 2024: the signs b of the turned residual x - c, and two floats that make
<q, c> + A + B sum_j (2 b_j - 1) q_j an unbiased estimate of <q, x>: B = |r|^2 / |r|_1 and
A = <r, c> - B sum_j (2 b_j - 1) c_j.

A cell is a chain of blocks: heads[cell] = (newest block or -1, lanes in use); only the newest is not full.
following[block] is the next of the chain, or of the chain of free blocks that starts at free[0].
"""

import numpy as np

from fieldstore.engine.coding import signs
from fieldstore.engine.compiled import loop as _loop
from fieldstore.engine.instructions import dot, prefetch
from fieldstore.engine.scan import LANES

_NOTHING = np.float32(-np.inf)


@_loop
def _code(row, centre, block, floats, behind, lane):
    """Write the code of row - centre and its A and B into a lane; floats: the same block as float32."""
    sums = np.empty(4, np.float32)
    signs(row, centre, block, lane, sums)
    slope = sums[0] / sums[2] if sums[2] > 0.0 else np.float32(0.0)
    floats[behind + lane] = sums[1] - slope * sums[3]
    floats[behind + LANES + lane] = slope


@_loop
def _centre(cell, centres, scales, target):
    """target = centre of the cell, (dim,) float32."""
    for i in range(target.shape[0]):
        target[i] = scales[cell] * np.float32(centres[cell, i])


@_loop
def code_centres(first, last, centres, scales, blocks, floats, behind):
    """Code the centres first..last - 1 against centre 0; a block ends with |centre|**2 / 4, which is taken off A.

    Centre 0 is no cell that could be found: its A is -inf.
    """
    mean = np.empty(centres.shape[1], np.float32)
    _centre(np.int64(0), centres, scales, mean)
    centre = np.empty(centres.shape[1], np.float32)
    for c in range(first, last):
        block = c // LANES
        lane = c % LANES
        _centre(c, centres, scales, centre)
        _code(centre, mean, blocks[block], floats[block], behind, lane)
        quarter = dot(centre, centre) / np.float32(4.0)
        floats[block, behind + 2 * LANES + lane] = quarter
        floats[block, behind + lane] -= quarter if c > 0 else np.float32(np.inf)


@_loop
def sum_cells(rows, cells, first, last, sums, sizes):
    """Add each row to the sum of its first cell, if that is one of first..last - 1: sums (cells, dim) float64, sizes
    (cells,) int64."""
    for i in range(rows.shape[0]):
        cell = cells[i, 0]
        if first <= cell < last:
            sizes[cell] += 1
            for j in range(rows.shape[1]):
                sums[cell, j] += rows[i, j]


@_loop
def _loss(row, residual, centre):
    """|x - c|**2 + <r / |r|, x - c>**2, less |x|**2: what a second cell costs whose first left the residual r."""
    size = dot(residual, residual)
    along = dot(residual, row) - dot(residual, centre)
    spread = dot(centre, centre) - np.float32(2.0) * dot(row, centre)
    return spread + (along * along / size if size > 0.0 else np.float32(0.0))


@_loop
def halve(rows, rounds):
    """Two centres of the rows: 2-means from the row farthest off the mean and the row farthest from that one."""
    count, dim = rows.shape
    centres = np.empty((2, dim), np.float32)
    for j in range(dim):
        centres[0, j] = 0.0
    for i in range(count):
        for j in range(dim):
            centres[0, j] += rows[i, j] / np.float32(count)
    for end in range(2):
        farthest = 0
        least = np.float32(np.inf)
        for i in range(count):
            near = dot(rows[i], centres[0])
            if near < least:
                least = near
                farthest = i
        for j in range(dim):
            centres[end, j] = rows[farthest, j]
    sums = np.empty((2, dim), np.float32)
    sizes = np.empty(2, np.int64)
    for _ in range(rounds):
        for side in range(2):
            sizes[side] = 0
            for j in range(dim):
                sums[side, j] = 0.0
        shift = (dot(centres[1], centres[1]) - dot(centres[0], centres[0])) / np.float32(2.0)
        for i in range(count):
            side = 1 if dot(rows[i], centres[1]) - dot(rows[i], centres[0]) > shift else 0
            sizes[side] += 1
            for j in range(dim):
                sums[side, j] += rows[i, j]
        for side in range(2):
            if sizes[side] > 0:
                for j in range(dim):
                    centres[side, j] = sums[side, j] / np.float32(sizes[side])
    return centres


@_loop
def choose_half(rows, numbers, cells, centres, scales, cell, other):
    """After a split of `cell` into `cell` and `other`: which of the two each of its points belongs to, (m,) int32."""
    chosen = np.empty(numbers.shape[0], np.int32)
    halves = np.empty((2, rows.shape[1]), np.float32)
    _centre(cell, centres, scales, halves[0])
    _centre(other, centres, scales, halves[1])
    residual = np.empty(rows.shape[1], np.float32)
    for i in range(numbers.shape[0]):
        first = cells[numbers[i], 0]
        if first == cell:  # its first cell: the nearer
            for j in range(residual.shape[0]):
                residual[j] = 0.0
        else:
            _centre(np.int64(first), centres, scales, residual)
            for j in range(residual.shape[0]):
                residual[j] = rows[i, j] - residual[j]
        here = _loss(rows[i], residual, halves[0])
        there = _loss(rows[i], residual, halves[1])
        chosen[i] = cell if here <= there else other
    return chosen


@_loop
def place(cells, heads, following, free, slots):
    """Take a lane for each (point, cell): cells (m, 2) int32 -> slots (m, 2) int64, block * LANES + lane; -1 for none.

    There are free blocks enough.
    """
    for i in range(cells.shape[0]):
        for side in range(2):
            cell = cells[i, side]
            if cell < 0:
                slots[i, side] = -1
                continue
            lane = heads[cell, 1] % LANES
            if lane == 0:
                block = free[0]
                free[0] = following[block]
                following[block] = heads[cell, 0]
                heads[cell, 0] = block
            slots[i, side] = np.int64(heads[cell, 0]) * LANES + lane
            heads[cell, 1] += 1


@_loop
def fill(rows, points, offsets, cells, slots, centres, scales, blocks, floats, numbers, behind):
    """Write turned rows (m, dim) of the points (m,) into their lanes; offsets (m,) are added to every estimate."""
    centre = np.empty(rows.shape[1], np.float32)
    for i in range(rows.shape[0]):
        for side in range(2):
            if cells[i, side] < 0:
                continue
            block = slots[i, side] // LANES
            lane = slots[i, side] % LANES
            _centre(np.int64(cells[i, side]), centres, scales, centre)
            _code(rows[i], centre, blocks[block], floats[block], behind, lane)
            floats[block, behind + lane] += np.float32(offsets[i])
            numbers[block, behind + 2 * LANES + lane] = points[i]


@_loop
def _empty(block, lane, behind, blocks, floats, numbers):
    for word in range(behind // (2 * LANES)):
        blocks[block, word * LANES + lane] = 0
    floats[block, behind + lane] = _NOTHING
    floats[block, behind + LANES + lane] = 0.0
    numbers[block, behind + 2 * LANES + lane] = -1


@_loop
def _seek(point, cell, behind, heads, following, numbers):
    """The slot of a point in a cell; -1 if it is not there."""
    block = heads[cell, 0]
    while block >= 0:
        for lane in range(LANES):
            if numbers[block, behind + 2 * LANES + lane] == point:
                return np.int64(block) * LANES + lane
        block = following[block]
    return np.int64(-1)


@_loop
def take_out(points, behind, cells, heads, blocks, floats, numbers, following, free):
    """Clear the lanes of points (m,), and close the gaps: the newest lane of the cell moves into each.

    What stays behind is -2 - cell, so that `unlearn` knows whose centre the point had a part in.
    """
    for p in points:
        for side in range(2):
            cell = cells[p, side]
            if cell < 0:
                continue
            slot = _seek(p, cell, behind, heads, following, numbers)
            if slot >= 0:
                block = slot // LANES
                lane = slot % LANES
                head = heads[cell, 0]
                end = (heads[cell, 1] - 1) % LANES
                for word in range(behind // (2 * LANES)):
                    blocks[block, word * LANES + lane] = blocks[head, word * LANES + end]
                for part in range(3):
                    numbers[block, behind + part * LANES + lane] = numbers[head, behind + part * LANES + end]
                _empty(head, end, behind, blocks, floats, numbers)
                heads[cell, 1] -= 1
                if end == 0:
                    heads[cell, 0] = following[head]
                    following[head] = free[0]
                    free[0] = head
            cells[p, side] = -2 - cell


@_loop
def lay_in_order(begin, end, heads, blocks, following, laid_heads, laid, after):
    """Copy the chains of the cells from begin to before end, each block behind the one before, into fresh arrays.

    laid_heads (cells, 2) int32: where each chain is to begin;  laid (used blocks, size), after (used blocks,): filled
    """
    for cell in range(begin, end):
        block = heads[cell, 0]
        place = laid_heads[cell, 0]
        while block >= 0:
            later = following[block]
            if later >= 0:
                prefetch(blocks, np.int64(later))
            for word in range(laid.shape[1]):
                laid[place, word] = blocks[block, word]
            after[place] = place + 1 if later >= 0 else -1
            block = later
            place += 1


@_loop
def narrow(allowed, begin, end, behind, heads, blocks, numbers, following, into, laid, laid_floats, laid_numbers):
    """Copy the lanes of the points allowed, (n,) bool, of the cells from begin to before end, into fresh blocks.

    into (cells, 2) int32  the first fresh block of each cell or -1, and how many lanes it may have; filled: how many
    laid                   the fresh blocks, filled; laid_floats, laid_numbers: the same as float32, as int32

    Another thread may be changing all but these: then nothing of it is used, and nothing must go astray.
    """
    for cell in range(begin, end):
        most = into[cell, 1]
        block = heads[cell, 0] if most > 0 else -1
        left = abs(np.int64(heads[cell, 1])) // LANES + 1  # blocks that the cell may have
        kept = 0
        while 0 <= block < blocks.shape[0] and left > 0:
            left -= 1
            after = following[block]
            if after >= 0:
                prefetch(blocks, np.int64(after))
            for lane in range(LANES):
                point = numbers[block, behind + 2 * LANES + lane]
                if 0 <= point < allowed.shape[0] and allowed[point] and kept < most:
                    target = into[cell, 0] + kept // LANES
                    to = kept % LANES
                    for word in range(behind // (2 * LANES)):
                        laid[target, word * LANES + to] = blocks[block, word * LANES + lane]
                    for part in range(3):
                        laid_numbers[target, behind + part * LANES + to] = numbers[block, behind + part * LANES + lane]
                    kept += 1
            block = after
        into[cell, 1] = kept
        for free in range(kept, -(-most // LANES) * LANES):
            laid_floats[into[cell, 0] + free // LANES, behind + free % LANES] = _NOTHING
            laid_numbers[into[cell, 0] + free // LANES, behind + 2 * LANES + free % LANES] = -1


@_loop
def members(cell, behind, heads, numbers, following):
    """The points with a lane in the cell, (m,) int64."""
    found = np.empty(heads[cell, 1], np.int64)
    count = 0
    block = heads[cell, 0]
    while block >= 0:
        for lane in range(LANES):
            point = numbers[block, behind + 2 * LANES + lane]
            if point >= 0 and count < found.shape[0]:
                found[count] = point
                count += 1
        block = following[block]
    return found[:count]


@_loop
def clear(cell, behind, heads, blocks, floats, numbers, following, free):
    """Clear every lane of a cell and free its blocks."""
    block = heads[cell, 0]
    while block >= 0:
        for lane in range(LANES):
            _empty(block, lane, behind, blocks, floats, numbers)
        after = following[block]
        following[block] = free[0]
        free[0] = block
        block = after
    heads[cell, 0] = -1
    heads[cell, 1] = 0
