# The compiled loops that look into a partition: for the cells of a row, and for the candidates of a query.
#
# In:   the arrays of a Partition (its docstring gives shapes), checked by it; rows of unit length.
# Out:  point numbers and new arrays. Estimates only: whoever ranks scores the candidates exactly.
# Rule: a cached loop calls only loops of this file, and the two instructions.
# Rule: another thread may be changing the arrays: every number read from one is checked before it is an index.
"""Looking: rotation, query bits, the nearest cells, the best codes.

The rotation is random signs and Walsh-Hadamard
transforms in turn (Yue and others, "Orthogonal Random Features", 2016, and the authors' own later code).
A second cell for each point: Sun and others, "SOAR", NeurIPS 2023, lambda = 1.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit

from fieldstore.engine.instructions import dot, estimate, largest, lowest, prefetch

_Loop = TypeVar("_Loop", bound=Callable[..., object])

_AHEAD = 4  # blocks that are asked for before they are looked at
LANES = 32  # codes of a block, as `estimate` reads them
_NOTHING = np.float32(-np.inf)


def _loop(function: _Loop) -> _Loop:
    """Compile without the GIL; cached on disk where numba finds a folder it may write to."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable place for the cache: compile once a process
        return njit(nogil=True)(function)


# -- rotating and coding -----------------------------------------------------------------------------------------------


@_loop
def _halves(values, width, last):
    """Butterflies between halves, in place, from so wide a half down to `last`."""
    while width >= last:
        for first in range(0, values.shape[0], 2 * width):
            low = values[first : first + width]
            high = values[first + width : first + 2 * width]
            for i in range(width):
                a = low[i]
                b = high[i]
                low[i] = a + b
                high[i] = a - b
        width //= 2


