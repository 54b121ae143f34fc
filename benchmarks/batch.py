# Many queries at once, on one core and on two.
#
# Rule: the one-core turn takes this process's second core away, and nothing else changes.
# Rule: the answers must be those of single queries, or the speed means nothing: the run ends with an error else.
"""`python -m benchmarks batch`: do batches use both cores?"""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks import data, ours
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import cores, in_turns
from fieldstore import Field, FieldStore, Hit
from fieldstore.engine.field import Ranking

_RECORDS = 100_000
_CORES = 2
_SLICE = 64  # queries in one call of the engine

Answers = list[list[tuple[object, float]]]
"""For each query the ids, or point numbers, and scores."""

Way = Callable[[int], Answers]
"""A way to ask all queries, on so many cores."""


def run(plan: Plan) -> None:
    """Print a row per way of asking and number of cores."""
    loaded = data.load(plan.data, plan.count(_RECORDS), max(200, plan.queries))
    count = len(loaded.queries)
    report = Report("batch", f"{count:,} queries at once, {len(loaded.points):,} records, {loaded.name}", plan)
    with cores(_CORES) as possible, FieldStore(ours.store_of(loaded), create=False) as store:
        if not possible:
            report.say("This system lets no process give up a core, so one core is not compared with two.")
        single = {
            "FieldStore.search": [_stored(store.search(query, K)) for query in loaded.queries],
            "Field.nearest": [_found(store.field, query) for query in loaded.queries],
        }
        ways: dict[tuple[str, str], Way] = {
            ("FieldStore.search", "one by one"): lambda _: [_stored(store.search(q, K)) for q in loaded.queries],
            ("FieldStore.search", "search_many"): lambda _: [_stored(h) for h in store.search_many(loaded.queries, K)],
            ("Field.nearest", "nearest_many in Python threads"): partial(_in_threads, store.field, loaded.queries),
        }
        jobs, turns = {}, (1, _CORES) if possible else (_CORES,)
        for (verb, how), way in ways.items():
            for on in turns if how != "one by one" else turns[:1]:
                if _on(on, way) != single[verb]:
                    raise AssertionError(f"{verb}, {how}, {on} cores: the answers differ from those of single queries")
                jobs[verb, how, on] = partial(_turn, on, way)
        names = {f"{verb}, {how}, cores: {on}": (verb, how, on) for verb, how, on in jobs}
        taken = in_turns({name: jobs[key] for name, key in names.items()}, plan.rounds)
    medians = {names[name]: statistics.median(times) for name, times in taken.items()}
    rows: list[Row] = []
    for name, (verb, how, on) in names.items():
        median, alone = medians[verb, how, on], medians.get((verb, how, 1))
        faster = ratio(alone, median) if on > 1 else None
        rows.append({"": name, "µs per query": median / count * 1e6, "÷ one core": faster})
        if on > 1 and faster:
            one, many = time_of(median / count), time_of((alone or 0.0) / count)
            report.figure(f"{count:,} queries at once, {verb}, per query", one, f"on one core {many}", faster)
    report.table(rows)
    report.say("All answers, scores included, are equal to those of single queries.")
    report.save()


def _on(count: int, way: Way) -> Answers:
    with cores(count):
        return way(count)


def _turn(count: int, way: Way, _: int) -> Answers:
    return _on(count, way)


def _in_threads(field: Field, queries: data.Rows, threads: int) -> Answers:
    """The engine alone: slices of the queries, handed out to Python threads."""
    slices = [queries[first : first + _SLICE] for first in range(0, len(queries), _SLICE)]
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda part: field.nearest_many(part, K), slices)
        return [_shown(ranking) for part in parts for ranking in part]


def _stored(hits: list[Hit]) -> list[tuple[object, float]]:
    return [(hit.id, hit.score) for hit in hits]


def _found(field: Field, query: data.Rows) -> list[tuple[object, float]]:
    return _shown(field.nearest(query, K))


def _shown(ranking: Ranking) -> list[tuple[object, float]]:
    return list(zip(ranking.points.tolist(), ranking.scores.tolist(), strict=True))
