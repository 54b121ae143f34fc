# What comes back: how relevant, how varied, and how much of it twice; cosine, MMR, de-duplication and attractors.
#
# Rule: everything goes through `FieldStore`, once scanned flat and once in cells, though there are few pieces.
# Rule: kappa is calibrated over all pieces, so that figures do not hang on which were sampled; what the store chose by
# itself stands in a table of its own.
"""`python -m benchmarks retrieval`: the quality of answers on a collection with relevance judgements."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

from benchmarks import collection as collections
from benchmarks import embed, measures
from benchmarks.collection import Collection, Pieces
from benchmarks.embed import Embedded
from benchmarks.measures import Asked, Values, chance, per_1000_words
from benchmarks.plan import Plan
from benchmarks.report import Report, Row
from benchmarks.ways import ATTRACTORS, NEAREST, SHOWN, Answers, Stored, answered, stored
from fieldstore import FieldStore

REACHES = (0.60, 0.67, 0.735, 0.80, 0.87)  # parts of the room that the embedder leaves
OWN_KAPPA, REACH = "κ as the store measured it by itself", "Reach of attractors, windows"

_BATCH = 256  # pieces at a time, where a store measures kappa by itself
_LEAST_CELLS = 256, 0  # points, and numbers in them, from which there are cells here


def run(plan: Plan) -> None:
    """Print a table for documents and windows, without and with copies, flat and in cells."""
    try:
        collection, vectors = given(plan)
    except ValueError as error:
        print(f"retrieval is left out: {error}\n", flush=True)
        return
    whole, windows = collections.whole(collection), collections.windows(collection)
    size = (
        f"{len(whole.ids):,} documents, {len(windows.ids):,} overlapping windows, {len(collection.questions)} questions"
    )
    report = Report("retrieval", f"Retrieval on {collection.name}: {size}", plan)
    for pieces, what in ((whole, "whole documents"), (windows, "windows")):
        for copied in (False, True):
            for cells in (False, True):
                named = title(what, copied, cells)
                report.table(_table(collection, pieces, vectors, copied, cells), named)
    report.table(_as_measured(collection, vectors), OWN_KAPPA)
    report.table(_reaches(collection, windows, vectors), REACH)
    report.say("p: chance of a mean difference as large, signs of the questions' differences drawn at random.")
    report.say("A further piece of a document that came before counts as not relevant.")
    report.save()


def title(what: str, copied: bool, cells: bool) -> str:
    """What a table is called."""
    return (
        f"{what}, {'one in five documents copied twice, ' if copied else ''}{'in cells' if cells else 'scanned flat'}"
    )


def given(plan: Plan) -> tuple[Collection, Embedded]:
    """The collection of a plan with its vectors; a quick run makes up a small one. ValueError when one is missing."""
    if plan.quick:
        small = collections.made_up()
        return small, embed.by_words(small)
    collection = collections.load(plan.collection)
    return collection, embed.embedded(collection)


@contextmanager
def in_cells() -> Iterator[None]:
    """Fields made meanwhile go into cells however few points they have: the one threshold is lowered, nothing else."""
    with patch("fieldstore.engine.weighted._CELLS_FROM", _LEAST_CELLS):
        yield


def filled(pieces: Pieces, vectors: Embedded) -> Stored:
    """A store in memory with all the pieces, and kappa measured from all of them."""
    at = stored(FieldStore(text_index=True), pieces, vectors.rows(pieces.texts))
    at.store.calibrate()
    return at


def _table(collection: Collection, pieces: Pieces, vectors: Embedded, copied: bool, cells: bool) -> list[Row]:
    if copied:
        pieces = collections.with_copies(pieces)
    questions = vectors.rows(list(collection.questions.values()))
    with in_cells() if cells else nullcontext():
        at = filled(pieces, vectors)
        if cells and at.store.field.state() is None and len(pieces.ids) >= _LEAST_CELLS[0]:
            raise RuntimeError("the store has no cells, so they cannot be measured")
        answers = answered(at, questions, list(collection.questions.values()), exact=not cells)
    at.store.close()
    return rows_of(Asked(collection, pieces, at.rows), answers)


def rows_of(asked: Asked, answers: dict[str, Answers]) -> list[Row]:
    """A row of means for each way, and how it differs from nearest, and from attractors."""
    values = {way: measures.measured(asked, found) for way, found in answers.items()}
    return [_row(way, each, values[NEAREST], values[ATTRACTORS]) for way, each in values.items()]


def _row(way: str, values: Values, nearest: Values, attractors: Values) -> Row:
    row: Row = {"": way}
    row |= {name: float(values[name].mean()) for name in measures.NAMES if name != "words@10"}
    row["per 1,000 words"] = per_1000_words(values)
    for name, beside, than in (("nDCG@10", nearest, NEAREST), ("distinct@10", attractors, ATTRACTORS)):
        differences = values[name] - beside[name]
        row[f"{name} − {than}"] = float(differences.mean())
        row[f"p, {name}"] = chance(differences) if differences.any() else None
    return row


def _as_measured(collection: Collection, vectors: Embedded) -> list[Row]:
    """The ways that kappa bears upon, with the kappa that a store arrives at when it is filled in small batches."""
    rows: list[Row] = []
    questions = vectors.rows(list(collection.questions.values()))
    for pieces, what in ((collections.whole(collection), "documents"), (collections.windows(collection), "windows")):
        at = stored(FieldStore(), pieces, vectors.rows(pieces.texts), batch=_BATCH)
        search = partial(at.store.search_many, questions)
        found = {
            "nearest, smooth": search(100, smooth=True),
            ATTRACTORS: search(SHOWN, by="attractors"),
            "attractors with per": search(SHOWN, by="attractors", per="source"),
        }
        for way, hits in found.items():
            values = measures.measured(Asked(collection, pieces, at.rows), at.numbers(hits))
            means: Row = {name: float(values[name].mean()) for name in ("nDCG@10", "distinct@5", "distinct@10")}
            rows.append({"": f"{what}, {way}", "κ": at.store.kappa, "τ": at.store.tau, **means})
        at.store.close()
    return rows


def _reaches(collection: Collection, pieces: Pieces, vectors: Embedded) -> list[Row]:
    at = filled(pieces, vectors)
    questions = vectors.rows(list(collection.questions.values()))
    room = 15.0 / at.store.kappa
    rows: list[Row] = []
    for part in REACHES:
        reach = 1.0 - room * (1.0 - part)
        hits = at.store.search_many(questions, SHOWN, by="attractors", reach=reach)
        values = measures.measured(Asked(collection, pieces, at.rows), at.numbers(hits))
        rows.append({"": f"{part:g} of the room", "reach": reach, "distinct@10": float(values["distinct@10"].mean())})
    at.store.close()
    return rows
