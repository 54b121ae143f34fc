# The README's pictures, drawn from a real collection: the field around a chunk that is forgotten, shares, weight.
#
# In:   a collection and its vectors. Out: field.png, shares.png, weight.png, and the hills' heights in pictures.json.
# Rule: everything is drawn by `fieldstore.plots`, from a store that did what the picture shows.
"""`python -m benchmarks pictures`: the field before and after forgetting, a question's shares, weight in the ledger."""

import math
from pathlib import Path
from typing import Any

from benchmarks import collection as collections
from benchmarks.data import Rows
from benchmarks.embed import Embedded
from benchmarks.plan import Plan
from benchmarks.report import Report, Row
from benchmarks.retrieval import filled, given
from benchmarks.ways import Stored
from fieldstore import Field, FieldStore, plots
from fieldstore.plots import Hill, Hills

HEIGHTS = "φ at the three records, in copies"

_ASIDE = 5.0  # degrees from the top at most, to stand on a hill
_BATCHES = 5  # in which the documents come, in the picture of the ledger


def run(plan: Plan) -> None:
    """Draw the three pictures and print the hills' heights."""
    try:
        collection, vectors = given(plan)
    except ValueError as error:
        print(f"pictures are left out: {error}\n", flush=True)
        return
    report = Report("pictures", f"The field of {collection.name}, in overlapping windows", plan)
    plan.results.mkdir(parents=True, exist_ok=True)
    at = filled(collections.windows(collection), vectors)
    question, seen = _shown(at, list(collection.questions.values()), vectors)
    report.say(f"The best window for the question “{question}” is forgotten.")
    report.table([_height(record, at) for record in seen.records], HEIGHTS)
    _save(plots.map_of(seen), plan.results / "field.png")
    hits = at.store.search(vectors[question], 8, by="attractors")
    _save(plots.shares_of(hits, title=f"“{question}”"), plan.results / "shares.png")
    at.store.close()
    with FieldStore() as store:
        _lived(at._replace(store=store))
        _save(plots.weight_of(store.entries()), plan.results / "weight.png")
    report.save()


def _shown(at: Stored, questions: list[str], vectors: Embedded) -> tuple[str, Hills]:
    """A question, and the field around its best window: the nearest survivor is of the same document, the next
    attractor of another, and all three stand on hills of their own. The first such, or the first of all.
    """
    first: tuple[str, Hills] | None = None
    for question in questions:
        (best,) = at.store.search(vectors[question], 1)
        seen = plots.hills(at.store, best.id)
        first = first or (question, seen)
        own, survivor, other = (_document(record, at) for record in seen.records)
        hills = all(_downhill(seen.before, record.vector) < _ASIDE for record in seen.records)
        if own == survivor != other and hills:
            return question, seen
    if first is None:
        raise ValueError("the collection has no questions, so there is nothing to draw")
    return first


def _downhill(field: Field, place: Rows) -> float:
    """How many degrees from the top of its hill a place (d,) is."""
    return math.degrees(math.acos(min(1.0, float(field.ascend(place).place @ place))))


def _height(record: Hill, at: Stored) -> Row:
    return {"": record.id, "before": record.before, "after": record.after, "document": _document(record, at)}


def _document(record: Hill, at: Stored) -> str:
    return at.pieces.documents[at.number[record.id]]


def _lived(at: Stored) -> None:
    """A store's life: documents come in batches; of each a third is forgotten, of every other one half of those come
    back, and what is still forgotten at the end is erased.
    """
    names = list(dict.fromkeys(at.pieces.documents))
    of = {name: [number for number, each in enumerate(at.pieces.documents) if each == name] for name in names}
    for batch in range(_BATCHES):
        here = names[batch::_BATCHES]
        at.put([number for name in here for number in of[name]])
        gone = [at.pieces.ids[number] for name in here[::3] for number in of[name]]
        at.store.forget(gone, reason="withdrawn by its author")
        if batch % 2:
            at.store.restore(gone[: len(gone) // 2], reason="the author agreed again")
    at.store.erase(at.store.ids(forgotten=True), reason="the time to object is over")
    if differences := at.store.verify():
        raise RuntimeError(f"the store of the picture is not what its ledger says: {differences}")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=90, metadata={"Software": None})
