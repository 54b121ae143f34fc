# LangChain's filters as what FieldStore's verbs take: a `where`, or the ids of those a function lets pass.
#
# Rule: both apply before anything is ranked, so neither can starve a search.
"""Filters, translated."""

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, TypedDict

from langchain_core.documents import Document

from fieldstore import Record
from langchain_fieldstore.documents import to_document

Predicate = Callable[[Document], bool]
Filter = Mapping[str, Any] | Predicate | None  # conditions in the language of `FieldStore.search`, or a function


class Restriction(TypedDict, total=False):
    """Keywords of `FieldStore.search`: at most one of them."""

    where: dict[str, Any]
    ids: list[str]


def restriction(filter: Filter, records: Callable[[], list[Record]]) -> Restriction:
    """Which records are meant; None and `{}` mean every one. records: those that a function is asked about.

    Raises:
        TypeError: the filter is neither a dict nor a function, or the function is async: that answers nothing yet.
    """
    if callable(filter):
        if iscoroutinefunction(filter):
            raise TypeError("filter is an async function; give one that answers at once. Nothing was done")
        return Restriction(ids=[record.id for record in records() if filter(to_document(record))])
    where = to_where(filter)
    return Restriction() if where is None else Restriction(where=where)


def to_where(filter: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A dict filter as fieldstore's `where`: the same language. None and `{}` let everything pass.

    Raises:
        TypeError: the filter is no dict.
    """
    if filter is not None and not isinstance(filter, Mapping):
        raise TypeError(
            f"filter is a {type(filter).__name__}; give a dict, such as {{'year': {{'$gte': 2020}}}}"
            + ("" if callable(filter) else ", or, to search or to forget by, a function that takes a Document")
        )
    return dict(filter) if filter else None
