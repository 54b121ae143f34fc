"""Forgetting reaches all of a content: its source, its near copies; a dry run says so before."""

import numpy as np
import pytest

from fieldstore import FieldStore, Near
from fieldstore.engine import nearby

DIM = 16
TURN = np.array([0.0, 0.3, 0.5, 0.8, 1.2])  # radians between a text and its ever more distant versions


def turned(first, second, angle):
    return np.cos(angle) * first + np.sin(angle) * second


def copies(store, **options):
    """Two texts with four versions each, the nearer the lower their number, and something unrelated."""
    axes = np.eye(DIM)
    rows = [turned(axes[2 * text], axes[2 * text + 1], angle) for text in range(2) for angle in TURN]
    store.add(
        [*rows, axes[9]],
        ids=[f"{text}{n}" for text in "ab" for n in range(5)] + ["else"],
        texts=["x"] * 11,
        metadatas=[{"source": f"{text}.md", "deep": {"n": n}} for text in "ab" for n in range(5)] + [{}],
        **options,
    )
    return store


def state(store):
    return store.ids(), store.ids(forgotten=True), store.stats()["entries"]


def test_a_source_is_forgotten_restored_and_erased_as_a_whole(store):
    copies(store)
    receipt = store.forget(source="a.md", reason="contract ended")
    assert receipt.ids == ("a0", "a1", "a2", "a3", "a4")
    assert receipt.sources == {"a.md": 0}
    assert store.forget(source="nobody.md").ids == ()
    assert store.restore(source="a.md").ids == receipt.ids
    store.forget("a1")
    assert len(store.erase(source="a.md").entries) == 5
    assert store.ids() == ["b0", "b1", "b2", "b3", "b4", "else"]
    assert store.ids(forgotten=True) == []
    assert store.verify() == []


@pytest.mark.parametrize("declared", [(), ("deep.n", "source")])
def test_the_source_key_of_the_store_says_what_a_source_is(store_of, declared):
    store = copies(store_of(source_key="deep.n", filter_keys=declared))
    receipt = store.forget(source=3)
    assert receipt.ids == ("a3", "b3")
    assert receipt.sources == {"3": 0}
    assert store.forget(["a0", "else", "a1"]).sources == {"0": 1, "1": 1}
    assert store.verify() == []


@pytest.mark.parametrize("declared", [(), ("source",)])
def test_a_receipt_counts_the_live_records_of_the_same_sources_when_it_is_asked(store_of, declared):
    store = copies(store_of(filter_keys=declared))
    receipt = store.forget(["a1", "b0", "b1", "else"])
    assert receipt.sources == {"a.md": 4, "b.md": 3}
    store.forget(["a2", "a3"])
    store.update("a4", metadatas={"source": ["b.md"]})
    assert receipt.sources == {"a.md": 1, "b.md": 3}
    assert store.forget("a4").sources == {'["b.md"]': 0}
    store.erase("a1")
    assert receipt.sources == {"b.md": 3}
    assert store.verify() == []


def test_what_is_near_goes_too_and_the_receipt_says_how_near_to_whom(store):
    copies(store)
    receipt = store.forget(["a0", "b0", "nobody"], near=np.cos(0.6), reason="asked")
    assert receipt.ids == ("a0", "b0", "a1", "b1", "a2", "b2")
    assert receipt.unknown == ("nobody",)
    assert [(one.id, one.to) for one in receipt.near] == [("a1", "a0"), ("b1", "b0"), ("a2", "a0"), ("b2", "b0")]
    assert [one.cosine for one in receipt.near] == pytest.approx(np.cos([0.3, 0.3, 0.5, 0.5]), abs=1e-6)
    assert store.ids() == ["a3", "a4", "b3", "b4", "else"]
    assert len(receipt.entries) == 6
    assert store.restore(receipt.ids).ids == receipt.ids
    assert store.verify() == []


def test_near_is_measured_from_what_was_asked_for_and_does_not_wander_on(store):
    copies(store)
    assert [one.id for one in store.forget("a2", near=np.cos(0.35)).near] == ["a1", "a3"]
    assert store.exists("a0")


