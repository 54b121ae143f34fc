"""Declared filter keys answer as parsing every record's metadata would, follow every verb, and can be erased."""

import subprocess
import sys

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import FieldStore, LeftoversFound
from tests.test_filters import CONDITION, KEYS, RECORDS, SCALAR, SOME, TABLE

DIM = 4
ODD = st.sampled_from(['a"b', "a\\b", "\x01\n\x7f", "é😀", "null", "[1]", "", "\0"])
VALUE = st.recursive(
    SCALAR | SOME | ODD | st.sampled_from([2**53, 1e20, 1e-7, -0.0]),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "a.b"]), inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=3,
)
METADATA = st.dictionaries(KEYS | st.just("a.b"), VALUE)


def pair(keys, **options):
    """A store that declares the keys, and its twin that parses."""
    return FieldStore(dim=DIM, kappa=20.0, filter_keys=keys, **options), FieldStore(dim=DIM, kappa=20.0, **options)


def no_parsing(monkeypatch):
    monkeypatch.setattr("fieldstore.metadata.decode_all", lambda _: pytest.fail("metadata was parsed"))


def test_every_condition_of_the_table_means_the_same_records_and_parses_nothing(store_of, rng, monkeypatch):
    store = store_of(filter_keys=["v", "v.v"])
    store.add(rng.normal(size=(len(RECORDS), DIM)), ids=list(RECORDS), metadatas=list(RECORDS.values()))
    with monkeypatch.context() as context:
        no_parsing(context)
        for where, names in TABLE:
            assert set(store.ids(where=where)) == names, where
    assert store.verify() == []


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(st.lists(METADATA, min_size=1, max_size=8), st.lists(CONDITION, min_size=1, max_size=4), st.data())
def test_any_condition_on_any_records_agrees_with_the_twin_that_parses(metadatas, conditions, data):
    declared, plain = pair(["a", "b", "a.b"])
    ids = [f"r{i}" for i in range(len(metadatas))]
    rows = np.eye(DIM)[np.arange(len(ids)) % DIM] + np.arange(len(ids))[:, None]
    for store in (declared, plain):
        store.add(rows, ids=ids, metadatas=metadatas)
    values = [value for one in metadatas for value in one.values()]
    conditions = [
        *conditions,
        *({key: {operator: value}} for key in ("a", "a.b") for value in values for operator in ("$eq", "$ne")),
        {"a.b": {"$in": values}}, {"a": {"$nin": values}}, {"b": {"$exists": True}, "a.b": {"$is_empty": True}},
    ]  # fmt: skip
    for _ in range(2):
        for where in conditions:
            assert declared.ids(where=where) == plain.ids(where=where), where
        moved, changed = data.draw(st.sampled_from(ids)), data.draw(METADATA)  # and the columns follow
        for store in (declared, plain):
            store.forget(ids[0])
            store.add(rows[0] + [1, 0, 0, 2], ids=[moved], metadatas=[changed])
    assert declared.verify() == plain.verify() == []


def test_searches_and_groups_by_declared_keys_are_those_of_the_twin(rng, monkeypatch):
    declared, plain = pair(["source", "deep.n"])
    sources = ["s", "t", None, 1, 1.0, True, ["s"], "s"]
    for store in (declared, plain):
        store.add(
            np.sin(np.arange(160.0)).reshape(40, DIM),
            metadatas=[{"source": sources[i % 8], "deep": {"n": i % 3}} if i % 9 else {} for i in range(40)],
            ids=[f"r{i}" for i in range(40)],
        )
    for where in (None, {"deep.n": 1}, {"source": {"$in": ["s", 1]}, "deep.n": {"$ne": 2}}):
        for options in ({}, {"by": "attractors", "per": "source"}, {"by": "attractors", "per": "deep.n", "reach": 2.0}):
            query = rng.normal(size=DIM)
            assert declared.search(query, 7, where=where, **options) == plain.search(query, 7, where=where, **options)


