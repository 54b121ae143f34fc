# A seeded program of verbs, and what a store has to hold after each of them.
#
# In:   a seed and a length. Out: steps, and the state before the first and after each.
# Rule: the model is plain: a dict from id to what the record holds. It shares nothing with the store.
"""Programs of verbs with their model, run on a disk that may fail."""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import apsw
import numpy as np

from fieldstore import FieldStore, FieldStoreError
from fieldstore.storage import leftovers
from tests.torture import needles
from tests.torture.disk import Died, Disk

DIM = 24
VERBS = (
    "add",
    "upsert",
    "update",
    "move",
    "forget",
    "restore",
    "reweight",
    "calibrate",
    "checkpoint",
    "reopen",
    "erase",
)
OPTIONS: dict[str, Any] = {"filter_keys": ["source"], "text_index": True, "timeout": 0.0}


class Kept(NamedTuple):
    """A record. versions: needles of everything it ever held."""

    live: bool
    vector: np.ndarray
    text: str
    metadata: dict[str, Any]
    weight: float
    versions: frozenset[bytes]


class State(NamedTuple):
    """What a store has to hold: records by id; needles that must be gone."""

    records: dict[str, Kept]
    gone: frozenset[bytes] = frozenset()

    def with_record(self, id: str, kept: Kept) -> "State":
        """The same, but for one record."""
        return self._replace(records={**self.records, id: kept})


class Step(NamedTuple):
    """A verb: what it does to a store. "reopen" and "checkpoint" change nothing that anybody sees."""

    verb: str
    do: Callable[[FieldStore], object]


class Program:
    """Steps drawn from a seed; states[n] is what holds after n of them. verbs: to draw from; the first adds."""

    def __init__(self, seed: int, length: int, verbs: Sequence[str] = VERBS, first: int = 3) -> None:
        self._luck = random.Random(seed)
        self.steps: list[Step] = []
        self.states = [State({})]
        self._add(first)
        while len(self.steps) < length:
            self.step(self._luck.choice(verbs))

    def step(self, verb: str) -> None:
        """Append a step, if there is something for it to do."""
        getattr(self, f"_{verb}")()

    def _append(self, verb: str, do: Callable[[FieldStore], object], state: State | None = None) -> None:
        self.steps.append(Step(verb, do))
        self.states.append(self.states[-1] if state is None else state)

    # -- what is drawn -------------------------------------------------------------------------------------------------

    def _marker(self) -> str:
        return f'm-{self._luck.randbytes(12).hex()} na\u00efve "{self._luck.randbytes(6).hex()}"'

    def _vector(self) -> np.ndarray:
        vector = np.random.default_rng(self._luck.getrandbits(63)).normal(size=DIM)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def _text(self) -> str:
        return f"{self._marker()} {'x' * self._luck.choice((0, 30, 700, 5000))}"  # the longest fills pages of its own

    def _metadata(self) -> dict[str, Any]:
        return {"source": f"s-{self._marker()}", "n": self._luck.randrange(3)}

    def _some(self, live: bool, most: int) -> list[str]:
        ids = [id for id, kept in self.states[-1].records.items() if kept.live is live]
        return self._luck.sample(ids, min(len(ids), self._luck.randint(1, most)))

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def _put(self, verb: str, ids: list[str], vectors: list[np.ndarray]) -> None:
        state = self.states[-1]
        texts, metadatas = [self._text() for _ in ids], [self._metadata() for _ in ids]
        for id, vector, text, metadata in zip(ids, vectors, texts, metadatas, strict=True):
            old = state.records.get(id)
            weight = old.weight if old is not None and np.array_equal(old.vector, vector) else 1.0
            state = state.with_record(id, _kept(id, True, vector, text, metadata, weight, old))
        self._append(verb, lambda store: store.add(vectors, ids=ids, texts=texts, metadatas=metadatas), state)

    def _add(self, count: int | None = None) -> None:
        ids = [f"id-{self._luck.randbytes(12).hex()}-\u00e9" for _ in range(count or self._luck.randint(1, 4))]
        self._put("add", ids, [self._vector() for _ in ids])

    def _upsert(self) -> None:
        """Known ids, live or forgotten: half of them with the vector they have."""
        if ids := self._some(self._luck.random() < 0.7, 2):
            old = [self.states[-1].records[id].vector for id in ids]
            self._put("upsert", ids, [vector if self._luck.random() < 0.5 else self._vector() for vector in old])

    def _update(self) -> None:
        if ids := self._some(True, 2):
            texts, state = [self._text() for _ in ids], self.states[-1]
            for id, text in zip(ids, texts, strict=True):
                old = state.records[id]
                state = state.with_record(id, _kept(id, True, old.vector, text, old.metadata, old.weight, old))
            self._append("update", lambda store: store.update(ids, texts=texts), state)

    def _move(self) -> None:
        """Another vector, the same content."""
        if ids := self._some(True, 1):
            vector, old = self._vector(), self.states[-1].records[ids[0]]
            kept = _kept(ids[0], True, vector, old.text, old.metadata, old.weight, old)
            state = self.states[-1].with_record(ids[0], kept)
            self._append("move", lambda store: store.update(ids, vectors=[vector]), state)

    def _forget(self) -> None:
        ids = self._some(True, 3)
        if len(ids) == 1:
            where = {"source": self.states[-1].records[ids[0]].metadata["source"]}
            self._append("forget", lambda store: store.forget(where=where), self._turned(ids, live=False))
        elif ids:
            out = len(ids) == 2  # no text ever comes twice, so nothing is refused
            forget = partial(FieldStore.forget, ids=ids, keep_out=out, reason="asked")
            self._append("forget", forget, self._turned(ids, live=False))

    def _restore(self) -> None:
        if ids := self._some(False, 2):
            self._append("restore", lambda store: store.restore(ids, actor="me"), self._turned(ids, live=True))

    def _turned(self, ids: list[str], live: bool) -> State:
        state = self.states[-1]
        for id in ids:
            state = state.with_record(id, state.records[id]._replace(live=live))
        return state

    def _reweight(self) -> None:
        if ids := self._some(True, 1):
            weight = self._luck.choice((0.5, 2.0, 3.25))
            state = self.states[-1].with_record(ids[0], self.states[-1].records[ids[0]]._replace(weight=weight))
            self._append("reweight", lambda store: store.reweight(ids, weight), state)

    def _calibrate(self) -> None:
        kappa = self._luck.choice((15.0, 20.0, 30.0))
        self._append("calibrate", lambda store: store.calibrate(kappa))

    def _checkpoint(self) -> None:
        self._append("checkpoint", lambda store: store._mirror.folder.database.checkpoint())

    def _reopen(self) -> None:
        self._append("reopen", lambda store: store.close())

    def _erase(self) -> None:
        state = self.states[-1]
        if ids := self._some(self._luck.random() < 0.6, 2):
            left = {id: kept for id, kept in state.records.items() if id not in ids}
            gone = state.gone.union(*(state.records[id].versions for id in ids))
            self._append("erase", lambda store: store.erase(ids, reason="request 17"), State(left, gone))


