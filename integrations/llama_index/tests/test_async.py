"""The async twins: the same as the sync ones, with every argument, and never on the event loop."""

import asyncio
import inspect
import threading
from typing import Any

import pytest
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilter, MetadataFilters

from fieldstore import FieldStore
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore
from llama_index.vector_stores.fieldstore.finding import Finding

TWINS = {
    "async_add": "add",
    "adelete": "delete",
    "adelete_nodes": "delete_nodes",
    "aclear": "clear",
    "aforget": "forget",
    "arestore": "restore",
    "aundo": "restore",
    "aerase": "erase",
    "ahistory": "history",
    "aquery": "query",
    "aget_nodes": "get_nodes",
    "aref_doc_info": "ref_doc_info",
    "aresidual": "residual",
    "aas_of": "as_of",
    "arebuild_docstore": "rebuild_docstore",
}


def test_every_async_method_has_its_twin_here() -> None:
    base = {name for name, method in inspect.getmembers(BasePydanticVectorStore, inspect.iscoroutinefunction)}
    assert base <= TWINS.keys()
    ours = vars(Finding) | vars(FieldVectorStore)
    assert all(name in ours for name in TWINS)


@pytest.mark.parametrize("name", TWINS)
async def test_a_twin_runs_the_sync_body_off_the_loop_with_every_argument(
    empty: FieldVectorStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    called: list[Any] = []

    def body(self: Any, *args: Any, **kwargs: Any) -> str:
        called.append((threading.current_thread() is threading.main_thread(), args, kwargs))
        return "done"

    monkeypatch.setattr(FieldVectorStore, TWINS[name], body)
    assert await getattr(empty, name)("first", reason="why") == "done"
    assert called == [(False, ("first",), {"reason": "why"})]


async def test_the_loop_goes_on_while_the_store_is_busy(
    three: FieldVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    search = FieldStore.search

    def slow(self: FieldStore, *args: Any, **kwargs: Any) -> Any:
        assert let_go.wait(30)
        return search(self, *args, **kwargs)

    monkeypatch.setattr(FieldStore, "search", slow)
    task = asyncio.create_task(three.aquery(ask(k=1)))
    await asyncio.sleep(0)
    assert not task.done()
    let_go.set()  # never reached, were the search on the loop
    assert (await task).ids == ["1"]


async def test_async_writes_write_and_name_their_reasons(empty: FieldVectorStore) -> None:
    assert await empty.async_add([node("1", FOX, "a"), node("2", FISH, "a"), node("3", DOOR, "b")], weight=2.0) == [
        "1",
        "2",
        "3",
    ]
    assert (await empty.aquery(ask(), mode="mmr")).ids == empty.query(ask(), mode="mmr").ids
    await empty.adelete_nodes(["1"], reason="first", actor="ann")
    await empty.adelete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="x", value=1)]), reason="none")
    await empty.adelete("a", reason="second")
    assert ids_of(await empty.aget_nodes()) == ["3"]
    forgotten = [entry for entry in await empty.ahistory("a") if entry.kind == "forget"]
    assert [(entry.reason, entry.actor) for entry in forgotten] == [("first", "ann"), ("second", None)]
    assert (await empty.aundo("a")).ids == ("1", "2")
    assert (await empty.aforget("b")).ids == ("3",)
    assert (await empty.arestore(node_ids=["3"])).ids == ("3",)
    assert (await empty.aerase("b", reason="third")).signed is False
    await empty.aclear()
    assert await empty.aget_nodes() == []


async def test_many_async_writers_lose_nothing(empty: FieldVectorStore) -> None:
    await asyncio.gather(*(empty.async_add([node(f"n{n}", f"{FOX} {n}", f"d{n % 4}")]) for n in range(24)))
    assert empty.client.count() == 24
    await asyncio.gather(*(empty.adelete(f"d{n}") for n in (0, 1, 2, 0, 1, 2)))
    assert {found.ref_doc_id for found in empty.get_nodes()} == {"d3"}
