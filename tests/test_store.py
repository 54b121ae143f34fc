# The verbs that keep and find, as a user sees them.

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from fieldstore import FieldStore, Hit, StoreClosed, UnknownRecord

DIM = 16


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(12, DIM))


@pytest.fixture
def filled(store, vectors):
    store.add(
        vectors,
        texts=[f"text {i}" for i in range(12)],
        metadatas=[{"n": i, "deep": {"list": [i, None, True]}} for i in range(12)],
        ids=[f"r{i:02}" for i in range(12)],
    )
    return store


def test_the_nearest_record_is_found_with_everything_that_was_stored(filled, vectors):
    hit = filled.search(vectors[5], 3)[0]
    assert (hit.id, hit.text, hit.metadata) == ("r05", "text 5", {"n": 5, "deep": {"list": [5, None, True]}})
    assert hit.score == hit.cosine == pytest.approx(1.0, abs=1e-6)
    assert hit.weight == 1.0
    assert sum(hit.share for hit in filled.search(vectors[5], 12)) == pytest.approx(1.0)
    assert filled.verify() == []


def test_a_search_gives_at_most_what_is_there_and_an_empty_store_gives_nothing(filled, store_of, vectors):
    assert len(filled.search(vectors[0], 10**7)) == 12
    assert store_of().search(vectors[0]) == []
    assert store_of(dim=DIM).search(vectors[0]) == []


def test_many_queries_give_what_each_gives_alone(filled, vectors, rng):
    queries = rng.normal(size=(5, DIM))
    assert filled.search_many(queries, 4) == [filled.search(query, 4) for query in queries]
    assert filled.search_many(np.empty((0, DIM))) == []


def test_results_below_the_least_score_are_left_out(filled, vectors):
    hits = filled.search(vectors[1], 12)
    assert filled.search(vectors[1], 12, min_score=hits[3].score) == hits[:4]


def test_attractors_answer_once_for_near_copies_and_say_for_whom(store, vectors, rng):
    copies = np.repeat(vectors[:3], 4, axis=0) + rng.normal(scale=1e-3, size=(12, DIM))
    store.add(copies, ids=[f"c{i}" for i in range(12)])
    hits = store.search(vectors[1], 3, by="attractors")
    assert {member.id for member in hits[0].members} | {hits[0].id} == {"c4", "c5", "c6", "c7"}
    assert hits[0].cosine >= max(member.cosine for member in hits[0].members)
    assert hits[0].share > sum(hit.share for hit in hits[1:])


def test_per_source_each_source_answers_once(store, vectors):
    store.add(vectors, metadatas=[{"source": f"d{i % 3}"} for i in range(12)])
    hits = store.search(vectors[0], 12, by="attractors", per="source", reach=2.0)
    assert sorted(hit.metadata["source"] for hit in hits) == ["d0", "d1", "d2"]


def test_storing_the_same_again_writes_nothing(filled, vectors):
    before = filled.stats()
    record = filled.get("r03", vectors=True)[0]
    filled.add(vectors[3], texts=["text 3"], metadatas=[{"deep": {"list": [3, None, True]}, "n": 3}], ids=["r03"])
    filled.add(record.vector, texts=[record.text], metadatas=[record.metadata], ids=["r03"])  # as it was read
    assert filled.stats() == before


def test_an_upsert_replaces_the_record_and_keeps_one_of_it(filled, vectors, rng):
    fresh = rng.normal(size=DIM)
    filled.add(fresh, texts=["changed"], metadatas=[{"v": 2}], ids=["r03"])
    assert filled.count() == 12
    assert filled.search(fresh, 1)[0].text == "changed"
    assert "r03" not in [hit.id for hit in filled.search(vectors[3], 3) if hit.cosine > 0.99]
    assert [entry.kind for entry in filled.history("r03")] == ["add", "supersede", "add"]
    assert filled.verify() == []


