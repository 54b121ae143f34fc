# The nine invariants of field-semantics, 10, one after the other, on fields that hypothesis makes up.
#
# Each test is named after its number; what else the engine promises stands in test_engine*.py and test_repellers.py.
"""Invariants 1 to 9 of the field."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import FieldStore
from fieldstore.engine import sums
from fieldstore.engine.arrays import sealed
from fieldstore.engine.bandwidth import measured_kappa
from fieldstore.engine.field import Field
from tests import naive
from tests.test_engine import exactly

POSITIVE = (1.0, 1.0, 2.0, 0.3)
SIGNED = (1.0, 1.0, 2.0, 0.3, -0.4, -1.5, 0.0)
tried = settings(deadline=None, max_examples=25, derandomize=True, database=None)
seeds, counts = st.integers(0, 2**32 - 1), st.integers(2, 40)
dims, kappas = st.sampled_from([2, 3, 8, 17, 33]), st.sampled_from([1.0, 20.0, 50.0, 100.0])


def field_of(vectors, weights=1.0, kappa=20.0):
    field = Field(len(vectors[0]), kappa=kappa)
    field.add(vectors, weights)
    return field


def some(seed, count, dim, choices=POSITIVE):
    """A generator, clustered vectors with a copy among them, and weights."""
    rng = np.random.default_rng(seed)
    vectors = naive.clustered(rng, count, dim)
    vectors[-1] = vectors[0]
    return rng, vectors, rng.choice(choices, size=count)


def places_of(rng, vectors, count=6):
    """Half of them near a vector, half anywhere."""
    found = naive.spread(rng, count, vectors.shape[1])
    found[::2] = naive.unit(vectors[rng.integers(len(vectors), size=len(found[::2]))] + 0.3 * found[::2])
    return found


def repellers_of(rng, vectors, count=2):
    return places_of(rng, vectors, count), rng.uniform(0.3, 0.95, size=count)


def placed(field, repellers):
    """The same as negative weights for the twin: rows and weights of points and repellers together."""
    places, radii = repellers
    rows = np.concatenate([field.points, np.float32(places)]).astype(np.float64)
    return rows, np.concatenate([field.weights, -np.exp(field.kappa * (1 - radii))])


# -- 1 -----------------------------------------------------------------------------------------------------------------


@tried
@given(seeds, counts, dims, kappas, st.booleans())
def test_invariant_1_phi_pull_similarity_and_shares_are_those_of_the_reference(seed, count, dim, kappa, repelled):
    rng, vectors, weights = some(seed, count, dim, SIGNED)
    field = field_of(vectors, weights, kappa)
    repellers = repellers_of(rng, vectors) if repelled else (np.empty((0, dim)), np.empty(0))
    field.repel(*repellers)
    rows, held = placed(field, (field.repellers[0], repellers[1]))
    places = places_of(rng, vectors)
    for place, phi, similarity, slope in zip(
        places, field.evaluate(places), field.similarity(places), field.gradient(places), strict=True
    ):
        felt = np.abs(naive.contributions(place, rows, held, kappa)).sum()
        assert phi == pytest.approx(naive.field(place, rows, held, kappa), abs=1e-5 * felt)
        np.testing.assert_allclose(slope, naive.gradient(place, rows, held, kappa), atol=1e-5 * kappa * felt)
        if phi > 1e-3 * felt:
            assert similarity == pytest.approx(naive.field_similarity(place, rows, held, kappa), abs=1e-5)
        step = 1e-4 / math.sqrt(kappa)
        direction = rng.normal(size=dim)
        direction = naive.unit(direction - (direction @ place) * place)
        ahead, behind = field.evaluate([place + step * direction, place - step * direction])
        rise = (ahead - behind) / (2 * math.atan(step))
        assert slope @ direction == pytest.approx(rise, abs=1e-4 * max(np.linalg.norm(slope), 1e-3 * kappa * felt))


@tried
@given(seeds, counts, dims, kappas, st.booleans())
def test_invariant_1_shares_add_up_to_one(seed, count, dim, kappa, repelled):
    rng, vectors, weights = some(seed, count, dim)
    field = field_of(vectors, weights, kappa)
    field.repel(*repellers_of(rng, vectors, 2 if repelled else 0))
    for query in places_of(rng, vectors, 3):
        answering = 1.0 if len(field.nearest(query, 1).points) else 0.0
        for found in (field.nearest(query, 40), field.nearest(query, 40, smooth=True), field.attractors(query, 40)):
            assert found.shares.sum() == pytest.approx(answering, abs=1e-9)
        assert field.maxima(query, 40).shares.sum() <= answering + 1e-9  # who ascends to no maximum is in none


# -- 2 -----------------------------------------------------------------------------------------------------------------


@tried
@given(seeds, counts, dims, kappas)
def test_invariant_2_weights_of_one_rank_by_cosine_and_two_is_the_point_stored_twice(seed, count, dim, kappa):
    rng, vectors, _ = some(seed, count, dim)
    plain = field_of(vectors, 1.0, kappa)
    doubled = field_of(vectors, np.where(np.arange(count) == 0, 2.0, 1.0), kappa)
    twice = field_of(np.concatenate([vectors, vectors[:1]]), 1.0, kappa)
    places = places_of(rng, vectors)
    np.testing.assert_allclose(doubled.evaluate(places), twice.evaluate(places), rtol=1e-12)
    for query in places:
        found, raised = plain.nearest(query, count), doubled.nearest(query, count)
        assert np.array_equal(found.scores, found.cosines.astype(np.float64))
        cosines = naive.cosines(np.float32(query), plain.points)
        assert (np.diff(cosines[found.points]) <= 2e-6).all()
        rise = raised.scores[raised.points == 0] - found.scores[found.points == 0]
        assert rise == pytest.approx(math.log(2) / kappa, abs=1e-12)


# -- 3 -----------------------------------------------------------------------------------------------------------------


def seen(store, queries):
    """Everything a store answers, without point numbers, which those of another history differ in."""
    found = []
    for query in queries:
        for mode in ({}, {"smooth": True}, {"by": "attractors"}, {"by": "ascent"}):
            found += [
                (hit.id, hit.score, hit.cosine, hit.share, [member.id for member in hit.members])
                for hit in store.search(query, 10, **mode)
            ]
    return found, store.field.evaluate(queries).tolist(), store.field.similarity(queries).tolist()


@settings(tried, max_examples=10)
@given(seeds, st.randoms(use_true_random=False), st.booleans())
def test_invariant_3_what_was_forgotten_or_taken_back_leaves_no_bit_whatever_the_order(seed, mixer, repelled):
    rng, vectors, weights = some(seed, 24, 12)
    weights = [float(weight) for weight in weights]
    never, then = FieldStore(kappa=30.0), FieldStore(kappa=30.0)
    ids = [f"n{i}" for i in range(24)]
    never.add(vectors[:18], ids=ids[:18], weights=weights[:18])
    if repelled:
        never.repel("n3", 0.7)
    then.add(vectors[:18], ids=ids[:18], weights=weights[:18])
    then.add(vectors[18:], ids=ids[18:], weights=weights[18:])
    changes = [lambda id=id: then.forget(id) for id in ids[18:]]
    changes += [lambda: then.unrepel(then.repel(vectors[20], 0.2).name)]
    changes += [lambda: (then.forget("n1"), then.restore("n1"))]
    changes += [lambda: then.repel("n3", 0.7)] if repelled else []
    mixer.shuffle(changes)
    for change in changes:
        change()
    queries = places_of(rng, vectors)
    assert seen(then, queries) == seen(never, queries)
    assert then.verify() == never.verify() == []


# -- 4 and 5 -----------------------------------------------------------------------------------------------------------


@tried
@given(seeds, counts, dims, st.sampled_from([None, 0.3, 0.9]), st.booleans())
def test_invariant_4_attractors_are_out_of_reach_of_each_other_and_own_each_candidate_once(
    seed, count, dim, reach, repelled
):
    rng, vectors, weights = some(seed, count, dim)
    field = field_of(vectors, weights)
    field.repel(*repellers_of(rng, vectors, 1 if repelled else 0))
    tau = field.tau if reach is None else reach
    for query in places_of(rng, vectors, 4):
        found, plain = field.attractors(query, count, reach=reach), field.nearest(query, count)
        rows = field.points[found.points]
        assert ((rows @ rows.T)[~np.eye(len(rows), dtype=bool)] < tau + 2e-6).all()
        owned = np.concatenate([found.points, *(members.points for members in found.members)])
        assert sorted(owned) == sorted(plain.points)  # each candidate once
        place = {point: rank for rank, point in enumerate(plain.points.tolist())}
        for shown, members in zip(found.points.tolist(), found.members, strict=True):
            assert all(place[member] > place[shown] for member in members.points.tolist())
        assert not {0, count - 1} <= set(found.points.tolist())  # they are copies
        one = field.attractors(query, count, reach=-1.0)
        assert one.points.tolist() == plain.points[:1].tolist()
        if len(plain.points) >= 4 or len(plain.points) < 2:
            all_apart = field.attractors(query, count, reach=1.1)
            assert exactly(all_apart._replace(members=[]), field.nearest(query, count, smooth=True))


@tried
@given(seeds, st.integers(4, 40), dims)
def test_invariant_5_no_group_twice_the_same_again_and_in_any_order_of_adding(seed, count, dim):
    rng, vectors, weights = some(seed, count, dim)
    vectors[-1] = naive.spread(rng, 1, dim)[0]  # no ties
    groups, order = rng.integers(-1, 5, size=count), rng.permutation(count)
    field, permuted = field_of(vectors, weights), field_of(vectors[order], weights[order])
    for query in places_of(rng, vectors, 4):
        found = field.attractors(query, count, groups=groups)
        shown = groups[found.points]
        assert len(set(shown[shown >= 0])) == (shown >= 0).sum()
        assert exactly(field.attractors(query, count, groups=groups), found)
        if dim > 2:  # on a circle, points tie
            again = permuted.attractors(query, count, groups=groups[order])
            assert sorted(order[again.points]) == sorted(found.points)


# -- 6 and 7 -----------------------------------------------------------------------------------------------------------


@tried
@given(seeds, counts, dims, kappas, st.sampled_from(["positive", "signed", "repelled"]))
def test_invariant_6_an_ascent_never_loses_height_nor_leaps_over_a_bandwidth(seed, count, dim, kappa, kind):
    rng, vectors, weights = some(seed, count, dim, SIGNED if kind == "signed" else POSITIVE)
    field = field_of(vectors, weights, kappa)
    if kind == "repelled":
        field.repel(*repellers_of(rng, vectors))
    if not field.weights.any():
        return
    rows, held = placed(field, field.repellers)
    for start in places_of(rng, vectors, 4):
        here = field._around(start, 1000, True, 1.0)
        path, repels = [start], kind == "repelled" or (field.weights < 0).any()
        for _ in range(12):
            path.append(step_from(path[-1], here, kappa))
        phi = [naive.field(place, rows, held, kappa) for place in path]
        felt = [np.abs(naive.contributions(place, rows, held, kappa)).sum() for place in path]
        assert (np.diff(phi) >= -1e-12 * np.maximum(felt[1:], felt[:-1])).all()
        if repels:
            assert max(naive.angle(*pair) for pair in pairwise(path)) <= kappa**-0.5 + 1e-9
    alone = field_of(vectors[:1], 1.0, kappa)
    assert np.linalg.norm(alone.ascend(alone.points[0]).place - naive.unit(alone.points[0])) < 1e-12


def step_from(place, here, kappa):
    return sums.climb(sealed(place[None]), here.rows, here.weights, here.shifts, kappa, 1, 1e-5)[0][0]


@tried
@given(seeds, counts, dims, st.sampled_from([50.0, 100.0]))
def test_invariant_6_in_a_positive_field_it_ends_where_the_reference_ends(seed, count, dim, kappa):
    rng, vectors, weights = some(seed, count, dim)
    field = field_of(vectors, weights, kappa)
    for start in places_of(rng, vectors, 2)[:1]:
        expected = naive.ascend(start, field.points.astype(np.float64), field.weights, kappa)
        if len(expected) < 200:  # else it crawls, and the last digit decides where it is stopped
            assert np.linalg.norm(field.ascend(start).place - expected[-1]) < 1e-4


@settings(tried, max_examples=12)
@given(seeds, st.sampled_from([16, 64, 512]), st.sampled_from([5.0, 20.0, 50.0]), st.booleans())
def test_invariant_7_what_lies_outside_adds_no_more_than_the_bound(seed, m, kappa, repelled):
    rng, vectors, weights = some(seed, 700, 12, (1.0, 1.0, 2.0, 0.3, 0.5))
    weights[rng.integers(700, size=5)] = -1.0
    field = field_of(vectors, weights, kappa)
    if repelled:
        field.repel(*repellers_of(rng, vectors))
    for place in places_of(rng, vectors, 4):
        near, moved = field.local(place, candidates=m), field.ascend(place, candidates=m)
        for where, phi, bound in ((place, near.phi, near.bound), (moved.place, moved.phi, moved.bound)):
            true = field.evaluate(where)[0]
            assert bound > 0
            assert abs(true - phi) <= bound * (1 + 1e-6) + 1e-12 * abs(true)
    assert field.local(place, candidates=700).bound == 0.0
    assert field.local(place, candidates=700).phi == pytest.approx(field.evaluate(place)[0], rel=1e-9)


# -- 8 and 9 -----------------------------------------------------------------------------------------------------------


@tried
@given(seeds, st.integers(20, 60), st.sampled_from([8, 17, 33]), st.floats(0.1, 1.5))
def test_invariant_8_a_constant_coordinate_more_changes_no_attractor(seed, count, dim, constant):
    rng, vectors, weights = some(seed, count, dim)
    plain, lifted = field_of(vectors, weights), field_of(np.insert(vectors, 0, constant, axis=1), weights)
    plain.kappa, lifted.kappa = measured_kappa(plain.points), measured_kappa(lifted.points)
    for query in places_of(rng, vectors, 3):
        found, expected = lifted.attractors(np.insert(query, 0, constant), 10), plain.attractors(query, 10)
        close = np.abs(np.diff(np.sort(plain.nearest(query, count).scores))) < 1e-5
        if not close[close != 0].any():
            assert found.points.tolist() == expected.points.tolist()
            assert [m.points.tolist() for m in found.members] == [m.points.tolist() for m in expected.members]


@pytest.mark.parametrize("kappa", [1.0, 20.0, 1e4])
@pytest.mark.parametrize("dim", [1, 2, 17])
@pytest.mark.parametrize("kind", ["none", "one", "all equal", "antipodal"])
def test_invariant_8_no_field_however_odd_gives_nan_or_infinity_whatever_repels(rng, kind, dim, kappa):
    count = {"none": 0, "one": 1, "all equal": 6, "antipodal": 6}[kind]
    vectors = np.tile(naive.spread(rng, 1, dim), (max(count, 1), 1))
    vectors[1::2] *= -1 if kind == "antipodal" else 1
    field = Field(dim, kappa=kappa)
    field.add(vectors[:count])
    for radii in ([], [-1.0], [0.3, 1.0]):
        field.repel(np.tile(vectors[0], (len(radii), 1)), radii)
        for query in (vectors[0], -vectors[0], naive.spread(rng, 1, dim)[0]):
            for found in (field.nearest(query, 9), field.attractors(query, 9), field.maxima(query, 9)):
                assert all(np.isfinite(column).all() for column in found[:4])
            assert np.isfinite([*field.evaluate(query), *field.gradient(query).ravel()]).all()
            assert not np.isnan(field.similarity(query)).any()
            assert np.isfinite([field.local(query).phi, field.local(query).bound]).all()
            if count or radii:
                end = field.ascend(query)
                assert np.isfinite([end.phi, end.bound, np.linalg.norm(end.place)]).all()
                assert not math.isnan(end.rate)


@tried
@given(seeds, dims, st.sampled_from([5.0, 20.0, 100.0, 1e4]), st.floats(-0.9, 0.99))
def test_invariant_9_a_repeller_hides_exactly_what_is_within_its_radius(seed, dim, kappa, radius):
    rng = np.random.default_rng(seed)
    place = naive.spread(rng, 1, dim)[0]
    away = rng.normal(size=dim)
    away = naive.unit(away - (away @ place) * place)
    cosines = [radius + 1e-3, radius - 1e-3, 1.0, -1.0]
    field = field_of([c * place + math.sqrt(1 - c * c) * away for c in cosines], 1.0, kappa)
    field.repel(place, radius)
    assert sorted(field.nearest(place, 4).points) == [1, 3]
    assert [points.tolist() for points in field.hidden()] == [[0, 2]]
    kept = field.nearest(place, 4, allowed=np.arange(4) == 1)
    left = -math.expm1(kappa * (float(kept.cosines[0]) - radius))
    assert kept.scores[0] == pytest.approx(kept.cosines[0] + math.log(left) / kappa, abs=1e-4)


@pytest.mark.parametrize(("copies", "residual"), [(0, 0.0), (1, 1 / 2), (2, 2 / 3)])
def test_invariant_9_a_record_alone_leaves_nothing_and_a_copy_leaves_half(copies, residual):
    store = FieldStore(kappa=100.0)
    store.add(np.tile(np.eye(1, 16), (copies + 1, 1)), ids=[f"n{i}" for i in range(copies + 1)])
    store.repel("n0", 0.9)  # who is hidden still carries it
    assert store.residual("n0")[0].residual == pytest.approx(residual, abs=1e-5)
    store.forget("n0")
    assert store.residual("n0")[0].residual == pytest.approx(residual, abs=1e-5)
    assert store.verify() == []
