"""Damage to every file of a store: bits flipped, pages zeroed and swapped, ends cut off, at rest and with a log.

Half of the trials flip a bit; a third cut, in turn, at every sector's edge of every file. Caught means that opening,
reading or `verify` says so; harmless, that every answer is what it was. Anything else is a wrong answer, and so is an
error that is none of ours.
"""

import logging
import random
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fieldstore import FieldStore, FieldStoreError, kept
from fieldstore.engine import weighted
from tests.torture.figures import Figures

COUNT, PIECE = 4000, 500
DIM, RECORDS, PAGE, SECTOR = 16, 300, 4096, 512
KINDS = ["flip", "cut"] * 8 + ["flip"] * 3 + ["zero", "swap", "junk"]  # take turns
Bytes = dict[str, bytes]


def run(count: int, seed: int, folder: Path) -> Figures:
    """The cuts of this piece are those that come behind the last piece's; all other damage is drawn."""
    logging.getLogger("fieldstore").setLevel(logging.ERROR)  # an index that is built again is announced each time
    luck, found = random.Random(seed), Figures()
    weighted._CELLS_FROM, before = (256, 0), weighted._CELLS_FROM  # few points, and yet an index
    kept._UNSAVED, unsaved = 0, kept._UNSAVED
    growth = patch("fieldstore.storage.vectors._GROWTH", 16)  # few rows behind the last
    growth.start()
    try:
        states = [(files, *looked_at(put(folder / "s", files))) for files in stores(folder / "made")]
        for _, wanted, differences in states:
            assert differences == [], differences
            assert wanted != "damaged"
        cuts = [(state, *cut) for state in states for cut in edges(state[0])]
        share = KINDS.count("cut")
        assert len(cuts) <= COUNT * share // len(KINDS), "not every cut is made"
        coming = iter(cuts[seed % 1000 * PIECE * share // len(KINDS) % len(cuts) :] + cuts)
        for trial in range(count):
            kind = KINDS[trial % len(KINDS)]
            if kind == "cut":
                (files, wanted, _), name, place = next(coming)
                what, damaged = f"cut at {place}", files[name][:place]
            else:
                files, wanted, _ = states[trial // len(KINDS) % len(states)]
                what, name, damaged = damage(files, luck, kind)
            found = found.plus(Figures(trials=1, injected=1, acknowledged=1))
            try:
                answers, differences = looked_at(put(folder / "s", {**files, name: damaged}))
            except Exception as error:
                found = found.plus(Figures(broken=(f"{name}, {what}: {error!r}",)))
                continue
            if answers not in (wanted, "damaged") and not differences:
                found = found.plus(Figures(wrong=1, broken=(f"{name}, {what}: other answers, and nothing says so",)))
    finally:
        growth.stop()
        weighted._CELLS_FROM, kept._UNSAVED = before, unsaved
    return found


def edges(files: Bytes) -> list[tuple[str, int]]:
    """Every file, and every sector's edge in it."""
    return [(name, place) for name in sorted(files) for place in range(0, len(files[name]), SECTOR)]


def vectors() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(RECORDS, DIM))


def stores(folder: Path) -> list[Bytes]:
    """The files of one store, closed and with a saved index; and as a crash leaves it, the last verbs in its log."""
    ids = [f"r{i}" for i in range(RECORDS)]
    key = folder.parent / "key.pem"  # an unsigned certificate is a statement: nothing vouches for its own words
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    with FieldStore(folder, filter_keys=["source"], embedder="a model", signing_key=key) as store:
        store.add(
            vectors(),
            ids=ids,
            texts=[f"the text of {id}, some words of it" for id in ids],
            metadatas=[{"source": f"s{i % 7}", "n": i} for i in range(RECORDS)],
            reason="filled",
        )
        store.forget(["r3", "r60"], reason="asked for")
        store.erase("r4", reason="asked for")
        store.reweight("r7", 2.0)
        store.update("r8", texts="another text")
        store.update("r9", vectors=vectors()[9] + 1.0)
    FieldStore(folder).close()  # saves the index
    closed = files_of(folder)
    with FieldStore(folder) as store:
        store.forget("r100", reason="asked for")
        store.add(-vectors()[:2], ids=["late", "r11"])
        crashed = files_of(folder)
    assert len(crashed["store.db-wal"]) > 4 * PAGE
    del crashed["store.db-shm"]  # after a crash it is made anew
    return [closed, crashed]


def files_of(folder: Path) -> Bytes:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(folder: Path, files: Bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def looked_at(folder: Path) -> tuple[object, list[str]]:
    """Every kind of answer, "damaged" where one of them says so; and what `verify` says."""
    answers: object
    try:
        with FieldStore(folder) as store:
            try:
                answers = asked(store)
            except FieldStoreError:
                answers = "damaged"
            return answers, store.verify()
    except FieldStoreError:
        return "damaged", []


def asked(store: FieldStore) -> list[object]:
    rows = vectors()
    return [
        *(store.search(rows[i], 4) for i in (3, 7, 8, 9, 60, 100, 250)),
        store.search(rows[5], 4, exact=True),
        store.search(rows[5], 4, by="attractors", per="source"),
        store.search(rows[9], 5, where={"source": "s2"}),
        store.search(rows[9], 5, where={"n": {"$lt": 50}}),
        store.get(["r3", "r4", "r8", "r100", "late"]),
        store.count({"source": "s1"}),
        store.ids(),
        store.ids(forgotten=True),
        store.history("r7"),
        list(store.entries(after=300)),
        store.certificates(),
        {name: value for name, value in store.stats().items() if name != "root"},
    ]


def damage(files: Bytes, luck: random.Random, kind: str) -> tuple[str, str, bytes]:
    """What was done, to which file, and what became of it."""
    while True:
        name = luck.choice(sorted(files) + [name for name in files if name.startswith("store.db")] * 3)
        data = bytearray(files[name])
        place = luck.randrange(len(data))
        page = place // PAGE * PAGE
        if kind == "flip":
            data[place] ^= 1 << luck.randrange(8)
        elif kind == "zero":
            data[page : page + PAGE] = bytes(len(data[page : page + PAGE]))
        elif kind == "junk":
            data[place : place + 16] = luck.randbytes(len(data[place : place + 16]))
        else:
            other = luck.randrange(len(data)) // PAGE * PAGE
            one, two = data[page : page + PAGE], data[other : other + PAGE]
            if len(one) == len(two):
                data[page : page + PAGE], data[other : other + PAGE] = two, one
        if data != files[name]:
            return f"{kind} at {place}", name, bytes(data)
