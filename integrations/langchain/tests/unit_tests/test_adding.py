"""Input of every shape goes in whole, or not at all; what is there is replaced on request only."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.documents import Document

from fieldstore import UnknownRecord
from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, ids_of
from langchain_fieldstore import FieldVectorStore

# -- adding


def test_a_generator_of_texts_is_stored_whole(empty: FieldVectorStore) -> None:
    assert len(empty.add_texts(text for text in (FOX, FISH))) == 2
    assert empty.store.count() == 2


async def test_a_generator_of_texts_is_stored_whole_by_the_async_form(empty: FieldVectorStore) -> None:
    ids = await empty.aadd_texts((text for text in (FOX, FISH)), ({"n": n} for n in (1, 2)), ids=(i for i in "ab"))
    assert ids == ["a", "b"]
    assert [document.metadata for document in await empty.aget_by_ids(ids)] == [{"n": 1}, {"n": 2}]


def test_a_generator_of_documents_is_stored_whole(empty: FieldVectorStore) -> None:
    ids = empty.add_documents(Document(page_content=text) for text in (FOX, FISH))
    assert [document.page_content for document in empty.get_by_ids(ids)] == [FOX, FISH]


def test_a_text_without_an_id_gets_a_new_one_beside_those_that_have_theirs(empty: FieldVectorStore) -> None:
    first, second, third = empty.add_texts([FOX, FISH, DOOR], ids=["mine", None, None])
    assert first == "mine"
    assert len({first, second, third}) == 3
    assert ids_of(empty.get_by_ids([third, first])) == [third, first]


def test_given_ids_beat_those_of_the_documents(empty: FieldVectorStore) -> None:
    assert empty.add_documents([Document(id="own", page_content=FOX)], ids=["given"]) == ["given"]


@pytest.mark.parametrize("columns", [{"ids": ["1"]}, {"metadatas": [{}]}, {"ids": []}, {"metadatas": [{}] * 3}])
async def test_columns_of_another_length_are_refused_and_nothing_is_added(
    empty: FieldVectorStore, columns: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="got 2 texts but"):
        empty.add_texts([FOX, FISH], **columns)
    with pytest.raises(ValueError, match="got 2 texts but"):
        await empty.aadd_texts([FOX, FISH], **columns)
    assert empty.store.count() == 0


def test_one_string_is_not_taken_for_a_list_of_letters(empty: FieldVectorStore) -> None:
    with pytest.raises(TypeError, match="lists of strings"):
        empty.add_texts(FOX)
    with pytest.raises(TypeError, match="lists of strings"):
        empty.add_texts([FOX, FISH], ids="12")
    assert empty.store.count() == 0


async def test_an_empty_batch_is_stored_without_calling_the_embedder(empty: FieldVectorStore, embedding: Any) -> None:
    assert empty.add_texts([]) == empty.add_documents([]) == await empty.aadd_documents([]) == []
    assert embedding.calls == []


def test_an_id_twice_in_a_batch_is_refused_and_nothing_is_added(empty: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="same"):
        empty.add_texts([FOX, FISH], ids=["same", "same"])
    assert empty.store.count() == 0


@pytest.mark.parametrize(
    ("documents", "told"),
    [(["fox"], "holds a str"), ([{"page_content": "fox"}], "holds a dict"), (1, "not one document")],
)
async def test_what_is_no_document_is_refused_by_its_type(empty: FieldVectorStore, documents: Any, told: str) -> None:
    given = Document(page_content=FOX) if documents == 1 else documents
    with pytest.raises(TypeError, match=told):
        empty.add_documents(given)
    with pytest.raises(TypeError, match=told):
        await empty.aadd_documents(given)
    assert empty.store.count() == 0


def test_metadata_that_is_no_dict_is_refused_by_its_type(empty: FieldVectorStore) -> None:
    wrong: Any = {"n": 1}  # one for all, where each text has its own
    with pytest.raises(TypeError, match="metadatas holds a str, not a dict"):
        empty.add_texts([FOX], wrong)
    assert empty.store.count() == 0


def test_an_id_stored_again_is_replaced(three: FieldVectorStore) -> None:
    three.add_texts([DOOR], [{"n": 9}], ids=["1"])
    assert three.get_by_ids(["1"]) == [Document(id="1", page_content=DOOR, metadata={"n": 9})]
    assert three.store.count() == 3


def test_a_forgotten_id_stored_again_is_live_again(three: FieldVectorStore) -> None:
    three.forget(["1"])
    three.add_texts([FOX], ids=["1"])
    assert ids_of(three.similarity_search(FOX, k=1)) == ["1"]


def test_metadata_is_copied_on_the_way_in_and_on_the_way_out(empty: FieldVectorStore) -> None:
    document = Document(id="1", page_content=FOX, metadata={"tags": ["a"], "where": {"page": 3, "box": None}})
    before = document.model_copy(deep=True)
    empty.add_documents([document])
    assert document == before
    document.metadata["tags"].append("b")
    for answer in (empty.get_by_ids(["1"]), empty.similarity_search(FOX), empty.field_search(FOX)):
        assert answer == [before]
        answer[0].metadata["where"]["page"] = 4
    assert empty.get_by_ids(["1"])[0].metadata["where"]["page"] == 3


def test_the_batch_size_that_indexing_passes_is_accepted(empty: FieldVectorStore) -> None:
    assert empty.add_documents([Document(page_content=FOX)], ids=["1"], batch_size=100) == ["1"]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.add_texts([FOX], colour="red"),
        lambda store: store.add_documents([Document(page_content=FOX)], colour="red"),
        lambda store: store.delete(["1"], colour="red"),
        lambda store: store.similarity_search(FOX, colour="red"),
        lambda store: store.similarity_search_with_score(FOX, colour="red"),
        lambda store: store.similarity_search_with_relevance_scores(FOX, colour="red"),
        lambda store: store.max_marginal_relevance_search(FOX, colour="red"),
        lambda store: store.search(FOX, "field", colour="red"),
        lambda store: FieldVectorStore.from_texts([FOX], store.embeddings, colour="red"),
    ],
)
def test_an_unknown_argument_is_refused_by_name(three: FieldVectorStore, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="colour"):
        call(three)
    assert three.store.count() == 3


async def test_a_lone_surrogate_is_refused_before_anything_is_embedded(three: FieldVectorStore, embedding: Any) -> None:
    embedding.calls.clear()
    with pytest.raises(ValueError, match="the text of 'x' holds a lone surrogate at 4;"):
        three.add_texts([FOX, "red \ud800"], ids=["w", "x"])
    with pytest.raises(ValueError, match="lone surrogate at 0"):
        await three.aupdate_documents(["1"], [Document(page_content="\udfff")])
    for search_type in ("similarity", "mmr", "field"):
        with pytest.raises(ValueError, match="the query holds a lone surrogate at 4"):
            three.search("fox \ud800", search_type)
        with pytest.raises(ValueError, match="the query holds a lone surrogate at 4"):
            await three.asearch("fox \ud800", search_type)
        retriever = three.as_retriever(search_type=search_type)
        with pytest.raises(ValueError, match="the query holds a lone surrogate at 4"):
            retriever.invoke("fox \ud800")
        with pytest.raises(ValueError, match="the query holds a lone surrogate at 4"):
            await retriever.ainvoke("fox \ud800")
    with pytest.raises(TypeError, match="must be a string, not int"):
        three.add_texts([7])  # type: ignore[list-item]
    assert embedding.calls == []
    assert three.store.count() == 3


# -- updating


async def test_updating_replaces_text_metadata_and_place(three: FieldVectorStore) -> None:
    assert three.update_document("3", Document(page_content="the red fox sleeps", metadata={"n": 4})) == "3"
    assert ids_of(three.similarity_search("fox sleeps", k=1)) == ["3"]
    assert await three.aupdate_documents(["3"], [Document(page_content=DOOR, metadata={"n": 5})]) == ["3"]
    assert three.get_by_ids(["3"]) == [Document(id="3", page_content=DOOR, metadata={"n": 5})]


@pytest.mark.parametrize("id", ["forgotten", "never there"])
async def test_updating_what_is_not_live_is_refused_and_revives_nothing(three: FieldVectorStore, id: str) -> None:
    three.add_texts([FOX], ids=["forgotten"])
    three.forget(["forgotten"])
    with pytest.raises(UnknownRecord, match=id):
        three.update_documents(["1", id], [Document(page_content=DOOR)] * 2)
    with pytest.raises(UnknownRecord, match=id):
        await three.aupdate_documents(["1", id], [Document(page_content=DOOR)] * 2)
    assert three.get_by_ids(["1", id]) == [Document(id="1", page_content=FOX, metadata={"n": 1, "alive": True})]


async def test_what_is_forgotten_while_its_update_is_embedded_stays_forgotten(
    three: FieldVectorStore, embedding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(type(embedding)):  # type: ignore[misc]
        def embed_documents(self, texts: list[str]) -> Any:
            three.forget(["1"])
            return super().embed_documents(texts)

        async def aembed_documents(self, texts: list[str]) -> Any:
            return self.embed_documents(texts)

    monkeypatch.setattr(three, "embedding", Forgetful())
    with pytest.raises(UnknownRecord, match="'1'"):
        three.update_documents(["2", "1"], [Document(page_content=DOOR)] * 2)
    three.restore(["1"])
    with pytest.raises(UnknownRecord, match="'1'"):
        await three.aupdate_document("1", Document(page_content=DOOR))
    assert three.store.ids() == ["2", "3"]
    assert three.get_by_ids(["2"])[0].page_content == FISH


async def test_a_generator_of_ids_is_updated_whole(three: FieldVectorStore) -> None:
    documents = [Document(page_content=DOOR), Document(page_content=FOX)]
    assert three.update_documents((id for id in "12"), documents) == ["1", "2"]
    assert await three.aupdate_documents((id for id in "21"), iter(documents)) == ["2", "1"]
    assert [document.page_content for document in three.get_by_ids(["1", "2"])] == [FOX, DOOR]
    assert three.update_documents([], []) == []


async def test_one_document_is_updated_by_the_async_form_too(three: FieldVectorStore, embedding: Any) -> None:
    embedding.calls.clear()
    assert await three.aupdate_document("3", Document(page_content=FISH)) == "3"
    assert embedding.calls == [("async", 1)]
    assert three.get_by_ids(["3"])[0].page_content == FISH
