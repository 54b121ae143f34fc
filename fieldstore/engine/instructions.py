# What the loops need of the machine and numba has no name for: prefetch, dot products and blocks of popcounts.
#
# Rule: bits never depend on where a function is called from: no reassociation, no contraction, fixed lanes.
# Rule: LLVM turns sixteen lanes into whatever vectors the machine has; the additions stay the same ones.
# Rule: numba's cache of a loop does not see edits in this file: after one, delete the caches (`make clean`).
"""Machine instructions, for compiled loops only."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LINE = 64  # bytes of a cache line; on a machine with longer ones some prefetches are spent twice
_LANES = 16  # of a sum
_SUMS = 4  # at once, so that an addition need not wait for the one before
_WORD = ir.IntType(64)
_INDEX = ir.IntType(32)
_BYTE = ir.IntType(8)


@intrinsic
def prefetch(typing: Any, array: Any, item: Any) -> Any:
    """Ask for array[item], every cache line of it, without waiting; the array is contiguous. Reads nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, view.strides)[0]
        start = builder.add(builder.ptrtoint(view.data, _WORD), builder.mul(arguments[1], stride))
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(flag, hint) for hint in (0, 3, 1)]  # to read, keep in every cache, data
        with cgutils.for_range_slice(builder, _word(0), stride, _word(_LINE)) as (offset, _):
            builder.call(fetch, [builder.inttoptr(builder.add(start, offset), pointer), *hints])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def dot(typing: Any, a: Any, b: Any) -> Any:
    """<a, b> of two contiguous rows of equal length, in the type of a; b may be of less precision, or int8.

    Item i goes to lane i % 16 of sum (i // 16) % 4, whole lanes only; the sums are added in order, then the lanes by
    halves, then what was left over: the same bits on every machine and from every caller.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(a.dtype)
        vector = ir.VectorType(kind, _LANES)
        views = [
            context.make_array(side)(context, builder, argument)
            for side, argument in zip(signature.args, arguments, strict=True)
        ]
        length = cgutils.unpack_tuple(builder, views[0].shape)[0]

        def at(view: Any, first: Any, width: ir.Type) -> Any:
            """The numbers of a row from item `first` on, one or a vector of them, in the type of a."""
            start = builder.gep(view.data, [first])
            given = view.data.type.pointee
            stored = given if width is kind else ir.VectorType(given, _LANES)
            value = builder.load(builder.bitcast(start, stored.as_pointer()), align=1 if given == _BYTE else 4)
            if given == kind:
                return value
            return builder.sitofp(value, width) if given == _BYTE else builder.fpext(value, width)

        def add(total: Any, first: Any, width: ir.Type) -> None:
            product = builder.fmul(at(views[0], first, width), at(views[1], first, width))
            builder.store(builder.fadd(builder.load(total), product), total)

        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(_SUMS)]
        rest = cgutils.alloca_once_value(builder, ir.Constant(kind, 0.0))
        block = _LANES * _SUMS
        blocks = builder.mul(builder.udiv(length, _word(block)), _word(block))
        lanes = builder.mul(builder.udiv(length, _word(_LANES)), _word(_LANES))
        with cgutils.for_range_slice(builder, _word(0), blocks, _word(block)) as (first, _):
            for number, total in enumerate(sums):
                add(total, builder.add(first, _word(number * _LANES)), vector)
        with cgutils.for_range_slice(builder, blocks, lanes, _word(_LANES)) as (first, _):
            add(sums[0], first, vector)
        with cgutils.for_range_slice(builder, lanes, length, _word(1)) as (first, _):
            add(rest, first, kind)
        whole = builder.load(sums[0])
        for total in sums[1:]:
            whole = builder.fadd(whole, builder.load(total))
        return builder.fadd(_summed(builder, whole), builder.load(rest))

    return a.dtype(a, b), generate


@intrinsic
def sixteen_dots(typing: Any, points: Any, rows: Any, others: Any, found: Any) -> Any:
    """Products of four rows of points with four others, into found (4, 4); all contiguous.

    points (n, d);  rows, others (4,) int64: numbers of points;  found: in the type of points. A number loaded is used
    four times, and sums are folded together: less than half the work of sixteen `dot`s. Each has one sum only, of
    lanes as in `dot`: the last bits may be others, but they are the same for a pair wherever it stands.
    """
    side = range(4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(points.dtype)
        vector = ir.VectorType(kind, _LANES)
        points_view, rows_view, others_view, found_view = (
            context.make_array(array)(context, builder, argument)
            for array, argument in zip(signature.args, arguments, strict=True)
        )
        length = cgutils.unpack_tuple(builder, points_view.shape)[1]

        def row(numbers: Any, i: int) -> Any:
            number = builder.load(builder.gep(numbers.data, [_word(i)]))
            return builder.gep(points_view.data, [builder.mul(number, length)])

        left, right = ([row(numbers, i) for i in side] for numbers in (rows_view, others_view))

        def nothing(width: ir.Type) -> list[Any]:
            totals = [cgutils.alloca_once(builder, width) for _ in range(16)]
            for total in totals:  # here and not in the first block: the call may stand in a loop
                builder.store(ir.Constant(width, None), total)
            return totals

        def add(totals: list[Any], first: Any, width: ir.Type) -> None:
            ours, theirs = (
                [builder.load(builder.bitcast(builder.gep(row, [first]), width.as_pointer()), align=4) for row in rows]
                for rows in (left, right)
            )
            for number, total in enumerate(totals):
                product = builder.fmul(ours[number // 4], theirs[number % 4])
                builder.store(builder.fadd(builder.load(total), product), total)

        lanes = builder.mul(builder.udiv(length, _word(_LANES)), _word(_LANES))
        sums, rests = nothing(vector), nothing(kind)
        with cgutils.for_range_slice(builder, _word(0), lanes, _word(_LANES)) as (first, _):
            add(sums, first, vector)
        with cgutils.for_range_slice(builder, lanes, length, _word(1)) as (first, _):
            add(rests, first, kind)
        for i in side:
            together = _summed_together(builder, [builder.load(total) for total in sums[4 * i : 4 * i + 4]])
            for j in side:
                value = builder.extract_element(together, ir.Constant(_INDEX, j))
                place = builder.gep(found_view.data, [_word(4 * i + j)])
                builder.store(builder.fadd(value, builder.load(rests[4 * i + j])), place)
        return context.get_dummy_value()

    return types.void(points, rows, others, found), generate


@intrinsic
def estimate(typing: Any, block: Any, planes: Any, base: Any, twice: Any, less: Any, least: Any, values: Any) -> Any:
    """Estimates of one block of 32 codes, base + A + B (twice * sum_j b_j t_j - less), into values (32,) float32.

    block    uint64: words times 32 words of codes, bit j of a code being b_j; then A and B, 32 float32 each
    planes   (4, words) uint64: the bits of t_j in two's complement;  base, twice, less, least: float32
    returns  uint32: bit i is set where values[i] > least (lane i is bit i on little-endian machines, the only ones)
    """
    if base != types.float32 or twice != types.float32 or less != types.float32 or least != types.float32:
        return None  # numba then says that no such function exists

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def view(number: int) -> Any:
            return context.make_array(signature.args[number])(context, builder, arguments[number])

        def spread(value: Any, kind: ir.VectorType) -> Any:
            alone = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(_INDEX, 0))
            return builder.shuffle_vector(
                alone, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(_INDEX, 8), [0] * 8)
            )

        def place(array: Any, item: Any, kind: ir.VectorType) -> Any:
            return builder.bitcast(builder.gep(array.data, [item]), kind.as_pointer())

        words, floats = ir.VectorType(_WORD, 8), ir.VectorType(ir.FloatType(), 8)
        block, planes, values = view(0), view(1), view(6)
        base, twice, less, least = (spread(arguments[number], floats) for number in (2, 3, 4, 5))
        count = cgutils.unpack_tuple(builder, planes.shape)[1]
        popcount = cgutils.get_or_insert_function(builder.module, ir.FunctionType(words, [words]), "llvm.ctpop.v8i64")
        groups = range(4)  # of eight lanes
        tallies = [[cgutils.alloca_once_value(builder, ir.Constant(words, None)) for _ in range(4)] for _ in groups]
        with cgutils.for_range_slice(builder, _word(0), count, _word(1)) as (word, _):
            bits = [
                spread(builder.load(builder.gep(planes.data, [builder.add(builder.mul(count, _word(k)), word)])), words)
                for k in range(4)
            ]
            for group in groups:
                item = builder.add(builder.mul(word, _word(32)), _word(8 * group))
                code = builder.load(place(block, item, words), align=8)
                for plane, tally in zip(bits, tallies[group], strict=True):
                    ones = builder.call(popcount, [builder.and_(code, plane)])
                    builder.store(builder.add(builder.load(tally), ones), tally)
        above = ir.Constant(ir.IntType(32), 0)
        for group in groups:
            p0, p1, p2, p3 = (builder.load(tally) for tally in tallies[group])
            total = builder.add(p0, builder.shl(p1, ir.Constant(words, [1] * 8)))
            total = builder.add(total, builder.shl(p2, ir.Constant(words, [2] * 8)))
            total = builder.sub(total, builder.shl(p3, ir.Constant(words, [3] * 8)))  # the sign bit
            said = builder.sitofp(builder.trunc(total, ir.VectorType(ir.IntType(32), 8)), floats)
            behind = builder.add(builder.mul(count, _word(32)), _word(4 * group))  # two floats to a word
            offset = builder.load(place(block, behind, floats), align=4)
            slope = builder.load(place(block, builder.add(behind, _word(16)), floats), align=4)
            value = builder.fadd(
                builder.fadd(base, offset), builder.fmul(slope, builder.fsub(builder.fmul(twice, said), less))
            )
            builder.store(value, place(values, _word(8 * group), floats), align=4)
            flags = builder.bitcast(builder.fcmp_ordered(">", value, least), ir.IntType(8))
            shifted = builder.shl(builder.zext(flags, ir.IntType(32)), ir.Constant(ir.IntType(32), 8 * group))
            above = builder.or_(above, shifted)
        return above

    return types.uint32(block, planes, base, twice, less, least, values), generate


@intrinsic
def signs(typing: Any, row: Any, centre: Any, block: Any, lane: Any, sums: Any) -> Any:
    """The code of r = row - centre, bit j set where r_j > 0, into a lane of a block; and what makes it an estimate.

    row, centre (dim,) float32;  block uint64, as for `estimate`;  lane int64
    sums (4,) float32, filled: sum r^2, sum r c, sum |r|, sum of c_j where r_j > 0 less sum of the other c_j
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, centre, block, sums = (
            context.make_array(signature.args[number])(context, builder, arguments[number]) for number in (0, 1, 2, 4)
        )
        lane = arguments[3]
        length = cgutils.unpack_tuple(builder, row.shape)[0]
        words = builder.udiv(builder.add(length, _word(63)), _word(64))

        def word_of(number: Any) -> Any:
            return builder.gep(block.data, [builder.add(builder.mul(number, _word(32)), lane)])

        with cgutils.for_range_slice(builder, _word(0), words, _word(1)) as (number, _):
            builder.store(_word(0), word_of(number))

        def step(first: Any, kind: ir.Type, flags: ir.Type, totals: list[Any]) -> None:
            x, c = (
                builder.load(builder.bitcast(builder.gep(view.data, [first]), kind.as_pointer()), align=4)
                for view in (row, centre)
            )
            r = builder.fsub(x, c)
            above = builder.fcmp_ordered(">", r, ir.Constant(kind, None))
            added = (
                builder.fmul(r, r),
                builder.fmul(r, c),
                builder.select(above, r, builder.fneg(r)),
                builder.select(above, c, builder.fneg(c)),
            )
            for total, value in zip(totals, added, strict=True):
                builder.store(builder.fadd(builder.load(total), value), total)
            bits = builder.zext(builder.bitcast(above, flags), _WORD)
            place = word_of(builder.udiv(first, _word(64)))
            shifted = builder.shl(bits, builder.urem(first, _word(64)))
            builder.store(builder.or_(builder.load(place), shifted), place)

        single, vector = ir.FloatType(), ir.VectorType(ir.FloatType(), _LANES)
        lanes = builder.mul(builder.udiv(length, _word(_LANES)), _word(_LANES))
        totals = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(4)]
        rests = [cgutils.alloca_once_value(builder, ir.Constant(single, 0.0)) for _ in range(4)]
        with cgutils.for_range_slice(builder, _word(0), lanes, _word(_LANES)) as (first, _):
            step(first, vector, ir.IntType(_LANES), totals)
        with cgutils.for_range_slice(builder, lanes, length, _word(1)) as (first, _):
            step(first, single, ir.IntType(1), rests)
        for number in range(4):
            total = builder.fadd(_summed(builder, builder.load(totals[number])), builder.load(rests[number]))
            builder.store(total, builder.gep(sums.data, [_word(number)]))
        return context.get_dummy_value()

    return types.void(row, centre, block, lane, sums), generate


