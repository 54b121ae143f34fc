# The instructions of codes: what a code says, how it is made, how a row is turned and brought to four bits a number.
#
# Rules: those of instructions.py.
"""Machine instructions for one-bit codes, for compiled loops only."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fieldstore.engine.pieces import INDEX, LANES, WORD, everywhere, highest, i64, larger, summed

_LIFT, _LIFTED = 1.5 * 2.0**23, 0x4B400000  # adding this to a small float32 rounds it to a whole number; its bits


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
            alone = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(INDEX, 0))
            return builder.shuffle_vector(
                alone, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(INDEX, 8), [0] * 8)
            )

        def place(array: Any, item: Any, kind: ir.VectorType) -> Any:
            return builder.bitcast(builder.gep(array.data, [item]), kind.as_pointer())

        words, floats = ir.VectorType(WORD, 8), ir.VectorType(ir.FloatType(), 8)
        block, planes, values = view(0), view(1), view(6)
        base, twice, less, least = (spread(arguments[number], floats) for number in (2, 3, 4, 5))
        count = cgutils.unpack_tuple(builder, planes.shape)[1]
        popcount = cgutils.get_or_insert_function(builder.module, ir.FunctionType(words, [words]), "llvm.ctpop.v8i64")
        groups = range(4)  # of eight lanes
        tallies = [[cgutils.alloca_once_value(builder, ir.Constant(words, None)) for _ in range(4)] for _ in groups]
        with cgutils.for_range_slice(builder, i64(0), count, i64(1)) as (word, _):
            bits = [
                spread(builder.load(builder.gep(planes.data, [builder.add(builder.mul(count, i64(k)), word)])), words)
                for k in range(4)
            ]
            for group in groups:
                item = builder.add(builder.mul(word, i64(32)), i64(8 * group))
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
            behind = builder.add(builder.mul(count, i64(32)), i64(4 * group))  # two floats to a word
            offset = builder.load(place(block, behind, floats), align=4)
            slope = builder.load(place(block, builder.add(behind, i64(16)), floats), align=4)
            value = builder.fadd(
                builder.fadd(base, offset), builder.fmul(slope, builder.fsub(builder.fmul(twice, said), less))
            )
            builder.store(value, place(values, i64(8 * group), floats), align=4)
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
        words = builder.udiv(builder.add(length, i64(63)), i64(64))

        def word_of(number: Any) -> Any:
            return builder.gep(block.data, [builder.add(builder.mul(number, i64(32)), lane)])

        with cgutils.for_range_slice(builder, i64(0), words, i64(1)) as (number, _):
            builder.store(i64(0), word_of(number))

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
            bits = builder.zext(builder.bitcast(above, flags), WORD)
            place = word_of(builder.udiv(first, i64(64)))
            shifted = builder.shl(bits, builder.urem(first, i64(64)))
            builder.store(builder.or_(builder.load(place), shifted), place)

        single, vector = ir.FloatType(), ir.VectorType(ir.FloatType(), LANES)
        lanes = builder.mul(builder.udiv(length, i64(LANES)), i64(LANES))
        totals = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(4)]
        rests = [cgutils.alloca_once_value(builder, ir.Constant(single, 0.0)) for _ in range(4)]
        with cgutils.for_range_slice(builder, i64(0), lanes, i64(LANES)) as (first, _):
            step(first, vector, ir.IntType(LANES), totals)
        with cgutils.for_range_slice(builder, lanes, length, i64(1)) as (first, _):
            step(first, single, ir.IntType(1), rests)
        for number in range(4):
            total = builder.fadd(summed(builder, builder.load(totals[number])), builder.load(rests[number]))
            builder.store(total, builder.gep(sums.data, [i64(number)]))
        return context.get_dummy_value()

    return types.void(row, centre, block, lane, sums), generate


@intrinsic
def farthest(typing: Any, row: Any) -> Any:
    """The largest |x| of a contiguous float32 row, 0 of an empty one; what is not a number does not count."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        length = cgutils.unpack_tuple(builder, view.shape)[0]
        lanes = builder.mul(builder.udiv(length, i64(LANES)), i64(LANES))
        single, vector = ir.FloatType(), ir.VectorType(ir.FloatType(), LANES)

        def step(first: Any, kind: ir.Type, top: Any) -> None:
            x = builder.load(builder.bitcast(builder.gep(view.data, [first]), kind.as_pointer()), align=4)
            size = builder.select(builder.fcmp_ordered("<", x, ir.Constant(kind, None)), builder.fneg(x), x)
            before = builder.load(top)
            builder.store(builder.select(builder.fcmp_ordered(">", size, before), size, before), top)

        tops, rest = (cgutils.alloca_once(builder, kind) for kind in (vector, single))
        builder.store(ir.Constant(vector, None), tops)
        builder.store(ir.Constant(single, 0.0), rest)
        with cgutils.for_range_slice(builder, i64(0), lanes, i64(LANES)) as (first, _):
            step(first, vector, tops)
        with cgutils.for_range_slice(builder, lanes, length, i64(1)) as (first, _):
            step(first, single, rest)
        return larger(builder, highest(builder, builder.load(tops)), builder.load(rest))

    return types.float32(row), generate