@_loop
def _hadamard(values, scratch):
    """Walsh-Hadamard transform of a power of two of values, in place, its items in another order.

    The sixteens are laid out apart before the last stages, so that every stage works on neighbours.
    """
    size = values.shape[0]
    if size <= 16:
        _halves(values, size // 2, 1)
        return
    _halves(values, size // 2, 16)
    rows = size // 16
    for column in range(16):
        for row in range(rows):
            scratch[column * rows + row] = values[row * 16 + column]
    _halves(scratch[:size], size // 2, rows)
    for i in range(size):
        values[i] = scratch[i]


@_loop
def _rotate(row, turns, scratch, target):
    """target = row turned by a fixed orthogonal map: signs, then a transform of the head or the tail, in turn."""
    dim = row.shape[0]
    whole = 1
    while 2 * whole <= dim:
        whole *= 2
    scale = np.float32(1.0 / np.sqrt(whole))
    for i in range(dim):
        target[i] = row[i]
    for turn in range(turns.shape[0]):
        for i in range(dim):
            target[i] *= turns[turn, i]
        part = target[:whole] if turn % 2 == 0 else target[dim - whole :]
        _hadamard(part, scratch)
        for i in range(whole):
            part[i] *= scale


@_loop
def rotated(rows, turns):
    """Rows turned: (m, dim) float32, turns (t, dim) float32 of 1 and -1 -> (m, dim) float32."""
    turned = np.empty(rows.shape, np.float32)
    scratch = np.empty(rows.shape[1], np.float32)
    for i in range(rows.shape[0]):
        _rotate(rows[i], turns, scratch, turned[i])
    return turned


@_loop
def _quantise(row, planes):
    """Four bits a number, as bit planes (4, words) of two's complement: row ~ step * t, t in -8..7.

    returns   step and the sum of t
    """
    top = np.float32(0.0)
    for i in range(row.shape[0]):
        top = max(top, abs(row[i]))
    step = max(top, np.float32(1e-30)) / np.float32(7.5)
    total = 0
    for word in range(planes.shape[1]):
        p0 = p1 = p2 = p3 = np.uint64(0)
        for i in range(64 * word, min(64 * word + 64, row.shape[0])):
            t = min(max(int(np.floor(row[i] / step + np.float32(0.5))), -8), 7)
            total += t
            bits = np.uint64(t & 15)
            place = np.uint64(i - 64 * word)
            p0 |= (bits & np.uint64(1)) << place
            p1 |= ((bits >> np.uint64(1)) & np.uint64(1)) << place
            p2 |= ((bits >> np.uint64(2)) & np.uint64(1)) << place
            p3 |= ((bits >> np.uint64(3)) & np.uint64(1)) << place
        planes[0, word] = p0
        planes[1, word] = p1
        planes[2, word] = p2
        planes[3, word] = p3
    return step, total


# -- choosing the best of many -----------------------------------------------------------------------------------------


@_loop
def _cut(values, items, count, keep):
    """Bring the keep largest of count values to the front, in any order (quickselect); returns the least of them."""
    low = 0
    high = count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i = low
        j = high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                items[i], items[j] = items[j], items[i]
                i += 1
                j -= 1
        if keep - 1 <= j:
            high = j
        elif keep - 1 >= i:
            low = i
        else:
            break
    least = values[0]
    for i in range(1, keep):
        least = min(least, values[i])
    return least


@_loop
def _thin(values, items, count, keep):
    """Bring some of the largest of count values to the front: at least keep, at most three quarters of 2 keep or more.

    Cheaper than _cut: the bar is one of sixteen sampled values. returns   how many are left, and the bar they passed
    """
    sample = np.empty(16, np.float32)
    for i in range(16):
        value = values[i * count // 16]
        j = i
        while j > 0 and sample[j - 1] < value:
            sample[j] = sample[j - 1]
            j -= 1
        sample[j] = value
    for rank in range(16 * keep // count + 1, 16):
        bar = sample[rank]
        above = 0
        for i in range(count):
            above += values[i] > bar
        if above > 3 * count // 4:
            break
        if above >= keep:
            kept = 0
            for i in range(count):
                value = values[i]
                items[kept] = items[i]
                values[kept] = value
                kept += value > bar
            return kept, bar
    return keep, _cut(values, items, count, keep)


@_loop
def _sort(values, items, count):
    """Largest first (Shell's sort)."""
    step = 1
    while step < count // 3:
        step = 3 * step + 1
    while step > 0:
        for i in range(step, count):
            value = values[i]
            item = items[i]
            j = i
            while j >= step and values[j - step] < value:
                values[j] = values[j - step]
                items[j] = items[j - step]
                j -= step
            values[j] = value
            items[j] = item
        step //= 3


@_loop
def _near_centres(row, planes, step, total, centres, scales, blocks, floats, behind, norms, most, reach, near):
    """The centres of the highest <row, c> - norms |c|**2 / 4, at most `most`, best first, exactly scored.

    Chosen by estimate, none more than reach below the best, then scored; centre 0 is never among them.
    norms: 1 (to find) or 2 (to join).
    near: scratch from `_scratch`; its values and items are filled; returns how many.
    """
    guesses, tops, values, items = near
    count = centres.shape[0]
    used = (count + LANES - 1) // LANES
    quarter = behind + 2 * LANES
    base = dot(row, centres[0]) * scales[0]
    twice = np.float32(2.0) * step
    less = step * np.float32(total)
    more = norms - np.float32(1.0)
    for block in range(used):
        some = guesses[block * LANES : block * LANES + LANES]
        estimate(blocks[block], planes, base, twice, less, _NOTHING, some)
        if more > 0.0:
            behind_it = floats[block, quarter : quarter + LANES]
            for lane in range(LANES):
                some[lane] -= more * behind_it[lane]
        if block == 0:
            some[0] = _NOTHING
        if block == used - 1:
            for lane in range(count - block * LANES, LANES):
                some[lane] = _NOTHING
        tops[block] = largest(some)
        values[block] = tops[block]
    best = _NOTHING
    for block in range(used):
        best = max(best, tops[block])
    bar = best - reach
    if used >= most:  # as many blocks hold one that is as good
        bar = max(bar, _cut(values, items, used, most))
    found = 0
    for block in range(used):
        if tops[block] >= bar:
            for lane in range(LANES):
                value = guesses[block * LANES + lane]
                values[found] = value
                items[found] = block * LANES + lane
                found += value >= bar and value > _NOTHING
    if found > most:
        _cut(values, items, found, most)
        found = most
    for i in range(min(4, found)):
        prefetch(centres, items[i])
    for i in range(found):
        if i + 4 < found:
            prefetch(centres, items[i + 4])
        c = items[i]
        values[i] = dot(row, centres[c]) * scales[c] - norms * floats[c // LANES, quarter + c % LANES]
    _sort(values, items, found)
    return found


@_loop
def _scratch(centres):
    """Room for `_near_centres` among so many: estimates, the largest of each block, chosen values and their centres."""
    room = (centres + 2 * LANES - 1) // LANES * LANES
    return (
        np.empty(room, np.float32),
        np.empty(room // LANES, np.float32),
        np.empty(room, np.float32),
        np.empty(room, np.int64),
    )


# -- where points belong, and where a query looks ----------------------------------------------------------------------


@_loop
def assign(rows, centres, scales, blocks, floats, behind, look, twice, cells):
    """The cell of each turned row, and its second where wanted (SOAR): of the `look` centres that seem nearest.

    cells     (m, 2) int32, filled; -1 = none
    """
    near = _scratch(centres.shape[0])
    values = near[2]
    items = near[3]
    planes = np.empty((4, (rows.shape[1] + 63) // 64), np.uint64)
    residual = np.empty(rows.shape[1], np.float32)
    for i in range(rows.shape[0]):
        row = rows[i]
        step, total = _quantise(row, planes)
        found = _near_centres(
            row, planes, step, total, centres, scales, blocks, floats, behind, np.float32(2.0), look,
            np.float32(np.inf), near,
        )  # fmt: skip
        cells[i, 0] = items[0] if found > 0 else 0  # a row that is not a number is near nothing
        cells[i, 1] = -1
        if not twice or found < 2:
            continue
        for j in range(row.shape[0]):
            residual[j] = row[j] - scales[items[0]] * np.float32(centres[items[0], j])
        size = max(dot(residual, residual), np.float32(1e-30))
        along = dot(residual, row)
        least = np.float32(np.inf)
        for j in range(1, found):
            off = along - dot(residual, centres[items[j]]) * scales[items[j]]
            loss = off * off / size - np.float32(2.0) * values[j]  # |x - c|**2 is |x|**2 less twice its value
            if loss < least:
                least = loss
                cells[i, 1] = items[j]


@_loop
def find(
    query, turns, centres, scales, centre_blocks, centre_floats, heads, blocks, numbers, following, behind,
    limit, allowed, gap, slack, least_cells, most_cells, wanted,
):  # fmt: skip
    """The points whose estimated score is highest, at most `wanted`, in any order; each once.

    query        (dim,) float32, unit length
    behind       32-bit numbers of codes in a block
    limit        only points below it;  allowed (limit,) bool: which of them may answer; length 0 = all
    gap          cells are visited, best first, until their score lies this far below the best one's,
    slack        how far off an estimate of that score may be; cells are chosen by estimate and then scored
    least_cells  but at least so many
    most_cells   and at most so many; cell 0 is always visited
    returns      points (c,) int64; cells visited; codes scanned
    """
    turned = np.empty(query.shape[0], np.float32)
    _rotate(query, turns, np.empty(query.shape[0], np.float32), turned)
    planes = np.empty((4, (query.shape[0] + 63) // 64), np.uint64)
    step, total = _quantise(turned, planes)
    near = _scratch(centres.shape[0])
    nearness = near[2]
    cells = near[3]
    chosen = _near_centres(
        turned, planes, step, total, centres, scales, centre_blocks, centre_floats, behind, np.float32(1.0),
        most_cells, gap + slack, near,
    )  # fmt: skip
    visited = 0
    room = np.int64(0)
    for turn in range(chosen):
        if turn >= least_cells and nearness[turn] < nearness[0] - gap:
            break
        visited += 1
        room += abs(np.int64(heads[cells[turn], 1])) // LANES + 1
    chain = np.empty(room + abs(np.int64(heads[0, 1])) // LANES + 1, np.int64)
    bases = np.empty(chain.shape[0], np.float32)
    count = 0
    for turn in range(-1, visited):
        cell = 0 if turn < 0 else cells[turn]
        base = dot(turned, centres[cell]) * scales[cell]
        block = np.int64(heads[cell, 0])
        while 0 <= block < blocks.shape[0] and count < chain.shape[0]:
            if count < _AHEAD:
                prefetch(blocks, block)
            chain[count] = block
            bases[count] = base
            count += 1
            block = np.int64(following[block])
    values = np.empty(2 * wanted + LANES, np.float32)
    points = np.empty(2 * wanted + LANES, np.int64)
    estimates = np.empty(LANES, np.float32)
    twice = np.float32(2.0) * step
    less = step * np.float32(total)
    found = 0
    least = _NOTHING
    for i in range(count):
        if i + _AHEAD < count:
            prefetch(blocks, chain[i + _AHEAD])
        block = chain[i]
        above = estimate(blocks[block], planes, bases[i], twice, less, least, estimates)
        while above != 0:
            lane = lowest(above)
            above &= above - np.uint32(1)
            point = np.int64(numbers[block, behind + 2 * LANES + lane])
            if 0 <= point < limit and (allowed.shape[0] == 0 or allowed[point]):
                values[found] = estimates[lane]
                points[found] = point
                found += 1
        if found >= 2 * wanted:
            found, least = _thin(values, points, found, wanted)
    if found > wanted:
        _cut(values, points, found, wanted)
        found = wanted
    return points[: _distinct(points, found)], visited + 1, LANES * count


@_loop
def _distinct(points, count):
    """Drop repeats among the first count points, in place; returns how many are left (open addressing)."""
    size = 64
    while size < 2 * count:
        size *= 2
    seen = np.full(size, np.int64(-1))
    kept = 0
    for i in range(count):
        point = points[i]
        place = (point * np.int64(2654435761)) & (size - 1)
        while seen[place] >= 0 and seen[place] != point:
            place = (place + 1) & (size - 1)
        if seen[place] < 0:
            seen[place] = point
            points[kept] = point
            kept += 1
    return kept