@intrinsic
def largest(typing: Any, values: Any) -> Any:
    """The largest of the first 32 float32 of a contiguous row, none of them NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.FloatType(), _LANES)
        low, high = (
            builder.load(builder.bitcast(builder.gep(view.data, [_word(first)]), vector.as_pointer()), align=4)
            for first in (0, _LANES)
        )
        width = _LANES
        while True:
            low = builder.select(builder.fcmp_ordered(">", low, high), low, high)
            if width == 1:
                return builder.extract_element(low, ir.Constant(_INDEX, 0))
            width //= 2
            low, high = (_part(builder, low, start, width) for start in (0, width))

    return types.float32(values), generate


@intrinsic
def lowest(typing: Any, flags: Any) -> Any:
    """Position of the lowest set bit of a uint32 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), _WORD)

    return types.int64(types.uint32), generate


def _word(value: int) -> ir.Constant:
    return ir.Constant(_WORD, value)


def _summed(builder: Any, vector: Any) -> Any:
    """The sum of a vector's lanes, by halves."""
    width = _LANES
    while width > 1:
        width //= 2
        low, high = (_part(builder, vector, start, width) for start in (0, width))
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, ir.Constant(_INDEX, 0))


def _summed_together(builder: Any, vectors: list[Any]) -> Any:
    """The sums of four vectors' lanes, as one vector of four: each by halves, as `_summed` does."""
    width = _LANES
    while width > 1:
        width //= 2
        if len(vectors) > 1:
            vectors = [_halves_added(builder, *pair, width) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
        else:
            vectors = [_halves_added(builder, vectors[0], None, width)]
    return vectors[0]


def _halves_added(builder: Any, vector: Any, other: Any, width: int) -> Any:
    """Runs of 2 * width lanes, each folded to width; those of the other vector, if there is one, come behind."""
    lanes = vector.type.count if other is None else 2 * vector.type.count
    low = [lane for lane in range(lanes) if lane % (2 * width) < width]
    parts = []
    for offset in (0, width):
        chosen = ir.Constant(ir.VectorType(_INDEX, len(low)), [ir.Constant(_INDEX, lane + offset) for lane in low])
        behind = ir.Constant(vector.type, ir.Undefined) if other is None else other
        parts.append(builder.shuffle_vector(vector, behind, chosen))
    return builder.fadd(*parts)


def _part(builder: Any, vector: Any, start: int, width: int) -> Any:
    chosen = ir.Constant(ir.VectorType(_INDEX, width), [ir.Constant(_INDEX, start + i) for i in range(width)])
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), chosen)
