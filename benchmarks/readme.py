# The README's figures, written from what the questions wrote down.
#
# In:   the JSON files of a full or fast run. Out: the parts of README.md between the marks, and the plots.
# Rule: nothing is typed in by hand; a test compares the README with the files.
# Rule: of the machine only cores and memory are told.
"""`python -m benchmarks readme`: put the committed figures into README.md."""

from collections.abc import Callable
from pathlib import Path

from benchmarks import plots
from benchmarks.pictures import HEIGHTS
from benchmarks.plots import EQUAL_RECALL, Answer, curves_of, read, rows_of
from benchmarks.report import time_of
from benchmarks.retrieval import title
from benchmarks.ways import ATTRACTORS, BY_SOURCE, FOLLOWED

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results"
ORDER = ("query", "growth", "add", "forget", "memory", "open", "filter", "field", "batch", "adapter")

_OURS = "fieldstore"
_NONE_YET = "No figures were taken with this version yet: `make bench`, then `make figures`.\n"


def refresh(results: Path = RESULTS, readme: Path = README) -> None:
    """Draw the plots and write the figures into the README. ValueError when its marks are not there."""
    plots.draw(results, print)
    readme.write_text(with_figures(readme.read_text(encoding="utf-8"), results), encoding="utf-8")
    print(f"{readme.name} shows what is in {results.name}")


def marks(part: str) -> tuple[str, str]:
    """Between which lines of the README a part stands."""
    return f"<!-- {part}: written by `make figures` -->", f"<!-- end of {part} -->"


def with_figures(page: str, results: Path = RESULTS) -> str:
    """The page with everything between its marks written anew. ValueError when there are no marks for the figures."""
    for part, written in PARTS.items():
        begin, end = marks(part)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if found and ended:
            page = f"{before}{begin}\n{written(results)}{end}{after}"
        elif found or part == FIGURES:
            raise ValueError(f"README.md has no place for {part}: it needs {begin} and {end}")
    return page


def section(results: Path = RESULTS) -> str:
    """How fast everything is, in Markdown. ValueError for figures of a quick run, which mean nothing."""
    answers = {name: answer for name in ORDER if (answer := _published(results, name)) is not None}
    if not answers:
        return _NONE_YET
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


def quality(results: Path = RESULTS) -> str:
    """What comes back: windows, without and with copies, then whole documents; and what cells change."""
    answer = _published(results, "retrieval")
    if answer is None:
        return _NONE_YET
    once, copied = (rows_of(answer, title("windows", with_copies, cells=False)) for with_copies in (False, True))
    windows = [
        [
            *(row[""], _number(row["distinct@5"]), _number(row["distinct@10"]), _chance(row["p, distinct@10"])),
            *(_recall(row["cosine@10"]), _number(row["per 1,000 words"])),
            *(_number(again["distinct@5"]), _number(again["distinct@10"])),
        ]
        for row, again in zip(once, copied, strict=True)
        if row[""] != FOLLOWED
    ]
    whole = [
        [row[""], *(_recall(row[name]) for name in ("nDCG@10", "MAP@100", "MRR")), _chance(row["p, nDCG@10"])]
        for row in rows_of(answer, title("whole documents", copied=False, cells=False))
        if row[""] not in (ATTRACTORS, *BY_SOURCE)
    ]
    headings = ["windows", "@5", "@10", "p", "cosine", "per 1,000 words", "copies: @5", "copies: @10"]
    parts = [f"{answer['title']}.\n", _table(headings, windows)]
    parts.append(_table(["whole documents", "nDCG@10", "MAP@100", "MRR", "p"], whole))
    parts.append(_cells(answer))
    return "\n".join(parts)


def leaks(results: Path = RESULTS) -> str:
    """What comes back after forgetting."""
    answer = _published(results, "leaks")
    if answer is None:
        return _NONE_YET
    (table,) = answer["tables"]
    names = [name for name in table["rows"][0] if name]
    rows = [[row[""], *(_number(row[name]) for name in names)] for row in table["rows"]]
    return f"{answer['title']}.\n\n{_table(['', *names], rows)}"


def heights(results: Path = RESULTS) -> str:
    """How high the hills of the picture are."""
    answer = _published(results, "pictures")
    if answer is None:
        return _NONE_YET
    rows = zip("ABC", rows_of(answer, HEIGHTS), strict=True)
    lines = [[letter, row[""], f"{row['before']:.4f}", f"{row['after']:.4f}"] for letter, row in rows]
    return _table(["", "record", "φ before", "φ after"], lines)


FIGURES = "figures"
PARTS: dict[str, Callable[[Path], str]] = {
    FIGURES: section,
    "retrieval": quality,
    "leaks": leaks,
    "heights": heights,
}


def _published(results: Path, question: str) -> Answer | None:
    answer = read(results, question)
    if answer is not None and answer["pace"] == "quick":
        raise ValueError(f"of a quick run, not to be published: {question}")
    return answer


def _cells(answer: Answer) -> str:
    """The largest differences between a flat scan and cells, over all ways and tables."""
    differences: dict[str, float] = {"nDCG@10": 0.0, "distinct@10": 0.0}
    for what in ("whole documents", "windows"):
        for copied in (False, True):
            pair = (rows_of(answer, title(what, copied, cells)) for cells in (False, True))
            for flat, cells in zip(*pair, strict=True):
                for name, most in differences.items():
                    differences[name] = max(most, abs(flat[name] - cells[name]))
    return (
        "Looked for in cells at the default effort instead of scanned flat, these figures differ by at most "
        f"{differences['nDCG@10']:.4f} (nDCG@10) and {differences['distinct@10']:.3f} (distinct relevant documents).\n"
    )


def _chance(value: float | None) -> str:
    return "–" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0")


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
