"""LangChain's index() over a record manager that is a view of the store: no duplicate, no loss, no drift."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX
from langchain_fieldstore import FieldRecordManager, FieldVectorStore

Key = tuple[str, str]  # of a document: its source and its text
CLEANUPS = [None, "incremental", "full", "scoped_full"]


def document(key: Key) -> Document:
    return Document(page_content=key[1], metadata={"source": key[0]})


def live(vector_store: FieldVectorStore) -> list[Key]:
    """The documents that are live, sorted: a duplicate would stand there twice."""
    return sorted((str(record.metadata["source"]), str(record.text)) for record in vector_store.store.get())


def id_of(vector_store: FieldVectorStore, key: Key) -> str:
    """The id a document has, live or forgotten."""
    records = vector_store.store.get() + vector_store.store.forgotten()
    [id] = [record.id for record in records if (record.metadata["source"], record.text) == key]
    return id


async def run(
    vector_store: FieldVectorStore,
    loaded: list[Key],
    cleanup: Any,
    way: str = "sync",
    manager: Any = None,
    **options: Any,
) -> dict[str, int]:
    manager = manager or FieldRecordManager(vector_store)
    given = [document(key) for key in loaded], manager, vector_store
    options = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "sha256"} | options
    result = index(*given, **options) if way == "sync" else await aindex(*given, **options)
    return dict(result)


def expected(before: list[Key], loaded: list[Key], cleanup: Any) -> list[Key]:
    """What a run has to leave live, by what was live when it began."""
    if cleanup == "full":
        return sorted(set(loaded))
    sources = {source for source, _ in loaded} if cleanup else set()
    return sorted({key for key in before if key[0] not in sources} | set(loaded))


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("cleanup", CLEANUPS)
async def test_three_runs_with_forgets_and_restores_between_leave_exactly_what_was_loaded(
    empty: FieldVectorStore, cleanup: Any, way: str
) -> None:
    fox, fish, door, tree = ("a", FOX), ("a", FISH), ("b", DOOR), ("c", "one old tree")
    assert await run(empty, [fox, fish, door], cleanup, way) == {
        "num_added": 3, "num_skipped": 0, "num_updated": 0, "num_deleted": 0,
    }  # fmt: skip
    empty.forget([id_of(empty, fox), id_of(empty, door)])

    second = await run(empty, [fish, fox, tree], cleanup, way)  # the fox comes in again, the door is gone
    assert (second["num_added"], second["num_skipped"], second["num_deleted"]) == (2, 1, 0)
    assert live(empty) == sorted([fox, fish, tree])
    empty.restore([id_of(empty, door)])
    empty.forget([id_of(empty, fish)])

    third = await run(empty, [fox, door], cleanup, way)  # the restored door is known; the forgotten fish stays gone
    assert (third["num_added"], third["num_skipped"]) == (0, 2)
    assert live(empty) == ([fox, door] if cleanup == "full" else [fox, door, tree])
    assert empty.store.verify() == []


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("cleanup", CLEANUPS)
@pytest.mark.parametrize("on_delete", ["forget", "erase"])
async def test_many_runs_with_anything_between_them_never_drift(
    embedding: Embeddings, cleanup: Any, way: str, on_delete: Any
) -> None:
    rng = np.random.default_rng(5)
    keys = [(source, f"{source} {word}") for source in "abc" for word in ("fox", "fish", "door", "tree")]

    def some(of: list[Key], count: int) -> list[Key]:
        return [of[n] for n in rng.permutation(len(of))[:count]]

    with FieldVectorStore(embedding, on_delete=on_delete) as vector_store:
        manager = FieldRecordManager(vector_store)
        for number in range(3 if on_delete == "erase" else 6):
            before, loaded = live(vector_store), some(keys, 5) + some(keys, 2)  # some of them twice
            await run(vector_store, loaded, cleanup, way, manager, batch_size=2, cleanup_batch_size=1)
            assert live(vector_store) == expected(before, loaded, cleanup)
            vector_store.forget([id_of(vector_store, key) for key in some(live(vector_store), 2)])
            vector_store.restore(vector_store.store.ids(forgotten=True, limit=1))
            vector_store.add_documents([document((str(rng.choice(list("abc"))), f"added beside {number}"))])
            keys.append(("a", f"a text that run {number} did not have"))
        assert manager.list_keys() == vector_store.store.ids()
        assert vector_store.store.verify() == []


async def test_a_restore_between_two_runs_is_seen_where_another_record_manager_drifts(empty: FieldVectorStore) -> None:
    drifting = InMemoryRecordManager("drifting")
    for manager, known in ((drifting, False), (FieldRecordManager(empty), True)):
        empty.delete(delete_all=True)
        await run(empty, [("a", FOX), ("a", FISH)], "full", manager=manager)
        await run(empty, [("a", FOX)], "full", manager=manager)
        empty.restore([id_of(empty, ("a", FISH))])
        result = await run(empty, [("a", FOX)], "full", manager=manager)
        assert (result["num_deleted"] == 1) is known
        assert (live(empty) == [("a", FOX)]) is known


async def test_what_was_forgotten_is_indexed_again_where_another_record_manager_would_pass_it_over(
    empty: FieldVectorStore,
) -> None:
    for manager, again in ((InMemoryRecordManager("drifting"), 0), (FieldRecordManager(empty), 1)):
        empty.delete(delete_all=True)
        await run(empty, [("a", FOX)], None, manager=manager)
        empty.forget(empty.store.ids())
        assert (await run(empty, [("a", FOX)], None, manager=manager))["num_added"] == again


async def test_another_process_and_another_manager_see_the_same(tmp_path: Path, embedding: Embeddings) -> None:
    with FieldVectorStore(embedding, tmp_path / "notes") as vector_store:
        await run(vector_store, [("a", FOX), ("a", FISH)], "full")
    with FieldVectorStore(embedding, tmp_path / "notes") as vector_store:
        result = await run(vector_store, [("a", FOX), ("b", DOOR)], "full")
        assert (result["num_added"], result["num_skipped"], result["num_deleted"]) == (1, 1, 1)


async def test_a_forced_update_embeds_again_and_deletes_nothing(empty: FieldVectorStore) -> None:
    loaded = [("a", FOX), ("a", FISH)]
    await run(empty, loaded, "full")
    result = await run(empty, loaded, "full", force_update=True)
    assert (result["num_updated"], result["num_deleted"]) == (2, 0)
    assert live(empty) == sorted(loaded)


async def test_what_somebody_adds_while_a_run_goes_on_is_left_alone(empty: FieldVectorStore) -> None:
    """Even within the same second, which is all that an entry's time tells."""

    class Interrupted(FieldRecordManager):
        def exists(self, keys: Any) -> list[bool]:
            empty.add_texts([DOOR], [{"source": "a"}], ids=["theirs"])
            return super().exists(keys)

    empty.add_texts([FISH], [{"source": "a"}], ids=["old"])
    await run(empty, [("a", FOX)], "full", manager=Interrupted(empty))
    assert live(empty) == sorted([("a", FOX), ("a", DOOR)])


