"""The retriever: where its options come from, what it adds to a field search, what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import ConfigurableField

from langchain_fieldstore import FieldVectorStore

FOX, DOOR, TREE = "the red fox runs far", "a blue door opens", "one old tree stands"


@pytest.fixture
def animals(embedding: Embeddings) -> Iterator[FieldVectorStore]:
    """Four times the same fox in two books, a door and a tree, at a reach that keeps different sentences apart."""
    with FieldVectorStore(embedding) as vector_store:
        vector_store.add_texts(
            [FOX, FOX, FOX, FOX, DOOR, TREE],
            [{"book": book} for book in ("a", "a", "b", "b", "c", "c")],
            ids=["fox1", "fox2", "fox3", "fox4", "door", "tree"],
        )
        yield vector_store
        assert vector_store.store.verify() == []


def found(retriever: Any, query: str = FOX, **options: Any) -> list[str]:
    return [document.id for document in retriever.invoke(query, **options)]


def test_the_later_option_beats_the_earlier(animals: FieldVectorStore) -> None:
    assert len(found(animals.as_retriever())) == 4
    assert len(found(animals.as_retriever(k=2))) == 2
    assert len(found(animals.as_retriever(k=2, search_kwargs={"k": 3}))) == 3
    assert len(found(animals.as_retriever(k=2, search_kwargs={"k": 3}), k=5)) == 5


def test_k_can_be_made_configurable(animals: FieldVectorStore) -> None:
    retriever = animals.as_retriever(search_type="field").configurable_fields(k=ConfigurableField(id="k"))
    assert len(retriever.invoke(FOX, config={"configurable": {"k": 2}})) == 2


def test_a_field_answer_is_filled_up_with_the_nearest_of_what_it_stands_for(animals: FieldVectorStore) -> None:
    assert found(animals.as_retriever(search_type="field", k=4)) == [*found_bare(animals), "fox2"]
    assert found(animals.as_retriever(search_type="field", k=9)) == [*found_bare(animals), "fox2", "fox3", "fox4"]


def test_filling_up_takes_the_nearest_first_whichever_attractor_they_belong_to(animals: FieldVectorStore) -> None:
    animals.add_texts([DOOR], ids=["door2"])
    filled = found(animals.as_retriever(search_type="field", k=9))
    assert filled == [*found_bare(animals), "fox2", "fox3", "fox4", "door2"]


def found_bare(animals: FieldVectorStore) -> list[str]:
    bare = found(animals.as_retriever(search_type="field", k=9, fill=False))
    assert bare[0] == "fox1"
    assert sorted(bare[1:]) == ["door", "tree"]
    return bare


def test_filling_up_repeats_no_value_of_per(animals: FieldVectorStore) -> None:
    retriever = animals.as_retriever(search_type="field", k=6, per="book")
    assert [document.metadata["book"] for document in retriever.invoke(FOX)] == ["a", "c", "b"]


def test_filling_up_repeats_no_nested_value_of_per(embedding: Embeddings) -> None:
    names: list[Any] = ["a", "b", "b", 1, True, "1", None]
    with FieldVectorStore(embedding) as vector_store:
        vector_store.add_texts([FOX] * len(names), [{"source": {"name": name}} for name in names])
        retriever = vector_store.as_retriever(search_type="field", k=7, per="source.name")
        found = [document.metadata["source"]["name"] for document in retriever.invoke(FOX)]
        assert [repr(name) for name in found] == ["'a'", "'b'", "1", "True", "'1'", "None"]  # all different


def test_a_reach_is_passed_on(animals: FieldVectorStore) -> None:
    retriever = animals.as_retriever(search_type="field", fill=False, k=6)
    assert len(found(retriever, reach=1.1)) == 6
    assert found(retriever, reach=-1.0) == ["fox1"]


@pytest.mark.parametrize("search_type", ["similarity", "similarity_score_threshold", "field"])
def test_a_score_threshold_leaves_out_what_is_less_relevant(animals: FieldVectorStore, search_type: str) -> None:
    kept = found(animals.as_retriever(search_type=search_type, k=6, score_threshold=0.99))
    assert kept == ["fox1", "fox2", "fox3", "fox4"]
    assert found(animals.as_retriever(search_type=search_type, k=6, search_kwargs={"score_threshold": 0.99})) == kept
    assert len(found(animals.as_retriever(search_type=search_type, k=6, score_threshold=0))) == 6


def test_scores_are_returned_in_a_copy_of_the_metadata(animals: FieldVectorStore) -> None:
    first, *_ = animals.as_retriever(search_type="field", return_scores=True).invoke(FOX)
    assert first.metadata["book"] == "a"
    assert first.metadata["_score"] == pytest.approx(1.0, abs=0.5)
    assert 0.0 < first.metadata["_share"] <= 1.0
    assert first.metadata["_members"] == ["fox2", "fox3", "fox4"]
    assert animals.get_by_ids(["fox1"])[0].metadata == {"book": "a"}


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "field"])
def test_a_filter_reaches_every_search_type(animals: FieldVectorStore, search_type: str) -> None:
    retriever = animals.as_retriever(search_type=search_type, filter={"book": "c"})
    assert sorted(found(retriever)) == ["door", "tree"]
    assert sorted(found(retriever, filter={"book": "b"})) == ["fox3", "fox4"]


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "field"])
async def test_the_async_form_returns_the_same(animals: FieldVectorStore, search_type: str) -> None:
    retriever = animals.as_retriever(search_type=search_type, k=5)
    assert await retriever.ainvoke(FOX) == retriever.invoke(FOX)
    assert await retriever.ainvoke(FOX, k=1) == retriever.invoke(FOX, k=1)


@pytest.mark.parametrize("search_type", ["similarity", "mmr", "field"])
def test_a_retriever_made_before_sees_what_is_forgotten_after(animals: FieldVectorStore, search_type: str) -> None:
    retriever = animals.as_retriever(search_type=search_type, k=6)
    assert "fox1" in found(retriever)
    animals.forget(["fox1"])
    assert len(found(retriever)) == 5
    assert "fox1" not in found(retriever)
    animals.restore(["fox1"])
    assert "fox1" in found(retriever)


def test_an_unknown_field_of_the_retriever_is_refused_by_name(animals: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="top_k"):
        animals.as_retriever(top_k=1)
    with pytest.raises(ValueError, match="colour"):
        animals.as_retriever(search_type="colour")
    with pytest.raises(ValueError, match="score_threshold"):
        animals.as_retriever(search_type="similarity_score_threshold")


@pytest.mark.parametrize(
    ("search_type", "options", "named"),
    [
        ("similarity", {"search_kwargs": {"fetch_k": 9}}, "fetch_k"),
        ("similarity", {"per": "book"}, "per"),
        ("similarity", {"fill": False}, "fill"),
        ("mmr", {"search_kwargs": {"fill": False}}, "fill"),
        ("mmr", {"score_threshold": 0.5}, "score_threshold"),
        ("mmr", {"return_scores": True}, "return_scores"),
        ("field", {"search_kwargs": {"lambda_mult": 0.5}}, "lambda_mult"),
    ],
)
async def test_an_option_the_search_type_cannot_honour_is_refused_by_name(
    animals: FieldVectorStore, search_type: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"has no option {named}"):
        animals.as_retriever(search_type=search_type, **options)
    retriever = animals.as_retriever(search_type=search_type)
    with pytest.raises(ValueError, match=f"has no option {named}"):
        retriever.invoke(FOX, **options.get("search_kwargs", options))
    with pytest.raises(ValueError, match="has no option colour"):
        await retriever.ainvoke(FOX, colour="red")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0; it is a whole number"),
        ({"k": 2.0}, "k is 2.0; it is a whole number"),
        ({"k": True}, "k is True; it is a whole number"),
        ({"score_threshold": 7.0}, "score_threshold is 7.0; it is a number from 0 to 1"),
        ({"score_threshold": -0.5}, "score_threshold is -0.5; it is a number from 0 to 1"),
        ({"score_threshold": "0.5"}, "score_threshold is '0.5'; it is a number from 0 to 1"),
        ({"score_threshold": float("nan")}, "score_threshold is nan; it is a number from 0 to 1"),
    ],
)
async def test_an_option_out_of_its_range_is_refused_wherever_it_is_given(
    animals: FieldVectorStore, options: dict[str, Any], message: str
) -> None:
    for search_type in ("similarity", "field"):
        with pytest.raises(ValueError, match=message):
            animals.as_retriever(search_type=search_type, search_kwargs=options)
        with pytest.raises(ValueError, match=message):
            animals.as_retriever(search_type=search_type).invoke(FOX, **options)
        with pytest.raises(ValueError, match=message):
            await animals.as_retriever(search_type=search_type).ainvoke(FOX, **options)


def test_a_field_of_the_retriever_out_of_its_range_is_refused_when_it_is_made(animals: FieldVectorStore) -> None:
    for options in ({"k": 0}, {"score_threshold": 7.0}, {"search_type": "mmr", "k": -1}):
        with pytest.raises(ValueError, match="it is a"):
            animals.as_retriever(**options)


def test_a_search_type_assigned_later_is_checked_when_used(animals: FieldVectorStore) -> None:
    retriever = animals.as_retriever()
    retriever.search_type = "colour"
    with pytest.raises(ValueError, match="search_type is 'colour'"):
        retriever.invoke(FOX)


def test_the_verbose_flag_of_langchain_is_not_taken_for_an_option(animals: FieldVectorStore) -> None:
    assert len(found(animals.as_retriever(), verbose=False)) == 4
