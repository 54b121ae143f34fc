# What the files of instructions have in common: pieces of LLVM, and how many lanes a sum has.
#
# In:   a builder and values of LLVM. Out: values. Nothing here is compiled by itself.
"""Pieces of which instructions are made."""

from typing import Any

from llvmlite import ir

LANES = 16  # of a sum
WORD = ir.IntType(64)
INDEX = ir.IntType(32)


def i64(value: int) -> ir.Constant:
    """A whole number of 64 bits."""
    return ir.Constant(WORD, value)


def everywhere(builder: Any, number: Any, width: int) -> Any:
    """A vector of so many times the number."""
    vector = ir.VectorType(number.type, width)
    alone = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(
        alone, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(INDEX, width), None)
    )


def part(builder: Any, vector: Any, start: int, width: int) -> Any:
    chosen = ir.Constant(ir.VectorType(INDEX, width), [ir.Constant(INDEX, start + i) for i in range(width)])
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), chosen)


def larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def highest(builder: Any, vector: Any) -> Any:
    """The largest of a vector's lanes, by halves."""
    width = vector.type.count
    while width > 1:
        width //= 2
        vector = larger(builder, *(part(builder, vector, start, width) for start in (0, width)))
    return builder.extract_element(vector, ir.Constant(INDEX, 0))


def summed(builder: Any, vector: Any) -> Any:
    """The sum of a vector's lanes, by halves."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (part(builder, vector, start, width) for start in (0, width))
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, ir.Constant(INDEX, 0))
