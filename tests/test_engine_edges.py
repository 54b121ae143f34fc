# The engine at its edges: what it refuses, odd shapes, extreme numbers.
"""A refused call changes nothing, and nothing that is accepted ends in nan or infinity."""

import math

import numpy as np
import pytest

from fieldstore.engine import candidates, weighted
from fieldstore.engine.bandwidth import mean_cosine, measured_kappa
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import checked_kappa, unit_places, unit_rows
from tests import naive


def field_of(vectors, weights=1.0, kappa=20.0):
    field = Field(len(vectors[0]), kappa=kappa)
    field.add(vectors, weights)
    return field


@pytest.fixture
def field(rng):
    return field_of(naive.clustered(rng, 30, 6), rng.choice([1.0, 2.0, -0.5], size=30))


# -- refusals ----------------------------------------------------------------------------------------------------------

BAD_VECTORS = {
    "of another dimension": (np.ones((2, 5)), "5 dimensions, this field has 6"),
    "one alone, of another dimension": (np.ones(7), "7 dimensions, this field has 6"),
    "with a nan": ([[1, 2, 3, 4, 5, 6], [1, 2, math.nan, 4, 5, 6]], "1 of 2 holds NaN or infinity"),
    "with an infinity": ([1, 2, 3, 4, 5, -math.inf], "0 of 1 holds NaN or infinity"),
    "of length zero": ([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], "1 of 2 holds only zeros"),
    "of unequal lengths": ([[1, 2, 3, 4, 5, 6], [1, 2]], "differ in length"),
    "of words": ([["a", "b", "c", "d", "e", "f"]], "real numbers"),
    "of complex numbers": (np.ones((1, 6), complex), "real numbers"),
    "of truths": (np.ones((1, 6), bool), "real numbers"),
    "of objects": (np.array([[None] * 6]), "real numbers"),
    "a number": (3.0, "must be"),
    "a cube": (np.ones((1, 1, 6)), "must be"),
}
bad_vectors = pytest.mark.parametrize(("vectors", "message"), BAD_VECTORS.values(), ids=BAD_VECTORS)


@bad_vectors
def test_vectors_without_a_direction_or_of_another_shape_are_refused_and_nothing_is_added(field, vectors, message):
    before = field.points.copy()
    for call in (unit_rows, unit_places):
        with pytest.raises(ValueError, match=message):
            call(vectors, 6)
    with pytest.raises(ValueError, match=message):
        field.add(vectors)
    assert np.array_equal(field.points, before)


