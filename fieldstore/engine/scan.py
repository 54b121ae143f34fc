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

from fieldstore.engine.instructions import dot, estimate, lowest, prefetch

_Loop = TypeVar("_Loop", bound=Callable[..., object])

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
def _hadamard(values, scratch):
    """Walsh-Hadamard transform of a power of two of values, in place; every stage has the same shape (Pease, 1968)."""
    half = values.shape[0] // 2
    source = values
    target = scratch
    width = 1
    while width < values.shape[0]:
        for i in range(half):
            a = source[2 * i]
            b = source[2 * i + 1]
            target[i] = a + b
            target[i + half] = a - b
        source, target = target, source
        width *= 2
    for i in range(2 * half):
        values[i] = source[i]  # which is `values` itself after an even number of stages


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
def _near_centres(
    row, planes, step, total, centres, scales, blocks, floats, behind, norms, most, reach, values, items
):  # fmt: skip
    """The centres of the highest <row, c> - norms |c|**2 / 4, at most `most`, best first, exactly scored.

    Chosen by estimate, none more than reach below the best, then scored; centre 0 is never among them.
    norms: 1 (to find) or 2 (to join).
    values and items: scratch of 2 * most + LANES, filled; returns how many.
    """
    estimates = np.empty(LANES, np.float32)
    quarter = behind + 2 * LANES
    base = dot(row, centres[0]) * scales[0]
    twice = np.float32(2.0) * step
    less = step * np.float32(total)
    found = 0
    least = _NOTHING
    for block in range((centres.shape[0] + LANES - 1) // LANES):
        above = estimate(blocks[block], planes, base, twice, less, least, estimates)
        while above != 0:
            lane = lowest(above)
            above &= above - np.uint32(1)
            c = block * LANES + lane
            value = estimates[lane] - (norms - np.float32(1.0)) * floats[block, quarter + lane]
            if value > least and 0 < c < centres.shape[0]:
                values[found] = value
                items[found] = c
                found += 1
        if found >= 2 * most:
            found, least = _thin(values, items, found, most)
    if found > most:
        _cut(values, items, found, most)
        found = most
    top = _NOTHING
    for i in range(found):
        top = max(top, values[i])
    count = 0
    for i in range(found):
        if values[i] >= top - reach:
            values[count] = values[i]
            items[count] = items[i]
            count += 1
    found = count
    for i in range(min(4, found)):
        prefetch(centres, items[i])
    for i in range(found):
        if i + 4 < found:
            prefetch(centres, items[i + 4])
        c = items[i]
        values[i] = dot(row, centres[c]) * scales[c] - norms * floats[c // LANES, quarter + c % LANES]
    _sort(values, items, found)
    return found


# -- where points belong, and where a query looks ----------------------------------------------------------------------


@_loop
def assign(rows, centres, scales, blocks, floats, behind, look, twice, cells):
    """The cell of each turned row, and its second where wanted (SOAR): of the `look` centres that seem nearest.

    cells     (m, 2) int32, filled; -1 = none
    """
    values = np.empty(2 * look + LANES, np.float32)
    items = np.empty(2 * look + LANES, np.int64)
    planes = np.empty((4, (rows.shape[1] + 63) // 64), np.uint64)
    residual = np.empty(rows.shape[1], np.float32)
    for i in range(rows.shape[0]):
        row = rows[i]
        step, total = _quantise(row, planes)
        found = _near_centres(
            row,
            planes,
            step,
            total,
            centres,
            scales,
            blocks,
            floats,
            behind,
            np.float32(2.0),
            look,
            np.float32(np.inf),
            values,
            items,
        )
        cells[i, 0] = items[0]
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
    nearness = np.empty(2 * most_cells + LANES, np.float32)
    cells = np.empty(2 * most_cells + LANES, np.int64)
    near = _near_centres(
        turned, planes, step, total, centres, scales, centre_blocks, centre_floats, behind, np.float32(1.0),
        most_cells, gap + slack, nearness, cells,
    )  # fmt: skip
    values = np.empty(2 * wanted + LANES, np.float32)
    points = np.empty(2 * wanted + LANES, np.int64)
    estimates = np.empty(LANES, np.float32)
    twice = np.float32(2.0) * step
    less = step * np.float32(total)
    found = 0
    scanned = 0
    least = _NOTHING
    visited = 0
    for turn in range(-1, near):
        if turn >= least_cells and nearness[turn] < nearness[0] - gap:
            break
        cell = 0 if turn < 0 else cells[turn]
        base = dot(turned, centres[cell]) * scales[cell]
        block = heads[cell, 0]
        if turn + 1 < near:
            upcoming = heads[cells[turn + 1], 0]
            if 0 <= upcoming < blocks.shape[0]:
                prefetch(blocks, upcoming)
        visited += 1
        while 0 <= block < blocks.shape[0]:
            after = following[block]
            if 0 <= after < blocks.shape[0]:
                prefetch(blocks, after)
            above = estimate(blocks[block], planes, base, twice, less, least, estimates)
            scanned += LANES
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
            block = after
    if found > wanted:
        _cut(values, points, found, wanted)
        found = wanted
    return points[: _distinct(points, found)], visited, scanned


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
