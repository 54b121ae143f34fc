"""Bad input: refused with an error that names the thing, and nothing is stored, in memory and on disk."""

import gc
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

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


VECTORS: list[Case] = [
    ("nan", adding([[1, 0, 0, 0], [0, NAN, 0, 0]]), ValueError, "vector 1 of 2 NaN"),
    ("infinity", adding([[INF, 0, 0, 0]]), ValueError, "vector 0 infinity"),
    ("minus infinity", adding([-INF, 0, 0, 0]), ValueError, "vector infinity"),
    ("float32 infinity", adding(np.array([[1, 0, 0, INF]], np.float32)), ValueError, "vector infinity"),
    ("only zeros", adding([[1, 0, 0, 0], [0, 0, 0, -0.0]]), ValueError, "vector 1 zeros"),
    ("complex", adding(V * 1j), ValueError, "vectors complex128"),
    ("object", adding(V.astype(object)), ValueError, "vectors object"),
    ("bool", adding(V.astype(bool)), ValueError, "vectors bool"),
    ("text", adding([["1", "0", "0", "0"]]), ValueError, "vectors"),
    ("dates", adding(np.zeros((1, 4), "datetime64[s]")), ValueError, "vectors datetime64"),
    ("ragged", adding([[1, 0, 0, 0], [1, 0, 0]]), ValueError, "vectors length"),
    ("three axes", adding(V[None]), ValueError, "vectors (1, 2, 4)"),
    ("no axis", adding(1.0), ValueError, "vectors ()"),
    ("None", adding(None), ValueError, "vectors"),
    ("generator", adding(row for row in V), ValueError, "vectors"),
    ("of no dimension", adding(np.zeros((2, 0))), ValueError, "0"),
]
BATCHES: list[Case] = [
    ("too many dimensions", adding(np.eye(5)), ValueError, "vectors 5 dimensions 4"),
    ("too few dimensions", adding([1, 2, 3]), ValueError, "vectors 3 dimensions 4"),
    *((f"{n} too few", adding(**{n: ["x"]}), ValueError, f"1 {n} 2 records") for n in ("texts", "metadatas", "ids")),
    ("texts too many", adding(texts=["x"] * 3), ValueError, "3 texts 2 records"),
    ("weights too few", adding(weights=[1.0]), ValueError, "1 weights 2 records"),
    ("texts for nothing", adding([], texts=["x"]), ValueError, "1 texts 0 records"),
    *(
        (f"{n} a str", adding(**{n: "xy"}), TypeError, f"{n} list str")
        for n in ("texts", "metadatas", "ids", "weights")
    ),
    *((f"{n} a set", adding(**{n: {"x", "y"}}), TypeError, f"{n} set") for n in ("texts", "ids")),
    ("texts a dict", adding(texts={"x": 1, "y": 2}), TypeError, "texts list dict"),
    ("ids a generator", adding(ids=(id for id in "xy")), TypeError, "ids generator"),
    ("empty id", adding(ids=["x", ""]), ValueError, "id ''"),
    ("NUL in an id", adding(ids=["x", "y\0z"]), ValueError, r"id NUL y\x00z"),
    ("surrogate in an id", adding(ids=["x", "y\ud800"]), ValueError, "id surrogate"),
    ("long id", adding(ids=["x", "é" * 513]), ValueError, "id 1024"),
    ("id a number", adding(ids=["x", 7]), TypeError, "id 7 int"),
    ("id bytes", adding(ids=["x", b"y"]), TypeError, "id b'y' bytes"),
    ("id twice", adding(ids=["x", "x"]), ValueError, "id 'x' twice"),
    ("known id twice", adding(ids=["a", "a"]), ValueError, "id 'a' twice"),
    ("surrogate in a text", adding(ids=["x", "y"], texts=["", "\udfff"]), ValueError, "text 'y' surrogate"),
    ("text a number", adding(ids=["x", "y"], texts=["", 7]), TypeError, "text 'y' int"),
    ("text bytes", adding(ids=["x", "y"], texts=["", b"b"]), TypeError, "text 'y' bytes"),
    *(
        (f"weight {w!r:.9}", adding(weights=w), ValueError, "weight")
        for w in (NAN, INF, 0, -1, True, 1e-9, 1e10, 10**400)
    ),
    *((f"weight {w!r} of one", adding(weights=[1, w]), ValueError, "weight") for w in (NAN, 0, -1, False, "1", None)),
    ("complex weight", adding(weights=np.complex64(1)), ValueError, "weight"),
    ("metadata a list", one([]), TypeError, "metadata 'n1' list"),
    ("a set", one({"k": {1}}), TypeError, "metadata 'n1' ['k'] set"),
    ("a tuple", one({"k": (1,)}), TypeError, "metadata 'n1' ['k'] tuple"),
    ("a date", one({"k": datetime(2026, 1, 1, tzinfo=UTC)}), TypeError, "metadata 'n1' ['k'] datetime"),
    ("a numpy number", one({"k": [np.float32(1)]}), TypeError, "metadata 'n1' ['k'][0] float32"),
    ("a key that is no text", one({"k": {1: 2}}), TypeError, "metadata 'n1' ['k'] key 1"),
    ("nan in metadata", one({"k": NAN}), ValueError, "metadata 'n1' ['k'] nan"),
    ("2**60", one({"k": 2**60}), ValueError, "metadata 'n1' ['k'] 2**53"),
    ("surrogate in metadata", one({"k": "\ud800"}), ValueError, "metadata 'n1' surrogate"),
    ("too deep", one({"k": eval("[" * 80 + "]" * 80)}), ValueError, "metadata 'n1' nested"),
    ("reason a number", adding(reason=7), TypeError, "reason int"),
    ("actor bytes", adding(actor=b"ann"), TypeError, "actor bytes"),
    ("unknown option", adding(metadata=[{}]), TypeError, "metadata"),
]
VERBS: list[Case] = [
    *(
        case
        for verb in ("forget", "restore", "erase")
        for case in (
            (f"{verb} nothing named", lambda s, v=verb: getattr(s, v)(), ValueError, f"{verb} ids where"),
            (f"{verb} both", lambda s, v=verb: getattr(s, v)(["a"], where={"n": 1}), ValueError, f"{verb} ids where"),
            (f"{verb} empty where", lambda s, v=verb: getattr(s, v)(where={}), ValueError, f"{verb} where everything"),
            (f"{verb} operator", lambda s, v=verb: getattr(s, v)(where={"n": {"$is": 1}}), ValueError, "$is 'n'"),
            (f"{verb} empty id", lambda s, v=verb: getattr(s, v)(["a", ""]), ValueError, "id ''"),
            (f"{verb} a number", lambda s, v=verb: getattr(s, v)([5]), TypeError, "id 5 int"),
            (f"{verb} no list", lambda s, v=verb: getattr(s, v)(5), TypeError, "id 5 int"),
            (f"{verb} reason", lambda s, v=verb: getattr(s, v)(["a"], reason=5), TypeError, "reason int"),
        )
    ),
    ("erase unknown", lambda s: s.erase(["a", "zz"]), UnknownRecord, "'zz' nothing erased"),
    ("erase no match", lambda s: s.erase(where={"n": 9}), UnknownRecord, "record matches nothing erased"),
    ("erase none", lambda s: s.erase([]), UnknownRecord, "record nothing erased"),
    ("update unknown", lambda s: s.update(["a", "zz"], texts=["x", "y"]), UnknownRecord, "'zz' nothing changed"),
    ("update forgotten", lambda s: s.update("c", texts="x"), UnknownRecord, "'c' forgotten nothing changed"),
    ("update nothing", lambda s: s.update(["a"]), ValueError, "texts metadatas"),
    ("update twice", lambda s: s.update(["a", "a"], texts=["x", "y"]), ValueError, "'a' twice"),
    ("update lengths", lambda s: s.update(["a", "b"], texts=["x"]), ValueError, "1 texts 2 records"),
    ("update set", lambda s: s.update(["a", "b"], metadatas=[{}, {"k": {1}}]), TypeError, "'b' ['k'] set"),
    ("reweight unknown", lambda s: s.reweight(["a", "zz"], 2), UnknownRecord, "'zz' nothing changed"),
    *(
        (f"reweight {w!r}", lambda s, w=w: s.reweight("a", w), ValueError, "weight")
        for w in (0, -1, NAN, INF, True, "2")
    ),
    ("residual unknown", lambda s: s.residual(["zz"]), UnknownRecord, "'zz'"),
    *((f"kappa {x!r}", lambda s, x=x: s.calibrate(x), ValueError, "kappa") for x in (0, -1, NAN, INF, True, "2")),
    *((f"limit {n!r}", lambda s, n=n: s.ids(limit=n), ValueError, "limit") for n in (-1, 1.0, True, "2")),
    *((f"entries limit {n!r}", lambda s, n=n: s.entries(limit=n), ValueError, "limit") for n in (-1, 1.0)),
    ("history of no id", lambda s: s.history(""), ValueError, "id ''"),
    ("exists of no id", lambda s: s.exists("a\0"), ValueError, "id NUL"),
    ("get a number", lambda s: s.get([5]), TypeError, "id 5 int"),
    ("count operator", lambda s: s.count({"n": {"$is": 1}}), ValueError, "$is 'n'"),
]


