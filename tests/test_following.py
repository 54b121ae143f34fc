"""Adds return when they are durable; the field takes them in meanwhile, and nobody ever sees it behind the ledger."""

import threading

import numpy as np
import pytest

from fieldstore import FieldStore, following, mirror

DIM, COUNT = 8, 40


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Adds of any size go to the thread."""
    monkeypatch.setattr(mirror, "_WORTH_A_THREAD", 1)


@pytest.fixture
def rows(rng):
    return rng.normal(size=(COUNT, DIM)).astype(np.float32)


@pytest.fixture
def held(monkeypatch):
    """While this event is not set, the field takes nothing in."""
    go, follow = threading.Event(), following._follow

    def later(*change):
        assert go.wait(20)
        follow(*change)

    monkeypatch.setattr(following, "_follow", later)
    yield go
    go.set()


def filled(store, rows):
    """The store with the first half of the rows in it: its very first add makes the field and is taken in at once."""
    store.add(rows[:20], ids=[f"r{i}" for i in range(20)])
    return store


def test_an_add_returns_before_the_field_has_it_and_a_search_waits(store, rows, held):
    filled(store, rows)
    store.add(rows[20:], ids=[f"r{i}" for i in range(20, COUNT)])
    found = []
    asking = threading.Thread(target=lambda: found.append(store.search(rows[30], 1)[0].id))
    asking.start()
    asking.join(0.05)
    assert asking.is_alive()
    held.set()
    asking.join(60)
    assert found == ["r30"]
    assert store.verify() == []


def test_adds_follow_one_another_while_the_field_is_behind(store, rows, held):
    filled(store, rows)
    for i in range(20, COUNT):
        store.add(rows[i], ids=f"r{i}")
    store.add(rows[25], ids="r24")  # supersedes what the field does not have yet
    store.add([rows[26], -rows[26]], ids=["r26", "new"], texts=["a text", None])  # the same vector: read from its row
    held.set()
    assert store.count() == COUNT + 1
    assert store.search(rows[25], 2)[1].cosine == pytest.approx(1.0)
    assert store.get("r26")[0].text == "a text"
    assert store.verify() == []


def test_what_is_forgotten_right_after_its_add_is_in_no_answer(store, rows, held):
    filled(store, rows)
    store.add(rows[20:], ids=[f"r{i}" for i in range(20, COUNT)])
    threading.Timer(0.05, held.set).start()
    store.forget("r30")
    assert store.search(rows[30], 1)[0].id != "r30"
    assert store.verify() == []


def test_no_more_than_so_many_points_are_ahead_of_the_field(store, rows, held, monkeypatch):
    monkeypatch.setattr(following, "_AHEAD", 4)
    filled(store, rows)
    store.add(rows[20:30])
    adding = threading.Thread(target=lambda: store.add(rows[30:]))
    adding.start()
    adding.join(0.05)
    assert adding.is_alive()
    held.set()
    adding.join(60)
    assert store.count() == COUNT


def test_a_field_that_could_not_follow_is_worked_out_anew(store, rows, monkeypatch, caplog):
    filled(store, rows)
    follow, calls = following._follow, []

    def failing(*change):
        calls.append(change)
        if len(calls) == 2:
            raise MemoryError("no room")
        follow(*change)

    monkeypatch.setattr(following, "_follow", failing)
    for i in range(20, COUNT):
        store.add(rows[i], ids=f"r{i}")
    assert [store.search(row, 1)[0].id for row in rows] == [f"r{i}" for i in range(COUNT)]
    assert any("worked out anew" in line for line in caplog.messages)
    store.forget("r3")
    assert store.search(rows[3], 1)[0].id != "r3"
    assert store.verify() == []


def test_another_object_sees_an_add_that_this_ones_field_does_not_have_yet(tmp_path, rows, held):
    with FieldStore(tmp_path / "s") as one, FieldStore(tmp_path / "s") as other:
        filled(one, rows)
        one.add(rows[20:], ids=[f"r{i}" for i in range(20, COUNT)])
        assert other.search(rows[30], 1)[0].id == "r30"
        other.forget("r30")
        held.set()
        assert one.search(rows[30], 1)[0].id != "r30"
        assert one.verify() == other.verify() == []


def test_a_store_that_is_closed_at_once_has_all_that_was_added(tmp_path, rows):
    with FieldStore(tmp_path / "s") as store:
        filled(store, rows)
        for i in range(20, COUNT):
            store.add(rows[i], ids=f"r{i}")
    with FieldStore(tmp_path / "s") as store:
        assert store.count() == COUNT
        assert store.verify() == []
