"""Erasing from a churned store: after each of 1,000 random erases no needle of what was erased is in any file.

A scan of our own looks, over every file and the folder for temporary files, for random markers in text, metadata, id
and reason, as UTF-8, UTF-16, base64, hex and JSON, for the words of the text index that no other record has, and for
every piece of the vector, also as the place of a repeller; the point's codes must be in no cell. What was not erased
must be found, or the scan is blind.
"""

import os
import random
from pathlib import Path
from unittest.mock import patch

import numpy as np

from fieldstore import FieldStore, kept, verify_certificate
from fieldstore.engine import weighted
from tests.torture import needles
from tests.torture.figures import Figures

COUNT, PIECE = 1000, 125
DIM, RECORDS = 24, 280


def run(count: int, seed: int, folder: Path) -> Figures:
    """A store of so many records that it has cells; each trial churns, erases one to three, and looks."""
    luck, rng = random.Random(seed), np.random.default_rng(seed)
    weighted._CELLS_FROM, before = (256, 0), weighted._CELLS_FROM
    kept._UNSAVED, unsaved = 0, kept._UNSAVED
    found, alive = Figures(), {}
    temporary = patch.dict(os.environ, SQLITE_TMPDIR=str(folder), TMPDIR=str(folder))  # where we look
    temporary.start()
    try:
        with FieldStore(folder / "s", filter_keys=["source"], text_index=True) as store:
            for first in range(0, RECORDS, 70):
                written(store, [f"{seed}-{i}" for i in range(first, first + 70)], alive, luck, rng)
        store = FieldStore(folder / "s")
        for trial in range(count):
            churned(store, f"{seed}-{trial}", alive, luck, rng)
            if trial % 5 == 0:
                store.close()  # saves the index, which the erase then has to overwrite
                store = FieldStore(folder / "s")
            erased = luck.sample(sorted(alive), luck.choice([1, 1, 1, 2, 3]))
            points = [entry.point for id in erased for entry in store.history(id)]
            certificate = store.erase(erased, reason="a request", actor="somebody")
            if (store.field.state()["cells"][points] >= 0).any():
                found = found.plus(Figures(wrong=1, broken=(f"erase {trial} of seed {seed} left codes in a cell",)))
            gone = set().union(*(alive.pop(id) for id in erased))
            if trial % 3 == 0:
                store.close()  # folds the log in, and saves the index anew
            found = found.plus(looked(folder, gone, alive, luck, f"erase {trial} of seed {seed}"))
            found = found.plus(Figures(broken=tuple(verify_certificate(certificate))))
            if store.closed:
                store = FieldStore(folder / "s")
            if trial % 25 == 0:
                found = found.plus(Figures(broken=tuple(store.verify())))
        found = found.plus(Figures(broken=tuple(store.verify())))
        store.close()
    finally:
        temporary.stop()
        weighted._CELLS_FROM, kept._UNSAVED = before, unsaved
    return found


def marker(luck: random.Random) -> str:
    """What stands nowhere else, with letters that each encoding writes in another way."""
    return f'M{luck.getrandbits(64):016x}é"\\ü{luck.getrandbits(64):016x}'


def words(text: str) -> set[bytes]:
    """Most of each word of the first marker, without letters that the index writes in another way or leaves out."""
    marked = text.split()[0]
    return {marked[6:17].encode(), marked[-11:].encode()}


def written(store: FieldStore, ids: list[str], alive: dict[str, set[bytes]], luck: random.Random, rng) -> None:
    """Add records of new content, and note what of it an erase will have to destroy."""
    names = [f"{id}-{marker(luck)}" for id in ids]
    texts = [f"{marker(luck)} " * luck.choice([1, 3, 300]) for _ in ids]  # 300: pages of their own
    sources = [marker(luck) for _ in ids]
    vectors = np.float32(rng.normal(size=(len(ids), DIM)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    reason = marker(luck)
    metadatas = [{"source": source, "inner": [{"again": source}]} for source in sources]
    store.add(vectors, ids=names, texts=texts, metadatas=metadatas, reason=reason if len(ids) == 1 else None)
    for name, text, source, vector in zip(names, texts, sources, vectors, strict=True):
        said = [name, text.split()[0], source, *([reason] if len(ids) == 1 else [])]
        alive[name] = needles.of_vector(vector).union(*map(needles.of_value, said)) | words(text)


def churned(store: FieldStore, name: str, alive: dict[str, set[bytes]], luck: random.Random, rng) -> None:
    """A record more, and of others a new version, text, weight, or a forget and perhaps a restore."""
    written(store, [name], alive, luck, rng)
    ids = luck.sample(sorted(alive), 4)
    new, text = np.float32(rng.normal(size=DIM)), marker(luck)
    store.restore(ids)
    store.update(ids[0], vectors=new, texts=text)
    alive[ids[0]] |= needles.of_value(text) | words(text) | needles.of_vector(store.get(ids[0], vectors=True)[0].vector)
    store.reweight(ids[1], luck.uniform(0.5, 4.0))
    reason = marker(luck)
    store.forget(ids[2], reason=reason)
    alive[ids[2]] |= needles.of_value(reason)
    if luck.random() < 0.5:
        store.restore(ids[2])
    if luck.random() < 0.1:
        reason = marker(luck)
        placed = store.repel(ids[3], 0.99, reason=reason)
        alive[ids[3]] |= needles.of_value(reason)
        if luck.random() < 0.5:
            store.unrepel(placed.name)


def looked(folder: Path, gone: set[bytes], alive: dict[str, set[bytes]], luck: random.Random, name: str) -> Figures:
    """A child looks, since closing a database file would drop SQLite's locks here; the controls are stored forms."""
    controls = luck.sample(sorted(alive), 3)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            files = needles.contents(folder)
            hits = needles.found(files, gone)
            data = b"".join(files.values())
            blind = [
                id for id in controls if id.split("-M")[1][:17].encode() not in data or not stored(alive[id], data)
            ]
            os.write(theirs, "\n".join([*hits[:3], *(f"{id} is not found" for id in blind)]).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read().splitlines()
    assert os.waitpid(child, 0)[1] == 0, "the scan failed"
    left = sum("is not found" not in line for line in said)
    return Figures(1, 1, 0, 1, left, tuple(f"{name}: {line}" for line in said))


def stored(wanted: set[bytes], data: bytes) -> bool:
    """Whether as many of the needles are found as a record leaves: each piece of its vector, and its words."""
    return sum(needle in data for needle in wanted) >= DIM * 4 // 16 + 3
