# The promise: what is forgotten is out of every answer, at once, exactly, and can come back.
#
# Rule: each test fails when forgetting is broken in the way its name says; `tests/mutants.py` proves it.

import numpy as np
import pytest

from fieldstore import FieldStore

DIM, KAPPA = 24, 20.0


def records(rng, count):
    vectors = rng.normal(size=(count, DIM))
    return {
        "vectors": vectors,
        "texts": [f"text number {i}" for i in range(count)],
        "metadatas": [{"source": f"doc {i // 4}", "n": i} for i in range(count)],
        "ids": [f"note-{i}" for i in range(count)],
    }


def without(batch, number):
    return {
        name: np.delete(values, number, axis=0) if name == "vectors" else values[:number] + values[number + 1 :]
        for name, values in batch.items()
    }


def ids_of(hits):
    return [hit.id for hit in hits]


def everything_said(hits):
    """All ids in an answer, the members of attractors too."""
    return {id for hit in hits for id in [hit.id, *ids_of(hit.members)]}


def test_after_forgetting_the_field_is_bit_for_bit_the_one_that_never_held_the_record(store_of, rng):
    batch = records(rng, 300)
    forgot, never = store_of(kappa=KAPPA), store_of(kappa=KAPPA)
    forgot.add(**batch)
    never.add(**without(batch, 137))
    forgot.forget("note-137")
    places = np.concatenate([rng.normal(size=(999, DIM)), batch["vectors"][137:138]])
    assert np.array_equal(forgot.field.evaluate(places), never.field.evaluate(places))
    assert np.array_equal(forgot.field.gradient(places[:50]), never.field.gradient(places[:50]))
    assert forgot.verify() == never.verify() == []


@pytest.mark.parametrize("options", [{}, {"smooth": True}, {"by": "attractors"}, {"by": "attractors", "per": "source"}])
def test_after_forgetting_every_ranking_is_the_one_of_a_store_that_never_held_the_record(store_of, rng, options):
    batch = records(rng, 200)
    forgot, never = store_of(kappa=KAPPA), store_of(kappa=KAPPA)
    forgot.add(**batch)
    never.add(**without(batch, 10))
    forgot.forget("note-10")
    for query in [batch["vectors"][10], *rng.normal(size=(20, DIM))]:
        assert forgot.search(query, 12, **options) == never.search(query, 12, **options)
    assert forgot.verify() == []


def test_a_forgotten_record_is_in_no_answer_of_any_verb(store, rng):
    batch = records(rng, 60)
    store.add(**batch)
    query = batch["vectors"][7]
    assert store.search(query, 1)[0].id == "note-7"
    store.forget("note-7")
    for options in ({}, {"smooth": True}, {"by": "attractors"}, {"where": {"n": {"$lt": 10}}}):
        assert "note-7" not in everything_said(store.search(query, 60, **options))
    assert store.get("note-7") == [] == store.get(where={"n": 7})
    assert "note-7" not in {record.id for record in store.get()}
    assert not store.exists("note-7")
    assert "note-7" not in store.ids()
    assert store.count() == 59
    assert store.count({"n": 7}) == 0
    assert store.ids(forgotten=True) == ["note-7"]
    carriers = {carrier.id for other in store.residual(["note-7", "note-8"]) for carrier in other.carriers}
    assert "note-7" not in carriers
    assert store.verify() == []


def test_restoring_brings_back_exactly_what_was_forgotten(store, rng):
    batch = records(rng, 50)
    store.add(**batch)
    store.reweight("note-3", 2.5)
    places = rng.normal(size=(100, DIM))
    before, hits = store.field.evaluate(places), store.search(batch["vectors"][3], 5)
    store.forget("note-3")
    assert store.search(batch["vectors"][3], 5) != hits
    receipt = store.restore("note-3")
    assert receipt.ids == ("note-3",)
    assert np.array_equal(store.field.evaluate(places), before)
    assert store.search(batch["vectors"][3], 5) == hits
    assert store.verify() == []


def test_forgetting_twice_or_the_unknown_appends_nothing(store, rng):
    store.add(**records(rng, 5))
    first = store.forget(["note-1", "nobody"])
    entries = store.stats()["entries"]
    second = store.forget(["note-1", "nobody"])
    assert (first.ids, first.unknown, len(first.entries)) == (("note-1",), ("nobody",), 1)
    assert (second.ids, second.unchanged, second.entries) == ((), ("note-1",), ())
    assert store.restore("note-2").entries == ()
    assert store.stats()["entries"] == entries
    assert store.verify() == []


