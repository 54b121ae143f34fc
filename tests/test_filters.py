"""The `where` language, against a table, against a twin that knows nothing of it, and inside a store."""

import functools
import signal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import FieldStore
from fieldstore.filters import Filter

# One value of each kind under the key "v", by a name that says which.
OF_NUMBERS = {"0": 0, "1": 1, "1.0": 1.0, "2.5": 2.5}
OTHERS = {"null": None, "true": True, "false": False, "{}": {}, "{v: 1}": {"v": 1}}
OF_TEXT = {"empty text": "", "text 1": "1", "text a": "a", "text B": "B"}
OF_LISTS = {"[]": [], "[1]": [1], "[true]": [True], "[a, null]": ["a", None]}
RECORDS = {"missing": {}} | {name: {"v": value} for name, value in (OTHERS | OF_NUMBERS | OF_TEXT | OF_LISTS).items()}
ALL, TEXTS, LISTS = set(RECORDS), set(OF_TEXT), set(OF_LISTS)
EMPTY = {"missing", "null", "empty text", "[]"}

TABLE: list[tuple[dict[str, Any], set[str]]] = [
    ({}, ALL),
    ({"v": 1}, {"1", "1.0"}),
    ({"v": True}, {"true"}),
    ({"v": "1"}, {"text 1"}),
    ({"v": None}, {"null"}),
    ({"v": {"$eq": False}}, {"false"}),
    ({"v": {"$eq": (True,)}}, {"[true]"}),
    ({"v": {"$eq": [None, "a"]}}, set()),
    ({"v": {"$eq": {"v": 1.0}}}, {"{v: 1}"}),
    ({"v": {"$ne": 1}}, ALL - {"1", "1.0"}),
    ({"v": {"$lt": "a"}}, {"empty text", "text 1", "text B"}),
    ({"v": {"$gte": 0, "$lt": 1.5}}, {"0", "1", "1.0"}),
    ({"v": {"$in": [1, "a", None]}}, {"1", "1.0", "text a", "null"}),
    ({"v": {"$in": {True}}}, {"true"}),
    ({"v": {"$in": []}}, set()),
    ({"v": {"$nin": [1, "a", None]}}, ALL - {"1", "1.0", "text a", "null"}),
    ({"v": {"$between": [1, 2.5]}}, {"1", "1.0", "2.5"}),
    ({"v": {"$between": ("1", "B")}}, {"text 1", "text B"}),
    ({"v": {"$between": [2, 1]}}, set()),
    ({"v": {"$exists": True}}, ALL - {"missing"}),
    ({"v": {"$exists": False}}, {"missing"}),
    ({"v": {"$is_empty": True}}, EMPTY),
    ({"v": {"$is_empty": False}}, ALL - EMPTY),
    ({"v": {"$like": "%"}}, TEXTS),
    ({"v": {"$like": "_"}}, TEXTS - {"empty text"}),
    ({"v": {"$ilike": "b"}}, {"text B"}),
    ({"v": {"$any": [1, "a"]}}, {"[1]", "[a, null]"}),
    ({"v": {"$all": ["a", None]}}, {"[a, null]"}),
    ({"v": {"$all": []}}, LISTS),
    ({"v": {"$not": {"$gte": 1}}}, ALL - {"1", "1.0", "2.5"}),
    ({"v.v": 1}, {"{v: 1}"}),
    ({"v.v": {"$exists": False}}, ALL - {"{v: 1}"}),
    ({"$not": {"v": {"$exists": True}}}, {"missing"}),
    ({"$and": [{"v": {"$gte": 0}}, {"$not": {"v": 0}}]}, {"1", "1.0", "2.5"}),
    ({"$or": [{"v": 0}, {"$and": [{"v": {"$like": "_"}}, {"v": {"$ne": "a"}}]}]}, {"0", "text 1", "text B"}),
    ({"v": {"$gt": 0}, "$not": {"$or": [{"v": 1}, {"v": "a"}]}}, {"2.5"}),
]