@bad_vectors
def test_bad_queries_and_places_are_refused_everywhere(field, vectors, message):
    for call in (
        lambda: field.nearest(vectors, 3),
        lambda: field.attractors(vectors, 3),
        lambda: field.evaluate(vectors),
        lambda: field.similarity(vectors),
        lambda: field.gradient(vectors),
        lambda: field.ascend(vectors),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("queries", [np.ones((2, 6)), np.empty((0, 6))], ids=["two", "none"])
def test_a_ranking_takes_one_query(field, queries):
    for call in (field.nearest, field.attractors):
        with pytest.raises(ValueError, match="one query"):
            call(queries, 3)


@pytest.mark.parametrize("kappa", [0, 0.0, -1.0, math.nan, math.inf, -math.inf, "20", None, True])
def test_a_kappa_that_is_not_positive_and_finite_is_refused(field, kappa):
    with pytest.raises(ValueError, match="kappa must be a positive number"):
        checked_kappa(kappa)
    with pytest.raises(ValueError, match="kappa"):
        Field(3, kappa=kappa)
    with pytest.raises(ValueError, match="kappa"):
        field.kappa = kappa
    assert field.kappa == 20.0


@pytest.mark.parametrize("dim", [0, -1, 2.0, "3", None, True])
def test_a_dim_that_is_no_positive_whole_number_is_refused(dim):
    with pytest.raises(ValueError, match="dim must be a whole number"):
        Field(dim)


@pytest.mark.parametrize("k", [0, -1, 2.0, "3", None, True, math.nan])
def test_a_k_that_is_no_positive_whole_number_is_refused(field, k):
    for call in (field.nearest, field.attractors, lambda start, m: field.ascend(start, candidates=m)):
        with pytest.raises(ValueError, match="k must be a whole number"):
            call(field.points[0], k)


@pytest.mark.parametrize("reach", [math.nan, math.inf, "0.8", True])
def test_a_reach_that_is_no_finite_number_is_refused(field, reach):
    with pytest.raises(ValueError, match="reach must be a cosine"):
        field.attractors(field.points[0], 3, reach=reach)


@pytest.mark.parametrize("mask", [np.arange(30), np.ones(30), ["x"] * 30, "x"])
def test_a_mask_of_anything_but_truths_is_refused_and_a_list_of_them_is_one(field, mask):
    query, some = field.points[0], np.arange(30) % 2 == 0
    for call in (field.nearest, field.attractors, field.maxima):
        with pytest.raises(ValueError, match="a mask must be truth values"):
            call(query, 3, allowed=mask)
        assert call(query, 3, allowed=some.tolist()).points.tolist() == call(query, 3, allowed=some).points.tolist()


def test_a_mask_or_groups_of_another_length_are_refused(field):
    query = field.points[0]
    for mask in (np.ones(29, bool), np.ones(31, bool), np.ones((30, 1), bool), np.empty(0, bool)):
        with pytest.raises(ValueError, match=r"the mask has .* this field has 30 points"):
            field.nearest(query, 3, allowed=mask)
        with pytest.raises(ValueError, match="the mask has"):
            field.attractors(query, 3, allowed=mask)
        with pytest.raises(ValueError, match=r"groups have .* this field has 30 points"):
            field.attractors(query, 3, groups=mask.astype(np.int64))


@pytest.mark.parametrize("weights", [math.nan, math.inf, [1.0, -math.inf], [1.0], [1.0] * 3, [[1.0, 1.0]]])
def test_weights_that_are_not_finite_or_not_one_each_are_refused_and_nothing_changes(field, weights):
    before = field.weights.copy()
    with pytest.raises(ValueError, match="weight"):
        field.add(np.ones((2, 6)), weights)
    with pytest.raises(ValueError, match="weight"):
        field.reweight([0, 1], weights)
    assert np.array_equal(field.weights, before)


@pytest.mark.parametrize("points", [30, -1, [0, 30], [-1, 0]])
def test_an_unknown_point_is_refused_and_nothing_changes(field, points):
    before = field.weights.copy()
    with pytest.raises(ValueError, match="points run from 0 to 29"):
        field.reweight(points, 0.0)
    with pytest.raises(ValueError, match="points run from 0 to 29"):
        field.remaining(np.min(points) if np.min(points) < 0 else 30)
    assert np.array_equal(field.weights, before)


def test_rows_that_cannot_stand_for_the_points_are_refused(field):
    rows = np.concatenate([field.points, field.points])
    for wrong in (rows[:, :5].copy(), rows[:29], rows.astype(np.float64), rows[0], np.asfortranarray(rows)):
        with pytest.raises(ValueError, match="rows"):
            field.mount(wrong)
    assert len(field) == 30
    field.mount(rows)
    assert field.weights[30:].tolist() == [0.0] * 30


def test_without_a_weighted_point_there_is_nothing_to_ascend():
    for field in (Field(3), field_of(np.eye(3), 0.0)):
        with pytest.raises(ValueError, match="no weighted point"):
            field.ascend([1.0, 0.0, 0.0])


# -- odd shapes and extreme numbers ------------------------------------------------------------------------------------


def test_vectors_of_any_length_and_type_become_the_same_unit_rows(rng):
    rows = unit_rows(rng.normal(size=(40, 7)), 7)
    assert np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1).max() < 2e-7
    assert np.array_equal(unit_rows(rows, 7), rows)  # to the bit, however often
    nearly = rows * np.float32(1 + 2e-7)  # as unit as float32 arithmetic may leave a row
    assert np.array_equal(unit_rows(nearly.astype(np.float64).tolist(), 7), nearly)
    assert not np.array_equal(nearly, rows)
    near = naive.unit(rng.normal(size=(40, 7))) * (1 + rng.uniform(-1.2e-6, 1.2e-6, size=(40, 1)))  # some are unit rows
    together = unit_rows(near, 7)
    for number, row in enumerate(near):
        for alone in (row, row[None], row.tolist()):
            assert unit_rows(alone, 7).tobytes() == together[number].tobytes()
    for scale in (1e-3, 3.0, 1e30):
        np.testing.assert_allclose(unit_rows(rows * np.float64(scale), 7), rows, atol=1e-7)
    assert unit_rows([3, 0, 4], 3).tolist() == [[np.float32(0.6), 0.0, np.float32(0.8)]]
    assert unit_rows([], 7).shape == (0, 7)


