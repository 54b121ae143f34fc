# The partition against its slow twins, and the field with a partition against the field without one.
"""Cells and codes: what they hold, what they estimate, what they find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from fieldstore.engine import candidates, lanes, partition, scan, threads, weighted
from fieldstore.engine.field import Field
from fieldstore.engine.instructions import dot, dot_of_bytes
from fieldstore.engine.partition import Partition
from tests import naive

DIMS = [1, 2, 3, 16, 63, 64, 65, 100, 384]


@pytest.fixture
def early(monkeypatch):
    """Cells from 256 points on, so that a test of them is quick."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    monkeypatch.setattr(candidates, "_FEW", 16)


def points_of(seed, count, dim):
    rng = np.random.default_rng(seed)
    return naive.clustered(rng, count, dim, noise=0.6).astype(np.float32)


def uneven(seed, count, dim):
    """Unit vectors that vary much in a few directions and little in most, as embeddings of texts do."""
    spread = np.random.default_rng(seed).normal(size=(count, dim)) / np.sqrt(1.0 + np.arange(dim))
    return naive.unit(spread).astype(np.float32)


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38])
def test_damaged_rows_lead_no_loop_astray_and_the_others_are_found(number):
    rows = points_of(3, 2000, 64)
    damaged = rows.copy()
    damaged[::50] = number
    cells = Partition(64)
    sound = np.flatnonzero(np.arange(len(rows)) % 50)
    cells.build(damaged, np.zeros(len(rows)), np.arange(1500), 20.0)
    cells.put(damaged, np.zeros(len(rows)), np.arange(1500, 2000), 20.0)
    cells.take_out(np.arange(0, 2000, 7))
    cells.unlearn(damaged, np.zeros(len(rows)), np.arange(0, 2000, 7))
    asked = [point for point in sound[:300].tolist() if point % 7]
    assert np.mean([point in cells.find(rows[point], 100, len(rows)) for point in asked]) > 0.95


def held(cells):
    """(point, cell) of every lane in use, as the chains tell it, each chain walked the slow way."""
    parts, found = cells._parts, []
    for cell in range(len(parts.centres)):
        block = int(parts.heads[cell, 0])
        while block >= 0:
            numbers = parts.numbers[block, cells._behind + 2 * scan.LANES :]
            found += [(int(point), cell) for point in numbers if point >= 0]
            block = int(parts.following[block])
    return sorted(found)