def test_copies_of_what_was_forgotten_before_can_be_forgotten_afterwards(store):
    copies(store).forget("a0")
    receipt = store.forget("a0", near=0.9)
    assert (receipt.ids, receipt.unchanged) == (("a1",), ("a0",))
    assert receipt.near == (Near("a1", pytest.approx(np.cos(0.3), abs=1e-6), "a0"),)
    assert store.forget("nobody", near=0.9).ids == ()
    assert store.verify() == []


@pytest.mark.parametrize(
    "selection", [{"ids": ["a1", "nobody"]}, {"where": {"deep.n": {"$gt": 2}}}, {"source": "b.md"}, {"ids": "else"}]
)
@pytest.mark.parametrize("near", [None, 0.9, "windows"])
def test_a_dry_run_tells_exactly_what_would_go_and_changes_nothing(store, selection, near):
    copies(store).forget("b2")
    before = state(store)
    told = store.forget(**selection, near=near, dry_run=True)
    assert state(store) == before
    assert (told.dry_run, told.entries) == (True, ())
    done = store.forget(**selection, near=near)
    assert (done.ids, done.unchanged, done.unknown, done.near) == (told.ids, told.unchanged, told.unknown, told.near)
    assert not done.dry_run
    assert store.verify() == []


def test_the_suggested_cosines_follow_the_room_of_the_embedder_and_are_never_a_default(store_of):
    store = copies(store_of(kappa=20.0))
    assert store.suggested_near == pytest.approx({"copies": 0.9025, "windows": 0.85})  # mu0 = .25
    assert store.forget("a0").ids == ("a0",)
    assert [one.id for one in store.forget("b0", near="copies").near] == ["b1"]
    store.calibrate(kappa=50.0)
    assert store.suggested_near == pytest.approx({"copies": 0.7 + 0.87 * 0.3, "windows": 0.7 + 0.8 * 0.3})
    assert store.verify() == []


def test_everything_within_a_cosine_is_found_however_many_are_compared(rng, monkeypatch):
    monkeypatch.setattr(nearby, "_ROWS", 7)
    monkeypatch.setattr(nearby, "_PLACES", 3)
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    numbers = np.flatnonzero(rng.random(60) < 0.8)
    points, cosines, to = nearby.within(rows, numbers, rows[:10], 0.5)
    table = rows[numbers] @ rows[:10].T
    expected = {numbers[i]: (table[i].max(), table[i].argmax()) for i in np.flatnonzero(table.max(axis=1) >= 0.5)}
    assert dict(zip(points, cosines, strict=True)) == pytest.approx({p: c for p, (c, _) in expected.items()}, abs=1e-6)
    assert dict(zip(points, to, strict=True)) == {p: place for p, (_, place) in expected.items()}
    assert list(cosines) == sorted(cosines, reverse=True)
    assert len(nearby.within(rows, numbers[:0], rows[:3], 0.5)[0]) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, ValueError, "one of them"),
        ({"ids": "a0", "source": "a.md"}, ValueError, "one of them"),
        ({"source": ["a.md"]}, TypeError, "a source is"),
        ({"ids": "a0", "near": 1.5}, ValueError, "from -1 to 1"),
        ({"ids": "a0", "near": "twins"}, ValueError, "'copies' or 'windows'"),
        ({"ids": "a0", "near": float("nan")}, ValueError, "from -1 to 1"),
        ({"ids": "a0", "near": True}, ValueError, "from -1 to 1"),
        ({"ids": "a0", "dry_run": 1}, TypeError, "dry_run"),
    ],
)
def test_a_forget_that_means_nothing_is_refused_and_changes_nothing(store, arguments, error, says):
    before = state(copies(store))
    with pytest.raises(error, match=says):
        store.forget(**arguments)
    assert state(store) == before


def test_a_dry_run_of_another_process_sees_what_was_written_meanwhile(tmp_path):
    with FieldStore(tmp_path / "s") as store, FieldStore(tmp_path / "s") as other:
        copies(store)
        assert other.forget(source="a.md", dry_run=True).ids == ("a0", "a1", "a2", "a3", "a4")
        store.forget("a0")
        assert other.forget(source="a.md", near=0.9, dry_run=True).ids == ("a1", "a2", "a3", "a4")