def test_what_a_declared_filter_found_follows_every_verb_and_other_processes(tmp_path, rng):
    store = FieldStore(tmp_path / "s", filter_keys=["lang"])
    store.add(np.eye(3), ids=["a", "b", "c"], metadatas=[{"lang": "de"}, {"lang": "de"}, {"lang": "en"}])
    other = FieldStore(tmp_path / "s")
    assert store.ids(where={"lang": "de"}) == other.ids(where={"lang": "de"}) == ["a", "b"]
    for change, wanted in [
        (lambda: store.update("c", metadatas={"lang": "de"}), ["a", "b", "c"]),
        (lambda: other.update("a", metadatas={}), ["b", "c"]),
        (lambda: store.forget(where={"lang": "de"}), []),
        (lambda: other.restore(where={"lang": "de"}), ["b", "c"]),
        (lambda: other.add([0, 1, 1], ids=["b"], metadatas=[{"lang": "de"}]), ["b", "c"]),
        (lambda: store.add([[5, 5, 1]], ids=["d"], metadatas=[{"lang": "de"}]), ["b", "c", "d"]),
        (lambda: store.erase(where={"lang": "de", "$not": {"lang": None}}), []),
        (lambda: other.add([0, 1, 1], ids=["e"], metadatas=[{"lang": "de"}]), ["e"]),
    ]:
        change()
        assert store.ids(where={"lang": "de"}) == other.ids(where={"lang": "de"}) == wanted
    assert store.verify() == other.verify() == []
    for opened in (store, other):
        opened.close()


def test_keys_once_declared_stay_and_others_can_be_added_later(tmp_path, rng, monkeypatch):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        assert store.filter_keys == ()
        store.add(rng.normal(size=(6, DIM)), metadatas=[{"a": i % 2, "b": {"c": i % 3}} for i in range(6)])
    with FieldStore(path) as before, FieldStore(path, filter_keys=["a"]) as store:
        assert before.count({"a": 1}) == 3
        assert store.filter_keys == before.filter_keys == ("a",)
    with FieldStore(path, filter_keys=["b.c", "a", "b.c"]) as store:
        assert store.filter_keys == ("a", "b.c")
        store.add(rng.normal(size=DIM), metadatas=[{"a": 1, "b.c": 0, "b": {"c": 1}}])
    with FieldStore(path, filter_keys=[]) as store:
        assert store.filter_keys == ("a", "b.c")
        with monkeypatch.context() as context:
            no_parsing(context)
            assert store.count({"a": 1, "b.c": {"$in": [0, 2]}}) == 3
        assert store.verify() == []


UNFIT = ["", ".", "a.", "a..b", "$in", 'say "x"', "back\\slash", "new\nline", "a.b.c.d.e.f", "\ud800"]


@pytest.mark.parametrize("key", UNFIT, ids=ascii)
def test_a_key_that_cannot_be_declared_is_refused_by_name_and_nothing_is_created(tmp_path, key):
    with pytest.raises(ValueError, match="filter key"):
        FieldStore(tmp_path / "s", filter_keys=["fine", key])
    assert not (tmp_path / "s").exists()


def test_filter_keys_are_a_list_of_some_strings(tmp_path):
    for wrong in ("source", b"source", 5, [5], {"a"}):
        with pytest.raises(TypeError, match="filter"):
            FieldStore(filter_keys=wrong)


SECRET = ["customers/ingeborg-vanterpool", "hazelnut allergy, severe"]


def holds_secret(folder):
    words = [word.encode() for word in SECRET]
    return {(path.name, word) for path in folder.rglob("*") for word in words if word in path.read_bytes()}


def filled(path, rng):
    store = FieldStore(path, filter_keys=["source", "note.health"])
    store.add(
        rng.normal(size=(300, DIM)),
        ids=[f"id-{i}" for i in range(300)],
        metadatas=[{"source": f"notes/number-{i:012}", "note": {"health": f"fine, thank you {i}"}} for i in range(300)],
    )
    store.add(rng.normal(size=DIM), ids=["the-one"], metadatas=[{"source": SECRET[0], "note": {"health": SECRET[1]}}])
    return store


