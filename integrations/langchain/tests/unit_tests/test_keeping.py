"""What reaches farther than one document: keeping out, sources, near copies, times to live, tenants, words."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import index

from fieldstore import FieldStore
from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, ids_of
from langchain_fieldstore import FieldRecordManager, FieldVectorStore


def test_what_was_forgotten_can_be_kept_out_until_it_is_restored(three: FieldVectorStore) -> None:
    three.forget(["1"], keep_out=True)
    added = three.add_documents([Document(id="x", page_content=FOX.upper()), Document(id="y", page_content="new")])
    assert (list(added), added.kept_out) == (["x", "y"], ("x",))
    assert three.update_documents(["2"], [Document(page_content=FOX)]).kept_out == ("2",)
    assert three.get_by_ids(["2"])[0].page_content == FISH
    assert three.store.ids() == ["2", "3", "y"]
    three.restore(["1"])
    assert three.add_texts([FOX], ids=["x"]).kept_out == ()


async def test_what_is_kept_out_is_not_indexed_again_run_after_run(empty: FieldVectorStore) -> None:
    documents = [Document(page_content=text, metadata={"source": "a"}) for text in (FOX, FISH)]
    options: Any = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
    index(documents, FieldRecordManager(empty), empty, **options)
    empty.delete(filter=lambda document: document.page_content == FOX, keep_out=True)
    for _ in range(2):
        index(documents, FieldRecordManager(empty), empty, **options)
        assert [record.text for record in empty.store.get()] == [FISH]


def test_delete_keeps_out_only_where_it_forgets(three: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="nothing was deleted"):
        three.delete(["1"], erase=True, keep_out=True)
    assert three.store.count() == 3
    three.erase(["1"], keep_out=b"a secret of more than thirty-two bytes")
    assert three.add_texts([FOX]).kept_out != ()


def test_a_source_is_forgotten_restored_and_erased_whole(empty: FieldVectorStore) -> None:
    empty.add_texts([FOX, FISH, DOOR], [{"source": "a"}, {"source": "a"}, {"source": "b"}], ids=list("123"))
    assert sorted(empty.forget(source="a").ids) == ["1", "2"]
    assert sorted(empty.restore(source="a").ids) == ["1", "2"]
    assert empty.forget(["1"]).sources == {"a": 1}
    empty.erase(source="a")
    assert empty.store.ids() == ["3"]
    with pytest.raises(ValueError, match="one of them"):
        empty.forget(source="b", filter=lambda document: True)


def test_near_copies_go_along_and_a_dry_run_only_tells(empty: FieldVectorStore) -> None:
    empty.add_texts([FOX, FOX + " fast", DOOR], ids=["fox", "copy", "door"])
    assert sorted(empty.forget(["fox"], near=0.8, dry_run=True).ids) == ["copy", "fox"]
    assert empty.store.count() == 3
    assert sorted(empty.forget(["fox"], near=0.8).ids) == ["copy", "fox"]
    assert empty.store.ids() == ["door"]


async def test_what_was_left_alone_for_long_is_forgotten_on_request(
    empty: FieldVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    now = time.time()
    monkeypatch.setattr("time.time", lambda: now - 3 * 86400)
    empty.add_texts([FOX, FISH], ids=["old", "kept up"])
    monkeypatch.setattr("time.time", lambda: now)
    empty.update_document("kept up", Document(page_content=FISH + " today"))
    empty.add_texts([DOOR], ids=["new"])
    assert empty.forget_older_than(timedelta(days=4)).ids == ()
    assert (await empty.aforget_older_than(timedelta(days=2))).ids == ("old",)
    assert empty.history("old")[-1].reason == "expired"
    assert ids_of(empty.similarity_search(FOX, k=9)) != ["old"]
    with pytest.raises(ValueError, match="othing was forgotten"):
        empty.forget_older_than(timedelta(days=-1))


NAMES = ["ann", "Ann", "bob/../ann", "..", ".", " ", "ä/文", "a" * 100, "con:nul"]


def test_namespaces_share_nothing(tmp_path: Path, embedding: Embeddings) -> None:
    for name in NAMES:
        with FieldVectorStore(embedding, tmp_path, namespace=name) as mine:
            assert mine.similarity_search(FOX) == []
            mine.add_texts([f"of {name}"], ids=["same"])
    for name in NAMES:
        with FieldVectorStore(embedding, tmp_path, namespace=name) as mine:
            assert [document.page_content for document in mine.get_by_ids(["same"])] == [f"of {name}"]
            mine.delete(delete_all=True, erase=name == "ann")
            assert mine.store.path is not None
            assert mine.store.path.resolve().parent == tmp_path.resolve()
    assert len({path.name.casefold() for path in tmp_path.iterdir()}) == len(NAMES)


@pytest.mark.parametrize(
    "arguments", [{"namespace": "a"}, {"path": "x", "namespace": ""}, {"store": None, "namespace": "a"}]
)
def test_a_namespace_needs_a_name_and_a_path(embedding: Embeddings, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no store was opened"):
        FieldVectorStore(embedding, **arguments)


def test_a_store_of_ones_own_has_settings_of_its_own(tmp_path: Path, embedding: Embeddings) -> None:
    with FieldStore() as store:
        for more in ({"path": tmp_path}, {"namespace": "a"}, {"text_index": True}):
            with pytest.raises(ValueError, match="not both"):
                FieldVectorStore(embedding, store=store, **more)


async def test_a_hybrid_search_finds_by_words_what_the_vector_does_not(embedding: Embeddings) -> None:
    with FieldVectorStore(embedding, text_index=True) as vector_store:
        texts = [f"{FOX} {n}" for n in range(20)]
        vector_store.add_texts([*texts, "Ref. XK-90/7b: an invoice"], ids=[*map(str, range(20)), "x"])
        query = "xk 90"
        assert "x" not in ids_of(vector_store.similarity_search(query, k=5))
        for alpha in (0.0, 0.4):
            found = vector_store.hybrid_search(query, k=5, alpha=alpha)
            assert "x" in ids_of(found)
            assert await vector_store.ahybrid_search(query, k=5, alpha=alpha) == found
            assert vector_store.search(query, "hybrid", k=5, alpha=alpha) == found
            assert await vector_store.asearch(query, "hybrid", k=5, alpha=alpha) == found
            assert vector_store.similarity_search(query, k=5, search_type="hybrid", alpha=alpha) == found
            retriever = vector_store.as_retriever(search_type="hybrid", k=5, search_kwargs={"alpha": alpha})
            assert retriever.invoke(query) == await retriever.ainvoke(query) == found
        assert ids_of(vector_store.hybrid_search(query, filter=lambda document: document.id == "x")) == ["x"]
        vector_store.forget(["x"])
        assert "x" not in ids_of(vector_store.hybrid_search(query, k=30))
        assert vector_store.store.verify() == []


def test_a_hybrid_search_without_an_index_of_the_words_says_how_to_have_one(three: FieldVectorStore) -> None:
    with pytest.raises(Exception, match="text_index=True"):
        three.hybrid_search(FOX)


@pytest.mark.parametrize("search_type", ["mmr", "field", "similarity_score_threshold"])
async def test_a_similarity_search_of_another_type_is_the_search_of_that_type(
    three: FieldVectorStore, search_type: str
) -> None:
    found = three.search(FOX, search_type, k=2)
    assert three.similarity_search(FOX, k=2, search_type=search_type) == found
    assert await three.asimilarity_search(FOX, k=2, search_type=search_type) == found
    with pytest.raises(ValueError, match="colour"):
        three.similarity_search(FOX, search_type="colour")


def test_a_residual_names_who_else_says_it(three: FieldVectorStore) -> None:
    three.add_texts([FOX], [{"n": 9}], ids=["copy"])
    [residual] = three.residual(["1"])
    assert residual.carriers[0].id == "copy"
    three.forget(["copy"])
    [residual] = three.residual(["1"], filter={"n": {"$lt": 9}})
    assert "copy" not in [carrier.id for carrier in residual.carriers]
