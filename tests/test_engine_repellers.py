# Repellers in the engine: the same in a flat scan and in cells, and gone without a trace when they are taken back.
"""`Field.repel`, and the records at the maxima that queries ascend to."""

import math

import numpy as np
import pytest

from fieldstore.engine import candidates, weighted
from fieldstore.engine.field import Field
from tests import naive
from tests.test_engine import answers, exactly


@pytest.fixture
def early(monkeypatch):
    """Cells from 256 points on, so that a test of them is quick."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    monkeypatch.setattr(candidates, "_FEW", 16)


def in_cells(seed, count=3000, dim=32, weights=1.0):
    """A field in cells, and the same without them."""
    rows = naive.clustered(np.random.default_rng(seed), count, dim, noise=0.8)
    fields = Field(dim), Field(dim, flat=True)
    for field in fields:
        field.add(rows, weights)
    assert fields[0]._arrays.partition is not None
    return *fields, rows


def silent_of(field):
    return set(np.flatnonzero(field._arrays.offsets[: len(field)] == -np.inf).tolist())


# -- in cells ----------------------------------------------------------------------------------------------------------


def test_in_cells_nothing_that_is_hidden_answers_and_k_that_are_not_do(early, rng):
    cells, flat, rows = in_cells(1)
    places = rows[rng.integers(3000, size=4)]
    for field in (cells, flat):
        field.repel(places, [0.2, 0.3, 0.4, 0.5])
    hidden = silent_of(flat)
    assert len(hidden) > 60
    assert silent_of(cells) == hidden
    assert len(cells._arrays.partition) == 3000 - len(hidden)
    found_of_true = 0
    for query in naive.unit(places.repeat(5, axis=0) + 0.1 * naive.spread(rng, 20, 32)):
        found, true = cells.nearest(query, 10), flat.nearest(query, 10)
        assert len(found.points) == 10
        assert not hidden & set(found.points.tolist())
        found_of_true += len(np.intersect1d(found.points, true.points))
        assert exactly(cells.nearest(query, 10, exact=True), true)
        assert exactly(cells.attractors(query, 10, exact=True), flat.attractors(query, 10))
        for ranking in (cells.attractors(query, 10), cells.maxima(query, 10)):
            members = {point for some in ranking.members for point in some.points.tolist()}
            assert not hidden & ({*ranking.points.tolist()} | members)
    assert found_of_true >= 180
    assert len(cells.astray()) == 0


def test_in_cells_a_filter_and_a_repeller_leave_k_results_where_there_are_k(early, rng):
    cells, flat, rows = in_cells(2)
    for field in (cells, flat):
        field.repel(rows[:1], 0.3)
    for part in (0.5, 0.05, 0.008):
        allowed = rng.random(3000) < part
        left = np.flatnonzero(allowed & (flat._arrays.offsets[:3000] > -np.inf))
        found = cells.nearest(rows[0], 10, allowed=allowed)
        assert len(found.points) == min(10, len(left))
        assert set(found.points) <= set(left)


def test_taking_repellers_back_brings_everything_back_into_the_cells(early, rng):
    cells, flat, rows = in_cells(3, weights=np.random.default_rng(3).choice([0.5, 1.0, 2.0], size=3000))
    cells.repel(rows[:3], [0.4, 0.6, 0.9])
    cells.repel(rows[2:3], 0.9)
    cells.repel(np.empty((0, 32)), [])
    assert len(cells._arrays.partition) == 3000
    assert np.array_equal(cells._arrays.offsets, flat._arrays.offsets)
    assert len(cells.astray()) == 0
    for query in rows[:20]:
        assert exactly(cells.nearest(query, 10, exact=True), flat.nearest(query, 10))
        assert 0 <= len(np.setdiff1d(flat.nearest(query, 10).points, cells.nearest(query, 10).points)) <= 2


def test_in_cells_only_codes_of_points_that_feel_a_repeller_are_written_again(early, monkeypatch):
    cells, _, rows = in_cells(4)
    written = []
    put = cells._arrays.partition.put

    def noted(rows, offsets, points, kappa):
        written.extend(points.tolist())
        put(rows, offsets, points, kappa)

    monkeypatch.setattr(cells._arrays.partition, "put", noted)
    cells.repel(rows[:1], 0.95)
    assert silent_of(cells)
    assert len(written) < 300
    cosines = cells.points @ cells.points[0]
    assert (cosines[written] > 0.5).all()


def test_what_changes_under_a_repeller_is_weighed_as_if_it_had_been_there_from_the_start(early, rng):
    cells, _, rows = in_cells(5)
    cells.repel(rows[:2], [0.5, 0.8])
    cells.add(rows[:50] + 0.05 * naive.spread(rng, 50, 32), 2.0)
    cells.reweight(np.arange(0, 300, 3), rng.choice([0.0, 0.4, 3.0], size=100))
    cells.kappa = 33.0
    fresh = Field(32, kappa=33.0, flat=True)
    fresh.add(cells.points, cells.weights)
    fresh.repel(rows[:2], [0.5, 0.8])
    assert np.array_equal(cells._arrays.offsets[: len(cells)], fresh._arrays.offsets[: len(fresh)])
    assert len(cells.astray()) == 0
    for query in rows[:5]:
        assert all(
            exactly(*pair)
            for pair in zip(
                [cells.nearest(query, 10, exact=True), cells.maxima(query, 10, exact=True)],
                [fresh.nearest(query, 10), fresh.maxima(query, 10)],
                strict=True,
            )
        )
        assert np.array_equal(cells.evaluate(query), fresh.evaluate(query))


def test_a_saved_state_knows_what_was_hidden(early, rng):
    cells, _, rows = in_cells(6)
    cells.repel(rows[:2], [0.5, 0.8])
    state = {name: array.copy() for name, array in cells.state().items()}
    again = Field(32)
    again.adopt(cells.points, state, cells.repellers)
    assert silent_of(again) == silent_of(cells)
    assert len(again.astray()) == 0
    assert exactly(again.nearest(rows[0], 10), cells.nearest(rows[0], 10))
    assert np.array_equal(again.evaluate(rows[:3]), cells.evaluate(rows[:3]))
    for broken in ({**state, "offsets": state["offsets"] + 1.0}, {**state, "offsets": state["offsets"][:-1]}):
        with pytest.raises(ValueError, match="cannot be"):
            Field(32).adopt(cells.points, broken, cells.repellers)
    with pytest.raises(ValueError, match="the other way round"):
        Field(32).adopt(cells.points, state)


# -- the numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [20.0, 1e4])
def test_a_repeller_that_no_float_could_weigh_still_hides_and_overflows_nowhere(rng, kappa):
    rows = naive.clustered(rng, 50, 16)
    field = Field(16, kappa=kappa)
    field.add(rows)
    field.repel(rows[:1], -0.99)
    near = rows @ rows[0] >= -0.99
    assert silent_of(field) == set(np.flatnonzero(near).tolist())
    assert field.evaluate(rows[0])[0] == pytest.approx(-np.exp(min(kappa * 1.99, 709.78)), rel=0.01) or kappa == 1e4
    assert field.evaluate(rows[0])[0] < 0 < np.isfinite(field.evaluate(rows)).all()
    assert field.similarity(rows[0])[0] == -math.inf
    assert np.isfinite(field.gradient(rows)).all()
    assert np.isfinite(field.ascend(rows[1]).phi)


def test_views_feel_repellers_and_refuse_to_place_any(rng):
    field = Field(16)
    field.add(naive.clustered(rng, 50, 16))
    view = field.view()
    field.repel(field.points[:1], 0.8)
    assert 0 not in view.nearest(field.points[0], 50).points
    with pytest.raises(ValueError, match="a view of a field"):
        view.repel(field.points[:1], 0.8)


@pytest.mark.parametrize("radii", [1.1, -1.01, math.nan, [0.5, 0.5], "near", [[0.5]]])
def test_radii_that_are_no_cosines_or_not_one_each_are_refused_and_nothing_changes(rng, radii):
    field = Field(4)
    field.add(np.eye(4))
    field.repel([0.0, 0.0, 0.0, 1.0], 0.9)
    with pytest.raises(ValueError, match="radius"):
        field.repel([1.0, 0.0, 0.0, 0.0], radii)
    assert [points.tolist() for points in field.hidden()] == [[3]]


def test_who_hides_whom_is_told_where_several_hide_together():
    """Two that each take 0.63 off a point silence it together: it is listed under both, answering without either."""
    field = Field(3, kappa=20.0)
    field.add([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    away = 0.9 + math.log(0.63) / 20.0
    places = [[away, 0.0, math.sqrt(1 - away**2)], [away, 0.0, -math.sqrt(1 - away**2)], [0.0, 1.0, 0.0]]
    field.repel(places, 0.9)
    assert [points.tolist() for points in field.hidden()] == [[0], [0], [1]]
    field.repel(places[1:], 0.9)
    assert [points.tolist() for points in field.hidden()] == [[], [1]]
    assert field.nearest([1.0, 0.0, 0.0], 1).points.tolist() == [0]


def test_points_of_negative_weight_and_repellers_add_up(rng):
    rows = naive.clustered(rng, 40, 9)
    weights = rng.choice([1.0, 2.0, -0.5], size=40)
    field = Field(9)
    field.add(rows, weights)
    field.repel(rows[:2], [0.8, 0.9])
    places = np.concatenate([field.points, field.points[:2]])
    all_weights = np.concatenate([weights, -np.exp(20.0 * (1 - np.array([0.8, 0.9])))])
    expected = naive.effective_weights(places, all_weights, 20.0)[:40]
    offsets = field._arrays.offsets[:40]
    np.testing.assert_allclose(np.exp(20.0 * offsets), expected, atol=1e-4)
    np.testing.assert_allclose(
        field.evaluate(rows), [naive.field(row, places, all_weights, 20.0) for row in field.points], atol=1e-4
    )


# -- records at the maxima ---------------------------------------------------------------------------------------------


def test_records_at_the_maxima_are_those_that_the_twins_ascent_comes_to(rng):
    kappa = 60.0
    rows = naive.clustered(rng, 40, 8, noise=0.4)
    field = Field(8, kappa=kappa)
    field.add(rows, rng.choice([1.0, 2.0], size=40))
    points, weights = field.points.astype(np.float64), field.weights
    for query in naive.unit(rows[:6] + 0.2 * naive.spread(rng, 6, 8)):
        ends = [naive.ascend(start, points, weights, kappa)[-1] for start in [naive.unit(np.float32(query)), *points]]
        heads = []
        for end in ends:
            if all(naive.angle(end, head) >= 0.2 * kappa**-0.5 for head in heads):
                heads.append(end)
        worth = [query @ x + math.log(naive.field(x, points, weights, kappa)) / kappa for x in heads]
        shown = [int((points @ x + np.log(weights) / kappa).argmax()) for x in heads]
        found = field.maxima(query, 40)
        assert set(found.points.tolist()) == set(shown)
        by_point = {}
        for point, value in zip(shown, worth, strict=True):
            by_point[point] = max(value, by_point.get(point, -math.inf))
        for point, score in zip(found.points.tolist(), found.scores, strict=True):
            assert score == pytest.approx(by_point[point], abs=1e-3)
        assert (np.diff(found.scores) <= 0).all()
        everyone = np.concatenate([found.points, *(members.points for members in found.members)])
        assert sorted(everyone) == list(range(40))
        assert found.shares.sum() == pytest.approx(1.0)


def test_far_from_each_other_records_are_their_own_maxima_and_rank_as_the_nearest_do(rng):
    field = Field(12, kappa=1e3)
    field.add(np.eye(12), rng.choice([1.0, 3.0], size=12))
    for query in naive.spread(rng, 5, 12):
        found, plain = field.maxima(query, 12), field.nearest(query, 12)
        assert found.points.tolist() == plain.points.tolist()
        np.testing.assert_allclose(found.scores, plain.scores, atol=1e-6)
        assert np.array_equal(found.shares, plain.shares)


def test_where_a_repeller_leaves_nothing_positive_there_is_no_maximum(rng):
    field = Field(6)
    field.add(naive.unit(np.eye(1, 6) + 0.05 * naive.spread(rng, 8, 6)))
    field.repel(field.points[:1], 0.2)
    assert len(field.maxima(field.points[0], 5).points) == 0
    assert len(Field(6).maxima(np.ones(6), 5).points) == 0


def test_a_bound_is_told_where_all_points_were_asked_and_none_where_they_were_looked_for_in_cells(early):
    cells, flat, rows = in_cells(7)
    assert cells.ascend(rows[0]).bound is None
    assert cells.local(rows[0]).bound is None
    assert cells.local(rows[0], exact=True).bound == flat.local(rows[0]).bound > 0
    assert cells.ascend(rows[0], exact=True).bound == flat.ascend(rows[0]).bound > 0
    assert np.array_equal(cells.ascend(rows[0], exact=True).place, flat.ascend(rows[0]).place)


def test_what_is_silent_is_still_part_of_the_local_field(early, rng):
    cells, flat, rows = in_cells(8)
    for field in (cells, flat):
        field.repel(rows[:1], 0.9)
    there, true = cells.local(rows[0]), flat.local(rows[0])
    assert 0 in there.points
    assert there.phi == pytest.approx(true.phi, rel=0.2, abs=0.2)
    assert there.contributions[there.points == 0] == pytest.approx(1.0)


def test_every_ranking_of_one_query_is_that_of_many(rng):
    field = Field(16)
    field.add(naive.clustered(rng, 200, 16))
    field.repel(field.points[:1], 0.8)
    queries = naive.spread(rng, 5, 16)
    many = field.maxima_many(queries, 7)
    assert all(exactly(field.maxima(query, 7), found) for query, found in zip(queries, many, strict=True))
    assert len(answers(field, queries[0], np.zeros(200, np.int64))) == 4