def test_an_erase_leaves_no_byte_of_the_values_kept_for_filters(tmp_path, rng):
    with filled(tmp_path / "s", rng) as store:
        assert store.count({"source": SECRET[0]}) == 1
        store.add(rng.normal(size=DIM), ids=["the-one"], metadatas=[{"source": SECRET[0]}])
        store.update("the-one", metadatas={"source": SECRET[0], "note": {"health": SECRET[1]}})
    assert {word for _, word in holds_secret(tmp_path / "s")} == {word.encode() for word in SECRET}  # nobody is blind
    with FieldStore(tmp_path / "s") as store:
        store.forget("the-one")
        certificate = store.erase("the-one")
        assert len(certificate.entries) == 2
        assert store.count({"source": SECRET[0]}) == 0
        assert store.verify() == []
    assert holds_secret(tmp_path / "s") == set()


def test_values_that_escaped_the_erase_are_found_and_stop_the_certificate(tmp_path, rng):
    store = filled(tmp_path / "s", rng)
    connection = apsw.Connection(str(tmp_path / "s" / "store.db"))
    connection.execute("DROP TRIGGER filter_values_gone")
    with pytest.raises(LeftoversFound, match=r"store\.db"):
        store.erase("the-one")
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute("DELETE FROM filter_values WHERE point = 300")
    connection.close()
    assert store.finish_erase() is not None
    store.close()
    assert holds_secret(tmp_path / "s") == set()


def test_a_number_that_escaped_the_erase_is_found_too(tmp_path, rng):
    with FieldStore(tmp_path / "s", filter_keys=["account"]) as store:
        store.add(rng.normal(size=(2, DIM)), ids=["a", "b"], metadatas=[{"account": 4929123456781234}, {"account": 1}])
        connection = apsw.Connection(str(tmp_path / "s" / "store.db"))
        connection.execute("DROP TRIGGER filter_values_gone")
        connection.close()
        with pytest.raises(LeftoversFound, match=r"store\.db"):
            store.erase("a")


def test_a_value_that_others_share_is_theirs_and_no_leftover(tmp_path, rng):
    with FieldStore(tmp_path / "s", filter_keys=["source"]) as store:
        store.add(rng.normal(size=(9, DIM)), ids=list("abcdefghi"), metadatas=[{"source": "a/shared/document.pdf"}] * 9)
        certificate = store.erase(["a", "b"])
        assert certificate.body["scan"]["leftovers"] == 0
        assert certificate.body["scan"]["also_in_other_records"] == 7
        assert store.count({"source": "a/shared/document.pdf"}) == 7
        assert store.verify() == []


def test_verify_finds_values_that_are_not_those_of_the_metadata(tmp_path, rng):
    filled(tmp_path / "s", rng).close()
    connection = apsw.Connection(str(tmp_path / "s" / "store.db"))
    connection.execute("UPDATE filter_values SET value = '\"elsewhere\"' WHERE point = 7 AND number = 0")
    connection.execute("DELETE FROM filter_values WHERE point = 8 AND number = 1")
    connection.execute("INSERT INTO filter_values VALUES(1, 999, '\"nobody\"')")
    connection.close()
    with FieldStore(tmp_path / "s") as store:
        said = [line for line in store.verify() if "filter key" in line]
        assert [line.split(":")[0] for line in said] == ["point 7", "point 8", "point 999"]


def test_keys_declared_by_one_process_serve_the_others(tmp_path, rng):
    with FieldStore(tmp_path / "s") as store:
        store.add(rng.normal(size=(4, DIM)), metadatas=[{"a": i % 2} for i in range(4)])
        assert store.count({"a": 1}) == 2
        program = f"from fieldstore import FieldStore; FieldStore({str(tmp_path / 's')!r}, filter_keys=['a']).close()"
        subprocess.run([sys.executable, "-c", program], check=True)
        assert store.filter_keys == ("a",)
        store.add(rng.normal(size=DIM), metadatas=[{"a": 1}])
        assert store.count({"a": 1}) == 3
        assert store.verify() == []
