"""Erasing what was forgotten long ago, and erasing again from a backup what had been erased since it was made."""

import shutil
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fieldstore import FieldStore, UnknownRecord, verify_certificate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """Sets the time of the entries to come."""

    def set_clock(hours):
        monkeypatch.setattr(time, "time", lambda: (NOON + timedelta(hours=hours)).timestamp())

    set_clock(0)
    return set_clock


@pytest.fixture
def aged(store, rng, clock):
    """Records a to f: b forgotten at one o'clock, c at two, d at one but restored and forgotten again at three."""
    store.add(rng.normal(size=(6, 4)), ids=list("abcdef"), texts=[f"the text of {id}" for id in "abcdef"])
    clock(1)
    store.forget(["b", "d"])
    clock(2)
    store.forget("c")
    store.restore("d")
    clock(3)
    store.forget("d")
    return store


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        (NOON + timedelta(hours=1, seconds=1), "b"),
        (NOON + timedelta(hours=2), "b"),
        (NOON + timedelta(hours=2, microseconds=1), "bc"),  # at two is before a moment later
        ((NOON + timedelta(hours=3)).astimezone(timezone(timedelta(hours=-5))), "bc"),
        (NOON + timedelta(days=300), "bcd"),
    ],
)
def test_what_was_forgotten_before_a_time_is_erased_and_nothing_else(aged, before, gone):
    certificate = aged.erase(forgotten_before=before, reason="kept for a month")
    assert len(certificate.entries) == len(gone)
    assert aged.ids(forgotten=True) == [id for id in "bcd" if id not in gone]
    assert aged.ids() == ["a", "e", "f"]
    assert aged.restore(list(gone)).unknown == tuple(gone)
    assert aged.verify() == []


def test_erasing_by_age_takes_every_version_of_a_record(store, rng, clock):
    store.add(rng.normal(size=(2, 4)), ids=["a", "b"])
    store.add(rng.normal(size=4), ids=["a"])
    store.forget("a")
    clock(1)
    assert len(store.erase(forgotten_before=NOON + timedelta(minutes=1)).entries) == 2
    assert (store.ids(), store.verify()) == (["b"], [])


def test_where_nothing_is_old_enough_nothing_is_erased_and_an_error_says_so(aged):
    before = aged.stats()
    with pytest.raises(UnknownRecord, match="nothing was erased"):
        aged.erase(forgotten_before=NOON + timedelta(hours=1))  # at one is not before one
    assert aged.stats() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"forgotten_before": datetime(2026, 3, 1)}, "time zone"),
        ({"forgotten_before": "2026-03-01"}, "datetime"),
        ({"forgotten_before": NOON, "ids": ["a"]}, "one of them"),
        ({"forgotten_before": NOON, "where": {"n": 1}}, "one of them"),
    ],
)
def test_a_time_without_a_zone_or_beside_another_choice_is_refused(aged, options, said):
    with pytest.raises((ValueError, TypeError), match=said):
        aged.erase(**options)
    assert aged.erasures() == []


# -- erasing again -----------------------------------------------------------------------------------------------------

SECRET = b"Ingeborg Vanterpool of 14 Larkspur Lane"


def holding(folder):
    return [path.name for path in folder.iterdir() if SECRET in path.read_bytes()]


@pytest.fixture
def restored(tmp_path, rng):
    """Folder of a backup, brought back, that knows a record which the store has erased since; and its erasures."""
    path, backup = tmp_path / "s", tmp_path / "backup"
    with FieldStore(path) as store:
        store.add(rng.normal(size=(5, 4)), ids=list("abcde"), texts=[*"wxyz", SECRET.decode()])
        store.add(rng.normal(size=4), ids=["e"], texts=[SECRET.decode() + ", again"])
        store.erase("b")
    shutil.copytree(path, backup)
    with FieldStore(path) as store:
        store.add(rng.normal(size=(2, 4)), ids=["later", "later still"])
        store.erase(["e", "later"])
        erasures = store.erasures()
        assert holding(path) == []
    return backup, erasures


def test_the_erasures_of_a_store_tell_nothing_but_names(restored):
    _, erasures = restored
    assert len(erasures) == 4  # b, both versions of e, and later
    assert all(len(element) == 32 and int(element, 16) >= 0 for element in erasures)


def test_what_was_erased_since_the_backup_is_erased_from_it_again_without_a_byte_left(restored):
    backup, erasures = restored
    assert holding(backup)
    with FieldStore(backup) as store:
        certificate = store.erase_again(erasures, reason="brought back from the backup of March")
        assert verify_certificate(certificate) == []
        assert {erased["element"] for erased in certificate.body["erased"]} < set(erasures)
        assert len(certificate.entries) == 2  # b was erased here before, and "later" never came to be
        assert store.ids() == ["a", "c", "d"]
        assert store.erase_again(erasures) is None
        assert store.verify() == []
    assert holding(backup) == []


def test_a_record_that_came_anew_under_the_id_of_an_erased_one_is_left_alone(restored, rng):
    backup, erasures = restored
    with FieldStore(backup) as store:
        store.erase_again(erasures)
        store.add(rng.normal(size=4), ids=["e"], texts=["somebody else"])
        assert store.erase_again(erasures) is None
        assert [record.text for record in store.get("e")] == ["somebody else"]
        assert store.verify() == []


@pytest.mark.parametrize("given", ["a" * 32, ["a" * 31], ["A" * 32], ["x" * 32], [7], 7, None])
def test_what_is_no_list_of_erasures_is_refused(store, given):
    with pytest.raises((ValueError, TypeError), match="nothing was erased"):
        store.erase_again(given)
