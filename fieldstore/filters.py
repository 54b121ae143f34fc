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
# Rule: every condition can be asked in two ways, of one record or of all records' coded values at once, and both agree.
"""Filters over metadata."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata

MISSING = object()
_DEEPEST = 60
_Test = Callable[[Any], bool]
_Mask = NDArray[np.bool_]


class Column(Protocol):
    """All records' values at one key."""

    def among(self, choices: Sequence[Any]) -> _Mask:
        """Which of them equal one of the choices."""
        ...

    def where(self, test: _Test) -> _Mask:
        """Which of them, or of those MISSING, pass."""
        ...


_Columns = Callable[[str | None], Column]  # by key; None = one in which every value is missing


class _Condition(NamedTuple):
    """Asked of a record's metadata; asked of all columns; the keys it looks at."""

    matches: _Test
    mask: Callable[[_Columns], _Mask]
    keys: frozenset[str]


class _ValueTest(NamedTuple):
    """Asked of a value; asked of a column; blind: the answer is the same whatever the value."""

    holds: _Test
    mask: Callable[[Column], _Mask]
    blind: bool = False


class Filter:
    """A checked condition. key: equal filters have equal keys. matches(metadata) tells whether a record is meant.

    keys: the metadata keys it looks at; mask(columns) tells which of all records are meant, from those keys' columns.
    """

    def __init__(self, where: Mapping[str, Any]) -> None:
        """Raises ValueError or TypeError, naming the place, for anything that is not of the language."""
        if not isinstance(where, Mapping):
            raise TypeError(f"where must be a dict of conditions, not {type(where).__name__}")
        self.key = metadata.encode(_plain(where), "where")
        self.matches, self.mask, self.keys = _condition(where)


def _plain(where: Any, depth: int = 0) -> Any:
    """Mappings as dicts, and the collections an operand may be given as, as lists: for the key only."""
    if depth > _DEEPEST:
        raise ValueError(f"where is nested deeper than {_DEEPEST}")
    if isinstance(where, Mapping):
        return {key: _plain(inner, depth + 1) for key, inner in where.items()}
    if isinstance(where, list | tuple | set | frozenset):
        return [_plain(inner, depth + 1) for inner in where]
    return where


def _condition(where: Mapping[str, Any]) -> _Condition:
    parts = [_clause(key, operand) for key, operand in where.items()]
    return parts[0] if len(parts) == 1 else _all(parts)


def _all(parts: Sequence[_Condition]) -> _Condition:
    tests, masks = [part.matches for part in parts], [part.mask for part in parts]

    def mask(columns: _Columns) -> _Mask:
        found = _everything(columns)
        for mask in masks:
            found &= mask(columns)
        return found

    return _Condition(lambda record: all(test(record) for test in tests), mask, _keys(parts))


def _any(parts: Sequence[_Condition]) -> _Condition:
    tests, masks = [part.matches for part in parts], [part.mask for part in parts]

    def mask(columns: _Columns) -> _Mask:
        found = ~_everything(columns)
        for mask in masks:
            found |= mask(columns)
        return found

    return _Condition(lambda record: any(test(record) for test in tests), mask, _keys(parts))


def _not(part: _Condition) -> _Condition:
    return _Condition(lambda record: not part.matches(record), lambda columns: ~part.mask(columns), part.keys)


def _everything(columns: _Columns) -> _Mask:
    return ~columns(None).among([])


def _keys(parts: Sequence[_Condition]) -> frozenset[str]:
    return frozenset().union(*(part.keys for part in parts))


def _clause(key: object, operand: Any) -> _Condition:
    if key == "$and" or key == "$or":
        if not isinstance(operand, list | tuple) or not operand:
            raise ValueError(f"{key} takes a list of at least one condition, not {operand!r}")
        parts = [_nested(key, inner) for inner in operand]
        return _all(parts) if key == "$and" else _any(parts)
    if key == "$not":
        return _not(_nested("$not", operand))
    if not isinstance(key, str) or key.startswith("$"):
        raise ValueError(f"unknown operator {key!r} in where; at the top there are $and, $or, $not and metadata keys")
    test = _on_value(key, operand)
    if test.blind:
        return _Condition(lambda record: test.holds(MISSING), lambda columns: test.mask(columns(None)), frozenset())
    return _Condition(
        lambda record: test.holds(_find(record, key)), lambda columns: test.mask(columns(key)), frozenset([key])
    )


