"""Views of the past: what they show of then, and that nothing erased or forgotten comes back through them."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from fieldstore import FieldStore, StoreClosed

DIM = 6
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fill(store, rng, count=12):
    ids = [f"r{i}" for i in range(count)]
    texts = [f"text {i}" for i in range(count)]
    store.add(
        rng.normal(size=(count, DIM)), ids=ids, texts=texts, metadatas=[{"n": i, "of": i % 3} for i in range(count)]
    )
    return ids


def shown(one, query, **exact):
    """What a store or a view answers, all of it."""
    return (
        one.search(query, 30, **exact),
        one.search(query, 4, where={"n": {"$gte": 2}}, smooth=True, **exact),
        one.search(query, 5, by="attractors", per="of", **exact),
        one.get(),
        one.get(["r3", "r1", "nobody", "r3"], where={"of": {"$ne": 2}}),
        one.count(),
        one.count({"n": {"$lt": 7}}),
        one.ids(),
        one.ids(limit=3, after="r1", where={"n": {"$gt": 0}}),
        one.exists("r2"),
        one.kappa,
    )


def test_a_view_answers_what_the_store_answered_then_to_the_bit(store, rng):
    """Every state of a random life with forgetting, restoring, weights, new vectors and new kappas."""
    query, places = rng.normal(size=DIM), rng.normal(size=(5, DIM))
    ids, states = fill(store, rng), []
    for turn in range(60):
        id = ids[rng.integers(len(ids))]
        choice = turn % 6
        if choice == 0:
            store.forget(id)
        elif choice == 1:
            store.restore(ids[: rng.integers(1, 6)])
        elif choice == 2 and store.exists(id):
            store.reweight(id, float(rng.uniform(0.5, 4.0)))
        elif choice == 3:
            store.add(rng.normal(size=DIM), ids=[id], texts=[f"turn {turn}"], metadatas=[{"n": turn, "of": 1}])
        elif choice == 4:
            store.add(rng.normal(size=(2, DIM)), ids=[f"new {turn}", f"newer {turn}"], metadatas=[{"n": 1}, {"of": 2}])
        elif turn % 12 == 5:
            store.calibrate(float(rng.uniform(5, 50)))
        states.append((store.stats()["entries"] - 1, shown(store, query, exact=True), store.field.evaluate(places)))
    for seq, expected, phi in states:
        view = store.as_of(seq, forgotten=True)
        assert shown(view, query) == expected
        assert np.array_equal(view.field.evaluate(places), phi)
        assert (view.seq, view.gaps()) == (seq, [])
    assert store.as_of(-1).count() == 0
    assert store.verify() == []


def test_a_view_by_time_takes_in_what_happened_up_to_that_second(store, rng, monkeypatch):
    for hour in range(3):
        monkeypatch.setattr(time, "time", lambda now=NOON + timedelta(hours=hour): now.timestamp() + 0.25)
        store.add(rng.normal(size=DIM), ids=[f"r{hour}"])
    for after, count in ((-1, 0), (0, 1), (3599.9, 1), (3600, 2), (7199, 2), (7200, 3), (10**6, 3)):
        view = store.as_of(NOON + timedelta(seconds=after))
        assert view.count() == count
        assert view.time is None or view.time <= NOON + timedelta(seconds=after)


@pytest.mark.parametrize("at", [3, -2, True, 1.5, "yesterday", None, datetime(2026, 1, 1)])
def test_a_place_that_the_ledger_does_not_have_is_refused(store, rng, at):
    store.add(rng.normal(size=(3, DIM)))
    with pytest.raises((ValueError, TypeError)):
        store.as_of(at)


def test_what_was_forgotten_since_is_visible_again_only_where_it_is_asked_for_and_never_in_the_store(store, rng):
    query, ids = rng.normal(size=DIM), fill(store, rng)
    then = store.stats()["entries"] - 1
    before = store.search(query, 30, exact=True)
    asked, unasked = store.as_of(then, forgotten=True), store.as_of(then)
    store.forget(["r4", "r5"])
    assert asked.search(query, 30) == before
    assert [hit.id for hit in unasked.search(query, 30)] == [hit.id for hit in before if hit.id not in ("r4", "r5")]
    assert unasked.get(["r4", "r5", "r6"])[0].id == "r6"
    assert (unasked.count(), unasked.exists("r4"), "r5" in unasked.ids()) == (10, False, False)
    assert unasked.gaps() == [
        "record 'r4' is forgotten; as_of(..., forgotten=True) shows it",
        "record 'r5' is forgotten; as_of(..., forgotten=True) shows it",
    ]
    assert {"r4", "r5"}.isdisjoint(hit.id for hit in store.search(query, 30))
    store.restore("r4")
    assert unasked.exists("r4")  # "forgotten now" is as of each answer
    assert len(ids) == 12
    assert store.verify() == []


def test_an_older_version_of_a_record_that_is_forgotten_is_hidden_too(store, rng):
    store.add(rng.normal(size=DIM), ids=["a"], texts=["the old one"])
    store.add(rng.normal(size=DIM), ids=["a"], texts=["the new one"])
    view = store.as_of(0)
    assert [record.text for record in view.get()] == ["the old one"]
    store.forget("a")
    assert (view.get(), view.search(rng.normal(size=DIM))) == ([], [])
    store.add(rng.normal(size=DIM), ids=["a"], texts=["a fresh start"])
    assert store.as_of(0).get() == []  # what was forgotten stays so
    assert [record.text for record in store.as_of(store.stats()["entries"] - 1).get()] == ["a fresh start"]
    assert store.verify() == []


def test_what_was_erased_stays_erased_in_every_view_and_the_view_says_so(store, rng):
    query = rng.normal(size=DIM)
    fill(store, rng)
    store.reweight("r3", 2.0)
    views = [store.as_of(seq, forgotten=True) for seq in (7, store.stats()["entries"] - 1)]
    position = store.stats()["entries"]
    store.erase("r3")
    views.append(store.as_of(5, forgotten=True))
    for view in views:
        assert "r3" not in [hit.id for hit in view.search(query, 30)]
        assert "r3" not in [member.id for hit in view.search(query, 30, by="attractors") for member in hit.members]
        assert view.get("r3") == []
        assert not view.exists("r3")
        assert "r3" not in view.ids()
    assert views[-1].count() == 5
    assert views[-1].gaps() == [f"point 3 weighed 1 then; entry {position} erased its content for good"]
    assert store.verify() == []
    store.close()
    with pytest.raises(StoreClosed):
        views[0].count()


def test_a_view_of_many_records_scores_every_one_of_them_and_learns_nothing(rng):
    with FieldStore(dim=256, kappa=20.0) as store:
        store.add(rng.normal(size=(8300, 256)).astype(np.float32))
        query, last = rng.normal(size=256), store.stats()["entries"] - 1
        expected = store.search(query, 20, exact=True)
        store.forget(expected[0].id)
        view = store.as_of(last, forgotten=True)
        assert view.search(query, 20) == expected
        assert view.field.state() is None
        assert store.verify() == []


def test_a_text_that_was_replaced_since_is_not_shown_as_that_of_then(store, rng):
    query = rng.normal(size=DIM)
    fill(store, rng)
    position = store.stats()["entries"]
    early = store.as_of(position - 1)
    store.update("r2", texts=["another text"], metadatas={"n": 2, "of": 9})
    late = store.as_of(position)
    for view in (early, store.as_of(position - 1)):
        (record,) = view.get("r2")
        assert (record.text, record.metadata, record.weight) == (None, {}, 1.0)
        assert {hit.id: hit.text for hit in view.search(query, 30)}["r2"] is None
        assert view.get(where={"of": {"$ne": 1}}) == [r for r in view.get() if r.id != "r2" and r.metadata["of"] != 1]
        assert view.gaps() == [f"record 'r2' got another text or metadata by entry {position}; the old is lost"]
    assert (late.get("r2")[0].text, late.gaps()) == ("another text", [])
    assert store.verify() == []


def test_a_view_has_no_verb_that_writes_and_leaves_no_entry(store, rng):
    fill(store, rng)
    before = store.stats()
    view = store.as_of(4)
    view.search(rng.normal(size=DIM))
    for verb in ("add", "update", "reweight", "calibrate", "forget", "restore", "erase"):
        assert not hasattr(view, verb)
    with pytest.raises(ValueError, match="view"):
        view.field.reweight([0], [0.0])
    assert store.stats() == before


def test_vectors_and_weights_of_then_come_back(store, rng):
    rows = rng.normal(size=(2, DIM))
    store.add(rows[0], ids=["a"], weights=2.5)
    store.add(rows[1], ids=["a"])
    (record,) = store.as_of(0).get("a", vectors=True)
    assert record.weight == 2.5
    assert np.allclose(record.vector, rows[0] / np.linalg.norm(rows[0]), atol=1e-6)


def test_a_store_without_a_dimension_has_a_past_too(store):
    view = store.as_of(-1)
    assert (view.search(np.ones(3)), view.get(), view.ids(), view.gaps()) == ([], [], [], [])
    with pytest.raises(ValueError, match="no dimension"):
        _ = view.field


# -- restoring ---------------------------------------------------------------------------------------------------------


def test_restore_brings_back_what_was_forgotten_and_keeps_every_later_write(store, rng):
    query = rng.normal(size=DIM)
    fill(store, rng)
    store.reweight("r1", 3.0)
    (one,) = store.get("r1", vectors=True)
    store.forget(["r1", "r2"])
    store.add(rng.normal(size=(2, DIM)), ids=["later", "r7"], texts=["a later one", "r7 anew"])
    store.update("r8", texts=["r8 anew"])
    store.reweight("r9", 0.5)
    later = [(r.id, r.text, r.weight) for r in store.get(["later", "r7", "r8", "r9"])]
    phi = store.field.evaluate(query)
    store.restore("r1")
    (back,) = store.get("r1", vectors=True)
    assert (back, back.vector.tobytes()) == (one, one.vector.tobytes())
    assert [(r.id, r.text, r.weight) for r in store.get(["later", "r7", "r8", "r9"])] == later
    assert not store.exists("r2")
    store.forget("r1")
    assert np.array_equal(store.field.evaluate(query), phi)
    assert [entry.kind for entry in store.history("r1")] == ["add", "reweight", "forget", "restore", "forget"]
    assert store.verify() == []