@pytest.mark.parametrize(("where", "names"), TABLE, ids=[str(where) for where, _ in TABLE])
def test_a_condition_means_exactly_the_records_of_its_row(where, names):
    condition = Filter(where)
    assert {name for name, record in RECORDS.items() if condition.matches(record)} == names


def test_a_store_finds_by_every_condition_what_the_table_says(store, rng):
    store.add(rng.normal(size=(len(RECORDS), 4)), ids=list(RECORDS), metadatas=list(RECORDS.values()))
    for where, names in TABLE:
        assert set(store.ids(where=where)) == names, where
        assert {hit.id for hit in store.search([1, 0, 0, 0], 100, where=where)} == names, where
    assert store.verify() == []


@pytest.mark.parametrize(
    ("path", "record", "found"),
    [
        ("author.name", {"author.name": "Bo", "author": {"name": "Cy"}}, True),
        ("author.name", {"author.name": "Cy", "author": {"name": "Bo"}}, False),
        ("a.b.c", {"a": {"b.c": "Bo"}}, True),
        ("a.b.c", {"a": {"x": 1}, "a.b": {"c": "Bo"}}, True),
        ("a.b", {"a": [{"b": "Bo"}]}, False),
        (".", {"": {"": "Bo"}}, True),
        ("name.$eq", {"name": {"$eq": "Bo"}}, True),
        ("é", {"e\u0301": "Bo"}, False),
    ],
)
def test_a_dotted_path_reaches_nested_values_and_a_key_that_holds_the_dots_comes_first(path, record, found):
    assert Filter({path: "Bo"}).matches(record) is found
    assert Filter({path: {"$ne": "Bo"}}).matches(record) is not found


@pytest.mark.parametrize(
    ("pattern", "text", "like", "ilike"),
    [
        ("note%", "note-17", True, True),
        ("n_te%", "note\n17", True, True),
        ("100\\%", "100%", True, True),
        ("a\\_b", "axb", False, False),
        ("a.*b", "axxb", False, False),
        ("[a-z]+(", "[a-z]+(", True, True),
        ("É%", "été", False, True),
        ("_", "🙂", True, True),
        ("ὈΔΌΣ", "ὀδός", False, True),
        ("abc", "abc\n", False, False),
    ],
)
def test_a_pattern_is_held_against_the_whole_text(pattern, text, like, ilike):
    assert Filter({"v": {"$like": pattern}}).matches({"v": text}) is like
    assert Filter({"v": {"$ilike": pattern}}).matches({"v": text}) is ilike


def test_a_pattern_full_of_wildcards_is_answered_at_once():
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it was still being tried after five seconds"))
    signal.alarm(5)
    try:
        assert not Filter({"v": {"$like": "%a" * 12 + "b"}}).matches({"v": "a" * 80})
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fits(text: str, pattern: str) -> bool:
    """LIKE, letter by letter: the slow twin."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return fits(text, pattern[1:]) or (bool(text) and fits(text[1:], pattern))
    wild, pattern = pattern[0] == "_", pattern[1:] if pattern[0] == "\\" and pattern[1:] else pattern
    return bool(text) and (wild or text[0] == pattern[0]) and fits(text[1:], pattern[1:])


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.text("ab%_\\\n", max_size=6), st.text("ab%_\\\n", max_size=6))
def test_patterns_agree_with_their_twin(pattern, text):
    assert Filter({"v": {"$like": pattern}}).matches({"v": text}) is fits(text, pattern)


NOTHING = object()


def typed(value: Any) -> Any:
    """A value that equals another exactly when the language says so: numbers with numbers, True with True only."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    return ("number" if type(value) in (int, float) else type(value).__name__, value)


def means(record: dict[str, Any], where: dict[str, Any]) -> bool:
    """What a condition means: the twin, written from the documentation alone."""
    return all(holds(record, key, asked) for key, asked in where.items())


