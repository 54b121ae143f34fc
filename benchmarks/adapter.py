# What the LangChain adapter adds to a search of the store it holds, the embedding left out.
#
# Rule: the query's vector is ready on both sides, as a list of floats for the adapter, which is what embedders give.
# Rule: both answer the same k from the same store, in turns.
"""`python -m benchmarks adapter`: how much a search through LangChain costs on top."""

from langchain_core.embeddings import Embeddings

from benchmarks import data, ours
from benchmarks.plan import Plan
from benchmarks.report import Report, Row, time_of
from benchmarks.timing import per_query
from fieldstore import FieldStore
from langchain_fieldstore import FieldVectorStore

_KS = 4, 10  # LangChain's default, and everybody's
_ASKED = 200  # queries
_WANTED = 150e-6  # seconds on top, at most
_RARE = {"hundredth": 7}


class _Ready(Embeddings):
    """Every text has the vector that was put here before: nothing is embedded."""

    vector: list[float]

    def embed_query(self, text: str) -> list[float]:
        return self.vector

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError


def run(plan: Plan) -> None:
    """Print what each way through the adapter takes beside the store's own."""
    loaded = data.load(plan.data, plan.count(100_000), plan.queries)
    queries = loaded.queries[:_ASKED]
    title = f"Searches through the LangChain adapter, embedding excluded; {len(loaded.points):,} records, {loaded.name}"
    report = Report("adapter", title, plan)
    ready = _Ready()
    lists = {query.tobytes(): query.tolist() for query in queries}
    rows: list[Row] = []
    with FieldStore(ours.store_of(loaded), create=False) as store:
        adapter = FieldVectorStore(ready, store=store)

        def through(k: int, filter: dict[str, int] | None = None) -> None:
            def search(query: data.Rows) -> object:
                ready.vector = lists[query.tobytes()]
                return adapter.similarity_search("", k, filter=filter)

            alone = f"FieldStore.search, k={k}{', 1 % pass a filter' if filter else ''}"
            name = alone.replace("FieldStore.search", "similarity_search")
            searches = {alone: lambda query: store.search(query, k, where=filter), name: search}
            taken = per_query(searches, queries, plan.rounds)
            on_top = taken[name] - taken[alone]
            rows.extend(
                {"": each, "µs per query": seconds * 1e6, "on top, µs": (seconds - taken[alone]) * 1e6}
                for each, seconds in taken.items()
            )
            if k == _KS[0] and filter is None:
                what = f"LangChain's similarity_search, k={k}, {len(loaded.points):,} records, embedding excluded"
                report.figure(
                    what, time_of(taken[name]), f"FieldStore.search {time_of(taken[alone])}: {time_of(on_top)} on top"
                )
            if on_top > _WANTED and not plan.quick:
                report.say(f"{name} costs MORE than {time_of(_WANTED)} on top.")

        for k in _KS:
            through(k)
        through(_KS[1], _RARE)
    report.table(rows)
    report.save()
