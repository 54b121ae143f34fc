# Nearest neighbours, one query at a time, on one thread: recall against time, ours beside everybody's.
"""`python -m benchmarks query`: how long a query takes, at which recall."""

from benchmarks import data, databases, ours, peers
from benchmarks.curves import Contender, equal_recall_table, measured, settings_table
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.plots import EQUAL_RECALL, EVERY_SETTING
from benchmarks.report import Report, Row, ratio, time_of
from benchmarks.timing import Search, per_query
from fieldstore import FieldStore

_OURS = "fieldstore"
_BUILDERS = 2  # threads everybody may build with
_RECORDS = 20_000, 10_000, 1_000  # in each database, by pace
_ASKED = 200  # queries in the tables of stores


def run(plan: Plan) -> None:
    """Print everybody's time at equal recall, every setting, and what the store adds on top."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    size = f"{len(loaded.points):,} points, {loaded.points.shape[1]} dimensions"
    title = f"Nearest {K} of {size}, {loaded.name}, one query at a time, one thread"
    report = Report("query", title, plan)
    field = ours.field_of(loaded.points)
    contenders = {_OURS: ours.built(field, plan.quick), "fieldstore exact": ours.exact_built(field)}
    for peer in peers.installed(peers.ALL, report.say) if plan.peers else []:
        build = peers.built_once if peer is peers.HNSWLIB else peers.built
        contenders[peer.name] = build(peer, loaded, _BUILDERS)
    true = data.truth(loaded, K)
    curves = measured({name: Contender(built, loaded, true) for name, built in contenders.items()}, plan)
    report.table(settings_table(curves), EVERY_SETTING)
    report.table(equal_recall_table(curves, _OURS, (0.95, 0.98)), EQUAL_RECALL)
    report.say("Between two settings, log time is taken as linear in log misses; – = no setting reaches that recall.")
    del contenders
    report.table(
        _through_the_store(loaded, plan, report), "What the store adds: ids, texts, metadata; on disk, default effort"
    )
    records = loaded._replace(points=loaded.points[: plan.by_pace(*_RECORDS)], queries=loaded.queries[:_ASKED])
    table = _databases(records, plan, report)
    report.table(table, f"Databases: {len(records.points):,} records with text and metadata, on disk, as they come")
    report.save()


def _through_the_store(loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    """`FieldStore.search` beside the query of the field it holds, in turns."""
    points, queries = loaded.points, loaded.queries[:_ASKED]
    with FieldStore(ours.store_of(loaded), create=False) as store:
        field = store.field
        searches = {
            "Field.nearest": lambda query: field.nearest(query, K),
            "FieldStore.search": lambda query: store.search(query, K),
        }
        seconds = per_query(searches, queries, plan.rounds)
    bare, whole = seconds.values()
    what = f"FieldStore.search, {len(points):,} records: ids, texts, metadata"
    report.figure(what, time_of(whole), f"Field.nearest {time_of(bare)}: {time_of(whole - bare)} on top")
    return [
        {"": name, "records": len(points), "µs per query": taken * 1e6, "on top, µs": (taken - bare) * 1e6}
        for name, taken in seconds.items()
    ]


def _databases(loaded: data.Data, plan: Plan, report: Report) -> list[Row]:
    """Everybody's search with what makes up a record, at whatever recall its defaults give."""
    makers = [databases.FIELDSTORE, *(databases.installed(databases.ALL, report.say) if plan.peers else [])]
    with ours.folder() as folder:
        made = {maker.name: maker.make(folder / maker.package, loaded.points.shape[1]) for maker in makers}
        for batch in ours.batches(loaded.points, 1000):
            for database in made.values():
                database.add(batch)
        true = data.truth(loaded, K)
        recalls = {
            name: data.recall(loaded, true, [database.search(query, K) for query in loaded.queries])
            for name, database in made.items()
        }
        searches = {name: _searching(database) for name, database in made.items()}
        seconds = per_query(searches, loaded.queries, plan.rounds)
        for database in made.values():
            database.close()
    for name in list(seconds)[1:]:
        beside, times = (
            f"{name} {time_of(seconds[name])}, recall {recalls[name]:.3f}",
            ratio(seconds[name], seconds[_OURS]),
        )
        what = f"search in a store on disk, {len(loaded.points):,} records"
        report.figure(what, time_of(seconds[_OURS]), beside, times, recalls[_OURS])
    return [
        {
            "": name,
            "recall@10": recalls[name],
            "µs per query": taken * 1e6,
            "÷ ours": ratio(taken, seconds["fieldstore"]),
        }
        for name, taken in seconds.items()
    ]


def _searching(database: databases.Database) -> Search:
    return lambda query: database.search(query, K)
