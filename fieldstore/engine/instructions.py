# What the loops need of the machine and numba has no name for: prefetch and dot products.
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

from fieldstore.engine.pieces import INDEX, LANES, WORD, i64, summed

_LINE = 64  # bytes of a cache line; on a machine with longer ones some prefetches are spent twice
_SUMS = 4  # at once, so that an addition need not wait for the one before
_BYTE = ir.IntType(8)


@intrinsic
def prefetch(typing: Any, array: Any, item: Any) -> Any:
    """Ask for array[item], every cache line of it, without waiting; the array is contiguous. Reads nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, view.strides)[0]
        start = builder.add(builder.ptrtoint(view.data, WORD), builder.mul(arguments[1], stride))
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(flag, hint) for hint in (0, 3, 1)]  # to read, keep in every cache, data
        with cgutils.for_range_slice(builder, i64(0), stride, i64(_LINE)) as (offset, _):
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
        vector = ir.VectorType(kind, LANES)
        views = [
            context.make_array(side)(context, builder, argument)
            for side, argument in zip(signature.args, arguments, strict=True)
        ]
        length = cgutils.unpack_tuple(builder, views[0].shape)[0]

        def at(view: Any, first: Any, width: ir.Type) -> Any:
            """The numbers of a row from item `first` on, one or a vector of them, in the type of a."""
            start = builder.gep(view.data, [first])
            given = view.data.type.pointee
            stored = given if width is kind else ir.VectorType(given, LANES)
            value = builder.load(builder.bitcast(start, stored.as_pointer()), align=1 if given == _BYTE else 4)
            if given == kind:
                return value
            return builder.sitofp(value, width) if given == _BYTE else builder.fpext(value, width)

        def add(total: Any, first: Any, width: ir.Type) -> None:
            product = builder.fmul(at(views[0], first, width), at(views[1], first, width))
            builder.store(builder.fadd(builder.load(total), product), total)

        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(_SUMS)]
        rest = cgutils.alloca_once_value(builder, ir.Constant(kind, 0.0))
        block = LANES * _SUMS
        blocks = builder.mul(builder.udiv(length, i64(block)), i64(block))
        lanes = builder.mul(builder.udiv(length, i64(LANES)), i64(LANES))
        with cgutils.for_range_slice(builder, i64(0), blocks, i64(block)) as (first, _):
            for number, total in enumerate(sums):
                add(total, builder.add(first, i64(number * LANES)), vector)
        with cgutils.for_range_slice(builder, blocks, lanes, i64(LANES)) as (first, _):
            add(sums[0], first, vector)
        with cgutils.for_range_slice(builder, lanes, length, i64(1)) as (first, _):
            add(rest, first, kind)
        whole = builder.load(sums[0])
        for total in sums[1:]:
            whole = builder.fadd(whole, builder.load(total))
        return builder.fadd(summed(builder, whole), builder.load(rest))

    return a.dtype(a, b), generate


@intrinsic
def dot_of_bytes(typing: Any, a: Any, b: Any) -> Any:
    """<a, b> of two contiguous rows of int8, equally long: exact, and then rounded to float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        views = [
            context.make_array(side)(context, builder, argument)
            for side, argument in zip(signature.args, arguments, strict=True)
        ]
        length = cgutils.unpack_tuple(builder, views[0].shape)[0]
        vector = ir.VectorType(INDEX, 2 * LANES)  # of these LLVM multiplies and adds in pairs

        def add(total: Any, first: Any, width: Any) -> None:
            stored = _BYTE if width is INDEX else ir.VectorType(_BYTE, width.count)
            starts = [builder.bitcast(builder.gep(view.data, [first]), stored.as_pointer()) for view in views]
            x, y = (builder.sext(builder.load(start, align=1), width) for start in starts)
            builder.store(builder.add(builder.load(total), builder.mul(x, y)), total)

        total, rest = (cgutils.alloca_once(builder, width) for width in (vector, INDEX))
        for place, width in ((total, vector), (rest, INDEX)):  # here: the call may stand in a loop
            builder.store(ir.Constant(width, None if width is vector else 0), place)
        whole = builder.mul(builder.udiv(length, i64(vector.count)), i64(vector.count))
        with cgutils.for_range_slice(builder, i64(0), whole, i64(vector.count)) as (first, _):
            add(total, first, vector)
        with cgutils.for_range_slice(builder, whole, length, i64(1)) as (first, _):
            add(rest, first, INDEX)
        kind = ir.FunctionType(INDEX, [vector])
        together = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.add.v{vector.count}i32")
        exact = builder.add(builder.call(together, [builder.load(total)]), builder.load(rest))
        return builder.sitofp(exact, ir.FloatType())

    return types.float32(a, b), generate


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
        vector = ir.VectorType(kind, LANES)
        points_view, rows_view, others_view, found_view = (
            context.make_array(array)(context, builder, argument)
            for array, argument in zip(signature.args, arguments, strict=True)
        )
        length = cgutils.unpack_tuple(builder, points_view.shape)[1]

        def row(numbers: Any, i: int) -> Any:
            number = builder.load(builder.gep(numbers.data, [i64(i)]))
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

        lanes = builder.mul(builder.udiv(length, i64(LANES)), i64(LANES))
        sums, rests = nothing(vector), nothing(kind)
        with cgutils.for_range_slice(builder, i64(0), lanes, i64(LANES)) as (first, _):
            add(sums, first, vector)
        with cgutils.for_range_slice(builder, lanes, length, i64(1)) as (first, _):
            add(rests, first, kind)
        for i in side:
            together = _summed_together(builder, [builder.load(total) for total in sums[4 * i : 4 * i + 4]])
            for j in side:
                value = builder.extract_element(together, ir.Constant(INDEX, j))
                place = builder.gep(found_view.data, [i64(4 * i + j)])
                builder.store(builder.fadd(value, builder.load(rests[4 * i + j])), place)
        return context.get_dummy_value()

    return types.void(points, rows, others, found), generate


def _summed_together(builder: Any, vectors: list[Any]) -> Any:
    """The sums of four vectors' lanes, as one vector of four: each by halves, as `_summed` does."""
    width = LANES
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
        chosen = ir.Constant(ir.VectorType(INDEX, len(low)), [ir.Constant(INDEX, lane + offset) for lane in low])
        behind = ir.Constant(vector.type, ir.Undefined) if other is None else other
        parts.append(builder.shuffle_vector(vector, behind, chosen))
    return builder.fadd(*parts)