def test_forgetting_by_filter_takes_all_that_match_and_nothing_else(store, rng):
    store.add(**records(rng, 20))
    receipt = store.forget(where={"source": "doc 2"}, reason="contract ended", actor="ops")
    assert set(receipt.ids) == {"note-8", "note-9", "note-10", "note-11"}
    assert store.count() == 16
    assert set(store.restore(where={"source": "doc 2"}).ids) == set(receipt.ids)
    assert store.count() == 20
    assert store.verify() == []


def test_forgetting_costs_one_entry_and_never_the_vector_again(store, rng):
    store.add(**records(rng, 3))
    before = store.stats()
    store.forget("note-0")
    after = store.stats()
    assert (after["entries"], after["points"]) == (before["entries"] + 1, before["points"])
    added, forgot = store.history("note-0")
    assert (forgot.kind, forgot.weight, forgot.ref) == ("forget", -added.weight, added.seq)


def test_a_forget_survives_closing_and_opening_again(tmp_path, rng):
    batch = records(rng, 30)
    with FieldStore(tmp_path / "notes") as store:
        store.add(**batch)
        store.forget("note-4", reason="asked to", actor="dpo")
    with FieldStore(tmp_path / "notes") as store:
        assert "note-4" not in ids_of(store.search(batch["vectors"][4], 30))
        assert store.history("note-4")[-1].reason == "asked to"
        store.restore("note-4")
    with FieldStore(tmp_path / "notes") as store:
        assert store.search(batch["vectors"][4], 1)[0].id == "note-4"
        assert store.verify() == []


def test_adding_a_forgotten_id_again_revives_it_without_a_second_point(store, rng):
    batch = records(rng, 4)
    store.add(**batch)
    store.forget("note-2")
    points = store.stats()["points"]
    store.add(batch["vectors"][2], texts=["new words"], ids=["note-2"])
    assert store.get("note-2")[0].text == "new words"
    assert [entry.kind for entry in store.history("note-2")] == ["add", "forget", "restore", "update"]
    assert store.stats()["points"] == points
    assert store.verify() == []


def test_a_forgotten_version_stays_forgotten_when_the_id_gets_another_vector(store, rng):
    batch = records(rng, 4)
    store.add(**batch)
    store.forget("note-2")
    store.add(-batch["vectors"][2], texts=["another"], ids=["note-2"])
    assert store.ids(forgotten=True) == []
    assert store.restore("note-2").unchanged == ("note-2",)
    assert store.restore(where={"n": 2}).ids == ()  # the old version matches, but is not the newest
    assert [record.text for record in store.get("note-2")] == ["another"]
    assert store.count() == 4
    assert store.verify() == []


def test_residuals_name_the_near_copies_that_still_carry_the_content(store, rng):
    vectors = rng.normal(size=(40, DIM))
    vectors[21] = vectors[20]
    store.add(vectors, ids=[f"n{i}" for i in range(40)])
    (alone,) = store.residual("n5")
    (before,) = store.residual("n20")
    (after,) = store.forget("n20").residuals()
    assert alone.residual < 1e-3
    assert not alone.flagged
    assert before == after
    assert after.residual == pytest.approx(0.5, abs=1e-3)
    assert after.flagged
    assert after.carriers[0].id == "n21"
    assert after.carriers[0].share == pytest.approx(1.0, abs=1e-3)
    store.forget("n21")
    assert store.residual("n20")[0].copies < 1e-3
    assert store.verify() == []


def test_what_is_forgotten_stays_forgotten_when_kappa_changes(store, rng):
    batch = records(rng, 30)
    store.add(**batch)
    store.forget("note-7")
    store.reweight("note-8", 2.0)
    store.calibrate(kappa=5.0)
    for options in ({}, {"by": "attractors"}):
        assert "note-7" not in everything_said(store.search(batch["vectors"][7], 30, **options))
    assert store.search(batch["vectors"][8], 1)[0].score == pytest.approx(1 + np.log(2) / 5.0)
    assert store.verify() == []