@intrinsic
def four_bits(typing: Any, row: Any, per_step: Any, planes: Any) -> Any:
    """The bits of t_j = row_j * per_step, rounded to a whole number from -8 to 7, into planes; returns the sum of t.

    row (dim,) float32;  per_step float32;  planes (4, words) uint64, filled: bit j of plane k is bit k of t_j in two's
    complement
    """
    if per_step != types.float32:
        return None  # numba then says that no such function exists

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, planes = (context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2))
        length = cgutils.unpack_tuple(builder, row.shape)[0]
        words = cgutils.unpack_tuple(builder, planes.shape)[1]
        with cgutils.for_range_slice(builder, i64(0), builder.mul(words, i64(4)), i64(1)) as (item, _):
            builder.store(i64(0), builder.gep(planes.data, [item]))

        def step(first: Any, kind: ir.Type, whole: ir.Type, flags: ir.Type, total: Any) -> None:
            vector = isinstance(kind, ir.VectorType)

            def constant(of: ir.Type, value: float) -> ir.Constant:
                return ir.Constant(of, [value] * kind.count if vector else value)

            rate = everywhere(builder, arguments[1], kind.count) if vector else arguments[1]
            x = builder.load(builder.bitcast(builder.gep(row.data, [first]), kind.as_pointer()), align=4)
            scaled = builder.fmul(x, rate)
            scaled = builder.select(builder.fcmp_ordered("<", scaled, constant(kind, 7.0)), scaled, constant(kind, 7.0))
            # adding this rounds to a whole number and leaves its lowest bits where they are wanted
            bits = builder.bitcast(builder.fadd(scaled, constant(kind, _LIFT)), whole)
            value = builder.sub(bits, constant(whole, _LIFTED))
            builder.store(builder.add(builder.load(total), value), total)
            within, word = builder.urem(first, i64(64)), builder.udiv(first, i64(64))
            for plane in range(4):
                one = builder.and_(bits, constant(whole, 1 << plane))
                set_ = builder.icmp_unsigned("!=", one, constant(whole, 0))
                shifted = builder.shl(builder.zext(builder.bitcast(set_, flags), WORD), within)
                place = builder.gep(planes.data, [builder.add(builder.mul(words, i64(plane)), word)])
                builder.store(builder.or_(builder.load(place), shifted), place)

        vector, wholes = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(INDEX, LANES)
        lanes = builder.mul(builder.udiv(length, i64(LANES)), i64(LANES))
        sums, rest = (cgutils.alloca_once(builder, kind) for kind in (wholes, INDEX))
        builder.store(ir.Constant(wholes, None), sums)
        builder.store(ir.Constant(INDEX, 0), rest)
        with cgutils.for_range_slice(builder, i64(0), lanes, i64(LANES)) as (first, _):
            step(first, vector, wholes, ir.IntType(LANES), sums)
        with cgutils.for_range_slice(builder, lanes, length, i64(1)) as (first, _):
            step(first, ir.FloatType(), INDEX, ir.IntType(1), rest)
        together, total = builder.load(sums), builder.load(rest)
        for lane in range(LANES):
            total = builder.add(total, builder.extract_element(together, ir.Constant(INDEX, lane)))
        return builder.sext(total, WORD)

    return types.int64(row, per_step, planes), generate


