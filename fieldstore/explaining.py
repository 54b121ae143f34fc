# Explaining: why records answer a query, worked out again from the field as it stands.
#
# Rule: it adds up: a hit's cosine and what pulled it are its score, wherever the field made the score.
"""The verb that explains."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore import arguments
from fieldstore.arguments import Ids, Where
from fieldstore.engine.field import Field, Mask, Ranking
from fieldstore.engine.inputs import FloatRows, unit_rows
from fieldstore.explanation import Explained, Explanation, Pull
from fieldstore.finding import Finding
from fieldstore.records import Hit

_CANDIDATES = 100
_SMOOTHED = 50  # of them are reordered by smooth=True
_MIX = 0.3  # part of a smoothed score that the neighbours say
_SAME = 1e-6  # between two scores
_NEARLY = 5e-3  # between the score of a search and ours, which cells may have found other candidates for
_NAMED = 3  # neighbours


class Explaining(Finding):
    """The verb of whoever wonders; a `FieldStore` has it."""

    def explain(
        self,
        vector: ArrayLike,
        hits: Sequence[Hit | str] | Hit | str | None = None,
        *,
        k: int = 10,
        ids: Ids | None = None,
        where: Where | None = None,
        by: Literal["nearest", "attractors", "ascent"] = "nearest",
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> Explanation:
        """Why records answer a query: print it, or take `to_json()`.

        vector: (dim,). hits: what a search gave, or ids of live records, hidden ones too, or one of either; by default
        those of `search(vector, k, ...)` with the same options. Of hits the options should be those of their search;
        `by` and `smooth` need not be said again. For each: cosine, weight, share, its attractor, and what pulled its
        score up or down: its weight, repellers by name, neighbours by id where it was smoothed. The field's value at
        the query is exact; `bound` says how much more than the candidates there may be.
        Raises UnknownRecord for a hit that is not live by now, and what `search` raises.
        """
        row = self._checked(vector)
        arguments.check_search(k, by, smooth, per, reach, None, exact, effort)
        if hits is None:
            hits = self.search(
                vector, k, ids=ids, where=where, by=by, smooth=smooth, per=per, reach=reach, exact=exact, effort=effort
            )
        hits = [hits] if isinstance(hits, Hit | str) else hits
        names = arguments.checked_ids([hit.id if isinstance(hit, Hit) else hit for hit in hits])
        said = [(hit.score, hit.share) if isinstance(hit, Hit) else None for hit in hits]
        wanted, condition = arguments.restriction(ids, where)
        with self._mirror.reading():
            mirror = self._mirror
            points = [known.sum.point for known in mirror.live(names)]
            field, allowed = mirror.field, mirror.allowed(wanted, condition)
            groups = None if per is None else mirror.groups(per)
            view = _Seen(field, unit_rows(row, field.dim, what="query"), allowed, groups, reach, exact, effort)
            repellers = [one.name for one in mirror.folder.database.repellers.standing()]
            found = [view.explained(*one, repellers) for one in zip(points, said, strict=True)]
            named = {point for told in found for point in told.points()}
            contents = mirror.contents(sorted(named))
            id_of = {point: content.id for point, content in contents.items()}
            return view.explanation(tuple(told.named(id_of) for told in found))

    def _checked(self, vector: ArrayLike) -> NDArray[np.generic]:
        if len(shape := arguments.shape_of(vector, "query")) != 1:
            raise ValueError(f"explain takes one query, (dim,), not {shape}")
        return np.asarray(vector)


class _Told:
    """What `Explained` is made of, with points in place of ids."""

    def __init__(
        self,
        point: int,
        numbers: tuple[float | None, str, float, float, float, float | None],
        attractor: int | None,
        members: list[int],
        pulls: list[tuple[Pull, int | None]],
    ) -> None:
        self._point, self._numbers, self._attractor, self._members = point, numbers, attractor, members
        self._pulls = pulls

    def points(self) -> set[int]:
        """Those whose ids are wanted."""
        others = {*self._members, *(point for _, point in self._pulls if point is not None)}
        return others | {self._point} | (set() if self._attractor is None else {self._attractor})

    def named(self, id_of: dict[int, str]) -> Explained:
        pulls = tuple(
            pull if point is None else Pull(pull.what, pull.by, id_of[point], pull.cosine, pull.copies)
            for pull, point in self._pulls
        )
        attractor = None if self._attractor is None else id_of[self._attractor]
        members = tuple(id_of[point] for point in self._members)
        return Explained(id_of[self._point], *self._numbers, attractor, members, pulls)


class _Seen:
    """The candidates of one query, in every way they can be ranked."""

    def __init__(
        self,
        field: Field,
        row: FloatRows,
        allowed: Mask | None,
        groups: NDArray[np.int64] | None,
        reach: float | None,
        exact: bool,
        effort: float,
    ) -> None:
        self._field, self._row, self._options = field, row[0], (allowed, exact, effort)
        look = partial(field.nearest, row[0], allowed=allowed, exact=exact, effort=effort)
        self._plain, self._smooth = look(_CANDIDATES), look(_CANDIDATES, smooth=True)
        pool = np.zeros(len(field), np.bool_)
        pool[self._plain.points] = True
        self._attractors = field.attractors(row[0], _CANDIDATES, allowed=Mask(pool), groups=groups, reach=reach)
        self._maxima: dict[int, float] | None = None
        self._own: dict[int, float] = dict(zip(self._plain.points.tolist(), self._plain.scores.tolist(), strict=True))
        self._shares: dict[int, float] = dict(
            zip(self._plain.points.tolist(), self._plain.shares.tolist(), strict=True)
        )
        self._head: dict[int, int] = {}
        self._members: dict[int, list[int]] = {}
        for point, members in zip(self._attractors.points.tolist(), self._attractors.members, strict=True):
            self._members[point] = members.points.tolist()
            self._head.update(dict.fromkeys((point, *self._members[point]), point))

    def explanation(self, hits: tuple[Explained, ...]) -> Explanation:
        _, exact, effort = self._options
        field = self._field
        similarity = float(field.similarity(self._row)[0])
        local = field.local(self._row, candidates=_CANDIDATES, exact=exact, effort=effort)
        return Explanation(
            phi=float(field.evaluate(self._row)[0]),
            similarity=None if similarity == -math.inf else similarity,
            local_phi=local.phi,
            bound=local.bound,
            candidates=len(local.points),
            kappa=field.kappa,
            tau=field.tau,
            hits=hits,
        )

    def explained(self, point: int, said: tuple[float, float] | None, repellers: list[str]) -> _Told:
        """said: score and share of a search."""
        kappa, weight = self._field.kappa, float(self._field.weights[point])
        cosine = float(self._field.points[point] @ self._row)
        felt, places = self._field.felt(np.array([point]))[0], self._field.repellers[0] @ self._field.points[point]
        pulls: list[tuple[Pull, int | None]] = []
        if weight != 1.0:
            pulls.append((Pull("weight", math.log(weight) / kappa), None))
        own, score = self._alone(point), None if said is None else said[0]
        lost = None if own is None else own - cosine - math.log(weight) / kappa
        for number in np.argsort(-felt, kind="stable").tolist():
            part = None if lost is None else lost * float(felt[number] / felt.sum()) if felt[number] else 0.0
            if (part is None and felt[number] >= 1e-3 * weight) or (part is not None and part < -5e-5):
                copies = float(min(felt[number], np.finfo(np.float64).max))
                pulls.append((Pull("repeller", part, repellers[number], float(places[number]), copies), None))
        ranked = "plain"
        if own is not None and score is not None and abs(score - own) > _SAME:
            ranked, more = self._moved(point, score, own)
            pulls += more
        elif own is None and score is not None:
            ranked = "otherwise"
        shown = own if score is None else score
        share = self._share(point, own) if said is None or math.isnan(said[1]) else said[1]
        numbers = (shown, ranked, cosine, weight, share, own)
        return _Told(point, numbers, self._head.get(point), self._members.get(point, []), pulls)

    def _alone(self, point: int) -> float | None:
        """Effective similarity, also of who is no candidate; None for who is hidden."""
        if point in self._own:
            return self._own[point]
        mask = np.zeros(len(self._field), np.bool_)
        mask[point] = True
        found = self._field.nearest(self._row, 1, allowed=mask)
        return float(found.scores[0]) if len(found.points) else None

    def _share(self, point: int, own: float | None) -> float:
        if own is None:
            return 0.0
        if point in self._shares or not len(self._plain.points):
            return self._shares.get(point, 0.0)
        best = float(self._plain.scores[0])
        return float(self._plain.shares[0]) * math.exp(self._field.kappa * (own - best))

    def _moved(self, point: int, score: float, own: float) -> tuple[str, list[tuple[Pull, int | None]]]:
        """By which ranking a candidate got another score than its own, and who pulled."""
        if self._maxima is None:
            allowed, exact, effort = self._options
            found = self._field.maxima(self._row, _CANDIDATES // 3, allowed=allowed, exact=exact, effort=effort)
            self._maxima = dict(zip(found.points.tolist(), found.scores.tolist(), strict=True))
        ways = {
            "smoothed": _score_in(self._smooth, point),
            "attractor": _score_in(self._attractors, point),
            "maximum": self._maxima.get(point, math.inf),
        }
        ranked = min(ways, key=lambda way: abs(ways[way] - score))
        if abs(ways[ranked] - score) > _NEARLY:
            return "otherwise", []
        if ranked == "maximum":
            return ranked, [(Pull("maximum", score - own), None)]
        among = self._plain.points[:_SMOOTHED] if ranked == "smoothed" else self._attractors.points
        return ranked, self._neighbours(point, own, score, among)

    def _neighbours(
        self, point: int, own: float, score: float, among: NDArray[np.int64]
    ) -> list[tuple[Pull, int | None]]:
        """Who pulled most, and all the rest as one: 0.3 K (s_j - s_i) / sum of K each (field-semantics, 3)."""
        others = among[among != point]
        cosines = self._field.points[others] @ self._field.points[point]
        kernels = np.exp(self._field.kappa * (cosines.astype(np.float64) - float(cosines.max())))
        said = np.array([self._own[other] for other in others.tolist()]) - own
        parts = _MIX * kernels * said / kernels.sum()
        most = np.argsort(-np.abs(parts), kind="stable")[:_NAMED].tolist()
        pulls: list[tuple[Pull, int | None]] = [
            (Pull("neighbour", float(parts[i]), None, float(cosines[i])), int(others[i])) for i in most
        ]
        rest = score - own - sum(float(parts[i]) for i in most)
        if len(others) > _NAMED:
            pulls.append((Pull("neighbour", rest, f"{len(others) - _NAMED} more"), None))
        return pulls


def _score_in(ranking: Ranking, point: int) -> float:
    """What a ranking made of a point; infinite where it is not in it."""
    (where,) = np.nonzero(ranking.points == point)
    return float(ranking.scores[where[0]]) if len(where) else math.inf
