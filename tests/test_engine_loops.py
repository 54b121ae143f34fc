# The parts the loops are made of: exponentials, products, and shortcuts that must not show.
"""What no result of a Field can tell apart, and every result rests on."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from fieldstore.engine import loops
from fieldstore.engine.arrays import sealed
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import unit_rows
from fieldstore.engine.instructions import sixteen_dots
from tests import naive

DIMS = [1, 3, 15, 16, 17, 64, 100, 384, 768]


@njit
def exp_of(powers):
    values = np.empty_like(powers)
    for i in range(powers.shape[0]):
        values[i] = loops._exp(powers[i])
    return values


@njit
def dots_of(points, rows, others, found):
    sixteen_dots(points, rows, others, found)


# -- exponentials ------------------------------------------------------------------------------------------------------


def test_an_exponential_is_right_to_one_unit_in_the_last_place(rng):
    powers = np.concatenate(
        [np.linspace(-708, 709, 500_001), rng.uniform(-1, 1, 500_000), -(10.0 ** -np.arange(0, 40))]
    )
    true = np.exp(powers.astype(np.longdouble))
    if np.finfo(np.longdouble).nmant <= 52:
        pytest.skip("no number type of more than 53 bits here to compare with")
    error = np.abs(exp_of(powers) - true) / np.spacing(true.astype(np.float64))
    assert error.max() <= 1.0
    assert (np.abs(exp_of(powers) / np.exp(powers) - 1) <= 3e-16).all()


def test_an_exponential_of_nothing_is_one_and_of_very_little_is_nothing():
    powers = np.array([0.0, -0.0, -709.5, -745.0, -1e5, -1e308, -math.inf])
    assert exp_of(powers).tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


# -- products ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", DIMS)
def test_sixteen_products_are_those_of_their_rows(rng, dim):
    points = naive.spread(rng, 12, dim).astype(np.float32)
    rows, others, found = rng.integers(0, 12, 4), rng.integers(0, 12, 4), np.empty((4, 4), np.float32)
    dots_of(points, rows, others, found)
    np.testing.assert_allclose(found, points[rows].astype(np.float64) @ points[others].T, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dim", DIMS)
def test_a_product_has_the_same_bits_wherever_its_rows_stand(rng, dim):
    points = naive.spread(rng, 12, dim).astype(np.float32)
    seen = {}
    for _ in range(40):
        rows, others, found = rng.integers(0, 12, 4), rng.integers(0, 12, 4), np.empty((4, 4), np.float32)
        dots_of(points, rows, others, found)
        for i, row in enumerate(rows.tolist()):
            for j, other in enumerate(others.tolist()):
                assert seen.setdefault(frozenset((row, other)), found[i, j]) == found[i, j]


# -- shortcuts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1.0, 20.0, 1e4])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 17, 99, 100])
def test_scores_that_are_left_unmixed_would_not_have_been_shown(rng, count, kappa):
    field = Field(12, kappa=kappa)
    field.add(naive.clustered(rng, count, 12), rng.choice([1.0, 2.0, 0.3], size=count))
    for query in naive.spread(rng, 10, 12):
        everyone = field.attractors(query, 33)
        for k in (1, 2, 5, 12):
            found = field.attractors(query, k)
            assert np.array_equal(found.points, everyone.points[:k])
            assert np.array_equal(found.scores, everyone.scores[:k])
            assert np.array_equal(found.shares, everyone.shares[:k])
            assert [m.points.tolist() for m in found.members] == [m.points.tolist() for m in everyone.members[:k]]


# -- the field's sums --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1.0, 20.0, 1e4])
@pytest.mark.parametrize(
    ("dim", "kind"), [*((dim, "f8") for dim in (1, 3, 100, 768, 1536, 3072)), (67, "f4"), (384, "f4")]
)
def test_phi_has_the_same_bits_whatever_other_places_points_and_threads_there_are(rng, dim, kind, kappa, monkeypatch):
    count = 3 * 8 + 5 + 49_152 // dim % 400  # more than are taken at a time, and not a multiple of eight
    points, weights = naive.clustered(rng, count, dim), rng.choice([0.0, 1.0, 2.0, 0.3, -0.4], size=count)
    field, alone = Field(dim, kappa=kappa), Field(dim, kappa=kappa)
    field.add(points, weights)
    alone.add(points[weights != 0], weights[weights != 0])
    places = naive.unit(np.concatenate([naive.spread(rng, 20, dim), points[:17] + 0.1 * naive.spread(rng, 17, dim)]))
    places = places.astype(kind)
    together = field.evaluate(places), field.similarity(places)
    for other in (field, alone):
        for threads in (1, 2, 5):
            monkeypatch.setattr("fieldstore.engine.threads._cores", lambda threads=threads: threads)
            assert np.array_equal(other.evaluate(places), together[0])
            assert np.array_equal(other.similarity(places), together[1])
        for start in range(0, len(places), 11):
            assert np.array_equal(other.evaluate(places[start : start + 11]), together[0][start : start + 11])
        assert np.array_equal(other.evaluate(places[5]), together[0][5:6])


@pytest.mark.parametrize("dim", [64, 67, 100, 384, 768, 3072])
def test_at_places_in_float32_phi_is_as_right_as_their_cosines_to_1e_7(rng, dim):
    points, weights = naive.clustered(rng, 300, dim), rng.choice([1.0, 2.0, 0.3, -0.4], size=300)
    for kappa in (1.0, 20.0, 100.0):
        field = Field(dim, kappa=kappa)
        field.add(points, weights)
        alone = Field(dim, kappa=kappa)
        alone.add(points[0], 3.0)
        places = np.concatenate([field.points[:20], naive.unit(naive.spread(rng, 20, dim)).astype(np.float32)])
        felt = np.array([naive.field(place, points, np.abs(weights), kappa) for place in places.astype(np.float64)])
        assert (np.abs(field.evaluate(places) - field.evaluate(places.astype(np.float64))) <= 1e-7 * kappa * felt).all()
        assert alone.evaluate(field.points[0])[0] == pytest.approx(3.0, rel=1e-7 * kappa)
        cosines = places.astype(np.float64) @ alone.points[0]
        heavier = math.log(3.0) / kappa
        np.testing.assert_allclose(alone.similarity(places) - heavier, cosines, rtol=0, atol=1e-7)


@pytest.mark.parametrize("where", [0, 1, 7, 8, 9, 128, 139])
def test_the_nearest_point_may_stand_anywhere_among_points_whose_kernels_are_nothing_beside_its_own(rng, where):
    points = np.tile([-1.0, 0.0], (140, 1))
    points[where] = [1.0, 0.0]
    field = Field(2, kappa=1e4)
    field.add(points)
    assert field.evaluate([[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]]).tolist()[:2] == [1.0, 139.0]
    np.testing.assert_allclose(field.similarity([0.6, 0.8]), 0.6, atol=1e-12)


# -- odd shapes against the slow twin ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 3, 100, 768, 1536, 3072]),
    st.sampled_from([1, 2, 7, 8, 9, 33, 130]),
    st.sampled_from(["as drawn", "all equal", "all forgotten", "each twice"]),
)
def test_odd_shapes_agree_with_the_slow_twin(seed, dim, count, kind):
    rng = np.random.default_rng(seed)
    vectors, weights = naive.clustered(rng, count, dim), rng.choice([1.0, 2.0, 0.3, 0.0], size=count)
    if kind == "all equal":
        vectors[:] = vectors[0]
    elif kind == "all forgotten":
        weights[:] = 0.0
    elif kind == "each twice":
        vectors[count // 2 : count // 2 * 2] = vectors[: count // 2]
    field = Field(dim)
    field.add(vectors, weights)
    points, query = field.points.astype(np.float64), unit_rows(naive.spread(rng, 1, dim), dim)[0]
    place = query.astype(np.float64)
    assert field.evaluate(query)[0] == pytest.approx(naive.field(place / np.linalg.norm(place), points, weights, 20.0))
    numbers, values, shares = naive.nearest(place, points, weights, 20.0, 12)
    found = field.nearest(query, 12)
    assert len(found.points) == len(numbers)
    np.testing.assert_allclose(found.scores, values, rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.shares, shares, rtol=0, atol=1e-4)
    shown = field.attractors(query, 50)
    everyone = np.concatenate([shown.points, *(members.points for members in shown.members)]).astype(np.int64)
    pool, scores = naive.candidates(place, points, weights, 20.0, 150)
    assert sorted(everyone.tolist()) == sorted(pool) or len(shown.points) == 50
    ranked = sorted(scores[pool])
    if np.diff(np.unique(ranked)).min(initial=1.0) > 1e-5:  # an order that float32 tells, too
        expected = naive.attractors(place, points, weights, 20.0, 50, field.tau)
        assert {one.point for one in expected} == set(shown.points.tolist()) or len(expected) == 50
        np.testing.assert_allclose(shown.scores, [one.score for one in expected], rtol=0, atol=5e-5)


@pytest.mark.parametrize("count", [1, 2, 5, 127, 128, 129, 400])
@pytest.mark.parametrize("damaged", [False, True])
def test_candidates_come_in_order_whether_few_or_many_and_a_damaged_row_costs_no_other(count, damaged):
    rng = np.random.default_rng(count)
    rows = naive.unit(rng.normal(size=(40, 8)))[rng.integers(0, 40, count)].astype(np.float32)  # with many ties
    if damaged:
        rows[count // 2] = np.nan
    offsets = rng.choice([0.0, 0.1], count)
    near = rng.permutation(count)
    query = sealed(naive.unit(rng.normal(size=(1, 8))).astype(np.float32))
    found, scores, _, counts, _ = loops.ranked(query, sealed(rows), offsets, near, np.empty(0, np.int64), count)
    assert counts.tolist() == [count]
    assert sorted(found[0].tolist()) == list(range(count))
    if not damaged:
        assert found[0].tolist() == found[0][np.lexsort((found[0], -scores[0]))].tolist()