def _kept(
    id: str, live: bool, vector: np.ndarray, text: str, metadata: dict[str, Any], weight: float, old: Kept | None
) -> Kept:
    values = [id, text[:40], metadata["source"]]
    held = frozenset(needles.of_vector(vector).union(*map(needles.of_value, values)))
    return Kept(live, vector, text, metadata, weight, held | (old.versions if old else frozenset()))


class Told(NamedTuple):
    """How far a program came: steps acknowledged, whether another one was begun, the ledger's size and root at the last
    acknowledgement, the certificates handed out, the error that was met, and what `verify` found behind it."""

    acknowledged: int
    begun: bool
    size: int
    root: bytes
    certificates: tuple[str, ...]
    error: BaseException | None = None
    found: tuple[str, ...] = ()


def execute(
    program: Program, folder: Path, disk: Disk, begin: int = 0, until: int | None = None, *, again: bool = False
) -> Told:
    """Run a program's steps from number `begin` on, until they end or the disk spoils one of them.

    again: then mend the disk, and if the store is still open, look at it, do the step again and go on to the end.
    """
    told = Told(begin, True, 0, b"", ())
    store: FieldStore | None = None
    try:
        store = _open(folder, disk)
        told = _told(told, store, begin)
        for number in range(begin, len(program.steps) if until is None else until):
            told = told._replace(begun=True)
            disk.mark(b"begin %d" % number)
            step = program.steps[number]
            try:
                result = step.do(store)
            except (FieldStoreError, OSError, apsw.Error) as error:
                told = told._replace(error=error)
                if not again or store.closed or disk.fault is None:
                    raise
                disk.fault = None
                told = told._replace(found=tuple(store.verify()))
                result = step.do(store)
            if step.verb == "reopen":
                store = _open(folder, disk)
            if disk.dead:  # in something that SQLite keeps to itself, as the failure of a checkpoint nobody asked for
                raise Died
            if step.verb == "erase":
                told = told._replace(certificates=(*told.certificates, result.to_json()))
            told = _told(told, store, number + 1)
            disk.mark(b"acknowledged %d %d " % (number + 1, told.size) + told.root)
        store.close()
        return told
    except (Died, FieldStoreError, OSError, apsw.Error) as error:
        return told._replace(error=error)
    finally:
        if store is not None:
            _let_go(store)


def _open(folder: Path, disk: Disk) -> FieldStore:
    store = FieldStore(folder, files=disk.files, **OPTIONS)
    store._mirror.folder.database._connection.wal_autocheckpoint(30)  # so that one comes along now and then
    return store


def _told(told: Told, store: FieldStore, acknowledged: int) -> Told:
    frontier = store._mirror.frontier
    return told._replace(acknowledged=acknowledged, begun=False, size=frontier.size, root=frontier.root())


def _let_go(store: FieldStore) -> None:
    """What the end of a process would do."""
    for _ in range(2):
        try:
            store.close()
        except (Died, FieldStoreError, OSError, apsw.Error):
            continue
        return


@contextmanager
def quiet() -> Iterator[None]:
    """What a store logs of faults that we inject is no news."""
    logger = logging.getLogger("fieldstore")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def small() -> Iterator[None]:
    """Stores in small: the vectors grow by few rows, cells and their saved index begin early, and the look for
    leftovers needs no process of its own (nobody else has these files open)."""
    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(patch("fieldstore.storage.vectors._GROWTH", 16))
        stack.enter_context(patch("fieldstore.engine.weighted._CELLS_FROM", (24, 0)))
        stack.enter_context(patch("fieldstore.kept._UNSAVED", 8))
        stack.enter_context(patch("fieldstore.storage.folder.search_folder", leftovers._look))
        yield