def searching(vector: Any = (1, 0, 0, 0), k: Any = 5, **given: Any) -> Call:
    return lambda store: store.search(vector, k, **given)


SEARCHES: list[Case] = [
    *((f"k={k!r}", searching(k=k), ValueError, "k least 1") for k in (0, -5, 3.0, True, "5", None)),
    ("nan query", searching([1, 0, 0, NAN]), ValueError, "query NaN"),
    ("infinite query", searching([1, 0, 0, INF]), ValueError, "query infinity"),
    ("zero query", searching([0, 0, 0, 0]), ValueError, "query zeros"),
    ("wrong dimension", searching([1, 0]), ValueError, "2 dimensions 4"),
    ("a matrix", searching(V), ValueError, "one query (2, 4) search_many"),
    ("a ragged query", searching([[1, 0, 0, 0], [1]]), ValueError, "query"),
    ("a text", searching("where is the key?"), ValueError, "query"),
    ("complex query", searching([1j, 0, 0, 0]), ValueError, "real complex"),
    ("many, one bad", lambda s: s.search_many([[1, 0, 0, 0], [0, 0, 0, NAN]]), ValueError, "query 1 of 2 NaN"),
    ("unknown mode", searching(by="closest"), ValueError, "'closest' nearest attractors"),
    ("no mode", searching(by=None), ValueError, "None nearest attractors"),
    ("smooth attractors", searching(by="attractors", smooth=True), ValueError, "smooth nearest"),
    ("per nearest", searching(per="n"), ValueError, "per attractors"),
    ("reach nearest", searching(reach=0.5), ValueError, "reach attractors"),
    ("per a number", searching(by="attractors", per=5), TypeError, "per 5"),
    *((f"reach={r!r}", searching(by="attractors", reach=r), ValueError, "reach") for r in (NAN, INF, True, "1")),
    *((f"min_score={x!r}", searching(min_score=x), TypeError, "min_score") for x in (True, "1")),
    ("min_score=nan", searching(min_score=NAN), ValueError, "min_score nan"),
    ("unknown operator", searching(where={"n": {"$is": 1}}), ValueError, "$is 'n'"),
    ("where a text", searching(where="n = 1"), TypeError, "where str"),
    ("unknown option", searching(filter={"n": 1}), TypeError, "filter"),
]


