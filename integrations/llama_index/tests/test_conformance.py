"""The conformance suite: our class passes it, broken ones do not, and LlamaIndex's own store shows its known traps."""

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import FilterCondition, VectorStoreQuery

from llama_index.vector_stores.fieldstore import FieldVectorStore
from llama_index.vector_stores.fieldstore.testing import VectorStoreTests
from llama_index.vector_stores.fieldstore.testing.samples import DOOR, FISH, FOX, node


class TestInMemory(VectorStoreTests):
    modes = ("mmr", "text_search", "hybrid")

    @pytest.fixture
    def vector_store(self) -> Iterator[FieldVectorStore]:  # type: ignore[override]
        with FieldVectorStore(text_index=True) as store:
            yield store
            assert store.client.verify() == []


class TestOnDisk(VectorStoreTests):
    def folder(self, store: Any) -> Path | None:
        return Path(store.path)

    @pytest.fixture
    def vector_store(self, tmp_path: Path) -> Iterator[FieldVectorStore]:  # type: ignore[override]
        with FieldVectorStore(tmp_path / "store") as store:
            yield store
            assert store.client.verify() == []


class TestWhereDeletingErases(VectorStoreTests):
    """Nothing comes back from a store that is told to erase; the rest of the suite is the same."""

    has_restore = False

    @pytest.fixture
    def vector_store(self) -> Iterator[FieldVectorStore]:  # type: ignore[override]
        with FieldVectorStore(on_delete="erase") as store:
            yield store
            assert store.client.verify() == []

    @pytest.mark.skip("deleted before is erased before")
    def test_what_was_erased_is_gone_for_good(self) -> None:  # type: ignore[override]
        pass


# -- broken ones


