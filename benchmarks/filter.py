# Queries under a filter: what the filter costs the first time, what it costs when it repeats, and what it finds.
"""`python -m benchmarks filter`: recall and time under filters of several selectivities."""

import time

import numpy as np

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio
from benchmarks.timing import Search, per_query
from fieldstore import FieldStore

_FILTERS = {"50 %": ("half", 2), "10 %": ("tenth", 10), "1 %": ("hundredth", 100), "0.01 %": ("rare", 10_000)}


def run(plan: Plan) -> None:
    """Print a row per filter; all of them, and no filter, take turns."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), min(200, plan.queries))
    report = Report("filter", f"Under a filter, FieldStore.search, {len(loaded.points):,} records, {loaded.name}", plan)
    with ours.folder() as folder, ours.fill(folder / "store", loaded.points) as store:
        store.search(loaded.queries[0], K)
        searches = {"no filter": _searching(store, None)}
        searches |= {name: _searching(store, {key: 0}) for name, (key, _) in _FILTERS.items()}
        first = {name: _first(search, loaded.queries[0]) for name, search in searches.items()}
        seconds = per_query(searches, loaded.queries[:50], plan.rounds)
        rows: list[Row] = []
        for name, search in searches.items():
            every = _FILTERS[name][1] if name in _FILTERS else 1
            alive = np.arange(len(loaded.points)) % every == 0
            found = [[int(hit.id[1:]) for hit in search(query)] for query in loaded.queries]
            rows.append(
                {
                    "passing": name,
                    "points": int(alive.sum()),
                    "recall@10": data.recall(loaded, data.truth(loaded, K, alive), found),
                    "fewest results": min(map(len, found)),
                    "first evaluation, ms": first[name] * 1e3 if name in _FILTERS else None,
                    "repeated, µs": seconds[name] * 1e6,
                    "÷ no filter": ratio(seconds[name], seconds["no filter"]),
                }
            )
    report.table(rows)
    report.say("First evaluation: the first search with that filter, the search itself included.")
    report.save()


def _searching(store: FieldStore, where: dict[str, int] | None) -> Search:
    return lambda query: store.search(query, K, where=where)


def _first(search: Search, query: data.Rows) -> float:
    begin = time.perf_counter()
    search(query)
    return time.perf_counter() - begin