def _nested(operator: str, condition: Any) -> _Condition:
    if not isinstance(condition, Mapping) or not condition:
        raise ValueError(f"{operator} takes conditions, each a dict such as {{'key': value}}, not {condition!r}")
    return _condition(condition)


def _on_value(key: str, operand: Any) -> _ValueTest:
    """The test of one key's value: equality with a plain operand, or every operator of a dict."""
    if isinstance(operand, list | tuple | set | frozenset):
        raise ValueError(f"where[{key!r}] is a list; say $eq, $in, $any, $all or $contains")
    if not isinstance(operand, Mapping):
        return _operator(key, "$eq", operand)
    if not operand:
        raise ValueError(f"where[{key!r}] names no operator")
    tests = [_operator(key, operator, inner) for operator, inner in operand.items()]
    if len(tests) == 1:
        return tests[0]
    return _ValueTest(
        lambda value: all(test.holds(value) for test in tests),
        lambda column: np.logical_and.reduce([test.mask(column) for test in tests]),
        all(test.blind for test in tests),
    )


def value_at(record: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    found = _find(record, path)
    return None if found is MISSING else found


def _find(record: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, MISSING where there is none; a key that itself holds dots comes first."""
    if path in record:
        return record[path]
    for dot in (i for i, letter in enumerate(path) if letter == "."):
        inner = record.get(path[:dot])
        if isinstance(inner, dict) and (found := _find(inner, path[dot + 1 :])) is not MISSING:
            return found
    return MISSING


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def equal(a: Any, b: Any) -> bool:
    if _kind(a) != _kind(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _among(value: Any, choices: list[Any]) -> bool:
    return any(equal(value, choice) for choice in choices)


def _operator(key: str, operator: object, operand: Any) -> _ValueTest:
    if operator == "$not":
        test = _on_value(key, operand)
        return _ValueTest(lambda value: not test.holds(value), lambda column: ~test.mask(column), test.blind)
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise ValueError(f"unknown operator {operator!r} for {key!r}; there are {', '.join([*_OPERATORS, '$not'])}")
    check, test_with = _OPERATORS[operator]
    checked = check(f"{operator} of {key!r}", operand)
    holds = test_with(checked)
    if operator in ("$eq", "$ne", "$in", "$nin"):  # a column looks its values up instead of testing them
        choices, wanted = [checked] if operator in ("$eq", "$ne") else checked, operator in ("$eq", "$in")
        return _ValueTest(holds, lambda column: column.among(choices) == wanted, not choices)
    return _ValueTest(holds, lambda column: column.where(holds))


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
    return lambda value: (value is MISSING or value is None or value == "" or value == []) is wanted


_OPERATORS: dict[str, tuple[Callable[[str, Any], Any], Callable[[Any], _Test]]] = {
    "$eq": (_any_value, lambda operand: lambda value: equal(value, operand)),
    "$ne": (_any_value, lambda operand: lambda value: not equal(value, operand)),
    "$gt": (_ordered, _order(lambda value, operand: value > operand)),
    "$gte": (_ordered, _order(lambda value, operand: value >= operand)),
    "$lt": (_ordered, _order(lambda value, operand: value < operand)),
    "$lte": (_ordered, _order(lambda value, operand: value <= operand)),
    "$in": (_list, _one_of),
    "$nin": (_list, _none_of),
    "$between": (_pair, _between),
    "$exists": (_flag, lambda wanted: lambda value: (value is not MISSING) is wanted),
    "$like": (_pattern, _like(0)),
    "$ilike": (_pattern, _like(re.IGNORECASE)),
    "$contains": (_any_value, lambda operand: lambda value: isinstance(value, list) and _among(operand, value)),
    "$any": (_list, lambda operand: lambda value: isinstance(value, list) and any(_among(o, value) for o in operand)),
    "$all": (_list, lambda operand: lambda value: isinstance(value, list) and all(_among(o, value) for o in operand)),
    "$is_empty": (_flag, _is_empty),
}
