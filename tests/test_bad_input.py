"""Bad input: refused with an error that names the thing, and nothing is stored, in memory and on disk."""

import gc
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from fieldstore import FieldStore, NotAStore, StoreClosed, UnknownRecord, UnsupportedFormat, WriterBusy, WrongEmbedder
from fieldstore.storage.files import DISK
from fieldstore.storage.lock import WriterLock

NAN, INF = float("nan"), float("inf")
V = np.eye(4)[:2]  # two good vectors
Call = Callable[[FieldStore], Any]
Case = tuple[str, Call, type[Exception], str]  # what it is, the call, the error, the words its message has to hold


@pytest.fixture
def held(store_of) -> FieldStore:
    """Three records of four dimensions; c is forgotten."""
    store = store_of()
    store.add(np.eye(4)[:3], ids=["a", "b", "c"], texts=["one", "two", None], metadatas=[{"n": 1}, None, {"n": 3}])
    store.forget(["c"])
    return store


def check_refused(store: FieldStore, call: Call, error: type[Exception], words: str) -> None:
    before, held = store.stats(), store.get()
    with pytest.raises(error) as caught:
        call(store)
    assert caught.type is error, caught.value
    assert [word for word in words.split() if word not in str(caught.value)] == [], caught.value
    assert (store.stats(), store.get()) == (before, held)
    assert store.verify() == []


def table(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("call", "error", "words"), [case[1:] for case in cases], ids=[c[0] for c in cases])


def adding(vectors: Any = V, **given: Any) -> Call:
    return lambda store: store.add(vectors, **given)


def one(metadata: Any) -> Call:
    return adding([1, 0, 0, 0], ids=["n1"], metadatas=[metadata])


NO_JSON = [{1}, (1,), b"b", datetime(2026, 1, 1, tzinfo=UTC), np.float32(1)]
NOT_EXACT = [(NAN, "nan"), (2**60, "2**53"), ("\ud800", "surrogate"), (json.loads("[" * 80 + "]" * 80), "nested")]
VECTORS: list[Case] = [
    ("nan", adding([[1, 0, 0, 0], [0, NAN, 0, 0]]), ValueError, "vector 1 of 2 NaN"),
    ("infinity", adding([[INF, 0, 0, 0]]), ValueError, "vector 0 infinity"),
    ("only zeros", adding([[1, 0, 0, 0], [0, 0, 0, -0.0]]), ValueError, "vector 1 zeros"),
    ("complex", adding(V * 1j), ValueError, "vectors complex128"),
    ("object", adding(V.astype(object)), ValueError, "vectors object"),
    ("bool", adding(V.astype(bool)), ValueError, "vectors bool"),
    ("ragged", adding([[1, 0, 0, 0], [1, 0, 0]]), ValueError, "vectors length"),
    ("three axes", adding(V[None]), ValueError, "vectors (1, 2, 4)"),
    ("no axis", adding(1.0), ValueError, "vectors ()"),
    ("generator", adding(row for row in V), ValueError, "vectors"),
    ("of no dimension", adding(np.zeros((2, 0))), ValueError, "0"),
]
BATCHES: list[Case] = [
    ("too many dimensions", adding(np.eye(5)), ValueError, "vectors 5 dimensions 4"),
    *((f"{n} too few", adding(**{n: ["x"]}), ValueError, f"1 {n} 2 records") for n in ("texts", "metadatas", "ids")),
    ("weights too few", adding(weights=[1.0]), ValueError, "1 weights 2 records"),
    ("texts for nothing", adding([], texts=["x"]), ValueError, "1 texts 0 records"),
    *(
        (f"{n} a str", adding(**{n: "xy"}), TypeError, f"{n} list str")
        for n in ("texts", "metadatas", "ids", "weights")
    ),
    *((f"{n} a set", adding(**{n: {"x", "y"}}), TypeError, f"{n} set") for n in ("texts", "ids")),
    ("empty id", adding(ids=["x", ""]), ValueError, "id ''"),
    ("NUL in an id", adding(ids=["x", "y\0z"]), ValueError, r"id NUL y\x00z"),
    ("surrogate in an id", adding(ids=["x", "y\ud800"]), ValueError, "id surrogate"),
    ("long id", adding(ids=["x", "é" * 513]), ValueError, "id 1024"),
    ("id a number", adding(ids=["x", 7]), TypeError, "id 7 int"),
    ("id twice", adding(ids=["x", "x"]), ValueError, "id 'x' twice"),
    ("surrogate in a text", adding(ids=["x", "y"], texts=["", "\udfff"]), ValueError, "text 'y' surrogate"),
    ("text a number", adding(ids=["x", "y"], texts=["", 7]), TypeError, "text 'y' int"),
    *((f"weight {w!r:.9}", adding(weights=w), ValueError, "weight") for w in (NAN, INF, 0, -1, True, 1e-9, 10**400)),
    *((f"weight {w!r} of one", adding(weights=[1, w]), ValueError, "weight") for w in (NAN, 0, -1, False, "1", None)),
    ("complex weight", adding(weights=np.complex64(1)), ValueError, "weight"),
    ("metadata a list", one([]), TypeError, "metadata 'n1' list"),
    *((type(x).__name__, one({"k": [x]}), TypeError, f"'n1' ['k'][0] {type(x).__name__}") for x in NO_JSON),
    ("a key that is no text", one({"k": {1: 2}}), TypeError, "metadata 'n1' ['k'] key 1"),
    *((f"metadata {word}", one({"k": x}), ValueError, f"metadata 'n1' {word}") for x, word in NOT_EXACT),
    ("actor bytes", adding(actor=b"ann"), TypeError, "actor bytes"),
    ("unknown option", adding(metadata=[{}]), TypeError, "metadata"),
]