def test_an_update_changes_text_or_metadata_and_keeps_the_vector(filled, vectors):
    receipt = filled.update(["r01", "r02"], texts=["one", "text 2"])
    assert (receipt.ids, receipt.unchanged) == (("r01",), ("r02",))
    filled.update("r02", metadatas={"only": "this"})
    one, two = filled.get(["r01", "r02"])
    assert (one.text, one.metadata["n"], two.text, two.metadata) == ("one", 1, "text 2", {"only": "this"})
    assert filled.search(vectors[1], 1)[0].id == "r01"
    assert filled.count({"only": "this"}) == 1
    with pytest.raises(UnknownRecord, match=r"no record 'nobody'.*nothing was changed"):
        filled.update(["r03", "nobody"], texts=["x", "y"])
    assert filled.get("r03")[0].text == "text 3"
    assert filled.verify() == []


def test_a_heavier_record_ranks_higher_by_the_logarithm_of_its_weight(filled, vectors):
    score = filled.search(vectors[6], 1)[0].score
    filled.reweight("r06", 2.0)
    hit = filled.search(vectors[6], 1)[0]
    assert hit.score - score == pytest.approx(np.log(2) / filled.kappa)
    assert (hit.weight, filled.reweight("r06", 2).unchanged) == (2.0, ("r06",))
    filled.add(vectors[6], texts=["text 6"], ids=["r06"], weights=0.5)
    assert filled.get("r06")[0].weight == 0.5
    assert filled.verify() == []


def test_get_keeps_the_order_asked_for_and_leaves_out_the_unknown(filled):
    assert [record.id for record in filled.get(["r05", "nobody", "r01", "r05"])] == ["r05", "r01"]
    assert [record.id for record in filled.get(where={"n": {"$in": [2, 7]}})] == ["r02", "r07"]
    assert [record.id for record in filled.get(["r02", "r03"], where={"n": 3})] == ["r03"]
    assert len(filled.get()) == 12


def test_returned_metadata_is_the_callers_own(filled):
    filled.get("r00")[0].metadata["deep"]["list"].append("mine")
    assert filled.get("r00")[0].metadata["deep"]["list"] == [0, None, True]


def test_ids_come_sorted_and_in_pages(filled):
    everything = [f"r{i:02}" for i in range(12)]
    assert filled.ids() == everything
    assert filled.ids(limit=5) + filled.ids(limit=50, after="r04") == everything
    assert filled.ids(where={"n": {"$gte": 10}}) == ["r10", "r11"]
    filled.forget("r04")
    assert filled.ids(limit=1, after="r03") == ["r05"]


def test_kappa_measures_itself_once_and_is_then_frozen(store_of, rng):
    store = store_of()
    crowd = (
        rng.normal(size=(300, DIM)) + 1.0
    )  # everything leans one way, so there is less room than the default assumes
    store.add(crowd[:200])
    assert (store.kappa, store.stats()["measured_from"]) == (20.0, 0)
    store.add(crowd[200:])
    measured = store.kappa
    assert store.stats()["measured_from"] == 256
    assert measured > 20.0
    store.add(rng.normal(size=(50, DIM)) - 1.0)
    assert store.kappa == measured
    assert store.calibrate() != measured
    assert store.calibrate(kappa=33.0) == 33.0
    fixed = store_of(kappa=50.0)
    fixed.add(crowd)
    assert fixed.kappa == 50.0
    assert store.verify() == fixed.verify() == []


def test_a_store_opens_again_as_it_was_without_being_told_anything(tmp_path, vectors, rng):
    with FieldStore(tmp_path / "s", kappa=30.0, embedder="model-a", source_key="doc") as store:
        store.add(vectors, ids=[f"r{i}" for i in range(12)])
        store.reweight("r3", 3.0)
        query = rng.normal(size=DIM)
        hits = store.search(query, 12)
    with FieldStore(tmp_path / "s") as store:
        assert (store.dim, store.kappa, store.embedder, store.source_key) == (DIM, 30.0, "model-a", "doc")
        assert store.search(query, 12) == hits
        assert store.verify() == []


@pytest.mark.parametrize("by", ["nearest", "attractors"])
def test_a_hit_is_a_plain_value_that_nobody_changes(filled, rng, by):
    for hit in filled.search(rng.normal(size=DIM), 12, by=by):
        assert type(hit) is Hit
        values = [getattr(hit, each.name) for each in dataclasses.fields(Hit)]
        assert hit == Hit(*values) == pickle.loads(pickle.dumps(hit)) == copy.deepcopy(hit)
        assert repr(hit) == repr(Hit(*values))
        for each in dataclasses.fields(Hit):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(hit, each.name, None)
        with pytest.raises((AttributeError, TypeError)):
            hit.more = 1
    assert filled.verify() == []


