# Adding: an index built, records stored in batches, one record at a time.
#
# Rule: who adds in batches takes turns batch by batch, each with the same records.
"""`python -m benchmarks add`: how fast points and records go in."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import data, databases, ours, peers
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import cores, every_turn, in_turns, threads
from fieldstore import Field, FieldStore

_THREADS = 2
_BATCH = 1000
_RECORDS = 20_000, 10_000, 2_000  # in each database, by pace
_SINGLES = 200
_WARM = 12_000  # points, enough for cells and their splitting


def run(plan: Plan) -> None:
    """Print builds, batches, single adds, and the longest pause."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    report = Report("add", f"Adding {len(loaded.points):,} points, {loaded.name}", plan)
    report.table(_builds(loaded.points, plan, report), f"Building an index in memory, {_THREADS} threads each")
    batch = 100 if plan.quick else _BATCH
    records = loaded.points[: plan.by_pace(*_RECORDS)]
    report.table(
        _batches(records, batch, plan, report),
        f"Records with a text of 60 words and metadata, batches of {batch:,}, on disk, taking turns",
    )
    pauses = _pauses(loaded.points, batch, 20 if plan.quick else _SINGLES, report)
    report.table(pauses, "One store from empty to full: is there a pause?")
    report.save()


def _builds(points: data.Rows, plan: Plan, report: Report) -> list[Row]:
    def build() -> None:
        with threads(_THREADS):
            ours.field_of(points)

    jobs = {"fieldstore": every_turn(build)}
    for peer in peers.installed([peers.HNSWLIB], report.say) if plan.peers else []:
        jobs[peer.name] = every_turn(partial(peer.build, points, _THREADS))
    with cores(_THREADS):
        build()  # compiles
        taken = in_turns(jobs, plan.by_pace(3, 2, 1), patience=20.0)
    seconds = {name: statistics.median(times) for name, times in taken.items()}
    for name in list(seconds)[1:]:
        times, size = ratio(seconds[name], seconds["fieldstore"]), f"{len(points):,} points, {_THREADS} threads"
        report.figure(
            f"an index built, {size}", time_of(seconds["fieldstore"]), f"{name} {time_of(seconds[name])}", times
        )
    return [
        {"": name, "s": taken, "points/s": len(points) / taken, "÷ ours": ratio(taken, seconds["fieldstore"])}
        for name, taken in seconds.items()
    ]


def _batches(points: data.Rows, batch: int, plan: Plan, report: Report) -> list[Row]:
    makers = [databases.FIELDSTORE, *(databases.installed(databases.ALL, report.say) if plan.peers else [])]
    with ours.folder() as folder:
        made = {maker.name: maker.make(folder / maker.package, points.shape[1]) for maker in makers}
        records = list(ours.batches(points[: len(points) // batch * batch], batch))  # made before the clock starts

        def adding(database: databases.Database) -> Callable[[int], object]:
            return lambda turn: database.add(records[turn])

        taken = in_turns({name: adding(database) for name, database in made.items()}, len(records))
        for database in made.values():
            database.close()
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name in list(medians)[1:]:
        times, rate = ratio(medians[name], medians["fieldstore"]), f"{batch / medians['fieldstore']:,.0f}"
        what = f"records added per second, batches of {batch:,}"
        report.figure(what, rate, f"{name} {batch / medians[name]:,.0f}", times)
    return [
        {
            "": name,
            "records": len(points) // batch * batch,
            "records/s, median batch": batch / medians[name],
            "records/s, overall": len(times) * batch / sum(times),
            "÷ ours": ratio(medians[name], medians["fieldstore"]),
        }
        for name, times in taken.items()
    ]


def _pauses(points: data.Rows, batch: int, singly: int, report: Report) -> list[Row]:
    """Batches through the engine and through the store; then single records into the full store."""
    full = points[: len(points) // batch * batch]
    with ours.folder() as folder, FieldStore(folder / "store", dim=points.shape[1]) as store:
        warm = Field(points.shape[1])
        for each in ours.batches(full[:_WARM], batch):
            warm.add(each.rows)  # compiles, what splits cells too
        field = Field(points.shape[1])
        engine = [_timed(field.add, each.rows) for each in ours.batches(full, batch)]
        stored = [_timed(each.into, store) for each in ours.batches(full, batch)]
        opposite = [each._replace(ids=[f"s{i}"]) for i, each in enumerate(ours.batches(-points[:singly], 1))]
        singles = [_timed(each.into, store) for each in opposite]
    report.figure("single durable adds per second", f"{1 / statistics.median(singles):,.0f}")
    longest = max(stored) / statistics.median(stored)
    report.figure(f"longest of {len(stored)} batches ÷ median batch, to {len(full):,} records", f"{longest:.1f}")
    return [
        _pause_row("Field.add, batches", engine, batch),
        _pause_row("FieldStore.add, batches, durable", stored, batch),
        _pause_row("FieldStore.add, one by one, durable", singles, 1),
    ]


def _timed(verb: Callable[[Any], object], what: Any) -> float:
    begin = time.perf_counter()
    verb(what)
    return time.perf_counter() - begin


def _pause_row(name: str, times: list[float], batch: int) -> Row:
    median = statistics.median(times)
    return {
        "": name,
        "calls": len(times),
        "per second": batch / median,
        "median, ms": median * 1e3,
        "longest, ms": max(times) * 1e3,
        "longest ÷ median": max(times) / median,
    }
