# The README's figures, written from what the questions wrote down.
#
# In:   the JSON files of a full or fast run. Out: the part of README.md between the two marks, and the plots.
# Rule: nothing is typed in by hand; a test compares the README with the files.
# Rule: of the machine only cores and memory are told.
"""`python -m benchmarks readme`: put the committed figures into README.md."""

from pathlib import Path

from benchmarks import plots
from benchmarks.plots import EQUAL_RECALL, Answer, curves_of, read, rows_of
from benchmarks.report import time_of

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- figures: written by `make figures` -->", "<!-- end of figures -->"
ORDER = ("query", "growth", "add", "forget", "memory", "open", "filter", "field", "batch", "adapter")

_OURS = "fieldstore"


def refresh(results: Path = RESULTS, readme: Path = README) -> None:
    """Draw the plots and write the figures into the README. ValueError when its marks are not there."""
    plots.draw(results, print)
    readme.write_text(with_figures(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    print(f"{readme.name} shows what is in {results.name}")


def with_figures(page: str, results: Path = RESULTS) -> str:
    """The page with everything between the marks written anew."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md has no place for figures: it needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{section(results)}{END}{after}"


def section(results: Path = RESULTS) -> str:
    """What stands between the marks, in Markdown. ValueError for figures of a quick run, which mean nothing."""
    answers = {name: answer for name in ORDER if (answer := read(results, name)) is not None}
    if quick := [name for name, answer in answers.items() if answer["pace"] == "quick"]:
        raise ValueError(f"of a quick run, not to be published: {', '.join(quick)}")
    if not answers:
        return "No figures were taken with this version yet: `make bench`, then `make figures`.\n"
    parts = [_machines(answers)]
    if "query" in answers:
        parts.append(_query(answers["query"]))
    if lines := [line for answer in answers.values() for line in answer["figures"]]:
        rows = [
            [line["what"], line["fieldstore"], line["beside"], _number(line["times"]), _recall(line["recall"])]
            for line in lines
        ]
        parts.append(_table(["", _OURS, "beside", "× ours", "recall@10"], rows))
    return "\n".join(parts)


def _machines(answers: dict[str, Answer]) -> str:
    said = {(answer["machine"]["cores"], answer["machine"]["memory in GiB"]) for answer in answers.values()}
    machines = " and ".join(f"{cores} cores and {memory} GiB of memory" for cores, memory in sorted(said))
    versions = {name: number for answer in answers.values() for name, number in answer["versions"].items()}
    peers = ", ".join(f"{name} {number}" for name, number in sorted(versions.items()) if name != _OURS)
    return f"Measured on {machines}, everybody in turns, medians. {peers}.\n"


def _query(answer: Answer) -> str:
    rows = []
    for row in rows_of(answer, EQUAL_RECALL):
        cells = [row[""]]
        for level in ("0.95", "0.98"):
            taken = row[f"µs at {level}"]
            cells += [time_of(None if taken is None else taken / 1e6), _number(row[f"÷ ours at {level}"])]
        rows.append([*cells, _recall(row["best recall"])])
    table = _table(["", "at recall@10 .95", "× ours", "at .98", "× ours", "best recall"], rows)
    plain = next((point for point in curves_of(answer).get(_OURS, []) if point.setting == "effort 1"), None)
    untouched = ""
    if plain is not None:
        untouched = f"No setting touched, {_OURS} takes {time_of(plain.seconds)} at a recall of {plain.recall:.3f}.\n"
    plot = "![Recall against time per query, log scale](benchmarks/results/query.svg)\n"
    return f"{answer['title']}:\n\n{table}\n{untouched}\n{plot}"


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _recall(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
