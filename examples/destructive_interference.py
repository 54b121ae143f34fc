# The founding experiment: what inserting -v does to a store that selects points, and to one that evaluates a field.
#
# N. Phadke, "Destructive Interference in Vector Retrieval" (2025): 100,000 random unit vectors in 128 dimensions,
# bandwidth 0.1, query = target + noise 0.01. Every figure is measured as it runs, on all kernels. Needs faiss-cpu.
#
#   python examples/destructive_interference.py [--points 100000]
"""Forgetting by destructive interference, beside FAISS."""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from fieldstore import FieldStore

DIM, SIGMA, NOISE, SEED = 128, 0.1, 0.01, 42
TARGETS = (42, 1_000, 5_000, 10_000, 50_000)

Rows = NDArray[np.float32]
T = TypeVar("T")


class Timer:
    """Seconds by step, in the order of their first run; runs of one step are averaged."""

    def __init__(self) -> None:
        self.runs: dict[str, list[float]] = {}

    def __call__(self, step: str, run: Callable[[], T]) -> T:
        """Run it once, and note how long it took."""
        start = time.perf_counter()
        result = run()
        self.runs.setdefault(step, []).append(time.perf_counter() - start)
        return result


class Selected(NamedTuple):
    """FAISS: rank of the target (from 1) and its similarity, before and after -v was inserted."""

    rank: int
    similarity: float
    rank_after: int
    similarity_after: float


class Felt(NamedTuple):
    """fieldstore: net weight, field at the target, cosine of the ascent's end; each before and after forgetting."""

    weight: float
    weight_after: float
    phi: float
    phi_after: float
    as_if_never: bool
    arrives: float
    arrives_after: float
    restored: bool


def unit(rows: NDArray[np.float64]) -> Rows:
    """Rows of length 1."""
    scaled: Rows = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def select(vectors: Rows, target: int, query: Rows, timer: Timer) -> Selected:
    """Search FAISS, insert the inverse of the target, search again."""
    index = faiss.IndexFlatIP(DIM)
    timer("FAISS: add all vectors", lambda: index.add(vectors))
    scores, found = timer("FAISS: search", lambda: index.search(query[None], 10))
    timer("FAISS: insert -v", lambda: index.add(-vectors[target : target + 1]))
    scores_after, found_after = timer("FAISS: search again", lambda: index.search(query[None], 10))
    rank, rank_after = (list(ids[0]).index(target) if target in ids[0] else -1 for ids in (found, found_after))
    return Selected(rank + 1, float(scores[0, rank]), rank_after + 1, float(scores_after[0, rank_after]))


def feel(store: FieldStore, never: FieldStore, vectors: Rows, target: int, query: Rows, timer: Timer) -> Felt:
    """Look at the field at the target, forget it, look again, restore it. never: holds all but the target."""
    place, name = vectors[target], str(target)
    weight = float(store.field.weights[target])
    phi = timer("fieldstore: phi at the target, all kernels", lambda: float(store.field.evaluate(place)[0]))
    hits = store.search(query, 10)
    end = timer("fieldstore: ascent from the query", lambda: store.field.ascend(query)).place
    timer("fieldstore: forget, one entry", lambda: store.forget(name))
    after = store.field
    phi_after = float(after.evaluate(place)[0])
    end_after = after.ascend(query).place
    places = np.stack([place, query])
    as_if_never = np.array_equal(after.evaluate(places), never.field.evaluate(places)) and name not in [
        hit.id for hit in store.search(query, 10)
    ]
    weight_after = float(after.weights[target])
    timer("fieldstore: restore, one entry", lambda: store.restore(name))
    restored = float(store.field.evaluate(place)[0]) == phi and store.search(query, 10) == hits
    return Felt(
        weight, weight_after, phi, phi_after, as_if_never, float(end @ place), float(end_after @ place), restored
    )


def main() -> None:
    """Run all targets and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000, help="vectors (targets beyond are left out)")
    points = parser.parse_args().points
    rng = np.random.default_rng(SEED)
    vectors = unit(rng.normal(size=(points, DIM)))
    targets = [target for target in TARGETS if target < points]
    queries = {target: unit(vectors[target] + NOISE * rng.normal(size=DIM)) for target in targets}
    timer = Timer()
    ids = [str(number) for number in range(points)]
    kappa = 1 / SIGMA**2
    store = FieldStore(kappa=kappa)
    timer("fieldstore: add all vectors", lambda: store.add(vectors, ids=ids))
    print(f"{points:,} random unit vectors, {DIM} dimensions, bandwidth {SIGMA} (kappa {kappa:g}), noise {NOISE}\n")
    print(f"{'':>7}  | FAISS, -v inserted              | fieldstore, forgotten")
    print(
        f"{'target':>7}  | {'rank':>11}  {'similarity':>17} | {'net weight':>10}  {'phi(target)':>22}  "
        f"{'as if never':>11}  {'ascent ends at cosine':>21}  restored"
    )
    for target in targets:
        selected = select(vectors, target, queries[target], timer)
        never = FieldStore(kappa=kappa)
        others = np.arange(points) != target
        never.add(vectors[others], ids=[id for id in ids if id != str(target)])
        felt = feel(store, never, vectors, target, queries[target], timer)
        print(
            f"{target:>7,}  | {selected.rank:>4} -> {selected.rank_after:<3}  "
            f"{selected.similarity:.4f} -> {selected.similarity_after:.4f}  | "
            f"{felt.weight:g} -> {felt.weight_after:<4g}  {felt.phi:>9.6f} -> {felt.phi_after:<8.1e}  "
            f"{'bit for bit' if felt.as_if_never else 'DIFFERENT':>13}  "
            f"{felt.arrives:>9.4f} -> {felt.arrives_after:<8.4f}  {'yes' if felt.restored else 'NO':>8}"
        )
    differences = timer("fieldstore: verify", store.verify)
    print(f"\nverify: {differences or 'all is well'}\n\n{'step':<44} {'mean ms':>10}")
    for step, runs in timer.runs.items():
        print(f"{step:<44} {1000 * sum(runs) / len(runs):>10.2f}")


if __name__ == "__main__":
    main()
