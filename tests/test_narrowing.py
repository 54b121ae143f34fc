# Cells of the points that one filter passes, against the whole's, and against a flat scan.
"""Under a filter: what is found, what is kept for the next query, and what goes with the points."""

import numpy as np
import pytest

from fieldstore.engine import candidates, partition, scan, weighted
from fieldstore.engine.field import Field, Mask
from fieldstore.engine.narrowing import _OFTEN, Narrowed
from fieldstore.engine.partition import Partition
from tests import naive

COUNT, DIM = 4000, 48


@pytest.fixture
def early(monkeypatch):
    """Cells from 256 points on, and looked into for 17 points or more."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    monkeypatch.setattr(candidates, "_FEW", 16)


@pytest.fixture
def rows():
    return naive.clustered(np.random.default_rng(21), COUNT, DIM, noise=0.6).astype(np.float32)


@pytest.fixture
def field(early, rows):
    field = Field(DIM)
    field.add(rows)
    return field


def lanes_of(parts):
    """{(point, cell): code, A and B}, each chain walked the slow way; as many lanes as the heads say."""
    found = {}
    for cell, (block, count) in enumerate(parts.heads[: len(parts.centres)].tolist()):
        before = len(found)
        while block >= 0:
            points = parts.numbers[block, parts.behind + 2 * scan.LANES :]
            for lane in np.flatnonzero(points >= 0):
                code = parts.blocks[block, lane : parts.behind // 2 : scan.LANES]
                numbers = parts.floats[block, parts.behind + lane : parts.behind + 2 * scan.LANES : scan.LANES]
                found[int(points[lane]), cell] = (*code.tolist(), *numbers.tolist())
            block = int(parts.following[block])
        assert len(found) - before == count
    return found


def recall(field, queries, allowed):
    hit = 0
    for query in queries:
        found = field.nearest(query, 10, allowed=allowed).points.tolist()
        exact = field.nearest(query, 10, allowed=allowed, exact=True).points.tolist()
        assert len(found) == len(exact)
        hit += len(set(found) & set(exact))
    return hit / (10 * len(queries))


@pytest.mark.parametrize("part", [0.0, 0.002, 0.1, 0.24])
def test_it_holds_the_codes_of_just_these_points_in_their_cells(rows, part):
    cells = Partition(DIM)
    cells.build(rows, np.zeros(COUNT), np.arange(0, COUNT, 2), 20.0)
    cells.put(rows, np.zeros(COUNT), np.arange(1, COUNT, 2), 20.0)  # chains that lie apart
    cells.take_out(np.arange(0, COUNT, 9))
    mask = Mask(np.random.default_rng(2).random(COUNT) < part)
    whole, some = lanes_of(cells._parts), Narrowed(cells._parts, mask).ask(_OFTEN)[0]
    assert lanes_of(some) == {(point, cell): code for (point, cell), code in whole.items() if mask.of[point]}
    blank = some.numbers[:, some.behind + 2 * scan.LANES :] < 0
    assert (some.floats[:, some.behind : some.behind + scan.LANES][blank] == -np.inf).all()
    assert (some.floats[:, some.behind + scan.LANES : some.behind + 2 * scan.LANES][blank] == 0.0).all()


@pytest.mark.parametrize("part", [0.6, 0.3, 0.2, 0.02, 0.005])
@pytest.mark.parametrize("directed", [False, True])
def test_filters_lose_nothing_whether_or_not_they_go_with_what_is_said(field, rows, part, directed):
    value = rows @ rows[7] if directed else np.random.default_rng(3).random(COUNT)
    allowed = value >= np.quantile(value, 1.0 - part)
    assert recall(field, rows[5::80], allowed) >= 0.95


def test_many_queries_under_one_mask_are_answered_as_each_by_itself(field, rows):
    mask = Mask(np.arange(COUNT) % 8 == 0)
    many = field.nearest_many(rows[:40], 10, allowed=mask)
    for query, found in zip(rows[:40], many, strict=True):
        alone = field.nearest(query, 10, allowed=np.arange(COUNT) % 8 == 0)
        assert found.points.tolist() == alone.points.tolist()
        assert found.scores.tolist() == alone.scores.tolist()


@pytest.mark.parametrize("depth", [0.3, 1.0, 3.0])
def test_the_first_queries_of_a_mask_find_to_the_bit_what_later_ones_find(rows, depth, monkeypatch):
    monkeypatch.setattr(partition, "_KEPT", 1 / 100)  # room for every mask
    cells = Partition(DIM)
    cells.build(rows, np.zeros(COUNT), np.arange(0, COUNT, 2), 20.0)
    cells.put(rows, np.zeros(COUNT), np.arange(1, COUNT, 2), 20.0)
    cells.take_out(np.arange(0, COUNT, 9))
    for part in (0.2, 0.1, 0.01):
        chosen = np.random.default_rng(2).random(COUNT) < part
        often = Mask(chosen)
        cells.find_many(rows[:_OFTEN], 30, COUNT, often)
        for query in rows[::100]:
            once = Mask(chosen)
            found = cells.find(query, 30, COUNT, once, depth).tolist()
            assert found == cells.find(query, 30, COUNT, often, depth).tolist()
            assert cells._narrowed[once].parts is None
        assert cells._narrowed[often].parts is not None


@pytest.mark.parametrize("before", [1, _OFTEN])
def test_what_is_kept_for_a_mask_follows_every_change(field, rows, before):
    mask = Mask(np.arange(COUNT) % 8 == 0)
    for point in range(0, 800, 80):
        field.nearest_many(rows[:before], 1, allowed=mask)
        assert field.nearest(rows[point], 1, allowed=mask).cosines[0] > 0.9999
        field.reweight(point, 0.0)
        field.nearest_many(rows[:before], 1, allowed=mask)
        assert point not in field.nearest(rows[point], 50, allowed=mask).points
        field.reweight(point, 1.0)
        field.nearest_many(rows[:before], 1, allowed=mask)
        assert point in field.nearest(rows[point], 50, allowed=mask).points


def test_codes_of_a_forgotten_point_are_gone_from_memory_at_once(field, rows):
    mask = Mask(np.arange(COUNT) % 8 == 0)
    cells = field._arrays.partition
    field.nearest_many(rows[:_OFTEN], 10, allowed=mask)
    assert any(point == 16 for point, _ in lanes_of(cells._narrowed[mask].parts))
    field.reweight(16, 0.0)
    assert cells._narrowed == {}


def test_the_same_cells_serve_until_something_changes(field, rows):
    mask = Mask(np.arange(COUNT) % 8 == 0)
    cells = field._arrays.partition
    for _ in range(_OFTEN):
        field.nearest(rows[0], 10, allowed=mask)
    kept = cells._narrowed[mask].parts
    assert kept is not None
    field.nearest(rows[1], 10, allowed=mask)
    assert cells._narrowed[mask].parts is kept


def test_masks_share_a_third_of_the_memory_that_the_cells_take_and_the_newest_stay(field, rows):
    cells = field._arrays.partition
    masks = [Mask(np.arange(COUNT) % 20 == part) for part in range(20)]
    for mask in masks:
        field.nearest_many(rows[:_OFTEN], 10, allowed=mask)
        kept = sum(narrowed.nbytes for narrowed in cells._narrowed.values())
        assert kept <= max(cells._parts.blocks.nbytes // partition._KEPT, cells._narrowed[mask].nbytes)
    kept = list(cells._narrowed)
    assert 0 < len(kept) < 20
    assert kept == masks[-len(kept) :]


def test_masks_of_nobody_who_answers_share_that_memory_too(field, rows):
    field.reweight(np.arange(1000), 0.0)
    cells = field._arrays.partition
    for last in range(700, 740):
        mask = Mask(np.arange(COUNT) < last)
        assert len(field.nearest(rows[0], 10, allowed=mask).points) == 0
    assert mask in cells._narrowed
    kept = sum(mask.of.nbytes + mask.numbers.nbytes for mask in cells._narrowed)
    assert kept <= cells._parts.blocks.nbytes // partition._KEPT


@pytest.mark.parametrize("part", [0.05, 0.1, 0.2])
def test_a_filter_that_passes_nothing_near_the_query_loses_little(early, part):
    rng = np.random.default_rng(4)
    centres = naive.unit(rng.normal(size=(60, 384)))
    some = centres[rng.integers(0, 60, COUNT)] + rng.normal(size=(COUNT, 384)) / np.sqrt(384)
    rows = naive.unit(some).astype(np.float32)
    field = Field(384)
    field.add(rows)
    along = rows @ rows[0]
    assert recall(field, rows[5::80], along <= np.quantile(along, part)) >= 0.94


def test_a_view_with_a_mask_of_its_length_finds_no_point_that_came_later(early, rows):
    field = Field(DIM)
    field.add(rows[:2000])
    view, mask = field.view(), Mask(np.arange(2000) % 8 == 0)
    field.add(rows[2000:])
    for query in rows[2000:2100:8]:
        found = view.nearest(query, 40, allowed=mask).points
        assert len(found) == 40
        assert mask.of[found].all()


def test_queries_under_masks_while_another_thread_writes_find_what_stays_and_nothing_that_went(
    early, rows, asked_while_written
):
    field = Field(DIM)
    field.add(rows[:1000])
    field.reweight(np.arange(0, 1000, 16), 0.0)

    def ask():
        wrong = []
        for point in range(8, 200, 16):
            view = field.view()
            found = view.nearest(rows[point], 3, allowed=Mask(np.arange(len(view)) % 8 == 0)).points
            if point not in found or (found % 8).any() or (found[found < 1000] % 16 == 0).any():
                wrong.append((point, found.tolist()))
        return wrong

    assert asked_while_written(field, rows, ask, 2) == []
