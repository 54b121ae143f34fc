# The past: a store as it stood at a position of its ledger, to be read.
#
# Rule: weights are a group, so the past is the present without what came since; nothing is kept twice for it.
# Rule: it is looked at anew before every answer, so what is erased or forgotten later is out of the next one.
# Rule: what is not kept is not made up: erased records are left out, replaced texts are None, and `gaps` names both.
"""Read-only views of earlier states."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore import arguments, metadata
from fieldstore.arguments import Ids, Where
from fieldstore.engine.bandwidth import DEFAULT_KAPPA
from fieldstore.engine.field import Field, Ranking
from fieldstore.engine.inputs import unit_rows
from fieldstore.filters import Filter, value_at
from fieldstore.ledger import Kind, Leaf
from fieldstore.mirror import Mirror
from fieldstore.records import MILLIONTHS, Hit, Record
from fieldstore.storage.database import Database
from fieldstore.storage.repellers import places_and_radii


class View:
    """A store as it was after its first entries; from `FieldStore.as_of`, and usable until that store is closed.

    Vectors, weights, kappa and repellers are those of then, and every answer is exact: each point is scored. Of text
    and metadata only the newest form is ever kept: a record whose were replaced since shows None and {}, and matches no
    filter. What was erased since is gone here too; what is forgotten now is shown only to `as_of(..., forgotten=True)`.
    `gaps` says what is missing for these reasons. seq: the last entry taken in, -1 = none. time: its time, UTC.
    """

    def __init__(self, mirror: Mirror, size: int, forgotten: bool) -> None:
        self._mirror = mirror
        self._forgotten = forgotten
        self.seq = size - 1
        self.time: datetime | None = None
        self._field: Field | None = None
        self._then = np.zeros(0, np.int64)  # (points,) net weights in millionths
        self._replaced: dict[int, int] = {}  # point -> the entry that wrote its text and metadata anew
        self._hiding: list[int] = []  # the repellers of then whose places are still kept
        self._size = size  # entries looked at so far
        with mirror.reading() as database:
            if size:
                self.time = datetime.fromtimestamp(database.leaf(size - 1).time, UTC)
            dim: int | None = mirror.facts["dim"]
            now = database.sums_since(0)
            weights = np.zeros(len(now), np.int64)
            weights[now[:, 0]] = now[:, 1]
            points, kappa = len(weights), mirror.facts["kappa"]
            for point, leaf in self._since(database, size):
                if leaf.kind is Kind.CALIBRATE:
                    kappa = None
                elif point is not None:
                    weights[point] -= leaf.weight
                    points = min(points, point) if leaf.kind is Kind.ADD else points
            if kappa is None:
                kappa = _kappa(database, size)
            self._then = weights[:points]
            if dim is not None:
                self._field = Field(dim, kappa=DEFAULT_KAPPA if kappa is None else kappa / MILLIONTHS, flat=True)
                self._field.mount(mirror.folder.vectors(dim).rows(points))
            self._look(database)
            self._size = mirror.size

    def __repr__(self) -> str:
        return f"{self._mirror.name} as of entry {self.seq}"

    @property
    def kappa(self) -> float:
        """Concentration of the kernel then."""
        return DEFAULT_KAPPA if self._field is None else self._field.kappa

    @property
    def field(self) -> Field:
        """The field of then, without what is gone: evaluate, similarity, gradient, ascend. Take it anew for each look.

        Raises ValueError for a store without a dimension.
        """
        with self._reading():
            if self._field is None:
                raise ValueError(f"{self._mirror.name} has no dimension yet")
            return self._field.view()

    def search(self, vector: ArrayLike, k: int = 10, **options: Any) -> list[Hit]:
        """What `FieldStore.search` would have answered with exact=True; the options are those of `search_many`."""
        _check_mode(options.get("by"))
        if len(shape := arguments.shape_of(vector, "query")) != 1:
            raise ValueError(f"search takes one query, (dim,), not {shape}; search_many takes a matrix")
        return self.search_many(np.asarray(vector)[None], k, **options)[0]

    def search_many(
        self,
        vectors: ArrayLike,
        k: int = 10,
        *,
        ids: Ids | None = None,
        where: Where | None = None,
        by: Literal["nearest", "attractors", "ascent"] = "nearest",
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        min_score: float | None = None,
    ) -> list[list[Hit]]:
        """`search` for every row of vectors, (q, dim). The options mean what they do in `FieldStore.search`."""
        _check_mode(by)
        arguments.check_search(k, by, smooth, per, reach, min_score, True, 1.0)
        wanted, condition = arguments.restriction(ids, where)
        with self._reading() as database:
            field = self._field
            queries = unit_rows(vectors, np.shape(vectors)[-1] if field is None else field.dim, what="query")
            if field is None:
                return [[] for _ in queries]
            allowed = self._allowed(database, wanted, condition)
            groups = None if per is None else self._groups(database, per)
            found = []
            for query in queries:
                if by == "nearest":
                    ranking = field.nearest(query, k, allowed=allowed, smooth=smooth, exact=True)
                elif by == "ascent":
                    ranking = field.maxima(query, k, allowed=allowed, exact=True)
                else:
                    ranking = field.attractors(query, k, allowed=allowed, groups=groups, reach=reach, exact=True)
                hits = self._hits(database, ranking)
                found.append([hit for hit in hits if min_score is None or hit.score >= min_score])
            return found

    def get(self, ids: Ids | None = None, *, where: Where | None = None, vectors: bool = False) -> list[Record]:
        """Records live then: those of ids, in that order, or those that match, or all. vectors: with their vectors."""
        wanted, condition = arguments.restriction(ids, where)
        with self._reading() as database:
            points = self._points(database, condition)
            if wanted is not None:
                shown = set(points)
                points = [point for point in _versions(database, wanted) if point in shown]
            weights = self._weights
            return [
                Record(*content, float(weights[point]), self._mirror.row(point).copy() if vectors else None)
                for point, content in zip(points, self._contents(database, points), strict=True)
            ]

    def count(self, where: Where | None = None, *, ids: Ids | None = None) -> int:
        """How many records were live then, match, and are among ids."""
        wanted, condition = arguments.restriction(ids, where)
        with self._reading() as database:
            return len(self._points(database, condition, wanted))

    def ids(self, *, where: Where | None = None, limit: int | None = None, after: str | None = None) -> list[str]:
        """Ids of the records live then, sorted: at most limit, after that id."""
        condition = None if where is None else Filter(where)
        arguments.check_limit(limit)
        with self._reading() as database:
            ids = sorted(id for id, _, _ in self._contents(database, self._points(database, condition)))
            return list(islice((id for id in ids if after is None or id > after), limit))

    def exists(self, id: str) -> bool:
        """Whether this record was live then."""
        return bool(self.get([id]))

    def gaps(self) -> list[str]:
        """What this view cannot show of then, in plain words; [] = all of it is here."""
        with self._reading() as database:
            lines = []
            hidden = np.flatnonzero((self._then > 0) & (self._weights == 0)).tolist()
            erased, names = set(database.erased()), database.contents([*hidden, *self._replaced])
            for point in hidden:
                if point in erased:
                    weight = self._then[point] / MILLIONTHS
                    entry = database.chain(point)[0]
                    lines.append(
                        f"point {point} weighed {weight:g} then; entry {entry.seq} erased its content for good"
                    )
                else:
                    lines.append(f"record '{names[point].id}' is forgotten; as_of(..., forgotten=True) shows it")
            for point, seq in self._replaced.items():
                if self._weights[point]:
                    lines.append(
                        f"record '{names[point].id}' got another text or metadata by entry {seq}; the old is lost"
                    )
            lost = database.repellers.lost(self.seq + 1)
            lines += [f"repeller {one.name} hid records then; its place was destroyed by an erase" for one in lost]
            return lines

    # -- in step with the ledger, inside `reading` ---------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        with self._mirror.reading() as database:
            if self._mirror.size != self._size:
                for _ in self._since(database, self._size):
                    pass
                self._look(database)
                self._size = self._mirror.size
            yield database

    def _since(self, database: Database, first: int) -> Iterator[tuple[int | None, Leaf]]:
        """The entries from a position on; those that replaced texts are noted on the way."""
        for point, leaf in database.leaves(first, -1):
            if leaf.kind is Kind.UPDATE and point is not None:
                self._replaced.setdefault(point, leaf.seq)
            yield point, leaf

    def _look(self, database: Database) -> None:
        """Take out of the field what is erased by now, and, unless it was asked for, what is forgotten."""
        if self._field is None:
            return
        standing = database.repellers.standing(self.seq + 1)
        if [one.seq for one in standing] != self._hiding:
            self._field.repel(*places_and_radii(standing, self._field.dim))
            self._hiding = [one.seq for one in standing]
        points, shown = len(self._then), self._then.copy()
        self._replaced = {point: seq for point, seq in self._replaced.items() if point < points}
        gone = database.erased() + ([] if self._forgotten else database.points_forgotten())
        shown[[point for point in gone if point < points]] = 0
        changed = np.flatnonzero(shown / MILLIONTHS != self._field.weights)
        self._field.reweight(changed, shown[changed] / MILLIONTHS)

    @property
    def _weights(self) -> NDArray[np.float64]:
        return np.empty(0) if self._field is None else self._field.weights

    def _points(self, database: Database, condition: Filter | None, ids: Sequence[str] | None = None) -> list[int]:
        shown = self._weights > 0
        if (allowed := self._allowed(database, ids, condition)) is not None:
            shown &= allowed
        points: list[int] = np.flatnonzero(shown).tolist()
        return points

    def _metadatas(self, database: Database) -> Iterator[tuple[int, dict[str, Any]]]:
        """(point, metadata) of all that are shown and still have those of then."""
        points = [point for point in self._points(database, None) if point not in self._replaced]
        for first in range(0, len(points), 1000):
            for point, content in database.contents(points[first : first + 1000]).items():
                yield point, metadata.decode(content.metadata)

    def _allowed(
        self, database: Database, ids: Sequence[str] | None, condition: Filter | None
    ) -> NDArray[np.bool_] | None:
        """(points,) which are of these records, and match; None = all of them."""
        allowed = None if condition is None else self._mask(database, condition)
        if ids is None:
            return allowed
        chosen = np.zeros(len(self._weights), np.bool_)
        chosen[[point for point in _versions(database, ids) if point < len(chosen)]] = True
        return chosen if allowed is None else chosen & allowed

    def _mask(self, database: Database, condition: Filter) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._weights), np.bool_)
        mask[[point for point, record in self._metadatas(database) if condition.matches(record)]] = True
        return mask

    def _groups(self, database: Database, key: str) -> NDArray[np.int64]:
        groups, codes = np.full(len(self._weights), -1, np.int64), dict[str, int]()
        for point, record in self._metadatas(database):
            if (value := value_at(record, key)) is not None:
                groups[point] = codes.setdefault(metadata.encode({"": value}), len(codes))
        return groups

    def _contents(self, database: Database, points: list[int]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Id, text and metadata of points that are shown; None and {} where those of then are lost."""
        contents = self._mirror.contents(points)
        return [
            (contents[point].id, None, {})
            if point in self._replaced
            else (contents[point].id, contents[point].text, metadata.decode(contents[point].metadata))
            for point in points
        ]

    def _hits(self, database: Database, ranking: Ranking) -> list[Hit]:
        members = [tuple(self._hits(database, some)) for some in ranking.members] or [()] * len(ranking.points)
        self._mirror.refuse_changed(ranking.points, ranking.cosines)
        contents = self._contents(database, ranking.points.tolist())
        columns = (ranking.scores, ranking.cosines, self._weights[ranking.points], ranking.shares)
        rows = zip(contents, *(column.tolist() for column in columns), members, strict=True)
        return [Hit(*content, *numbers) for content, *numbers in rows]


def _versions(database: Database, ids: Sequence[str]) -> list[int]:
    """The points of every version of these records, record by record; at most one of a record's was shown then."""
    return [version.sum.point for id in ids for version in database.versions(id)]


def _check_mode(by: object) -> None:
    if by in arguments.BY_WORDS:
        raise ValueError(f"by={by!r} needs a text index, which is of today; a view of the past has none")


def _kappa(database: Database, size: int) -> int | None:
    """Millionths, by the last calibration among the first entries; None where there was none yet."""
    for last in range(size, 0, -4096):
        some = [leaf for _, leaf in database.leaves(max(0, last - 4096), min(last, 4096))]
        for leaf in reversed(some):
            if leaf.kind is Kind.CALIBRATE:
                return leaf.weight
    return None
