# Queries under a filter: what the filter costs the first time, what it costs when it repeats, and what it finds.
"""`python -m benchmarks filter`: recall and time under filters of several selectivities."""

import time

import numpy as np

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio
from benchmarks.timing import per_query
from fieldstore import FieldStore

_FILTERS = {"50 %": ("half", 2), "10 %": ("tenth", 10), "1 %": ("hundredth", 100), "0.01 %": ("rare", 10_000)}


def run(plan: Plan) -> None:
    """Print a row per filter; all of them, and no filter, take turns."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), min(200, plan.queries))
    report = Report("filter", f"Under a filter, FieldStore.search, {len(loaded.points):,} records, {loaded.name}", plan)
    with ours.folder() as folder, ours.fill(folder / "store", loaded.points) as store:
        store.search(loaded.queries[0], K)
        first = {name: _first(store, loaded.queries[0], {key: 0}) for name, (key, _) in _FILTERS.items()}
        searches = {"no filter": lambda query: store.search(query, K)}
        for name, (key, _) in _FILTERS.items():
            searches[name] = lambda query, where={key: 0}: store.search(query, K, where=where)  # type: ignore[misc]
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
                    "first evaluation, ms": first[name] * 1e3 if name in first else None,
                    "repeated, µs": seconds[name] * 1e6,
                    "÷ no filter": ratio(seconds[name], seconds["no filter"]),
                }
            )
    report.table(rows)
    report.say("First evaluation: the first search with that filter, the search itself included.")
    report.save()


def _first(store: FieldStore, query: data.Rows, where: dict[str, int]) -> float:
    begin = time.perf_counter()
    store.search(query, K, where=where)
    return time.perf_counter() - begin