def verb(name: str, *given: Any, **options: Any) -> Call:
    return lambda store: getattr(store, name)(*given, **options)


TAKING_OUT: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [  # forget, restore and erase
    ("nothing named", (), {}, ValueError, "ids where"),
    ("both", (["a"],), {"where": {"n": 1}}, ValueError, "ids where"),
    ("empty where", (), {"where": {}}, ValueError, "where everything"),
    ("unknown operator", (), {"where": {"n": {"$is": 1}}}, ValueError, "$is 'n'"),
    ("empty id", (["a", ""],), {}, ValueError, "id ''"),
    ("a number in the list", ([5],), {}, TypeError, "id 5 int"),
    ("a number", (5,), {}, TypeError, "id int"),
    ("no reason", (["a"],), {"reason": 5}, TypeError, "reason int"),
]
NAMES = ("forget", "restore", "erase")
VERBS: list[Case] = [
    *((f"{v} {name}", verb(v, *x, **given), e, words) for v in NAMES for name, x, given, e, words in TAKING_OUT),
    ("erase unknown", verb("erase", ["a", "zz"]), UnknownRecord, "'zz' nothing erased"),
    ("erase no match", verb("erase", where={"n": 9}), UnknownRecord, "record matches nothing erased"),
    ("erase none", verb("erase", []), UnknownRecord, "record nothing erased"),
    ("update unknown", verb("update", ["a", "zz"], texts=["x", "y"]), UnknownRecord, "'zz' nothing changed"),
    ("update forgotten", verb("update", "c", texts="x"), UnknownRecord, "'c' forgotten nothing changed"),
    ("update nothing", verb("update", ["a"]), ValueError, "texts metadatas"),
    ("update lengths", verb("update", ["a", "b"], texts=["x"]), ValueError, "1 texts 2 records"),
    ("update set", verb("update", ["a", "b"], metadatas=[{}, {"k": {1}}]), TypeError, "'b' ['k'] set"),
    ("reweight unknown", verb("reweight", ["a", "zz"], 2), UnknownRecord, "'zz' nothing changed"),
    *((f"reweight {w!r}", verb("reweight", "a", w), ValueError, "weight") for w in (0, -1, NAN, INF, True, "2")),
    ("residual unknown", verb("residual", ["zz"]), UnknownRecord, "'zz'"),
    *((f"calibrate {x!r}", verb("calibrate", x), ValueError, "kappa") for x in (0, -1, NAN, INF, True, "2")),
    *((f"{v} limit {n!r}", verb(v, limit=n), ValueError, "limit") for v in ("ids", "entries") for n in (-1, 1.0, True)),
    ("history of no id", verb("history", ""), ValueError, "id ''"),
    ("count operator", verb("count", {"n": {"$is": 1}}), ValueError, "$is 'n'"),
]


def searching(vector: Any = (1, 0, 0, 0), k: Any = 5, **given: Any) -> Call:
    return lambda store: store.search(vector, k, **given)


SEARCHES: list[Case] = [
    *((f"k={k!r}", searching(k=k), ValueError, "k least 1") for k in (0, -5, 3.0, True, "5", None)),
    ("nan query", searching([1, 0, 0, NAN]), ValueError, "query NaN"),
    ("zero query", searching([0, 0, 0, 0]), ValueError, "query zeros"),
    ("wrong dimension", searching([1, 0]), ValueError, "2 dimensions 4"),
    ("a matrix", searching(V), ValueError, "one query (2, 4) search_many"),
    ("a ragged query", searching([[1, 0, 0, 0], [1]]), ValueError, "query"),
    ("a text", searching("where is the key?"), ValueError, "query"),
    ("many, one bad", lambda s: s.search_many([[1, 0, 0, 0], [0, 0, 0, NAN]]), ValueError, "query 1 of 2 NaN"),
    ("unknown mode", searching(by="closest"), ValueError, "'closest' nearest attractors"),
    ("smooth attractors", searching(by="attractors", smooth=True), ValueError, "smooth nearest"),
    ("per nearest", searching(per="n"), ValueError, "per attractors"),
    ("reach nearest", searching(reach=0.5), ValueError, "reach attractors"),
    *((f"reach={r!r}", searching(by="attractors", reach=r), ValueError, "reach") for r in (NAN, INF, True, "1")),
    *((f"min_score={x!r}", searching(min_score=x), TypeError, "min_score") for x in (True, "1")),
    ("min_score=nan", searching(min_score=NAN), ValueError, "min_score nan"),
    ("unknown operator", searching(where={"n": {"$is": 1}}), ValueError, "$is 'n'"),
    ("unknown option", searching(filter={"n": 1}), TypeError, "filter"),
]


@table(VECTORS + BATCHES + VERBS + SEARCHES)
def test_bad_input_is_refused_by_name_as_a_whole_and_nothing_is_stored(held, call, error, words):
    check_refused(held, call, error, words)


@table(VECTORS)
def test_a_store_without_a_dimension_refuses_bad_vectors_too_and_stays_without(store, call, error, words):
    check_refused(store, call, error, words)
    assert store.dim is None
    store.add(np.eye(3), ids=["x", "y", "z"])  # of three dimensions, whatever the refused ones had
    assert [hit.id for hit in store.search([0, 1, 0.1], 2)] == ["y", "z"]
    assert store.verify() == []


def test_a_huge_k_gives_what_is_there_and_an_empty_batch_writes_no_entry(store, rng):
    for nothing in ([], np.zeros((0, 4))):
        assert store.add(nothing, texts=[], metadatas=[], ids=[], weights=[]) == []
    assert (store.stats()["entries"], store.dim) == (0, None)
    store.add(rng.normal(size=(50, 4)))
    for k in (10**7, 2**63, np.int64(10**7)):
        assert len(store.search([1, 0, 0, 0], k)) == len(store.search([1, 0, 0, 0], k, smooth=True)) == 50
    assert store.add([]) == []
    assert (store.stats()["entries"], store.verify()) == (50, [])


OF_IDS = [verb(name, ["a"]) for name in (*NAMES, "get", "residual")]
OF_NOTHING = ["calibrate", "count", "ids", "entries", "verify", "stats", "certificates", "finish_erase"]
OTHERS = [verb("search_many", V), verb("update", "a", texts="x"), verb("reweight", "a", 2), verb("exists", "a")]
CLOSED = [adding(), searching(), verb("history", "a"), lambda s: s.field, *OF_IDS, *map(verb, OF_NOTHING), *OTHERS]


def test_a_closed_store_refuses_every_verb_and_closing_again_is_harmless(held):
    held.close()
    held.close()
    for call in CLOSED:
        with pytest.raises(StoreClosed, match="closed"):
            call(held)


def sqlite(path: Path, statements: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statements).fetchall()
    connection.close()


def newer(path: Path) -> None:
    with FieldStore(path, dim=2) as store:
        store.add([1, 0])
    sqlite(path / "store.db", "PRAGMA user_version=2")


def link(path: Path, name: str) -> None:
    FieldStore(path, dim=2).close()
    shutil.move(path / name, path.parent / "elsewhere")
    (path / name).symlink_to(path.parent / "elsewhere")


def crashed(path: Path) -> None:
    connection = apsw.Connection(str(path.parent / "store.db"))
    connection.execute("PRAGMA journal_mode=WAL; CREATE TABLE t(x)").fetchall()
    for name in ("store.db", "store.db-wal"):
        shutil.copy(path.parent / name, path)
    connection.close()