@intrinsic
def butterfly(typing: Any, values: Any, here: Any, there: Any) -> Any:
    """a, b = a + b, a - b for sixteen float32 from item `here` on and sixteen from `there` on; contiguous."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.FloatType(), LANES)
        places = [builder.bitcast(builder.gep(view.data, [item]), vector.as_pointer()) for item in arguments[1:]]
        a, b = (builder.load(place, align=4) for place in places)
        builder.store(builder.fadd(a, b), places[0], align=4)
        builder.store(builder.fsub(a, b), places[1], align=4)
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64), generate


@intrinsic
def butterflies(typing: Any, values: Any, here: Any) -> Any:
    """The Walsh-Hadamard transform, in place, of sixteen float32 from item `here` on; contiguous."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.FloatType(), LANES)
        place = builder.bitcast(builder.gep(view.data, [arguments[1]]), vector.as_pointer())
        value = builder.load(place, align=4)
        for width in (8, 4, 2, 1):
            other = ir.Constant(ir.VectorType(INDEX, LANES), [lane ^ width for lane in range(LANES)])
            swapped = builder.shuffle_vector(value, ir.Constant(vector, ir.Undefined), other)
            low = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [not lane & width for lane in range(LANES)])
            value = builder.select(low, builder.fadd(value, swapped), builder.fsub(swapped, value))
        builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(values, types.int64), generate


@intrinsic
def above(typing: Any, values: Any, bar: Any) -> Any:
    """uint32: bit i is set where values[i] > bar, of the first 32 float32 of a contiguous row; bar float32."""
    if bar != types.float32:
        return None  # numba then says that no such function exists

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector, found = ir.VectorType(ir.FloatType(), LANES), ir.Constant(INDEX, 0)
        bar = everywhere(builder, arguments[1], LANES)
        for first in (0, LANES):
            place = builder.bitcast(builder.gep(view.data, [i64(first)]), vector.as_pointer())
            flags = builder.fcmp_ordered(">", builder.load(place, align=4), bar)
            bits = builder.zext(builder.bitcast(flags, ir.IntType(LANES)), INDEX)
            found = builder.or_(found, builder.shl(bits, ir.Constant(INDEX, first)))
        return found

    return types.uint32(values, bar), generate


@intrinsic
def ones(typing: Any, flags: Any) -> Any:
    """How many bits of a uint32 are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.ctpop(arguments[0]), WORD)

    return types.int64(types.uint32), generate


@intrinsic
def largest(typing: Any, values: Any) -> Any:
    """The largest of the first 32 float32 of a contiguous row, none of them NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.FloatType(), 8)  # as `estimate` stores them: wider loads would wait for the stores
        a, b, c, d = (
            builder.load(builder.bitcast(builder.gep(view.data, [i64(first)]), vector.as_pointer()), align=4)
            for first in (0, 8, 16, 24)
        )
        return highest(builder, larger(builder, larger(builder, a, b), larger(builder, c, d)))

    return types.float32(values), generate


@intrinsic
def lowest(typing: Any, flags: Any) -> Any:
    """Position of the lowest set bit of a uint32 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), WORD)

    return types.int64(types.uint32), generate
