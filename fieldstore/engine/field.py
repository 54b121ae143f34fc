# The field over a set of weighted points, alone: no ids, no text, no files.
#
# In:   arrays of any float type, checked and brought to unit length here.
# Out:  arrays; points are named by their number, in the order they came.
# Rule: everything a loop is given has been checked; a refused call leaves the field as it was.
"""The field: weighted points on the unit sphere, and what is felt at any place."""

import functools
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore.engine import loops, sums
from fieldstore.engine.arrays import sealed, with_room
from fieldstore.engine.ascent import Around, Ascent, Local, among, around, ascend, local
from fieldstore.engine.bandwidth import DEFAULT_KAPPA, reach_of
from fieldstore.engine.basins import POOL as BASIN_POOL
from fieldstore.engine.basins import maxima
from fieldstore.engine.candidates import Wanted, candidates
from fieldstore.engine.inputs import (
    FloatRows,
    checked_effort,
    checked_k,
    checked_kappa,
    checked_radii,
    checked_reach,
    checked_weights,
    unit_places,
    unit_rows,
)
from fieldstore.engine.masks import Mask
from fieldstore.engine.partition import Partition
from fieldstore.engine.ranking import POOL, SMOOTH_POOL, Candidates, Ranking, attractors, nearest
from fieldstore.engine.repellers import Repellers, Repelling, nothing_repels
from fieldstore.engine.threads import spread

__all__ = ["Ascent", "Field", "Local", "Mask", "Ranking"]

_CELLS_FROM = 8192, 2**21  # points, and numbers in them: fewer are scanned flat, and exactly
_PLACES = 16  # at which phi is worked out together; no thread gets fewer
_SINGLE_FROM = 64  # dimensions: with fewer, cosines in float32 would save little and be off by more
_NO_GROUPS = np.empty(0, np.int64)
_NO_SHIFTS = np.empty(0)
_SLICE = 4096  # points looked at together
_MORE = 8  # times as many candidates for a query where a repeller is felt: measured on minilm, recall .74 to .99
_FAR = 4000  # powers of two: what is so much smaller is nothing beside the other
_COARSE = 1e-3  # of a score: what a code may be behind; its estimate is off by more, and scores are exact anyway
_FINITE = np.finfo(np.float64)

_log = logging.getLogger("fieldstore")


