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
from benchmarks.report import Report, Row, ratio
from benchmarks.timing import every_turn, in_turns, threads
from fieldstore import Field, FieldStore

_THREADS = 2
_BATCH = 1000
_RECORDS = 20_000  # in each database
_SINGLES = 200


def run(plan: Plan) -> None:
    """Print builds, batches, single adds, and the longest pause."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    report = Report("add", f"Adding {len(loaded.points):,} points, {loaded.name}", plan)
    report.table(_builds(loaded.points, plan, report), f"Building an index in memory, {_THREADS} threads each")
    batch = 100 if plan.quick else _BATCH
    report.table(
        _batches(loaded.points[:_RECORDS], batch, plan, report),
        f"Records with a text of 60 words and metadata, batches of {batch:,}, on disk, taking turns",
    )
    report.table(
        _pauses(loaded.points, batch, 20 if plan.quick else _SINGLES), "One store from empty to full: is there a pause?"
    )
    report.save()


def _builds(points: data.Rows, plan: Plan, report: Report) -> list[Row]:
    def build() -> None:
        with threads(_THREADS):
            ours.field_of(points)

    jobs = {"fieldstore": every_turn(build)}
    for peer in peers.installed([peers.HNSWLIB], report.say) if plan.peers else []:
        jobs[peer.name] = every_turn(partial(peer.build, points, _THREADS))
    build()  # compiles
    seconds = {name: statistics.median(taken) for name, taken in in_turns(jobs, 1 if plan.quick else 3).items()}
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


def _pauses(points: data.Rows, batch: int, singly: int) -> list[Row]:
    """Batches through the engine and through the store; then single records into the full store."""
    full = points[: len(points) // batch * batch]
    with ours.folder() as folder, FieldStore(folder / "store", dim=points.shape[1]) as store:
        field = Field(points.shape[1])
        engine = [_timed(field.add, each.rows) for each in ours.batches(full, batch)]
        stored = [_timed(each.into, store) for each in ours.batches(full, batch)]
        opposite = [each._replace(ids=[f"s{i}"]) for i, each in enumerate(ours.batches(-points[:singly], 1))]
        singles = [_timed(each.into, store) for each in opposite]
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
