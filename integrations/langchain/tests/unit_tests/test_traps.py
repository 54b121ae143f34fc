"""Every trap in LangChain's base classes, and every failure that was measured in another vector store, in its order."""

import asyncio
import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import index
from langchain_core.load import dumps
from langchain_core.tracers.base import BaseTracer
from langchain_core.vectorstores import VectorStore

from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, WordEmbeddings, ids_of
from langchain_fieldstore import FieldRecordManager, FieldVectorStore

# -- traps of the base classes


async def test_1_a_generator_is_not_used_up_by_counting_it(empty: FieldVectorStore) -> None:
    assert len(empty.add_texts(text for text in (FOX, FISH))) == len(empty.similarity_search(FOX)) == 2
    assert len(await empty.aadd_texts((text for text in (DOOR,)), ({"n": n} for n in (1,)))) == 1
    assert empty.store.count() == 3


@pytest.mark.parametrize("columns", [{"ids": ["1"]}, {"metadatas": [{}]}])
async def test_2_too_few_ids_or_metadatas_are_an_error_and_lose_no_text_in_silence(
    empty: FieldVectorStore, columns: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="got 2 texts but 1"):
        empty.add_texts([FOX, FISH], **columns)
    with pytest.raises(ValueError, match="got 2 texts but 1"):
        await empty.aadd_texts([FOX, FISH], **columns)
    assert empty.store.count() == 0


@pytest.mark.parametrize("on_delete", ["forget", "erase"])
async def test_3_nothing_is_never_taken_for_everything(three: FieldVectorStore, on_delete: Any) -> None:
    vector_store = FieldVectorStore(three.embedding, store=three.store, on_delete=on_delete)
    for nothing in ({}, {"ids": None}, {"filter": {}}, {"filter": None}):
        with pytest.raises(ValueError, match="exactly one of ids, filter= and delete_all=True; nothing was deleted"):
            vector_store.delete(**nothing)
        with pytest.raises(ValueError, match="exactly one"):
            await vector_store.adelete(**nothing)
    assert vector_store.delete([]) is await vector_store.adelete([]) is True
    assert vector_store.delete(filter=lambda document: False) is True
    assert three.store.count() == 3


async def test_4_what_is_gone_already_is_deleted_successfully(three: FieldVectorStore) -> None:
    for _ in range(2):
        assert three.delete(["1", "never there"]) is await three.adelete(["1"]) is True
    assert three.delete(["1"], erase=True) is three.delete(["1"], erase=True) is True


def test_5_an_option_of_the_retriever_is_honoured_or_refused(three: FieldVectorStore) -> None:
    assert len(three.as_retriever(k=1).invoke(FOX)) == 1
    threshold = three.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 1})
    assert len(threshold.invoke(FOX)) == 1
    with pytest.raises(ValueError, match="top_k"):
        three.as_retriever(top_k=1)


def test_6_a_search_type_assigned_later_is_refused_by_name(three: FieldVectorStore) -> None:
    retriever = three.as_retriever()
    retriever.search_type = "nearest"
    with pytest.raises(ValueError, match="search_type is 'nearest'; it is one of similarity"):
        retriever.invoke(FOX)


@pytest.mark.parametrize("id", ["5", "a" * 64, "…ø 文", "with spaces/and\\slashes", "'; DROP TABLE records; --", "%_"])
def test_7_any_string_is_an_id(empty: FieldVectorStore, id: str) -> None:
    empty.add_documents([Document(id=id, page_content=FOX)])
    assert ids_of(empty.similarity_search(FOX)) == ids_of(empty.get_by_ids([id])) == [id]
    empty.delete([id])
    assert empty.get_by_ids([id]) == []


def test_7_a_number_as_an_id_is_the_string_that_langchain_makes_of_it(empty: FieldVectorStore) -> None:
    assert empty.add_documents([Document(id=5, page_content=FOX)]) == ["5"]  # type: ignore[arg-type]


