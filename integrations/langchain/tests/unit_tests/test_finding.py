"""Scores, order, the field, diversity."""

from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from integrations.langchain.tests.unit_tests.samples import FISH, FOX, ids_of, unit
from langchain_fieldstore import FieldVectorStore
from langchain_fieldstore.diversity import most_diverse
from langchain_fieldstore.documents import relevance

# -- scores


def test_scores_are_cosines_and_the_highest_comes_first(three: FieldVectorStore) -> None:
    query = unit(three.embedding.embed_query(FISH))
    found = three.similarity_search_with_score(FISH, k=3)
    expected = [float(query @ unit(three.embedding.embed_query(document.page_content))) for document, _ in found]
    assert [score for _, score in found] == pytest.approx(expected, abs=1e-6)
    assert expected == sorted(expected, reverse=True)
    assert found == three.similarity_search_with_score_by_vector(three.embedding.embed_query(FISH), k=3)


def test_a_similarity_search_returns_k_documents_even_among_copies(empty: FieldVectorStore) -> None:
    empty.add_texts([FOX] * 5)
    assert [len(empty.similarity_search(FOX, k=k)) for k in (1, 3, 5, 9)] == [1, 3, 5, 5]


def test_relevance_stays_between_0_and_1_from_the_opposite_to_the_same(three: FieldVectorStore) -> None:
    assert (relevance(-1.0000001), relevance(-1.0), relevance(0.0), relevance(1.0000001)) == (0.0, 0.0, 0.5, 1.0)
    [(_, opposite)] = three.similarity_search_with_score_by_vector(
        [-x for x in three.embedding.embed_query(FOX)], filter={"n": 1}
    )
    assert relevance(opposite) == pytest.approx(0.0, abs=1e-6)
    values = [value for _, value in three.similarity_search_with_relevance_scores(FOX, k=3)]
    assert values[0] == pytest.approx(1.0, abs=1e-6)
    assert all(0.0 <= value <= 1.0 for value in values)


def test_a_score_threshold_keeps_what_is_at_least_as_relevant(three: FieldVectorStore) -> None:
    kept = three.similarity_search_with_relevance_scores(FOX, k=3, score_threshold=0.99)
    assert ids_of([document for document, _ in kept]) == ["1"]


# -- the field


def test_a_field_search_names_each_distinct_thing_once(three: FieldVectorStore) -> None:
    three.add_texts([FOX + " fast", FOX + " far"], ids=["1b", "1c"])
    found = ids_of(three.field_search(FOX, k=5))
    assert found == ids_of(three.search(FOX, "field", k=5))
    assert (found[0], sorted(found[1:])) == ("1", ["2", "3"])


def test_a_field_search_per_key_names_no_value_twice(empty: FieldVectorStore) -> None:
    texts = ["red fox", "blue door", "green tree", "old fox"]
    empty.add_texts(texts, [{"book": "a"}, {"book": "a"}, {"book": "b"}, {"book": "b"}])
    found = empty.field_search("fox", k=4, per="book")
    assert sorted(document.metadata["book"] for document in found) == ["a", "b"]


async def test_per_reaches_nested_metadata_by_a_dotted_path(empty: FieldVectorStore) -> None:
    texts = ["red fox", "blue door", "green tree", "old fox"]
    empty.add_texts(texts, [{"source": {"name": name}} for name in "aabb"])
    found = empty.field_search("fox", k=4, per="source.name")
    assert sorted(document.metadata["source"]["name"] for document in found) == ["a", "b"]
    assert await empty.afield_search("fox", k=4, per="source.name") == found


# -- diversity


@pytest.fixture
def crowd(empty: FieldVectorStore) -> FieldVectorStore:
    """Thirty documents, many of them close to one another."""
    rng = np.random.default_rng(7)
    empty.add_texts(
        [" ".join(rng.choice(list("abcdefgh"), size=4)) for _ in range(30)], ids=[str(n) for n in range(30)]
    )
    return empty


def slow_mmr(vector_store: FieldVectorStore, query: str, k: int, fetch_k: int, lambda_mult: float) -> list[str]:
    """The definition, word for word, in float64."""
    place = unit(vector_store.embedding.embed_query(query))
    left = vector_store.similarity_search(query, k=fetch_k)
    at: dict[str | None, Any] = {
        document.id: unit(vector_store.embedding.embed_query(document.page_content)) for document in left
    }
    chosen: list[str] = []
    while left and len(chosen) < k:

        def gain(document: Document) -> float:
            redundancy = max((float(at[document.id] @ at[other]) for other in chosen), default=0.0)
            return float(lambda_mult * (place @ at[document.id]) - (1 - lambda_mult) * redundancy)

        best = max(left, key=gain) if chosen else left[0]
        left.remove(best)
        chosen.append(str(best.id))
    return chosen


@pytest.mark.parametrize("lambda_mult", [0.0, 0.3, 0.5, 0.9, 1.0])
async def test_mmr_returns_the_order_of_choice(crowd: FieldVectorStore, lambda_mult: float) -> None:
    found = crowd.max_marginal_relevance_search("a b c", k=6, fetch_k=20, lambda_mult=lambda_mult)
    assert ids_of(found) == slow_mmr(crowd, "a b c", 6, 20, lambda_mult)
    assert found == await crowd.amax_marginal_relevance_search("a b c", k=6, fetch_k=20, lambda_mult=lambda_mult)


def test_mmr_prefers_the_opposite_to_what_is_merely_unrelated() -> None:
    across = [np.array(place, np.float32) for place in ((1, 0), (0, 1), (-1, 0))]
    assert most_diverse([0.9, 0.5, 0.1], across, k=2, lambda_mult=0.0) == [0, 2]


def test_mmr_by_nearness_alone_is_the_similarity_search(crowd: FieldVectorStore) -> None:
    assert crowd.max_marginal_relevance_search("a b", k=5, lambda_mult=1.0) == crowd.similarity_search("a b", k=5)


def test_mmr_by_unlikeness_alone_keeps_copies_out(three: FieldVectorStore) -> None:
    three.add_texts([FOX] * 3)
    assert ids_of(three.max_marginal_relevance_search(FOX, k=2, lambda_mult=0.0)) == ["1", "3"]


def test_mmr_returns_k_even_when_told_to_fetch_fewer(crowd: FieldVectorStore) -> None:
    assert len(crowd.max_marginal_relevance_search("a", k=25)) == 25
    assert len(crowd.max_marginal_relevance_search("a", k=5, fetch_k=2)) == 5


@pytest.mark.parametrize("wrong", [{"lambda_mult": 1.1}, {"lambda_mult": -0.1}, {"k": 0}])
def test_mmr_refuses_what_it_cannot_honour(crowd: FieldVectorStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        crowd.max_marginal_relevance_search("a", **wrong)


async def test_a_search_type_there_is_not_is_refused_by_naming_those_there_are(three: FieldVectorStore) -> None:
    for search in (three.search, three.similarity_search):
        with pytest.raises(ValueError, match="similarity, similarity_score_threshold, mmr, field, hybrid"):
            search(FOX, search_type="nearest")
    with pytest.raises(ValueError, match="similarity, similarity_score_threshold, mmr, field, hybrid"):
        await three.asearch(FOX, "nearest")
