# What a question hands out: a table on the screen, the same in JSON, a plot.
#
# Rule: of the machine only cores and memory are told. Rule: no time of day, no paths: the files can be published.
"""Printing, JSON, plots."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.plan import Plan
from benchmarks.timing import Point, best_of

_PACKAGES = (
    *("fieldstore", "numpy", "numba", "faiss-cpu", "hnswlib", "usearch"),
    *("chromadb", "lancedb", "qdrant-client", "sqlite-vec", "pykeops"),
)

Row = dict[str, str | float | int | None]
"""Words and numbers by the heading of their column; None = there is none."""


class Report:
    """One question's answers, as they come; `save` writes what was printed."""

    def __init__(self, question: str, title: str, plan: Plan) -> None:
        self._plan, self._question = plan, question
        self._answer: dict[str, Any] = {"question": question, "title": title, "machine": machine(), "quick": plan.quick}
        self._answer |= {"versions": versions(), "tables": [], "notes": []}
        print(f"# {title}", flush=True)

    def table(self, rows: Sequence[Row], title: str = "") -> None:
        """Print rows under their headings and keep them."""
        self._answer["tables"].append({"title": title, "rows": list(rows)})
        headings = list(dict.fromkeys(heading for row in rows for heading in row))
        lines = [tuple(headings), *(tuple(_shown(row.get(heading)) for heading in headings) for row in rows)]
        print((title + "\n" if title else "") + aligned(lines), end="\n\n", flush=True)

    def say(self, note: str) -> None:
        """Print a sentence and keep it."""
        self._answer["notes"].append(note)
        print(note, flush=True)

    def save(self) -> None:
        """Write the JSON file."""
        self._plan.results.mkdir(parents=True, exist_ok=True)
        path = self._plan.results / f"{self._question}.json"
        path.write_text(json.dumps(self._answer, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"(written to {path.name})\n", flush=True)

    def plot_curves(self, curves: Mapping[str, Sequence[Point]], title: str) -> None:
        """Recall against time of every contender's best settings, time on a log scale."""

        def draw(axes: Any) -> None:
            for name, curve in curves.items():
                ours = name.startswith("fieldstore")
                best = best_of(curve)
                axes.plot(
                    [point.recall for point in best],
                    [point.seconds * 1e6 for point in best],
                    marker="o",
                    markersize=4 if ours else 3,
                    linewidth=2.5 if ours else 1.2,
                    label=name,
                )
            axes.set(xlabel="recall@10", ylabel="µs per query, one thread", yscale="log", title=title)
            axes.set_xlim(0.8, 1.005)  # below that, nobody wants the answers

        self._plot(draw)

    def plot_growth(self, lines: Mapping[str, Mapping[int, float]], title: str) -> None:
        """Seconds per query by number of points, both on log scales; a line called √N is dashed."""

        def draw(axes: Any) -> None:
            for name, line in lines.items():
                style = "--" if "√" in name else "o-"
                axes.plot(list(line), [seconds * 1e6 for seconds in line.values()], style, label=name)
            axes.set(xlabel="points", ylabel="µs per query, one thread", xscale="log", yscale="log", title=title)

        self._plot(draw)

    def _plot(self, draw: Any) -> None:
        try:
            import matplotlib
        except ImportError:
            self.say("matplotlib is not installed here, so there is no plot; `make bench` installs it")
            return
        matplotlib.use("Agg")
        matplotlib.rcParams["svg.hashsalt"] = "fieldstore"  # the same figures give the same file
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        draw(axes)
        axes.grid(True, which="both", alpha=0.3)
        axes.legend(fontsize="small")
        self._plan.results.mkdir(parents=True, exist_ok=True)
        figure.savefig(self._plan.results / f"{self._question}.svg", metadata={"Date": None})
        pyplot.close(figure)


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Rows of words, the first of them the heading; all but the first column go to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for name, *values in lines:
        cells = [value.rjust(width) for value, width in zip(values, widths[1:], strict=True)]
        shown.append("  ".join([name.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(shown)


def machine() -> dict[str, int]:
    """Cores and memory: what a reader needs to judge the figures, and no more."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cores": cores, "memory in GiB": round(memory)}


def versions() -> dict[str, str]:
    """Of everything that may have been compared, as far as it is installed."""
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def ratio(theirs: float | None, ours: float | None) -> float | None:
    """How many times ours fits into theirs; above 1, ours is the better."""
    return None if theirs is None or not ours else theirs / ours


def _shown(value: str | float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:,.2f}"
