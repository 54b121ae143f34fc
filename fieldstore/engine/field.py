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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore.engine import loops, sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.ascent import Around, Ascent, Local, among, around, ascend, local
from fieldstore.engine.basins import POOL as BASIN_POOL
from fieldstore.engine.basins import maxima
from fieldstore.engine.candidates import Wanted, candidates
from fieldstore.engine.inputs import (
    FloatRows,
    checked_effort,
    checked_k,
    checked_reach,
    unit_places,
    unit_rows,
)
from fieldstore.engine.masks import Mask, checked_mask
from fieldstore.engine.ranking import POOL, SMOOTH_POOL, Candidates, Ranking, attractors, nearest
from fieldstore.engine.threads import spread
from fieldstore.engine.weighted import Weighted

__all__ = ["Ascent", "Field", "Local", "Mask", "Ranking"]

_PLACES = 16  # at which phi is worked out together; no thread gets fewer
_SINGLE_FROM = 64  # dimensions: with fewer, cosines in float32 would save little and be off by more
_NO_GROUPS = np.empty(0, np.int64)
_NO_SHIFTS = sealed(np.empty(0))
_MORE = 8  # times as many candidates for a query where a repeller is felt: measured on minilm, recall .74 to .99
_FAR = 4000  # powers of two: what is so much smaller is nothing beside the other
_FINITE = np.finfo(np.float64)

_log = logging.getLogger("fieldstore")


class Field(Weighted):
    """phi(q) = sum of w K(q, v) over points v of weight w, K = exp(kappa (<q, v> - 1)), all vectors of unit length.

    dim: dimensions of every vector. kappa: concentration, 1 / bandwidth**2, in 1 / radian**2 (default 20).
    On the sphere K is the von Mises-Fisher kernel, a Gaussian of sigma**2 = 1 / kappa in the chord.
    Weights may be negative: such a point repels. Weight 0 takes a point out of every sum, exactly. Repellers are places
    with a radius, apart from the points: see `repel`.
    flat: learn nothing of the points, however many they are, and score all of them in every query.
    Raises ValueError for a dim or kappa that is not positive and finite.
    """

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
        return self._attracting(self._query(query), k, allowed, groups, reach, exact, effort)[0]

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
        rows = unit_rows(queries, self.dim, what="query")
        return self._attracting(rows, k, allowed, groups, reach, exact, effort)

    def _attracting(
        self,
        rows: FloatRows,
        k: int,
        allowed: Mask | NDArray[np.bool_] | None,
        groups: Sequence[int] | NDArray[np.int64] | None,
        reach: float | None,
        exact: bool,
        effort: float,
    ) -> list[Ranking]:
        checked_groups = _NO_GROUPS if groups is None else self._groups(groups)
        reach = self.tau if reach is None else checked_reach(reach)
        k = checked_k(k)
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
            seen = allowed.of if isinstance(allowed, Mask) else np.asarray(allowed)
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
        mask = checked_mask(allowed)
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
        where = sealed(unit_places(places, self.dim))
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

    # -- checks --------------------------------------------------------------------------------------------------------

    def _at(self, places: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """powers and net, (q,) each: phi = net 2**power. Many places are shared out among threads."""
        single = isinstance(places, np.ndarray) and places.dtype == np.float32 and self.dim >= _SINGLE_FROM
        where = unit_rows(places, self.dim, what="place") if single else unit_places(places, self.dim)
        _announce_compiling()
        rows, weights = self._rows(), self.weights

        def work(part: slice) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            some = where[part]
            powers, plus, minus = sums.field_at(*_abreast(some), rows, weights, self.kappa)
            return powers[: len(some)].astype(np.int64), (plus - minus)[: len(some)]

        found = spread(work, len(where), _PLACES)
        powers, net = np.concatenate([powers for powers, _ in found]), np.concatenate([net for _, net in found])
        repellers = self._arrays.repellers
        if not len(repellers.radii):
            return powers, net
        tops, _, minus, _ = sums.pull_at(sealed(unit_places(where, self.dim)), *repellers.weighted, self.kappa)
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
        row = place[None].astype(np.float32)
        found = self._candidates(row, -(-m // 3), m, None, False, effort)
        near = np.union1d(found.points[0, : found.counts[0]], self._unseen())
        return among(place, near, points, self.weights, arrays.repellers, self.kappa, m)

    def _query(self, query: ArrayLike) -> FloatRows:
        rows = unit_rows(query, self.dim, what="query")
        if len(rows) != 1:
            raise ValueError(f"one query at a time here; got {len(rows)}")
        return rows

    def _groups(self, groups: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        numbers = np.ascontiguousarray(groups, dtype=np.int64)
        if numbers.shape != (len(self),):
            raise ValueError(f"groups have {numbers.shape} items, this field has {len(self)} points")
        return numbers


def _abreast(places: FloatRows | NDArray[np.float64]) -> tuple[FloatRows, NDArray[np.float64]]:
    """Places (q, d) side by side, a cache line of them together, as `sums.field_at` takes them."""
    count, dim = places.shape
    together = 64 // places.itemsize
    padded = np.zeros((-(-count // together), together, -(-dim // 8) * 8), places.dtype)
    padded.reshape(-1, padded.shape[2])[:count, :dim] = places
    none = np.empty((0, padded.shape[2], together))
    sides = np.ascontiguousarray(padded.swapaxes(1, 2))
    return (none.astype(np.float32), sides) if places.dtype == np.float64 else (sides, none)


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