@table(VECTORS + BATCHES)
def test_what_cannot_be_stored_is_refused_as_a_whole(held, call, error, words):
    check_refused(held, call, error, words)


@table(VECTORS)
def test_a_store_without_a_dimension_refuses_bad_vectors_too_and_stays_without(store, call, error, words):
    check_refused(store, call, error, words)
    assert store.dim is None
    store.add(np.eye(3), ids=["x", "y", "z"])  # of three dimensions, whatever the refused ones had
    assert [hit.id for hit in store.search([0, 1, 0.1], 2)] == ["y", "z"]
    assert store.verify() == []


@table(VERBS)
def test_a_verb_refuses_what_it_cannot_mean(held, call, error, words):
    check_refused(held, call, error, words)


@table(SEARCHES)
def test_a_search_refuses_what_it_cannot_answer(held, call, error, words):
    check_refused(held, call, error, words)


def test_a_huge_k_gives_what_is_there_and_an_empty_batch_writes_no_entry(store, rng):
    for nothing in ([], np.zeros((0, 4))):
        assert store.add(nothing, texts=[], metadatas=[], ids=[], weights=[]) == []
    assert (store.stats()["entries"], store.dim) == (0, None)
    store.add(rng.normal(size=(50, 4)))
    for k in (10**7, 2**63, np.int64(10**7)):
        assert len(store.search([1, 0, 0, 0], k)) == len(store.search([1, 0, 0, 0], k, smooth=True)) == 50
    assert store.add([]) == []
    assert (store.stats()["entries"], store.verify()) == (50, [])


