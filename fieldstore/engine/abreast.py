# The two instructions of the field's exact sums: cosines of sixteen places with eight points, and their kernels summed.
#
# Rules: those of instructions.py. Lanes are places, so no place's bits depend on another's.
"""Products and powers of two, for compiled loops only."""

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fieldstore.engine.pieces import WORD, everywhere, i64

ABREAST = 16  # places whose sums are taken side by side
_WHOLE = 1.5 * 2.0**52  # adding and taking away this rounds to a whole number
_LIFT = 2.0**52 + 1023.0  # a whole number and this have the bits of its power of two lowest
_SERIES = [math.log(2.0) ** i / math.factorial(i) for i in range(10, -1, -1)]  # of 2**f


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
        rows = [builder.gep(points.data, [builder.mul(i64(row), length)]) for row in range(8)]
        targets = [builder.add(arguments[3], i64(row * ABREAST)) for row in range(8)]
        sums = [cgutils.alloca_once(builder, vector) for _ in rows]

        def smaller(a: Any, b: Any) -> Any:
            return builder.select(builder.icmp_unsigned("<", a, b), a, b)

        def together(row: Any, taken: list[Any], first: Any) -> Any:
            """Products of one row with the places' dimensions from `first` on, added up by halves."""
            if len(taken) == 1:
                number = everywhere(builder, builder.load(builder.gep(row, [first])), width)
                return builder.fmul(taken[0], number)
            half = len(taken) // 2
            low = together(row, taken[:half], first)
            return builder.fadd(low, together(row, taken[half:], builder.add(first, i64(half))))

        longest = length
        if vector != wide:
            sixth = builder.and_(builder.add(builder.udiv(length, i64(6)), i64(7)), i64(-8))
            longest = smaller(sixth, i64(64))
        for target in targets:
            _abreast(builder, found, target, width, ir.Constant(wide, None))
        with cgutils.for_range_slice(builder, i64(0), length, longest) as (begin, _):
            for total in sums:
                builder.store(ir.Constant(vector, None), total)
            end = smaller(builder.add(begin, longest), length)
            with cgutils.for_range_slice(builder, begin, end, i64(8)) as (here, _):
                items = [builder.mul(builder.add(here, i64(i)), i64(width)) for i in range(8)]
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
        rate = everywhere(builder, arguments[2], ABREAST)
        cosines, weights, tops, plus, minus = (
            context.make_array(signature.args[number])(context, builder, arguments[number])
            for number in (0, 1, 3, 4, 5)
        )
        count = cgutils.unpack_tuple(builder, cosines.shape)[0]

        def constant(value: float) -> ir.Constant:
            return ir.Constant(vector, [value] * ABREAST)

        def row_of(array: Any, row: Any, value: Any = None) -> Any:
            return _abreast(builder, array, builder.mul(row, i64(ABREAST)), ABREAST, value)

        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        def power(cosine: Any) -> tuple[Any, Any]:
            """rate (cosine - 1), and the whole number next to it."""
            exact = builder.fmul(rate, builder.fsub(cosine, constant(1.0)))
            return exact, builder.fsub(builder.fadd(exact, constant(_WHOLE)), constant(_WHOLE))

        nearest = cgutils.alloca_once(builder, vector)
        builder.store(constant(-math.inf), nearest)
        with cgutils.for_range_slice(builder, i64(0), count, i64(1)) as (p, _):
            builder.store(larger(row_of(cosines, p), builder.load(nearest)), nearest)
        before = row_of(tops, i64(0))
        top = larger(power(builder.load(nearest))[1], before)
        row_of(tops, i64(0), top)
        least, down = builder.fsub(top, constant(1023.0)), builder.fsub(constant(_LIFT), top)

        def scale(whole: Any) -> Any:
            """2**(whole - top); 0 from -1023 down."""
            return _two_to(builder, builder.fadd(larger(whole, least), down))

        lowered = scale(before)
        sums = [cgutils.alloca_once(builder, vector) for _ in range(2)]
        for array, total in zip((plus, minus), sums, strict=True):
            builder.store(builder.fmul(row_of(array, i64(0)), lowered), total)
        with cgutils.for_range_slice(builder, i64(0), count, i64(1)) as (p, _):
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
            share = builder.fmul(everywhere(builder, builder.call(_absolute(builder), [weight]), ABREAST), kernel)
            positive = builder.fcmp_ordered(">", weight, ir.Constant(ir.DoubleType(), 0.0))
            with builder.if_else(positive) as branches:
                for branch, total in zip(branches, sums, strict=True):
                    with branch:
                        builder.store(builder.fadd(builder.load(total), share), total)
        for array, total in zip((plus, minus), sums, strict=True):
            row_of(array, i64(0), builder.load(total))
        return context.get_dummy_value()

    return types.void(cosines, weights, rate, tops, plus, minus), generate


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
    words = ir.VectorType(WORD, kind.count) if vector else WORD
    bits = builder.shl(builder.bitcast(lifted, words), ir.Constant(words, [52] * kind.count if vector else 52))
    return builder.bitcast(bits, kind)


def _abreast(builder: Any, array: Any, first: Any, width: int, value: Any = None) -> Any:
    """So many items of a contiguous array, from item `first` on, as a vector; set to the value, if one is given."""
    vector = ir.VectorType(array.data.type.pointee, width)
    place = builder.bitcast(builder.gep(array.data, [first]), vector.as_pointer())
    return builder.load(place, align=4) if value is None else builder.store(value, place, align=4)


def _absolute(builder: Any) -> Any:
    double = ir.DoubleType()
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(double, [double]), "llvm.fabs.f64")
