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

import numpy as np

from fieldstore.engine.coding import (
    above,
    butterflies,
    butterfly,
    estimate,
    farthest,
    four_bits,
    largest,
    lowest,
    ones,
)  # fmt: skip
from fieldstore.engine.compiled import loop as _loop
from fieldstore.engine.instructions import dot, dot_of_bytes, prefetch

_AHEAD = 4  # blocks of a cell that are asked for while the one before is looked at
_ROWS_AHEAD = 3  # and rows before they are turned
LANES = 32  # codes of a block, as `estimate` reads them
_STEPS = 256  # by which cells are put in order
_STEP, _FARTHEST = 0.04, 16.0  # below the best: where a bar for the best few is tried first, and last
_HALVINGS = 16  # and how often it is moved
_LEAST_SIZE = np.float32(1e-3)  # of a squared residual: less is lost in rounding
_NOTHING = np.float32(-np.inf)


# -- rotating and coding -----------------------------------------------------------------------------------------------


@_loop
def _hadamard(values):
    """Walsh-Hadamard transform of a power of two of values, in place."""
    size = values.shape[0]
    width = size // 2
    while width >= 16:
        for first in range(0, size, 2 * width):
            for here in range(first, first + width, 16):
                butterfly(values, here, here + width)
        width //= 2
    if size >= 16:
        for here in range(0, size, 16):
            butterflies(values, here)
        return
    while width > 0:
        for here in range(size):
            if here // width % 2 == 0:
                a = values[here]
                b = values[here + width]
                values[here] = a + b
                values[here + width] = a - b
        width //= 2


@_loop
def _rotate(row, turns, target):
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
        _hadamard(part)
        for i in range(whole):
            part[i] *= scale


@_loop
def rotate(rows, points, turns, turned):
    """Turn some of the rows: turned (m, dim) float32 is filled from rows (n, dim) at points (m,).

    turns     (t, dim) float32 of 1 and -1
    """
    for i in range(points.shape[0]):
        if i + _ROWS_AHEAD < points.shape[0]:
            prefetch(rows, points[i + _ROWS_AHEAD])
        _rotate(rows[points[i]], turns, turned[i])


@_loop
def _quantise(row, planes):
    """Four bits a number, as bit planes (4, words) of two's complement: row ~ step * t, t in -8..7.

    returns   step and the sum of t
    """
    step = max(farthest(row), np.float32(1e-30)) / np.float32(7.5)
    return step, four_bits(row, np.float32(1.0) / step, planes)


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
def _passing(guesses, blocks, bar):
    """How many of the guesses (>= blocks, lanes) lie above the bar."""
    count = 0
    for block in range(blocks):
        count += ones(above(guesses[block], bar))
    return count


@_loop
def _highest(guesses, tops, most, values, items):
    """About the `most` highest guesses (blocks, lanes), a third more at most, and their items, in any order.

    tops      (blocks,) float32: the highest guess of each block
    returns   how many;  fewer than `most` only where there are no more;  of equal ones any
    """
    best = _NOTHING
    for block in range(tops.shape[0]):
        best = max(best, tops[block])
    enough = most + most // 3
    step = np.float32(_STEP)
    low = best - step
    count = _passing(guesses, tops.shape[0], low)
    while count < most and step < _FARTHEST:
        step *= np.float32(2.0)
        low = best - step
        count = _passing(guesses, tops.shape[0], low)
    high = best
    for _ in range(_HALVINGS):
        if count <= enough:
            break
        bar = (low + high) / np.float32(2.0)
        passing = _passing(guesses, tops.shape[0], bar)
        if passing < most:
            high = bar
        else:
            low = bar
            count = passing
    found = 0
    for block in range(tops.shape[0]):
        if tops[block] > low:
            flags = above(guesses[block], low)
            while flags != 0 and found < enough:
                lane = lowest(flags)
                flags &= flags - np.uint32(1)
                values[found] = guesses[block, lane]
                items[found] = block * LANES + lane
                found += 1
    return found


@_loop
def _in_order(guesses, tops, far):
    """The items whose guess (blocks, lanes) lies at most `far` below the highest, about highest first; and the guesses.

    They are counted into steps, and within a step are not sorted: nearly as good, and takes half the time.
    """
    values = np.empty(guesses.size + LANES, np.float32)
    items = np.empty(guesses.size + LANES, np.int64)
    best = _NOTHING
    for block in range(tops.shape[0]):
        best = max(best, tops[block])
    found = 0
    for block in range(tops.shape[0]):
        if tops[block] >= best - far and best > _NOTHING:
            for lane in range(LANES):
                value = guesses[block, lane]
                values[found] = value
                items[found] = block * LANES + lane
                found += value >= best - far
    finer = np.float32(_STEPS - 1) / far
    steps = np.empty(found, np.int32)
    ends = np.empty(_STEPS + 1, np.int64)
    for step in range(_STEPS + 1):
        ends[step] = 0
    for i in range(found):
        steps[i] = (best - values[i]) * finer
        ends[steps[i] + 1] += 1
    for step in range(_STEPS):
        ends[step + 1] += ends[step]
    ordered = np.empty(found, np.int64)
    highest = np.empty(found, np.float32)
    for i in range(found):
        place = ends[steps[i]]
        ordered[place] = items[i]
        highest[place] = values[i]
        ends[steps[i]] += 1
    return ordered, highest


