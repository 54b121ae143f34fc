"""All benchmarks, or the questions that are named: tables of ratios, JSON, and plots; `readme` publishes them."""

import argparse
import tempfile
from pathlib import Path

from benchmarks import (
    adapter,
    add,
    batch,
    cells,
    data,
    field,
    filter,
    forget,
    growth,
    leaks,
    memory,
    open,
    pictures,
    query,
    readme,
    retrieval,
)
from benchmarks.plan import Pace, Plan
from benchmarks.report import machine

QUESTIONS = {
    "query": query.run,
    "growth": growth.run,
    "add": add.run,
    "forget": forget.run,
    "memory": memory.run,
    "open": open.run,
    "filter": filter.run,
    "field": field.run,
    "batch": batch.run,
    "adapter": adapter.run,
    "retrieval": retrieval.run,
    "leaks": leaks.run,
    "pictures": pictures.run,
    "synthetic": cells.run,
}


def main(words: list[str] | None = None) -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("question", nargs="*", help=f"of {', '.join(QUESTIONS)}; none = all of them; or readme")
    parser.add_argument(
        "--data", default="synthetic", help="synthetic, minilm, or a folder with vectors.npy, queries.npy"
    )
    parser.add_argument(
        "--collection", default="cranfield", help="cranfield, or a folder with docs.jsonl, queries.jsonl, qrels.tsv"
    )
    parser.add_argument(
        "--points", type=int, help="how many (default: what the question is about, 100,000 or a million)"
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--fast", action="store_true", help="the same sizes, fewer rounds: all questions in 45 minutes")
    pace.add_argument("--quick", action="store_true", help="small and short: that it runs; the figures mean nothing")
    parser.add_argument("--no-peers", action="store_true", help="fieldstore alone")
    parser.add_argument("--results", type=Path, help="folder for JSON and plots (default: benchmarks/results)")
    asked = parser.parse_args(words)
    if asked.question == ["readme"]:
        readme.refresh(asked.results or readme.RESULTS)
        return
    if unknown := sorted(set(asked.question) - set(QUESTIONS)):
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(QUESTIONS)}")
    if asked.points is not None and asked.points < 1000:
        parser.error(f"--points must be at least 1000, not {asked.points}")
    try:
        data.folder_of(asked.data)
    except ValueError as error:
        parser.error(str(error))
    kept = Path(tempfile.gettempdir()) / "fieldstore-benchmarks-quick" if asked.quick else readme.RESULTS
    how: Pace = "quick" if asked.quick else "fast" if asked.fast else "full"
    plan = Plan(
        asked.data, asked.points, asked.results or kept, peers=not asked.no_peers, pace=how, collection=asked.collection
    )
    has = machine()
    print(f"On {has['cores']} cores, {has['memory in GiB']} GiB of memory.\n", flush=True)
    for question in asked.question or QUESTIONS:
        QUESTIONS[question](plan)


if __name__ == "__main__":
    main()