def free_lanes_are_blank(cells):
    parts = cells._parts
    numbers = parts.numbers[:, cells._behind + 2 * scan.LANES :]
    for block, lane in zip(*np.nonzero(numbers < 0), strict=True):
        codes = parts.blocks[block, lane : cells._behind // 2 : scan.LANES]
        a, b = parts.floats[block, cells._behind + lane], parts.floats[block, cells._behind + scan.LANES + lane]
        if codes.any() or a != -np.inf or b != 0.0:
            return False
    return True


# -- the instructions --------------------------------------------------------------------------------------------------


@njit
def compiled_dot(a, b):
    return dot(a, b)


def slow_dot(a, b):
    """Sixteen lanes of four sums, whole lanes only, and the rest: the additions in the order that is promised."""
    kind = a.dtype.type
    sums = [np.zeros(16, kind) for _ in range(4)]
    products = a * b.astype(kind)
    blocks, whole = len(a) // 64 * 64, len(a) // 16 * 16
    for first in range(0, whole, 16):
        number = first // 16 % 4 if first < blocks else 0
        sums[number] = sums[number] + products[first : first + 16]
    total = ((sums[0] + sums[1]) + sums[2]) + sums[3]
    while len(total) > 1:
        total = total[: len(total) // 2] + total[len(total) // 2 :]
    rest = kind(0.0)
    for product in products[whole:]:
        rest = rest + product
    return total[0] + rest


@pytest.mark.parametrize("kinds", [("f4", "f4"), ("f8", "f4"), ("f8", "f8"), ("f4", "i1")])
@pytest.mark.parametrize("dim", [0, 1, 15, 16, 17, 64, 100, 128, 384, 1000])
def test_a_dot_product_adds_in_the_promised_order_to_the_bit(dim, kinds):
    rng = np.random.default_rng(dim)
    a, b = (np.asarray(rng.normal(size=dim) * (50 if kind == "i1" else 1), kind) for kind in kinds)
    assert compiled_dot(a, b) == slow_dot(a, b)


@njit
def compiled_dot_of_bytes(a, b):
    return dot_of_bytes(a, b)


@pytest.mark.parametrize("dim", [0, 1, 31, 32, 33, 100, 384, 1000, 3072])
def test_a_dot_product_of_bytes_is_exact_and_rounded_once(dim):
    a, b = np.random.default_rng(dim).integers(-128, 128, (2, dim)).astype(np.int8)
    assert compiled_dot_of_bytes(a, b) == np.float32(a.astype(np.int64) @ b.astype(np.int64))
    assert compiled_dot_of_bytes(a | -128, b | -128) == np.float32((a | -128).astype(np.int64) @ (b | -128))


# -- codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", DIMS)
def test_turning_keeps_every_cosine(dim):
    rows = naive.spread(np.random.default_rng(dim), 20, dim).astype(np.float32)
    turned = Partition(dim)._turned(rows, np.arange(20))
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-5)


@pytest.mark.parametrize("dim", DIMS)
def test_a_code_says_what_the_paper_says(dim):
    rng = np.random.default_rng(dim)
    row, centre = rng.normal(size=(2, dim)).astype(np.float32)
    words = -(-dim // 64)
    block = np.full(words * 32 + 48, 2**64 - 1, np.uint64)
    lanes._code(row, centre, block, block.view(np.float32), 64 * words, 5)
    residual = row.astype(np.float64) - centre
    signs = np.where(residual > 0, 1.0, -1.0)
    bits = np.zeros(64 * words, np.bool_)
    bits[:dim] = residual > 0
    slope = (residual**2).sum() / np.abs(residual).sum()
    assert block[5 : words * 32 : 32].tolist() == np.packbits(bits, bitorder="little").view(np.uint64).tolist()
    a, b = block.view(np.float32)[64 * words + 5], block.view(np.float32)[64 * words + 37]
    assert b == pytest.approx(slope, rel=1e-4)
    assert a == pytest.approx(residual @ centre - slope * (signs @ centre), abs=1e-4 * dim)


@pytest.mark.parametrize("dim", [*DIMS, 15, 17, 768, 1536, 3072])
def test_a_query_is_rounded_to_four_bits_a_number_in_twos_complement(dim):
    row = np.random.default_rng(dim).normal(size=dim).astype(np.float32)
    planes = np.full((4, -(-dim // 64)), 2**64 - 1, np.uint64)
    step, total = scan._quantise(row, planes)
    bits = np.stack([np.unpackbits(plane.view(np.uint8), bitorder="little") for plane in planes]).astype(np.int64)
    values = bits[0] + 2 * bits[1] + 4 * bits[2] - 8 * bits[3]
    assert step == pytest.approx(np.abs(row).max() / 7.5)
    assert np.abs(values[:dim] * np.float64(step) - row).max() <= 0.501 * step
    assert not values[dim:].any()
    assert total == values.sum()


@pytest.mark.parametrize("size", [1, 2, 8, 16, 32, 256])
def test_butterflies_make_the_walsh_hadamard_transform(size):
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    turned = values.copy()
    scan._hadamard(turned)
    np.testing.assert_allclose(turned, matrix @ values, atol=1e-5 * size)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 20), st.sampled_from([0.0, 1e-3, 0.1, 3.0]))
def test_the_best_few_are_chosen_and_no_worse_one_before_a_better(seed, blocks, most, scale):
    rng = np.random.default_rng(seed)
    guesses = (1.0 + scale * rng.normal(size=(blocks, 32))).astype(np.float32)
    guesses[rng.random(guesses.shape) < rng.choice([0.0, 0.5, 0.99])] = -np.inf
    values, items = np.empty(guesses.size + 32, np.float32), np.empty(guesses.size + 32, np.int64)
    found = scan._highest(guesses, guesses.max(axis=1), most, values, items)
    assert min(most, np.isfinite(guesses).sum()) <= found <= most + most // 3
    assert guesses.ravel()[items[:found]].tolist() == values[:found].tolist()
    assert len(set(items[:found].tolist())) == found
    assert sorted(values[:found], reverse=True) == sorted(guesses.ravel(), reverse=True)[:found]


def test_the_estimates_are_unbiased_and_their_error_shrinks_with_the_dimension():
    errors = {}
    for dim in (64, 384):
        rows = points_of(dim, 2000, dim)
        cells = Partition(dim)
        cells.build(rows, np.zeros(len(rows)), np.arange(len(rows)), 20.0)
        query = naive.spread(np.random.default_rng(1), 1, dim)[0].astype(np.float32)
        planes = np.zeros((4, dim // 64), np.uint64)
        turned = cells._turned(query[None], np.array([0]))[0]
        step, total = scan._quantise(turned, planes)
        wrong = []
        parts, values = cells._parts, np.zeros(32, np.float32)
        for cell in range(1, len(parts.centres)):
            block = parts.heads[cell, 0]
            if block < 0:
                continue
            base = np.float32(turned @ (parts.scales[cell] * parts.centres[cell]))
            numbers = parts.numbers[block, cells._behind + 64 :]
            estimates(parts.blocks[block], planes, base, np.float32(2 * step), np.float32(step * total), values)
            wrong += (values[numbers >= 0] - rows[numbers[numbers >= 0]] @ query).tolist()
        errors[dim] = np.std(wrong)
        assert abs(np.mean(wrong)) < 4 * np.std(wrong) / np.sqrt(len(wrong))
    assert errors[384] < 0.06 < errors[64] < 0.15


@njit
def estimates(block, planes, base, twice, less, values):
    scan.estimate(block, planes, base, twice, less, np.float32(-np.inf), values)


# -- what is held ------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 65, 100]), st.integers(1, 300))
def test_it_holds_what_was_put_in_and_not_taken_out_each_in_both_its_cells(seed, dim, count):
    rng = np.random.default_rng(seed)
    rows, offsets = points_of(seed, 600, dim), np.zeros(600)
    cells = Partition(dim)
    cells.build(rows, offsets, np.arange(count), 20.0)
    inside = set(range(count))
    for _ in range(6):
        out = rng.choice(600, rng.integers(1, 200), replace=False)
        cells.take_out(out)
        inside -= set(out.tolist())
        fresh = np.array(sorted(set(rng.choice(600, rng.integers(0, 200)).tolist()) - inside), np.int64)
        cells.put(rows, offsets, fresh, 20.0)
        inside |= set(fresh.tolist())
        expected = sorted((p, int(c)) for p in inside for c in cells._parts.cells[p] if c >= 0)
        assert held(cells) == expected
        assert {point for point, _ in expected} == inside
        assert len(cells) == len(inside)
        assert cells.has(np.arange(700)).nonzero()[0].tolist() == sorted(inside)
        assert free_lanes_are_blank(cells)


def test_cells_are_split_as_points_come_and_none_is_lost():
    rows, offsets = points_of(3, 4000, 64), np.zeros(4000)
    cells = Partition(64)
    cells.build(rows, offsets, np.arange(300), 20.0)
    before = cells.cells
    for first in range(300, 4000, 100):
        cells.put(rows, offsets, np.arange(first, first + 100), 20.0)
    assert cells.cells > 3 * before
    assert {point for point, _ in held(cells)} == set(range(4000))
    query = rows[5]
    found = cells.find(query, 8000, 4000, None, 100.0)
    assert sorted(found.tolist()) == list(range(4000))


def test_a_point_taken_out_and_unlearned_leaves_the_centres_that_others_make():
    rows, offsets = points_of(4, 600, 64), np.zeros(600)
    cells = Partition(64)
    cells.build(rows, offsets, np.arange(600), 20.0)
    gone = np.array([17])
    cell = int(cells._parts.cells[17, 0])
    cells.take_out(gone)
    cells.unlearn(rows, offsets, gone)
    assert cells._parts.cells[17].tolist() == [-1, -1]
    others = [point for point in range(600) if cells._parts.cells[point, 0] == cell]
    mean = cells._turned(rows, np.array(others)).mean(axis=0)
    centre = cells._parts.scales[cell] * cells._parts.centres[cell].astype(np.float64)
    np.testing.assert_allclose(centre, mean, atol=float(cells._parts.scales[cell]))
    expected = sorted((p, int(c)) for p in range(600) for c in cells._parts.cells[p] if c >= 0)
    assert held(cells) == expected
    assert sorted(cells.find(rows[0], 1200, 600, None, 100.0).tolist()) == [p for p in range(600) if p != 17]


def test_its_state_brings_back_the_same_cells_and_a_damaged_one_is_refused():
    rows, offsets = points_of(5, 900, 65), np.zeros(900)
    cells = Partition(65)
    cells.build(rows, offsets, np.arange(900), 20.0)
    cells.take_out(np.arange(0, 900, 7))
    again = Partition(65)
    again.restore({key: value.copy() for key, value in cells.state().items()}, 900)
    assert held(again) == held(cells)
    for query in rows[:20]:
        assert again.find(query, 50, 900).tolist() == cells.find(query, 50, 900).tolist()
    again.put(rows, offsets, np.arange(0, 900, 7), 20.0)
    assert {point for point, _ in held(again)} == set(range(900))
    for name, place in (("heads", (1, 0)), ("following", 0), ("free", 0), ("cells", (3, 0))):
        state = {key: value.copy() for key, value in cells.state().items()}
        state[name][place] = 10**6
        with pytest.raises(ValueError, match=name):
            Partition(65).restore(state, 900)
    state = {key: value.copy() for key, value in cells.state().items()}
    state["centre_blocks"].view(np.float32)[-1, cells._behind + 31] = 0.0
    with pytest.raises(ValueError, match="codes of no centre"):
        Partition(65).restore(state, 900)


# -- what is found -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large():
    """A field of 20,000 points in 128 dimensions, with cells, and 50 queries that are none of them."""
    rows = uneven(9, 20050, 128)
    field = Field(128)
    field.add(rows[:20000])
    assert field._arrays.partition is not None
    return field, rows[20000:]


def recall(field, queries, k=10, **options):
    hit = 0
    for query in queries:
        found = field.nearest(query, k, **options).points
        allowed = {key: value for key, value in options.items() if key == "allowed"}
        hit += len(set(found.tolist()) & set(field.nearest(query, k, exact=True, **allowed).points.tolist()))
    return hit / (k * len(queries))


def test_the_default_finds_95_of_100_and_more_effort_finds_more(large):
    field, queries = large
    assert recall(field, queries) >= 0.95
    assert recall(field, queries, effort=0.3) < recall(field, queries)
    assert recall(field, queries, effort=3.0) >= 0.98
    assert recall(field, queries, k=100) >= 0.93


def test_what_it_finds_is_scored_as_exactly_as_by_a_flat_scan(large):
    field, queries = large
    for query in queries[:10]:
        fast, exact = field.nearest(query, 10), field.nearest(query, 400, exact=True)
        scores = dict(zip(exact.points.tolist(), exact.scores.tolist(), strict=True))
        assert [scores[point] for point in fast.points.tolist()] == fast.scores.tolist()
        assert fast.scores.tolist() == sorted(fast.scores.tolist(), reverse=True)


@pytest.mark.parametrize("part", [0.5, 0.1, 0.01, 0.0004])
def test_a_filter_starves_nobody(large, part):
    field, queries = large
    allowed = np.random.default_rng(1).random(len(field)) < part
    for query in queries[:10]:
        found = field.nearest(query, 10, allowed=allowed).points
        assert len(found) == min(10, allowed.sum())
        assert allowed[found].all()
    assert recall(field, queries, allowed=allowed) >= 0.95


def test_the_same_answers_from_one_thread_and_from_many(monkeypatch):
    rows = points_of(6, 9000, 256)
    answers = []
    for count in (1, 5):
        monkeypatch.setattr(threads, "_cores", lambda count=count: count)
        field = Field(256)
        field.add(rows)
        assert field._arrays.partition is not None
        answers.append([field.nearest(row, 10).points.tolist() for row in rows[:50]])
    assert answers[0] == answers[1]


def test_a_forgotten_point_is_never_found_and_a_restored_one_is_again(early):
    rows = points_of(7, 2000, 32)
    field = Field(32)
    field.add(rows)
    for point in range(0, 2000, 97):
        assert field.nearest(rows[point], 1).cosines[0] > 0.9999
        field.reweight(point, 0.0)
        assert point not in field.nearest(rows[point], 50).points
        assert point not in field.attractors(rows[point], 50).points
    field.reweight(np.arange(2000), 0.0)
    assert len(field.nearest(rows[0], 10).points) == 0
    field.reweight(np.arange(2000), 1.0)
    assert recall(field, rows[:500]) >= 0.95  # of fifty it is off by .02


def test_heavy_points_are_found_from_afar(early):
    rows = points_of(8, 2000, 32)
    field = Field(32, kappa=20.0)
    field.add(rows)
    heavy = np.arange(0, 2000, 100)
    field.reweight(heavy, 1e15)
    for query in rows[1:20]:
        exact = field.nearest(query, 10, exact=True)
        assert set(exact.points.tolist()) <= set(heavy.tolist())
        assert field.nearest(query, 10).points.tolist() == exact.points.tolist()
    field.reweight(heavy, 1.0)
    assert recall(field, rows[:50]) >= 0.95


def test_weights_and_repellers_rank_as_in_a_flat_scan(early):
    rng = np.random.default_rng(10)
    rows = points_of(10, 2000, 32)
    field = Field(32)
    field.add(rows, rng.choice([0.25, 0.5, 1.0, 1.5, 2.0], 2000))
    assert recall(field, rows[:50]) >= 0.94
    field.add(rows[3], -1.0)
    assert 3 not in field.nearest(rows[3], 20).points
    assert recall(field, rows[:50]) >= 0.94
    field.kappa = 55.0
    assert recall(field, rows[:50]) >= 0.94


@pytest.mark.parametrize("dim", [1, 3, 100])
def test_points_that_are_all_the_same_are_all_found(early, dim):
    field = Field(dim)
    field.add(np.ones((500, dim)))
    assert len(field._arrays.partition) == 500
    found = field.nearest(np.ones(dim), 30)
    assert len(set(found.points.tolist())) == 30


def test_a_view_knows_no_point_that_came_after_it(early):
    rows = points_of(11, 1500, 32)
    field = Field(32)
    field.add(rows[:1000])
    view = field.view()
    field.add(rows[1000:])
    assert view.nearest(rows[1200], 40).points.max() < 1000
    assert view.nearest(rows[1200], 5, allowed=np.ones(1000, np.bool_)).points.max() < 1000
    with pytest.raises(ValueError, match="view"):
        view.unlearn(3)


def test_queries_while_others_write_find_what_stays_and_nothing_that_went(early, asked_while_written):
    rows = points_of(12, 6000, 32)
    field = Field(32)
    field.add(rows[:1000])
    field.reweight(np.arange(0, 1000, 2), 0.0)

    def ask():
        wrong = []
        for point in range(1, 200, 2):
            view = field.view()
            found = view.nearest(rows[point], 3).points
            if point not in found or (found[found < 1000] % 2 == 0).any():
                wrong.append((point, found.tolist()))
        return wrong

    assert asked_while_written(field, rows, ask, 3) == []


def test_an_empty_field_adopts_a_state_and_answers_as_before(early):
    rows = points_of(13, 1500, 32)
    field = Field(32)
    field.add(rows)
    field.reweight([4, 5], [0.0, 2.0])
    other = Field(32)
    other.adopt(rows, field.state())
    assert other.weights.tolist() == field.weights.tolist()
    for query in rows[:30]:
        assert other.nearest(query, 10).points.tolist() == field.nearest(query, 10).points.tolist()
    with pytest.raises(ValueError, match="only an empty field"):
        other.adopt(rows, field.state())
    assert Field(32).state() is None


@pytest.mark.parametrize("effort", [0, -1, float("nan"), float("inf"), "much", True])
def test_an_effort_that_is_none_is_refused(effort):
    field = Field(2)
    field.add([1.0, 0.0])
    with pytest.raises(ValueError, match="effort"):
        field.nearest([1.0, 0.0], 1, effort=effort)
    with pytest.raises(ValueError, match="effort"):
        field.attractors([1.0, 0.0], 1, effort=effort)


# -- groups of centres -------------------------------------------------------------------------------------------------


def test_points_that_look_for_their_cells_by_groups_find_nearly_all_the_nearest(monkeypatch):
    rows, offsets = points_of(6, 6000, 96), np.zeros(6000)
    cells = Partition(96)
    cells.build(rows, offsets, np.arange(6000), 20.0)
    turned = cells._turned(rows, np.arange(0, 6000, 6))
    centres = (cells._parts.scales[: cells.cells, None] * cells._parts.centres)[1:]
    nearest = 1 + ((turned[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)  # the slow twin
    whole = cells._assigned(turned, cells._groups(len(turned)), look=12, twice=True)
    monkeypatch.setattr(partition, "_GROUPS_FROM", 0)
    groups = cells._groups(len(rows))
    assert len(groups.begins) > groups.wanted
    assert sorted(groups.places[groups.places > 0].tolist()) == list(range(1, cells.cells))
    grouped = cells._assigned(turned, groups, look=12, twice=True)
    assert (whole[:, 0] == nearest).mean() > 0.95
    assert (grouped[:, 0] == nearest).mean() > 0.9
    assert (grouped[:, 0] != grouped[:, 1]).all()


def test_a_partition_built_by_groups_finds_what_one_without_them_finds(monkeypatch):
    rows, offsets = points_of(7, 6000, 64), np.zeros(6000)
    monkeypatch.setattr(partition, "_GROUPS_FROM", 100)
    cells = Partition(64)
    cells.build(rows[:5000], offsets, np.arange(5000), 20.0)
    cells.put(rows, offsets, np.arange(5000, 6000), 20.0)
    cells.take_out(np.arange(0, 6000, 5))
    assert {point for point, _ in held(cells)} == {point for point in range(6000) if point % 5}
    left = np.flatnonzero(np.arange(6000) % 5)
    found = [set(cells.find(query, 50, 6000).tolist()) for query in rows[1:200:5]]
    best = [set(left[np.argsort(-(rows[left] @ query))[:5]].tolist()) for query in rows[1:200:5]]
    assert np.mean([len(a & b) / 5 for a, b in zip(found, best, strict=True)]) > 0.9
