# What the loops need of the machine and numba has no name for: prefetch, a dot product and a block of popcounts.
#
# Rule: bits never depend on where a function is called from: no reassociation, no contraction, fixed lanes.
# Rule: LLVM turns sixteen lanes into whatever vectors the machine has; the additions stay the same ones.
# Rule: numba's cache of a loop does not see edits in this file: after one, delete the caches (`make clean`).
"""Machine instructions, for compiled loops only."""

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ABREAST = 16  # places whose sums are taken side by side
_LINE = 64  # bytes of a cache line; on a machine with longer ones some prefetches are spent twice
_LANES = 16  # of a sum
_SUMS = 4  # at once, so that an addition need not wait for the one before
_WHOLE = 1.5 * 2.0**52  # adding and taking away this rounds to a whole number
_LIFT = 2.0**52 + 1023.0  # a whole number and this have the bits of its power of two lowest
_SERIES = [math.log(2.0) ** i / math.factorial(i) for i in range(10, -1, -1)]  # of 2**f
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
def products(typing: Any, places: Any, points: Any, found: Any, first: Any) -> Any:
    """Products of a cache line of places with the first eight of some points, into found[:8, first:] (.., 16) float64.

    places (d, 16) float32 or (d, 8) float64: the places side by side;  points (8 or more, d) of the same type, one
    after another;  d a multiple of 8;  all contiguous. Eight dimensions are added up by halves, and the eights in their
    order. Sums of float32 go into one of float64 after a sixth of the dimensions, or 64, which keeps the error near
    2e-8. The bits of a product depend on nothing but the place and the point.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places, points, found = (
            context.make_array(signature.args[number])(context, builder, arguments[number]) for number in (0, 1, 2)
        )
        kind = places.data.type.pointee
        width = 16 if kind == ir.FloatType() else 8
        vector, wide = ir.VectorType(kind, width), ir.VectorType(ir.DoubleType(), width)
        length = cgutils.unpack_tuple(builder, places.shape)[0]
        rows = [builder.gep(points.data, [builder.mul(_word(row), length)]) for row in range(8)]
        targets = [builder.add(arguments[3], _word(row * ABREAST)) for row in range(8)]
        sums = [cgutils.alloca_once(builder, vector) for _ in rows]

        def smaller(a: Any, b: Any) -> Any:
            return builder.select(builder.icmp_unsigned("<", a, b), a, b)

        def together(row: Any, taken: list[Any], first: Any) -> Any:
            """Products of one row with the places' dimensions from `first` on, added up by halves."""
            if len(taken) == 1:
                number = _everywhere(builder, builder.load(builder.gep(row, [first])), width)
                return builder.fmul(taken[0], number)
            half = len(taken) // 2
            low = together(row, taken[:half], first)
            return builder.fadd(low, together(row, taken[half:], builder.add(first, _word(half))))

        longest = length
        if vector != wide:
            sixth = builder.and_(builder.add(builder.udiv(length, _word(6)), _word(7)), _word(-8))
            longest = smaller(sixth, _word(64))
        for target in targets:
            _abreast(builder, found, target, width, ir.Constant(wide, None))
        with cgutils.for_range_slice(builder, _word(0), length, longest) as (begin, _):
            for total in sums:
                builder.store(ir.Constant(vector, None), total)
            end = smaller(builder.add(begin, longest), length)
            with cgutils.for_range_slice(builder, begin, end, _word(8)) as (here, _):
                items = [builder.mul(builder.add(here, _word(i)), _word(width)) for i in range(8)]
                taken = [_abreast(builder, places, item, width) for item in items]
                for row, total in zip(rows, sums, strict=True):
                    builder.store(builder.fadd(builder.load(total), together(row, taken, here)), total)
            for target, total in zip(targets, sums, strict=True):
                value = builder.load(total) if vector == wide else builder.fpext(builder.load(total), wide)
                value = builder.fadd(_abreast(builder, found, target, width), value)
                _abreast(builder, found, target, width, value)
        return context.get_dummy_value()

    return types.void(places, points, found, first), generate


