# The points of a field: rows on the unit sphere, their net weights, the repellers, and what is learned of them all.
#
# In:   arrays of any float type, checked and brought to unit length here.
# Out:  arrays; points are named by their number, in the order they came.
# Rule: a refused call leaves everything as it was.
"""Weighted points and the places that hide them: what a field consists of, and how it changes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore.engine.arrays import sealed, with_room
from fieldstore.engine.bandwidth import DEFAULT_KAPPA, reach_of
from fieldstore.engine.inputs import (
    FloatRows,
    checked_kappa,
    checked_radii,
    checked_weights,
    unit_rows,
)
from fieldstore.engine.partition import Partition
from fieldstore.engine.repellers import Repellers, Repelling, nothing_repels, silencing

_CELLS_FROM = 8192, 2**21  # points, and numbers in them: fewer are scanned flat, and exactly
_SLICE = 4096  # points looked at together
_COARSE = 1e-3  # of a score: what a code may be behind; its estimate is off by more, and scores are exact anyway


class Weighted:
    """Points of unit length, dim: their dimensions, each with a net weight; see `field.Field`, which feels them."""

    def __init__(self, dim: int, *, kappa: float = DEFAULT_KAPPA, flat: bool = False) -> None:
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or dim < 1:
            raise ValueError(f"dim must be a whole number of at least 1, not {dim!r}")
        self.dim = int(dim)
        self._arrays = _Arrays(self.dim, checked_kappa(kappa))
        self._flat = flat
        self._count: int | None = None  # of a view: how many of the points it has

    @property
    def kappa(self) -> float:
        """Concentration, 1 / bandwidth**2."""
        return self._arrays.kappa

    @kappa.setter
    def kappa(self, kappa: float) -> None:
        self._check_changeable()
        self._arrays.kappa = checked_kappa(kappa)
        self._weigh_all()

    @property
    def tau(self) -> float:
        """Reach: the cosine from which points speak for one another, mu0 + 0.735 (1 - mu0), mu0 = 1 - 15 / kappa."""
        return reach_of(self.kappa)

    def __len__(self) -> int:
        """Number of points, those of weight 0 included."""
        return len(self._arrays.points) if self._count is None else self._count

    @property
    def points(self) -> FloatRows:
        """(n, dim) float32, unit length; read-only."""
        return sealed(self._arrays.points[: len(self)])

    @property
    def weights(self) -> NDArray[np.float64]:
        """(n,) float64: the net weights, in copies; read-only."""
        return sealed(self._arrays.weights[: len(self)])

    def weights_of(self, points: NDArray[np.int64]) -> list[float]:
        """The net weights of these points, in copies; for few points much quicker than `weights`."""
        weights: list[float] = self._arrays.weights.take(points).tolist()
        return weights

    # -- changing ------------------------------------------------------------------------------------------------------

    def add(self, vectors: ArrayLike, weights: ArrayLike = 1.0) -> NDArray[np.int64]:
        """Append points, given as (n, dim) or (dim,) of any length but 0; returns their numbers, (n,).

        Raises ValueError for a wrong shape, NaN, infinity or a zero vector; then nothing is added.
        """
        self._check_changeable()
        rows = unit_rows(vectors, self.dim)
        added = np.arange(len(self), len(self) + len(rows))
        values = checked_weights(weights, len(added))
        arrays, end = self._arrays, len(self) + len(rows)
        if arrays.points.base is not arrays.rows:  # they were mounted from elsewhere
            arrays.rows = arrays.points.copy()
        arrays.rows = with_room(arrays.rows, end)
        arrays.rows[len(self) : end] = rows
        self.mount(arrays.rows[:end])
        self.reweight(added, values)
        return added

    def mount(self, points: FloatRows) -> None:
        """Let these rows be the points: (n, dim) float32 of unit length, kept without a copy, n at least len(self).

        The first rows must be the ones already here; further rows start at weight 0. Raises ValueError else.
        """
        self._check_changeable()
        if points.ndim != 2 or points.shape[1] != self.dim or points.dtype != np.float32:
            raise ValueError(f"rows must be (n, {self.dim}) float32, not {points.shape} {points.dtype}")
        if len(points) < len(self):
            raise ValueError(f"{len(points)} rows cannot stand for the {len(self)} points already here")
        if not points.flags.c_contiguous:
            raise ValueError("rows must be contiguous")
        arrays, before, count = self._arrays, len(self), len(points)
        arrays.weights = with_room(arrays.weights, count)
        arrays.weights[before:count] = 0.0
        arrays.offsets = with_room(arrays.offsets, count)
        arrays.offsets[before:count] = -np.inf
        arrays.points = sealed(points)  # last: a query in another thread never sees more points than weights

    def reweight(self, points: ArrayLike, weights: ArrayLike) -> None:
        """Set the net weights of points: numbers (m,), weights (m,) or one for all, finite, in copies.

        Raises ValueError for an unknown point or a weight that is not finite; then nothing changes.
        """
        self._check_changeable()
        chosen = np.atleast_1d(np.asarray(points, dtype=np.int64))
        values = checked_weights(weights, len(chosen))
        self._check_points(chosen)
        arrays = self._arrays
        arrays.repelled |= bool((values < 0).any())
        arrays.weights[chosen] = values
        if arrays.repelled:
            self._weigh_all()  # such a point dims its whole neighbourhood
            return
        before = arrays.offsets[chosen]
        if len(arrays.repellers.radii):
            values = self._repelling().damped(self.points[chosen], values, self.kappa)
        arrays.offsets[chosen] = _log_weights(values) / self.kappa
        self._repartition(chosen[_coarse(arrays.offsets[chosen]) != _coarse(before)])

    def repel(self, places: ArrayLike, radii: ArrayLike) -> None:
        """Hide the points around some places, in place of all that was hidden so before.

        places: (r, dim) or (dim,), any length but 0; (0, dim) = hide nothing any more, which leaves the field, bit for
        bit, as if nothing ever had been. radii: (r,) or one for all, cosines from -1 to 1. Each one takes
        exp(kappa (cosine - radius)) copies off the weight of every point, so that a point of weight 1 answers no more
        exactly when its cosine is the radius or larger (field-semantics, 8); and as much off phi.
        Raises ValueError for a bad place or radius; then nothing changes.
        """
        self._check_changeable()
        rows = unit_rows(places, self.dim, what="place")
        self._arrays.repellers = Repellers(sealed(rows), checked_radii(radii, len(rows)))
        self._weigh_all()

    @property
    def repellers(self) -> tuple[FloatRows, NDArray[np.float64]]:
        """The places, (r, dim) float32 of unit length, and radii, (r,), that points are hidden around; read-only."""
        places, radii = self._arrays.repellers
        return places, sealed(radii)

    @property
    def silenced(self) -> int:
        """How many points of positive weight answer nothing, since something repels them."""
        return len(self._silent())

    def felt(self, points: ArrayLike) -> NDArray[np.float64]:
        """(m, r) what each repeller takes off the weight of points, numbers (m,), in copies; infinite if it must be.

        Raises ValueError for an unknown point.
        """
        chosen = np.atleast_1d(np.asarray(points, dtype=np.int64))
        self._check_points(chosen)
        repelling = self._arrays.repellers.joined(self.points[:0], self.weights[:0])
        return repelling.felt(self.points[chosen], self.kappa)

    def hidden(self) -> list[NDArray[np.int64]]:
        """For each repeller the points that it silences alone, or that would answer without it; those silenced now.

        A point that several silence together, though none of them is needed for it, is the strongest ones'.
        """
        silent = self._silent()
        placed = len(self._arrays.repellers.radii)
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(placed)]
        if not placed:
            return []
        repelling = self._repelling()
        for first in range(0, len(silent), _SLICE):
            some = silent[first : first + _SLICE]
            felt, weights = repelling.felt(self.points[some], self.kappa), self.weights[some, None]
            by_it = silencing(felt, weights)
            for points, of_one in zip(found, by_it.T[-placed:], strict=True):
                points.append(some[of_one])
        return [np.concatenate(points) if points else silent for points in found]

    def unlearn(self, points: ArrayLike) -> None:
        """Take out of what was learned from the points, (m,) of weight 0, all that can be: the centres of their cells.

        For points that are to leave no trace. Raises ValueError for an unknown point or one that weighs something.
        """
        self._check_changeable()
        chosen = np.atleast_1d(np.asarray(points, dtype=np.int64))
        self._check_points(chosen)
        if self.weights[chosen].any():
            raise ValueError("only a point of weight 0 can be unlearned; nothing was changed")
        if self._arrays.partition is not None:
            self._arrays.partition.unlearn(self.points, self._arrays.offsets, chosen)

    def state(self) -> dict[str, NDArray[Any]] | None:
        """What took long to work out, as arrays by name, for `adopt`: the weights and the cells; None without cells."""
        partition, arrays = self._arrays.partition, self._arrays
        if partition is None:
            return None
        damped = {"offsets": arrays.offsets[: len(self)]} if len(arrays.repellers.radii) else {}
        return {"weights": self.weights, **damped, **partition.state()}

    def adopt(
        self,
        points: FloatRows,
        state: dict[str, NDArray[Any]],
        repellers: tuple[FloatRows, NDArray[np.float64]] | None = None,
    ) -> None:
        """Be what a field of this kappa was when `state` gave this. points: as for `mount`, those of then or more.

        repellers: those of then, places (r, dim) of unit length and radii (r,).
        Raises ValueError for a field that has points, or a state that cannot be one of these points.
        """
        if len(self) or self._arrays.repelled:
            raise ValueError("only an empty field can adopt a state; nothing was changed")
        weights = checked_weights(state["weights"], len(state["weights"]))
        if len(weights) > len(points) or (weights < 0).any():
            raise ValueError(f"{len(weights)} weights are not those of {len(points)} points that repel nothing")
        offsets = _log_weights(weights) / self.kappa
        if (repellers is not None) != ("offsets" in state):
            raise ValueError("the state was taken while something repelled that does not now, or the other way round")
        if repellers is not None:
            if state["offsets"].shape != offsets.shape or not (state["offsets"] <= offsets).all():
                raise ValueError("what the repellers left of the weights cannot be")
            offsets = state["offsets"]
        partition = Partition(self.dim)
        partition.restore(state, len(weights))
        self.mount(points)
        arrays = self._arrays
        arrays.weights[: len(weights)] = weights
        arrays.offsets[: len(weights)] = offsets
        if repellers is not None:
            arrays.repellers = Repellers(sealed(repellers[0]), repellers[1])
        arrays.partition = partition

    def astray(self) -> NDArray[np.int64]:
        """Points that are in cells and must not be, or must be and are not, or that repellers leave something else of
        than is believed: none, unless something is broken."""
        partition, arrays = self._arrays.partition, self._arrays
        offsets = _log_weights(self._effective()) / self.kappa
        wrong = offsets != arrays.offsets[: len(self)]
        if partition is not None:
            wrong |= partition.has(np.arange(len(self))) != (offsets > -np.inf)
        return np.flatnonzero(wrong)

    # -- checks and derived state --------------------------------------------------------------------------------------

    def _unseen(self) -> NDArray[np.int64]:
        """Points that are part of the field and answer no query: those that are silenced, and those that repel."""
        arrays = self._arrays
        if not arrays.repelled and not len(arrays.repellers.radii):
            return np.empty(0, np.int64)
        return np.flatnonzero((self.weights != 0) & (arrays.offsets[: len(self)] == -np.inf))

    def _silent(self) -> NDArray[np.int64]:
        unseen = self._unseen()
        return unseen[self.weights[unseen] > 0]

    def _rows(self) -> FloatRows:
        """What `points` gives, without making an array where none is needed."""
        points = self._arrays.points
        return points if self._count is None else points[: self._count]

    def _check_changeable(self) -> None:
        if self._count is not None:
            raise ValueError("this is a view of a field; nothing was changed. Change the field it was taken from")

    def _check_points(self, points: NDArray[np.int64]) -> None:
        if len(points) and (points.min() < 0 or points.max() >= len(self)):
            raise ValueError(f"points run from 0 to {len(self) - 1}; got {points.min()} to {points.max()}")

    def _weigh_all(self) -> None:
        """Work out ln(effective weight) / kappa of every point anew. Only changes do this, never a query."""
        arrays = self._arrays
        weights = self._effective()
        before, arrays.offsets = arrays.offsets[: len(weights)], _log_weights(weights) / self.kappa
        self._repartition(np.flatnonzero(_coarse(arrays.offsets) != _coarse(before)))

    def _effective(self) -> NDArray[np.float64]:
        """(n,) what the repellers leave of the weights."""
        arrays = self._arrays
        if not arrays.repelled and not len(arrays.repellers.radii):
            return self.weights
        return self._repelling().damped(self.points, self.weights, self.kappa)

    def _repelling(self) -> Repelling:
        """All that repels: points of negative weight, and the repellers."""
        arrays = self._arrays
        points, weights = (self.points, self.weights) if arrays.repelled else (self.points[:0], self.weights[:0])
        return arrays.repellers.joined(points, weights)

    def _repartition(self, changed: NDArray[np.int64]) -> None:
        """Bring the partition in step with the new offsets of these points; make one once there are enough points."""
        arrays = self._arrays
        fewest = max(_CELLS_FROM[0], _CELLS_FROM[1] // self.dim)
        if self._flat or (arrays.partition is None and len(arrays.points) < fewest):
            return
        partition, arrays.partition = arrays.partition, None  # should anything interrupt us, the flat scan is right
        if partition is None or len(changed) > max(fewest, len(partition)):
            live = np.flatnonzero(arrays.offsets[: len(arrays.points)] > -np.inf)
            if partition is None and len(live) < fewest:
                return
            partition = Partition(self.dim)
            partition.build(self.points, arrays.offsets, live, self.kappa)
        else:
            points = np.unique(changed)
            partition.take_out(points)
            partition.put(self.points, arrays.offsets, points[arrays.offsets[points] > -np.inf], self.kappa)
        arrays.partition = partition


class _Arrays:
    """What a field and its views share. The arrays may be longer than the field: they double when they are full.

    points (n, dim) float32, as mounted, read-only; rows: of a field that was added to, the array they begin.
    weights (>= n,) float64; offsets (>= n,) float64: ln(effective weight) / kappa, -inf for points that never answer.
    repelled: a weight was negative once. repellers: places that points are hidden around.
    partition: the points that may answer, in cells; None while they are few.
    """

    __slots__ = ("kappa", "offsets", "partition", "points", "repelled", "repellers", "rows", "weights")

    def __init__(self, dim: int, kappa: float) -> None:
        self.kappa = kappa
        self.rows: FloatRows = np.empty((0, dim), np.float32)
        self.points = sealed(self.rows)
        self.weights = np.empty(0)
        self.offsets = np.empty(0)
        self.partition: Partition | None = None
        self.repelled = False
        self.repellers = nothing_repels(dim)


def _log_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(weights, 0.0))


def _coarse(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps of offsets that are worth another code; a point that answers no more, or again, always is."""
    steps: NDArray[np.float64] = np.rint(offsets / _COARSE)
    return steps
