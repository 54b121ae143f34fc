"""Structured queries: every comparator and operator means what it says, and SelfQueryRetriever works with them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers import SelfQueryRetriever
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.structured_query import Comparator, Comparison, Operation, Operator, StructuredQuery

from integrations.langchain.tests.unit_tests.samples import ids_of
from langchain_fieldstore import FieldTranslator, FieldVectorStore

FILMS = {
    "alien": {"year": 1979, "by": "Ridley Scott", "genres": ["horror", "space"], "seen": "2020-05-01", "at": {"n": 1}},
    "brazil": {"year": 1985, "by": "Terry Gilliam", "genres": ["satire"], "seen": "2021-01-31", "at": {"n": 2}},
    "heat": {"year": 1995, "by": "Michael Mann", "genres": [], "note": "100% rain_coat"},
}


@pytest.fixture
def films(embedding: Embeddings) -> Iterator[FieldVectorStore]:
    with FieldVectorStore(embedding) as vector_store:
        vector_store.add_texts([f"a film called {name}" for name in FILMS], list(FILMS.values()), ids=list(FILMS))
        yield vector_store
        assert vector_store.store.verify() == []


def of(attribute: str, comparator: str, value: Any) -> Comparison:
    return Comparison(Comparator(comparator), attribute, value)


def either(operator: str, *arguments: Any) -> Operation:
    return Operation(Operator(operator), list(arguments))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (of("year", "eq", 1985), "brazil"),
        (of("year", "ne", 1985), "alien heat"),
        (of("year", "gt", 1985), "heat"),
        (of("year", "gte", 1985), "brazil heat"),
        (of("year", "lt", 1985), "alien"),
        (of("year", "lte", 1985), "alien brazil"),
        (of("year", "in", [1979, 1995]), "alien heat"),
        (of("year", "nin", [1979, 1995]), "brazil"),
        (of("genres", "contain", "space"), "alien"),
        (of("by", "contain", "gilliam"), "brazil"),
        (of("note", "contain", "100%"), "heat"),
        (of("note", "contain", "1%n"), ""),
        (of("genres", "contain", 3), ""),
        (of("by", "like", "mann"), "heat"),
        (of("by", "like", "%scott"), "alien"),
        (of("by", "like", "scott%"), ""),
        (of("seen", "gte", {"date": "2021-01-01", "type": "date"}), "brazil"),
        (of("seen", "in", [{"date": "2020-05-01", "type": "date"}]), "alien"),
        (of("seen", "lt", {"datetime": "2020-05-01T10:00:00", "type": "datetime"}), "alien"),
        (of("at.n", "eq", 2), "brazil"),
        (either("and", of("year", "gt", 1980), of("genres", "contain", "satire")), "brazil"),
        (either("or", of("year", "lt", 1980), of("year", "gt", 1990)), "alien heat"),
        (either("not", of("year", "eq", 1985)), "alien heat"),
        (either("not", either("or", of("year", "eq", 1985), of("at.n", "eq", 1))), "heat"),
    ],
    ids=str,
)
async def test_a_condition_finds_exactly_what_it_says(films: FieldVectorStore, condition: Any, found: str) -> None:
    query, options = FieldTranslator().visit_structured_query(StructuredQuery("film", condition))
    assert query == "film"
    for search_type in ("similarity", "mmr"):
        assert sorted(ids_of(films.search(query, search_type, **options))) == found.split()
        assert sorted(ids_of(await films.asearch(query, search_type, **options))) == found.split()


def test_a_query_without_a_condition_asks_for_none() -> None:
    assert FieldTranslator().visit_structured_query(StructuredQuery("film", None)) == ("film", {})


def test_not_of_two_conditions_is_refused() -> None:
    with pytest.raises(ValueError, match="'not' takes one condition"):
        either("not", of("year", "eq", 1), of("year", "eq", 2)).accept(FieldTranslator())


@pytest.mark.parametrize("search_type", ["similarity", "field"])
async def test_a_self_query_retriever_works_with_it(films: FieldVectorStore, search_type: str) -> None:
    condition = 'and(gt("year", 1970), or(contain("genres", "space"), eq("by", "Michael Mann")))'
    answer = f"```json\n{json.dumps({'query': 'film', 'filter': condition, 'limit': 1})}\n```"
    attributes = [AttributeInfo(name=name, description=name, type="string") for name in ("year", "genres", "by")]
    retriever = SelfQueryRetriever.from_llm(
        FakeListChatModel(responses=[answer]),
        films,
        "films",
        attributes,
        structured_query_translator=FieldTranslator(),
        enable_limit=True,
        search_type=search_type,
    )
    [document] = retriever.invoke("a film from space or by Mann, after 1970")
    assert document.id in ("alien", "heat")
    assert await retriever.ainvoke("the same") == [document]
    films.forget([str(document.id)])
    assert {*ids_of(retriever.invoke("the same")), document.id} == {"alien", "heat"}
