# The plots, drawn from what a question wrote down, so that they can be drawn again from the published figures.
#
# In:   the folder with the JSON files. Out: an SVG beside each that has one.
# Rule: the same figures give the same file.
"""Recall against time, and growth."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.timing import Point, best_of

EVERY_SETTING = "Every setting"
EQUAL_RECALL = "At equal recall"

Answer = dict[str, Any]
"""A question's JSON file, read."""


def draw(results: Path, say: Callable[[str], None]) -> None:
    """Draw the plots of all the questions that have one and have been answered."""
    if find_spec("matplotlib") is None:
        say("matplotlib is not installed here, so there is no plot; `make bench` installs it")
        return
    for question, drawn in (("query", _curves), ("growth", _growth)):
        if (answer := read(results, question)) is not None:
            _plot(results / f"{question}.svg", partial(drawn, answer))


def read(results: Path, question: str) -> Answer | None:
    """What a question wrote down; None when it was not asked."""
    path = results / f"{question}.json"
    if not path.is_file():
        return None
    answer: Answer = json.loads(path.read_text(encoding="utf-8"))
    return answer


def rows_of(answer: Answer, title: str) -> list[dict[str, Any]]:
    """The rows of the table with this title; none when there is no such table."""
    return next((table["rows"] for table in answer["tables"] if table["title"] == title), [])


def curves_of(answer: Answer) -> dict[str, list[Point]]:
    """Every setting of every contender, by contender."""
    curves: dict[str, list[Point]] = {}
    for row in rows_of(answer, EVERY_SETTING):
        curves.setdefault(row[""], []).append(Point(row["setting"], row["recall@10"], row["µs per query"] / 1e6))
    return curves


def _curves(answer: Answer, axes: Any) -> None:
    """Recall against time of every contender's best settings, time on a log scale."""
    for name, curve in curves_of(answer).items():
        ours, best = name.startswith("fieldstore"), best_of(curve)
        _line(axes, [point.recall for point in best], [point.seconds * 1e6 for point in best], name, ours)
    axes.set(xlabel="recall@10", ylabel="µs per query, one thread", yscale="log", title=answer["title"])
    axes.set_xlim(0.8, 1.005)  # below that, nobody wants the answers


def _growth(answer: Answer, axes: Any) -> None:
    """Time at equal recall by number of points, both on log scales, and √N from our first."""
    rows = [row for row in rows_of(answer, EQUAL_RECALL) if row["µs"] is not None]
    for name in dict.fromkeys(row[""] for row in rows):
        line = [(row["points"], row["µs"]) for row in rows if row[""] == name]
        _line(axes, [points for points, _ in line], [taken for _, taken in line], name, name.startswith("fieldstore"))
        if name.startswith("fieldstore"):
            sizes = [points for points, _ in line]
            axes.plot(sizes, [line[0][1] * (size / sizes[0]) ** 0.5 for size in sizes], "--", label="√N")
    axes.set(xlabel="points", ylabel="µs per query, one thread", xscale="log", yscale="log", title=answer["title"])


def _line(axes: Any, across: Sequence[float], up: Sequence[float], name: str, ours: bool) -> None:
    axes.plot(across, up, marker="o", markersize=4 if ours else 3, linewidth=2.5 if ours else 1.2, label=name)


def _plot(path: Path, drawn: Callable[[Any], None]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "fieldstore"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    drawn(axes)
    axes.title.set_fontsize("medium")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
