# The `where` language: which records a verb is about, by their metadata.
#
#   {"lang": "en"}                                   equality
#   {"year": {"$gte": 1990, "$lt": 2000}}            several operators on a key: all must hold
#   {"lang": "en", "author.name": "Bo"}              several keys: all must hold; a dotted path reaches nested values
#   {"$or": [{...}, {"$not": {...}}]}                $and, $or take lists, $not one condition; they nest freely
#
# Rule: a missing key matches only $ne, $nin, {"$exists": False} and {"$is_empty": True}; null is a value.
# Rule: no coercion: numbers compare with numbers, strings with strings; True is no 1. Dates are ISO strings.
# Rule: lists match by $contains, $any and $all; an unknown operator is an error by name.
"""Filters over metadata."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fieldstore import metadata

_MISSING = object()
_DEEPEST = 60
_Test = Callable[[Any], bool]


class Filter:
    """A checked condition. key: equal filters have equal keys. matches(metadata) tells whether a record is meant."""

    def __init__(self, where: Mapping[str, Any]) -> None:
        """Raises ValueError or TypeError, naming the place, for anything that is not of the language."""
        if not isinstance(where, Mapping):
            raise TypeError(f"where must be a dict of conditions, not {type(where).__name__}")
        self.key = metadata.encode(_plain(where), "where")
        self.matches: Callable[[dict[str, Any]], bool] = _condition(where)


def _plain(where: Any, depth: int = 0) -> Any:
    """Mappings as dicts, and the collections an operand may be given as, as lists: for the key only."""
    if depth > _DEEPEST:
        raise ValueError(f"where is nested deeper than {_DEEPEST}")
    if isinstance(where, Mapping):
        return {key: _plain(inner, depth + 1) for key, inner in where.items()}
    if isinstance(where, list | tuple | set | frozenset):
        return [_plain(inner, depth + 1) for inner in where]
    return where


def _condition(where: Mapping[str, Any]) -> _Test:
    tests = [_clause(key, operand) for key, operand in where.items()]
    if len(tests) == 1:
        return tests[0]
    return lambda record: all(test(record) for test in tests)


def _clause(key: object, operand: Any) -> _Test:
    if key == "$and" or key == "$or":
        if not isinstance(operand, list | tuple) or not operand:
            raise ValueError(f"{key} takes a list of at least one condition, not {operand!r}")
        tests = [_nested(key, inner) for inner in operand]
        if key == "$and":
            return lambda record: all(test(record) for test in tests)
        return lambda record: any(test(record) for test in tests)
    if key == "$not":
        test = _nested("$not", operand)
        return lambda record: not test(record)
    if not isinstance(key, str) or key.startswith("$"):
        raise ValueError(f"unknown operator {key!r} in where; at the top there are $and, $or, $not and metadata keys")
    test = _on_value(key, operand)
    return lambda record: test(_find(record, key))


def _nested(operator: str, condition: Any) -> _Test:
    if not isinstance(condition, Mapping) or not condition:
        raise ValueError(f"{operator} takes conditions, each a dict such as {{'key': value}}, not {condition!r}")
    return _condition(condition)


def _on_value(key: str, operand: Any) -> _Test:
    """The test of one key's value: equality with a plain operand, or every operator of a dict."""
    if isinstance(operand, list | tuple | set | frozenset):
        raise ValueError(f"where[{key!r}] is a list; say $eq, $in, $any, $all or $contains")
    if not isinstance(operand, Mapping):
        return _operator(key, "$eq", operand)
    if not operand:
        raise ValueError(f"where[{key!r}] names no operator")
    tests = [_operator(key, operator, inner) for operator, inner in operand.items()]
    return lambda value: all(test(value) for test in tests)


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    found = _find(record, path)
    return None if found is _MISSING else found


