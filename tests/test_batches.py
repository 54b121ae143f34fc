"""What is done to many records at once is what would have been done to them one by one, and the ledger's bytes say so.

Every short cut of the writing path meets its slow twin here.
"""

import hashlib
import itertools

import numpy as np
import pytest

from fieldstore import FieldStore, changes, ledger, metadata

DIM = 8


@pytest.fixture
def without_chance(monkeypatch):
    """Elements, salts and times that are the same in every run."""
    numbers = itertools.count()

    def bytes_of(length):
        return hashlib.shake_256(str(next(numbers)).encode()).digest(length)

    monkeypatch.setattr(ledger, "new_element", lambda: bytes_of(16))
    monkeypatch.setattr(ledger, "new_salt", lambda: bytes_of(32))
    monkeypatch.setattr(changes, "new_salt", lambda: bytes_of(32))
    monkeypatch.setattr("time.time", lambda: 1.7e9)


def places(count):
    """Different vectors that are of unit length to the bit."""
    rows = np.zeros((count, DIM), np.float32)
    for number in range(count):
        rows[number, number % DIM] = 1.0 if number < DIM else 0.6
        if number >= DIM:
            rows[number, (number + number // DIM) % DIM] = 0.8
    return rows


def test_the_same_calls_write_the_same_ledger_to_the_byte_as_the_first_version_did(store_of, without_chance):
    store = store_of(dim=DIM, kappa=20.0)
    store.add(
        places(40),
        texts=[None if i % 3 else f"text {i} é" for i in range(40)],
        metadatas=[{"n": i, "half": i / 2, "deep": [1, {"ü": None}], "flag": i % 2 == 0} for i in range(40)],
        ids=[f"r{i}" for i in range(40)],
        weights=[1 + i / 4 for i in range(40)],
        reason="the reason",
        actor="somebody",
    )
    store.add(places(50)[40:], ids=[f"r{i}" for i in range(35, 45)], metadatas=[{"b": 1, "a": "x"}] * 10)
    store.forget(["r1", "r39"], reason="asked to")
    store.restore("r1")
    store.reweight("r5", 3.0)
    store.update("r6", texts="another text")
    store.add(places(8)[7], ids="r7", texts=["another text"])
    assert store.stats()["entries"] == 62
    assert store.stats()["root"] == "4b6fa8c7f753bd6983a5aecb4d80de65cf7aaaaacc6cac17d041a6b0320fa980"
    assert store.verify() == []


def test_a_batch_does_to_each_record_what_an_add_of_its_own_does(store_of, rng):
    ids = [f"id {i} é" for i in range(12)]
    rows = rng.normal(size=(12, DIM))
    together, one_by_one = store_of(dim=DIM, kappa=20.0), store_of(dim=DIM, kappa=20.0)
    for store in (together, one_by_one):
        store.add(rows[:8], ids=ids[:8], texts=[f"text {i}" for i in range(8)])
        store.forget(ids[2:4])  # each id below has another past
        store.add(rows[9], ids=[ids[5]])
        store.erase(ids[1])
    moved, texts = np.concatenate([rows[:6], -rows[6:]]), [f"text {i}" if i % 3 else "other" for i in range(12)]
    assert together.add(moved, ids=ids, texts=texts) == ids
    for id, row, text in zip(ids, moved, texts, strict=True):
        one_by_one.add(row, ids=[id], texts=[text])
    assert together.get(ids) == one_by_one.get(ids)
    assert [(e.kind, e.point, e.weight, e.ref) for e in together.entries()] == [
        (e.kind, e.point, e.weight, e.ref) for e in one_by_one.entries()
    ]
    for verb in ("forget", "restore"):
        receipt = getattr(together, verb)([*ids, "nobody"])
        receipts = [getattr(one_by_one, verb)(id) for id in ids]
        assert receipt.ids == tuple(id for one in receipts for id in one.ids)
        assert receipt.unknown == ("nobody",)
    assert [one.id for one in together.get(ids[::-1])] == ids[::-1]
    assert together.verify() == one_by_one.verify() == []


def test_generated_ids_meet_no_record_that_is_there(store, rng):
    first = store.add(rng.normal(size=(20, DIM)), ids=[None] * 20)
    second = store.add(rng.normal(size=(4, DIM)), ids=[None, first[3], "named", None])
    assert second[1:3] == [first[3], "named"]
    assert store.count() == 20 + 3
    assert len(set(first + second)) == 23
    assert store.verify() == []


VALUES = ["x", "é", "\ud800", True, None, 0, 2**53, 2**53 + 1, -(2**53) - 1, 0.5, float("nan"), float("inf"), (1,),
          b"x", np.float64(1.0), np.int64(1), [], {}, {1: 2}, type("Word", (str,), {})("x")]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_flat_metadata_is_judged_and_written_as_nested_metadata_is(value):
    def outcome(given):
        try:
            return metadata.encode(given)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    flat, nested = outcome({"key": value}), outcome({"key": value, "nested": []})
    assert flat == (nested.replace(',"nested":[]', "") if isinstance(nested, str) else nested)
    assert isinstance(outcome({value: 1}) if value.__hash__ else (), str) is (type(value) is str and value != "\ud800")


def test_the_newest_version_is_found_for_any_number_of_ids(rng):
    with FieldStore(dim=DIM) as store:
        for version in range(3):
            store.add(rng.normal(size=(300, DIM)), ids=[f"r{i}" for i in range(300)], texts=[f"v{version}"] * 300)
        assert {record.text for record in store.get([f"r{i}" for i in range(300)])} == {"v2"}
        assert [store.exists(f"r{i}") for i in (0, 299, 300)] == [True, True, False]
        assert store.verify() == []
