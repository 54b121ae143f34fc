"""Filters, by dict and by function: applied before anything is ranked."""

from typing import Any

import pytest
from langchain_core.documents import Document

from integrations.langchain.tests.unit_tests.samples import FISH, FOX, ids_of
from langchain_fieldstore import FieldVectorStore


@pytest.mark.parametrize("way", ["similarity", "mmr", "field", "similarity_score_threshold"])
async def test_a_filter_is_applied_before_the_ranking(three: FieldVectorStore, way: str) -> None:
    three.add_texts([f"{FOX} {n}" for n in range(150)], [{"n": 100 + n} for n in range(150)])
    assert ids_of(three.search(FOX, way, k=1, filter={"n": 3})) == ["3"]  # of all the farthest from the query
    assert ids_of(await three.asearch(FOX, way, k=1, filter={"n": 3})) == ["3"]


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        ({}, ["1", "2", "3"]),
        ({"n": {"$gte": 2}}, ["2", "3"]),
        ({"$or": [{"n": 1}, {"alive": {"$exists": False}}]}, ["1", "3"]),
        ({"$not": {"n": {"$in": [1, 2]}}}, ["3"]),
        ({"n": {"$between": [1, 2]}, "alive": True}, ["1", "2"]),
    ],
)
def test_a_dict_filter_is_the_where_of_the_store(
    three: FieldVectorStore, filter: dict[str, Any], ids: list[str]
) -> None:
    assert sorted(ids_of(three.similarity_search(FOX, filter=filter))) == ids


def test_an_unknown_operator_is_refused_by_name(three: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match=r"\$near"):
        three.similarity_search(FOX, filter={"n": {"$near": 1}})


@pytest.mark.parametrize("filter", ["n == 1", ["n"], 3])
def test_a_filter_that_is_neither_a_dict_nor_a_function_is_refused(three: FieldVectorStore, filter: Any) -> None:
    for call in (three.similarity_search, three.max_marginal_relevance_search, three.field_search):
        with pytest.raises(TypeError, match="filter is a"):
            call(FOX, filter=filter)
    for verb in (three.delete, three.forget, three.restore, three.erase):
        with pytest.raises(TypeError, match="filter is a"):
            verb(filter=filter)
    assert three.store.count() == 3


# -- by a function


def alive(document: Document) -> bool:
    return bool(document.metadata.get("alive"))


@pytest.mark.parametrize("way", ["similarity", "mmr", "field", "similarity_score_threshold"])
async def test_a_function_is_asked_before_the_ranking_too(three: FieldVectorStore, way: str) -> None:
    three.add_texts([f"{FOX} {n}" for n in range(150)], [{"n": 100 + n} for n in range(150)])

    def last(document: Document) -> bool:
        return document.id == "3" and "door" in document.page_content and document.metadata == {"n": 3}

    assert ids_of(three.search(FOX, way, k=1, filter=last)) == ["3"]
    assert ids_of(await three.asearch(FOX, way, k=1, filter=last)) == ["3"]
    assert three.search(FOX, way, filter=lambda document: False) == []
    retriever = three.as_retriever(search_type="field" if way == "field" else "similarity", k=1, filter=last)
    assert ids_of(retriever.invoke(FOX)) == ids_of(await retriever.ainvoke(FOX)) == ["3"]


def test_a_function_finds_with_scores_what_the_dict_that_says_the_same_does(three: FieldVectorStore) -> None:
    for search in (
        three.similarity_search_with_score,
        three.similarity_search_with_relevance_scores,
        three.max_marginal_relevance_search_with_score,
        three.field_search_with_score,
    ):
        assert search(FOX, filter=alive) == search(FOX, filter={"alive": True}) != []


def test_a_function_is_never_asked_about_what_is_forgotten(three: FieldVectorStore) -> None:
    asked: list[str] = []
    three.forget(["2"])
    three.similarity_search(FOX, filter=lambda document: bool(asked.append(str(document.id))))
    assert sorted(asked) == ["1", "3"]


def test_what_a_function_does_to_its_document_does_not_reach_the_store(three: FieldVectorStore) -> None:
    def rude(document: Document) -> bool:
        document.metadata["n"] = document.page_content = "changed"
        return True

    assert three.similarity_search(FOX, k=1, filter=rude)[0].metadata == {"n": 1, "alive": True}


def test_an_error_in_a_function_is_the_callers_and_changes_nothing(three: FieldVectorStore) -> None:
    with pytest.raises(ZeroDivisionError):
        three.forget(filter=lambda document: bool(1 / 0))
    assert three.store.count() == 3


def test_a_function_tells_what_to_forget_restore_and_erase(three: FieldVectorStore) -> None:
    assert sorted(three.forget_where(alive, reason="asked to").ids) == ["1", "2"]
    assert three.history("1")[-1].reason == "asked to"
    assert three.restore(filter=lambda document: document.page_content == FISH).ids == ("2",)
    assert len(three.erase(filter=alive).entries) == 2  # the fox, forgotten, and the fish, live
    assert three.store.ids() == ["3"]
    assert three.store.ids(forgotten=True) == []


@pytest.mark.parametrize("erase", [False, True])
def test_delete_takes_a_function_as_well(three: FieldVectorStore, erase: bool) -> None:
    three.forget(["2"])
    assert three.delete(filter=alive, erase=erase) is True
    assert three.store.ids() == ["3"]
    assert three.store.ids(forgotten=True) == ([] if erase else ["1", "2"])
    assert three.delete(filter=lambda document: False, erase=erase) is True


def test_ids_and_a_filter_are_not_both_taken(three: FieldVectorStore) -> None:
    for verb in (three.forget, three.restore, three.erase):
        for filter in (alive, {"alive": True}):
            with pytest.raises(ValueError, match="not both"):
                verb(["1"], filter=filter)
    assert three.store.count() == 3


async def test_an_async_function_is_refused_for_what_it_returns_is_always_true(three: FieldVectorStore) -> None:
    async def none(document: Document) -> bool:
        return False

    for ask in (lambda: three.similarity_search(FOX, filter=none), lambda: three.delete(filter=none)):
        with pytest.raises(TypeError, match="async function"):
            ask()
    assert three.store.count() == 3


@pytest.mark.parametrize("verb", ["forget", "restore", "erase", "forget_where"])
@pytest.mark.parametrize("filter", [None, {}])
def test_no_filter_is_not_taken_for_all_and_the_error_says_filter(
    three: FieldVectorStore, verb: str, filter: Any
) -> None:
    with pytest.raises(ValueError, match="a filter that is not empty"):
        getattr(three, verb)(filter=filter)
    assert three.store.count() == 3
