# Following a field uphill: what every step keeps, where it ends, and what the bound is worth.
"""The ascent of field-semantics, 5 and 6; its end points are compared with the twin's in `test_engine_numbers.py`."""

import math
from itertools import pairwise

import numpy as np
import pytest

from fieldstore.engine import sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.ascent import among
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import unit_places
from fieldstore.engine.repellers import nothing_repels
from tests import naive


def field_of(rng, count, dim, kappa, choices):
    field = Field(dim, kappa=kappa)
    field.add(naive.clustered(rng, count, dim), rng.choice(choices, size=count))
    return field


def starts(rng, field, count):
    """Half of them anywhere, half within about a bandwidth of a point."""
    found = naive.spread(rng, count, field.dim)
    points = field.points[rng.integers(len(field), size=count // 2)].astype(np.float64)
    found[: count // 2] = naive.unit(points + 0.7 * field.kappa**-0.5 * found[: count // 2])
    return found


def steps_of(field, start, limit=60):
    """The places on the way, one step at a time: a step knows nothing of the one before."""
    points = field.points.view()
    points.flags.writeable = False
    path = [unit_places(start, field.dim)[0]]
    for _ in range(limit):
        place, shifts = sealed(path[-1][None]), sealed(np.zeros(len(points)))
        (end,), (steps,), (settled,) = sums.climb(place, points, field.weights, shifts, field.kappa, 1, 1e-5)
        if steps:
            path.append(end)
        if settled:
            break
    return path


SIGNED = (1.0, 1.0, 2.0, 0.3, -1.0, -3.0)
POSITIVE = (1.0, 2.0, 0.3, 0.0)


@pytest.mark.parametrize("choices", [POSITIVE, SIGNED, (-1.0, -2.0)], ids=["positive", "signed", "negative"])
@pytest.mark.parametrize("kappa", [1.0, 20.0, 200.0])
@pytest.mark.parametrize("dim", [1, 2, 9, 16])
def test_no_step_of_an_ascent_lowers_phi(rng, dim, kappa, choices):
    field = field_of(rng, 40, dim, kappa, choices)
    for start in starts(rng, field, 12):
        path = steps_of(field, start)
        phi = field.evaluate(path)
        felt = [np.abs(naive.contributions(place, field.points, field.weights, kappa)).sum() for place in path]
        assert (np.diff(phi) >= -1e-12 * np.maximum(felt[1:], felt[:-1])).all()


@pytest.mark.parametrize("kappa", [1.0, 20.0, 200.0])
@pytest.mark.parametrize("dim", [2, 9, 16])
def test_no_step_is_longer_than_a_bandwidth_where_a_repeller_is(rng, dim, kappa):
    field = field_of(rng, 40, dim, kappa, SIGNED)
    for start in starts(rng, field, 12):
        path = steps_of(field, start)
        for before, after in pairwise(path):
            assert naive.angle(before, after) <= kappa**-0.5 + 1e-9


def test_a_whole_ascent_is_the_sum_of_its_steps(rng):
    for choices in (POSITIVE, SIGNED):
        field = field_of(rng, 40, 9, 30.0, choices)
        for start in starts(rng, field, 10):
            found, path = field.ascend(start), steps_of(field, start, 300)
            assert found.steps == len(path) - 1
            assert np.array_equal(found.place, path[-1])
            assert found.phi == pytest.approx(field.evaluate(path[-1])[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("weight", [1.0, 0.01, 5.0])
@pytest.mark.parametrize("kappa", [1.0, 20.0, 1e4])
def test_an_ascent_from_a_lone_point_stays_and_calls_it_a_maximum(rng, kappa, weight):
    for dim in (1, 2, 16, 33):
        field = Field(dim, kappa=kappa)
        field.add(naive.spread(rng, 1, dim), weight)
        found = field.ascend(field.points[0])
        assert np.linalg.norm(found.place - naive.unit(field.points[0])) < 1e-12
        assert found.phi == pytest.approx(weight, rel=1e-6 * kappa + 1e-6)
        assert found.settled
        assert found.rate < 1
        assert found.bound == 0.0


def test_an_ascent_of_a_positive_field_ends_at_a_strict_maximum_of_it(rng):
    field = field_of(rng, 50, 8, 60.0, POSITIVE)
    for start in starts(rng, field, 10):
        found = field.ascend(start)
        assert found.settled
        assert found.rate < 1
        around = naive.unit(found.place + 1e-2 * field.kappa**-0.5 * naive.spread(rng, 50, 8))
        assert (field.evaluate(around) <= found.phi * (1 + 1e-9)).all()


def test_two_equal_points_share_one_maximum_when_they_are_closer_than_two_over_kappa():
    for factor, shared in ((0.9, True), (1.1, False)):
        cosine = 1 - factor * 2 / 50.0
        field = Field(2, kappa=50.0)
        field.add([[1.0, 0.0], [cosine, math.sqrt(1 - cosine**2)]])
        ends = [field.ascend(point).place for point in field.points]
        assert (naive.angle(*ends) < 0.2 * 50.0**-0.5) == shared


def test_on_all_repellers_the_ascent_leads_away_from_the_nearest_one(rng):
    field = Field(3, kappa=20.0)
    field.add([1.0, 0.0, 0.0], -1.0)
    start = naive.unit(np.array([1.0, 0.2, 0.0]))
    found = field.ascend(start)
    assert found.phi <= 0  # no attractor
    assert found.place[0] < start[0]


def test_a_plain_step_would_leap_over_a_repeller_and_the_safeguarded_one_does_not(rng):
    """The case the safeguard was made for: a repeller on the best answer to a query."""
    leapt = 0
    for seed in range(20):
        points = naive.clustered(np.random.default_rng(seed), 40, 16)
        query = naive.unit(points[0] + 0.2 * naive.spread(rng, 1, 16)[0])
        field = Field(16, kappa=50.0)
        field.add(np.concatenate([points, points[:1]]), np.append(np.ones(40), -2.0))
        plain = naive.unit(naive.pull(query, field.points, field.weights, 50.0))
        leapt += naive.angle(query, plain) > math.pi / 2
        path = steps_of(field, query, 1)
        assert naive.angle(path[0], path[-1]) <= 50.0**-0.5 + 1e-9
    assert leapt > 10


def test_a_step_that_stays_within_a_bandwidth_is_shortened_too_when_phi_would_drop_at_its_end():
    """A repeller so strong and so far that it is hardly felt at the start, and rules one bandwidth further on."""
    kappa = 200.0
    sigma = kappa**-0.5
    field = Field(2, kappa=kappa)
    field.add([[math.cos(sigma), math.sin(sigma)], [0.0, 1.0]], [1.0, -1e-3 * math.exp(kappa)])
    start, full = np.array([1.0, 0.0]), field.points[0]
    assert field.evaluate(full)[0] < 0 < field.evaluate(start)[0]
    phi = field.evaluate(steps_of(field, start))
    assert len(phi) > 1
    assert (np.diff(phi) >= -1e-12 * phi[:-1]).all()
    assert phi[-1] > phi[0]


# -- the bound ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [16, 64, 128, 512])
@pytest.mark.parametrize("kappa", [5.0, 20.0, 50.0])
def test_the_points_left_out_add_no_more_than_the_bound_where_the_ascent_ends(rng, kappa, m):
    field = field_of(rng, 700, 12, kappa, (1.0, 1.0, 2.0, 0.3, 0.5, 1.5, -1.0))
    field.reweight(np.flatnonzero(field.weights < 0)[10:], 1.0)  # all repellers are candidates: few of them
    for start in starts(rng, field, 8):
        moved = field.ascend(start, candidates=m)
        stayed = field.ascend(moved.place, candidates=m)
        for found in (moved, stayed):
            error = abs(field.evaluate(found.place)[0] - found.phi)
            assert error <= found.bound * (1 + 1e-6) + 1e-12
        assert found.bound > 0


def test_the_bound_is_nothing_when_no_point_is_left_out(rng):
    field = field_of(rng, 100, 12, 20.0, SIGNED)
    for start in starts(rng, field, 5):
        assert field.ascend(start, candidates=100).bound == 0.0
        assert field.ascend(start).bound == 0.0


def test_every_repeller_is_a_candidate_however_few_are_asked_for(rng):
    field = field_of(rng, 60, 12, 20.0, (1.0, -0.5))
    for start in starts(rng, field, 5):
        found = field.ascend(start, candidates=1)
        negative = field.weights < 0
        least = -np.abs(naive.contributions(found.place, field.points, field.weights, 20.0))[negative].sum()
        assert found.phi == pytest.approx(least, rel=1e-9)  # with one candidate asked for, they are all there are
        assert field.evaluate(found.place)[0] - found.phi <= found.bound * (1 + 1e-6)


@pytest.mark.filterwarnings("error")
def test_a_candidate_that_another_thread_forgot_since_it_was_found_is_passed_over(rng):
    points, weights = naive.unit(rng.normal(size=(6, 4))).astype(np.float32), np.array([1.0, 0.0, 2.0, 0.0, 1.0, 1.0])
    seen = among(np.eye(4)[0], np.arange(5), points, weights, nothing_repels(4), 20.0, 4)
    assert seen.points.tolist() == [0, 2, 4]
