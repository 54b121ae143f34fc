# LlamaIndex's metadata filters as fieldstore's `where`.
#
# Rule: what core's own `build_metadata_filter_fn` answers is the answer, and nested groups besides, which core refuses:
#       a missing key, and null, match only `!=`, `nin` and `is_empty`; `not` = none of them match; 1 equals True.
# Rule: what cannot be asked is refused by name, before anything is looked at.
"""Filters, translated."""

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from llama_index.vector_stores.fieldstore.nodes import ID, NODE, SOURCE

Where = dict[str, Any]

EVERYTHING: Where = {NODE: {"$nin": []}}
NOTHING: Where = {"$not": EVERYTHING}

_OF_THE_SOURCE = ("doc_id", "document_id", "ref_doc_id")  # what every store calls a node's source, unless users do
FILTER_KEYS = (ID, SOURCE, *_OF_THE_SOURCE)  # what deletes and queries by document or node look at
_ORDERED = {
    FilterOperator.GT: ("$gt", operator.gt),
    FilterOperator.GTE: ("$gte", operator.ge),
    FilterOperator.LT: ("$lt", operator.lt),
    FilterOperator.LTE: ("$lte", operator.le),
}


def to_where(filters: MetadataFilters | None) -> Where | None:
    """A group of filters as a `where`; None where there is none, or none but empty ones, which let everything pass.

    Raises:
        ValueError: an operator has a value it cannot be asked with.
        TypeError: the filters are something else, as a dict.
    """
    if filters is not None and not isinstance(filters, MetadataFilters):
        raise TypeError(f"filters must be MetadataFilters, not {type(filters).__name__}; nothing was looked at")
    if filters is None or not filters.filters:
        return None
    given = [to_where(one) if isinstance(one, MetadataFilters) else _on_key(one) for one in filters.filters]
    tests = [EVERYTHING if test is None else test for test in given]
    if filters.condition is not FilterCondition.NOT and not any(given):
        return None
    if filters.condition is FilterCondition.OR:
        return {"$or": tests}
    if filters.condition is FilterCondition.NOT:
        return {"$not": {"$or": tests}}
    return {"$and": tests}


def listed(ids: Iterable[str]) -> list[str]:
    """Ids as a list; a string is one id, as it is to a FieldStore, and not its letters."""
    return [ids] if isinstance(ids, str) else list(ids)


def both(*conditions: Where | None) -> Where | None:
    """All of the conditions that there are."""
    given = [condition for condition in conditions if condition is not None]
    return {"$and": given} if len(given) > 1 else given[0] if given else None


def value_at(metadata: Mapping[str, Any], key: str) -> Any:
    """What a key names, as it does for the store: the key itself first, then a path; None for nothing."""
    if key in metadata:
        return metadata[key]
    value: Any = metadata
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _on_key(filter: MetadataFilter) -> Where:
    test = _test(filter.key, filter)
    if filter.key not in _OF_THE_SOURCE:
        return test
    exists = {filter.key: {"$exists": True}}
    return {"$or": [{"$and": [exists, test]}, {"$and": [{"$not": exists}, _test(SOURCE, filter)]}]}


def _test(key: str, filter: MetadataFilter) -> Where:
    asked, value = filter.operator, filter.value
    if asked is FilterOperator.IS_EMPTY:
        return {key: {"$is_empty": True}}
    if asked is FilterOperator.EQ:
        return NOTHING if value is None else {key: {"$in": _alike([value])}}
    if asked is FilterOperator.NE:
        return EVERYTHING if value is None else {key: {"$nin": _alike([value])}}
    if asked in _ORDERED:
        name, holds = _ORDERED[asked]
        bools = [] if isinstance(value, str | list | None) else [one for one in (False, True) if holds(one, value)]
        return {"$or": [{key: {name: value}}, {key: {"$in": bools}}]}
    if asked is FilterOperator.IN:
        return {key: {"$in": _alike(_list(filter))}}
    if asked is FilterOperator.NIN:
        return {key: {"$nin": _alike(_list(filter))}}
    if asked is FilterOperator.CONTAINS:
        if value is None or isinstance(value, list):
            raise ValueError(f"filter 'contains' of {key!r} takes one string or number, not {value!r}")
        return _holds(key, value)
    if asked is FilterOperator.ANY:
        return {"$or": [_holds(key, one) for one in _list(filter)] or [NOTHING]}
    if asked is FilterOperator.ALL:
        there: Where = {key: {"$exists": True, "$ne": None}}  # all that core asks where there is nothing to hold
        return {"$and": [there, *(_holds(key, one) for one in _list(filter))]}
    if asked is FilterOperator.TEXT_MATCH:
        return {key: {"$like": _anywhere(filter)}}
    if asked is FilterOperator.TEXT_MATCH_INSENSITIVE:
        return {key: {"$ilike": _anywhere(filter)}}
    raise ValueError(f"unknown filter operator {asked!r} for {key!r}")


def _list(filter: MetadataFilter) -> list[Any]:
    if not isinstance(filter.value, list):
        raise ValueError(f"filter {filter.operator.value!r} of {filter.key!r} takes a list, not {filter.value!r}")
    return list(filter.value)


def _alike(values: Sequence[Any]) -> list[Any]:
    """With True beside 1, False beside 0: a filter cannot say a bool, and in core the number stands for it."""
    return [*values, *(bool(value) for value in values if isinstance(value, int | float) and value in (0, 1))]


def _holds(key: str, value: Any) -> Where:
    """A list that holds the value; or, for a string, a string that has it in it."""
    if isinstance(value, str):
        return {"$or": [{key: {"$contains": value}}, {key: {"$like": f"%{_escaped(value)}%"}}]}
    return {key: {"$any": _alike([value])}}


def _anywhere(filter: MetadataFilter) -> str:
    if not isinstance(filter.value, str):
        raise ValueError(f"filter {filter.operator.value!r} of {filter.key!r} takes a string, not {filter.value!r}")
    return f"%{_escaped(filter.value)}%"


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
