# The engine against its slow twin: every number a Field returns, on fields of every odd shape.
"""Each loop computes what `tests/naive.py` computes."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fieldstore.engine.bandwidth import mean_cosine, measured_kappa
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import unit_rows
from tests import naive

COSINE = 2e-6  # what two float32 cosines may differ by
DIMS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 40]  # around the lanes of eight and of sixteen
KAPPAS = [1.0, 20.0, 100.0, 1e3, 1e4]

tried = settings(deadline=None, max_examples=60, derandomize=True)


class Case:
    """A field, its rows and weights as the twin takes them, and a generator for places to look at."""

    def __init__(self, seed, count, dim, kappa, weights):
        self.rng = np.random.default_rng(seed)
        vectors = naive.clustered(self.rng, count, dim)
        if count >= 4:
            vectors[-1], vectors[-2] = vectors[0], -vectors[0]  # an exact copy and its opposite
        self.field = Field(dim, kappa=kappa)
        self.field.add(vectors, self.rng.choice(weights, size=count))
        self.kappa = kappa
        self.points = self.field.points.astype(np.float64)
        self.weights = self.field.weights.copy()

    def places(self, count):
        """Unit vectors of which every second is near a point, if there is one."""
        found = naive.spread(self.rng, count, self.field.dim)
        if len(self.field):
            near = self.rng.integers(len(self.field), size=len(found[::2]))
            found[::2] = naive.unit(self.points[near] + 0.3 * found[::2])
        return found

    def query(self):
        """The same, as the engine rounds it."""
        return unit_rows(self.places(1), self.field.dim)[0].astype(np.float64)


def cases(weights, kappas=KAPPAS):
    return st.builds(
        Case,
        seed=st.integers(0, 2**32 - 1),
        count=st.one_of(st.integers(0, 3), st.integers(4, 45)),
        dim=st.sampled_from(DIMS),
        kappa=st.sampled_from(kappas),
        weights=st.just(weights),
    )


ANY_SIGN = [0.0, 1.0, 1.0, 2.0, 0.3, -0.4, -1.5]
NO_REPELLER = [0.0, 1.0, 1.0, 2.0, 0.3]


def assert_ranked_as(found, expected, twin_scores, kappa, tolerance):
    """Equal but for points nearer to each other in score than float32 can tell."""
    numbers, values, shares = expected
    assert len(set(found.points.tolist())) == len(found.points) == len(numbers)
    np.testing.assert_allclose(found.scores, values, rtol=0, atol=tolerance)
    np.testing.assert_allclose(twin_scores[found.points], twin_scores[numbers], rtol=0, atol=2 * tolerance)
    np.testing.assert_allclose(found.shares, shares, rtol=0, atol=2 * kappa * tolerance)


# -- the field ---------------------------------------------------------------------------------------------------------


@tried
@given(cases(ANY_SIGN, [1.0, 20.0, 100.0]))
def test_phi_is_the_sum_of_weighted_kernels(case):
    places = case.places(6)
    for phi, place in zip(case.field.evaluate(places), places, strict=True):
        felt = np.abs(naive.contributions(place, case.points, case.weights, case.kappa)).sum()
        assert abs(phi - naive.field(place, case.points, case.weights, case.kappa)) <= 1e-5 * felt


@tried
@given(cases(ANY_SIGN))
def test_field_similarity_survives_where_phi_underflows(case):
    places = case.places(6)
    for found, place in zip(case.field.similarity(places), places, strict=True):
        expected = naive.field_similarity(place, case.points, case.weights, case.kappa)
        felt = naive.field_similarity(place, case.points, np.abs(case.weights), case.kappa)
        if felt == -math.inf:
            assert found == -math.inf
        elif case.kappa * (expected - felt) > -10:  # not mostly cancelled: there a logarithm is all rounding
            assert found == pytest.approx(expected, abs=COSINE)


@tried
@given(cases(ANY_SIGN, [1.0, 20.0, 100.0]))
def test_the_gradient_is_the_tangent_part_of_the_pull(case):
    places = case.places(4)
    slopes = case.field.gradient(places)
    for slope, place in zip(slopes, places, strict=True):
        felt = np.abs(naive.contributions(place, case.points, case.weights, case.kappa)).sum()
        expected = naive.gradient(place, case.points, case.weights, case.kappa)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-5 * case.kappa * felt)
        assert abs(slope @ place) <= 1e-9 * case.kappa * felt


@pytest.mark.parametrize("kappa", [1.0, 20.0, 100.0, 1000.0])
@pytest.mark.parametrize("dim", [2, 9, 16, 33])
def test_the_gradient_agrees_with_central_differences(dim, kappa):
    case = Case(dim, 30, dim, kappa, ANY_SIGN)
    step = 1e-4 / math.sqrt(kappa)
    places = naive.unit(case.points[:10] + 0.5 / math.sqrt(kappa) * naive.spread(case.rng, 10, dim))
    for place, slope in zip(places, case.field.gradient(places), strict=True):
        direction = case.rng.normal(size=dim)
        direction = naive.unit(direction - (direction @ place) * place)
        ahead, behind = case.field.evaluate([place + step * direction, place - step * direction])
        felt = np.abs(naive.contributions(place, case.points, case.weights, kappa)).sum()
        rise = (ahead - behind) / (2 * math.atan(step))
        assert slope @ direction == pytest.approx(rise, abs=1e-4 * max(np.linalg.norm(slope), 1e-3 * kappa * felt))


def test_one_point_alone_has_its_cosine_as_field_similarity():
    rng = np.random.default_rng(3)
    for kappa in KAPPAS:
        field = Field(20, kappa=kappa)
        field.add(naive.spread(rng, 1, 20))
        places = naive.spread(rng, 20, 20)
        np.testing.assert_allclose(field.similarity(places), places @ field.points[0], atol=1e-12)


def test_a_place_far_from_everything_has_a_similarity_although_phi_is_nothing_there():
    field = Field(2, kappa=1e4)
    field.add([1.0, 0.0])
    assert field.evaluate([-1.0, 0.0])[0] == 0.0
    assert field.similarity([-1.0, 0.0])[0] == pytest.approx(-1.0, abs=1e-14)


# -- rankings ----------------------------------------------------------------------------------------------------------


@tried
@given(cases(NO_REPELLER), st.integers(1, 60), st.booleans())
def test_nearest_ranks_by_effective_similarity(case, k, masked):
    query = case.query()
    allowed = case.rng.random(len(case.field)) < 0.7 if masked else None
    found = case.field.nearest(query, k, allowed=allowed)
    expected = naive.nearest(query, case.points, case.weights, case.kappa, k, allowed)
    scores = naive.scores(query, case.points, case.weights, case.kappa)
    assert_ranked_as(found, expected, scores, case.kappa, COSINE)
    np.testing.assert_allclose(found.cosines, naive.cosines(query, case.points)[found.points], atol=COSINE)


@pytest.mark.parametrize("k", [1, 10, 40, 300])
def test_nearest_keeps_its_order_beyond_a_hundred_points(k):
    case = Case(5, 400, 24, 20.0, NO_REPELLER)
    for _ in range(10):
        query = case.query()
        expected = naive.nearest(query, case.points, case.weights, 20.0, k)
        scores = naive.scores(query, case.points, case.weights, 20.0)
        assert_ranked_as(case.field.nearest(query, k), expected, scores, 20.0, COSINE)


@tried
@given(cases(NO_REPELLER, [1.0, 20.0, 100.0]), st.integers(1, 60))
def test_smoothing_mixes_in_what_the_neighbours_say(case, k):
    query = case.query()
    found = case.field.nearest(query, k, smooth=True)
    numbers, values, _ = naive.nearest(query, case.points, case.weights, case.kappa, k, smooth=True)
    assert len(found.points) == len(numbers)
    np.testing.assert_allclose(found.scores, values, rtol=0, atol=COSINE * (1 + case.kappa))


def test_smoothing_reorders_the_first_fifty_only():
    case = Case(6, 200, 16, 20.0, NO_REPELLER)
    for _ in range(5):
        query = case.query()
        plain, smooth = case.field.nearest(query, 90), case.field.nearest(query, 90, smooth=True)
        numbers, values, _ = naive.nearest(query, case.points, case.weights, 20.0, 90, smooth=True)
        assert smooth.points.tolist() == numbers
        np.testing.assert_allclose(smooth.scores, values, atol=1e-5)
        assert set(smooth.points[:50]) == set(plain.points[:50])
        assert smooth.points[50:].tolist() == plain.points[50:].tolist()


@tried
@given(cases(ANY_SIGN, [1.0, 20.0, 100.0]))
def test_a_repeller_takes_its_kernel_off_every_weight_around_it(case):
    found = case.field.nearest(case.query(), max(1, len(case.field)))
    cosines = found.cosines.astype(np.float64)
    effective = np.zeros(len(case.field))
    effective[found.points] = np.exp(case.kappa * (found.scores - cosines))
    expected = naive.effective_weights(case.points, case.weights, case.kappa)
    repulsion = np.abs(case.weights[case.weights < 0]).sum()
    np.testing.assert_allclose(effective, expected, rtol=0, atol=COSINE * case.kappa * (2 + repulsion))


@tried
@given(
    cases(NO_REPELLER, [1.0, 20.0, 100.0]),
    st.integers(1, 60),
    st.sampled_from([-1.0, 0.3, 0.71, 0.9, 1.5]),
    st.booleans(),
    st.booleans(),
)
def test_attractors_absorb_what_is_within_reach_or_of_their_group(case, k, reach, grouped, masked):
    query = case.query()
    groups = case.rng.integers(-1, 6, size=len(case.field)) if grouped else None
    allowed = case.rng.random(len(case.field)) < 0.7 if masked else None
    rules = (reach, groups, allowed)
    everyone = naive.attractors(query, case.points, case.weights, case.kappa, 60, *rules)
    assume(clear_order(naive.scores(query, case.points, case.weights, case.kappa)))
    assume(len(everyone) < 4 or clear_order([shown.score for shown in everyone], ties=False))
    found = case.field.attractors(query, k, reach=reach, groups=groups, allowed=allowed)
    expected = everyone[:k]
    assert found.points.tolist() == [shown.point for shown in expected]
    assert [members.points.tolist() for members in found.members] == [shown.members for shown in expected]
    np.testing.assert_allclose(found.scores, [shown.score for shown in expected], atol=COSINE * (1 + case.kappa))
    np.testing.assert_allclose(found.shares, [shown.share for shown in expected], atol=COSINE * (1 + case.kappa))


def clear_order(values, ties=True):
    """Whether float32 orders these as float64 does: no two nearly equal; exactly equal ones go by point number."""
    finite = np.array([value for value in values if value > -math.inf])
    gaps = np.diff(np.unique(finite) if ties else np.sort(finite))
    return not (gaps < 1e-5).any()


@pytest.mark.parametrize("k", [5, 50])
def test_attractors_come_from_the_best_hundred_or_three_times_k(k):
    case = Case(8, 500, 32, 20.0, NO_REPELLER)
    for _ in range(5):
        query = case.query()
        found = case.field.attractors(query, k)
        expected = naive.attractors(query, case.points, case.weights, 20.0, k, case.field.tau)
        assert found.points.tolist() == [shown.point for shown in expected]
        assert [members.points.tolist() for members in found.members] == [shown.members for shown in expected]
        np.testing.assert_allclose(found.shares, [shown.share for shown in expected], atol=1e-4)


# -- bandwidth and residual --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dim"), [(2, 1), (2, 5), (3, 16), (60, 33)])
def test_the_mean_cosine_is_that_of_all_distinct_pairs(count, dim):
    rows = unit_rows(naive.clustered(np.random.default_rng(count), count, dim), dim)
    expected = naive.mean_cosine(rows)
    assert mean_cosine(rows) == pytest.approx(expected, abs=1e-6)
    assert measured_kappa(rows) == pytest.approx(15 / (1 - min(max(expected, -0.2), 0.95)), rel=1e-5)


def test_the_measured_concentration_is_clamped_at_both_ends():
    same, opposite = np.ones((5, 1), np.float32), np.array([[1.0], [-1.0]], np.float32)
    assert measured_kappa(same) == pytest.approx(15 / 0.05)
    assert measured_kappa(opposite) == pytest.approx(15 / 1.2)


def test_reach_is_0735_of_the_room_the_embedder_leaves():
    for mean in (-0.2, 0.0, 0.288, 0.95):
        assert Field(1, kappa=15 / (1 - mean)).tau == pytest.approx(mean + 0.735 * (1 - mean))


@pytest.mark.parametrize("dim", [1, 9, 24])
def test_what_remains_of_a_point_is_the_field_of_the_others_at_its_place(dim):
    case = Case(dim, 40, dim, 15.0, NO_REPELLER)
    for point in np.flatnonzero(case.weights)[:10]:
        copies, carriers = case.field.remaining(int(point), 40)
        expected = naive.residual(point, case.points, case.weights, 15.0)
        assert copies / (case.weights[point] + copies) == pytest.approx(expected, rel=1e-5)
        assert point not in carriers.points
        assert carriers.shares.sum() == pytest.approx(1.0, abs=1e-4)


# -- ascent ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [50.0, 100.0, 300.0])
@pytest.mark.parametrize("dim", [2, 9, 16, 33])
def test_a_positive_ascent_ends_where_the_twin_ends(dim, kappa):
    case = Case(dim, 60, dim, kappa, NO_REPELLER)
    for place in case.places(8)[::2]:
        expected = naive.ascend(place, case.points, case.weights, kappa)[-1]
        assert np.linalg.norm(case.field.ascend(place).place - expected) < 1e-4


@pytest.mark.parametrize("dim", [3, 16, 33])
def test_an_ascent_around_repellers_ends_where_the_twin_ends(dim):
    case = Case(dim, 60, dim, 30.0, ANY_SIGN)
    for place in case.places(8)[::2]:
        path = naive.ascend(place, case.points, case.weights, 30.0)
        found = case.field.ascend(place)
        assert found.steps == len(path) - 1
        assert np.linalg.norm(found.place - path[-1]) < 1e-4
