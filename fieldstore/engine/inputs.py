# What the engine is given, checked and brought to one form, before a loop sees it.
#
# In:   arrays of any float type. Out: contiguous arrays of unit rows, plain numbers. No state.
# Rule: a message names the first thing that is wrong, and both numbers where two differ.
"""Checks of vectors, weights and parameters."""

import math
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-6  # error of a float32 cosine
_PLURAL = {"vector": "vectors", "query": "queries", "place": "places"}

_TOGETHER = 2**17  # numbers of rows looked at together, so that they stay in the cache
_NONE = np.empty(0, np.bool_)
_USUAL = np.dtype(np.float32), np.dtype(np.float64)

FloatRows = NDArray[np.float32]


def unit_rows(vectors: ArrayLike, dim: int, *, what: str = "vector") -> FloatRows:
    """Vectors (n, dim) or (dim,) brought to unit length, as contiguous float32 (n, dim).

    A float32 row that has unit length within rounding is kept to the bit, so that what was read can be written back.
    Raises ValueError naming the first row that is NaN, infinite or zero, and both numbers when dimensions differ.
    """
    if _is_unit_row(vectors, dim):
        return np.ascontiguousarray(vectors, np.float32).reshape(1, dim)
    if isinstance(vectors, np.ndarray) and vectors.dtype == np.float32 and vectors.shape[1:] == (dim,):
        given: FloatRows = vectors
        kept = np.concatenate([_near_one(given[part]) for part in _parts(len(given), dim)] or [_NONE])
        if kept.all():
            return np.ascontiguousarray(given)
    rows = _checked_rows(vectors, dim, what)
    unit = _normed(rows).astype(np.float32)
    kept = _near_one(rows)
    unit[kept] = rows[kept].astype(np.float32)
    return np.ascontiguousarray(unit)


def not_unit(rows: FloatRows, points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the points (m,) whose rows, of (n, dim), have another length than 1, or none at all."""
    wrong = []
    for some in (points[part] for part in _parts(len(points), rows.shape[1])):
        first, last = int(some[0]), int(some[-1])
        in_a_row = last - first + 1 == len(some) and bool((np.diff(some) == 1).all())
        wrong.append(some[~_near_one(rows[first : last + 1] if in_a_row else rows[some])])
    return np.concatenate(wrong) if wrong else points


def _parts(count: int, dim: int) -> Iterator[slice]:
    """Slices of so many rows."""
    size = max(1, _TOGETHER // dim)
    return (slice(first, first + size) for first in range(0, count, size))


def _near_one(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows (n, dim) have unit length within rounding; not those with a NaN or an infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        wide = rows.astype(np.float64, copy=False)
        near: NDArray[np.bool_] = np.abs(np.einsum("ij,ij->i", wide, wide) - 1.0) < ROUNDING
    return near


def _is_unit_row(vectors: ArrayLike, dim: int) -> TypeGuard[NDArray[Any]]:
    """Whether this is one row of floats that is only rounded to float32; the usual query, told apart in a microsecond.

    It comes in float32, or in float64 out of a list.
    """
    if not isinstance(vectors, np.ndarray) or vectors.shape not in ((dim,), (1, dim)) or vectors.dtype not in _USUAL:
        return False
    return bool(abs(np.vdot(vectors, vectors) - 1.0) < ROUNDING / 2)  # its rounding included; NaN is not less


def unit_places(places: ArrayLike, dim: int) -> NDArray[np.float64]:
    """The same for places, in float64: where a field is looked at needs no rounding."""
    return np.ascontiguousarray(_normed(_checked_rows(places, dim, "place")))


def _normed(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = rows / np.abs(rows).max(axis=1, keepdims=True)  # first, so that squaring neither overflows nor vanishes
    unit: NDArray[np.float64] = scaled / np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return unit


def _checked_rows(vectors: ArrayLike, dim: int, what: str) -> NDArray[np.float64]:
    try:
        given: NDArray[Any] = np.asarray(vectors)
    except ValueError:
        raise ValueError(f"{_PLURAL[what]} must be rows of {dim} numbers each; these rows differ in length") from None
    if given.dtype.kind not in "fiu":
        raise ValueError(f"{_PLURAL[what]} must be real numbers, not {given.dtype}")
    rows = np.atleast_2d(given).astype(np.float64)
    if given.ndim not in (1, 2):
        raise ValueError(f"{_PLURAL[what]} must be (n, {dim}) or ({dim},), not {given.shape}")
    if given.size == 0 and given.shape[0] == 0:
        return np.empty((0, dim))
    if rows.shape[1] != dim:
        raise ValueError(f"{_PLURAL[what]} have {rows.shape[1]} dimensions, this field has {dim}")
    for wrong, name in ((~np.isfinite(rows).all(axis=1), "NaN or infinity"), (~rows.any(axis=1), "only zeros")):
        if wrong.any():
            raise ValueError(f"{what} {int(wrong.argmax())} of {len(rows)} holds {name}; it has no direction")
    return rows


def checked_weights(weights: ArrayLike, count: int) -> NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise ValueError(f"{count} points need one weight each or one for all, not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("weights must be finite")
    return np.broadcast_to(values, (count,))


def checked_k(k: int) -> int:
    if type(k) is int and k >= 1:  # the usual k, told apart at once
        return k
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, not {k!r}")
    return int(k)


def checked_kappa(kappa: float) -> float:
    """kappa as a float; ValueError unless positive and finite."""
    if isinstance(kappa, bool) or not isinstance(kappa, int | float | np.number) or not 0 < kappa < math.inf:
        raise ValueError(f"kappa must be a positive number, not {kappa!r}")
    return float(kappa)


def checked_reach(reach: float) -> float:
    """reach as a float; ValueError unless finite."""
    if isinstance(reach, bool) or not isinstance(reach, int | float | np.number) or not math.isfinite(reach):
        raise ValueError(f"reach must be a cosine, not {reach!r}")
    return float(reach)


def checked_radii(radii: ArrayLike, count: int) -> NDArray[np.float64]:
    """A cosine for each of count repellers, or one for all; ValueError unless from -1 to 1."""
    try:
        values = np.asarray(radii, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"a radius must be a cosine from -1 to 1, not {radii!r}") from None
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise ValueError(f"{count} repellers need one radius each or one for all, not {values.shape}")
    if not (np.abs(values) <= 1.0).all():
        raise ValueError(f"a radius must be a cosine from -1 to 1, not {radii!r}")
    return np.broadcast_to(values, (count,)).copy()


def checked_effort(effort: float) -> float:
    """effort as a float; ValueError unless positive and finite."""
    if type(effort) is float and 0 < effort < math.inf:
        return effort
    if isinstance(effort, bool) or not isinstance(effort, int | float | np.number) or not 0 < effort < math.inf:
        raise ValueError(f"effort must be a positive number, not {effort!r}")
    return float(effort)
