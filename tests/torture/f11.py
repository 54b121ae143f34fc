"""Any sequence of verbs, crashes and reopenings against a dict: hypothesis looks for one after which the two differ."""

import logging
import math
import shutil
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw
import numpy as np
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fieldstore import FieldStore, FieldStoreError, UnknownRecord, verify_certificate
from tests.torture.disk import Died, Disk, Fault
from tests.torture.figures import Figures
from tests.torture.program import small

COUNT, PIECE = 10000, 1000
DIM, KAPPA, STEPS = 4, 20.0, 12
POOL = np.float32(np.random.default_rng(11).normal(size=(6, DIM)))  # few vectors, so that records often share one
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
PLACES = st.integers(0, len(POOL) - 1)
IDS = st.sampled_from("abcdefgh")
SOME = st.lists(IDS, min_size=1, max_size=3, unique=True)
WORDS = st.sampled_from([None, "one", "two", "thrée"])
NOTHING = (FieldStoreError, OSError, apsw.Error, Died)


class Kept(NamedTuple):
    """What the model holds of a record; place: number of its vector."""

    live: bool
    place: int
    text: str | None
    weight: float


Model = dict[str, Kept]


class Machine(RuleBasedStateMachine):
    """The store and its model."""

    folder: Path
    trials = acknowledged = crashes = 0

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(dir=self.folder)) / "s"
        self.model: Model = {}
        Machine.trials += 1
        self.opened()

    def opened(self) -> None:
        self.disk = Disk(self.path)
        self.store = FieldStore(self.path, dim=DIM, kappa=KAPPA, filter_keys=["word"], files=self.disk.files)

    def done(self, verb: Callable[[], object], after: Model) -> object:
        """Do it. Where the process died in it, the store that is opened again holds all of it, or nothing."""
        result = None
        try:
            result = verb()
        except NOTHING:
            if not self.disk.dead:
                raise
        if not self.disk.dead:
            Machine.acknowledged += 1
            self.model = after
            return result
        Machine.crashes += 1
        self.let_go()
        self.opened()
        held = self.held()
        assert held in (self.model, after), f"after a crash: {held}, neither {self.model} nor {after}"
        self.model = held
        assert self.store.verify() == []
        return None

    def let_go(self) -> None:
        for _ in range(2):
            try:
                self.store.close()
            except NOTHING:
                continue
            return

    def held(self) -> Model:
        """What the store holds, forgotten records by what bringing them back would show."""
        live = {record.id: record for record in self.store.get(vectors=True)}
        places = {row.tobytes(): place for place, row in enumerate(POOL)}
        found = {id: Kept(True, places[one.vector.tobytes()], one.text, one.weight) for id, one in live.items()}
        for id in self.store.ids(forgotten=True):
            known = self.store._mirror.kept(id)
            content = self.store._mirror.contents([known.sum.point])[known.sum.point]
            place = places[self.store._mirror.row(known.sum.point).tobytes()]
            found[id] = Kept(False, place, content.text, -known.sum.last / 1e6)
        return found

    @rule(ids=SOME, place=PLACES, word=WORDS, weight=st.sampled_from([None, None, 0.5, 3.0]))
    def add(self, ids: list[str], place: int, word: str | None, weight: float | None) -> None:
        after = dict(self.model)
        for number, id in enumerate(ids):
            here, known = (place + number) % len(POOL), self.model.get(id)
            kept = known.weight if known and known.place == here else 1.0
            after[id] = Kept(True, here, word, kept if weight is None else weight)
        rows = [POOL[(place + number) % len(POOL)] for number in range(len(ids))]
        given = {"texts": [word] * len(ids), "metadatas": [{"word": word}] * len(ids)}
        self.done(lambda: self.store.add(np.array(rows), ids=ids, weights=weight, **given), after)

    @rule(id=IDS, place=PLACES, word=WORDS)
    def update(self, id: str, place: int, word: str | None) -> None:
        known = self.model.get(id)
        if known is None or not known.live:
            self.refused(lambda: self.store.update(id, texts=[word]))
            return
        after = {**self.model, id: Kept(True, place, word, known.weight)}
        given = {"texts": [word], "metadatas": {"word": word}}
        self.done(lambda: self.store.update(id, vectors=POOL[place], **given), after)

    @rule(id=IDS, weight=st.sampled_from([0.25, 1.0, 2.0]))
    def reweight(self, id: str, weight: float) -> None:
        known = self.model.get(id)
        if known is None or not known.live:
            self.refused(lambda: self.store.reweight(id, weight))
            return
        self.done(lambda: self.store.reweight(id, weight), {**self.model, id: known._replace(weight=weight)})

    @rule(ids=SOME)
    def forget(self, ids: list[str]) -> None:
        after = {id: kept._replace(live=kept.live and id not in ids) for id, kept in self.model.items()}
        self.done(lambda: self.store.forget(ids, reason="asked for"), after)

    @rule(ids=SOME)
    def restore(self, ids: list[str]) -> None:
        after = {id: kept._replace(live=kept.live or id in ids) for id, kept in self.model.items()}
        self.done(lambda: self.store.restore(ids), after)

    @rule(word=WORDS)
    def forget_by_filter(self, word: str | None) -> None:
        after = {id: kept._replace(live=kept.live and kept.text != word) for id, kept in self.model.items()}
        self.done(lambda: self.store.forget(where={"word": word}), after)

    @rule(ids=SOME)
    def erase(self, ids: list[str]) -> None:
        if not set(ids) <= self.model.keys():
            self.refused(lambda: self.store.erase(ids))
            return
        after = {id: kept for id, kept in self.model.items() if id not in ids}
        certificate = self.done(lambda: self.store.erase(ids), after)
        assert certificate is None or verify_certificate(certificate) == []

    @rule()
    def reopen(self) -> None:
        self.let_go()
        self.opened()

    @precondition(lambda self: self.disk.fault is None)
    @rule(soon=st.integers(0, 40), part=st.sampled_from([0.0, 0.5, 1.0]))
    def crash(self, soon: int, part: float) -> None:
        """The process will die at one of the next operations on a file."""
        self.disk.fault = Fault(self.disk.count + soon, "stop", part=part)

    def refused(self, verb: Callable[[], object]) -> None:
        """By name; `invariant` sees that nothing changed."""
        try:
            verb()
        except UnknownRecord:
            return
        except NOTHING:
            pass
        assert self.disk.dead, "what cannot be done was done, or refused for another reason"
        self.let_go()
        self.opened()

    @invariant()
    def holds_and_answers_what_the_model_says(self) -> None:
        try:
            held = self.held()
            assert held == self.model
            live = {id: kept for id, kept in held.items() if kept.live}
            assert self.store.count({"word": "one"}) == sum(kept.text == "one" for kept in live.values())
            for place in (0, 3):
                hits = self.store.search(POOL[place], 10)
                assert {hit.id for hit in hits} == live.keys()
                for hit in hits:
                    kept = live[hit.id]
                    score = float(POOL[place] @ POOL[kept.place]) + math.log(kept.weight) / KAPPA
                    assert abs(hit.score - score) < 1e-5
                assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        except NOTHING:
            if not self.disk.dead:
                raise
            self.let_go()
            self.opened()

    def teardown(self) -> None:
        self.let_go()
        with FieldStore(self.path) as store:
            self.store = store
            assert self.held() == self.model
            assert store.verify() == []
        shutil.rmtree(self.path.parent)


def run(count: int, seed_: int, folder: Path) -> Figures:
    """So many examples of a dozen steps each."""
    logging.getLogger("fieldstore").setLevel(logging.ERROR)
    Machine.folder = folder
    Machine.trials = Machine.acknowledged = Machine.crashes = 0
    how = settings(
        max_examples=count, stateful_step_count=STEPS, database=None, deadline=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    broken: tuple[str, ...] = ()
    with small():
        try:
            run_state_machine_as_test(seed(seed_)(Machine), settings=how)
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", []))
            broken = (f"seed {seed_}: {''.join(traceback.format_exception(error)[-3:])}\n{notes}",)
    return Figures(Machine.trials, Machine.acknowledged, int(bool(broken)), Machine.crashes, 0, broken)