# -- where points belong, and where a query looks ----------------------------------------------------------------------


@_loop
def _guess(blocks, floats, chosen, count, quartered, behind, planes, base, step, total, guesses, tops):
    """Fill in the estimates of the first count chosen blocks of centres, and the largest of each block.

    quartered    of |centre|**2 the blocks hold a quarter only: another one is taken off
    """
    for j in range(count):
        block = chosen[j]
        estimate(
            blocks[block], planes, base, np.float32(2.0) * step, step * np.float32(total), _NOTHING, guesses[j]
        )  # fmt: skip
        if quartered:
            for lane in range(LANES):
                guesses[j, lane] -= floats[block, behind + 2 * LANES + lane]
        tops[j] = largest(guesses[j])


@_loop
def assign(rows, centres, scales, centre_floats, behind, groups, look, twice, cells):
    """The cell of each turned row, and its second where wanted (SOAR): of the `look` centres that seem nearest.

    groups    `Groups`: only in those whose leaders are nearest centres are looked for
    cells     (m, 2) int32, filled; -1 = none
    """
    blocks, floats, places, begins, ends, leaders, wanted = groups
    guesses = np.empty((blocks.shape[0], LANES), np.float32)
    tops = np.empty(blocks.shape[0], np.float32)
    first_ones = np.arange(leaders)
    quartered = leaders == 0
    chosen = np.empty(blocks.shape[0], np.int64)
    values = np.empty(guesses.size + LANES, np.float32)
    items = np.empty(guesses.size + LANES, np.int64)
    planes = np.empty((4, (rows.shape[1] + 63) // 64), np.uint64)
    fine = np.empty(rows.shape[1], np.int8)
    for i in range(rows.shape[0]):
        row = rows[i]
        step, total = _quantise(row, planes)
        finer = step * np.float32(7.5 / 127.0)
        per_step = np.float32(1.0) / finer
        for j in range(row.shape[0]):
            fine[j] = np.int8(np.rint(row[j] * per_step))
        base = dot_of_bytes(fine, centres[0]) * finer * scales[0]
        many = 1  # without leaders there is one group
        items[0] = 1
        if leaders > 0:
            _guess(blocks, floats, first_ones, leaders, quartered, behind, planes, base, step, total, guesses, tops)
            many = _highest(guesses, tops[:leaders], wanted, values, items)
        used = np.int64(0)
        for j in range(many):
            for block in range(begins[items[j] - 1], ends[items[j] - 1]):
                chosen[used] = block
                used += 1
        _guess(blocks, floats, chosen, used, quartered, behind, planes, base, step, total, guesses, tops)
        found = _highest(guesses, tops[:used], look, values, items)
        first = 0
        for j in range(found):
            items[j] = places[chosen[items[j] // LANES] * LANES + items[j] % LANES]
            prefetch(centres, items[j])
        for j in range(found):
            c = items[j]
            quarter = centre_floats[c // LANES, behind + 2 * LANES + c % LANES]
            values[j] = dot_of_bytes(fine, centres[c]) * finer * scales[c] - np.float32(2.0) * quarter
            if values[j] > values[first]:
                first = j
        own = items[first] if found > 0 else 0  # a row that is not a number is near nothing
        cells[i, 0] = own
        cells[i, 1] = -1
        if not twice or found < 2:
            continue
        # r = x - own:  |r|**2 = |x|**2 - 2 value,  <r, x> = |x|**2 - <own, x>,  <r, c> = <x, c> - <own, c>
        whole = dot(row, row)
        size = max(whole - np.float32(2.0) * values[first], _LEAST_SIZE)
        quarter = centre_floats[own // LANES, behind + 2 * LANES + own % LANES]
        along = whole - values[first] - np.float32(2.0) * quarter
        least = np.float32(np.inf)
        for j in range(found):
            if j == first:
                continue
            c = items[j]
            quarter = centre_floats[c // LANES, behind + 2 * LANES + c % LANES]
            near = dot_of_bytes(centres[own], centres[c]) * scales[own] * scales[c]
            off = along - values[j] - np.float32(2.0) * quarter + near
            loss = off * off / size - np.float32(2.0) * values[j]  # |x - c|**2 is |x|**2 less twice its value
            if loss < least:
                least = loss
                cells[i, 1] = c


@_loop
def _distinct(points, count):
    """Drop repeats among the first count points, in place; returns how many are left (open addressing)."""
    size = 64
    while size < 2 * count:
        size *= 2
    seen = np.empty(size, np.int64)
    for i in range(size):
        seen[i] = -1
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


@_loop
def find_many(
    queries, turns, centres, scales, centre_blocks, centre_floats, heads, blocks, numbers, following, behind,
    limit, allowed, holding, far, gap, pull, slack, least_cells, most_cells, wanted,
):  # fmt: skip
    """The points whose estimated score is highest, at most `wanted`, in any order; each once. For each of the queries.

    queries      (q, dim) float32, unit length
    behind       32-bit numbers of codes in a block
    limit        only points below it;  allowed (limit,) bool: which of them may answer; length 0 = all
    holding      (cells, 2) int32, its second numbers: lanes of those who may answer; a cell without is passed over
    far          cells are visited, best first, until their score lies this far below the best one's,
    gap, pull    or gap, less pull times what the wanted points found by then lie above that one's,
    slack        how far off an estimate of a cell's score may be; it is scored when its turn comes
    least_cells  but at least so many
    most_cells   and at most so many; cell 0 is always visited
    returns      points (c,) int64, those of the first query, then of the second, ...; ends (q,) int64: where they end

    Lanes of those who may not answer change nothing: the same is found where there are none.
    """
    farthest_off, wide, steep, off = np.float32(far), np.float32(gap), np.float32(pull), np.float32(slack)
    all_points = np.empty(queries.shape[0] * wanted, np.int64)
    ends = np.empty(queries.shape[0], np.int64)
    count = 0
    turned = np.empty(queries.shape[1], np.float32)
    planes = np.empty((4, (queries.shape[1] + 63) // 64), np.uint64)
    used = (centres.shape[0] + LANES - 1) // LANES
    guesses = np.empty((used, LANES), np.float32)
    tops = np.empty(used, np.float32)
    values = np.empty(2 * wanted + LANES, np.float32)
    points = np.empty(2 * wanted + LANES, np.int64)
    estimates = np.empty(LANES, np.float32)
    for q in range(queries.shape[0]):
        _rotate(queries[q], turns, turned)
        step, total = _quantise(turned, planes)
        twice = np.float32(2.0) * step
        less = step * np.float32(total)
        base = dot(turned, centres[0]) * scales[0]
        for number in range(used):
            estimate(centre_blocks[number], planes, base, twice, less, _NOTHING, guesses[number])
            tops[number] = largest(guesses[number])
        order, nearness = _in_order(guesses, tops, farthest_off + off)
        found = np.int64(0)  # not a literal, which would be a type of its own
        least = _NOTHING
        best = _NOTHING
        turn = 0
        last = min(order.shape[0], most_cells)
        block = np.int64(heads[0, 0])
        left = abs(np.int64(heads[0, 1])) // LANES + 1  # blocks that the cell may have
        ahead = block  # the next of its blocks to be asked for
        while block >= 0 or turn < last:
            # the cell after this one, by what was found before this one
            next_block = np.int64(-1)
            next_left = np.int64(0)
            next_base = base
            while turn < last and next_block < 0:
                bar = _NOTHING
                if turn >= least_cells and best > _NOTHING:
                    bar = best - min(farthest_off, wide - steep * (least - best))
                    if nearness[turn] + off < bar:
                        last = turn
                        break
                if turn + 2 < last:
                    prefetch(centres, order[turn + 2])
                cell = order[turn]
                turn += 1
                if holding[cell, 1] == 0:
                    continue
                next_base = dot(turned, centres[cell]) * scales[cell]
                score = next_base - centre_floats[cell // LANES, behind + 2 * LANES + cell % LANES]
                best = max(best, score)
                if score >= bar:
                    next_block = np.int64(heads[cell, 0])
                    next_left = abs(np.int64(heads[cell, 1])) // LANES + 1
            next_ahead = next_block
            for _ in range(_AHEAD):
                if 0 <= next_ahead < blocks.shape[0]:
                    prefetch(blocks, next_ahead)
                    next_ahead = np.int64(following[next_ahead])
            while 0 <= block < blocks.shape[0] and left > 0:
                if 0 <= ahead < blocks.shape[0]:
                    prefetch(blocks, ahead)
                    ahead = np.int64(following[ahead])
                above = estimate(blocks[block], planes, base, twice, less, least, estimates)
                while above != 0:
                    lane = lowest(above)
                    above &= above - np.uint32(1)
                    point = np.int64(numbers[block, behind + 2 * LANES + lane])
                    value = estimates[lane]
                    if value > least and 0 <= point < limit and (allowed.shape[0] == 0 or allowed[point]):
                        values[found] = value
                        points[found] = point
                        found += 1
                        if found == 2 * wanted:
                            found, least = _thin(values, points, found, wanted)
                left -= 1
                block = np.int64(following[block])
            block = next_block
            left = next_left
            base = next_base
            ahead = next_ahead
        if found > wanted:
            _cut(values, points, found, wanted)
            found = wanted
        for i in range(_distinct(points, found)):
            all_points[count] = points[i]
            count += 1
        ends[q] = count
    return all_points[:count], ends
