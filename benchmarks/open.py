# From nothing to the first answer: a fresh process, a first compilation, a missing index.
#
# Rule: every process is a new one; the files are warm, as they are after the first of them.
"""`python -m benchmarks open`: import, open, first query; compilation; rebuilding the index."""

import shutil
import statistics
import time
from pathlib import Path

from benchmarks import data, ours, processes
from benchmarks.plan import Plan
from benchmarks.report import Report, Row


def run(plan: Plan) -> None:
    """Print all three."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), plan.queries)
    count, dim = loaded.points.shape
    report = Report("open", f"From import to the first answer, {count:,} records, {loaded.name}", plan)
    with ours.folder() as folder:
        store = folder / "store"
        ours.fill(store, loaded.points).close()
        opened = _opened(store, dim, 1 + plan.rounds)[1:]
        report.table([{"": "import, open, first query", **_medians(opened)}], "A fresh process, warm files, seconds")
        if not plan.quick:  # it is never quick
            report.table([_compiled(folder / "numba")], "With an empty cache of compiled loops, seconds")
        if (index := store / "index").is_dir():
            shutil.rmtree(index)
            (rebuilt,) = _opened(store, dim, 1)
            extra = sum(rebuilt.values()) - _medians(opened)["in all"]
            report.table([{"": "missing index", "s": extra, "points/s": count / extra}], "Rebuilding")
        else:
            report.say("This store keeps no index on disk, so there is none to rebuild.")
    report.save()


def _opened(store: Path, dim: int, times: int) -> list[dict[str, float]]:
    return [processes.answer("benchmarks.reader", "open", store, str(dim)) for _ in range(times)]


def _medians(opened: list[dict[str, float]]) -> dict[str, float]:
    medians = {part: statistics.median(each[part] for each in opened) for part in opened[0]}
    return {**medians, "in all": statistics.median(sum(each.values()) for each in opened)}


def _compiled(cache: Path) -> Row:
    """`fieldstore warm`, first into an empty folder, then from it."""
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        processes.answer("fieldstore", "warm", more={"NUMBA_CACHE_DIR": str(cache)})
        seconds.append(time.perf_counter() - begin)
    first, again = seconds
    return {"": "all loops", "first ever": first, "again, cached": again, "compilation": first - again}
