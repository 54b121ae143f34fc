"""Many queries at once answer as single ones do, to the bit, and of one state of the store."""

import gc
import threading

import numpy as np
import pytest

from fieldstore import FieldStore, answers, changes
from fieldstore.engine import candidates, threads, weighted
from fieldstore.engine.field import Field, Mask
from fieldstore.storage.database import Database
from tests import naive

DIM, COUNT = 16, 700
WAYS = {
    "nearest": {},
    "smooth": {"smooth": True},
    "exact": {"exact": True},
    "little effort": {"effort": 0.25},
    "much effort": {"effort": 3.0},
    "many results": {"k": 60},
    "more than there are": {"k": COUNT + 5},
    "attractors": {"by": "attractors"},
    "attractors of a reach": {"by": "attractors", "reach": 0.7},
    "attractors, exact": {"by": "attractors", "exact": True},
}
FILTERED = {
    "a filter of half": {"where": {"half": 1}},
    "a filter of few": {"where": {"n": {"$in": [3, 5, 600]}}},
    "a filter of none": {"where": {"half": 9}},
    "some ids": {"ids": [f"r{i}" for i in range(0, COUNT + 5, 2)]},
    "some ids, and a filter": {"ids": [f"r{i}" for i in range(0, 300)], "where": {"half": 0}},
    "a least score": {"min_score": 0.8},
    "attractors by source": {"by": "attractors", "per": "source"},
    "a filter and sources": {"by": "attractors", "per": "source", "where": {"half": 0}},
}