async def test_a_filter_leaves_all_other_documents_alone(empty: FieldVectorStore) -> None:
    empty.add_texts([DOOR, FISH], [{"source": "mine"}, {"source": "a"}], ids=["mine", "old"])
    manager = FieldRecordManager(empty, filter={"source": {"$ne": "mine"}})
    await run(empty, [("a", FOX)], "full", manager=manager)
    assert live(empty) == sorted([("a", FOX), ("mine", DOOR)])
    assert manager.list_keys() == [id_of(empty, ("a", FOX))]


async def test_a_source_may_be_told_by_a_function_or_lie_deeper(empty: FieldVectorStore) -> None:
    def source(document: Document) -> str:
        return str(document.metadata["at"]["path"])

    for key in (source, "at.path"):
        empty.delete(delete_all=True)
        manager = FieldRecordManager(empty, source_id_key=key)
        for texts in ([FOX, FISH], [FOX]):
            documents = [Document(page_content=text, metadata={"at": {"path": "x"}, "source": "y"}) for text in texts]
            options: Any = {"cleanup": "incremental", "source_id_key": source, "key_encoder": "sha256"}
            index(documents, manager, empty, **options)
        assert [record.text for record in empty.store.get()] == [FOX]


@pytest.mark.parametrize("own", ["file", "nowhere", None])
async def test_a_manager_that_goes_by_another_key_than_index_says_so(empty: FieldVectorStore, own: str | None) -> None:
    manager = FieldRecordManager(empty, source_id_key=own)
    documents = [Document(page_content=FOX, metadata={"source": "a", "file": "b"})]
    with pytest.raises(ValueError, match=rf"tells sources by {own!r}, and index\(\) by 'source'"):
        index(documents, manager, empty, cleanup="incremental", source_id_key="source", key_encoder="sha256")


def test_without_groups_a_manager_needs_no_source_key(empty: FieldVectorStore) -> None:
    manager = FieldRecordManager(empty, source_id_key=None)
    documents = [Document(page_content=FOX), Document(page_content=FISH)]
    index(documents, manager, empty, cleanup="full", key_encoder="sha256")
    assert index(documents[1:], manager, empty, cleanup="full", key_encoder="sha256")["num_deleted"] == 1
    with pytest.raises(ValueError, match="no source_id_key"):
        manager.list_keys(group_ids=["a"])


# -- the manager by itself


