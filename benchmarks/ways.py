# The ways of choosing ten pieces for a question: what a store answers, and what others do with its nearest.
#
# In:   a store of pieces, and unit rows of questions. Out: numbers of pieces, best first.
# Rule: everything is found by `FieldStore.search_many`; the others reorder or thin out its nearest hundred.
"""Cosine, MMR, de-duplication, attractors."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.collection import Pieces
from benchmarks.data import Rows
from fieldstore import FieldStore, Hit

DEEP, SHOWN = 100, 10
NEAREST, ATTRACTORS, FOLLOWED = "nearest", "attractors", "attractors, then the rest"
BY_SOURCE = "one per document", "attractors with per"

_FETCH = 50  # nearest that MMR chooses among
_SAME = 0.85  # cosine from which de-duplication drops a piece

Answers = list[list[int]]
"""For each question the numbers of pieces, best first, no piece twice."""


class Stored(NamedTuple):
    """A store of pieces, by their ids and with their source, and their unit vectors (n, d); number: of each id."""

    store: FieldStore
    pieces: Pieces
    rows: Rows
    number: dict[str, int]

    def numbers(self, found: list[list[Hit]]) -> Answers:
        """The pieces that a search found."""
        return [[self.number[hit.id] for hit in hits] for hits in found]

    def put(self, which: Sequence[int]) -> None:
        """Add these pieces, or add them again."""
        ids, texts, sources, _ = ([column[number] for number in which] for column in self.pieces)
        self.store.add(self.rows[which], ids=ids, texts=texts, metadatas=[{"source": source} for source in sources])


def stored(store: FieldStore, pieces: Pieces, rows: Rows, batch: int | None = None) -> Stored:
    """Put the pieces into an empty store, all at once, or so many at a time."""
    at = Stored(store, pieces, rows, {id: number for number, id in enumerate(pieces.ids)})
    for begin in range(0, len(rows), batch or len(rows)):
        at.put(range(len(rows))[begin : begin + (batch or len(rows))])
    return at


def answered(at: Stored, questions: Rows, texts: list[str], *, exact: bool) -> dict[str, Answers]:
    """What every way answers to each of the questions (q, d), texts (q,); a hundred where it ranks so many.

    exact: every piece is scored.
    """
    search = partial(at.store.search_many, questions, exact=exact)
    near = _deep(at, search)
    smooth = _deep(at, partial(search, smooth=True))
    attractors = at.numbers(search(SHOWN, by="attractors"))
    per = at.numbers(search(SHOWN, by="attractors", per="source"))
    ways = {NEAREST: near, "nearest, smooth": smooth}
    for share in (0.5, 0.7, 0.9):
        ways[f"MMR {share}"] = _each(near, questions, partial(_by_mmr, at.rows, share))
    ways[f"de-duplication at {_SAME:.2f}".replace("0.", ".")] = _each(near, questions, lambda a, _: thinned(a, at.rows))
    ways[ATTRACTORS] = attractors
    ways["ascent"] = at.numbers(search(SHOWN, by="ascent"))
    ways["words (BM25)"] = at.numbers(at.store.search_many(None, DEEP, by="text", texts=texts))
    ways["hybrid"] = at.numbers(search(DEEP, by="hybrid", texts=texts))
    ways[FOLLOWED] = [_followed(*both) for both in zip(attractors, near, strict=True)]
    ways[BY_SOURCE[0]] = _each(near, questions, lambda answer, _: first_of_each(answer, at.pieces.sources))
    ways[BY_SOURCE[1]] = per
    return ways


def mmr(answer: Sequence[int], rows: Rows, query: Rows, share: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, 1998): the first 50 in its order, then the others.

    share: lambda, the weight of the cosine to the query (d,); the rest is that of the largest to one chosen before.
    """
    pool = list(answer[:_FETCH])
    similar = rows[pool] @ rows[pool].T
    relevance = rows[pool] @ query
    chosen: list[int] = []
    worst = np.full(len(pool), -np.inf)
    left = np.ones(len(pool), bool)
    for _ in pool:
        value = relevance if not chosen else share * relevance - (1.0 - share) * worst
        best = int(np.where(left, value, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        worst = np.maximum(worst, similar[best])
    return [pool[number] for number in chosen] + list(answer[_FETCH:])


def _by_mmr(rows: Rows, share: float, answer: list[int], query: Rows) -> list[int]:
    return mmr(answer, rows, query, share)


def thinned(answer: Sequence[int], rows: Rows) -> list[int]:
    """Without whatever is too similar to one that was kept before it."""
    kept: list[int] = []
    for piece in answer:
        if not kept or float((rows[kept] @ rows[piece]).max()) < _SAME:
            kept.append(piece)
    return kept


def first_of_each(answer: Sequence[int], sources: Sequence[str]) -> list[int]:
    """The best piece of each source."""
    best: dict[str, int] = {}
    for piece in answer:
        best.setdefault(sources[piece], piece)
    return list(best.values())


def _deep(at: Stored, search: Callable[[int], list[list[Hit]]]) -> Answers:
    """Ten, as whoever wants ten is answered, and then the others of a hundred: for those a store looks farther."""
    shown, deep = at.numbers(search(SHOWN)), at.numbers(search(DEEP))
    return [_followed(*both)[:DEEP] for both in zip(shown, deep, strict=True)]


def _followed(first: Sequence[int], rest: Sequence[int]) -> list[int]:
    return list(dict.fromkeys([*first, *rest]))


def _each(answers: Answers, questions: Rows, way: Callable[[list[int], Rows], list[int]]) -> Answers:
    return [way(answer, query) for answer, query in zip(answers, questions, strict=True)]