@pytest.fixture(autouse=True)
def early(monkeypatch):
    """Cells from 256 points on; two threads on any machine; slices of few queries."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    monkeypatch.setattr(candidates, "_FEW", 16)
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    monkeypatch.setattr(answers, "_SLICE", 7)


@pytest.fixture
def rows(rng):
    return naive.clustered(rng, COUNT, DIM, noise=0.6).astype(np.float32)


@pytest.fixture
def queries(rng, rows):
    return naive.unit(rows[:50] + 0.3 * naive.spread(rng, 50, DIM)).astype(np.float32)


def fill(store, rows):
    store.add(
        rows,
        ids=[f"r{i}" for i in range(len(rows))],
        texts=[f"text {i}" for i in range(len(rows))],
        metadatas=[{"n": i, "half": i % 2, "source": f"s{i // 5}"} for i in range(len(rows))],
        weights=[1.0 + i % 3 for i in range(len(rows))],
    )
    store.forget([f"r{i}" for i in range(0, len(rows), 9)])
    return store


@pytest.mark.parametrize("way", [*WAYS.values(), *FILTERED.values()], ids=[*WAYS, *FILTERED])
def test_a_batch_of_queries_is_answered_as_each_of_them_is(store, rows, queries, way):
    fill(store, rows)
    together = store.search_many(queries, **way)
    assert together == [store.search(query, **way) for query in queries]
    assert store.search_many(queries[:1], **way) == together[:1]
    assert store.verify() == []


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("masked", [False, True])
def test_a_field_ranks_many_queries_as_it_ranks_each(rng, rows, queries, way, masked):
    field, way = Field(DIM), {"k": 10, **way}
    field.add(rows, rng.choice([0.0, 1.0, 2.0], size=COUNT))
    by = way.pop("by", "nearest")
    mask = np.arange(COUNT) % 3 > 0 if masked else None
    single, many = getattr(field, by), getattr(field, by + "_many")
    allowed = None if mask is None else Mask(mask)
    for one, query in zip(many(queries, allowed=allowed, **way), queries, strict=True):
        alone = single(query, allowed=mask, **way)
        pairs = [(one, alone), *zip(one.members, alone.members, strict=True)]
        assert all(np.array_equal(a, b) for left, right in pairs for a, b in zip(left[:4], right[:4], strict=True))
    assert many(queries[:0], allowed=allowed, **way) == []


def test_queries_that_find_too_little_in_cells_have_all_points_scored_and_the_others_do_not(early, rows, queries):
    field = Field(DIM)
    field.add(rows)
    alone = [field.nearest(query, 10).points.tolist() for query in queries]
    cells, full = field._arrays.partition, field._arrays.partition.find_many

    def meagre(*asked):
        points, ends = full(*asked)
        kept = np.r_[points[:3], points[ends[0] :]] if len(asked[0]) > 1 else points[:3]  # three for the first
        return kept, ends - (ends[0] - 3)

    cells.find_many = meagre
    found = [ranking.points.tolist() for ranking in field.nearest_many(queries, 10)]
    assert found[0] == field.nearest(queries[0], 10, exact=True).points.tolist()
    assert found[1:] == alone[1:]


def test_a_write_between_ranking_and_fetching_is_seen(store, rows, queries, monkeypatch):
    fill(store, rows)
    gone = {hit.id for hits in store.search_many(queries) for hit in hits[:2]}
    real, done = Field.nearest_many, threading.Lock()

    def overtaken(self, *args, **kwargs):
        rankings = real(self, *args, **kwargs)
        if done.acquire(blocking=False):
            store.forget(sorted(gone))
        return rankings

    monkeypatch.setattr(Field, "nearest_many", overtaken)
    together = store.search_many(queries)
    assert not gone & {hit.id for hits in together for hit in hits}
    assert together == [store.search(query) for query in queries]
    assert store.verify() == []


def test_a_write_behind_the_first_answers_of_a_batch_changes_them_too(store, rows, queries, monkeypatch):
    """All answers are of one state: those that were fetched before the write are fetched anew."""
    fill(store, rows)
    first = store.search(queries[0])[0].id
    ranked, written = answers.ranked, []

    def then_written(rank, asked):
        for number, rankings in enumerate(ranked(rank, asked)):
            if number == 2 and not written:
                written.append(store.forget(first))
            yield rankings

    monkeypatch.setattr(answers, "ranked", then_written)
    together = store.search_many(queries)
    assert first not in {hit.id for hits in together for hit in hits}
    assert len(together[0]) == 10
    assert len(written) == 1
    assert store.verify() == []


def test_what_another_process_wrote_is_seen_by_the_next_search(tmp_path, rows, queries):
    with fill(FieldStore(tmp_path / "s"), rows) as one, FieldStore(tmp_path / "s") as other:
        first = one.search(queries[0])[0].id
        other.forget(first)
        assert first not in {hit.id for hit in one.search(queries[0])}
        other.restore(first)
        assert first in {hit.id for hit in one.search_many(queries)[0]}
        one.calibrate(55.0)
        assert other.search(queries[0], exact=True) == one.search(queries[0], exact=True)
        assert one.verify() == other.verify() == []


@pytest.mark.parametrize("count", [1, 200])
def test_what_was_added_after_a_search_is_found_by_the_next(store, rows, count):
    fill(store, rows[:400])
    assert store.search(rows[-1])
    store.add(rows[-count:], ids=[f"new {i}" for i in range(count)])
    assert store.search(rows[-1])[0].id == f"new {count - 1}"
    assert store.verify() == []


def test_a_closed_store_answers_nothing(store, rows, queries):
    fill(store, rows).search(queries[0])
    store.close()
    for ask in (lambda: store.search(queries[0]), lambda: store.search_many(queries)):
        with pytest.raises(Exception, match="closed"):
            ask()


def test_an_error_in_a_batch_is_raised_and_the_store_goes_on(store, rows, queries, monkeypatch):
    fill(store, rows)
    real, calls = Field.nearest_many, []

    def failing(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise MemoryError("no room")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Field, "nearest_many", failing)
    with pytest.raises(MemoryError):
        store.search_many(queries)
    assert len(store.search_many(queries)) == 50
    assert store.verify() == []


def test_hits_share_nothing_that_could_be_changed(store, rows):
    fill(store, rows)
    left, right = store.search_many([rows[1], rows[1]], 3)
    left[0].metadata["n"] = "changed"
    assert right[0].metadata["n"] == store.search(rows[1])[0].metadata["n"] == 1


def test_a_repeated_filter_is_counted_once(store, rows, monkeypatch):
    fill(store, rows)
    mask = store._mirror.mask
    with store._mirror.reading():
        first = mask(field_filter := answers.Filter({"half": 1}))
        assert mask(field_filter) is first
        assert first.count == int(first.of.sum()) == len(first.numbers)
    store.update("r1", metadatas={"half": 0})
    with store._mirror.reading():
        again = mask(field_filter)
        assert again.count == first.count - 1
    assert store.verify() == []


def test_the_follower_takes_one_core_until_somebody_waits_for_it():
    taken, awaited = [], False

    def cores():
        taken.append(len(threads.spread(lambda part: part, 2000)))

    with threads.modestly(lambda: not awaited):
        cores()
        awaited = True
        cores()
    cores()
    assert taken == [1, 2, 2]


@pytest.mark.parametrize("looking", [True, False])
def test_an_add_leaves_the_garbage_collector_as_it_was(store, rows, looking, monkeypatch):
    seen, append = [], Database.append

    def noticed(self, draft):
        seen.append(gc.isenabled())
        append(self, draft)

    monkeypatch.setattr(Database, "append", noticed)
    before = gc.isenabled()
    try:
        (gc.enable if looking else gc.disable)()
        store.add(rows)
        monkeypatch.setattr(changes, "new_salt", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.add(rows)
        assert gc.isenabled() is looking
        assert seen == [False]
    finally:
        (gc.enable if before else gc.disable)()
    assert store.verify() == []


@pytest.mark.parametrize("count", [1, 49, 50, 51, 120])
def test_batches_of_any_size_are_stored_whole(store, rows, count):
    store.add(rows[:count], ids=[f"r{i}" for i in range(count)], texts=[f"text {i}" for i in range(count)])
    assert [record.text for record in store.get()] == [f"text {i}" for i in range(count)]
    assert store.verify() == []
