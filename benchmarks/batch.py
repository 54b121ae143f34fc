# Many queries at once, on one thread and on two.
#
# Rule: the answers must be those of single queries, or the speed means nothing: the run ends with an error else.
"""`python -m benchmarks batch`: do batches use both cores?"""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, ratio
from benchmarks.timing import every_turn, in_turns
from fieldstore import FieldStore

_RECORDS = 100_000
Answers = list[list[str]]


def run(plan: Plan) -> None:
    """Print a row per way of asking."""
    loaded = data.load(plan.data, plan.count(_RECORDS), plan.queries)
    count = len(loaded.queries)
    report = Report("batch", f"{count:,} queries at once, {len(loaded.points):,} records, {loaded.name}", plan)
    with ours.folder() as folder, ours.fill(folder / "store", loaded.points) as store, ThreadPoolExecutor(2) as pool:

        def single() -> Answers:
            return [[hit.id for hit in store.search(query, K)] for query in loaded.queries]

        ways: dict[str, Callable[[], Answers]] = {"search, one by one": single}
        if ours.takes(FieldStore.search_many, "threads"):
            for threads in (1, 2):
                ways[f"search_many, threads={threads}"] = partial(_many, store, loaded.queries, threads=threads)
        else:
            ways["search_many"] = partial(_many, store, loaded.queries)
            halves = (loaded.queries[: count // 2], loaded.queries[count // 2 :])
            ways["search_many, halves in two Python threads"] = lambda: [
                ids for part in pool.map(partial(_many, store), halves) for ids in part
            ]
        right = single()
        wrong = [name for name, way in ways.items() if way() != right]
        if wrong:
            raise AssertionError(f"answers differ from those of single queries: {', '.join(wrong)}")
        taken = in_turns({name: every_turn(way) for name, way in ways.items()}, plan.rounds)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    on_one = list(medians.values())[1]
    report.table(
        [
            {"": name, "µs per query": median / count * 1e6, "faster than on one thread by": ratio(on_one, median)}
            for name, median in medians.items()
        ]
    )
    report.say("All answers are equal.")
    report.save()


def _many(store: FieldStore, queries: data.Rows, **options: Any) -> Answers:
    return [[hit.id for hit in hits] for hits in store.search_many(queries, K, **options)]
