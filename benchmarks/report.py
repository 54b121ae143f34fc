# What a question hands out: tables on the screen, the same in JSON, the plots, and what of it the README shows.
#
# Rule: of the machine only cores and memory are told. Rule: no time of day, no paths: the files can be published.
"""Printing, JSON, plots."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks import plots
from benchmarks.plan import Plan

_PACKAGES = (
    *("fieldstore", "numpy", "numba", "faiss-cpu", "hnswlib", "usearch"),
    *("chromadb", "lancedb", "qdrant-client", "sqlite-vec", "pykeops", "rabitqlib"),
)

Row = dict[str, str | float | int | None]
"""Words and numbers by the heading of their column; None = there is none."""


class Report:
    """One question's answers, as they come; `save` writes what was printed."""

    def __init__(self, question: str, title: str, plan: Plan) -> None:
        self._plan, self._question = plan, question
        self._answer: dict[str, Any] = {"question": question, "title": title, "machine": machine(), "pace": plan.pace}
        self._answer |= {"versions": versions(), "tables": [], "notes": [], "figures": []}
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

    def figure(
        self, what: str, ours: str, beside: str = "", times: float | None = None, good: float | None = None
    ) -> None:
        """Keep a line for the README: what was measured, ours, others' beside it, how many times ours, our recall."""
        line = {"what": what, "fieldstore": ours, "beside": beside, "times": times, "recall": good}
        self._answer["figures"].append(line)

    def save(self) -> None:
        """Write the JSON file, and draw the plot if the question has one."""
        self._plan.results.mkdir(parents=True, exist_ok=True)
        path = self._plan.results / f"{self._question}.json"
        path.write_text(json.dumps(self._answer, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if self._question in ("query", "growth"):
            plots.draw(self._plan.results, self.say)
        print(f"(written to {path.name})\n", flush=True)


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


def time_of(seconds: float | None) -> str:
    """A duration in the unit that suits it."""
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:,.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _shown(value: str | float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) <= 1 else f"{value:,.2f}"
