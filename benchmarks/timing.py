# Fair clocks: contenders take turns, in blocks of a few queries; medians over the rounds.
#
# Rule: whatever else the machine does in the meantime is done to all of them; the order rotates from round to round.
# Rule: a block is long enough that a contender works in its own cache, as it would alone.
"""Timing in turns, and comparing at equal recall."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Search = Callable[[NDArray[np.float32]], Any]
"""One query, (d,), to whatever the contender natively answers."""

_MISS = 1e-4  # recalls nearer to 1 than this are as good as 1


class Point(NamedTuple):
    """One setting of a contender's knob: what it gave, and what it took in seconds per query."""

    setting: str
    recall: float
    seconds: float


def in_turns(
    jobs: Mapping[str, Callable[[int], object]], rounds: int, patience: float = float("inf")
) -> dict[str, list[float]]:
    """Seconds of every job in every round, `job(round)`, the jobs one after the other and each round another first.

    A job that once took longer than patience is not asked again.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if max(seconds[name], default=0.0) > patience:
                continue
            begin = time.perf_counter()
            jobs[name](turn)
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def every_turn(job: Callable[[], object]) -> Callable[[int], object]:
    """A job that does the same in every round."""
    return lambda _: job()


def per_query(searches: Mapping[str, Search], queries: NDArray[np.float32], rounds: int) -> dict[str, float]:
    """Median over the rounds of the mean seconds per query; every round asks all the queries given."""

    def asking(search: Search) -> Callable[[], list[object]]:
        return lambda: [search(query) for query in queries]

    for search in searches.values():
        search(queries[0])  # compiles, and touches what a first query touches
    taken = in_turns({name: every_turn(asking(search)) for name, search in searches.items()}, rounds)
    return {name: statistics.median(times) / len(queries) for name, times in taken.items()}


def best_of(curve: Sequence[Point]) -> list[Point]:
    """The settings that no other beats in both recall and time, from the quickest on."""
    front: list[Point] = []
    for point in sorted(curve, key=lambda point: (point.seconds, -point.recall)):
        if not front or point.recall > front[-1].recall:
            front.append(point)
    return front


def at_recall(curve: Sequence[Point], wanted: float) -> float | None:
    """Seconds per query at that recall, from the best settings: between two, log time is linear in log misses.

    None when none is as good; when even the quickest is better than wanted, its time.
    """
    front = best_of(curve)
    if not front or front[-1].recall < wanted:
        return None
    recalls = np.array([point.recall for point in front])
    misses = -np.log(np.maximum(1.0 - recalls, _MISS))
    logs = np.log([point.seconds for point in front])
    return float(np.exp(np.interp(-np.log(max(1.0 - wanted, _MISS)), misses, logs)))


@contextmanager
def cores(count: int) -> Iterator[bool]:
    """At most so many cores for this thread and those it starts; whether that was possible: not on macOS."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for numpy's matrix products while a contender builds; needs threadpoolctl, or changes nothing."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(limits=count):
        yield