@pytest.fixture
def manager(empty: FieldVectorStore) -> FieldRecordManager:
    empty.add_texts([FOX, FISH, DOOR], [{"source": "a"}, {"source": "a"}, {"source": "b"}], ids=["fox", "fish", "door"])
    return FieldRecordManager(empty)


def test_keys_are_the_live_ids_whoever_changed_them(manager: FieldRecordManager, empty: FieldVectorStore) -> None:
    assert manager.list_keys() == ["door", "fish", "fox"]
    assert manager.list_keys(group_ids=["a", "x"]) == ["fish", "fox"]
    assert manager.list_keys(group_ids=[]) == []
    assert manager.list_keys(group_ids=["a"], limit=1) == ["fish"]
    empty.forget(["fish"])
    assert manager.exists(["fox", "nobody", "fish", "fox"]) == [True, False, False, True]
    assert manager.list_keys(group_ids=["a"]) == ["fox"]
    assert manager.exists([]) == []


def test_a_key_is_as_old_as_its_newest_entry_or_its_last_naming(
    manager: FieldRecordManager, empty: FieldVectorStore
) -> None:
    first = manager.get_time()
    assert manager.list_keys(before=first) == ["door", "fish", "fox"]
    manager.update(["fox"], time_at_least=first)
    empty.add_texts(["another door"], [{"source": "b"}], ids=["door"])
    empty.forget(["fish"])
    empty.restore(["fish"])
    assert manager.list_keys(before=first) == []
    assert manager.list_keys(after=first) == ["door", "fish", "fox"]
    second = manager.get_time()
    assert manager.list_keys(after=second) == []
    assert manager.list_keys(before=second, after=first) == ["door", "fish", "fox"]


def test_a_time_of_the_callers_own_goes_by_whole_seconds_and_never_lists_what_is_younger(
    empty: FieldVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = FieldRecordManager(empty)
    for second in (100.2, 101.9):
        monkeypatch.setattr("time.time", lambda second=second: second)
        empty.add_texts([FOX], ids=[str(second)])
    assert manager.list_keys(before=100.9) == []  # 100.2 is kept as 100, and 100 could be 100.95
    assert manager.list_keys(before=101.5) == ["100.2"]
    assert manager.list_keys(after=100.9) == ["101.9"]


def test_times_only_go_up_even_where_the_clock_does_not(
    manager: FieldRecordManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = manager.get_time()
    monkeypatch.setattr("time.time", lambda: 7.0)
    times = [before, *(manager.get_time() for _ in range(5))]
    assert times == sorted(set(times))


def test_update_writes_nothing_and_revives_nothing(manager: FieldRecordManager, empty: FieldVectorStore) -> None:
    empty.forget(["fish"])
    before = empty.store.seq
    manager.update(["fox", "fish", "nobody"], group_ids=["a", "a", "x"])
    assert empty.store.seq == before
    assert manager.list_keys() == ["door", "fox"]


def test_what_update_cannot_take_is_refused(manager: FieldRecordManager) -> None:
    with pytest.raises(ValueError, match="got 2 keys but 1 groups"):
        manager.update(["fox", "fish"], group_ids=["a"])
    with pytest.raises(ValueError, match="time_at_least"):
        manager.update(["fox"], time_at_least=manager.get_time() + 3600)


@pytest.mark.parametrize("on_delete", ["forget", "erase"])
def test_deleting_a_key_that_is_live_deletes_its_document(empty: FieldVectorStore, on_delete: Any) -> None:
    vector_store = FieldVectorStore(empty.embedding, store=empty.store, on_delete=on_delete)
    vector_store.add_texts([FOX, FISH], ids=["fox", "fish"])
    FieldRecordManager(vector_store).delete_keys(["fox", "nobody"])
    assert vector_store.store.ids() == ["fish"]
    assert vector_store.store.ids(forgotten=True) == (["fox"] if on_delete == "forget" else [])


async def test_the_async_forms_say_the_same(manager: FieldRecordManager, empty: FieldVectorStore) -> None:
    await manager.acreate_schema()
    start = await manager.aget_time()
    await manager.aupdate(["fox"], group_ids=["a"], time_at_least=start)
    assert await manager.aexists(["fox", "x"]) == [True, False]
    assert await manager.alist_keys(before=start, group_ids=["a"]) == ["fish"]
    await manager.adelete_keys(["fish"])
    assert await manager.alist_keys(group_ids=["a"]) == ["fox"]


def test_a_function_is_no_filter_of_a_record_manager_and_the_error_does_not_offer_one(empty: FieldVectorStore) -> None:
    wrong: Any = bool
    with pytest.raises(TypeError, match=r"give a dict, such as \{'year': \{'\$gte': 2020\}\}$"):
        FieldRecordManager(empty, filter=wrong)
