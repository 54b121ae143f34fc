# How time at fixed recall grows with the number of points.
#
# Rule: the sizes take turns, so that the machine's moods do not bend the curve.
# Rule: sizes are beginnings of one and the same data set.
"""`python -m benchmarks growth`: slower than √N?"""

from benchmarks import data, ours
from benchmarks.curves import Contender, measured, settings_table
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row
from benchmarks.timing import at_recall

_WANTED = 0.95
_SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def run(plan: Plan) -> None:
    """Print time at that recall by size, its growth since the smallest, and √N's."""
    largest = plan.count(1_000_000)
    sizes = [size for size in _SIZES if size < largest] + [largest]
    if len(sizes) == 1:
        sizes = [largest // 4, largest]
    loaded = data.for_scale(plan.data, largest, plan.queries)
    report = Report("growth", f"Time at recall@{K} {_WANTED} by size, {loaded.name}, one thread", plan)
    contenders = {}
    for size in sizes:
        part = loaded._replace(points=loaded.points[:size])
        built = ours.built(ours.field_of(part.points), plan.quick)
        contenders[f"{size:,}"] = Contender(built, part, data.truth(part, K))
    curves = measured(contenders, plan)
    seconds = {size: at_recall(curves[f"{size:,}"], _WANTED) for size in sizes}
    first = seconds[sizes[0]]
    rows: list[Row] = []
    for size in sizes:
        taken = seconds[size]
        grown = None if taken is None or first is None else taken / first
        root = (size / sizes[0]) ** 0.5
        rows.append(
            {
                "points": f"{size:,}",
                f"µs at {_WANTED}": None if taken is None else taken * 1e6,
                "grown by": grown,
                "√N by": root,
                "÷ √N": None if grown is None else grown / root,
            }
        )
    report.table(settings_table(curves), "Every setting")
    report.table(rows, "At equal recall")
    report.say("÷ √N below 1: time grew slower than the root of the number of points.")
    known = {size: taken for size, taken in seconds.items() if taken is not None}
    if first is not None:
        roots = {size: first * (size / sizes[0]) ** 0.5 for size in sizes}
        report.plot_growth({"fieldstore": known, "√N": roots}, f"Time at recall@{K} {_WANTED}, {loaded.name}")
    report.save()
