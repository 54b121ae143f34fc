# Recall and time of every setting of every contender, measured in turns.
#
# Rule: every setting of every contender takes its turn in every round, with the same queries; only asking is timed,
#       not turning the knob.
# Rule: recall is measured with all the queries, once; time with a block of them per turn.
"""From contenders to curves."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.data import Data, Truth, recall
from benchmarks.peers import Built
from benchmarks.plan import Plan
from benchmarks.report import Row, ratio
from benchmarks.timing import Point, Search, at_recall

Curves = dict[str, list[Point]]

_BLOCK = 100  # queries a setting answers in one turn


class Contender(NamedTuple):
    """An index, the data it holds, and the right answers."""

    built: Built
    loaded: Data
    true: Truth

    def at(self, setting: str) -> Search:
        """Its search at a setting, by its name."""
        return self.built.at(self.built.settings[setting], self.true.nearest.shape[1])


def measured(contenders: Mapping[str, Contender], plan: Plan) -> Curves:
    """The curves by contender; all of them have the same queries."""
    settings = [(name, setting) for name, contender in contenders.items() for setting in contender.built.settings]
    recalls = {}
    for name, setting in settings:
        loaded, search = contenders[name].loaded, contenders[name].at(setting)
        recalls[name, setting] = recall(loaded, contenders[name].true, [search(query) for query in loaded.queries])
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in settings}
    rng = np.random.default_rng(4)
    for turn in range(plan.rounds):
        chosen = rng.permutation(plan.queries)[:_BLOCK]
        first = turn * len(settings) // plan.rounds
        for name, setting in settings[first:] + settings[:first]:
            search, queries = contenders[name].at(setting), contenders[name].loaded.queries
            block = queries[chosen % len(queries)]
            search(block[-1])
            begin = time.perf_counter()
            for query in block:
                search(query)
            seconds[name, setting].append((time.perf_counter() - begin) / len(block))
    return {
        name: [
            Point(
                setting,
                recalls[name, setting],
                float(np.median(seconds[name, setting])),
            )
            for setting in contender.built.settings
        ]
        for name, contender in contenders.items()
    }


def settings_table(curves: Curves) -> list[Row]:
    """A row per setting."""
    return [
        {"": name, "setting": point.setting, "recall@10": point.recall, "µs per query": point.seconds * 1e6}
        for name, curve in curves.items()
        for point in curve
    ]


def equal_recall_table(curves: Curves, ours: str, wanted: tuple[float, ...]) -> list[Row]:
    """A row per contender: its time at each recall, and how many times ours fits into it."""
    rows: list[Row] = []
    for name, curve in curves.items():
        row: Row = {"": name}
        for level in wanted:
            theirs = at_recall(curve, level)
            row[f"µs at {level}"] = None if theirs is None else theirs * 1e6
            row[f"÷ ours at {level}"] = ratio(theirs, at_recall(curves[ours], level))
        rows.append({**row, "best recall": max(point.recall for point in curve)})
    return rows
