# What comes back after forgetting: the best chunk of each question is forgotten, and the question asked again.
#
# In:   a collection in overlapping windows. Out: how often a sentence of the forgotten chunk is among the answers.
# Rule: the store is as before after each question, and that is checked.
"""`python -m benchmarks leaks`: forgetting a chunk, its near ones or its source, before and after re-ingestion."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks import collection as collections
from benchmarks.data import Rows
from benchmarks.plan import Plan
from benchmarks.report import Report, Row
from benchmarks.retrieval import filled, given
from benchmarks.ways import Stored
from fieldstore import FieldStore, Hit

NEAR = "windows"  # the cosine that a store suggests for overlapping windows, 0.85 here
TOP = 3

Forget = Callable[[FieldStore, Hit], object]

WAYS: dict[str, Forget] = {
    "the chunk alone": lambda store, hit: store.forget(hit.id),
    f'… near="{NEAR}"': lambda store, hit: store.forget(hit.id, near=NEAR),
    "… its source": lambda store, hit: store.forget(source=hit.metadata["source"]),
    "the chunk, keep_out": lambda store, hit: store.forget(hit.id, keep_out=True),
    f'… near="{NEAR}", keep_out': lambda store, hit: store.forget(hit.id, near=NEAR, keep_out=True),
    "… its source, keep_out": lambda store, hit: store.forget(source=hit.metadata["source"], keep_out=True),
}


class Leaks(NamedTuple):
    """Of one question: whether a sentence came back at rank 1 and among the first three; how many chunks were gone."""

    first: bool
    top: bool
    gone: int


def run(plan: Plan) -> None:
    """Print how often each way of forgetting leaks, at once and after every document was ingested again."""
    try:
        collection, vectors = given(plan)
    except ValueError as error:
        print(f"leaks is left out: {error}\n", flush=True)
        return
    pieces = collections.windows(collection)
    size = f"{len(pieces.ids):,} overlapping windows, {len(collection.questions)} questions"
    report = Report("leaks", f"The best chunk of a question forgotten, {collection.name}: {size}", plan)
    at = filled(pieces, vectors)
    questions = vectors.rows(list(collection.questions.values()))
    rows: list[Row] = []
    for way, forget in WAYS.items():
        with _no_warnings():
            each = [_asked(at, query, forget) for query in questions]
        row: Row = {"": way, "chunks forgotten": sum(before.gone for before, _ in each) / len(each)}
        for when, number in (("", 0), (", ingested again", 1)):
            found = [pair[number] for pair in each]
            row[f"at rank 1{when}, %"] = 100.0 * sum(one.first for one in found) / len(found)
            row[f"in the top {TOP}{when}, %"] = 100.0 * sum(one.top for one in found) / len(found)
        rows.append(row)
    report.table(rows, "A sentence of the forgotten chunk comes back")
    report.say(f'near="{NEAR}" is a cosine of {at.store.suggested_near[NEAR]:.3f} here.')
    report.say("Ingested again: all chunks of the document are added once more, under the same ids.")
    report.save()
    at.store.close()


@contextmanager
def _no_warnings() -> Iterator[None]:
    """An add that keeps something out warns of it, thousands of times here."""
    log = logging.getLogger("fieldstore")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _asked(at: Stored, query: Rows, forget: Forget) -> tuple[Leaks, Leaks]:
    """Forget, ask, ingest again, ask again; and put everything back."""
    store, pieces = at.store, at.pieces
    (best,) = store.search(query, 1)
    told = frozenset(collections.sentences(best.text or ""))
    before = store.count()
    forget(store, best)
    gone = before - store.count()
    at_once = _leaks(store, query, told, gone)
    document = pieces.documents[at.number[best.id]]
    at.put([number for number, each in enumerate(pieces.documents) if each == document])
    later = _leaks(store, query, told, before - store.count())
    if names := [out.name for out in store.kept_out()]:
        store.let_in(names)
    store.restore(store.ids(forgotten=True))
    if store.count() != before:
        raise RuntimeError(f"{store} has {store.count()} records after a question, not {before} as before it")
    return at_once, later


def _leaks(store: FieldStore, query: Rows, told: frozenset[str], gone: int) -> Leaks:
    back = [not told.isdisjoint(collections.sentences(hit.text or "")) for hit in store.search(query, TOP)]
    return Leaks(any(back[:1]), any(back), gone)
