"""Which kept conversations still hold what a record says; and what counts as saying it."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from integrations.langchain.tests.unit_tests.parrot import Parrot
from integrations.langchain.tests.unit_tests.test_agents import CAT, POT, agent_over
from langchain_fieldstore import FieldVectorStore
from langchain_fieldstore.checkpoints import (
    adelete_quoting_threads,
    aquoting_threads,
    delete_quoting_threads,
    quoting_threads,
)
from langchain_fieldstore.messages import documents_in
from langchain_fieldstore.quoting import Quotes, without


@pytest.fixture
def notes(embedding: Embeddings) -> Iterator[FieldVectorStore]:
    with FieldVectorStore(embedding) as vector_store:
        vector_store.add_texts([POT, CAT], ids=["key-note", "cat-note"])
        yield vector_store
        assert vector_store.store.verify() == []


@pytest.fixture(params=["memory", "sqlite"])
def saver(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(":memory:") as saver:
            yield saver


def turn(words: str, thread: str) -> tuple[Any, Any]:
    return {"messages": [HumanMessage(words)]}, {"configurable": {"thread_id": thread}}


TURNS = {
    "recalled": f"recall: {POT[:14]}",
    "told backwards": "bare: the spare key",
    "told": f"I think {POT}",
    "cat": "bare: the cat sleeps",
    "nothing": "hello",
}
QUOTING = ["recalled", "told", "told backwards"]


@pytest.mark.parametrize("middleware", [True, False])
def test_the_threads_that_quote_a_record_are_listed_and_deleted(
    notes: FieldVectorStore, saver: Any, middleware: bool
) -> None:
    agent = agent_over(notes, Parrot(), saver, **({} if middleware else {"middleware": []}))
    for thread, words in TURNS.items():
        agent.invoke(*turn(words, thread))
    noted = QUOTING if middleware else ["recalled", "told"]  # backwards it is known by the middleware's note alone
    assert quoting_threads(saver, notes, ["key-note"]) == noted
    notes.forget(["key-note"])
    assert quoting_threads(saver, notes, ["key-note", "nobody"]) == noted
    assert quoting_threads(saver, notes, ["nobody"]) == quoting_threads(saver, notes, []) == []
    assert delete_quoting_threads(saver, notes, ["key-note"]) == noted
    assert delete_quoting_threads(saver, notes, ["key-note"]) == []
    left = {checkpoint.config["configurable"]["thread_id"] for checkpoint in saver.list(None)}
    assert left == set(TURNS) - set(noted)


def test_older_checkpoints_of_a_redacted_thread_are_found_too(notes: FieldVectorStore, saver: Any) -> None:
    agent = agent_over(notes, Parrot(), saver)
    agent.invoke(*turn("recall: the spare key", "t"))
    notes.forget(["key-note"])
    messages, config = turn("hello", "t")
    assert "pot" not in str(agent.invoke(messages, config))
    assert quoting_threads(saver, notes, ["key-note"]) == ["t"]


def test_also_where_nothing_of_it_is_left_in_the_newest(notes: FieldVectorStore, saver: Any) -> None:
    agent = agent_over(notes, Parrot(says=lambda messages: "I see."), saver)
    agent.invoke(*turn(TURNS["told"], "t"))
    notes.forget(["key-note"])
    messages, config = turn("hello", "t")
    agent.invoke(messages, config)
    assert "pot" not in str(saver.get_tuple(config))
    assert quoting_threads(saver, notes, ["key-note"]) == ["t"]


def test_an_erased_record_is_known_by_its_documents_and_notes_and_no_more_by_its_words(
    notes: FieldVectorStore, saver: Any
) -> None:
    agent = agent_over(notes, Parrot(), saver)
    for thread, words in TURNS.items():
        agent.invoke(*turn(words, thread))
    notes.erase(["key-note"])
    assert quoting_threads(saver, notes, ["key-note"]) == ["recalled", "told backwards"]


async def test_the_async_forms_find_and_delete_the_same(notes: FieldVectorStore) -> None:
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        agent = agent_over(notes, Parrot(), saver)
        for thread, words in TURNS.items():
            await agent.ainvoke(*turn(words, thread))
        assert await aquoting_threads(saver, notes, ["key-note"]) == QUOTING
        assert await adelete_quoting_threads(saver, notes, ["key-note"]) == QUOTING
        assert await aquoting_threads(saver, notes, ["key-note"]) == []
        assert await aquoting_threads(saver, notes, ["cat-note"]) == ["cat"]


def test_one_id_is_not_taken_for_letters(notes: FieldVectorStore, saver: Any) -> None:
    with pytest.raises(TypeError, match="a list of ids"):
        quoting_threads(saver, notes, "key-note")


# -- quoting


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (POT, [POT]),
        ("So THE SPARE key, is (under) it!", ["THE SPARE key, is (under"]),
        ("the spare key", []),
        ("where is the spare key? under which pot?", []),
        (f"{POT} and {CAT}", [POT]),
        ("is under the blue sky; is under the blue pot", ["is under the blue", "is under the blue pot"]),
        ("", []),
        ("the spare key\nis under", ["the spare key\nis under"]),
    ],
)
def test_four_words_in_a_row_are_a_quotation(text: str, quoted: list[str]) -> None:
    spans = Quotes([("pot", POT)]).spans(text)
    assert [text[span.start : span.end] for span in spans] == quoted
    assert all(span.keys == {"pot"} for span in spans)


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        ("PIN 4711", "my pin: 4711.", True),
        ("PIN 4711", "my pin is 4711", False),
        ("hunter2!", "it was Hunter2", True),
        ("yes", "yes", False),
        ("...", "...", False),
        ("鍵は青い鉢の下にあります", "ところで、鍵は青い鉢の下です。", True),
        ("鍵は青い鉢の下にあります", "猫は窓辺で眠る", False),
        ("Straße nach Süden hinter Bäumen", "die STRASSE NACH SÜDEN HINTER Bäumen", True),
    ],
)
def test_short_texts_must_be_there_whole_and_any_script_will_do(known: str, text: str, found: bool) -> None:
    assert bool(Quotes([("it", known)]).spans(text)) is found


def test_two_records_with_the_same_words_are_both_named() -> None:
    [span] = Quotes([("a", "one two three four"), ("b", "zero one two three four")]).spans("one two three four five")
    assert span.keys == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Hello. {POT}. Bye.", "Hello. * Bye."),
        (f"Hello! I know {POT} for sure? Bye.", "Hello! * Bye."),
        (f"Version 1.2 says {POT}", "*"),
        (f"{POT}. {POT}! And again: {POT}", "* *"),  # what touches is one
        (f"one\n{POT}\ntwo", "one\n*two"),
        ("nothing", "nothing"),
        (f"好。{POT}。好。", "好。*好。"),
    ],
)
def test_the_whole_sentence_goes_with_a_quotation(text: str, left: str) -> None:
    assert without(text, Quotes([("pot", POT)]).spans(text), "*") == left


def test_documents_are_found_however_deep_they_lie() -> None:
    document = Document(id="1", page_content="x")
    deep = {"a": [(document, {"b": document.model_dump()})], "c": {"id": "2", "page_content": "y"}, "d": {"id": "3"}}
    assert list(documents_in(deep)) == [("1", "x"), ("1", "x"), ("2", "y")]
