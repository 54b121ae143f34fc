# How time at fixed recall grows with the number of points.
#
# Rule: the sizes take turns, so that the machine's moods do not bend the curve.
# Rule: sizes are beginnings of one and the same data set.
"""`python -m benchmarks growth`: slower than √N?"""

from math import log

from benchmarks import data, ours, peers
from benchmarks.curves import Contender, Curves, measured, settings_table
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.plots import EQUAL_RECALL, EVERY_SETTING
from benchmarks.report import Report, Row, time_of
from benchmarks.timing import at_recall

_WANTED = 0.95
_SIZES = (10_000, 100_000, 1_000_000)
_OURS, _BUILDERS = "fieldstore", 2


def run(plan: Plan) -> None:
    """Print time at that recall by size, its slope, and √N's; hnswlib beside it as far as its build has the time."""
    largest = plan.count(_SIZES[-1])
    sizes = [size for size in _SIZES if size < largest] + [largest]
    if len(sizes) == 1:
        sizes = [largest // 4, largest]
    loaded = data.for_scale(plan.data, largest, plan.queries)
    report = Report("growth", f"Time at recall@{K} {_WANTED} by size, {loaded.name}, one thread", plan)
    contenders = {}
    peer = peers.installed([peers.HNSWLIB], report.say) if plan.peers else []
    for size in sizes:
        part = loaded._replace(points=loaded.points[:size])
        true = data.truth(part, K)
        contenders[f"{_OURS}, {size:,}"] = Contender(ours.built(ours.field_of(part.points), plan.quick), part, true)
        if size <= plan.by_pace(1_000_000, 100_000, 10_000):  # at a million, ten minutes
            for other in peer:
                contenders[f"{other.name}, {size:,}"] = Contender(peers.built_once(other, part, _BUILDERS), part, true)
    curves = measured(contenders, plan)
    report.table(settings_table(curves), EVERY_SETTING)
    rows = [row for name in (_OURS, *(other.name for other in peer)) for row in _rows(name, sizes, curves)]
    report.table(rows, EQUAL_RECALL)
    report.say("Slope: of log time over log points, since the size before. √N has 0.5; below it, time grows slower.")
    if (overall := _slope(rows, sizes[0], sizes[-1])) is not None:
        judged = "slower than √N" if overall < 0.5 else "NOT slower than √N"
        report.say(f"From {sizes[0]:,} to {sizes[-1]:,} points fieldstore's slope is {overall:.2f}: {judged}.")
        of = {row["points"]: row["µs"] for row in rows if row[""] == _OURS}
        first, last = (f"{time_of(float(of[size] or 0) / 1e6)} at {size:,}" for size in (sizes[0], sizes[-1]))
        what = f"a query at equal recall, {first} points, {last}: slope of log time over log points"
        report.figure(what, f"{overall:.2f}", "√N 0.50", good=_WANTED)
    report.save()


def _rows(name: str, sizes: list[int], curves: Curves) -> list[Row]:
    rows: list[Row] = []
    before: tuple[int, float] | None = None
    for size in sizes:
        taken = at_recall(curves.get(f"{name}, {size:,}", []), _WANTED)
        slope = None if taken is None or before is None else log(taken / before[1]) / log(size / before[0])
        rows.append({"": name, "points": size, "µs": None if taken is None else taken * 1e6, "slope": slope})
        before = before if taken is None else (size, taken)
    return rows


def _slope(rows: list[Row], first: int, last: int) -> float | None:
    of = {row["points"]: row["µs"] for row in rows if row[""] == _OURS}
    small, large = of[first], of[last]
    return None if small is None or large is None else log(float(large) / float(small)) / log(last / first)
