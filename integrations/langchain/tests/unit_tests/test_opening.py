"""Opening and closing, and LangChain's own use of the store."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, index

from fieldstore import FieldStore
from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, ids_of
from langchain_fieldstore import FieldRetriever, FieldVectorStore


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


def test_a_path_where_the_embedder_belongs_opens_no_store(tmp_path: Path) -> None:
    wrong: Any = str(tmp_path / "store")
    with pytest.raises(TypeError, match="embedding is a str; give an Embeddings"):
        FieldVectorStore(wrong, tmp_path / "store")
    assert not (tmp_path / "store").exists()


async def test_an_embedder_that_drops_a_text_is_named_and_nothing_is_added(
    empty: FieldVectorStore, embedding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "vector", lambda text: [1.0, 2.0])
    both = embedding.embed_documents(["a", "b"])

    async def dropping(texts: list[str]) -> list[list[float]]:
        return both[:1]

    monkeypatch.setattr(embedding, "embed_documents", lambda texts: both[:1])
    monkeypatch.setattr(embedding, "aembed_documents", dropping)
    with pytest.raises(ValueError, match="the embedder gave 1 vectors for 2 texts"):
        empty.add_texts(["a", "b"])
    with pytest.raises(ValueError, match="the embedder gave 1 vectors for 2 texts"):
        await empty.aadd_texts(["a", "b"])
    assert empty.store.count() == 0


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