async def test_8_callbacks_tags_and_metadata_are_those_of_a_retriever(three: FieldVectorStore) -> None:
    class Noting(BaseCallbackHandler):
        def __init__(self) -> None:
            self.events: list[Any] = []

        def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
            self.events.append(("start", query, kwargs["tags"], kwargs["metadata"]))

        def on_retriever_end(self, documents: Any, **_: Any) -> None:
            self.events.append(("end", ids_of(documents)))

        def on_retriever_error(self, error: BaseException, **_: Any) -> None:
            self.events.append(("error", type(error)))

    noting = Noting()
    config: Any = {"callbacks": [noting], "tags": ["mine"], "metadata": {"who": "ann"}}
    retriever = three.as_retriever(search_type="field", search_kwargs={"k": 3}, fill=False)
    retriever.invoke(FOX, config, k=1)
    await retriever.ainvoke(FOX, config, k=1)
    with pytest.raises(ValueError, match="colour"):
        retriever.invoke(FOX, config, colour="red")
    starts = [event for event in noting.events if event[0] == "start"]
    assert [event for event in noting.events if event[0] != "start"] == [("end", ["1"])] * 2 + [("error", ValueError)]
    for _, query, tags, metadata in starts:
        assert query == FOX
        assert sorted(tags) == ["FieldVectorStore", "WordEmbeddings", "mine"]
        assert metadata["who"] == "ann"
        assert metadata["ls_vector_store_provider"] == "FieldVectorStore"
        assert metadata["ls_embedding_provider"] == "WordEmbeddings"
        assert metadata["ls_retriever_name"] == "field"


def test_8_a_trace_holds_what_was_found(three: FieldVectorStore) -> None:
    runs: list[Any] = []

    class Tracer(BaseTracer):
        def _persist_run(self, run: Any) -> None:
            runs.append(run)

    three.as_retriever(k=1).invoke(FOX, {"callbacks": [Tracer()]})
    [run] = runs
    assert run.run_type == "retriever"
    assert [document.id for document in run.outputs["documents"]] == ["1"]


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_9_it_is_not_pickled_and_says_how_to_open_it_again(tmp_path: Path, embedding: Embeddings, copied: Any) -> None:
    with FieldVectorStore(embedding, tmp_path / "notes") as on_disk, FieldVectorStore(embedding) as in_memory:
        with pytest.raises(TypeError, match=r"open it again with FieldVectorStore\(embedding, path='.*notes'\)"):
            copied(on_disk)
        with pytest.raises(TypeError, match="one in memory lives in this process alone; give it a path"):
            copied(in_memory)
        with pytest.raises(TypeError, match="open it again with FieldVectorStore"):
            pickle.dumps(on_disk.as_retriever())
        assert "not_implemented" in dumps(on_disk)


@pytest.mark.parametrize("filter", [{"n": {"$lte": 2}, "alive": True}, lambda document: document.metadata["n"] <= 2])
@pytest.mark.parametrize("way", ["similarity", "mmr", "field", "similarity_score_threshold"])
def test_10_filters_are_dicts_or_functions_everywhere(three: FieldVectorStore, way: str, filter: Any) -> None:
    assert sorted(ids_of(three.search(FOX, way, k=9, filter=filter))) == ["1", "2"]


# -- failures measured in others


def test_filters_do_not_starve_a_search(three: FieldVectorStore) -> None:
    three.add_texts([FOX] * 200, [{"n": 9}] * 200)
    for filter in ({"n": 3}, lambda document: document.metadata["n"] == 3):
        assert ids_of(three.similarity_search(FOX, k=1, filter=filter)) == ["3"]
        assert ids_of(three.max_marginal_relevance_search(FOX, k=1, fetch_k=2, filter=filter)) == ["3"]


@pytest.fixture
def copies(empty: FieldVectorStore) -> FieldVectorStore:
    """A fox, its copy, something half like it and something unlike it, in this order of nearness."""
    empty.add_texts([FOX, FOX, "the red door opens", "one old tree"], ids=["fox", "copy", "half", "unlike"])
    return empty


def test_mmr_keeps_the_order_of_choice(copies: FieldVectorStore) -> None:
    assert ids_of(copies.max_marginal_relevance_search(FOX, k=4, lambda_mult=0.3)) == ["fox", "unlike", "half", "copy"]


