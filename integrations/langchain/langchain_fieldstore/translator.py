# LangChain's structured queries as filters: what SelfQueryRetriever asks a vector store for.
#
# In:   the comparisons and operations that a model wrote. Out: the dict filter that says the same.
"""`FieldTranslator`."""

from typing import Any

from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, StructuredQuery, Visitor

_SAME = {  # comparators that are operators of the filter language under another spelling
    Comparator.EQ: "$eq",
    Comparator.NE: "$ne",
    Comparator.GT: "$gt",
    Comparator.GTE: "$gte",
    Comparator.LT: "$lt",
    Comparator.LTE: "$lte",
    Comparator.IN: "$in",
    Comparator.NIN: "$nin",
}


class FieldTranslator(Visitor):
    """Turns structured queries into filters for a `FieldVectorStore`, so that `SelfQueryRetriever` works with it.

    ```python
    SelfQueryRetriever.from_llm(
        llm, vector_store, "notes", attributes, structured_query_translator=FieldTranslator()
    )
    ```

    Every comparator and operator is there. `contain` is about a list that holds the value, or a text that holds it as
    part of it; `like` is a pattern with % and _ (without any: a part of the text). Neither minds upper and lower case
    of text within text. Dates and times are compared as ISO strings, the way metadata holds them.
    """

    allowed_comparators = tuple(Comparator)
    allowed_operators = tuple(Operator)

    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        """`and`, `or` of any number, `not` of one."""
        self._validate_func(operation.operator)
        parts = [argument.accept(self) for argument in operation.arguments]
        if operation.operator is Operator.NOT:
            if len(parts) != 1:
                raise ValueError(f"'not' takes one condition, not {len(parts)}; nothing was searched")
            return {"$not": parts[0]}
        return {f"${operation.operator.value}": parts}

    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        """One attribute, a metadata key or dotted path, held against a value."""
        self._validate_func(comparison.comparator)
        key, value = comparison.attribute, _plain(comparison.value)
        if comparison.comparator is Comparator.CONTAIN:
            listed = {key: {"$contains": value}}
            return {"$or": [listed, {key: {"$ilike": _part(value)}}]} if isinstance(value, str) else listed
        if comparison.comparator is Comparator.LIKE:
            return {key: {"$ilike": value if {"%", "_"} & set(str(value)) else _part(value)}}
        return {key: {_SAME[comparison.comparator]: value}}

    def visit_structured_query(self, structured_query: StructuredQuery) -> tuple[str, dict[str, Any]]:
        """The words to search for, and the keyword arguments to search with."""
        if structured_query.filter is None:
            return structured_query.query, {}
        return structured_query.query, {"filter": structured_query.filter.accept(self)}


def _plain(value: Any) -> Any:
    """A value as metadata holds it: a date or a time, which the parser wraps, is its ISO string."""
    if isinstance(value, dict) and value.get("type") in ("date", "datetime") and value["type"] in value:
        return value[value["type"]]
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _part(value: object) -> str:
    """The pattern of a text that holds this one, letter for letter."""
    letters = ("\\" + letter if letter in "%_\\" else letter for letter in str(value))
    return f"%{''.join(letters)}%"
