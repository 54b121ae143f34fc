"""Looking for words: text_search and hybrid, by BM25 and the field."""

from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery

from fieldstore import FieldStore
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore


@pytest.fixture
def words(opener: Any) -> FieldVectorStore:
    """A fox, a fish, a door and a long story that names the fox in passing, with an index of their words."""
    store: FieldVectorStore = opener(text_index=True)
    story = "Of many animals that swim and run and sleep, one was a fox."
    store.add([node("1", FOX, "animals", n=1), node("2", FISH, "animals", n=2)])
    store.add([node("3", DOOR, "house", n=3), node("4", story, "story", n=4)])
    return store


def texting(text: str, k: int = 9, **fields: Any) -> VectorStoreQuery:
    """What a retriever sends in mode text_search: no embedding."""
    return VectorStoreQuery(query_str=text, similarity_top_k=k, mode="text_search", **fields)  # type: ignore[arg-type]


def test_a_text_search_finds_nodes_with_the_words_and_needs_no_embedding(words: FieldVectorStore) -> None:
    found = words.query(texting("fox"))
    assert found.ids == ["1", "4"], "the shorter text says it with more weight"
    assert found.similarities == found.scores == sorted(found.scores, reverse=True)
    assert all(isinstance(score, float) and score > 0 for score in found.scores)
    assert (found.phi, found.shares) == (0.0, [0.0, 0.0])
    assert words.query(texting("zebra")).ids == []
    assert words.query(texting("fox", k=1)).ids == ["1"]
    assert words.query(ask("fox", mode="text_search")).shares[0] > 0.0, "with an embedding it is measured, too"


def test_filters_and_ids_hold_for_words_too(words: FieldVectorStore) -> None:
    story = MetadataFilters(filters=[MetadataFilter(key="n", value=4)])
    assert words.query(texting("fox", k=1, filters=story)).ids == ["4"]
    assert words.query(texting("fox", node_ids=["4", "3"])).ids == ["4"]
    assert words.query(texting("fox", doc_ids=["animals"])).ids == ["1"]
    assert words.query(texting("fox", doc_ids=[])).ids == []


def test_hybrid_weighs_words_against_vectors_by_alpha(words: FieldVectorStore) -> None:
    def hybrid(alpha: float | None, **fields: Any) -> Any:
        return words.query(ask("a swimming fish", k=4, alpha=alpha, mode="hybrid", **fields))

    by_vector = words.query(ask("a swimming fish", k=4)).ids
    assert hybrid(1.0).ids == by_vector
    assert set(hybrid(0.0).ids[:2]) <= set(words.query(texting("a swimming fish")).ids or [])
    assert hybrid(None).ids == hybrid(0.5).ids
    assert hybrid(0.5).similarities == sorted(hybrid(0.5).similarities, reverse=True)
    assert len(hybrid(0.5, hybrid_top_k=2).ids) == 2
    asked = ask("a swimming fish", k=4, mode="hybrid")
    assert words.query(asked, alpha=1.0).ids == by_vector
    asked.alpha = 0.0
    assert words.query(asked, alpha=1.0).ids == by_vector, "the argument beats the query"
    assert words.query(asked).ids == hybrid(0.0).ids, "and 0 is a value"


@pytest.mark.parametrize("mode", ["text_search", "hybrid"])
async def test_a_retriever_asks_for_words_and_finds_nothing_that_is_forgotten(opener: Any, mode: str) -> None:
    store = opener(text_index=True)
    documents = [Document(id_=id, text=text) for id, text in (("fox", FOX), ("fish", FISH), ("door", DOOR))]
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(documents, storage_context=context)
    retriever = index.as_retriever(similarity_top_k=2, vector_store_query_mode=mode)
    before = retriever.retrieve("fox")
    assert before[0].node.ref_doc_id == "fox"
    assert before[0].score
    index.delete_ref_doc("fox", reason="asked to")
    assert "fox" not in [one.node.ref_doc_id for one in await retriever.aretrieve("fox")]
    store.undo("fox")
    assert retriever.retrieve("fox") == before
    index.delete_ref_doc("fox", erase=True)
    assert "fox" not in [one.node.ref_doc_id for one in retriever.retrieve("fox")]


def test_words_follow_an_upsert(words: FieldVectorStore) -> None:
    words.add([node("1", "a green frog jumps", "animals", n=1)])
    assert words.query(texting("frog")).ids == ["1"]
    assert words.query(texting("fox")).ids == ["4"]


def test_a_store_may_look_for_words_by_default(words: FieldVectorStore) -> None:
    store = FieldVectorStore(store=words.client, mode="hybrid", text_index=True)
    assert store.query(ask("fox", k=2)).ids == words.query(ask("fox", k=2, mode="hybrid")).ids
    assert store.query(ask("fox", k=2), mode="default").ids == words.query(ask("fox", k=2)).ids


def test_a_store_without_an_index_of_words_says_how_to_get_one(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes") as store:
        store.add([node("1", FOX)])
        for mode in ("text_search", "hybrid"):
            with pytest.raises(ValueError, match="text_index=True"):
                store.query(ask(mode=mode))
        with pytest.raises(ValueError, match="no text index"):
            FieldVectorStore(store=store.client, text_index=True)
    with FieldVectorStore(tmp_path / "notes", text_index=True) as store:
        assert store.query(texting("fox")).ids == ["1"]
        store.persist(tmp_path / "pointer.json")
    with FieldVectorStore.from_persist_path(tmp_path / "pointer.json") as again:
        assert again.query(texting("fox")).ids == ["1"], "it is a fact of the store"
        assert again.client.verify() == []
    with FieldVectorStore(text_index=True) as memory:
        memory.add([node("1", FOX)])
        memory.persist(tmp_path / "other.json")
        assert memory.query(texting("fox")).ids == ["1"]
        assert memory.client.verify() == []


def test_what_words_cannot_answer_is_refused_by_name(words: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="query_str"):
        words.query(VectorStoreQuery(mode="text_search"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="query_str"):
        words.query(VectorStoreQuery(query_embedding=ask().query_embedding, mode="hybrid"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="query_embedding"):
        words.query(VectorStoreQuery(query_str="fox", mode="hybrid"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="alpha"):
        words.query(ask(mode="hybrid", alpha=2.0))
    with pytest.raises(ValueError, match="alpha belongs to mode 'hybrid'"):
        words.query(texting("fox", alpha=0.5))
    with pytest.raises(ValueError, match="hybrid_top_k"):
        words.query(ask(hybrid_top_k=3))
    with pytest.raises(ValueError, match="sparse_top_k"):
        words.query(ask(mode="hybrid", sparse_top_k=3))
    with pytest.raises(ValueError, match="as they are now"):
        words.as_of(1).query(texting("fox"))
    by_words = FieldVectorStore(store=words.client, mode="hybrid")
    assert by_words.as_of(1).query(ask()).ids == ["1", "2"], "the default there is the cosine"
    assert ids_of(words.get_nodes()) == ["1", "2", "3", "4"]


def test_a_text_index_of_a_store_opened_elsewhere_is_used(tmp_path: Path) -> None:
    with FieldStore(tmp_path / "notes", text_index=True) as client:
        store = FieldVectorStore(store=client)
        store.add([node("1", FOX)])
        assert store.query(texting("fox")).ids == ["1"]
        assert client.verify() == []
