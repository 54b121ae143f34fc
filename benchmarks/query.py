# Nearest neighbours, one query at a time, on one thread: recall against time, ours beside everybody's.
"""`python -m benchmarks query`: how long a query takes, at which recall."""

from benchmarks import data, ours, peers
from benchmarks.curves import Contender, equal_recall_table, measured, settings_table
from benchmarks.ours import K
from benchmarks.plan import Plan
from benchmarks.report import Report, Row
from benchmarks.timing import per_query
from fieldstore import Field

_OURS = "fieldstore"
_BUILDERS = 2  # threads everybody may build with
_RECORDS = 100_000  # in the store of the second table, at most


def run(plan: Plan) -> None:
    """Print everybody's time at equal recall, every setting, and what the store adds on top."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    size = f"{len(loaded.points):,} points, {loaded.points.shape[1]} dimensions"
    title = f"Nearest {K} of {size}, {loaded.name}, one query at a time, one thread"
    report = Report("query", title, plan)
    field = ours.field_of(loaded.points)
    contenders = {_OURS: ours.built(field, plan.quick)}
    if ours.takes(Field.nearest, "effort"):
        contenders["fieldstore exact"] = peers.Built(("exact",), lambda _, k: ours.exact(field))
    for peer in peers.installed(peers.ALL, report.say) if plan.peers else []:
        contenders[peer.name] = peer.build(loaded.points, _BUILDERS)
    true = data.truth(loaded, K)
    curves = measured({name: Contender(built, loaded, true) for name, built in contenders.items()}, plan)
    report.table(settings_table(curves), "Every setting")
    report.table(equal_recall_table(curves, _OURS, (0.95, 0.98)), "At equal recall")
    report.say("Between two settings, log time is taken as linear in log misses; – = no setting reaches that recall.")
    report.plot_curves(curves, title)
    del contenders
    report.table(_through_the_store(loaded, plan), "With ids, texts and metadata, from disk, at the default effort")
    report.save()


def _through_the_store(loaded: data.Data, plan: Plan) -> list[Row]:
    """`FieldStore.search` beside the query of the field it holds, in turns."""
    points, queries = loaded.points[:_RECORDS], loaded.queries[:200]
    with ours.folder() as folder, ours.fill(folder / "store", points) as store:
        field = store.field
        searches = {
            "Field.nearest": ours.nearest(field),
            "FieldStore.search": lambda query: store.search(query, K),
        }
        seconds = per_query(searches, queries, plan.rounds)
    bare = seconds["Field.nearest"]
    return [
        {"": name, "records": len(points), "µs per query": taken * 1e6, "on top, µs": (taken - bare) * 1e6}
        for name, taken in seconds.items()
    ]