def test_a_closed_store_says_so_and_a_store_is_never_pickled(filled):
    with pytest.raises(TypeError, match=r"open it again with FieldStore\(path\)"):
        pickle.dumps(filled)
    filled.close()
    filled.close()
    with pytest.raises(StoreClosed, match=r"open it again|Open it again"):
        filled.count()


def test_the_history_tells_who_did_what_and_why(filled):
    filled.forget("r01", reason="asked to", actor="dpo")
    filled.restore("r01", reason="by mistake")
    added, forgot, back = filled.history("r01")
    assert [(e.kind, e.weight, e.actor, e.reason) for e in (added, forgot, back)] == [
        ("add", 1.0, None, None),
        ("forget", -1.0, "dpo", "asked to"),
        ("restore", 1.0, None, "by mistake"),
    ]
    assert forgot.ref == added.seq
    assert back.ref == forgot.seq
    assert filled.history("nobody") == []
    assert [e.seq for e in filled.entries(after=added.seq, limit=3)] == [added.seq + i for i in (1, 2, 3)]
    assert filled.verify() == []


def test_the_ledger_holds_no_content(tmp_path, vectors):
    """Law 2: ids, texts, metadata and vectors are nowhere in the ledger's bytes."""
    with FieldStore(tmp_path / "s") as store:
        store.add(
            vectors[:1], texts=["SECRETTEXT"], metadatas=[{"k": "SECRETMETA"}], ids=["SECRETID"], reason="SECRETWHY"
        )
        store.forget("SECRETID", actor="SECRETWHO")
        row = store.get(where=None, vectors=True)
        ledger = b"".join(leaf for _, leaf in store._mirror.folder.database.entries())
    assert row == []
    assert b"SECRET" not in ledger
    assert np.float32(vectors[0] / np.linalg.norm(vectors[0])).tobytes()[:8] not in ledger


def test_an_update_with_a_vector_moves_a_live_record_and_never_revives_a_forgotten_one(filled, vectors, rng):
    fresh = rng.normal(size=(2, DIM))
    filled.reweight("r01", 3.0)
    receipt = filled.update(["r01", "r02"], vectors=np.stack([fresh[0], vectors[2]]), texts=["moved", "text 2"])
    assert (receipt.ids, receipt.unchanged) == (("r01",), ("r02",))
    moved = filled.search(fresh[0], 1)[0]
    assert (moved.id, moved.text, moved.metadata["n"], moved.weight) == ("r01", "moved", 1, 3.0)
    filled.forget("r03")
    before = filled.stats()
    with pytest.raises(UnknownRecord, match=r"'r03'.*forgotten"):
        filled.update(["r04", "r03"], vectors=fresh)
    with pytest.raises(ValueError, match="1 vectors were given for 2 records"):
        filled.update(["r04", "r05"], vectors=fresh[:1])
    assert filled.stats() == before
    assert filled.verify() == []


def test_per_reaches_nested_keys_and_residuals_can_look_at_some_records_only(store, vectors):
    store.add(
        np.repeat(vectors[:1], 12, axis=0),
        ids=[f"c{i:02}" for i in range(12)],
        metadatas=[{"from": {"file": "log" if i < 11 else "other"}} for i in range(12)],
    )
    hits = store.search(vectors[0], 5, by="attractors", per="from.file", reach=2.0)
    assert [hit.metadata["from"]["file"] for hit in hits] == ["log", "other"]
    (crowded,) = store.residual("c00")
    (elsewhere,) = store.residual("c00", where={"from.file": {"$ne": "log"}})
    assert len(crowded.carriers) == 10
    assert [carrier.id for carrier in elsewhere.carriers] == ["c11"]
    assert elsewhere.copies == pytest.approx(1.0, abs=1e-3)
    assert len(store.residual("c00", carriers=50)[0].carriers) == 11
