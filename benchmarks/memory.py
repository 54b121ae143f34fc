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
    stores = [ours.store_of(loaded._replace(points=loaded.points[:_TINY])), ours.store_of(loaded)]
    rows: list[Row] = []
    for at_once in (1, 2) if plan.quick else (1, _READERS):
        tiny, full = (_readers(store, dim, at_once) for store in stores)
        more = {kind: (full[kind] - tiny[kind]) / (count - _TINY) for kind in full}
        rows.append(
            {
                "readers at once": at_once,
                "bytes per point beyond the mapping": more["beyond"],
                "of them private": more["private"],
                "mapped": more["mapped"],
                "PSS": more["proportional"],
                "all readers' PSS, MiB": at_once * full["proportional"] / 2**20,
                "a tiny store's reader, MiB": (tiny["beyond"] + tiny["mapped"]) / 2**20,
            }
        )
    report.table(rows)
    report.say(
        "Means over the readers of a store that was filled, closed and opened again; the tiny store's taken off."
    )
    report.say(f"Mapped pages are of the store's files, shared by all who map them; vectors take {4 * dim:,} bytes.")
    report.say("PSS: the proportional share of /proc/PID/smaps_rollup; a page that n processes have counts as 1/n.")
    beyond, all_pss = (rows[-1][column] for column in ("bytes per point beyond the mapping", "all readers' PSS, MiB"))
    report.figure("resident beyond the shared mapping, bytes per point", f"{beyond:,.0f}", f"vectors {4 * dim:,}")
    report.figure(f"{rows[-1]['readers at once']} reader processes together, {count:,} records", f"{all_pss:,.0f} MiB")
    report.save()


def _readers(store: Path, dim: int, count: int) -> dict[str, float]:
    """The mean over so many readers at once."""
    seen = processes.at_once([("benchmarks.reader", "memory", store, str(dim))] * count)
    return {kind: sum(each[kind] for each in seen) / count for kind in seen[0]}