@intrinsic
def add_kernels(typing: Any, cosines: Any, weights: Any, rate: Any, tops: Any, plus: Any, minus: Any) -> Any:
    """Add weight * 2**(rate (cosine - 1)) of each point, in their order, to the sums of sixteen places; float64.

    cosines (m, 16): a row for each point;  weights (m or more,);  tops, plus, minus (16,): plus are the sums of what is
    positive, minus of what is negative, without its sign, both in units of 2**top. All contiguous. rate at most 2**48.
    A power of two is 2**n times the Taylor series of 2**f, |f| <= 1/2, to f**10: good to 3e-13 of itself, and to what
    rounding makes of rate (cosine - 1). tops are raised to the largest n first. Scaling by 2**n rounds nothing, so no
    bit depends on when that happens.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.DoubleType(), ABREAST)
        rate = _everywhere(builder, arguments[2], ABREAST)
        cosines, weights, tops, plus, minus = (
            context.make_array(signature.args[number])(context, builder, arguments[number])
            for number in (0, 1, 3, 4, 5)
        )
        count = cgutils.unpack_tuple(builder, cosines.shape)[0]

        def constant(value: float) -> ir.Constant:
            return ir.Constant(vector, [value] * ABREAST)

        def row_of(array: Any, row: Any, value: Any = None) -> Any:
            return _abreast(builder, array, builder.mul(row, _word(ABREAST)), ABREAST, value)

        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        def power(cosine: Any) -> tuple[Any, Any]:
            """rate (cosine - 1), and the whole number next to it."""
            exact = builder.fmul(rate, builder.fsub(cosine, constant(1.0)))
            return exact, builder.fsub(builder.fadd(exact, constant(_WHOLE)), constant(_WHOLE))

        nearest = cgutils.alloca_once(builder, vector)
        builder.store(constant(-math.inf), nearest)
        with cgutils.for_range_slice(builder, _word(0), count, _word(1)) as (p, _):
            builder.store(larger(row_of(cosines, p), builder.load(nearest)), nearest)
        before = row_of(tops, _word(0))
        top = larger(power(builder.load(nearest))[1], before)
        row_of(tops, _word(0), top)
        least, down = builder.fsub(top, constant(1023.0)), builder.fsub(constant(_LIFT), top)

        def scale(whole: Any) -> Any:
            """2**(whole - top); 0 from -1023 down."""
            return _two_to(builder, builder.fadd(larger(whole, least), down))

        lowered = scale(before)
        sums = [cgutils.alloca_once(builder, vector) for _ in range(2)]
        for array, total in zip((plus, minus), sums, strict=True):
            builder.store(builder.fmul(row_of(array, _word(0)), lowered), total)
        with cgutils.for_range_slice(builder, _word(0), count, _word(1)) as (p, _):
            exact, whole = power(row_of(cosines, p))
            rest = builder.fsub(exact, whole)
            square = builder.fmul(rest, rest)
            even, odd = constant(_SERIES[0]), constant(_SERIES[1])  # side by side: neither waits for the other
            for coefficient in _SERIES[2::2]:
                even = builder.fadd(builder.fmul(even, square), constant(coefficient))
            for coefficient in _SERIES[3::2]:
                odd = builder.fadd(builder.fmul(odd, square), constant(coefficient))
            kernel = builder.fmul(builder.fadd(even, builder.fmul(odd, rest)), scale(whole))
            weight = builder.load(builder.gep(weights.data, [p]))
            share = builder.fmul(_everywhere(builder, builder.call(_absolute(builder), [weight]), ABREAST), kernel)
            positive = builder.fcmp_ordered(">", weight, ir.Constant(ir.DoubleType(), 0.0))
            with builder.if_else(positive) as branches:
                for branch, total in zip(branches, sums, strict=True):
                    with branch:
                        builder.store(builder.fadd(builder.load(total), share), total)
        for array, total in zip((plus, minus), sums, strict=True):
            row_of(array, _word(0), builder.load(total))
        return context.get_dummy_value()

    return types.void(cosines, weights, rate, tops, plus, minus), generate


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


@intrinsic
def two_to(typing: Any, power: Any) -> Any:
    """2 ** power for a float64 that is a whole number from -1022 to 1023; 0 at -1023."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _two_to(builder, builder.fadd(arguments[0], ir.Constant(ir.DoubleType(), _LIFT)))

    return types.float64(types.float64), generate


def _two_to(builder: Any, lifted: Any) -> Any:
    """2 ** power from power + _LIFT, float64, one or a vector of them: the lowest bits become the exponent."""
    kind = lifted.type
    vector = isinstance(kind, ir.VectorType)
    words = ir.VectorType(_WORD, kind.count) if vector else _WORD
    bits = builder.shl(builder.bitcast(lifted, words), ir.Constant(words, [52] * kind.count if vector else 52))
    return builder.bitcast(bits, kind)


def _abreast(builder: Any, array: Any, first: Any, width: int, value: Any = None) -> Any:
    """So many items of a contiguous array, from item `first` on, as a vector; set to the value, if one is given."""
    vector = ir.VectorType(array.data.type.pointee, width)
    place = builder.bitcast(builder.gep(array.data, [first]), vector.as_pointer())
    return builder.load(place, align=4) if value is None else builder.store(value, place, align=4)


def _everywhere(builder: Any, number: Any, width: int) -> Any:
    """A vector of so many times the number."""
    vector = ir.VectorType(number.type, width)
    alone = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(
        alone, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(_INDEX, width), None)
    )


def _absolute(builder: Any) -> Any:
    double = ir.DoubleType()
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(double, [double]), "llvm.fabs.f64")


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
