# Finding: the verbs that look for records and change nothing.
#
# Rule: a query sees every entry that was committed before it began, by whichever process.
"""What a store answers."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from fieldstore import answers, arguments, wording
from fieldstore.arguments import Ids, Mode, Where
from fieldstore.engine.inputs import unit_rows
from fieldstore.filters import Filter
from fieldstore.mirror import Mirror
from fieldstore.records import Hit, Record


class Finding:
    """The verbs of whoever asks; a `FieldStore` has them all. _mirror: its state."""

    _mirror: Mirror

    def search(
        self,
        vector: ArrayLike | None,
        k: int = 10,
        *,
        ids: Ids | None = None,
        where: Where | None = None,
        by: Mode = "nearest",
        text: str | None = None,
        alpha: float = 0.5,
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        min_score: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[Hit]:
        """The live records that answer a query, best first, at most k.

        vector: (dim,), any length but 0. where: a filter (see `fieldstore.filters`); ids: some records, unknown ones
        are passed over. Both are applied before ranking, and what answers satisfies both.
        by "nearest": the largest contributions to the field, ties in order of adding; smooth: the first 50 reordered by
        what their neighbours say. by "attractors": near-copies answer once, as `members` of the best of them; reach:
        the cosine from which they are near (default `tau`); per: a metadata key of which each value answers once, such
        as the source. Attractor lists may be shorter than k; they are never filled up. by "ascent": the founding
        retrieval, records at the continuous maxima that the query and its best candidates ascend to; for looking at the
        field, not better for ranking: on Cranfield's chunks it finds 1.95 different relevant documents in ten,
        attractors 2.10. What repellers hide (`repel`) is in none of these; words still find it.
        by "text": the records with a word of text, ranked by BM25 (score: > 0, of no fixed scale; weights do not
        count); vector may be None, then cosine and share are nan. by "hybrid": that and nearest, joined by their ranks:
        alpha / (60 + rank) of nearest plus (1 - alpha) / (60 + rank) of BM25, alpha 1 = by vector only. Both need a
        store opened with text_index=True. Words are runs of letters and digits; case and accents do not count.
        min_score: leave out lower scores.
        exact: score every live point. Else, in a store of two million numbers or more (5,462 records of 384 dimensions,
        8,192 at least), points are looked for by one-bit codes in cells, and their scores are exact: about 95 of
        100 of the true ten nearest are found by default. effort: how far to look, 1 = so far; more finds more, and
        takes longer.
        Raises ValueError for k < 1, an unknown `by`, an option of another mode, a vector without a direction, or a
        store without the text index that the mode needs.
        """
        query = None if vector is None else arguments.array_of(vector, "query")  # once: a list takes its time
        if query is not None and query.ndim != 1:
            raise ValueError(f"search takes one query, (dim,), not {query.shape}; search_many takes a matrix")
        return self.search_many(
            None if query is None else query[None],
            k,
            ids=ids,
            where=where,
            by=by,
            texts=None if text is None else [text],
            alpha=alpha,
            smooth=smooth,
            per=per,
            reach=reach,
            min_score=min_score,
            exact=exact,
            effort=effort,
        )[0]

    def search_many(
        self,
        vectors: ArrayLike | None,
        k: int = 10,
        *,
        ids: Ids | None = None,
        where: Where | None = None,
        by: Mode = "nearest",
        texts: Sequence[str] | None = None,
        alpha: float = 0.5,
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        min_score: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[list[Hit]]:
        """`search` for every row of vectors, (q, dim): one list of hits each, all of one state of the store.

        texts: (q,), one for each query.
        """
        arguments.check_search(k, by, smooth, per, reach, min_score, exact, effort)
        given = None if vectors is None else arguments.array_of(vectors, "queries")
        if given is not None and given.ndim != 2:
            raise ValueError(f"search_many takes queries (q, dim), not {given.shape}; search takes one")
        arguments.check_wording(by, texts, alpha, None if given is None else len(given))
        wanted, condition = arguments.restriction(ids, where)
        mirror = self._mirror
        if texts is not None:
            part = alpha if by == "hybrid" else None
            return _at_least(min_score, self._worded(given, texts, k, wanted, condition, part, exact, effort))
        assert given is not None  # by `check_wording`
        ranker = partial(answers.ranker, mirror, k, wanted, condition, by, smooth, per, reach, exact, effort)
        everybody = wanted is None and condition is None and per is None  # else the database is asked first
        field = mirror.last_field if everybody else None
        if field is None:
            with mirror.reading():
                if mirror.dim is None:  # empty, and of no dimension yet
                    return [[] for _ in unit_rows(given, given.shape[1], what="query")]
                field = mirror.field
                rank = ranker(field)
        else:
            rank = ranker(field)
        queries = given if len(given) == 1 else unit_rows(given, field.dim, what="query")
        found: list[list[Hit]] = []
        for rankings in answers.ranked(rank, queries):  # other threads may write meanwhile
            with mirror.reading():
                if mirror.field is not field:
                    break
                found += answers.hits(mirror, rankings)
        if len(found) < len(queries):
            with mirror.reading():  # and now they may not
                rankings_again = answers.ranked(ranker(mirror.field), queries)
                found = [hits for rankings in rankings_again for hits in answers.hits(mirror, rankings)]
        return _at_least(min_score, found)

    def _worded(
        self,
        vectors: ArrayLike | None,
        texts: Sequence[str],
        k: int,
        ids: Sequence[str] | None,
        condition: Filter | None,
        alpha: float | None,
        exact: bool,
        effort: float,
    ) -> list[list[Hit]]:
        """The hits for texts; alpha None = by BM25 alone."""
        mirror = self._mirror
        with mirror.reading():
            if not mirror.text_index:
                raise ValueError(
                    f"{mirror.name} has no text index; FieldStore(path, text_index=True) builds it once, and keeps it"
                )
            if mirror.dim is None:
                return [[] for _ in texts]
            queries = None if vectors is None else unit_rows(vectors, mirror.dim, what="query")
            allowed = mirror.allowed(ids, condition)
            if alpha is None:
                return wording.by_text(mirror, queries, texts, k, allowed)
            assert queries is not None  # by `check_wording`
            return wording.by_both(mirror, queries, texts, k, alpha, allowed, exact, effort)

    def get(self, ids: Ids | None = None, *, where: Where | None = None, vectors: bool = False) -> list[Record]:
        """Live records: those of ids, in that order, once each; or those that match; or all. Unknown ids are left out.

        vectors: with their unit vectors, (dim,) float32.
        """
        wanted, condition = arguments.restriction(ids, where)
        with self._mirror.reading():
            if wanted is None:
                points = self._mirror.live_points(condition)
            else:
                points = self._mirror.points_of(wanted, condition)
            return answers.records(self._mirror, points, vectors)

    def count(self, where: Where | None = None, *, ids: Ids | None = None) -> int:
        """How many records are live, match, and are among ids."""
        wanted, condition = arguments.restriction(ids, where)
        with self._mirror.reading():
            return int(np.count_nonzero(self._mirror.chosen(condition, wanted)))

    def ids(
        self,
        *,
        where: Where | None = None,
        limit: int | None = None,
        after: str | None = None,
        forgotten: bool = False,
        changed_before: int | datetime | None = None,
        changed_after: int | datetime | None = None,
    ) -> list[str]:
        """Ids of live records (forgotten: of the forgotten ones instead), sorted: at most limit, after that id.

        changed_before, changed_after: only those whose newest entry (an add, update, reweight, restore, forget) stands
        before, or after, a position of the ledger, or a time, aware of its zone. Entries keep whole seconds, so within
        one second only positions tell before from after; `seq` is the newest entry's.
        """
        condition = None if where is None else Filter(where)
        arguments.check_limit(limit)
        arguments.check_words(after, what="after")
        end = arguments.moment("changed_before", changed_before)
        begin = arguments.moment("changed_after", changed_after)
        with self._mirror.reading() as database:
            if forgotten:
                points = [known.sum.point for known in self._mirror.forgotten(condition)]
            else:
                points = self._mirror.live_points(condition)
            between = (database.position_after(begin), database.position_before(end))
            return database.ids_of(points, after, between, limit)

    def exists(self, id: str) -> bool:
        """Whether this record is live."""
        (wanted,) = arguments.checked_ids([id])
        with self._mirror.reading():
            return bool(self._mirror.points_of([wanted], None))


def _at_least(min_score: float | None, found: list[list[Hit]]) -> list[list[Hit]]:
    if min_score is None:
        return found
    return [[hit for hit in hits if hit.score >= min_score] for hits in found]