def _find(record: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, _MISSING where there is none; a key that itself holds dots comes first."""
    if path in record:
        return record[path]
    for dot in (i for i, letter in enumerate(path) if letter == "."):
        inner = record.get(path[:dot])
        if isinstance(inner, dict) and (found := _find(inner, path[dot + 1 :])) is not _MISSING:
            return found
    return _MISSING


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _equal(a: Any, b: Any) -> bool:
    if _kind(a) != _kind(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _among(value: Any, choices: list[Any]) -> bool:
    return any(_equal(value, choice) for choice in choices)


def _operator(key: str, operator: object, operand: Any) -> _Test:
    if operator == "$not":
        test = _on_value(key, operand)
        return lambda value: not test(value)
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise ValueError(f"unknown operator {operator!r} for {key!r}; there are {', '.join([*_OPERATORS, '$not'])}")
    check, test_with = _OPERATORS[operator]
    return test_with(check(f"{operator} of {key!r}", operand))


# -- operands: checked once, before anything is looked at --------------------------------------------------------------


def _any_value(where: str, operand: Any) -> Any:
    if isinstance(operand, set | frozenset):
        raise ValueError(f"{where} takes a value, not {operand!r}, which has no order; $in, $any and $all take sets")
    return metadata.decode(metadata.encode({"operand": _plain(operand)}, where))["operand"]


def _list(where: str, operand: Any) -> list[Any]:
    if not isinstance(operand, list | tuple | set | frozenset):
        raise ValueError(f"{where} takes a list, not {operand!r}")
    values: list[Any] = _any_value(where, list(operand))
    return values


def _ordered(where: str, operand: Any) -> Any:
    if _kind(_any_value(where, operand)) not in ("number", "str"):
        raise ValueError(f"{where} takes a number or a string, not {operand!r}")
    return operand


def _pair(where: str, operand: Any) -> list[Any]:
    ends = _list(where, operand)
    if (
        not isinstance(operand, list | tuple)
        or len(ends) != 2
        or _kind(_ordered(where, ends[0])) != _kind(_ordered(where, ends[1]))
    ):
        raise ValueError(f"{where} takes [lowest, highest], two numbers or two strings, not {operand!r}")
    return ends


def _flag(where: str, operand: Any) -> bool:
    if not isinstance(operand, bool):
        raise ValueError(f"{where} takes True or False, not {operand!r}")
    return operand


def _pattern(where: str, operand: Any) -> str:
    if not isinstance(operand, str):
        raise ValueError(f"{where} takes a pattern with % and _, not {operand!r}")
    return operand


# -- operators: each takes its operand and gives the test of a value ---------------------------------------------------


def _order(holds: Callable[[Any, Any], bool]) -> Callable[[Any], _Test]:
    return lambda operand: lambda value: _kind(value) == _kind(operand) and holds(value, operand)


def _one_of(choices: list[Any]) -> _Test:
    strings = frozenset(
        choice for choice in choices if isinstance(choice, str)
    )  # thousands of ids must not cost thousands
    others = [choice for choice in choices if not isinstance(choice, str)]
    return lambda value: value in strings if isinstance(value, str) else _among(value, others)


def _none_of(choices: list[Any]) -> _Test:
    test = _one_of(choices)
    return lambda value: not test(value)


def _between(ends: list[Any]) -> _Test:
    return lambda value: _kind(value) == _kind(ends[0]) and ends[0] <= value <= ends[1]


def _like(flags: int) -> Callable[[str], _Test]:
    """SQL's LIKE over the whole string: % any run, _ any letter, a backslash takes the next letter as it is."""

    def test_with(pattern: str) -> _Test:
        letters = re.findall(r"\\.|.", pattern, re.DOTALL)
        runs = [""]  # between the %s
        for letter in letters:
            if letter == "%":
                runs.append("")
            else:
                runs[-1] += "." if letter == "_" else re.escape(letter[-1])
        first, *middle = runs
        last = ".*" + middle.pop() if middle else ""
        # The leftmost place of each run between two %s is as good as any: atomic groups never come back to try another.
        body = first + "".join(f"(?>.*?{run})" for run in middle) + last
        compiled = re.compile(body, flags | re.DOTALL)
        return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None

    return test_with


def _is_empty(wanted: bool) -> _Test:
    return lambda value: (value is _MISSING or value is None or value == "" or value == []) is wanted


_OPERATORS: dict[str, tuple[Callable[[str, Any], Any], Callable[[Any], _Test]]] = {
    "$eq": (_any_value, lambda operand: lambda value: _equal(value, operand)),
    "$ne": (_any_value, lambda operand: lambda value: not _equal(value, operand)),
    "$gt": (_ordered, _order(lambda value, operand: value > operand)),
    "$gte": (_ordered, _order(lambda value, operand: value >= operand)),
    "$lt": (_ordered, _order(lambda value, operand: value < operand)),
    "$lte": (_ordered, _order(lambda value, operand: value <= operand)),
    "$in": (_list, _one_of),
    "$nin": (_list, _none_of),
    "$between": (_pair, _between),
    "$exists": (_flag, lambda wanted: lambda value: (value is not _MISSING) is wanted),
    "$like": (_pattern, _like(0)),
    "$ilike": (_pattern, _like(re.IGNORECASE)),
    "$contains": (_any_value, lambda operand: lambda value: isinstance(value, list) and _among(operand, value)),
    "$any": (_list, lambda operand: lambda value: isinstance(value, list) and any(_among(o, value) for o in operand)),
    "$all": (_list, lambda operand: lambda value: isinstance(value, list) and all(_among(o, value) for o in operand)),
    "$is_empty": (_flag, _is_empty),
}
