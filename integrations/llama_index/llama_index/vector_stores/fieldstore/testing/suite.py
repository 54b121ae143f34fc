# A conformance suite for any LlamaIndex vector store: storing, finding, filtering, and above all forgetting.
#
# In:   a fixture that opens an empty store, and what the store is declared to be able to do.
# Out:  tests of pytest; a test of something that is declared absent is skipped, and says so.
# Rule: only LlamaIndex's own interface, so that the suite fits every store; nothing of fieldstore.
# Rule: no test passes on a store whose verb does nothing; tests/test_conformance.py breaks one verb at a time.
"""What a LlamaIndex vector store has to do, as tests to inherit.

    class TestMyStore(VectorStoreTests):
        has_restore = has_erase = False

        @pytest.fixture
        def vector_store(self):
            return MyStore()

Needs pytest. Every embedding is made here, of `samples.DIM` dimensions; nothing is downloaded. Node ids are short
words, so that a store which takes nothing but UUIDs (Qdrant) cannot be tested by it as it is.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from llama_index.core.schema import BaseNode, Document
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from llama_index.vector_stores.fieldstore.testing.samples import (
    CASES,
    CASES_OF_LISTS,
    DOOR,
    FACTS,
    FISH,
    FOX,
    LISTS,
    Store,
    ask,
    embed,
    expected,
    found,
    group,
    node,
    only,
    rich,
)


class VectorStoreTests:
    """The suite; the fixture `vector_store` gives an empty store. What it cannot do is declared here.

    operators, conditions: of filters. nested_filters: groups in groups. missing_key_is_unequal: `!=` and `nin` match a
    node without the key. list_metadata: values may be lists. node_ids, doc_ids: queries honour them.
    has_get_nodes, returns_embeddings: `get_nodes` works, and with them. has_delete_nodes, deletes_by_filter, has_clear.
    modes: of queries, besides "default". cosine_scores: similarities are cosines. has_restore, has_erase: see the
    methods of that name.
    """

    operators: ClassVar[Collection[FilterOperator]] = tuple(FilterOperator)
    conditions: ClassVar[Collection[FilterCondition]] = tuple(FilterCondition)
    nested_filters: ClassVar[bool] = True
    missing_key_is_unequal: ClassVar[bool] = True
    list_metadata: ClassVar[bool] = True
    node_ids: ClassVar[bool] = True
    doc_ids: ClassVar[bool] = True
    has_get_nodes: ClassVar[bool] = True
    returns_embeddings: ClassVar[bool] = True
    has_delete_nodes: ClassVar[bool] = True
    deletes_by_filter: ClassVar[bool] = True
    has_clear: ClassVar[bool] = True
    modes: ClassVar[Collection[str]] = ("mmr",)
    cosine_scores: ClassVar[bool] = True
    has_restore: ClassVar[bool] = True
    has_erase: ClassVar[bool] = True

    def restore(self, store: Store, ref_doc_id: str) -> None:
        """Undo the deletion of a document; override it where the store says that in another way."""
        store.restore(ref_doc_id)  # type: ignore[attr-defined]

    def erase(self, store: Store, ref_doc_id: str) -> None:
        """Destroy a document for good; override it where the store says that in another way."""
        store.erase(ref_doc_id)  # type: ignore[attr-defined]

    def folder(self, store: Store) -> Path | None:
        """Where the store keeps its files, to be searched for what was erased; None where they are out of reach."""
        return None

    @pytest.fixture
    def vector_store(self) -> Store:
        """An empty store."""
        raise NotImplementedError("override the fixture vector_store: it gives an empty store")

    @pytest.fixture
    def three(self, vector_store: Store) -> Store:
        """A fox and a fish of one document, and a door of another."""
        vector_store.add([node("1", FOX, "animals", n=1), node("2", FISH, "animals", n=2), node("3", DOOR, "house")])
        return vector_store

    # -- storing

    def test_ids_come_back_in_the_order_of_the_nodes(self, vector_store: Store) -> None:
        assert list(vector_store.add([node("b", FOX), node("a", FISH), node("c", DOOR)])) == ["b", "a", "c"]
        assert sorted(found(vector_store)) == ["a", "b", "c"]

    def test_adding_nothing_adds_nothing(self, three: Store) -> None:
        assert list(three.add([])) == []
        assert sorted(found(three)) == ["1", "2", "3"]

    def test_a_node_added_again_replaces_what_its_id_held(self, three: Store) -> None:
        three.add([node("1", DOOR, "house", n=9)])
        assert sorted(found(three)) == ["1", "2", "3"], "neither ignored nor there twice"
        assert found(three, FOX, k=1) == ["2"]
        assert found(three, filters=only("n", 9)) == ["1"]
        assert found(three, filters=only("n", 1)) == []
        three.add([node("1", DOOR, "house")])
        assert found(three, filters=only("n", 9)) == [], "also what it no longer says is replaced"
        if three.stores_text:
            assert {one.node_id: one.get_content() for one in ask(three).nodes or ()}["1"] == DOOR

    @pytest.mark.parametrize("kind", ["text", "image", "index"])
    def test_a_node_comes_back_whole(self, vector_store: Store, kind: str) -> None:
        _need(vector_store.stores_text, "text")
        given = rich(kind)
        vector_store.add([given])
        [back] = ask(vector_store).nodes or ()
        assert type(back) is type(given)
        assert (back.node_id, back.get_content()) == (given.node_id, given.get_content())
        assert back.metadata == given.metadata
        assert back.relationships == given.relationships
        bare = {"embedding"}
        assert back.model_dump(exclude=bare) == given.model_dump(exclude=bare)

    def test_nodes_are_got_by_id_by_filter_by_both_and_all(self, three: Store) -> None:
        _need(self.has_get_nodes, "get_nodes")
        assert _ids(three.get_nodes(["3", "1", "unknown"])) == {"1", "3"}
        assert _ids(three.get_nodes(filters=only("n", 2))) == {"2"}
        assert _ids(three.get_nodes(["1", "2"], only("n", 2))) == {"2"}
        assert _ids(three.get_nodes()) == {"1", "2", "3"}
        assert _ids(three.get_nodes([])) == set(), "no ids are no nodes"

    def test_nodes_come_with_their_embeddings(self, three: Store) -> None:
        _need(self.has_get_nodes and self.returns_embeddings, "embeddings in get_nodes")
        for one in three.get_nodes(["1", "2", "3"]):
            assert one.embedding is not None
            assert _cosine(one.embedding, embed(one.get_content())) == pytest.approx(1.0, abs=1e-5)

    # -- finding

    def test_the_nearest_come_first_and_score_highest(self, three: Store) -> None:
        for text, order in ((FOX, ["1", "2", "3"]), (FISH, ["2", "1", "3"])):
            result = ask(three, text)
            assert found(three, text) == order
            assert result.similarities is not None
            assert len(result.similarities) == 3
            assert list(result.similarities) == sorted(result.similarities, reverse=True)
            assert all(isinstance(score, float) for score in result.similarities)
            if self.cosine_scores:
                cosines = [_cosine(embed(text), embed({"1": FOX, "2": FISH, "3": DOOR}[id])) for id in order]
                assert list(result.similarities) == pytest.approx(cosines, abs=1e-4)

    def test_no_more_than_top_k_are_found_and_all_where_there_are_fewer(self, three: Store) -> None:
        assert [len(found(three, k=k)) for k in (1, 2, 3, 50)] == [1, 2, 3, 3]

    def test_an_empty_store_and_one_without_a_match_find_nothing(self, vector_store: Store) -> None:
        assert found(vector_store) == []
        vector_store.add([node("1", n=1)])
        assert found(vector_store, filters=only("n", 2)) == []

    def test_node_ids_restrict_and_none_do_not(self, three: Store) -> None:
        _need(self.node_ids, "node_ids")
        assert sorted(found(three, node_ids=["1", "3", "unknown"])) == ["1", "3"]
        assert found(three, k=1, node_ids=["3"]) == ["3"], "before the ranking"
        assert sorted(found(three, node_ids=[])) == ["1", "2", "3"], "every retriever of a re-opened index sends this"

    def test_doc_ids_restrict_and_none_let_nothing_pass(self, three: Store) -> None:
        _need(self.doc_ids, "doc_ids")
        assert sorted(found(three, doc_ids=["animals"])) == ["1", "2"]
        assert found(three, k=1, doc_ids=["house"]) == ["3"], "before the ranking"
        assert found(three, doc_ids=[]) == [], "who may see no document sees none"

    def test_what_restricts_a_query_restricts_it_together(self, three: Store) -> None:
        two = only("n", 2)
        if self.node_ids:
            assert found(three, node_ids=["1", "2"], filters=two) == ["2"]
            assert found(three, node_ids=["1", "3"], filters=two) == []
        if self.doc_ids:
            assert found(three, doc_ids=["animals"], filters=two) == ["2"]
            assert found(three, doc_ids=["house"], filters=two) == []
        if self.node_ids and self.doc_ids:
            assert found(three, node_ids=["1", "3"], doc_ids=["animals"]) == ["1"]
        _need(self.node_ids or self.doc_ids, "node_ids or doc_ids")

    @pytest.mark.parametrize("mode", list(VectorStoreQueryMode), ids=lambda mode: mode.value)
    def test_a_mode_is_honoured_or_refused_and_never_another_one(
        self, three: Store, mode: VectorStoreQueryMode
    ) -> None:
        if mode is VectorStoreQueryMode.DEFAULT or mode.value in self.modes:
            assert found(three, k=1, mode=mode) == ["1"]
        else:
            with pytest.raises((ValueError, NotImplementedError, TypeError)):
                ask(three, mode=mode)

    def test_an_mmr_threshold_in_the_query_is_read(self, three: Store) -> None:
        _need("mmr" in self.modes, "mmr")
        mmr = VectorStoreQueryMode.MMR
        assert found(three, k=2, mode=mmr, mmr_threshold=1.0) == ["1", "2"]
        assert found(three, k=2, mode=mmr, mmr_threshold=0.0) == ["1", "3"], "0 is a value"

    # -- filtering

    @pytest.mark.parametrize(("operator", "key", "value"), CASES, ids=lambda one: str(getattr(one, "value", one)))
    def test_an_operator_matches_what_llama_index_says(
        self, vector_store: Store, operator: FilterOperator, key: str, value: Any
    ) -> None:
        _need(operator in self.operators, operator.value)
        self._filtered(vector_store, FACTS, only(key, value, operator))

    @pytest.mark.parametrize(
        ("operator", "key", "value"), CASES_OF_LISTS, ids=lambda one: str(getattr(one, "value", one))
    )
    def test_an_operator_looks_into_lists(
        self, vector_store: Store, operator: FilterOperator, key: str, value: Any
    ) -> None:
        _need(self.list_metadata and operator in self.operators, f"{operator.value} of lists")
        self._filtered(vector_store, LISTS, only(key, value, operator))

    @pytest.mark.parametrize("condition", list(FilterCondition))
    def test_conditions_join_filters(self, vector_store: Store, condition: FilterCondition) -> None:
        _need(condition in self.conditions, condition.value)
        who, page = (MetadataFilter(key=key, value=value) for key, value in (("who", "ann"), ("page", 4)))
        facts = {id: FACTS[id] for id in ("ann", "bob", "cat")}
        self._filtered(vector_store, facts, group(who, page, condition=condition))

    def test_groups_nest(self, vector_store: Store) -> None:
        _need(self.nested_filters, "groups in groups")
        vector_store.add([node(id, **facts) for id, facts in FACTS.items()])
        either = group(*(MetadataFilter(key="who", value=who) for who in ("ann", "bob")), condition=FilterCondition.OR)
        assert found(vector_store, filters=group(either, MetadataFilter(key="page", value=4))) == ["bob"]

    def test_a_filter_is_applied_before_the_ranking(self, vector_store: Store) -> None:
        vector_store.add([*(node(f"fox {n}", FOX) for n in range(20)), node("door", DOOR, rare="yes")])
        assert found(vector_store, FOX, k=1, filters=only("rare", "yes")) == ["door"]

    def test_what_a_filter_says_is_never_taken_for_code(self, vector_store: Store) -> None:
        nasty = "'; DROP TABLE nodes; -- \" %_"
        vector_store.add([node("1", FOX, nasty, who=nasty), node("2", DOOR, "house", who="ann")])
        assert found(vector_store, filters=only("who", nasty)) == ["1"]
        vector_store.delete(nasty)
        assert found(vector_store) == ["2"]

    def _filtered(self, store: Store, facts: dict[str, dict[str, Any]], filters: MetadataFilters) -> None:
        store.add([node(id, **metadata) for id, metadata in facts.items()])
        asked = filters.filters[0]
        if (
            isinstance(asked, MetadataFilter)
            and asked.operator in (FilterOperator.NE, FilterOperator.NIN)
            and not self.missing_key_is_unequal
        ):
            facts = {id: metadata for id, metadata in facts.items() if asked.key in metadata}
        assert set(found(store, filters=filters)) & facts.keys() == expected(facts, filters)

    # -- forgetting

    def _gone(self, store: Store, *ids: str) -> None:
        """No way to find something finds these, however many it asks for."""
        left = [id for id in ("1", "2", "3") if id not in ids]
        assert sorted(found(store)) == left
        assert sorted(found(store, FOX, k=1)) == left[:1]
        for mode in self.modes:
            if mode == "mmr":
                assert sorted(found(store, mode=VectorStoreQueryMode.MMR)) == left
        if self.node_ids:
            assert sorted(found(store, node_ids=["1", "2", "3"])) == left
        if self.doc_ids:
            assert sorted(found(store, doc_ids=["animals", "house"])) == left
        if self.has_get_nodes:
            assert _ids(store.get_nodes(["1", "2", "3"])) == set(left)

    def test_delete_takes_every_node_of_a_document_and_no_other(self, three: Store) -> None:
        three.delete("animals")
        self._gone(three, "1", "2")

    def test_a_document_is_known_by_its_whole_id(self, three: Store) -> None:
        for likeness in ("animal", "nimals", "ANIMALS", "animals ", "a%", "%", "*", ""):
            with suppress(ValueError):  # refusing it is as good
                three.delete(likeness)
        self._gone(three)

    def test_deleting_again_or_what_is_not_there_changes_nothing(self, three: Store) -> None:
        for ref_doc_id in ("never there", "animals", "animals"):
            three.delete(ref_doc_id)
        self._gone(three, "1", "2")
        three.add([node("1", FOX, "animals", n=1)])
        assert found(three, k=1) == ["1"], "a second deletion leaves no hole where the node comes back"
        self._gone(three, "2")

    def test_no_document_is_named_none(self, vector_store: Store) -> None:
        vector_store.add([node("1", FOX), node("2", FISH), node("3", DOOR, "house")])
        vector_store.delete("None")
        assert sorted(found(vector_store)) == ["1", "2", "3"], "nodes without a document are not of the document None"

    def test_a_document_stored_whole_is_deleted_by_its_id(self, vector_store: Store) -> None:
        vector_store.add([Document(id_="whole", text=FOX, embedding=embed(FOX)), node("3", DOOR, "house")])
        vector_store.delete("whole")
        assert found(vector_store) == ["3"], "a pipeline without a splitter stores documents themselves"

    def test_delete_nodes_takes_these(self, three: Store) -> None:
        _need(self.has_delete_nodes, "delete_nodes")
        three.delete_nodes(["1", "never there"])
        self._gone(three, "1")
        three.delete_nodes(["1"])
        three.delete_nodes([])
        self._gone(three, "1")

    def test_delete_nodes_takes_what_matches(self, three: Store) -> None:
        _need(self.has_delete_nodes and self.deletes_by_filter, "delete_nodes by filter")
        three.delete_nodes(["1", "3"], only("n", 2))
        self._gone(three)
        three.delete_nodes(filters=only("n", 2))
        self._gone(three, "2")
        three.delete_nodes(["1", "3"], only("n", 1))
        self._gone(three, "1", "2")

    def test_delete_nodes_of_nothing_in_particular_does_not_empty_the_store(self, three: Store) -> None:
        _need(self.has_delete_nodes, "delete_nodes")
        with suppress(ValueError, TypeError):  # refusing it is as good
            three.delete_nodes()
        self._gone(three)

    def test_clear_empties_the_store_which_works_straight_after(self, three: Store) -> None:
        _need(self.has_clear, "clear")
        three.clear()
        self._gone(three, "1", "2", "3")
        three.clear()
        three.add([node("1", FISH, "animals")])
        assert found(three) == ["1"]

    def test_a_deleted_node_added_again_is_there_again(self, three: Store) -> None:
        three.delete("animals")
        three.add([node("1", FOX, "animals", n=1), node("2", FISH, "animals", n=2)])
        self._gone(three)
        assert found(three, FISH, k=1) == ["2"]

    def test_async_does_what_sync_does(self, three: Store) -> None:
        async def flow() -> None:
            assert list(await three.async_add([node("4", FOX + " fast", "more")])) == ["4"]
            asked = VectorStoreQuery(query_embedding=embed(FOX), similarity_top_k=50)
            assert sorted((await three.aquery(asked)).ids or found(three)) == sorted(found(three)) == list("1234")
            if self.has_get_nodes:
                assert _ids(await three.aget_nodes(["1", "4"])) == {"1", "4"}
            await three.adelete("more")
            self._gone(three)
            if self.has_delete_nodes:
                await three.adelete_nodes(["1"])
                self._gone(three, "1")
            if self.has_clear:
                await three.aclear()
                self._gone(three, "1", "2", "3")

        asyncio.run(flow())

    # -- restoring and erasing

    def test_restore_brings_back_what_was_deleted_as_it_was(self, three: Store) -> None:
        _need(self.has_restore, "restore")
        before = ask(three)
        three.delete("animals")
        self._gone(three, "1", "2")
        self.restore(three, "animals")
        assert ask(three) == before
        self.restore(three, "animals")
        assert ask(three) == before, "there once, not twice"

    def test_restore_keeps_what_was_written_since(self, three: Store) -> None:
        _need(self.has_restore, "restore")
        three.delete("animals")
        three.add([node("4", DOOR + " slowly", "later")])
        three.delete("house")
        self.restore(three, "animals")
        assert sorted(found(three)) == ["1", "2", "4"]

    def test_restore_brings_back_no_version_that_was_replaced(self, vector_store: Store) -> None:
        _need(self.has_restore, "restore")
        for version in ("old", "new"):  # as `update_ref_doc` does it: delete, then add under new ids
            vector_store.delete("d")
            vector_store.add([node(version, f"{FOX} {version}", "d")])
        vector_store.delete("d")
        self.restore(vector_store, "d")
        assert found(vector_store) == ["new"]

    @pytest.mark.parametrize("deleted_before", [False, True], ids=["live", "deleted before"])
    def test_what_was_erased_is_gone_for_good(self, three: Store, deleted_before: bool) -> None:
        _need(self.has_erase, "erase")
        three.add([node("4", "a secret called xylophone", "hidden", owner="zebedee the second")])
        if deleted_before:
            three.delete("hidden")
        self.erase(three, "hidden")
        self._gone(three)
        if self.has_restore:
            self.restore(three, "hidden")
            self._gone(three)
        if (folder := self.folder(three)) is not None:
            held = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
            assert any(b"blue door" in content for content in held), "what is kept is there to be found"
            assert not any(word in content for content in held for word in (b"xylophone", b"zebedee"))


def _need(able: bool, what: str) -> None:
    if not able:
        pytest.skip(f"this store is declared to have no {what}")


def _ids(nodes: Iterable[BaseNode]) -> set[str]:
    return {one.node_id for one in nodes}


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))
