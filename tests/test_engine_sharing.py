# One field, several readers: views of it, and threads that ask at once.
"""What others see of a field, and what they cannot do to it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from fieldstore.engine.field import Field
from tests import naive


def field_of(vectors, weights=1.0):
    field = Field(len(vectors[0]))
    field.add(vectors, weights)
    return field


@pytest.fixture
def field(rng):
    return field_of(naive.clustered(rng, 30, 6), rng.choice([1.0, 2.0, -0.5], size=30))


# -- views -------------------------------------------------------------------------------------------------------------


def same_answers(field, other, query):
    return (
        np.array_equal(field.evaluate(query), other.evaluate(query))
        and np.array_equal(field.nearest(query, 9).points, other.nearest(query, 9).points)
        and np.array_equal(field.nearest(query, 9).scores, other.nearest(query, 9).scores)
    )


@pytest.mark.parametrize("weight", [0.0, 3.0, -1.0])
@pytest.mark.parametrize("asked_before", [True, False])
def test_a_view_sees_later_weights(rng, weight, asked_before):
    field = field_of(naive.clustered(rng, 30, 6))
    seen, query = field.view(), field.points[4]
    if asked_before:
        seen.nearest(query, 9)
    field.reweight([3, 4], weight)
    assert same_answers(seen, field, query)
    field.reweight([3, 4], 1.0)
    assert same_answers(seen, field, query)


def test_a_view_sees_no_new_points_but_the_later_weights_of_its_own(rng):
    vectors = naive.clustered(rng, 30, 6)
    field = field_of(vectors[:20])
    seen = field.view()
    field.add(vectors[20:])
    assert len(seen) == 20
    assert same_answers(seen, field_of(vectors[:20]), vectors[25])
    field.reweight([3, 4], 0.0)
    assert same_answers(seen, field_of(vectors[:20], np.where(np.isin(np.arange(20), [3, 4]), 0.0, 1.0)), vectors[4])


CHANGES = {
    "kappa": lambda view: setattr(view, "kappa", 30.0),
    "add": lambda view: view.add(np.ones(6)),
    "reweight": lambda view: view.reweight(0, 0.0),
    "mount": lambda view: view.mount(np.concatenate([view.points, view.points])),
    "a write to its weights": lambda view: view.weights.__setitem__(0, 0.0),
    "a write to its points": lambda view: view.points.__setitem__(0, 0.0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_view_refuses_changes(field, change):
    seen = field.view()
    points, weights = field.points.copy(), field.weights.copy()
    with pytest.raises(ValueError, match=r"view|read-only"):
        change(seen)
    assert np.array_equal(field.points, points)
    assert np.array_equal(field.weights, weights)
    assert len(seen) == len(field) == 30
    assert seen.kappa == field.kappa == 20.0


# -- threads -----------------------------------------------------------------------------------------------------------


def test_eight_threads_at_once_get_the_answers_of_one(rng):
    vectors, weights = naive.clustered(rng, 300, 24), rng.choice([1.0, 2.0, 0.4, -0.3], size=300)
    queries, together = naive.spread(rng, 12, 24), Barrier(8)

    def everything(field):
        found = []
        for query in queries:
            near, shown = field.nearest(query, 10, smooth=True), field.attractors(query, 10)
            found += [near.points, near.scores, near.shares, shown.points, shown.scores, shown.shares]
            found += [field.evaluate(query), field.gradient(query), field.ascend(query).place]
        return found

    alone, shared = everything(field_of(vectors, weights)), field_of(vectors, weights)

    def at_once(_):
        together.wait()
        return everything(shared)

    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(at_once, range(8)):
            assert all(np.array_equal(*pair) for pair in zip(found, alone, strict=True))
