"""Filters of every shape, with sense or without: refused by name, or answered alike with and without columns."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from fieldstore import FieldStore
from fieldstore.filters import Filter
from tests.torture.figures import Figures

COUNT, PIECE = 5000, 1000
KEYS = ["a", "b", "b.c", "lang", "", "$x", "a.b.c.d", "é", "a'b", 'q"t', "--", "\ud800"]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, -0.0, 0.5, 2**53, 2**53 + 1, 1e308, float("nan"), float("inf"), "", "a", "de",
    "%", "d%", "_", "\\", "%a" * 50, "' OR 1=1 --", "*", "NEAR(", "\x00", "\ud800", "é", "e\u0301", [], [1, "a"], [[1]],
    {}, {"c": 1}, (1, 2), {1, 2}, b"x", object(), 10**400, np.float64(1), np.int64(1),
]  # fmt: skip
OPERATORS = [
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$between", "$exists", "$like", "$ilike", "$contains",
    "$any", "$all", "$is_empty", "$not", "$x", "$where",
]  # fmt: skip
STORED = [None, True, 0, 1, 1.0, -1, 0.5, "", "a", "de", "d%", "é", [], [1, "a"], [[1]], {}, {"c": 1}, {"c": [1]}, "A"]
DECLARED = ["a", "b", "b.c", "lang"]


def run(count: int, seed: int, folder: Path) -> Figures:
    """Every filter is asked of two stores with the same records: one where its keys are declared, and one without."""
    luck, found = random.Random(seed), Figures()
    with (
        FieldStore(kappa=20.0) as plain,
        FieldStore(folder / "s", kappa=20.0, filter_keys=["a", "b", "b.c", "lang"]) as coded,
    ):
        metadatas = [record(luck) for _ in range(60)]
        rows = np.random.default_rng(seed).normal(size=(60, 4))
        for store in (plain, coded):
            store.add(rows, ids=[f"{i:02}" for i in range(60)], metadatas=metadatas)
            store.forget([f"{i:02}" for i in range(0, 60, 7)])
        for number in range(count):
            where = condition(luck, luck.choice([0, 1, 1, 2, 3]))
            if number % 50 == 0:
                where = deep(where, luck.choice([50, 70, 5000]))
            try:
                answers = [store.ids(where=where) for store in (plain, coded)]
                meant = Filter(where)
                answers.append([f"{i:02}" for i, one in enumerate(metadatas) if i % 7 and meant.matches(one)])
                wrong = answers[0] != answers[1] or answers[0] != answers[2]
                said = (f"seed {seed}: {where!r:.300}: {answers}",) if wrong else ()
                found = found.plus(Figures(1, 1, 0, 0, int(wrong), said))
            except (ValueError, TypeError) as error:
                said = () if 0 < len(str(error)) < 10_000 else (f"seed {seed}: {where!r:.300}: {error!r:.300}",)
                found = found.plus(Figures(1, 0, 0, 1, 0, said))
            except Exception as error:
                found = found.plus(Figures(1, 0, 0, 1, 1, (f"seed {seed}: {where!r:.300}: {error!r:.300}",)))
        found = found.plus(Figures(broken=tuple(plain.verify() + coded.verify())))
    return found


def record(luck: random.Random) -> dict[str, Any]:
    return {key: luck.choice(STORED) for key in luck.sample(["a", "b", "b.c", "lang", "é"], luck.randrange(5))}


def value(luck: random.Random) -> Any:
    return luck.choice(STORED if luck.random() < 0.7 else VALUES)


def condition(luck: random.Random, depth: int) -> Any:
    """A filter, likely one that makes sense."""
    if luck.random() < 0.02:
        return value(luck)
    if depth and luck.random() < 0.6:
        inner = [condition(luck, depth - 1) for _ in range(luck.choice([1, 2, 3]))]
        joined = {luck.choice(["$and", "$or"] if luck.random() < 0.95 else ["$nor"]): inner}
        return joined if luck.random() < 0.7 else {**joined, "$not": inner[0]}
    keys = KEYS if luck.random() < 0.1 else KEYS[:4]
    return {luck.choice(keys): operand(luck) for _ in range(luck.choice([1, 1, 2]))}


def operand(luck: random.Random) -> Any:
    """What may stand behind a key."""
    if luck.random() < 0.2:
        return value(luck)
    operators = OPERATORS if luck.random() < 0.2 else OPERATORS[:-2]
    return {operator: fitting(luck, operator) for operator in luck.sample(operators, luck.choice([1, 1, 2]))}


def fitting(luck: random.Random, operator: str) -> Any:
    """An operand that the operator may take."""
    if luck.random() < 0.1:
        return value(luck)
    if operator in ("$in", "$nin", "$any", "$all"):
        return [value(luck) for _ in range(luck.randrange(4))]
    if operator == "$between":
        return [value(luck), value(luck)]
    if operator in ("$exists", "$is_empty"):
        return luck.random() < 0.5
    return operand(luck) if operator == "$not" else value(luck)


def deep(where: Any, levels: int) -> Any:
    for _ in range(levels):
        where = {"$not": where}
    return where
