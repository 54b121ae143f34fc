# From nothing to the first answer: a fresh process, a first compilation, a missing index.
#
# Rule: every process is a new one; the files are warm, as they are after the first of them.
"""`python -m benchmarks open`: import, open, first query; compilation; rebuilding the index."""

import statistics
from pathlib import Path

from benchmarks import data, ours, processes
from benchmarks.plan import Plan
from benchmarks.report import Report, time_of

_COMPILED = 10_000  # points, enough for cells: fewer would not need every loop


def run(plan: Plan) -> None:
    """Print all three."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), plan.queries)
    count, dim = loaded.points.shape
    report = Report("open", f"From import to the first answer, {count:,} records, {loaded.name}", plan)
    store = ours.store_of(loaded)
    opened = _opened(store, dim, 1 + plan.rounds)[1:]
    report.table([{"": "import, open, first query", **_medians(opened)}], "A fresh process, warm files, seconds")
    report.figure(
        f"from `import fieldstore` to the first answer, {count:,} records", time_of(_medians(opened)["in all"])
    )
    if (index := store / "index").is_file():
        index.unlink()
        (rebuilt,) = _opened(store, dim, 1)  # it saves the new one, too
        seconds = rebuilt["open"] - _medians(opened)["open"]
        report.table([{"": "missing index", "s": seconds, "points/s": count / seconds}], "Rebuilding, and saving")
        report.figure("a missing index built again, points/s", f"{count / seconds:,.0f}")
    else:
        report.say(f"A store of {count:,} records keeps no index, so there is none to rebuild.")
    if plan.quick:
        report.say("Compiling is never quick, so it is left out here.")
    else:
        small = data.synthetic(_COMPILED, 1)
        _compiled(ours.store_of(small), report)
    report.save()


def _opened(store: Path, dim: int, times: int) -> list[dict[str, float]]:
    return [processes.answer("benchmarks.reader", "open", store, str(dim)) for _ in range(times)]


def _medians(opened: list[dict[str, float]]) -> dict[str, float]:
    medians = {part: statistics.median(each[part] for each in opened) for part in opened[0]}
    return {**medians, "in all": statistics.median(sum(each.values()) for each in opened)}


def _compiled(store: Path, report: Report) -> None:
    """Two processes that use every verb, the first with an empty cache of compiled loops."""
    with ours.folder() as folder:
        cache = {"NUMBA_CACHE_DIR": str(folder / "numba")}
        first, again = (processes.answer("benchmarks.reader", "verbs", store, more=cache)["seconds"] for _ in range(2))
    report.table(
        [{"": "every verb once", "first ever": first, "again, cached": again, "compilation": first - again}],
        "With an empty cache of compiled loops, seconds",
    )
    report.figure("all loops compiled, once on a machine", time_of(first - again))
