"""What LangChain's suites do not ask: input of every shape, deletion, scores, order, filters, threads."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, index

from fieldstore import ErasePending, FieldStore, UnknownRecord, verify_certificate
from langchain_fieldstore import FieldRetriever, FieldVectorStore
from langchain_fieldstore.diversity import most_diverse
from langchain_fieldstore.documents import relevance

FOX, FISH, DOOR = "the red fox runs", "the red fish swims", "a blue door opens"


@pytest.fixture
def three(empty: FieldVectorStore) -> FieldVectorStore:
    """A fox, a fish and a door."""
    empty.add_texts([FOX, FISH, DOOR], [{"n": 1, "alive": True}, {"n": 2, "alive": True}, {"n": 3}], ids=list("123"))
    return empty


def ids_of(documents: list[Document]) -> list[str]:
    return [str(document.id) for document in documents]


def unit(vector: list[float]) -> Any:
    return np.array(vector) / np.linalg.norm(vector)


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


# -- deleting


def test_delete_takes_ids_or_a_filter_or_everything(three: FieldVectorStore) -> None:
    assert three.delete(["1"]) is True
    assert three.store.ids() == ["2", "3"]
    assert three.delete(filter={"alive": True}) is True
    assert three.store.ids() == ["3"]
    assert three.delete(delete_all=True) is True
    assert three.store.ids() == []
    assert three.similarity_search(FOX) == []


async def test_deleting_nothing_or_what_is_not_there_is_true_and_writes_nothing(three: FieldVectorStore) -> None:
    before = len(list(three.store.entries()))
    assert three.delete([]) is True
    assert three.delete(["never there"]) is True
    assert await three.adelete(filter={"n": 99}) is True
    assert len(list(three.store.entries())) == before


@pytest.mark.parametrize("erase", [False, True])
def test_an_empty_store_has_nothing_to_delete(empty: FieldVectorStore, erase: bool) -> None:
    assert empty.delete(["1"], erase=erase) is True
    assert empty.delete([], erase=erase) is True
    assert empty.delete(delete_all=True, erase=erase) is True


@pytest.mark.parametrize(
    "criteria", [{}, {"filter": {}}, {"ids": ["1"], "filter": {"n": 1}}, {"ids": [], "delete_all": True}]
)
def test_delete_wants_exactly_one_criterion(three: FieldVectorStore, criteria: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        three.delete(**criteria)
    assert three.store.count() == 3


def test_what_delete_took_out_can_be_restored(three: FieldVectorStore) -> None:
    before = three.similarity_search_with_score(FOX, k=3)
    three.delete(["1"], reason="wrong source", actor="ann")
    assert three.history("1")[-1].reason == "wrong source"
    assert three.restore(["1"]).ids == ("1",)
    assert three.similarity_search_with_score(FOX, k=3) == before


def test_what_delete_erased_cannot_be_restored(three: FieldVectorStore) -> None:
    three.delete(["1"], erase=True)
    assert three.restore(["1"]).unknown == ("1",)
    assert three.get_by_ids(["1"]) == []


def test_on_delete_decides_what_delete_means_and_the_call_overrides_it(empty: FieldVectorStore) -> None:
    eraser = FieldVectorStore(empty.embedding, store=empty.store, on_delete="erase")
    eraser.add_texts([FOX, FISH], ids=["1", "2"])
    eraser.delete(["1"], erase=False)
    eraser.delete(["2"])
    assert eraser.store.ids(forgotten=True) == ["1"]
    eraser.delete(delete_all=True)
    assert eraser.store.ids(forgotten=True) == []


def test_erasing_leaves_no_byte_of_the_text(tmp_path: Path, embedding: Embeddings) -> None:
    with FieldVectorStore(embedding, tmp_path / "notes") as vector_store:
        vector_store.add_texts(["my secret is xylophone", DOOR], [{"owner": "zebedee"}, {}], ids=["s1", "d1"])
        certificate = vector_store.erase(filter={"owner": "zebedee"}, reason="asked to")
        assert verify_certificate(certificate) == []
        assert vector_store.store.verify() == []
    files = [file for file in (tmp_path / "notes").rglob("*") if file.is_file()]
    assert any(b"blue door" in file.read_bytes() for file in files)
    assert not any(word in file.read_bytes() for file in files for word in (b"xylophone", b"zebedee"))


def test_an_erase_held_up_by_a_reader_is_not_taken_for_done_when_asked_for_again(
    tmp_path: Path, embedding: Embeddings
) -> None:
    with FieldStore(tmp_path / "notes", timeout=0.0) as store:
        vector_store = FieldVectorStore(embedding, store=store, on_delete="erase")
        vector_store.add_texts([FOX, DOOR], ids=["1", "2"])
        reader = apsw.Connection(str(tmp_path / "notes" / "store.db"))
        reader.execute("BEGIN; SELECT count(*) FROM sqlite_master").fetchall()
        for _ in range(2):
            with pytest.raises(ErasePending):
                vector_store.delete(["1"])
            assert vector_store.get_by_ids(["1"]) == []
        reader.close()
        assert vector_store.delete(["1"]) is True
        assert len(store.certificates()) == 1
        assert store.verify() == []


WAYS_TO_FIND: dict[str, Callable[[FieldVectorStore], list[Document]]] = {
    "similarity_search": lambda store: store.similarity_search(FOX, k=9),
    "by_vector": lambda store: store.similarity_search_by_vector(store.embedding.embed_query(FOX), k=9),
    "with_score": lambda store: [document for document, _ in store.similarity_search_with_score(FOX, k=9)],
    "relevance": lambda store: [document for document, _ in store.similarity_search_with_relevance_scores(FOX, k=9)],
    "filter": lambda store: store.similarity_search(FOX, k=9, filter={"n": {"$exists": True}}),
    "mmr": lambda store: store.max_marginal_relevance_search(FOX, k=9),
    "field": lambda store: store.field_search(FOX, k=9),
    "get_by_ids": lambda store: store.get_by_ids(["1", "2", "3"]),
    "field retriever": lambda store: store.as_retriever(search_type="field", k=9).invoke(FOX),
}


@pytest.mark.parametrize("way", WAYS_TO_FIND)
def test_a_forgotten_document_is_found_in_no_way_until_it_is_restored(three: FieldVectorStore, way: str) -> None:
    find = WAYS_TO_FIND[way]
    assert sorted(ids_of(find(three))) == ["1", "2", "3"]
    assert three.forget(["1"]).ids == ("1",)
    assert sorted(ids_of(find(three))) == ["2", "3"]
    assert three.restore(filter={"n": 1}).ids == ("1",)
    assert sorted(ids_of(find(three))) == ["1", "2", "3"]


async def test_the_async_verbs_return_the_receipts_of_the_sync_ones(three: FieldVectorStore) -> None:
    assert (await three.aforget(filter={"n": 1}, actor="ann")).ids == ("1",)
    assert (await three.arestore(["1"])).verb == "restore"
    assert (await three.aerase(["1"])).signed is False
    assert [entry.kind for entry in await three.ahistory("2")] == ["add"]


def test_get_by_ids_keeps_the_order_asked_for_and_names_each_document_once(three: FieldVectorStore) -> None:
    assert ids_of(three.get_by_ids(["3", "1", "unknown", "3"])) == ["3", "1"]
    assert three.get_by_ids([]) == []


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


# -- filters


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


@pytest.mark.parametrize("filter", [lambda document: True, "n == 1"])
def test_a_filter_that_is_no_dict_is_refused(three: FieldVectorStore, filter: Any) -> None:
    for call in (three.similarity_search, three.max_marginal_relevance_search, three.field_search):
        with pytest.raises(TypeError, match="filter is a"):
            call(FOX, filter=filter)
    with pytest.raises(TypeError, match="filter is a"):
        three.delete(filter=filter)
    assert three.store.count() == 3


# -- async


async def test_the_async_forms_use_the_async_embedder(embedding: Any) -> None:
    with await FieldVectorStore.afrom_texts([FOX, FISH], embedding, ids=["1", "2"]) as vector_store:
        await vector_store.aadd_documents([Document(id="3", page_content=DOOR)])
        await vector_store.aupdate_documents(["3"], [Document(page_content=DOOR)])
        for search_type in ("similarity", "mmr", "field", "similarity_score_threshold"):
            assert ids_of(await vector_store.asearch(DOOR, search_type, k=1)) == ["3"]
            assert ids_of(
                await vector_store.as_retriever(
                    search_type=search_type, k=1, **({"score_threshold": 0.1} if "score" in search_type else {})
                ).ainvoke(DOOR)
            ) == ["3"]
        assert await vector_store.asimilarity_search_with_score(
            DOOR, k=1
        ) == vector_store.similarity_search_with_score_by_vector(embedding.vector(DOOR), k=1)
    assert {form for form, _ in embedding.calls} == {"async"}


async def test_the_async_forms_by_vector_return_the_same(three: FieldVectorStore, embedding: Any) -> None:
    fox = embedding.vector(FOX)
    scored = three.similarity_search_with_score_by_vector(fox, k=2, filter={"alive": True})
    assert await three.asimilarity_search_with_score_by_vector(fox, k=2, filter={"alive": True}) == scored
    assert await three.afield_search_by_vector(fox, 2, per="n") == three.field_search_by_vector(fox, 2, per="n")


async def test_writers_and_readers_at_once_leave_a_sound_store(empty: FieldVectorStore) -> None:
    async def write(writer: int) -> None:
        for n in range(4):
            text, ids = f"{FOX} writer{writer} text{n}", [f"{writer}-{n}", "shared"]
            await empty.aadd_texts([text, DOOR], [{"writer": writer}, {}], ids=ids)
            assert ids_of(await empty.asimilarity_search(text, k=1)) == ids[:1]
        await empty.aforget([f"{writer}-0"])
        await empty.adelete([f"{writer}-1"], erase=True)
        mine = await empty.asimilarity_search(FOX, k=99, filter={"writer": writer})
        assert sorted(ids_of(mine)) == [f"{writer}-2", f"{writer}-3"]

    await asyncio.gather(*(write(writer) for writer in range(6)))
    assert empty.store.count() == 6 * 2 + 1
    assert empty.store.verify() == []


# -- opening and closing


async def test_a_store_made_from_texts_or_documents_starts_with_them(embedding: Embeddings) -> None:
    documents = [Document(id="1", page_content=FOX, metadata={"n": 1}), Document(page_content=FISH)]
    for made in (
        FieldVectorStore.from_documents(documents, embedding),
        await FieldVectorStore.afrom_documents(documents, embedding),
        FieldVectorStore.from_texts([FOX, FISH], embedding, [{"n": 1}, {}], ids=["1", None]),
    ):
        with made:
            assert made.similarity_search(FOX, k=1) == documents[:1]
            assert made.store.count() == 2


def test_a_store_on_disk_is_there_when_opened_again(tmp_path: Path, embedding: Embeddings) -> None:
    with FieldVectorStore.from_texts([FOX, FISH], embedding, ids=["1", "2"], path=tmp_path / "s") as vector_store:
        vector_store.forget(["1"])
    with FieldVectorStore(embedding, tmp_path / "s") as vector_store:
        assert ids_of(vector_store.similarity_search(FOX)) == ["2"]
        assert vector_store.restore(["1"]).ids == ("1",)
        assert ids_of(vector_store.similarity_search(FOX)) == ["1", "2"]
        assert vector_store.store.verify() == []


def test_a_store_given_is_used_and_left_open(embedding: Embeddings) -> None:
    with FieldStore() as store:
        with FieldVectorStore(embedding, store=store) as vector_store:
            vector_store.add_texts([FOX], ids=["1"])
        assert store.get("1")[0].text == FOX


async def test_a_store_whose_first_texts_fail_is_closed_again(tmp_path: Path, embedding: Embeddings) -> None:
    opened: list[FieldStore] = []

    class Watched(FieldVectorStore):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self.store)

    with pytest.raises(ValueError, match="got 1 texts"):
        Watched.from_texts([FOX], embedding, ids=[], path=tmp_path / "s")
    with pytest.raises(ValueError, match="got 1 texts"):
        await Watched.afrom_texts([FOX], embedding, ids=[], path=tmp_path / "s")
    assert [store.closed for store in opened] == [True, True]


def test_arguments_that_contradict_each_other_open_no_store(tmp_path: Path, embedding: Embeddings) -> None:
    with FieldStore() as store, pytest.raises(ValueError, match="not both"):
        FieldVectorStore(embedding, tmp_path / "s", store=store)
    with pytest.raises(ValueError, match="on_delete is 'hide'"):
        FieldVectorStore(embedding, tmp_path / "s", on_delete="hide")  # type: ignore[arg-type]
    assert not (tmp_path / "s").exists()


def test_a_record_without_text_is_an_empty_page(embedding: Any) -> None:
    with FieldStore() as store:
        store.add([embedding.vector(FOX)], ids=["bare"])
        vector_store = FieldVectorStore(embedding, store=store)
        assert vector_store.similarity_search(FOX) == [Document(id="bare", page_content="")]


@pytest.mark.parametrize("cleanup", [None, "incremental", "full", "scoped_full"])
def test_langchain_indexing_writes_skips_and_deletes(empty: FieldVectorStore, cleanup: Any) -> None:
    manager = InMemoryRecordManager("tests")
    manager.create_schema()

    def run(*texts: str) -> tuple[int, int, int]:
        documents = [Document(page_content=text, metadata={"source": "book"}) for text in texts]
        result = index(documents, manager, empty, cleanup=cleanup, source_id_key="source", key_encoder="sha256")
        return result["num_added"], result["num_skipped"], result["num_deleted"]

    assert run(FOX, FISH) == (2, 0, 0)
    assert run(FOX, DOOR) == (1, 1, 0 if cleanup is None else 1)
    assert empty.store.count() == (3 if cleanup is None else 2)


def test_langchain_indexing_skips_what_was_forgotten_and_revives_it_only_by_force(empty: FieldVectorStore) -> None:
    """As the README says; it will have to change with a record manager that reads the ledger."""
    manager = InMemoryRecordManager("tests")
    manager.create_schema()
    documents = [Document(page_content=FOX)]
    index(documents, manager, empty, key_encoder="sha256")
    [id] = empty.forget(empty.store.ids()).ids
    assert index(documents, manager, empty, key_encoder="sha256")["num_skipped"] == 1
    assert empty.store.ids(forgotten=True) == [id]
    assert index(documents, manager, empty, key_encoder="sha256", force_update=True)["num_updated"] == 1
    assert empty.store.ids() == [id]


def test_its_retriever_is_the_field_retriever_with_the_usual_tags(three: FieldVectorStore) -> None:
    retriever = three.as_retriever()
    assert isinstance(retriever, FieldRetriever)
    assert retriever.tags == ["FieldVectorStore", "WordEmbeddings"]