CLOSED: list[Call] = [
    adding(), *(lambda s, verb=verb: getattr(s, verb)(["a"]) for verb in ("forget", "restore", "erase", "get", "residual")),
    searching(), lambda s: s.search_many(V), lambda s: s.update("a", texts="x"), lambda s: s.reweight("a", 2),
    lambda s: s.calibrate(), lambda s: s.exists("a"), lambda s: s.count(), lambda s: s.ids(), lambda s: s.history("a"),
    lambda s: s.entries(), lambda s: s.verify(), lambda s: s.stats(), lambda s: s.certificates(),
    lambda s: s.finish_erase(), lambda s: s.field, lambda s: s.kappa,
]  # fmt: skip


def test_a_closed_store_refuses_every_verb_and_closing_again_is_harmless(held):
    held.close()
    held.close()
    for call in CLOSED:
        with pytest.raises(StoreClosed, match="closed"):
            call(held)


# -- opening -----------------------------------------------------------------------------------------------------------


def sqlite(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    for file in path.parent.glob(f"{path.name}*"):  # beside the closed one, a copy as a crash would leave it
        shutil.copy(file, path.parent.parent / file.name)
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
    (path.parent / "source").mkdir()
    sqlite(
        path.parent / "source" / "store.db", "PRAGMA journal_mode=WAL", "CREATE TABLE t(x)", "INSERT INTO t VALUES(1)"
    )
    for file in path.parent.glob("store.db*"):
        shutil.move(file, path / file.name)


FOLDERS: list[tuple[str, Callable[[Path], Any], type[Exception], str]] = [
    ("a file", lambda p: (p.rmdir(), p.write_text("mine")), NotAStore, "file directory"),
    ("a folder of something else", lambda p: (p / "thesis.txt").write_text("mine"), NotAStore, "no thesis.txt"),
    ("vectors without a database", lambda p: (p / "vectors.f32").write_bytes(b"x" * 80), NotAStore, "vectors.f32"),
    ("a text called store.db", lambda p: (p / "store.db").write_text("mine"), NotAStore, "store.db"),
    ("a folder called store.db", lambda p: (p / "store.db").mkdir(), NotAStore, "store.db"),
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


@pytest.mark.parametrize(
    ("name", "given"), [("dim", np.int64(4)), ("kappa", 30.0), ("embedder", "e"), ("timeout", 1e8)]
)
def test_an_option_that_is_taken_is_in_force_at_once_and_after_opening_again(tmp_path, name, given):
    for _ in range(2):
        with FieldStore(tmp_path / "place", **{name: given}) as store:
            assert getattr(store, name, given) == given
            assert store.verify() == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dim": 5}, ValueError, "dim 4 5"),
        ({"kappa": 31.0}, ValueError, "kappa 31"),
        ({"source_key": "file"}, ValueError, "source_key 'source' 'file'"),
        ({"embedder": "other"}, WrongEmbedder, "'mini' 'other'"),
    ],
    ids=str,
)
def test_options_that_contradict_the_store_are_refused_and_it_stays_as_it_was(tmp_path, options, error, words):
    path = tmp_path / "place"
    with FieldStore(path, dim=4, kappa=30.0, embedder="mini") as store:
        store.add(V)
        check_refused(store, lambda _: FieldStore(path, **options), error, words)
    with FieldStore(path, dim=4, kappa=30.0, embedder="mini", source_key="source") as store:
        assert store.verify() == []


def test_a_signing_key_that_cannot_be_used_is_refused_by_name_before_a_folder_is_made(tmp_path):
    def pem(key: Any, encryption: Any) -> bytes:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    good = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    (tmp_path / "rsa.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048), NoEncryption()))
    (tmp_path / "locked.pem").write_bytes(pem(good, BestAvailableEncryption(b"secret")))
    (tmp_path / "text.pem").write_text("no key")
    unnamed = {}
    for name in (
        "missing.pem",
        "place/inside.pem",
        "place/../place/sub/inside.pem",
        "rsa.pem",
        "locked.pem",
        "text.pem",
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            FieldStore(tmp_path / "place", signing_key=tmp_path / name)
        assert not (tmp_path / "place").exists()
        if not isinstance(caught.value, OSError | ValueError) or name not in str(caught.value):
            unnamed[name] = caught.value
    assert unnamed == {}


def test_a_second_writer_that_waits_too_long_says_so_and_stores_nothing(tmp_path):
    with FieldStore(tmp_path / "place", dim=4, timeout=0) as store:
        before = store.stats()
        with WriterLock(DISK, tmp_path / "place" / "lock", 0).held(), pytest.raises(WriterBusy, match="nothing was"):
            store.add(V)
        assert (store.stats(), store.verify()) == (before, [])
