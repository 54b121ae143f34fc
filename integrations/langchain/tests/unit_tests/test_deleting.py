"""Deleting forgets, or erases; each by what was asked for, and never by accident."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from fieldstore import ErasePending, FieldStore, verify_certificate
from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, ids_of
from langchain_fieldstore import FieldVectorStore


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


def test_what_somebody_else_erases_in_the_meantime_is_no_error(
    three: FieldVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase, first = three.store.erase, ["1"]

    def after_somebody_else(ids: list[str], **words: Any) -> Any:
        if first:
            erase([first.pop()])
        return erase(ids, **words)

    monkeypatch.setattr(three.store, "erase", after_somebody_else)
    assert three.delete(["1", "2"], erase=True) is True
    assert three.store.ids() == ["3"]
    assert three.store.ids(forgotten=True) == []