FOLDERS: list[tuple[str, Callable[[Path], Any], type[Exception], str]] = [
    ("a file", lambda p: (p.rmdir(), p.write_text("mine")), NotAStore, "file directory"),
    ("a folder of something else", lambda p: (p / "thesis.txt").write_text("mine"), NotAStore, "no thesis.txt"),
    ("vectors without a database", lambda p: (p / "vectors.f32").write_bytes(b"x" * 80), NotAStore, "vectors.f32"),
    ("a text called store.db", lambda p: (p / "store.db").write_text("mine"), NotAStore, "store.db"),
    ("a foreign database", lambda p: sqlite(p / "store.db", "CREATE TABLE t(x)"), NotAStore, "store.db else"),
    ("an empty one of others", lambda p: sqlite(p / "store.db", "PRAGMA application_id=7"), NotAStore, "store.db else"),
    ("a foreign one after a crash", crashed, NotAStore, "store.db else"),
    ("a newer format", newer, UnsupportedFormat, "format 2 1 newer"),
    ("a linked database", lambda p: link(p, "store.db"), NotAStore, "'store.db' symbolic"),
    ("a linked lock", lambda p: link(p, "lock"), NotAStore, "'lock' symbolic"),
]


@pytest.mark.parametrize(("prepare", "error", "words"), [f[1:] for f in FOLDERS], ids=[f[0] for f in FOLDERS])
def test_what_is_no_store_of_ours_is_refused_and_left_as_it_is_to_the_byte(tmp_path, prepare, error, words):
    path = tmp_path / "place"
    path.mkdir()
    prepare(path)
    before = {file: file.read_bytes() for file in [path, *path.rglob("*")] if file.is_file()}
    for options in ({}, {"dim": 2}):
        with pytest.raises(error) as caught:
            FieldStore(path, **options)
        assert all(word in str(caught.value) for word in [str(path), *words.split()]), caught.value
        del caught
        gc.collect()  # with the error goes the connection
        assert {file: file.read_bytes() for file in [path, *path.rglob("*")] if file.is_file()} == before


BAD_OPTIONS: list[tuple[str, Any]] = [
    *(("dim", wrong) for wrong in (0, -1, 2.0, True, "8", 10**6)),
    *(("kappa", wrong) for wrong in (0, -1.0, NAN, INF, True, "20", 10**400)),
    *(("timeout", wrong) for wrong in (-1, NAN, INF, True, "1", None, 10**400)),
    *((name, wrong) for name in ("embedder", "source_key") for wrong in (5, "a\ud800")),
    ("source_key", ""),
]


@pytest.mark.parametrize(("name", "wrong"), BAD_OPTIONS, ids=[f"{name}={x!r:.9}" for name, x in BAD_OPTIONS])
def test_a_bad_option_is_refused_by_name_before_a_folder_is_made(tmp_path, name, wrong):
    with pytest.raises((ValueError, TypeError), match=name):
        FieldStore(tmp_path / "place", **{name: wrong})
    assert not (tmp_path / "place").exists()


TAKEN = [("dim", np.int64(4)), ("kappa", 30.0), ("embedder", "e"), ("timeout", 1e8)]
CONTRADICTIONS = [("dim", 5), ("kappa", 31.0), ("source_key", "file"), ("embedder", "other")]


@pytest.mark.parametrize(("name", "given"), TAKEN)
def test_an_option_that_is_taken_is_in_force_at_once_and_after_opening_again(tmp_path, name, given):
    for _ in range(2):
        with FieldStore(tmp_path / "place", **{name: given}) as store:
            assert getattr(store, name, given) == given
            assert store.verify() == []


@pytest.mark.parametrize(("name", "given"), CONTRADICTIONS)
def test_an_option_that_contradicts_the_store_is_refused_and_it_stays_as_it_was(tmp_path, name, given):
    error = WrongEmbedder if name == "embedder" else ValueError
    facts = {"dim": 4, "kappa": 30.0, "embedder": "mini"}
    with FieldStore(tmp_path / "place", **facts) as store:
        store.add(V)
        check_refused(store, lambda _: FieldStore(tmp_path / "place", **{name: given}), error, str(given))
    FieldStore(tmp_path / "place", **facts, source_key="source").close()


def test_a_second_writer_that_waits_too_long_says_so_and_stores_nothing(tmp_path):
    with FieldStore(tmp_path / "place", dim=4, timeout=0) as store:
        before = store.stats()
        with WriterLock(DISK, tmp_path / "place" / "lock", 0).held(), pytest.raises(WriterBusy, match="nothing was"):
            store.add(V)
        assert (store.stats(), store.verify()) == (before, [])
