# What a store costs in memory beyond the pages that every reader shares.
#
# Rule: what Python, numpy and numba take by themselves is measured with a tiny store, and taken off.
"""`python -m benchmarks memory`: resident bytes per point, of one reader and of eight."""

import sys

from benchmarks import data, ours, processes
from benchmarks.plan import Plan
from benchmarks.report import Report, Row

_TINY = 200
_READERS = 8


def run(plan: Plan) -> None:
    """Print a table: one reader and eight at once."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), plan.queries)
    count, dim = loaded.points.shape
    report = Report("memory", f"Resident memory with {count:,} records of {dim} dimensions, {loaded.name}", plan)
    if not sys.platform.startswith("linux"):
        report.say("/proc/self/smaps is Linux's, so this is not measured here")
        return
    readers = 2 if plan.quick else _READERS
    with ours.folder() as folder:
        ours.fill(folder / "tiny", loaded.points[:_TINY]).close()
        ours.fill(folder / "store", loaded.points).close()
        (tiny,) = processes.at_once([("benchmarks.reader", "memory", folder / "tiny", str(dim))])
        reader = ("benchmarks.reader", "memory", folder / "store", str(dim))
        alone, together = processes.at_once([reader]), processes.at_once([reader] * readers)
        rows: list[Row] = []
        for name, seen in (("one reader", alone), (f"each of {readers} readers", together)):
            private = sum(each["private"] for each in seen) / len(seen) - tiny["private"]
            mapped = sum(each["mapped"] for each in seen) / len(seen)
            share = sum(each["proportional"] for each in seen) / len(seen) - tiny["proportional"]
            rows.append(
                {
                    "": name,
                    "private bytes per point": private / (count - _TINY),
                    "of mapped files, bytes per point": mapped / count,
                    "proportional share, bytes per point": share / (count - _TINY),
                }
            )
    report.table(rows)
    report.say(f"A process with {_TINY} records has {tiny['private'] / 2**20:,.0f} MiB of its own; they are taken off.")
    report.say(f"Vectors take {4 * dim:,} bytes per point on disk.")
    report.save()