class FiltersIgnored(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.filters = None
        return super().query(query, **kwargs)


class FilteredAfterRanking(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        wanted = {one.node_id for one in self.get_nodes(filters=query.filters)}
        query.filters = None
        result = super().query(query, **kwargs)
        kept = [n for n, id in enumerate(result.ids or []) if id in wanted]
        for name in ("nodes", "ids", "similarities"):
            setattr(result, name, [getattr(result, name)[n] for n in kept])
        return result


class WorstFirst(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        result = super().query(query, **kwargs)
        for name in ("nodes", "ids", "similarities"):
            getattr(result, name).reverse()
        return result


class DistancesForSimilarities(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        result = super().query(query, **kwargs)
        result.similarities = [1.0 - one for one in result.similarities or []]
        return result


class TopKIgnored(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.similarity_top_k = 10
        return super().query(query, **kwargs)


class NodeIdsIgnored(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.node_ids = None
        return super().query(query, **kwargs)


class RestrictionsAreAlternatives(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        if query.filters and (query.node_ids or query.doc_ids):
            query.filters = None
        return super().query(query, **kwargs)


class NoNodeIdsAreNone(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.node_ids = ["no such node"] if query.node_ids == [] else query.node_ids
        return super().query(query, **kwargs)


class DocIdsIgnored(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.doc_ids = None
        return super().query(query, **kwargs)


class NoDocIdsAreAll(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.doc_ids = query.doc_ids or None
        return super().query(query, **kwargs)


class ModesIgnored(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        query.mode, query.mmr_threshold = "default", None  # type: ignore[assignment]
        return super().query(query, **kwargs)


class NotAsAnd(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        if query.filters and query.filters.condition is FilterCondition.NOT:
            query.filters = query.filters.model_copy(update={"condition": FilterCondition.AND})
        return super().query(query, **kwargs)


class DeleteDoesNothing(FieldVectorStore):
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        pass


class DeleteTakesTheNearestToo(FieldVectorStore):
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        super().delete(ref_doc_id)
        self.delete_nodes(["3"])


class DeleteTakesWhatIsNamedAlike(FieldVectorStore):
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        for one in self.ref_doc_info():
            if one.startswith(ref_doc_id):
                super().delete(one)


class DeleteTakesTheParentless(FieldVectorStore):
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        if ref_doc_id == "None":
            self.delete_nodes([one.node_id for one in self.get_nodes() if one.ref_doc_id is None])
        super().delete(ref_doc_id)


class WholeDocumentsStay(FieldVectorStore):
    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        if ref_doc_id != "whole":
            super().delete(ref_doc_id)


class DeleteOnlyHides(FieldVectorStore):
    """Queries leave out what was deleted, everything else finds it."""

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        object.__setattr__(self, "_hidden", {*getattr(self, "_hidden", ()), ref_doc_id})

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        hidden = getattr(self, "_hidden", set())
        result = super().query(query, **kwargs)
        if query.node_ids:
            return result
        kept = [n for n, one in enumerate(result.nodes or []) if one.ref_doc_id not in hidden]
        for name in ("nodes", "ids", "similarities"):
            setattr(result, name, [getattr(result, name)[n] for n in kept])
        return result


class DeleteNodesDoesNothing(FieldVectorStore):
    def delete_nodes(self, *_: Any, **delete_kwargs: Any) -> None:
        pass


class DeleteNodesIgnoresFilters(FieldVectorStore):
    def delete_nodes(self, node_ids: Any = None, filters: Any = None, **delete_kwargs: Any) -> None:
        super().delete_nodes(node_ids, None if node_ids else filters)


class DeleteNodesOfNothingClears(FieldVectorStore):
    def delete_nodes(self, node_ids: Any = None, filters: Any = None, **delete_kwargs: Any) -> None:
        self.clear() if node_ids is None and filters is None else super().delete_nodes(node_ids, filters)


class ClearDoesNothing(FieldVectorStore):
    def clear(self, **kwargs: Any) -> None:
        pass


class AsyncWritesDoNothing(FieldVectorStore):
    async def async_add(self, nodes: Any, **kwargs: Any) -> list[str]:
        return [one.node_id for one in nodes]

    async def adelete(self, ref_doc_id: str, **kwargs: Any) -> None:
        pass


class AsyncDeleteDoesNothing(FieldVectorStore):
    async def adelete(self, ref_doc_id: str, **kwargs: Any) -> None:
        pass


class AsyncDeleteNodesDoesNothing(FieldVectorStore):
    async def adelete_nodes(self, *_: Any, **kwargs: Any) -> None:
        pass


class AsyncGetNodesFindsNothing(FieldVectorStore):
    async def aget_nodes(self, *_: Any, **kwargs: Any) -> list[BaseNode]:
        return []


class EmbeddingsLost(FieldVectorStore):
    def get_nodes(self, node_ids: Any = None, filters: Any = None) -> list[BaseNode]:
        nodes = super().get_nodes(node_ids, filters)
        for one in nodes:
            one.embedding = None
        return nodes


class RelationshipsDropped(FieldVectorStore):
    def query(self, query: VectorStoreQuery, **kwargs: Any) -> Any:
        result = super().query(query, **kwargs)
        for one in result.nodes or []:
            one.relationships = {}
        return result


class UpsertIgnored(FieldVectorStore):
    def add(self, nodes: Any, **kwargs: Any) -> list[str]:
        nodes = list(nodes)
        super().add([one for one in nodes if not self.client.history(one.node_id)], **kwargs)
        return [one.node_id for one in nodes]


class UpsertOfLiveNodesIgnored(FieldVectorStore):
    def add(self, nodes: Any, **kwargs: Any) -> list[str]:
        nodes = list(nodes)
        super().add([one for one in nodes if not self.client.exists(one.node_id)], **kwargs)
        return [one.node_id for one in nodes]


class UpsertKeepsOldKeys(FieldVectorStore):
    def add(self, nodes: Any, **kwargs: Any) -> list[str]:
        nodes = [one.model_copy() for one in nodes]
        for one in nodes:
            for before in self.get_nodes([one.node_id]):
                one.metadata = {**before.metadata, **one.metadata}
        return super().add(nodes, **kwargs)


class RestoreDoesNothing(FieldVectorStore):
    def restore(self, *_: Any, **kwargs: Any) -> Any:
        pass


class RestoreOfEverything(FieldVectorStore):
    def restore(self, *_: Any, **kwargs: Any) -> Any:
        return self.client.restore(where={"_node.id": {"$exists": True}})


class EraseForgets(FieldVectorStore):
    def erase(self, ref_doc_id: Any = None, **kwargs: Any) -> Any:
        return self.forget(ref_doc_id)


BROKEN: list[tuple[type[FieldVectorStore], str]] = [
    (FiltersIgnored, "an_operator_matches_what_llama_index_says"),
    (FilteredAfterRanking, "a_filter_is_applied_before_the_ranking"),
    (WorstFirst, "the_nearest_come_first_and_score_highest"),
    (DistancesForSimilarities, "the_nearest_come_first_and_score_highest"),
    (TopKIgnored, "no_more_than_top_k_are_found_and_all_where_there_are_fewer"),
    (NodeIdsIgnored, "node_ids_restrict_and_none_do_not"),
    (NoNodeIdsAreNone, "node_ids_restrict_and_none_do_not"),
    (DocIdsIgnored, "doc_ids_restrict_and_none_let_nothing_pass"),
    (NoDocIdsAreAll, "doc_ids_restrict_and_none_let_nothing_pass"),
    (RestrictionsAreAlternatives, "what_restricts_a_query_restricts_it_together"),
    (ModesIgnored, "a_mode_is_honoured_or_refused_and_never_another_one"),
    (ModesIgnored, "an_mmr_threshold_in_the_query_is_read"),
    (NotAsAnd, "conditions_join_filters"),
    (DeleteDoesNothing, "delete_takes_every_node_of_a_document_and_no_other"),
    (DeleteTakesTheNearestToo, "delete_takes_every_node_of_a_document_and_no_other"),
    (DeleteTakesWhatIsNamedAlike, "a_document_is_known_by_its_whole_id"),
    (DeleteOnlyHides, "delete_takes_every_node_of_a_document_and_no_other"),
    (DeleteTakesTheParentless, "no_document_is_named_none"),
    (WholeDocumentsStay, "a_document_stored_whole_is_deleted_by_its_id"),
    (DeleteNodesDoesNothing, "delete_nodes_takes_these"),
    (DeleteNodesIgnoresFilters, "delete_nodes_takes_what_matches"),
    (DeleteNodesOfNothingClears, "delete_nodes_of_nothing_in_particular_does_not_empty_the_store"),
    (ClearDoesNothing, "clear_empties_the_store_which_works_straight_after"),
    (AsyncWritesDoNothing, "async_does_what_sync_does"),
    (AsyncDeleteDoesNothing, "async_does_what_sync_does"),
    (AsyncDeleteNodesDoesNothing, "async_does_what_sync_does"),
    (AsyncGetNodesFindsNothing, "async_does_what_sync_does"),
    (EmbeddingsLost, "nodes_come_with_their_embeddings"),
    (RelationshipsDropped, "a_node_comes_back_whole"),
    (UpsertIgnored, "a_deleted_node_added_again_is_there_again"),
    (UpsertOfLiveNodesIgnored, "a_node_added_again_replaces_what_its_id_held"),
    (UpsertKeepsOldKeys, "a_node_added_again_replaces_what_its_id_held"),
    (RestoreDoesNothing, "restore_brings_back_what_was_deleted_as_it_was"),
    (RestoreOfEverything, "restore_keeps_what_was_written_since"),
    (RestoreOfEverything, "restore_brings_back_no_version_that_was_replaced"),
    (EraseForgets, "what_was_erased_is_gone_for_good"),
]


def failures(suite: VectorStoreTests, test: str, opened: Callable[[], Any]) -> int:
    """How many cases of one test of the suite fail on a store; each gets a new one."""
    body = getattr(suite, f"test_{test}")
    marks = [mark for mark in getattr(body, "pytestmark", []) if mark.name == "parametrize"]
    failed = 0
    for case in product(*(mark.args[1] for mark in marks)):
        given: dict[str, Any] = {}
        for mark, values in zip(marks, case, strict=True):
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            given |= zip(names, values if len(names) > 1 else [values], strict=True)
        store = opened()
        if "three" in inspect.signature(body).parameters:
            store.add([node("1", FOX, "animals", n=1), node("2", FISH, "animals", n=2), node("3", DOOR, "house")])
        fixture = "three" if "three" in inspect.signature(body).parameters else "vector_store"
        try:
            body(**{fixture: store}, **given)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):
            failed += 1
    return failed


@pytest.mark.parametrize(("broken", "test"), BROKEN, ids=lambda one: getattr(one, "__name__", one))
def test_the_suite_notices_a_broken_store(broken: type[FieldVectorStore], test: str) -> None:
    assert failures(VectorStoreTests(), test, FieldVectorStore) == 0
    assert failures(VectorStoreTests(), test, broken) > 0


class Simple(VectorStoreTests):
    """What LlamaIndex's own store in memory declares."""

    nested_filters = False
    doc_ids = False
    has_get_nodes = False
    has_restore = False
    has_erase = False


def test_the_suite_finds_the_known_traps_in_llama_indexs_own_store() -> None:
    tests = [name.removeprefix("test_") for name in dir(Simple) if name.startswith("test_")]
    assert {test for test in tests if failures(Simple(), test, SimpleVectorStore)} == {
        "a_document_stored_whole_is_deleted_by_its_id",
        "a_mode_is_honoured_or_refused_and_never_another_one",
        "an_mmr_threshold_in_the_query_is_read",
        "delete_nodes_of_nothing_in_particular_does_not_empty_the_store",
        "no_document_is_named_none",
        "node_ids_restrict_and_none_do_not",
    }


def test_what_a_store_is_declared_not_to_do_is_skipped_by_name() -> None:
    with pytest.raises(pytest.skip.Exception, match="restore"):
        Simple().test_restore_keeps_what_was_written_since(SimpleVectorStore())
    with pytest.raises(NotImplementedError, match="vector_store"):
        VectorStoreTests.vector_store.__wrapped__(VectorStoreTests())  # type: ignore[attr-defined]
