# What is checked of a store that was opened again after a fault.
#
# In:   its folder, what the program was told, and the states it may be in. Out: figures.
# Rule: judged with the plain disk, in this process, and by answers: nothing here asks the store how it did something.
"""Judging a store after a fault."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fieldstore import FieldStore, verify_certificate
from fieldstore.ledger import Frontier, Kind, Leaf
from tests.torture import needles
from tests.torture.figures import Figures
from tests.torture.program import OPTIONS, Program, State, Told

_MOST = 400  # needles looked for at once: all there are, but in a store of very many erases


def judged(folder: Path, told: Told, states: Sequence[State], what: str, injected: int = 1) -> Figures:
    """Open the store again, and see whether it is in one of these states, in every respect. what: names the trial."""
    try:
        with FieldStore(folder, **OPTIONS) as store:
            lost = [f"verify: {difference}" for difference in store.verify()]
            state = _state_of(store, states)
            if state is None:
                lost.append(_difference(store, states))
            lost += _ledger(store, told)
            wrong = [] if state is None else [*_answers(store, state), *_leftovers(folder, state)]
        wrong += [] if state is None else _leftovers(folder, state)  # the log was folded in on closing
    except Exception as error:
        lost, wrong = [f"cannot be opened again: {error!r}"], []
    broken = tuple(f"{what}: {finding}" for finding in [*lost, *wrong])
    return Figures(1, told.acknowledged, int(bool(lost)), injected, int(bool(wrong)), broken)


def possible(program: Program, told: Told) -> list[State]:
    """The states a store may be in: after what was acknowledged, and where another step was begun, after that."""
    return program.states[told.acknowledged : told.acknowledged + 1 + told.begun]


def _state_of(store: FieldStore, states: Sequence[State]) -> State | None:
    live = {record.id: record for record in store.get(vectors=True)}
    forgotten = set(store.ids(forgotten=True))
    for state in states:
        if forgotten != {id for id, kept in state.records.items() if not kept.live}:
            continue
        expected = {id: kept for id, kept in state.records.items() if kept.live}
        if live.keys() == expected.keys() and all(_same(live[id], kept) for id, kept in expected.items()):
            return state
    return None


def _same(record, kept) -> bool:
    content = (record.text, record.metadata, record.weight) == (kept.text, kept.metadata, kept.weight)
    return content and np.allclose(record.vector, kept.vector, atol=1e-6)


def _difference(store: FieldStore, states: Sequence[State]) -> str:
    live, forgotten = set(store.ids()), set(store.ids(forgotten=True))
    told = []
    for state in states:
        should = {id for id, kept in state.records.items() if kept.live}
        missing, more = sorted(should - live), sorted(live - should)
        told.append(f"missing {missing}, too many {more}, of {len(forgotten)} forgotten; or content differs")
    return "neither old nor new: " + " | ".join(told)


def _ledger(store: FieldStore, told: Told) -> list[str]:
    """The acknowledged ledger must be the beginning of this one; certificates that were handed out must be there."""
    database = store._mirror.folder.database
    frontier, erased = Frontier(), set()
    root = frontier.root()
    for _, data in database.entries():
        frontier.append(data)
        if frontier.size == told.size:
            root = frontier.root()
        leaf = Leaf.decode(data)
        if leaf.kind is Kind.ERASE:
            erased.add(leaf.seq)
    found = []
    if told.size and root != told.root:
        found.append(f"the ledger of {frontier.size} entries does not begin with the {told.size} acknowledged ones")
    certificates = store.certificates()
    if missing := set(told.certificates) - {certificate.to_json() for certificate in certificates}:
        found.append(f"{len(missing)} certificates that were handed out are gone")
    for certificate in certificates:
        found += [f"certificate: {wrong}" for wrong in verify_certificate(certificate)]
        if not set(certificate.entries) <= erased:
            found.append("a certificate for what was not erased")
    return found


def _answers(store: FieldStore, state: State) -> list[str]:
    """Searches by the live records' own vectors and by others, against plain arithmetic."""
    live = {id: kept for id, kept in state.records.items() if kept.live}
    found = []
    for id, kept in list(state.records.items())[:4]:
        word = kept.text.split()[0].removeprefix("m-")  # no other text has it
        if [hit.id for hit in store.search(None, by="text", text=word)] != [id] * kept.live:
            found.append("a search by words answers wrongly")
    if store.count() != len(live):
        found.append(f"count() says {store.count()}, not {len(live)}")
    if not live:
        return found
    luck = random.Random(len(live))
    ids = list(live)
    vectors = np.array([live[id].vector for id in ids], np.float64)
    bonus = np.log([live[id].weight for id in ids]) / store.kappa
    for id in luck.sample(ids, min(2, len(ids))):
        scores = vectors @ live[id].vector + bonus
        order = [ids[at] for at in np.argsort(-scores, kind="stable")]
        hits = store.search(live[id].vector, len(ids) + 5, exact=True)
        if [hit.id for hit in hits] != order or not np.allclose(
            [hit.score for hit in hits], -np.sort(-scores), atol=1e-5
        ):
            found.append("an exact search answers wrongly")
        by_id = dict(zip(ids, scores, strict=True))
        for hit in store.search(live[id].vector, 5):
            if hit.id not in by_id or abs(hit.score - by_id[hit.id]) > 1e-5 or hit.text != live[hit.id].text:
                found.append("a search answers wrongly")
        source = live[id].metadata["source"]
        if [record.id for record in store.get(where={"source": source})] != [id]:
            found.append("a filter answers wrongly")
        if not _same(store.get(id, vectors=True)[0], live[id]):
            found.append("get answers wrongly")
    return found


def _leftovers(folder: Path, state: State) -> list[str]:
    """Needles of what was erased; and whether the scan sees anything at all, by what is there."""
    if not state.gone:
        return []
    gone = sorted(state.gone)
    gone = random.Random(len(gone)).sample(gone, min(_MOST, len(gone)))
    files = needles.contents(folder)
    found = [f"left behind after an erase: {place}" for place in needles.found(files, set(gone))]
    for id in list(state.records)[:1]:
        if not needles.found(files, {id.encode()}):
            found.append(f"the scan is blind: it does not see the id {id}")
    return found