@pytest.mark.parametrize("size", [1.7e308, 1e300, 1e200, 1e-200, 1e-300, 1e-310, 5e-324])
def test_vectors_as_long_or_short_as_float64_allows_keep_their_direction(size):
    for call in (unit_rows, unit_places):
        for given in ([[size, -size]], np.array([size, -size])):
            np.testing.assert_allclose(call(given, 2), [[0.5**0.5, -(0.5**0.5)]], atol=1e-6)


@pytest.mark.parametrize("kappa", [1.0, 20.0, 1e4])
@pytest.mark.parametrize("dim", [1, 2, 16])
@pytest.mark.parametrize("kind", ["none", "one", "two", "all equal", "antipodal", "all forgotten", "all repelling"])
def test_no_field_however_odd_gives_nan_or_infinity(rng, kind, dim, kappa):
    vector = naive.spread(rng, 1, dim)
    counts = {"none": 0, "one": 1, "two": 2, "all equal": 9, "antipodal": 8, "all forgotten": 5, "all repelling": 5}
    vectors = np.tile(vector, (counts[kind], 1))
    if kind == "antipodal":
        vectors[::2] *= -1
    weight = {"all forgotten": 0.0, "all repelling": -1.0}.get(kind, 1.0)
    field = Field(dim, kappa=kappa)
    assert field.add(vectors, weight).tolist() == list(range(counts[kind]))
    for query in (vector[0], -vector[0], naive.spread(rng, 1, dim)[0]):
        answering = counts[kind] if weight > 0 else 0
        plain = field.nearest(query, 20)
        assert len(plain.points) == answering
        for found in (plain, field.nearest(query, 20, smooth=True), field.attractors(query, 20)):
            for values in (found.scores, found.cosines, found.shares):
                assert np.isfinite(values).all()
        assert np.isfinite(field.evaluate(query)).all()
        assert np.isfinite(field.gradient(query)).all()
        assert not np.isnan(field.similarity(query)).any()
        if np.any(field.weights):
            found = field.ascend(query)
            assert np.linalg.norm(found.place) == pytest.approx(1.0)
            assert not np.isnan([found.phi, found.rate, found.bound]).any()


@pytest.mark.parametrize("count", [0, 1])
def test_a_bandwidth_is_not_measured_from_fewer_than_two_points(count):
    for measure in (mean_cosine, measured_kappa):
        with pytest.raises(ValueError, match=f"at least 2 vectors, here are {count}"):
            measure(np.ones((count, 1), np.float32))


@pytest.mark.parametrize("kappa", [1e4, 1e7])
def test_a_repeller_far_away_changes_nothing_however_narrow_the_kernel(kappa):
    field = field_of([[1.0, 0.0], [0.0, 1.0]], kappa=kappa)
    before = field.nearest([1.0, 0.0], 1)
    field.reweight(1, -1.0)
    after = field.nearest([1.0, 0.0], 1)
    assert (after.points.tolist(), after.scores.tolist()) == (before.points.tolist(), before.scores.tolist())


def test_an_empty_field_answers_nothing_and_no_places_give_no_values():
    field = Field(4)
    assert len(field) == 0
    assert field.add(np.empty((0, 4))).shape == (0,)
    assert field.evaluate(np.ones((3, 4))).tolist() == [0.0] * 3
    assert field.similarity(np.ones(4)).tolist() == [-math.inf]
    assert field.gradient(np.ones((2, 4))).tolist() == [[0.0] * 4] * 2
    assert field.evaluate(np.empty((0, 4))).shape == (0,)
    assert field.gradient(np.empty((0, 4))).shape == (0, 4)
    assert len(field.nearest(np.ones(4), 3).points) == len(field.attractors(np.ones(4), 3, groups=[]).points) == 0


@pytest.mark.parametrize("effort", [5e-324, 1e-3, 1e3, 1e39, 1e78, 1e308])
def test_any_effort_is_taken_and_the_largest_finds_all_of_the_nearest(monkeypatch, effort):
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    monkeypatch.setattr(candidates, "_FEW", 16)
    rows = naive.clustered(np.random.default_rng(5), 3000, 48, noise=0.6)
    field = field_of(rows)
    for allowed in (None, np.arange(3000) % 8 == 0, np.arange(3000) % 2 == 0):
        found = field.nearest(rows[0], 10, allowed=allowed, effort=effort).points
        exact = field.nearest(rows[0], 10, allowed=allowed, exact=True).points
        assert len(found) == 10
        assert effort <= 1 or len(np.intersect1d(found, exact)) >= 9
