# Explanations: that they add up, name who pulled, and can be read.
"""`explain`: why records answer."""

import json
import math

import numpy as np
import pytest

from fieldstore import FieldStore, UnknownRecord
from fieldstore.engine import weighted
from tests import naive

WAYS = [{}, {"smooth": True}, {"by": "attractors"}, {"by": "attractors", "per": "source"}, {"by": "ascent"}]


def filled(rng, count=150, dim=12, **options):
    store = FieldStore(kappa=30.0, **options)
    vectors = naive.clustered(rng, count, dim)
    vectors[1] = vectors[0]
    weights = [2.0 if i % 7 == 3 else 1.0 for i in range(count)]
    sources = [{"source": i % 40} for i in range(count)]
    store.add(vectors, ids=[f"n{i}" for i in range(count)], metadatas=sources, weights=weights)
    return store, vectors


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("repelled", [False, True])
def test_a_cosine_and_all_that_pulled_it_add_up_to_the_score(rng, way, repelled):
    store, vectors = filled(rng)
    if repelled:
        store.repel(vectors[5], 0.75)
        store.repel(vectors[6], 0.9)
    for query in naive.unit(vectors[3:8] + 0.3 * naive.spread(rng, 5, 12)):
        hits = store.search(query, 8, **way)
        options = {name: value for name, value in way.items() if name == "per"}
        told = store.explain(query, hits, **({"by": "attractors"} | options if options else {}))
        assert told == store.explain(query, k=8, **way)
        assert [(one.id, one.score, one.cosine, one.weight) for one in told.hits] == [
            (hit.id, hit.score, pytest.approx(hit.cosine, abs=1e-6), hit.weight) for hit in hits
        ]
        for one in told.hits:
            assert one.ranked != "otherwise"
            tiny = 5e-5 * len(store.repellers())  # a repeller hardly felt is not named
            assert one.score == pytest.approx(one.cosine + sum(pull.by for pull in one.pulls), abs=2e-6 + tiny)
    assert store.verify() == []


def test_shares_and_attractors_are_those_that_searches_tell(rng):
    store, vectors = filled(rng)
    told = {one.id: one for one in store.explain(vectors[0], k=20).hits}
    for hit in store.search(vectors[0], 20):
        assert told[hit.id].share == pytest.approx(hit.share, rel=1e-9)
    for hit in store.search(vectors[0], 100, by="attractors"):
        for member in hit.members:
            if member.id in told:
                assert told[member.id].attractor == hit.id
        if hit.id in told:
            assert (told[hit.id].attractor, told[hit.id].members) == (hit.id, tuple(each.id for each in hit.members))


def test_what_is_hidden_can_be_asked_for_and_names_who_hides_it(rng):
    store, vectors = filled(rng)
    name = store.repel("n0", 0.9).name
    (told,) = store.explain(vectors[0], ["n1"]).hits
    assert (told.score, told.similarity, told.share, told.attractor) == (None, None, 0.0, None)
    assert [(pull.what, pull.name, pull.by) for pull in told.pulls] == [("repeller", name, None)]
    assert told.pulls[0].copies == pytest.approx(math.exp(3.0), rel=1e-4)
    assert "hidden: out of every ranking by the field" in str(told)
    assert f"down to nothing by repeller {name} at cosine 1.000" in str(told)


def test_the_field_is_exact_and_what_the_candidates_leave_out_is_bounded(rng, monkeypatch):
    store, vectors = filled(rng, 300)
    told = store.explain(vectors[0])
    assert told.phi == pytest.approx(store.field.evaluate(vectors[0])[0], rel=1e-6)
    assert told.candidates == 100
    assert 0 < told.phi - told.local_phi <= told.bound
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    store, vectors = filled(rng, 2000)
    assert store.explain(vectors[0]).bound is None
    assert "no bound" in str(store.explain(vectors[0]))
    assert store.explain(vectors[0], exact=True).bound > 0


def test_a_score_of_words_is_told_as_such(rng):
    store, vectors = filled(rng, text_index=True)
    store.add(vectors[:1], ids=["worded"], texts=["the blue pot"])
    hits = store.search(vectors[0], 3, by="hybrid", text="pot")
    assert {one.ranked for one in store.explain(vectors[0], hits).hits} == {"otherwise"}


def test_an_explanation_reads_as_text_and_as_json(rng):
    store, vectors = filled(rng)
    told = store.explain(vectors[0], k=2, by="attractors")
    assert json.loads(told.to_json()) == json.loads(json.dumps(told.to_dict()))
    lines = str(told).splitlines()
    assert lines[0].startswith("the field here: ")
    assert lines[4].startswith("1. n0  score ")
    assert "speaks for n1" in str(told)
    far = -vectors[0]
    store.repel(far, 0.9)
    assert json.loads(store.explain(far).to_json())["similarity"] is None


def test_what_cannot_be_explained_is_refused(rng):
    store, vectors = filled(rng)
    with pytest.raises(UnknownRecord, match="'nobody'"):
        store.explain(vectors[0], ["nobody"])
    store.forget("n4")
    with pytest.raises(UnknownRecord, match="forgotten"):
        store.explain(vectors[0], ["n4"])
    with pytest.raises(ValueError, match="one query"):
        store.explain(vectors[:2])
    with pytest.raises(ValueError, match="unknown mode"):
        store.explain(vectors[0], by="magic")
    with pytest.raises(ValueError, match="no dimension"):
        FieldStore().explain(vectors[0], [])
    assert store.explain(vectors[0], []).hits == ()
    assert np.isfinite(store.explain(vectors[0], []).phi)


def test_hits_by_words_alone_are_told_what_the_field_makes_of_them(rng):
    store = FieldStore(text_index=True)
    store.add(rng.normal(size=(4, 8)), ids=list("abcd"), texts=["red", "blue", "red and blue", "green"])
    query = rng.normal(size=8)
    hits = store.search(None, by="text", text="red", k=3)
    assert all(math.isnan(hit.share) for hit in hits)
    told = store.explain(query, hits)
    assert "nan" not in str(told)
    assert len(json.loads(told.to_json())["hits"]) == 2
    shares = {hit.id: hit.share for hit in store.search(query)}
    for one in told.hits:
        assert one.share == pytest.approx(shares[one.id], rel=1e-6)
    assert store.verify() == []


def test_one_hit_or_one_id_may_be_asked_for_without_a_list(rng):
    store, vectors = filled(rng)
    hit = store.search(vectors[3], 1)[0]
    assert store.explain(vectors[3], hit) == store.explain(vectors[3], [hit])
    assert store.explain(vectors[3], "n12") == store.explain(vectors[3], ["n12"])
    assert store.verify() == []


@pytest.mark.filterwarnings("error")
def test_a_repeller_that_takes_nothing_measurable_off_pulls_nothing():
    store = FieldStore(kappa=1e6)
    store.add(np.eye(3), ids=list("abc"))
    store.repel([0.0, 0.0, 1.0], 0.9)
    assert store.explain([1.0, 0.1, 0.0], ["a"]).hits[0].pulls == ()
    assert store.verify() == []
