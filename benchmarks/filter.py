# Queries under a filter: what the filter costs the first time, what it costs when it repeats, and what it finds.
#
# Rule: keys are declared on a copy, so that the other questions measure a store without them.
"""`python -m benchmarks filter`: recall and time under filters of several selectivities."""

import shutil
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import Search, per_query
from fieldstore import FieldStore

_WANTED = 0.95
_ASKED = 200  # queries under each filter


class _Passing(NamedTuple):
    """A filter that passes the records whose number is a multiple of `every`: that key, 0."""

    key: str
    every: int
    declared: bool = True


_FILTERS = {
    "50 %": _Passing("half", 2),
    "10 %": _Passing("tenth", 10),
    "1 %": _Passing("hundredth", 100),
    "0.01 %": _Passing("rare", 10_000),
    "10 %, key not declared": _Passing("plain", 10, declared=False),
}
_DECLARED = [passing.key for passing in _FILTERS.values() if passing.declared]


def run(plan: Plan) -> None:
    """Print a row per filter; all of them, and no filter, take turns."""
    loaded = data.for_scale(plan.data, plan.count(1_000_000), min(_ASKED, plan.queries))
    report = Report("filter", f"Under a filter, FieldStore.search, {len(loaded.points):,} records, {loaded.name}", plan)
    with ours.folder() as folder:
        shutil.copytree(ours.store_of(loaded), folder / "store")
        begin = time.perf_counter()
        store = FieldStore(folder / "store", filter_keys=_DECLARED, create=False)
        report.say(f"Declaring {len(_DECLARED)} keys later, opening included: {time.perf_counter() - begin:.1f} s.")
        with store:
            _measure(store, loaded, plan, report)
    report.save()


def _measure(store: FieldStore, loaded: data.Data, plan: Plan, report: Report) -> None:
    one = loaded.queries[0]
    searches = {"no filter": _searching(store, None)}
    searches |= {name: _searching(store, {passing.key: 0}) for name, passing in _FILTERS.items()}
    searches["no filter"](one)
    key_first = {name: _seconds(partial(searches[name], one)) for name in _FILTERS}
    value_first = {
        name: _seconds(partial(_searching(store, {passing.key: 1}), one)) for name, passing in _FILTERS.items()
    }
    seconds = per_query(searches, loaded.queries[:50], plan.rounds)
    bare, rows, few = seconds["no filter"], [], []
    for name, search in searches.items():
        every = _FILTERS[name].every if name in _FILTERS else 1
        alive = np.arange(len(loaded.points)) % every == 0
        found = [[int(hit.id[1:]) for hit in search(query)] for query in loaded.queries]
        recall = data.recall(loaded, data.truth(loaded, K, alive), found)
        row: Row = {
            "passing": name,
            "points": int(alive.sum()),
            "recall@10": recall,
            "fewest results": min(map(len, found)),
            "key's first, ms": key_first[name] * 1e3 if name in _FILTERS else None,
            "value's first, ms": value_first[name] * 1e3 if name in _FILTERS else None,
            "repeated, µs": seconds[name] * 1e6,
            "÷ no filter": ratio(seconds[name], bare),
        }
        rows.append(row)
        if recall < _WANTED or min(map(len, found)) < min(K, int(alive.sum())):
            few.append(name)
        if name in _FILTERS:
            first = f"no filter {time_of(bare)}; first evaluation {time_of(value_first[name])}"
            what = f"search under a filter passing {name}, {len(loaded.points):,} records"
            report.figure(what, time_of(seconds[name]), first, ratio(bare, seconds[name]), recall)
    report.table(rows)
    report.say(
        "Key's first: the first filter over that key since opening. Value's first: the first over another value."
    )
    report.say("Both include the search itself. Repeated: the same filter again, another query.")
    report.say(
        f"BELOW recall {_WANTED} or fewer than {K} although more match: {', '.join(few)}."
        if few
        else f"Recall is {_WANTED} or more everywhere, and {K} results come wherever {K} match."
    )


def _searching(store: FieldStore, where: dict[str, int] | None) -> Search:
    return lambda query: store.search(query, K, where=where)


def _seconds(job: Callable[[], object]) -> float:
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin
