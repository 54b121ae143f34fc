"""Metadata: one canonical form, the same value back, and nothing bent to fit."""

import json
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import metadata

LARGEST = 2**53
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
METADATA = st.dictionaries(TEXT, VALUES, max_size=4)


def typed(value: Any) -> Any:
    """The value with the type of every part beside it, for a comparison that coerces nothing."""
    if type(value) is dict:
        return {key: typed(inner) for key, inner in value.items()}
    if type(value) is list:
        return [typed(inner) for inner in value]
    return (type(value), repr(value))


def reversed_keys(value: Any) -> Any:
    if type(value) is dict:
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(inner) for inner in value] if type(value) is list else value


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(METADATA)
def test_what_comes_back_equals_what_was_given_to_the_type_and_the_last_digit(given_metadata):
    assert typed(metadata.decode(metadata.encode(given_metadata))) == typed(given_metadata)


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(METADATA)
def test_the_form_is_one_the_order_of_keys_does_not_show_and_encoding_again_changes_nothing(given_metadata):
    text = metadata.encode(given_metadata)
    assert metadata.encode(reversed_keys(given_metadata)) == text
    assert metadata.encode(metadata.decode(text)) == text
    assert json.loads(text) == given_metadata  # any reader of JSON understands it


def test_the_canonical_form_is_sorted_compact_json_in_plain_letters():
    given_metadata = {"b": [1, 1.0, -0.0, True, None], "a": {"é": "ß\n", "Z": ""}, "": 2**53, "x.y": 1e300}
    assert metadata.encode(given_metadata) == (
        '{"":9007199254740992,"a":{"Z":"","é":"ß\\n"},"b":[1,1.0,-0.0,true,null],"x.y":1e+300}'
    )
    assert metadata.encode(None) == metadata.encode({}) == "{}"


def test_every_decoding_is_a_copy_of_its_own():
    text = metadata.encode({"list": [1]})
    metadata.decode(text)["list"].append(2)
    assert metadata.decode(text) == {"list": [1]}


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1, 2},
        frozenset({1}),
        Pair(1, 2),
        b"bytes",
        bytearray(b"bytes"),
        datetime(2026, 11, 23, tzinfo=UTC),
        Decimal("1.5"),
        UUID(int=1),
        1j,
        object(),
        range(3),
        np.float64(1.5),
        np.int64(1),
        np.bool_(True),
        np.str_("a"),
        np.array([1.0]),
        Colour.RED,
        Level.LOW,
        OrderedDict(a=1),
        {1: "key"},
        {None: "key"},
        {True: "key"},
        {("a", "b"): "key"},
        {np.str_("a"): "key"},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "nested"])
def test_what_is_no_json_is_refused_at_its_place(value, wrapped):
    given_metadata = {"deep": [0, {"here": value}]} if wrapped else {"here": value}
    with pytest.raises(TypeError) as caught:
        metadata.encode(given_metadata, "metadata of record 'n1'")
    assert str(caught.value).startswith("metadata of record 'n1'")
    assert ("['deep'][1]['here']" if wrapped else "['here']") in str(caught.value)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (-float("inf"), "-inf"),
        (2**53 + 1, "2**53"),
        (-(2**53) - 1, "2**53"),
        (10**5000, "2**53"),
        ("a\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
    ],
    ids=["nan", "inf", "-inf", "2**53 + 1", "-2**53 - 1", "10**5000", "surrogate", "surrogate in a key"],
)
def test_a_value_that_json_cannot_hold_exactly_is_refused(value, word):
    with pytest.raises(ValueError, match="metadata") as caught:
        metadata.encode({"here": [value]})
    assert word in str(caught.value)


@pytest.mark.parametrize("wrong", [[], [("a", 1)], "{}", 5, True, OrderedDict(a=1)], ids=repr)
def test_metadata_is_a_dict_and_nothing_else(wrong):
    with pytest.raises(TypeError, match=f"metadata must be a dict, not {type(wrong).__name__}"):
        metadata.encode(wrong)


@pytest.mark.parametrize("kind", ["lists", "dicts"])
def test_nesting_ends_at_sixty_four_and_a_circle_is_found_out(kind):
    def wrapped(value: Any, times: int) -> Any:
        for _ in range(times):
            value = [value] if kind == "lists" else {"k": value}
        return value

    deepest = {"k": wrapped(1, 63)}
    assert metadata.decode(metadata.encode(deepest)) == deepest
    for times in (64, 100_000):
        with pytest.raises(ValueError, match="nested deeper than 64"):
            metadata.encode({"k": wrapped(1, times)})
    circle: dict[str, Any] = {}
    circle["k"] = wrapped(circle, 1)
    with pytest.raises(ValueError, match="nested deeper than 64"):
        metadata.encode(circle)


def test_metadata_has_at_most_sixteen_million_letters():
    longest = 16 * 2**20
    assert len(metadata.encode({"k": "x" * (longest - len('{"k":""}'))})) == longest
    with pytest.raises(ValueError, match=f"metadata has {longest + 1} characters"):
        metadata.encode({"k": "x" * (longest - len('{"k":""}') + 1)})


@pytest.mark.parametrize("text", ["", "a\0b", "line\nline", "e\u0301", "é", "🙂", "\ufeff", "\u2028"], ids=ascii)
def test_any_text_of_whole_letters_is_kept_as_it_is(store, text):
    store.add([1.0, 2.0], ids=["n1"], texts=[text], metadatas=[{text: [text]}])
    (record,) = store.get("n1")
    assert (record.text, record.metadata) == (text, {text: [text]})
    assert store.verify() == []