def test_lambda_is_not_inverted_and_0_is_not_taken_for_none(copies: FieldVectorStore) -> None:
    assert ids_of(copies.max_marginal_relevance_search(FOX, k=2, lambda_mult=1)) == ["fox", "copy"]
    assert ids_of(copies.max_marginal_relevance_search(FOX, k=2, lambda_mult=0)) == ["fox", "unlike"]
    scored = copies.max_marginal_relevance_search_with_score(FOX, k=4, lambda_mult=0.3)
    assert scored[0][1] == pytest.approx(1.0, abs=1e-6)
    assert [score for _, score in scored] != sorted((score for _, score in scored), reverse=True)


def test_raw_scores_are_cosines_high_is_close_and_relevance_is_between_0_and_1(empty: FieldVectorStore) -> None:
    class Turning(Embeddings):
        """Texts are angles in degrees."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            import math

            return [[math.cos(math.radians(float(text))), math.sin(math.radians(float(text)))] for text in texts]

        def embed_query(self, text: str) -> list[float]:
            return [3.0 * x for x in self.embed_documents([text])[0]]  # not of unit length

    with FieldVectorStore.from_texts(["0", "60", "90", "180"], Turning()) as vector_store:
        scores = [score for _, score in vector_store.similarity_search_with_score("0")]
        relevances = [score for _, score in vector_store.similarity_search_with_relevance_scores("0")]
    assert scores == pytest.approx([1.0, 0.5, 0.0, -1.0], abs=1e-6)
    assert relevances == pytest.approx([1.0, 0.75, 0.5, 0.0], abs=1e-6)
    assert all(0.0 <= relevance <= 1.0 for relevance in relevances)


def test_a_record_without_metadata_comes_back_by_its_id(empty: FieldVectorStore) -> None:
    empty.add_texts([FOX], ids=["1"])
    empty.add_documents([Document(id="2", page_content=FISH)])
    assert [document.metadata for document in empty.get_by_ids(["1", "2"])] == [{}, {}]


def test_an_id_asked_for_twice_comes_once_and_one_stored_twice_in_a_batch_is_refused(three: FieldVectorStore) -> None:
    assert ids_of(three.get_by_ids(["2", "1", "2"])) == ["2", "1"]
    with pytest.raises(ValueError, match="'x' is given twice"):
        three.add_texts([FOX, FISH], ids=["x", "x"])
    assert three.store.count() == 3


def test_an_upsert_needs_no_other_method(three: FieldVectorStore) -> None:
    three.add_texts([DOOR], ids=["1"])
    assert three.get_by_ids(["1"])[0].page_content == DOOR
    assert three.store.count() == 3


def test_nested_metadata_lists_and_none_are_kept(empty: FieldVectorStore) -> None:
    metadata = {"tags": ["a", ["b"]], "at": {"page": 1, "box": None}, "none": None, "yes": True, "x": 1.5}
    empty.add_texts([FOX], [metadata], ids=["1"])
    assert empty.get_by_ids(["1"])[0].metadata == metadata
    assert len(empty.similarity_search(FOX, filter={"at.page": 1, "tags": {"$contains": "a"}, "none": None})) == 1


def test_no_document_shares_its_metadata_with_the_store_or_another(three: FieldVectorStore) -> None:
    given: dict[str, Any] = {"tags": ["a"]}
    three.add_texts([FOX], [given], ids=["1"])
    given["tags"].append("b")
    three.similarity_search(FOX)[0].metadata["tags"].append("c")
    assert three.get_by_ids(["1"])[0].metadata == {"tags": ["a"]}


def test_deleting_by_filter_takes_any_key(three: FieldVectorStore) -> None:
    assert three.delete(filter={"alive": {"$exists": False}}) is True
    assert three.store.ids() == ["1", "2"]


def test_a_later_search_reuses_nothing_of_an_earlier_one(three: FieldVectorStore) -> None:
    options: dict[str, Any] = {"k": 2, "filter": {"n": {"$lte": 2}}}
    retriever = three.as_retriever(search_kwargs=options)
    found = [ids_of(retriever.invoke(text)) for text in (FOX, FISH, FOX)]
    assert found == [["1", "2"], ["2", "1"], ["1", "2"]]
    assert ids_of(retriever.invoke(DOOR, filter={"n": 3})) == ["3"]
    assert options == retriever.search_kwargs == {"k": 2, "filter": {"n": {"$lte": 2}}}


def test_indexing_the_same_again_makes_no_duplicates(empty: FieldVectorStore) -> None:
    documents = [Document(page_content=text, metadata={"source": "a"}) for text in (FOX, FISH)]
    for _ in range(3):
        index(documents, FieldRecordManager(empty), empty, cleanup=None, key_encoder="sha256")
    assert empty.store.count() == 2


def test_the_base_class_is_overridden_wherever_it_would_raise_or_only_pretend() -> None:
    inherited = {
        name
        for name in dir(VectorStore)
        if not name.startswith("__")
        and callable(getattr(VectorStore, name))
        and getattr(FieldVectorStore, name) is getattr(VectorStore, name)
    }
    assert inherited <= {
        # what only calls what is overridden, in a thread where it awaits
        "adelete", "aget_by_ids", "asimilarity_search_by_vector", "amax_marginal_relevance_search_by_vector",
        "similarity_search_with_relevance_scores", "asimilarity_search_with_relevance_scores",
        "_similarity_search_with_relevance_scores", "_asimilarity_search_with_relevance_scores",
        "_get_retriever_tags",
        # functions of distances, which are not used
        "_euclidean_relevance_score_fn", "_cosine_relevance_score_fn", "_max_inner_product_relevance_score_fn",
    }  # fmt: skip


async def test_two_hundred_coroutines_of_every_kind_leave_a_sound_store(empty: FieldVectorStore) -> None:
    """Writers of own and of shared ids, forgetters, restorers, erasers, searchers of every type, all at once."""

    class Yielding(WordEmbeddings):
        """Gives the loop to the others in the middle of every embedding, as a network would."""

        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            await asyncio.sleep(0)
            return self.embed_documents(texts)

        async def aembed_query(self, text: str) -> list[float]:
            await asyncio.sleep(0)
            return self.embed_query(text)

    vector_store = FieldVectorStore(Yielding(), store=empty.store)
    await vector_store.aadd_texts([f"{FOX} {n}" for n in range(40)], [{"n": n} for n in range(40)], ids=names(40))

    async def one(number: int) -> None:
        kind, id = number % 10, f"doc{number % 40}"
        if kind < 3:
            text = f"{FISH} of {number}"
            [added] = await vector_store.aadd_texts([text], [{"by": number}], ids=[f"new{number}"])
            assert ids_of(await vector_store.asimilarity_search(text, k=1)) == [added]
        elif kind == 3:
            await vector_store.aadd_texts([f"{DOOR} {number}"], [{"by": number}], ids=["shared"])
        elif kind == 4:
            await vector_store.aforget([id], reason=str(number))
        elif kind == 5:
            await vector_store.arestore([id])
        elif kind == 6 and number % 40 == 6:
            await vector_store.adelete([id], erase=True)
        elif kind == 7:
            way = ("similarity", "mmr", "field", "similarity_score_threshold")[number % 4]
            assert len(ids_of(await vector_store.asearch(FOX, way, k=3))) <= 3
        elif kind == 8:
            scored = await vector_store.asimilarity_search_with_score(FOX, k=5, filter={"n": {"$lt": 20}})
            assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
        else:
            await vector_store.as_retriever(search_type="field", k=2).ainvoke(FOX)

    await asyncio.gather(*(one(number) for number in range(200)))
    live = set(vector_store.store.ids())
    assert {f"new{number}" for number in range(200) if number % 10 < 3} < live
    assert "shared" in live
    assert not {f"doc{n}" for n in (6,)} & live
    assert len(vector_store.history("shared")) >= 1
    assert vector_store.store.count() == len(live) == len(await vector_store.asimilarity_search(FOX, k=999))
    assert vector_store.store.verify() == []


def names(count: int) -> list[str]:
    return [f"doc{n}" for n in range(count)]
