"""Searching among some records only, named by their ids; and naming records by when they changed."""

from datetime import UTC, datetime

import numpy as np
import pytest

from fieldstore import FieldStore, Record

DIM, COUNT = 8, 60
NAMES = [f"r{i:02}" for i in range(COUNT)]


@pytest.fixture
def filled(store, rng):
    store.add(rng.normal(size=(COUNT, DIM)), ids=NAMES, metadatas=[{"n": i, "of": i % 3} for i in range(COUNT)])
    yield store
    assert store.verify() == []


def found(one, query, k=COUNT, **options):
    return [hit.id for hit in one.search(query, k, **options)]


@pytest.mark.parametrize(
    "options", [{}, {"smooth": True}, {"exact": True}, {"by": "attractors", "reach": 0.9999}], ids=str
)
def test_only_these_records_answer_however_far_away_they_are(filled, rng, options):
    query = rng.normal(size=DIM)
    farthest = found(filled, query)[-5:]
    assert set(found(filled, query, 5, ids=farthest, **options)) == set(farthest)
    assert found(filled, query, 3, ids=farthest, exact=True) == farthest[:3]


def test_ids_and_a_filter_must_both_be_satisfied(filled, rng):
    query, some = rng.normal(size=DIM), NAMES[10:40]
    both = found(filled, query, ids=some, where={"of": 1})
    assert both == [id for id in found(filled, query, where={"of": 1}) if id in some]
    assert filled.count({"of": 1}, ids=some) == len(both) == 10
    assert filled.count(ids=some) == 30


def test_no_ids_are_no_records_and_unknown_or_repeated_ones_do_not_count(filled, rng):
    query = rng.normal(size=DIM)
    assert found(filled, query, ids=[]) == []
    assert filled.count(ids=[]) == 0
    assert found(filled, query, ids=["nobody", "r07", "r07"]) == ["r07"]
    assert filled.count(ids=["nobody", "r07", "r07"]) == 1
    assert found(filled, query, ids="r07") == ["r07"]  # one string is one id, as everywhere


def test_what_is_forgotten_or_erased_is_not_among_them_and_what_is_restored_is(filled, rng):
    query = rng.normal(size=DIM)
    filled.forget(["r01", "r02"])
    assert found(filled, query, ids=["r01", "r02", "r03"]) == ["r03"]
    filled.restore(["r01"])
    filled.erase(["r02"])
    assert set(found(filled, query, ids=["r01", "r02", "r03"])) == {"r01", "r03"}
    assert filled.count(ids=["r01", "r02", "r03"]) == 2


def test_only_the_newest_version_of_a_record_answers(filled):
    towards, away = np.eye(DIM)[0], -np.eye(DIM)[0]
    filled.add([towards], ids=["r05"])
    filled.add([away], ids=["r05"])
    [hit] = filled.search(towards, ids=["r05"])
    assert hit.cosine == pytest.approx(-1)


def test_many_queries_are_restricted_alike(filled, rng):
    queries, some = rng.normal(size=(5, DIM)), NAMES[::4]
    each = [filled.search(query, 3, ids=some) for query in queries]
    assert filled.search_many(queries, 3, ids=some) == each


def test_an_empty_store_has_none_of_them(store):
    assert store.search([1.0, 0.0], ids=["r01"]) == []
    assert store.count(ids=["r01"]) == 0


@pytest.mark.parametrize(("ids", "error"), [(3, TypeError), ([3], TypeError), ([""], ValueError), (["\0"], ValueError)])
def test_what_is_no_id_is_refused(filled, ids, error):
    with pytest.raises(error, match="id"):
        filled.search(np.ones(DIM), ids=ids)
    with pytest.raises(error, match="id"):
        filled.count(ids=ids)


