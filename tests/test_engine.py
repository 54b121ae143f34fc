# What a Field promises, whatever numbers it computes: forgetting, weights, ties, attractors.
"""The invariants of the engine (field-semantics, 10); its numbers are tried in `test_engine_numbers.py`."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore.engine.bandwidth import measured_kappa
from fieldstore.engine.field import Field
from tests import naive

KAPPA = 20.0


def field_of(vectors, weights=1.0, kappa=KAPPA):
    field = Field(len(vectors[0]), kappa=kappa)
    field.add(vectors, weights)
    return field


def some_weights(rng, count, choices=(1.0, 1.0, 2.0, 0.3)):
    return rng.choice(choices, size=count)


def exactly(found, expected, rename=None):
    """Whether two rankings agree to the bit; rename gives this side's numbers for the other side's points."""
    names = found.points if rename is None else rename[found.points]
    return (
        np.array_equal(names, expected.points)
        and np.array_equal(found.scores, expected.scores)
        and np.array_equal(found.cosines, expected.cosines)
        and np.array_equal(found.shares, expected.shares)
        and len(found.members) == len(expected.members)
        and all(exactly(*pair, rename) for pair in zip(found.members, expected.members, strict=True))
    )


def answers(field, query, groups=None):
    """Every ranking a query can get."""
    return [
        field.nearest(query, 10),
        field.nearest(query, 10, smooth=True),
        field.attractors(query, 10),
        field.attractors(query, 10, groups=groups),
    ]


# -- forgetting and weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "weight", "others"),
    [(0, 1.0, (1.0, 2.0, 0.3)), (17, 3.5, (1.0, 2.0, -0.7)), (59, 1.0, (1.0,)), (30, -1.0, (1.0, 2.0))],
    ids=["the first", "one among repellers", "the last", "the only repeller"],
)
def test_a_point_at_weight_0_leaves_every_bit_as_if_it_had_never_been_there(rng, where, weight, others):
    vectors, weights = naive.clustered(rng, 60, 19), some_weights(rng, 60, others)
    weights[where] = weight
    never = field_of(np.delete(vectors, where, 0), np.delete(weights, where))
    forgotten = field_of(vectors, weights)
    forgotten.nearest(vectors[where], 1)  # whatever is kept in between has been worked out with the point in it
    forgotten.reweight(where, 0.0)

    places = naive.unit(np.concatenate([naive.spread(rng, 500, 19), vectors[rng.integers(60, size=500)] + 0.1]))
    assert np.array_equal(forgotten.evaluate(places), never.evaluate(places))
    assert np.array_equal(forgotten.similarity(places), never.similarity(places))
    assert np.array_equal(forgotten.gradient(places), never.gradient(places))
    rename = np.arange(60) - (np.arange(60) > where)
    for place in places:
        assert exactly(forgotten.nearest(place, 10), never.nearest(place, 10), rename)
        assert exactly(forgotten.attractors(place, 10), never.attractors(place, 10), rename)
    groups = rng.integers(-1, 9, size=60)
    for place in places[::50]:
        pairs = zip(answers(forgotten, place, groups), answers(never, place, np.delete(groups, where)), strict=True)
        assert all(exactly(*pair, rename) for pair in pairs)
        assert np.array_equal(forgotten.ascend(place).place, never.ascend(place).place)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from([0.0, 1.0, 2.0, -1.0, -0.5])), max_size=30), st.booleans()
)
def test_only_the_last_weight_of_each_point_counts_in_whatever_order_they_came(changes, asked_between):
    rng = np.random.default_rng(7)
    vectors, query = naive.clustered(rng, 12, 6), naive.spread(rng, 1, 6)[0]
    changed, weights = field_of(vectors), np.ones(12)
    for point, weight in changes:
        changed.reweight(point, weight)
        weights[point] = weight
        if asked_between:
            changed.nearest(query, 3)
    fresh = field_of(vectors, weights)
    assert np.array_equal(changed.evaluate(vectors), fresh.evaluate(vectors))
    assert all(exactly(*pair) for pair in zip(answers(changed, query), answers(fresh, query), strict=True))


def test_with_weights_of_one_the_order_and_the_score_are_those_of_the_cosine(rng):
    field = field_of(naive.spread(rng, 80, 12))
    for query in naive.spread(rng, 20, 12):
        found = field.nearest(query, 80)
        assert np.array_equal(found.scores, found.cosines.astype(np.float64))
        by_cosine = np.argsort(-naive.cosines(np.float32(query), field.points), kind="stable")
        assert np.array_equal(found.points, by_cosine)


def test_weight_two_is_the_point_stored_twice_and_raises_its_score_by_ln_2_over_kappa(rng):
    vectors = naive.spread(rng, 30, 10)
    once, twice = field_of(vectors), field_of(np.concatenate([vectors, vectors[:1]]))
    doubled = field_of(vectors, np.where(np.arange(30) == 0, 2.0, 1.0))
    places = naive.spread(rng, 50, 10)
    np.testing.assert_allclose(doubled.evaluate(places), twice.evaluate(places), rtol=1e-12)
    for query in places:
        before, after = once.nearest(query, 30), doubled.nearest(query, 30)
        rise = after.scores[after.points == 0] - before.scores[before.points == 0]
        assert rise == pytest.approx(math.log(2) / KAPPA, abs=1e-12)


def test_points_that_weigh_nothing_or_repel_never_answer(rng):
    field = field_of(naive.spread(rng, 40, 8), np.tile([1.0, 0.0, -1e-9, 2.0], 10))
    for query in field.points:
        for found in answers(field, query, np.zeros(40, np.int64)):
            assert np.isin(found.points % 4, [0, 3]).all()


def test_a_repeller_hides_a_unit_point_exactly_within_its_radius():
    for kappa in (10.0, 20.0, 60.0):
        for radius in (0.6, 0.85, 0.95):
            for cosine, hidden in ((radius + 1e-3, True), (radius - 1e-3, False)):
                field = Field(2, kappa=kappa)
                field.add([[1.0, 0.0], [cosine, math.sqrt(1 - cosine**2)]], [-math.exp(kappa * (1 - radius)), 1.0])
                found = field.nearest(field.points[1], 1).points.tolist()
                assert found == ([] if hidden else [1]), (kappa, radius, cosine)


def test_a_repeller_of_one_copy_silences_exact_copies_of_its_place(rng):
    for vector in naive.spread(rng, 50, 24):
        assert len(field_of([vector, vector], [1.0, -1.0]).nearest(vector, 2).points) == 0


def test_nothing_remains_of_a_point_alone_and_copies_count_as_copies():
    for copies in range(3):
        field = field_of([[0.6, 0.8], *[[0.6, 0.8]] * copies, [-0.6, -0.8]])
        left, carriers = field.remaining(0, copies or 1)
        assert left / (1 + left) == pytest.approx(copies / (copies + 1), abs=1e-6)
        assert set(carriers.points.tolist()) == (set(range(1, copies + 1)) or {1})


# -- order and ties ----------------------------------------------------------------------------------------------------


def test_ties_go_to_the_point_that_came_first(rng):
    for dim, kappa in ((1, 1.0), (5, 20.0), (16, 1e4)):
        vector = naive.spread(rng, 1, dim)[0]
        field = field_of(np.tile(vector, (250, 1)), kappa=kappa)
        assert field.nearest(vector, 250).points.tolist() == list(range(250))
        assert field.nearest(-vector, 7).points.tolist() == list(range(7))
        field.reweight(np.arange(0, 250, 2), 0.5)
        assert field.nearest(vector, 130).points.tolist() == [*range(1, 250, 2), 0, 2, 4, 6, 8]
        assert field.attractors(vector, 3).points.tolist() == [1]


def test_a_repeated_call_gives_the_same_bits(rng):
    field = field_of(naive.clustered(rng, 90, 13), some_weights(rng, 90, (1.0, 0.5, -0.2)))
    groups = rng.integers(-1, 20, size=90)
    for query in naive.spread(rng, 10, 13):
        first, second = answers(field, query, groups), answers(field, query, groups)
        assert all(exactly(*pair) for pair in zip(first, second, strict=True))
        assert np.array_equal(field.ascend(query).place, field.ascend(query).place)


def test_the_order_of_adding_changes_nothing_but_the_numbers(rng):
    vectors, weights, groups = naive.clustered(rng, 150, 18), some_weights(rng, 150), rng.integers(-1, 30, size=150)
    field, order = field_of(vectors, weights), rng.permutation(150)
    permuted = field_of(vectors[order], weights[order])
    for query in naive.spread(rng, 30, 18):
        pairs = zip(answers(permuted, query, groups[order]), answers(field, query, groups), strict=True)
        assert all(exactly(found, expected, order) for found, expected in pairs)
        np.testing.assert_allclose(permuted.evaluate(query), field.evaluate(query), rtol=1e-12)


def test_shares_of_all_candidates_add_up_to_one(rng):
    for kappa in (1.0, 20.0, 1e4):
        field = field_of(naive.clustered(rng, 70, 14), some_weights(rng, 70), kappa)
        for query in naive.spread(rng, 10, 14):
            for found in (field.nearest(query, 70), field.nearest(query, 70, smooth=True), field.attractors(query, 70)):
                assert found.shares.sum() == pytest.approx(1.0, abs=1e-12)
                assert (found.shares >= 0).all()


def test_a_mask_ranks_as_if_the_others_were_not_there(rng):
    vectors, weights = naive.clustered(rng, 150, 11), some_weights(rng, 150)
    field, allowed = field_of(vectors, weights), rng.random(150) < 0.3
    numbers, alone = np.flatnonzero(allowed), field_of(vectors[allowed], weights[allowed])
    for query in naive.spread(rng, 20, 11):
        assert exactly(alone.nearest(query, 9), field.nearest(query, 9, allowed=allowed), numbers)
        assert exactly(alone.attractors(query, 9), field.attractors(query, 9, allowed=allowed), numbers)
    nobody = np.zeros(150, bool)
    assert len(field.nearest(query, 9, allowed=nobody).points) == 0
    assert len(field.attractors(query, 9, allowed=nobody).points) == 0


# -- attractors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [None, 0.5, 0.9, 1.0])
def test_attractors_lie_out_of_reach_of_each_other_and_share_all_candidates_among_them(rng, reach):
    vectors = naive.clustered(rng, 80, 15)
    field = field_of(np.concatenate([vectors, vectors[:15]]), some_weights(rng, 95))
    tau = field.tau if reach is None else reach
    for query in naive.spread(rng, 20, 15):
        found, plain = field.attractors(query, 95, reach=reach), field.nearest(query, 95)
        between = field.points[found.points] @ field.points[found.points].T
        assert (between[~np.eye(len(between), dtype=bool)] < tau).all()
        everyone = np.concatenate([found.points, *(members.points for members in found.members)])
        assert sorted(everyone) == list(range(95))  # exactly one set each
        place = np.argsort(plain.points)
        for shown, members in zip(found.points, found.members, strict=True):
            assert (place[members.points] > place[shown]).all()
            assert (np.diff(place[members.points]) > 0).all()
            assert (field.points[members.points] @ field.points[shown] >= tau - 2e-6).all()


def test_with_a_reach_above_one_attractors_are_the_smoothed_nearest(rng):
    for count in (4, 20, 50):
        field = field_of(naive.clustered(rng, count, 9), some_weights(rng, count))
        for query in naive.spread(rng, 10, 9):
            expected = field.nearest(query, 12, smooth=True)
            found = field.attractors(query, 12, reach=1.1)
            assert exactly(found._replace(members=[]), expected)
            assert all(len(members.points) == 0 for members in found.members)


def test_with_a_reach_of_minus_one_there_is_one_attractor_the_nearest(rng):
    field = field_of(naive.spread(rng, 60, 5))
    for query in naive.spread(rng, 10, 5):
        found, plain = field.attractors(query, 10, reach=-1.0), field.nearest(query, 60)
        assert found.points.tolist() == plain.points[:1].tolist()
        assert found.members[0].points.tolist() == plain.points[1:].tolist()
        assert found.shares[0] == pytest.approx(1.0)


def test_no_group_is_shown_twice_and_points_of_no_group_stay_apart(rng):
    field, groups = field_of(naive.spread(rng, 90, 20)), rng.integers(-1, 12, size=90)
    for query in naive.spread(rng, 20, 20):
        found = field.attractors(query, 90, groups=groups.tolist(), reach=1.1)
        shown = groups[found.points]
        assert sorted(shown[shown >= 0]) == list(range(12))
        assert (shown == -1).sum() == (groups == -1).sum()


def test_a_constant_added_to_every_vector_changes_no_attractor_when_kappa_is_measured(rng):
    vectors, weights = naive.clustered(rng, 80, 21), some_weights(rng, 80)
    queries = naive.unit(vectors[:25] + 0.5 * naive.spread(rng, 25, 21))
    plain, lifted = field_of(vectors, weights), field_of(np.insert(vectors, 0, 0.9, axis=1), weights)
    plain.kappa, lifted.kappa = measured_kappa(plain.points), measured_kappa(lifted.points)
    assert lifted.kappa == pytest.approx(plain.kappa * (1 + 0.9**2), rel=1e-5)
    for query in queries:
        found, expected = lifted.attractors(np.insert(query, 0, 0.9), 10), plain.attractors(query, 10)
        assert found.points.tolist() == expected.points.tolist()
        assert [m.points.tolist() for m in found.members] == [m.points.tolist() for m in expected.members]
