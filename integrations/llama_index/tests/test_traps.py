"""The traps of LlamaIndex (docs: the contract, 1.6), each met as a user would meet it."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.core.schema import BaseNode, ImageNode, IndexNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore

from integrations.llama_index.tests.samples import DOOR, FISH, FOX, WordEmbedding, ask, embed, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore


def index_over(store: FieldVectorStore) -> VectorStoreIndex:
    return VectorStoreIndex.from_vector_store(store)


def found(retriever: Any, text: str = FOX) -> list[str]:
    return [one.node.node_id for one in retriever.retrieve(text)]


def test_1_an_empty_store_is_not_replaced_by_llama_index(empty: FieldVectorStore) -> None:
    assert empty
    assert StorageContext.from_defaults(vector_store=empty).vector_store is empty
    VectorStoreIndex.from_documents(
        [Document(text=FOX)], storage_context=StorageContext.from_defaults(vector_store=empty)
    )
    assert empty.client.count() == 1


def test_2_no_node_ids_are_no_restriction(three: FieldVectorStore) -> None:
    assert found(index_over(three).as_retriever(similarity_top_k=3)) == ["1", "2", "3"]
    assert three.query(ask(node_ids=[])).ids == three.query(ask(node_ids=None)).ids == ["1", "2", "3"]


@pytest.mark.parametrize("kind", [IndexNode, ImageNode])
def test_3_a_retriever_that_narrows_to_some_nodes_can_be_told_not_to(three: FieldVectorStore, kind: type) -> None:
    index = VectorStoreIndex.from_vector_store(three)
    extra = {"index_id": "x"} if kind is IndexNode else {"image": "aGk="}
    index.insert_nodes([kind(id_="special", text=DOOR, **extra)])
    assert found(index.as_retriever(similarity_top_k=9)) == ["special"], "core sends only this id, and it is honoured"
    wide = index.as_retriever(similarity_top_k=9, vector_store_kwargs={"ignore_node_ids": True})
    assert sorted(found(wide)) == ["1", "2", "3", "special"]
    three.delete_nodes(["special", "1"])
    assert sorted(found(wide)) == ["2", "3"]


def test_4_pickle_cannot_empty_the_store(three: FieldVectorStore) -> None:
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(three)
    with pytest.raises(TypeError, match="copied"):
        copy.deepcopy(three)
    assert three.client.count() == 3


def test_5_a_persisted_store_is_never_reopened_as_an_empty_simple_one(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes") as store:
        VectorStoreIndex.from_documents(
            [Document(text=FOX)], storage_context=StorageContext.from_defaults(vector_store=store)
        ).storage_context.persist(str(tmp_path / "kept"))
        assert store.client.verify() == []
    with pytest.raises(json.JSONDecodeError):
        StorageContext.from_defaults(persist_dir=str(tmp_path / "kept"))


class Failing(TransformComponent):
    """A step that fails while it is told to."""

    fails: bool = False

    def __call__(self, nodes: list[BaseNode], **kwargs: Any) -> list[BaseNode]:
        if self.fails:
            raise RuntimeError("no connection")
        return nodes


def test_6_a_document_lost_to_a_failed_upsert_comes_back(empty: FieldVectorStore) -> None:
    step = Failing()
    pipeline = IngestionPipeline(
        transformations=[step, WordEmbedding()], docstore=SimpleDocumentStore(), vector_store=empty
    )
    pipeline.run(documents=[Document(id_="d", text=FOX)])
    step.fails = True
    with pytest.raises(RuntimeError):
        pipeline.run(documents=[Document(id_="d", text=FISH)])
    step.fails = False
    pipeline.run(documents=[Document(id_="d", text=FOX), Document(id_="later", text=DOOR)])
    assert ids_of(empty.get_nodes()) == ["later"], "the docstore takes the lost one for unchanged"
    index_over(empty).insert(Document(id_="last", text="a later word"))
    empty.undo("d")
    assert sorted(one.get_content() for one in empty.get_nodes()) == sorted([FOX, DOOR, "a later word"])
    pipeline.run(documents=[Document(id_="d", text=FISH)])
    assert sorted(one.get_content() for one in empty.get_nodes()) == sorted([FISH, DOOR, "a later word"])


def test_7_a_document_that_was_never_split_can_be_deleted(empty: FieldVectorStore) -> None:
    documents = [Document(id_="d", text=FOX), Document(id_="e", text=DOOR)]
    pipeline = IngestionPipeline(
        transformations=[WordEmbedding()],
        docstore=SimpleDocumentStore(),
        vector_store=empty,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
    )
    pipeline.run(documents=documents)
    pipeline.run(documents=documents[1:])
    assert ids_of(empty.get_nodes()) == ["e"]
    index_over(empty).delete_ref_doc("e")
    assert empty.get_nodes() == []


def test_8_none_is_no_document(empty: FieldVectorStore) -> None:
    empty.add([node("1"), node("2", DOOR), node("3", FISH, source="a")])
    for verb in (empty.delete, empty.history):
        with pytest.raises(TypeError, match="None"):
            verb(None)  # type: ignore[arg-type]
    empty.delete("None")
    assert empty.forget("None").ids == empty.restore("None").ids == ()
    assert empty.query(ask(doc_ids=["None"])).ids == []
    assert ids_of(empty.get_nodes()) == ["1", "2", "3"]


def test_9_deleting_no_nodes_in_particular_does_not_empty_the_store(three: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="clear"):
        three.delete_nodes()
    assert three.client.count() == 3


def test_10_deleting_again_digs_no_hole(three: FieldVectorStore) -> None:
    fresh = FieldVectorStore()
    fresh.add([node("2", FISH), node("3", DOOR)])
    for _ in range(3):
        three.delete_nodes(["1"])
        three.delete("never there")
    place = [embed(FOX)]
    assert three.client.field.evaluate(place) == fresh.client.field.evaluate(place)
    three.add([node("1", FOX, "animals", n=1)])
    assert three.query(ask(k=1)).ids == ["1"]
    assert three.client.get("1")[0].weight == 1.0


def test_11_a_retriever_of_some_nodes_is_built_by_hand(three: FieldVectorStore) -> None:
    retriever = VectorIndexRetriever(index_over(three), similarity_top_k=3, node_ids=["2", "3"])
    assert found(retriever) == ["2", "3"]
    three.delete_nodes(["2"])
    assert found(retriever) == ["3"]


def test_12_a_reopened_index_knows_its_documents_through_the_store(three: FieldVectorStore) -> None:
    index = index_over(three)
    with pytest.raises(NotImplementedError):
        _ = index.ref_doc_info
    assert {one.ref_doc_id for one in three.get_nodes()} == {"animals", "house"}
    assert three.ref_doc_info().keys() == {"animals", "house"}
    index.update_ref_doc(Document(id_="animals", text="the red cow eats"))
    assert [one.get_content() for one in three.get_nodes() if one.ref_doc_id == "animals"] == ["the red cow eats"]
    context = StorageContext.from_defaults(vector_store=three, docstore=three.rebuild_docstore())
    again = VectorStoreIndex([], storage_context=context)
    assert again.refresh_ref_docs([Document(id_="animals", text="the red cow eats")]) == [False]
    assert again.refresh_ref_docs([Document(id_="animals", text="the red cow sleeps")]) == [True]
    assert [one.get_content() for one in three.get_nodes() if one.ref_doc_id == "animals"] == ["the red cow sleeps"]


def test_13_no_documents_are_no_documents(three: FieldVectorStore) -> None:
    for mode in ("default", "mmr", "field"):
        assert three.query(ask(doc_ids=[]), mode=mode).ids == []
        assert three.query(ask(doc_ids=None), mode=mode).ids != []
    assert found(index_over(three).as_retriever(doc_ids=[])) == []