def holds(record: dict[str, Any], key: str, asked: Any) -> bool:
    if key in ("$and", "$or", "$not"):
        parts = [means(record, part) for part in ([asked] if key == "$not" else asked)]
        return {"$and": all(parts), "$or": any(parts), "$not": not parts[0]}[key]
    found = record.get(key, NOTHING)
    value, items = typed(found), typed(found) if isinstance(found, list) else []
    ((name, x),) = asked.items()
    alike = lambda y: not isinstance(found, list) and value[0] == typed(y)[0]  # noqa: E731
    return {
        "$eq": lambda: value == typed(x),
        "$ne": lambda: value != typed(x),
        "$gt": lambda: alike(x) and found > x,
        "$gte": lambda: alike(x) and found >= x,
        "$lt": lambda: alike(x) and found < x,
        "$lte": lambda: alike(x) and found <= x,
        "$between": lambda: alike(x[0]) and x[0] <= found <= x[1],
        "$in": lambda: value in typed(x),
        "$nin": lambda: value not in typed(x),
        "$exists": lambda: (found is not NOTHING) == x,
        "$is_empty": lambda: (found in (NOTHING, None, "") or found == []) == x,
        "$contains": lambda: typed(x) in items,
        "$any": lambda: any(item in items for item in typed(x)),
        "$all": lambda: isinstance(found, list) and all(item in items for item in typed(x)),
    }[name]()


KEYS = st.sampled_from("ab")
NUMBER = st.sampled_from([-1, 0, 1, 2, -0.0, 0.5, 1.0])
TEXT = st.sampled_from(["", "0", "1", "a", "é"])
SCALAR = st.none() | st.booleans() | NUMBER | TEXT
SOME = st.lists(SCALAR, max_size=3)
OPERATION = st.one_of(
    st.builds(lambda o, x: {o: x}, st.sampled_from(["$eq", "$ne"]), SCALAR | SOME),
    st.builds(lambda o, x: {o: x}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBER | TEXT),
    st.builds(lambda o, x: {o: x}, st.sampled_from(["$in", "$nin", "$any", "$all"]), SOME),
    st.builds(lambda o, x: {o: x}, st.sampled_from(["$exists", "$is_empty"]), st.booleans()),
    st.builds(lambda *x: {"$between": list(x)}, NUMBER, NUMBER) | st.builds(lambda x: {"$contains": x}, SCALAR),
)
CONDITION = st.recursive(
    st.dictionaries(KEYS, OPERATION, min_size=1, max_size=2),
    lambda inner: st.one_of(
        st.builds(lambda o, x: {o: x}, st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda x: {"$not": x}, inner),
    ),
    max_leaves=6,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.dictionaries(KEYS, SCALAR | SOME), CONDITION)
def test_any_condition_on_any_record_agrees_with_the_twin(record, where):
    assert Filter(where).matches(record) is means(record, where)


OPERANDS: list[tuple[list[str], list[Any]]] = [  # not for these operators; a set has no first, no last, no order
    (["$in", "$nin", "$any", "$all"], ["abc", 1, {"a": 1}]),
    (["$gt", "$gte", "$lt", "$lte"], [None, True, [1], {"a": 1}]),
    (["$between"], [[1], [1, "2"], [1, 2, 3], 5, {1, 9}]),
    (["$exists", "$is_empty"], [1, None, "yes"]),
    (["$like", "$ilike"], [5, ["a"], None]),
    (["$eq", "$ne"], [{1, 9}]),
]
TOO_DEEP: dict[str, Any] = functools.reduce(lambda inner, _: {"$not": inner}, range(100), {"v": 1})
FAR_TOO_DEEP: dict[str, Any] = functools.reduce(lambda inner, _: {"$not": inner}, range(5000), {"v": 1})
MISSHAPEN: list[tuple[Any, type[Exception], str]] = [
    *(({"v": {o: x}}, ValueError, f"{o} of 'v'") for many, wrong in OPERANDS for o in many for x in wrong),
    ({"v": {"$regex": "a"}}, ValueError, "$regex 'v' $like"),
    ({"$nor": [{"v": 1}]}, ValueError, "$nor"),
    ({"$eq": 1}, ValueError, "$eq"),
    ({"v": {}}, ValueError, "'v'"),
    ({"v": [1, 2]}, ValueError, "'v' $in"),
    ({"$and": []}, ValueError, "$and"),
    ({"$or": [{"v": 1}, {}]}, ValueError, "$or"),
    ({"$not": [{"v": 1}]}, ValueError, "$not"),
    ({"v": 2**60}, ValueError, "'v' 2**53"),
    ({"v": "\ud800"}, ValueError, "where surrogate"),
    ({"v": np.int64(1)}, TypeError, "'v' int64"),
    ({"v": b"a"}, TypeError, "'v' bytes"),
    ({1: 1}, TypeError, "key 1"),
    ("v = 1", TypeError, "where str"),
    (TOO_DEEP, ValueError, "where nested"),
    (FAR_TOO_DEEP, ValueError, "where nested"),
]