def test_the_past_is_searched_among_some_records_too(filled, rng):
    query, some = rng.normal(size=DIM), ["r01", "r02", "r03", "nobody"]
    then = filled.as_of(filled.stats()["entries"] - 1)
    before = found(filled, query, ids=some, where={"of": {"$ne": 0}}, exact=True)
    filled.add(rng.normal(size=(2, DIM)), ids=["r01", "new"])
    filled.forget(["r02"])
    assert found(then, query, ids=[*some, "new"], where={"of": {"$ne": 0}}) == [id for id in before if id != "r02"]
    assert then.count(ids=[*some, "new"]) == 2  # r01 as it was, and r03


def test_thousands_of_ids_in_a_store_with_cells_answer_as_a_filter_would(rng):
    rows = rng.normal(size=(9000, 240)).astype(np.float32)  # enough numbers for cells
    with FieldStore(dim=240) as store:
        store.add(rows, ids=[f"p{i}" for i in range(9000)], metadatas=[{"even": i % 2 == 0} for i in range(9000)])
        query = rng.normal(size=240)
        even = [f"p{i}" for i in range(0, 9000, 2)]
        assert store.search(query, 20, ids=even) == store.search(query, 20, where={"even": True})
        assert store.count(ids=even) == 4500
        assert store.verify() == []


# -- naming records by when they changed, and the forgotten ones


def test_ids_can_be_kept_to_what_changed_before_or_after_a_position(filled):
    before = filled.seq
    filled.update(["r01"], texts=["new"])
    filled.reweight(["r02"], 2.0)
    filled.forget(["r03", "r04"])
    filled.restore(["r04"])
    assert filled.ids(changed_after=before) == ["r01", "r02", "r04"]
    assert filled.ids(changed_before=before + 1) == [id for id in NAMES if id not in ("r01", "r02", "r03", "r04")]
    assert filled.ids(changed_after=before, where={"of": 1}, limit=1) == ["r01"]
    assert filled.ids(changed_after=before, after="r01") == ["r02", "r04"]
    assert filled.ids(forgotten=True, changed_after=before) == ["r03"]
    assert filled.ids(changed_after=filled.seq) == filled.ids(changed_before=0) == []


def test_ids_can_be_kept_to_what_changed_before_or_after_a_time(store, monkeypatch):
    def at(seconds):
        monkeypatch.setattr("time.time", lambda: seconds)
        return datetime.fromtimestamp(seconds, UTC)

    for second in (100.2, 101.9, 103.0):
        at(second)
        store.add([1.0, second], ids=[f"r{int(second)}"])
    assert store.ids(changed_before=at(101.0)) == ["r100"]  # entries keep whole seconds: 101.9 is 101
    assert store.ids(changed_before=at(101.5)) == ["r100", "r101"]
    assert store.ids(changed_after=at(101.0)) == store.ids(changed_after=at(101.9)) == ["r103"]
    assert store.ids(changed_after=at(100.0), changed_before=at(103.0)) == ["r101"]
    with pytest.raises(ValueError, match="changed_before needs a time zone"):
        store.ids(changed_before=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="a position"):
        store.ids(changed_after=-7)
    assert store.verify() == []


def test_seq_is_the_newest_entrys_position(store):
    assert store.seq == -1
    store.add([[1.0, 0.0], [0.0, 1.0]])
    assert store.seq == 1 == next(reversed(list(store.entries()))).seq


def test_what_is_forgotten_is_shown_to_who_asks_for_it_by_name_and_never_what_is_erased(store):
    store.add(np.eye(3), ids=list("abc"), texts=["A", "B", "C"], metadatas=[{"n": 1}, {"n": 2}, {"n": 2}], weights=2.0)
    store.forget(["c", "a", "b"])
    store.erase(["b"])
    assert store.forgotten() == [Record("a", "A", {"n": 1}, 2.0), Record("c", "C", {"n": 2}, 2.0)]
    assert store.forgotten(["c", "b", "nobody"]) == store.forgotten(where={"n": 2}) == store.forgotten()[1:]
    assert store.get() == store.search([1, 1, 1]) == store.forgotten([]) == []
    store.restore(["a"])
    assert [record.id for record in store.forgotten()] == ["c"]
    assert store.get(["a"]) == [Record("a", "A", {"n": 1}, 2.0)]
    assert store.verify() == []