class Field:
    """phi(q) = sum of w K(q, v) over points v of weight w, K = exp(kappa (<q, v> - 1)), all vectors of unit length.

    dim: dimensions of every vector. kappa: concentration, 1 / bandwidth**2, in 1 / radian**2 (default 20).
    On the sphere K is the von Mises-Fisher kernel, a Gaussian of sigma**2 = 1 / kappa in the chord.
    Weights may be negative: such a point repels. Weight 0 takes a point out of every sum, exactly. Repellers are places
    with a radius, apart from the points: see `repel`.
    flat: learn nothing of the points, however many they are, and score all of them in every query.
    Raises ValueError for a dim or kappa that is not positive and finite.
    """

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
        """For each repeller the points that it silences alone, or that would answer without it; those silenced now."""
        silent = self._silent()
        placed = len(self._arrays.repellers.radii)
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(placed)]
        if not placed:
            return []
        repelling = self._repelling()
        for first in range(0, len(silent), _SLICE):
            some = silent[first : first + _SLICE]
            felt, weights = repelling.felt(self.points[some], self.kappa), self.weights[some, None]
            with np.errstate(invalid="ignore"):  # of two that silence beyond all measure, each does so alone
                by_it = (felt >= weights) | (felt.sum(axis=1, keepdims=True) - felt < weights)
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

    def view(self) -> "Field":
        """This field, to be looked at and not changed, at no cost: nothing is copied.

        It feels every weight that is set later, but no point that is added later: so one thread can query it with
        masks and groups of its length while another adds. Every change of it is refused with a ValueError.
        """
        seen = Field(self.dim)
        seen._arrays, seen._count = self._arrays, len(self)
        return seen

    # -- finding -------------------------------------------------------------------------------------------------------

    def nearest(
        self,
        query: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        smooth: bool = False,
        exact: bool = False,
        effort: float = 1.0,
    ) -> Ranking:
        """The k points of the largest contribution w K to the field at query; ties by point number.

        query: (dim,). allowed: (n,) bool, which points may answer, or a `Mask` of them for many queries; None = all.
        smooth: reorder the first 50 by 0.7 own score + 0.3 kernel-weighted mean of the others' (field-semantics, 3).
        Points that weigh nothing, less than nothing, or that a repeller silences, never answer.
        exact: score every point. Else, in a field of 8,192 points and two million numbers or more, the best are looked
        for in cells of near points, at a recall@10 of about 0.96 (`python -m benchmarks query`); more effort looks
        farther. Scores are exact.
        Raises ValueError for k < 1, an effort that is not positive and finite, or a bad query.
        """
        return self._nearest(self._query(query), k, allowed, smooth, exact, effort)[0]

    def nearest_many(
        self,
        queries: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        smooth: bool = False,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[Ranking]:
        """`nearest` for each of queries, (q, dim): the same to the bit, on this thread, but without the interpreter."""
        rows = unit_rows(queries, self.dim, what="query")
        return self._nearest(rows, k, allowed, smooth, exact, effort)

    def _nearest(
        self,
        rows: FloatRows,
        k: int,
        allowed: Mask | NDArray[np.bool_] | None,
        smooth: bool,
        exact: bool,
        effort: float,
    ) -> list[Ranking]:
        k = checked_k(k)
        found = self._candidates(rows, k, SMOOTH_POOL, allowed, exact, effort)
        return nearest(found, self._rows(), self.kappa, k, smooth)

    def attractors(
        self,
        query: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        groups: Sequence[int] | NDArray[np.int64] | None = None,
        reach: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> Ranking:
        """At most k discrete maxima of the field near query: near-copies answer once (field-semantics, 4).

        groups: (n,) int64, points of equal group answer once too; -1 = of no group; None = no groups at all.
        reach: cosine from which a point is absorbed (default `tau`). A group is shown by its most similar
        member. Fewer than k are returned when the best 100 candidates (3k if more) hold no more.
        allowed, exact, effort: as in `nearest`. Raises ValueError for k < 1, a bad query, or groups of another length.
        """
        rows = self._query(query)
        return self.attractors_many(rows, k, allowed=allowed, groups=groups, reach=reach, exact=exact, effort=effort)[0]

    def attractors_many(
        self,
        queries: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        groups: Sequence[int] | NDArray[np.int64] | None = None,
        reach: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[Ranking]:
        """`attractors` for each of queries, (q, dim): the same to the bit, on this thread."""
        checked_groups = _NO_GROUPS if groups is None else self._groups(groups)
        reach = self.tau if reach is None else checked_reach(reach)
        k = checked_k(k)
        rows = unit_rows(queries, self.dim, what="query")
        found = self._candidates(rows, k, POOL, allowed, exact, effort)
        return attractors(found, self._rows(), checked_groups, reach, self.kappa, k)

    def maxima(
        self,
        query: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> Ranking:
        """At most k points at the continuous maxima that query and its best candidates ascend to (field-semantics, 5).

        The field is that of the 128 candidates (3k if more) and of all repellers; ends nearer than 0.2 bandwidths are
        one maximum, and one where phi is not positive is none. Shown is who says most there, with those that ascend to
        it as its members; the score is cos(query, x) + ln(phi(x)) / kappa at the maximum x. This is the retrieval that
        fieldstore began with. It finds fewer different answers than `attractors`, takes longer, and with the usual
        kappa of about 20 depends on how many candidates are taken: it is for looking, not for ranking.
        allowed, exact, effort: as in `nearest`. Raises ValueError for k < 1 or a bad query.
        """
        return self.maxima_many(self._query(query), k, allowed=allowed, exact=exact, effort=effort)[0]

    def maxima_many(
        self,
        queries: ArrayLike,
        k: int,
        *,
        allowed: Mask | NDArray[np.bool_] | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[Ranking]:
        """`maxima` for each of queries, (q, dim): the same to the bit, on this thread."""
        k = checked_k(k)
        rows = unit_rows(queries, self.dim, what="query")
        found = self._candidates(rows, k, BASIN_POOL, allowed, exact, effort)
        points, weights, repellers = self._rows(), self.weights, self._arrays.repellers
        unseen = self._unseen()
        if allowed is not None:
            seen = allowed.of if isinstance(allowed, Mask) else allowed
            unseen = unseen[seen[unseen] | (weights[unseen] < 0)]
        rankings = []
        for number, count in enumerate(found.counts.tolist()):
            chosen = found.points[number, :count]
            starts = unit_places(np.concatenate([rows[number : number + 1], points[chosen]]), self.dim)
            near = np.union1d(chosen, unseen)
            here = among(starts[0], near, points, weights, repellers, self.kappa, found.points.shape[1])
            columns = chosen, found.scores[number, :count], found.cosines[number, :count]
            rankings.append(maxima(starts, here, *columns, points, self.kappa, k))
        return rankings

    def remaining(self, point: int, k: int = 10, *, allowed: NDArray[np.bool_] | None = None) -> tuple[float, Ranking]:
        """What all other points say at this one's place, at the narrow bandwidth 2.5 kappa, and the k who say most.

        Returns phi there without the point, in copies (one exact copy left = 1), and the carriers with their shares of
        it (field-semantics, 7). allowed: (n,) bool, the only points to look at; None = all. Repellers do not count: who
        is hidden still carries it. Raises ValueError for an unknown point.
        """
        self._check_points(np.array([point]))
        weights = self.weights.copy()
        weights[point] = 0.0
        if allowed is not None:
            weights[~allowed] = 0.0
        others = Field(self.dim, kappa=2.5 * self.kappa)
        others.mount(self.points)
        others.reweight(np.arange(len(self)), weights)
        place = self.points[point]
        copies = float(others.evaluate(place)[0])
        found = others.nearest(place, k)
        shares = np.exp(others.kappa * (found.scores - 1.0)) / copies if copies > 0 else found.shares
        return copies, found._replace(shares=shares)

    def _candidates(
        self,
        rows: FloatRows,
        k: int,
        least: int,
        allowed: Mask | NDArray[np.bool_] | None,
        exact: bool,
        effort: float,
    ) -> Candidates:
        """The first max(least, 3k) points by score for each query, best first; all of them where there are fewer."""
        effort = checked_effort(effort)
        mask = Mask(allowed) if isinstance(allowed, np.ndarray) else allowed
        points, arrays = self._rows(), self._arrays
        if mask is not None and mask.of.shape != (len(points),):
            raise ValueError(f"the mask has {mask.of.shape} items, this field has {len(points)} points")
        _announce_compiling()
        wanted = Wanted(k, min(max(least, 3 * k), len(points)), mask, exact, effort)
        found = candidates(rows, points, arrays.offsets, arrays.partition, wanted)
        if arrays.partition is None or exact or not len(arrays.repellers.radii):
            return found
        deeper = arrays.repellers.felt_at(rows, self.kappa)
        if deeper.any():  # around a hole many are about as near, and codes cannot tell them apart
            more = wanted._replace(pool=min(_MORE * wanted.pool, len(points)), effort=1.5 * effort)
            among_more = candidates(rows[deeper], points, arrays.offsets, arrays.partition, more)
            found.points[deeper] = among_more.points[:, : wanted.pool]
            found.scores[deeper] = among_more.scores[:, : wanted.pool]
            found.cosines[deeper] = among_more.cosines[:, : wanted.pool]
            found.counts[deeper] = np.minimum(among_more.counts, wanted.pool)
        return found

    # -- the field itself ----------------------------------------------------------------------------------------------

    def evaluate(self, places: ArrayLike) -> NDArray[np.float64]:
        """phi at each place, (q, dim) or (dim,) -> (q,), in copies; exact: every weighted point is summed in order.

        What repellers take off is part of it; where that is more than a float holds, it is the most a float holds.
        In float64; but for places given in float32, of 64 dimensions or more, cosines are taken in it too, to 1e-7.
        """
        powers, net = self._at(places)
        with np.errstate(over="ignore"):
            phi: NDArray[np.float64] = np.clip(np.ldexp(net, powers), _FINITE.min, _FINITE.max)
        return phi

    def similarity(self, places: ArrayLike) -> NDArray[np.float64]:
        """s_phi = 1 + ln(phi) / kappa at each place, (q,): one point alone gives its cosine; -inf where phi <= 0.

        Does not underflow where `evaluate` does.
        """
        powers, net = self._at(places)
        positive = net > 0
        found = np.full(len(net), -np.inf)
        found[positive] = 1.0 + (np.log(net[positive]) + powers[positive] * math.log(2.0)) / self.kappa
        return found

    def gradient(self, places: ArrayLike) -> NDArray[np.float64]:
        """Gradient of phi on the sphere, kappa (h - <h, x> x), at each place x: (q, dim), copies / radian."""
        where = unit_places(places, self.dim)
        _announce_compiling()
        tops, _, _, pulls = sums.pull_at(where, self.points, self.weights, _NO_SHIFTS, self.kappa)
        repellers = self._arrays.repellers
        if len(repellers.radii):
            raised, _, _, pushes = sums.pull_at(where, *repellers.weighted, self.kappa)
            higher = np.maximum(tops, raised)
            pulls = pulls * _kernel(tops - higher + 1.0, self.kappa)[:, None]
            pulls += pushes * _kernel(raised - higher + 1.0, self.kappa)[:, None]
            tops = higher
        tangent = pulls - (pulls * where).sum(axis=1, keepdims=True) * where
        with np.errstate(over="ignore", invalid="ignore"):
            slopes: NDArray[np.float64] = self.kappa * tangent * _kernel(tops, self.kappa)[:, None]
        return np.clip(np.where(tangent == 0.0, 0.0, slopes), _FINITE.min, _FINITE.max)

    def local(self, place: ArrayLike, *, candidates: int = 128, exact: bool = False, effort: float = 1.0) -> Local:
        """The field at one place, (dim,), of the `candidates` points that say most there, and how far off it may be.

        exact: ask every point. Else, in a field of cells, they are looked for as in `nearest`, and bound is None.
        Raises ValueError for a bad place, or candidates < 1.
        """
        where = unit_places(place, self.dim)[0]
        return local(where, self._around(where, candidates, exact, effort), self.kappa)

    def ascend(self, start: ArrayLike, *, candidates: int = 128, exact: bool = False, effort: float = 1.0) -> Ascent:
        """Follow the field uphill from start, (dim,), over its strongest candidates (field-semantics, 5).

        For explanation and pictures, not for ranking: the end is a maximum of the field of the `candidates`
        points that contribute most at the start, and of all repellers. phi never drops on the way. exact, effort: as in
        `local`; `Ascent.bound` says how much the other points may add at the end.
        Raises ValueError for a bad start, candidates < 1, or a field without a weighted point.
        """
        place = unit_places(start, self.dim)[0]
        here = self._around(place, candidates, exact, effort)
        if not len(here.rows):
            raise ValueError("the field has no weighted point; there is nothing to ascend")
        return ascend(place, here, self.kappa)

    # -- checks and derived state --------------------------------------------------------------------------------------

    def _at(self, places: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """powers and net, (q,) each: phi = net 2**power. Many places are shared out among threads."""
        single = isinstance(places, np.ndarray) and places.dtype == np.float32 and self.dim >= _SINGLE_FROM
        where = unit_rows(places, self.dim, what="place") if single else unit_places(places, self.dim)
        _announce_compiling()
        rows, weights = self._rows(), self.weights

        def work(part: slice) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            powers, plus, minus = sums.field_at(sealed(where[part]), rows, weights, self.kappa)
            return powers, plus - minus

        found = spread(work, len(where), _PLACES)
        powers, net = np.concatenate([powers for powers, _ in found]), np.concatenate([net for _, net in found])
        repellers = self._arrays.repellers
        if not len(repellers.radii):
            return powers, net
        tops, _, minus, _ = sums.pull_at(unit_places(where, self.dim), *repellers.weighted, self.kappa)
        rest, whole = np.modf(self.kappa * (tops - 1.0) / math.log(2.0))
        high = np.maximum(powers, whole.astype(np.int64))
        net = np.ldexp(net, np.maximum(powers - high, -_FAR)) - np.ldexp(
            minus * np.exp2(rest), np.maximum(whole.astype(np.int64) - high, -_FAR)
        )
        return high, net

    def _around(self, place: NDArray[np.float64], m: int, exact: bool, effort: float) -> Around:
        """The m strongest points around place (dim,): of all, or, where there are cells and exact is not asked for,
        looked for in them."""
        m, effort = checked_k(m), checked_effort(effort)
        points, arrays = self._rows(), self._arrays
        _announce_compiling()
        if exact or arrays.partition is None or 8 * m > len(arrays.partition):
            return around(place, points, self.weights, arrays.repellers, self.kappa, m)
        row = sealed(place[None].astype(np.float32))
        found = self._candidates(row, -(-m // 3), m, None, False, effort)
        near = np.union1d(found.points[0, : found.counts[0]], self._unseen())
        return among(place, near, points, self.weights, arrays.repellers, self.kappa, m)

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

    def _query(self, query: ArrayLike) -> FloatRows:
        rows = unit_rows(query, self.dim, what="query")
        if len(rows) != 1:
            raise ValueError(f"one query at a time here; got {len(rows)}")
        return sealed(rows)  # always, so that the loops need only know read-only ones

    def _groups(self, groups: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        numbers = np.ascontiguousarray(groups, dtype=np.int64)
        if numbers.shape != (len(self),):
            raise ValueError(f"groups have {numbers.shape} items, this field has {len(self)} points")
        return numbers

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


def _kernel(cosines: NDArray[np.float64], kappa: float) -> NDArray[np.float64]:
    return np.exp(kappa * (cosines - 1.0))  # exp(-inf) = 0 where no point is weighted


@functools.cache
def _announce_compiling() -> None:
    """One log line before the first compilation on this machine, which takes some seconds and is then cached."""
    folder = Path(loops.cache_folder())
    if not any(folder.glob("loops.best-*.nbi")):
        _log.warning(
            "compiling the field's loops, once on this machine; `python -m fieldstore warm` does it ahead of time"
        )