@pytest.mark.parametrize(("where", "error", "words"), MISSHAPEN, ids=range(len(MISSHAPEN)))
def test_what_is_not_of_the_language_is_refused_by_name(where, error, words):
    for refuse in (lambda: Filter(where), lambda: FieldStore(dim=2).search([1, 0], where=where)):
        with pytest.raises(error) as caught:
            refuse()
        assert all(word in str(caught.value) for word in words.split()), caught.value


def test_a_filter_does_not_follow_later_changes_of_the_dict_it_was_made_from():
    where: dict[str, Any] = {"v": {"$in": ["a"]}}
    condition = Filter(where)
    where["v"]["$in"].append("b")
    assert not condition.matches({"v": "b"})


@pytest.mark.parametrize("options", [{}, {"smooth": True}, {"by": "attractors", "reach": 0.9999}], ids=str)
def test_filters_apply_before_ranking_so_that_k_matches_come_back_from_far_away(store, rng, options):
    query = np.eye(16)[0]
    near, far = query + rng.normal(scale=0.1, size=(400, 16)), rng.normal(size=(7, 16)) - 3 * query
    store.add(near, metadatas=[{"lang": "en"}] * len(near))
    wanted = store.add(far, metadatas=[{"lang": "de"}] * len(far))
    assert not {hit.id for hit in store.search(query, 100)} & set(wanted)
    assert {hit.id for hit in store.search(query, 7, where={"lang": "de"}, **options)} == set(wanted)
    assert store.verify() == []


def test_what_a_filter_once_found_follows_every_verb(store):
    def german() -> set[str]:
        found = {hit.id for hit in store.search([1, 1, 1], 10, where={"lang": "de"})}
        assert found == set(store.ids(where={"lang": "de"})) == {r.id for r in store.get(where={"lang": "de"})}
        assert store.count({"lang": "de"}) == len(found)
        return found

    store.add(np.eye(3), ids=["a", "b", "c"], metadatas=[{"lang": "de"}, {"lang": "de"}, {"lang": "en"}])
    assert german() == {"a", "b"}
    for change, wanted in [
        (lambda: store.update(["a", "c"], metadatas=[{"lang": "en"}, {"lang": "de"}]), {"b", "c"}),
        (lambda: store.forget(["b"]), {"c"}),
        (lambda: store.restore(["b"]), {"b", "c"}),
        (lambda: store.add([0, 1, 0], ids=["b"], metadatas=[{}]), {"c"}),
        (lambda: store.add([1, 1, 0], ids=["b"], metadatas=[{"lang": "de"}]), {"b", "c"}),
        (lambda: store.forget(where={"lang": "de"}), set()),
        (lambda: store.add([1, 1, 0], ids=["b"], metadatas=[{"lang": "en"}]), set()),
        (lambda: store.restore(["c"]), {"c"}),
        (lambda: [store.ids(where={"other": number}) for number in range(100)], {"c"}),  # crowds out what is kept
        (lambda: store.add([[5, 5, 1]], ids=["d"], metadatas=[{"lang": "de"}]), {"c", "d"}),
        (lambda: store.erase(["c"]), {"d"}),
    ]:
        change()
        assert german() == wanted
    assert store.verify() == []
