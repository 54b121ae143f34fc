# Forgetting: one record on disk in stores of two sizes, beside the peers' delete; and what is left of the speed
# once half of all is gone.
#
# Rule: stores and databases take turns, record by record.
# Rule: a peer's delete is not an erasure, so it stands beside `forget`; what `erase` takes is shown apart.
# Rule: whose delete does not wait for the disk gets a second row, in which we sync what it wrote.
"""`python -m benchmarks forget`: what forgetting takes, and what it leaves behind."""

import shutil
import statistics
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np

from benchmarks import data, databases, ours
from benchmarks.curves import Contender, measured
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import in_turns
from fieldstore import FieldStore

_SMALL, _LARGE = 10_000, 1_000_000
_HALVED = 100_000  # points of which half are forgotten


def run(plan: Plan) -> None:
    """Print both tables."""
    largest = plan.count(_LARGE)
    loaded = data.for_scale(plan.data, largest, plan.queries)
    report = Report("forget", f"Forgetting, durably, on disk; {loaded.name}", plan)
    report.table(_one(loaded, plan, report), "One record at a time")
    half = data.load(plan.data, min(largest, _HALVED), plan.queries)
    title = f"Half of {len(half.points):,} points forgotten at random, {half.name}"
    report.table(_half(half, plan, report), title)
    report.save()


def _one(loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    points = loaded.points
    small = min(_SMALL, len(points) // 2)
    times = 10 if plan.quick else 50
    with ExitStack() as stack:
        folder = stack.enter_context(ours.folder())
        stores = {}
        for size in (small, len(points)):
            shutil.copytree(ours.store_of(loaded._replace(points=points[:size])), folder / str(size))
            stores[size] = stack.enter_context(FieldStore(folder / str(size), create=False))
        jobs = {f"fieldstore: forget, {size:,} records": _forgetting(store) for size, store in stores.items()}
        for maker in databases.installed(databases.ALL, report.say) if plan.peers else []:
            database = maker.make(folder / maker.package, points.shape[1])
            stack.callback(database.close)
            for batch in ours.batches(points[:small], 1000):
                database.add(batch)
            name = f"{maker.name}: delete, {small:,} records"
            jobs[name] = database.forget
            if not database.durable:
                synced = databases.synced(database, folder / maker.package)
                jobs[f"{name}, then synced by us"] = _after(times, synced)
        taken = in_turns(jobs, times)
        jobs = {f"fieldstore: erase, {size:,} records": _erasing(store, times) for size, store in stores.items()}
        taken |= in_turns(jobs, plan.by_pace(3, 1, 1))  # an erase reads the whole store
    medians = {name: statistics.median(each) for name, each in taken.items()}
    ours_small, ours_large, *others = medians.values()
    grown = f"{ours_large / ours_small:.2f}"
    report.say(f"A forget among {len(points):,} records takes {grown} times what it takes among {small:,}.")
    report.figure(f"a durable forget, {small:,} records", time_of(ours_small))
    report.figure(f"a durable forget, {len(points):,} records", time_of(ours_large), f"{grown} × that of {small:,}")
    for name, median in list(medians.items())[2 : 2 + len(others) - len(stores)]:
        report.figure(f"… {name}", time_of(ours_small), time_of(median), ratio(median, ours_small))
    return [
        {"": name, "ms": median * 1e3, "÷ ours, small store": ratio(median, ours_small)}
        for name, median in medians.items()
    ]


def _forgetting(store: FieldStore) -> Callable[[int], object]:
    return lambda number: store.forget(f"r{number}")


def _erasing(store: FieldStore, after: int) -> Callable[[int], object]:
    return lambda number: store.erase(f"r{after + number}")


def _after(others: int, forget: Callable[[int], object]) -> Callable[[int], object]:
    return lambda number: forget(others + number)


def _half(loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    """Two fields of the same points; in one of them half are forgotten. Recall is of what is alive."""
    alive = np.random.default_rng(5).permutation(len(loaded.points)) % 2 == 0
    whole, halved = ours.field_of(loaded.points), ours.field_of(loaded.points)
    halved.reweight(np.flatnonzero(~alive), 0.0)
    contenders = {
        "before": Contender(ours.built(whole, plan.quick), loaded, data.truth(loaded, K)),
        "after": Contender(ours.built(halved, plan.quick), loaded, data.truth(loaded, K, alive)),
    }
    curves = measured(contenders, plan)
    (before, after) = (next(p for p in curves[state] if p.setting == "effort 1") for state in ("before", "after"))
    report.figure(
        "a query after half of the points were forgotten",
        time_of(after.seconds),
        f"before: {time_of(before.seconds)}, recall {before.recall:.3f}",
        ratio(before.seconds, after.seconds),
        after.recall,
    )
    return [
        {
            "effort": before.setting,
            "recall before": before.recall,
            "recall after": after.recall,
            "µs before": before.seconds * 1e6,
            "µs after": after.seconds * 1e6,
            "after ÷ before": after.seconds / before.seconds,
        }
        for before, after in zip(curves["before"], curves["after"], strict=True)
    ]
