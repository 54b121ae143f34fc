"""The ledger's answers through the adapter: the store as it was, and who still carries what."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from llama_index.core import VectorStoreIndex

from fieldstore import ReadOnlyStore, UnknownRecord
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, ids_of, node
from llama_index.vector_stores.fieldstore import FieldRetriever, FieldVectorStore, PastVectorStore


def last(store: FieldVectorStore) -> int:
    return int(store.client.stats()["entries"]) - 1


def test_a_store_as_of_an_entry_answers_as_it_did_then(three: FieldVectorStore) -> None:
    then, before = last(three), {mode: three.query(ask(), mode=mode) for mode in ("default", "mmr", "field")}
    three.add([node("4", FOX + " fast", "more")])
    three.add([node("1", DOOR, "animals", n=1)])
    past = three.as_of(then)
    assert isinstance(past, PastVectorStore)
    for mode, result in before.items():
        assert past.query(ask(), mode=mode).ids == result.ids
        assert past.query(ask(), mode=mode).similarities == pytest.approx(result.similarities)
    assert past.query(ask(node_ids=["2"])).ids == ["2"]
    assert past.query(ask(doc_ids=["house"])).ids == ["3"]
    assert sorted(ids_of(past.get_nodes())) == ["1", "2", "3"]
    assert past.ref_doc_info().keys() == {"animals", "house"}
    assert three.as_of(datetime.now(UTC) + timedelta(seconds=2)).query(ask()).ids == three.query(ask()).ids


def test_what_is_forgotten_by_now_is_in_the_past_only_for_who_asks(three: FieldVectorStore) -> None:
    then = last(three)
    three.delete("animals")
    assert three.as_of(then).query(ask()).ids == ["3"]
    assert three.as_of(then, forgotten=True).query(ask()).ids == ["1", "2", "3"]
    assert three.query(ask()).ids == ["3"]
    three.erase("animals")
    past = three.as_of(then, forgotten=True)
    assert past.query(ask()).ids == ["3"]
    assert len(past.client.gaps()) == 2


async def test_an_index_over_the_past_answers_and_writes_nothing(three: FieldVectorStore) -> None:
    then = last(three)
    three.add([node("4", FOX, "more")])
    past = await three.aas_of(then)
    index = VectorStoreIndex.from_vector_store(past)
    for retriever in (index.as_retriever(similarity_top_k=9), FieldRetriever(index, 9)):
        assert sorted(one.node.node_id for one in await retriever.aretrieve(FOX)) == ["1", "2", "3"]
    before = last(three)
    for refused in (
        lambda: past.add([node("5")]),
        lambda: past.delete("animals"),
        lambda: past.delete_nodes(["1"]),
        lambda: past.clear(reason="asked to"),
        lambda: past.persist("kept"),
        lambda: index.delete_ref_doc("animals"),
    ):
        with pytest.raises(ReadOnlyStore, match="only to be read"):
            refused()
    for awaited in (past.async_add([node("5")]), past.adelete("1"), past.adelete_nodes(["1"]), past.aclear()):
        with pytest.raises(ReadOnlyStore):
            await awaited
    assert last(three) == before
    assert past.class_name() == "PastVectorStore"


def test_a_position_that_is_not_there_is_refused(three: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="entries up to"):
        three.as_of(last(three) + 1)
    assert three.as_of(-1).query(ask()).ids == []


def test_the_residual_of_a_document_is_what_other_documents_carry(empty: FieldVectorStore) -> None:
    empty.add([node("1", FOX, "a"), node("2", FOX, "a"), node("3", FOX + " fast", "b"), node("4", DOOR, "c")])
    for _ in range(2):
        residuals = empty.residual("a")
        assert [residual.id for residual in residuals] == ["1", "2"]
        assert [residual.carriers[0].id for residual in residuals] == ["3", "3"], "its own nodes are no carriers"
        empty.forget("a")
    [residual] = empty.residual(node_ids=["1"], carriers=1)
    assert len(residual.carriers) == 1
    empty.restore("a")
    assert empty.residual(node_ids=["1"])[0].carriers[0].id == "2", "asked for nodes, it looks at all"
    with pytest.raises(UnknownRecord, match="'never there'"):
        empty.residual("never there")
    for wrong in ({}, {"ref_doc_id": "a", "node_ids": ["1"]}):
        with pytest.raises(ValueError, match="one of them"):
            empty.residual(**wrong)  # type: ignore[arg-type]


async def test_the_residual_of_an_updated_document_is_that_of_its_last_version(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes") as store:
        for version, text in (("old", FISH), ("new", FOX)):
            store.delete("d")
            store.add([node(version, text, "d")])
        store.delete("d")
        assert [residual.id for residual in await store.aresidual("d")] == ["new"]
        assert store.client.verify() == []
