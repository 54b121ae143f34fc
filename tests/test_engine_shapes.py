# The engine in cells, in every shape that hypothesis draws: what it finds, what it keeps, and what it clears.
"""A field with cells beside one that scores every point, whatever its points are and whatever happened to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore.engine import candidates, scan, threads, weighted
from fieldstore.engine.field import Field, Mask
from tests import naive

DIMS = st.sampled_from([1, 3, 100, 768, 1536, 3072])
COUNTS = st.sampled_from([1, 2, 31, 32, 33, 100, 257, 450])  # blocks half full, full, and one more; enough for codes
KINDS = st.sampled_from(["spread", "all equal", "duplicates", "antipodal", "two and a crowd"])
FATES = st.sampled_from(["all live", "half forgotten", "all but one forgotten", "all forgotten", "forgotten, restored"])


@pytest.fixture(autouse=True)
def early(monkeypatch):
    """Cells from the first point on, and no filter so narrow that they are passed by."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (1, 0))
    monkeypatch.setattr(candidates, "_FEW", 0)


def rows_of(kind, count, dim, seed):
    rng = np.random.default_rng(seed)
    rows = naive.spread(rng, count, dim)
    if kind == "all equal":
        rows[:] = rows[0]
    elif kind == "duplicates":
        rows = rows[rng.integers(0, max(1, count // 3), count)]
    elif kind == "antipodal":
        rows[1::2] = -rows[0]
        rows[::2] = rows[0]
    elif kind == "two and a crowd":
        rows[2:] = naive.unit(rows[:1] + 1e-3 * rows[2:])
    return rows.astype(np.float32)


def fated(field, fate, seed):
    """Forget some of the points, and say which are live."""
    count = len(field)
    live = np.ones(count, np.bool_)
    gone = {"all live": 0, "half forgotten": count // 2, "all but one forgotten": count - 1}.get(fate, count)
    chosen = np.random.default_rng(seed).permutation(count)[:gone]
    live[chosen] = False
    field.reweight(chosen, 0.0)
    if fate == "forgotten, restored":
        field.reweight(chosen, 1.0)
        live[:] = True
    return live


@settings(max_examples=20, deadline=None)
@given(DIMS, COUNTS, KINDS, FATES, st.integers(0, 2**32 - 1))
def test_cells_give_every_live_point_once_to_whoever_looks_everywhere_and_scores_are_exact(
    dim, count, kind, fate, seed
):
    field = Field(dim)
    first = (count + 1) // 2
    rows = rows_of(kind, count, dim, seed)
    field.add(rows[:first])
    field.add(rows[first:])  # into blocks that others began
    live = fated(field, fate, seed)
    cells = field._arrays.partition
    assert cells is not None
    assert len(cells) == live.sum()
    assert len(field.astray()) == 0
    for query in (rows[0], -rows[-1], naive.spread(np.random.default_rng(seed), 1, dim)[0].astype(np.float32)):
        everywhere, _ = cells.find_many(query[None], 2 * count, count, None, 1e6)
        assert sorted(everywhere.tolist()) == np.flatnonzero(live).tolist()
        for every in (2, 7):  # of the first, half the cells' points answer; the second gets cells of its own
            mask = np.arange(count) % every == 0
            masked, _ = cells.find_many(query[None], 2 * count, count, Mask(mask), 1e6)
            assert sorted(masked.tolist()) == np.flatnonzero(live & mask).tolist()
        exact = field.nearest(query, count, exact=True)
        scores = dict(zip(exact.points.tolist(), exact.scores.tolist(), strict=True))
        for k in (1, 10):
            found = field.nearest(query, k)
            assert len(found.points) == min(k, live.sum())
            assert [scores[point] for point in found.points.tolist()] == found.scores.tolist()
            assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
            np.testing.assert_allclose(found.scores, rows[found.points] @ query.astype(np.float64), atol=2e-6)


@settings(max_examples=8, deadline=None)
@given(DIMS, COUNTS, KINDS, FATES, st.integers(0, 2**32 - 1))
def test_every_number_of_threads_builds_the_same_cells_and_finds_the_same_bits(dim, count, kind, fate, seed):
    rows, kept = rows_of(kind, count, dim, seed), []
    cores, slices = threads._cores, threads.spread.__defaults__
    try:
        threads.spread.__defaults__ = (7,)  # so that few points are shared out, too
        for number in (1, 2, 5):
            threads._cores = lambda number=number: number
            field = Field(dim)
            field.add(rows)
            fated(field, fate, seed)
            rankings = field.nearest_many(rows[:20], 10) + field.attractors_many(rows[:20], 10)
            answers = [column.tobytes() for ranking in rankings for column in ranking[:4]]
            kept.append((field.evaluate(rows[:20]).tobytes(), answers, bytes_of(field)))
    finally:
        threads._cores, threads.spread.__defaults__ = cores, slices
    assert kept[0] == kept[1] == kept[2]


def bytes_of(field):
    return {name: array.tobytes() for name, array in field._arrays.partition.state().items()}


@settings(max_examples=15, deadline=None)
@given(DIMS, COUNTS, KINDS, st.integers(0, 2**32 - 1))
def test_what_was_forgotten_leaves_no_lane_and_what_was_unlearned_no_mark(dim, count, kind, seed):
    rows = rows_of(kind, count, dim, seed)
    field = Field(dim)
    field.add(rows)
    gone = np.random.default_rng(seed).permutation(count)[: (count + 1) // 2]
    field.reweight(gone, 0.0)
    field.unlearn(gone)
    parts, behind = field._arrays.partition._parts, field._arrays.partition._behind
    numbers = parts.numbers[:, behind + 2 * scan.LANES :]
    assert not np.isin(numbers, gone).any()
    assert (parts.cells[gone] == -1).all()
    free = numbers < 0
    words = parts.blocks[:, : behind // 2].reshape(len(parts.blocks), -1, scan.LANES)
    assert not words.transpose(0, 2, 1)[free].any()
    assert (parts.floats[:, behind : behind + scan.LANES][free] == -np.inf).all()
    assert (parts.floats[:, behind + scan.LANES : behind + 2 * scan.LANES][free] == 0.0).all()
    assert int((~free).sum()) == int(parts.heads[: len(parts.centres), 1].sum())
