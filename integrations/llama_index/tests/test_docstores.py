"""Documents: which there are, and a docstore for an index over a store that was opened again."""

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter

from integrations.llama_index.tests.samples import DOOR, FISH, FOX, WordEmbedding, embed, node
from llama_index.vector_stores.fieldstore import FieldVectorStore

TEXTS = {"fox": FOX, "fish": FISH, "door": DOOR}


def documents(**texts: str) -> list[Document]:
    return [Document(id_=id, text=text, metadata={"name": id}) for id, text in (TEXTS | texts).items()]


def filled(store: FieldVectorStore) -> FieldVectorStore:
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex.from_documents(documents(), storage_context=context)
    return store


def reopened(store: FieldVectorStore, **options: bool) -> VectorStoreIndex:
    """An index as another process would open it."""
    context = StorageContext.from_defaults(vector_store=store, docstore=store.rebuild_docstore(**options))
    return VectorStoreIndex([], storage_context=context)


def texts(store: FieldVectorStore) -> list[str]:
    return sorted(one.get_content() for one in store.get_nodes())


async def test_documents_are_listed_with_their_nodes_and_metadata(three: FieldVectorStore) -> None:
    three.client.add([embed(FOX)], ids=["not LlamaIndex's"])
    info = three.ref_doc_info()
    assert {id: one.node_ids for id, one in info.items()} == {"animals": ["1", "2"], "house": ["3"]}
    assert info["animals"].metadata == {"n": 1}
    three.delete("animals")
    three.add([Document(id_="whole", text=FOX, embedding=embed(FOX))])
    assert (await three.aref_doc_info()).keys() == {"house", "whole"}


def test_a_refresh_on_a_reopened_store_knows_what_is_there(empty: FieldVectorStore) -> None:
    index = reopened(filled(empty))
    entries = empty.client.stats()["entries"]
    assert index.refresh_ref_docs(documents()) == [False, False, False]
    assert empty.client.stats()["entries"] == entries
    assert index.refresh_ref_docs(documents(fish="the fish is gone")) == [False, True, False]
    assert texts(empty) == sorted([FOX, "the fish is gone", DOOR])
    assert reopened(empty).refresh_ref_docs(documents(fish="the fish is gone")) == [False, False, False]
    assert reopened(empty).refresh_ref_docs([*documents(fish="the fish is gone"), Document(text="new")])[-1]


def test_what_is_forgotten_stays_so_in_a_refresh_until_it_changes(empty: FieldVectorStore) -> None:
    index = reopened(filled(empty))
    index.update_ref_doc(documents(fox="an older fox")[0])
    index.update_ref_doc(documents()[0])
    empty.delete("fish")
    empty.add([node("other")])
    empty.delete("fox")
    assert reopened(empty).refresh_ref_docs(documents()) == [False, False, False]
    assert len(empty.get_nodes()) == 2
    assert reopened(empty).refresh_ref_docs(documents(fox="an older fox")) == [True, False, False]
    assert "an older fox" in texts(empty)
    assert reopened(empty, forgotten=False).refresh_ref_docs(documents(fox="an older fox")) == [False, True, False]
    empty.erase("fish")
    assert reopened(empty).refresh_ref_docs(documents(fox="an older fox")) == [False, True, False], "erased is unknown"


def test_a_node_forgotten_again_after_it_was_written_anew_counts_as_it_was_last(empty: FieldVectorStore) -> None:
    old, new = (Document(id_="d", text=text, embedding=embed(text)) for text in (FOX, FISH))
    empty.add([old, node("other")])
    empty.forget(node_ids=["other"])
    empty.add([new])
    empty.delete("d")
    assert empty.rebuild_docstore().get_document_hash("d") == new.hash


@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
@pytest.mark.parametrize("steps", [[SentenceSplitter()], []], ids=["split", "whole"])
def test_a_pipeline_goes_on_with_a_rebuilt_docstore(
    empty: FieldVectorStore, strategy: DocstoreStrategy, steps: list[Any]
) -> None:
    def pipeline() -> IngestionPipeline:
        return IngestionPipeline(
            transformations=[*steps, WordEmbedding()],
            docstore=empty.rebuild_docstore(),
            vector_store=empty,
            docstore_strategy=strategy,
        )

    assert len(pipeline().run(documents=documents())) == 3
    assert pipeline().run(documents=documents()) == []
    assert len(pipeline().run(documents=documents(fish="the fish is gone"))) == 1
    pipeline().run(documents=documents(fish="the fish is gone")[:2])
    left = [FOX, "the fish is gone"] + ([DOOR] if strategy is DocstoreStrategy.UPSERTS else [])
    assert texts(empty) == sorted(left)


def test_a_rebuilt_docstore_holds_no_word_that_an_erase_could_not_reach(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes") as store:
        docstore = filled(store).rebuild_docstore()
        docstore.persist(str(tmp_path / "docstore.json"))
        assert store.client.verify() == []
    kept = (tmp_path / "docstore.json").read_text()
    assert "fish" in kept, "the id of the document"
    assert not any(text in kept for text in TEXTS.values())
