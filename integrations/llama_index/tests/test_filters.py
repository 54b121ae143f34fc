"""Filters: all 14 operators, with and without the key, against core's own answers; groups, nested ones too."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from fieldstore.filters import Filter
from integrations.llama_index.tests.samples import ask, embed, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore
from llama_index.vector_stores.fieldstore.filters import to_where

Op = FilterOperator

RECORDS: dict[str, dict[str, Any]] = {
    "word": {"k": "Alpha_beta%"},
    "other": {"k": "beta"},
    "int": {"k": 3},
    "float": {"k": 3.5},
    "true": {"k": True},
    "false": {"k": False},
    "list": {"k": ["Alpha", "beta", 3]},
    "ones": {"k": [True, 2]},
    "empty": {"k": ""},
    "none left": {"k": []},
    "null": {"k": None},
    "missing": {},
}
MISSING = {"null", "missing"}
CASES: list[tuple[Op, Any, set[str]]] = [
    (Op.EQ, "beta", {"other"}),
    (Op.EQ, 1, {"true"}),
    (Op.EQ, 0, {"false"}),
    (Op.EQ, 3.0, {"int"}),
    (Op.EQ, None, set()),
    (Op.NE, "beta", set(RECORDS) - {"other"}),
    (Op.NE, 1, set(RECORDS) - {"true"}),
    (Op.NE, None, set(RECORDS)),
    (Op.GT, 3, {"float"}),
    (Op.GTE, 3, {"int", "float"}),
    (Op.GT, 0, {"int", "float", "true"}),
    (Op.LT, 3.5, {"int", "true", "false"}),
    (Op.LTE, 3.5, {"int", "float", "true", "false"}),
    (Op.GT, "b", {"other"}),
    (Op.IN, ["beta", "x"], {"other"}),
    (Op.IN, [1, 3], {"true", "int"}),
    (Op.IN, [], set()),
    (Op.NIN, ["beta", "x"], set(RECORDS) - {"other"}),
    (Op.NIN, [1, 3], set(RECORDS) - {"true", "int"}),
    (Op.NIN, [], set(RECORDS)),
    (Op.ANY, ["beta", "x"], {"word", "other", "list"}),
    (Op.ANY, [3, 1], {"list", "ones"}),
    (Op.ANY, [], set()),
    (Op.ALL, ["Alpha", "beta"], {"word", "list"}),
    (Op.ALL, [], set(RECORDS) - MISSING),
    (Op.CONTAINS, "beta", {"word", "other", "list"}),
    (Op.CONTAINS, 3, {"list"}),
    (Op.CONTAINS, 1, {"ones"}),
    (Op.TEXT_MATCH, "_beta%", {"word"}),
    (Op.TEXT_MATCH, "alpha", set()),
    (Op.TEXT_MATCH, "%", {"word"}),
    (Op.TEXT_MATCH_INSENSITIVE, "ALPHA_B", {"word"}),
    (Op.TEXT_MATCH_INSENSITIVE, "", {"word", "other", "empty"}),
    (Op.IS_EMPTY, None, {"empty", "none left", "null", "missing"}),
]


@pytest.fixture
def records(empty: FieldVectorStore) -> FieldVectorStore:
    empty.add([node(name, **metadata) for name, metadata in RECORDS.items()])
    return empty


def group(*filters: Any, condition: FilterCondition | None = FilterCondition.AND) -> MetadataFilters:
    return MetadataFilters(filters=list(filters), condition=condition)


def where(operator: Op, value: Any, key: str = "k") -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=operator)


def matched(store: FieldVectorStore, filters: MetadataFilters) -> set[str]:
    """What a query finds, which is what get_nodes finds."""
    found = store.query(ask(k=99, filters=filters)).ids or []
    assert set(found) == set(ids_of(store.get_nodes(filters=filters)))
    return set(found)


def cores_answer(metadata: dict[str, Any], filters: MetadataFilters) -> bool | None:
    """Whether core lets this metadata pass; None where it raises."""
    try:
        return build_metadata_filter_fn(lambda _: metadata, filters)("")
    except (TypeError, ValueError):
        return None


def test_every_operator_is_among_the_cases() -> None:
    assert {operator for operator, _, _ in CASES} == set(Op)
    assert len(Op) == 14


@pytest.mark.parametrize(
    ("operator", "value", "expected"), CASES, ids=[f"{one.value} {value}" for one, value, _ in CASES]
)
def test_an_operator_matches_what_core_matches(
    records: FieldVectorStore, operator: Op, value: Any, expected: set[str]
) -> None:
    filters = group(where(operator, value))
    assert matched(records, filters) == expected
    for name, metadata in RECORDS.items():
        assert cores_answer(metadata, filters) in (name in expected, None), name


@pytest.mark.parametrize("operator", list(Op))
def test_a_missing_key_and_null_match_only_unequal_not_in_and_empty(records: FieldVectorStore, operator: Op) -> None:
    lists = operator in (Op.IN, Op.NIN, Op.ANY, Op.ALL)
    found = matched(records, group(where(operator, ["beta"] if lists else "beta")))
    matches = operator in (Op.NE, Op.NIN, Op.IS_EMPTY)
    assert MISSING & found == (MISSING if matches else set())


VALUES = st.one_of(
    st.integers(-2, 3), st.sampled_from([0.0, 1.0, 2.5]), st.text("aB%_\\", max_size=3), st.booleans(), st.none()
)
METADATA = st.dictionaries(
    st.sampled_from("kl"), VALUES | st.lists(st.text("aB%", max_size=2) | st.integers(0, 3), max_size=3)
)
SCALARS = st.one_of(st.integers(-2, 3), st.sampled_from([0.0, 1.0, 2.5]), st.text("aB%_\\", max_size=3))
LISTS = st.lists(st.text("aB%", max_size=2), max_size=3) | st.lists(st.integers(0, 3), max_size=3)


@st.composite
def single_filters(draw: Any) -> MetadataFilter:
    operator = draw(st.sampled_from(Op))
    if operator in (Op.IN, Op.NIN, Op.ANY, Op.ALL):
        value = draw(LISTS)
    elif operator in (Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE):
        value = draw(st.text("aB%_\\", max_size=3))
    else:
        value = draw(SCALARS)
    return where(operator, value, draw(st.sampled_from("kl")))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(METADATA, st.lists(single_filters(), max_size=3), st.sampled_from([*FilterCondition, None]))
def test_whatever_core_answers_is_the_answer(
    metadata: dict[str, Any], filters: list[MetadataFilter], condition: FilterCondition | None
) -> None:
    asked = group(*filters, condition=condition)
    answer = cores_answer(metadata, asked)
    assume(answer is not None)  # core raises where types do not compare; here such a filter does not match
    condition_here = to_where(asked)
    assert (condition_here is None or Filter(condition_here).matches(metadata)) is answer


# -- groups


def test_and_or_not_and_none(records: FieldVectorStore) -> None:
    three, beta = where(Op.GTE, 3), where(Op.EQ, "beta")
    assert matched(records, group(three, where(Op.NE, 3))) == {"float"}
    assert matched(records, group(three, where(Op.NE, 3), condition=None)) == {"float"}
    assert matched(records, group(three, beta, condition=FilterCondition.OR)) == {"int", "float", "other"}
    assert matched(records, group(three, beta, condition=FilterCondition.NOT)) == set(RECORDS) - {
        "int",
        "float",
        "other",
    }


def test_groups_nest_as_deep_as_wanted(records: FieldVectorStore) -> None:
    inner = group(where(Op.EQ, "beta"), where(Op.EQ, 3), condition=FilterCondition.OR)
    assert matched(records, group(inner, where(Op.GT, 0))) == {"int"}
    assert matched(records, group(group(inner), condition=FilterCondition.NOT)) == set(RECORDS) - {"other", "int"}
    deep = inner
    for _ in range(8):
        deep = group(group(deep, condition=FilterCondition.NOT), condition=FilterCondition.NOT)
    assert matched(records, deep) == {"other", "int"}


@pytest.mark.parametrize("condition", [*FilterCondition, None])
def test_an_empty_group_lets_everything_pass(records: FieldVectorStore, condition: FilterCondition | None) -> None:
    nothing = group(condition=condition)
    assert matched(records, nothing) == set(RECORDS)
    assert matched(records, group(nothing, where(Op.EQ, "beta"))) == {"other"}
    assert matched(records, group(nothing, condition=FilterCondition.NOT)) == set()


# -- keys


def test_the_names_of_the_source_mean_it_unless_a_user_uses_them(empty: FieldVectorStore) -> None:
    empty.add([node("1", source="a"), node("2", source="b", doc_id="a"), node("3", source="a", doc_id="z"), node("4")])
    for key, expected in (("ref_doc_id", {"1", "3"}), ("document_id", {"1", "3"}), ("doc_id", {"1", "2"})):
        assert matched(empty, group(where(Op.EQ, "a", key))) == expected
    assert matched(empty, group(where(Op.NE, "a", "doc_id"))) == {"3", "4"}
    assert matched(empty, group(where(Op.IN, ["z"], "doc_id"))) == {"3"}
    assert [found.metadata.get("doc_id") for found in empty.get_nodes()] == [None, "a", "z", None]
    empty.delete("a")
    assert ids_of(empty.get_nodes()) == ["2", "4"]


def test_a_dotted_key_is_a_key_first_and_a_path_second(empty: FieldVectorStore) -> None:
    empty.add([node("1", **{"a.b": 1}), node("2", a={"b": 1}), node("3", **{"a.b": 2, "a": {"b": 1}})])
    assert matched(empty, group(where(Op.EQ, 1, "a.b"))) == {"1", "2"}


def test_filters_mean_the_same_after_a_forget_and_a_restore(records: FieldVectorStore) -> None:
    filters = group(where(Op.NE, "beta"))
    before = matched(records, filters)
    records.forget(node_ids=["int", "missing"])
    assert matched(records, filters) == before - {"int", "missing"}
    records.restore(node_ids=["int", "missing"])
    assert matched(records, filters) == before


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        (Op.IN, "beta"),
        (Op.NIN, 3),
        (Op.ANY, "beta"),
        (Op.ALL, None),
        (Op.CONTAINS, ["beta"]),
        (Op.CONTAINS, None),
        (Op.GT, None),
        (Op.LT, ["beta"]),
        (Op.TEXT_MATCH, 3),
        (Op.TEXT_MATCH_INSENSITIVE, None),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda store, filters: store.query(ask(filters=filters)),
        lambda store, filters: store.get_nodes(filters=filters),
        lambda store, filters: store.delete_nodes(filters=filters),
    ],
)
def test_a_value_an_operator_cannot_be_asked_with_is_refused(
    records: FieldVectorStore, operator: Op, value: Any, call: Callable[[Any, Any], Any]
) -> None:
    with pytest.raises(ValueError, match="'k'"):
        call(records, group(where(operator, value)))
    assert records.client.count() == len(RECORDS)


@pytest.mark.parametrize(
    "filters", [{"k": 3}, [MetadataFilter(key="k", value=3)], MetadataFilter(key="k", value=3), {}]
)
def test_what_are_no_filters_is_refused_by_name(records: FieldVectorStore, filters: Any) -> None:
    for verb in (lambda **given: records.query(ask(**given)), records.get_nodes, records.delete_nodes, records.forget):
        with pytest.raises(TypeError, match=f"must be MetadataFilters, not {type(filters).__name__}"):
            verb(filters=filters)
    assert records.client.count() == len(RECORDS)


def test_what_a_filter_says_is_never_taken_for_code(empty: FieldVectorStore) -> None:
    nasty = "'; DROP TABLE records; -- \" \\ %_"
    empty.add([TextNode(id_=nasty, text="x", metadata={nasty: nasty}, embedding=embed("x")), node("2")])
    assert matched(empty, group(where(Op.EQ, nasty, nasty))) == {nasty}
    assert matched(empty, group(where(Op.TEXT_MATCH, nasty, nasty))) == {nasty}
    empty.delete(nasty)
    assert ids_of(empty.get_nodes()) == ["2"]
