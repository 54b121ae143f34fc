# What a store costs in memory beyond the pages that every reader shares.
#
# Rule: what Python, numpy and numba take by themselves is measured with a tiny store, and taken off.
"""`python -m benchmarks memory`: resident bytes per point, of one reader and of eight."""

import sys
from pathlib import Path

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
    with ours.folder() as folder:
        ours.fill(folder / "tiny", loaded.points[:_TINY]).close()
        ours.fill(folder / "store", loaded.points).close()
        rows: list[Row] = []
        for at_once in (2,) if plan.quick else (1, _READERS):
            tiny, full = (_readers(folder / name, dim, at_once) for name in ("tiny", "store"))
            more = {kind: full[kind] - tiny[kind] for kind in full}
            rows.append(
                {
                    "readers at once": str(at_once),
                    "bytes per point: private": more["private"] / (count - _TINY),
                    "mapped from files": more["mapped"] / (count - _TINY),
                    "proportional share": more["proportional"] / (count - _TINY),
                    "without points, MiB": tiny["private"] / 2**20,
                }
            )
    report.table(rows)
    report.say(
        f"Per reader. Proportional share: a page that n readers map counts as 1/n. Vectors take {4 * dim:,} bytes."
    )
    report.save()


def _readers(store: Path, dim: int, count: int) -> dict[str, float]:
    """The mean over so many readers at once."""
    seen = processes.at_once([("benchmarks.reader", "memory", store, str(dim))] * count)
    return {kind: sum(each[kind] for each in seen) / count for kind in seen[0]}
