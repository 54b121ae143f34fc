"""An agent cannot tell what the store has forgotten, not even from what the same conversation said before."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, create_retriever_tool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from integrations.langchain.tests.unit_tests.parrot import Parrot, answers_of, everything, tools_over
from langchain_fieldstore import FieldVectorStore
from langchain_fieldstore.agents import NOTICE, ForgetMiddleware

POT, CAT = "the spare key is under the blue pot", "the cat sleeps on the oven"
THREAD: Any = {"configurable": {"thread_id": "t"}}


@pytest.fixture
def notes(empty: FieldVectorStore) -> FieldVectorStore:
    empty.add_texts([POT, CAT], ids=["key-note", "cat-note"])
    return empty


def agent_over(vector_store: FieldVectorStore, parrot: Parrot, checkpointer: Any = None, **options: Any) -> Any:
    middleware = options.pop("middleware", [ForgetMiddleware(vector_store)])
    tools = options.pop("tools", None) or tools_over(vector_store)
    return create_agent(parrot, tools, middleware=middleware, checkpointer=checkpointer or InMemorySaver(), **options)


def ask(agent: Any, words: str) -> list[BaseMessage]:
    """One turn; all messages of the thread after it."""
    messages: list[BaseMessage] = agent.invoke({"messages": [HumanMessage(words)]}, THREAD)["messages"]
    return messages


async def aask(agent: Any, words: str) -> list[BaseMessage]:
    messages: list[BaseMessage] = (await agent.ainvoke({"messages": [HumanMessage(words)]}, THREAD))["messages"]
    return messages


# -- a fact is told, forgotten, and cannot be elicited again by the same thread, also after a restart


@contextmanager
def opened(path: Path, embedding: Embeddings) -> Iterator[tuple[FieldVectorStore, Parrot, Any]]:
    """Everything anew, as after a restart: the store, the model, the checkpointer, the agent."""
    with (
        FieldVectorStore(embedding, path / "notes") as vector_store,
        SqliteSaver.from_conn_string(str(path / "threads.db")) as saver,
    ):
        parrot = Parrot()
        yield vector_store, parrot, agent_over(vector_store, parrot, saver)
        assert vector_store.store.verify() == []


@asynccontextmanager
async def aopened(path: Path, embedding: Embeddings) -> AsyncIterator[tuple[FieldVectorStore, Parrot, Any]]:
    with FieldVectorStore(embedding, path / "notes") as vector_store:
        async with AsyncSqliteSaver.from_conn_string(str(path / "threads.db")) as saver:
            parrot = Parrot()
            yield vector_store, parrot, agent_over(vector_store, parrot, saver)


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_a_told_fact_that_was_forgotten_cannot_be_elicited_by_the_same_thread(
    tmp_path: Path, embedding: Embeddings, verb: str
) -> None:
    with opened(tmp_path, embedding) as (vector_store, parrot, agent):
        ask(agent, f"remember: {POT}")
        assert POT in str(ask(agent, "recall: the spare key")[-1].content)
        assert POT in str(ask(agent, "say it again")[-1].content)  # from the conversation alone
        getattr(vector_store, verb)(vector_store.store.ids())
        parrot.seen.clear()
        for question in ("recall: the spare key", "say it again", "what did I tell you at the beginning?"):
            assert "pot" not in everything(ask(agent, question))
        assert parrot.seen
        assert not any("pot" in everything(given) for given in parrot.seen)
    with opened(tmp_path, embedding) as (_, parrot, agent):
        assert "pot" not in everything(ask(agent, "recall: the spare key"))
        assert "pot" not in everything(ask(agent, "and now?"))
        assert not any("pot" in everything(given) for given in parrot.seen)


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_nor_where_it_was_forgotten_while_nobody_talked_and_the_first_question_comes_after_a_restart(
    tmp_path: Path, embedding: Embeddings, verb: str
) -> None:
    with opened(tmp_path, embedding) as (vector_store, _, agent):
        ask(agent, f"remember: {POT}")
        ask(agent, "recall: the spare key")
        ask(agent, "bare: the spare key")
    with FieldVectorStore(embedding, tmp_path / "notes") as vector_store:
        getattr(vector_store, verb)(vector_store.store.ids())
    with opened(tmp_path, embedding) as (_, parrot, agent):
        messages = ask(agent, "say it again")
        assert "pot" not in everything(messages)
        assert "top" not in everything(messages)  # what a tool had read and told backwards
        assert not any("pot" in everything(given) or "top" in everything(given) for given in parrot.seen)


@pytest.mark.parametrize("verb", ["aforget", "aerase"])
async def test_nor_by_an_agent_that_awaits(tmp_path: Path, embedding: Embeddings, verb: str) -> None:
    async with aopened(tmp_path, embedding) as (vector_store, _, agent):
        await aask(agent, f"remember: {POT}")
        assert POT in str((await aask(agent, "arecall: the spare key"))[-1].content)
        await getattr(vector_store, verb)(vector_store.store.ids())
        assert "pot" not in everything(await aask(agent, "say it again"))
    async with aopened(tmp_path, embedding) as (_, parrot, agent):
        assert "pot" not in everything(await aask(agent, "arecall: the spare key"))
        assert not any("pot" in everything(given) for given in parrot.seen)


def test_without_the_middleware_it_can(notes: FieldVectorStore) -> None:
    """What the others are about: forgetting alone does not reach a conversation."""
    agent = agent_over(notes, Parrot(), middleware=[])
    ask(agent, "recall: the spare key")
    notes.forget(["key-note"])
    assert POT in str(ask(agent, "say it again")[-1].content)


def test_what_was_told_without_a_tool_and_stored_by_the_application_is_gone_too(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    ask(agent, "Good morning. By the way, the garage code is seven three nine. Is that safe?")
    notes.add_texts(["the garage code is seven three nine"], ids=["code"])
    notes.forget(["code"])
    messages = ask(agent, "say it again")
    assert "seven" not in everything(messages)
    assert messages[0].content == f"Good morning. {NOTICE} Is that safe?"


def told_in_words(vector_store: FieldVectorStore) -> list[BaseTool]:
    """Tools that put no documents beside their words, so that an erase takes the last copy of what they read."""

    @tool
    def plain(words: str) -> str:
        """Find a note."""
        return vector_store.similarity_search(words, k=1)[0].page_content

    @tool
    def wipe(words: str) -> str:
        """Erase a note."""
        [found] = vector_store.similarity_search(words, k=1)
        vector_store.erase([str(found.id)])
        return "erased"

    return [plain, wipe]


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_a_later_turn_that_repeats_what_a_tool_told_without_documents_is_emptied_too(
    notes: FieldVectorStore, verb: str
) -> None:
    agent = agent_over(notes, Parrot(), tools=told_in_words(notes))
    ask(agent, "plain: the spare key")
    assert POT in str(ask(agent, "say it again")[-1].content)
    ask(agent, f"so {POT}, right?")
    getattr(notes, verb)(["key-note"])
    messages = ask(agent, "hello")
    assert "pot" not in everything(messages)
    assert [str(message.content) for message in messages if isinstance(message, HumanMessage)] == [
        "plain: the spare key", "say it again", NOTICE, "hello",
    ]  # fmt: skip


def test_nor_is_it_known_any_more_from_the_request_to_erase_it(notes: FieldVectorStore) -> None:
    parrot = Parrot(says=lambda messages: "Done.")
    agent = agent_over(notes, parrot, tools=told_in_words(notes))
    ask(agent, "plain: the spare key")
    messages = ask(agent, f"wipe: {POT}")
    assert messages[-4].content == f"wipe: {POT}"  # whoever says it just now knows it
    parrot.seen.clear()
    assert "pot" not in everything(ask(agent, "hello"))
    assert not any("pot" in everything(given) for given in parrot.seen)


def test_what_a_tool_was_asked_in_other_words_for_what_another_had_told_is_emptied_too(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot(), tools=told_in_words(notes))
    read = {"fieldstore": {"read": ["key-note"], "wrote": []}}
    calls: Any = [{"name": "plain", "args": {"words": words}, "id": words} for words in ("key", "azure vessel")]
    history = [
        HumanMessage("where is it, and what is that?"),
        AIMessage("", tool_calls=calls[:1]),
        ToolMessage(POT, tool_call_id="key", response_metadata=read),
        AIMessage("", tool_calls=calls[1:], response_metadata=read),
        ToolMessage("A pot.", tool_call_id="azure vessel"),
    ]
    agent.update_state(THREAD, {"messages": history})
    notes.forget(["key-note"])
    messages = ask(agent, "hello")
    assert [call["args"] for message in messages[:5] for call in getattr(message, "tool_calls", [])] == [
        {"words": "key"}, {"words": NOTICE},
    ]  # fmt: skip


def test_a_live_record_that_shares_words_with_a_forgotten_one_is_told_as_before(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    notes.add_texts(["the spare key is under the red mat"], ids=["mat"])
    notes.forget(["key-note"])
    first = ask(agent, "recall: red mat")
    assert "under the red mat" in str(answers_of(first)[0].content)
    assert everything(ask(agent, "hello")[: len(first)]) == everything(first)


# -- what becomes of each message


def test_a_tool_call_keeps_its_answer_emptied_and_its_artifact_keeps_what_is_live(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    before = ask(agent, "recall: the spare key")
    notes.forget(["key-note"])
    after = ask(agent, "hello")
    assert [message.id for message in after[:4]] == [message.id for message in before]
    [answer] = answers_of(after)
    assert (answer.content, answer.tool_call_id, answer.name) == (NOTICE, before[1].tool_calls[0]["id"], "recall")  # type: ignore[attr-defined]
    [kept] = answer.artifact
    assert (kept["id"] if isinstance(kept, dict) else kept.id) == "cat-note"
    assert after[1].tool_calls == before[1].tool_calls  # type: ignore[attr-defined]
    assert after[3].content == NOTICE
    assert after[0].content == "recall: the spare key"


def test_documents_that_became_plain_dicts_are_known_too() -> None:
    document = Document(id="key-note", page_content=POT)
    for artifact in ([document], [document.model_dump()], {"documents": (document,)}, {"x": [{"d": dict(document)}]}):
        with FieldVectorStore(_Length()) as vector_store:
            vector_store.add_documents([document, Document(id="cat-note", page_content=CAT)])
            vector_store.forget(["key-note"])
            [changed] = redacted(vector_store, artifact)
            assert "pot" not in everything([changed])


class _Length(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0, float(len(text))]


def redacted(vector_store: FieldVectorStore, artifact: Any) -> list[BaseMessage]:
    messages = [
        HumanMessage("where?", id="1"),
        AIMessage("", tool_calls=[{"name": "recall", "args": {}, "id": "c"}], id="2"),
        ToolMessage("told", tool_call_id="c", artifact=artifact, id="3"),
    ]
    update = ForgetMiddleware(vector_store).before_model({"messages": messages}, None)
    return [] if update is None else update["messages"]


def test_an_answer_in_other_words_is_emptied_and_so_is_who_repeats_it(notes: FieldVectorStore) -> None:
    parrot = Parrot(says=lambda messages: "Below the azure vessel.")
    agent = agent_over(notes, parrot)
    ask(agent, "recall: the spare key")
    notes.forget(["key-note"])
    assert "azure" not in everything(ask(agent, "hello")[:-1])


def test_an_answer_that_cites_the_record_is_emptied_in_any_turn(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot(says=lambda messages: "Below the azure vessel [key-note]."))
    ask(agent, "recall: the spare key")
    ask(agent, "where again?")
    notes.forget(["key-note"])
    messages = ask(agent, "hello")
    assert [message.content for message in messages if isinstance(message, AIMessage)][1:3] == [NOTICE, NOTICE]


def test_a_tool_that_tells_no_documents_is_known_by_what_it_read(notes: FieldVectorStore) -> None:
    retriever = notes.as_retriever(k=1)
    search = create_retriever_tool(retriever, "search", "Find notes.")
    parrot = Parrot()

    @tool
    def wrapped(words: str) -> Command[Any]:
        """Find notes, as an update."""
        found = notes.get_by_ids(["key-note"])
        message = ToolMessage(found[0].page_content[::-1], tool_call_id="call1")
        return Command(update={"messages": [message]})

    for name in ("wrapped", "search"):
        agent = agent_over(notes, parrot, tools=[search, wrapped], checkpointer=InMemorySaver())
        parrot.seen.clear()
        argument = {"search": "query", "wrapped": "words"}[name]
        call = {"name": name, "args": {argument: "spare key"}, "id": "call1"}
        history = [HumanMessage("where?"), AIMessage("", tool_calls=[call])]
        agent.update_state(THREAD, {"messages": history}, as_node="model")
        agent.invoke(None, THREAD)
        notes.forget(["key-note"])
        messages = ask(agent, "hello")
        assert answers_of(messages)[0].content == NOTICE
        assert "pot" not in everything(messages)
        assert "top" not in everything(messages)
        notes.restore(["key-note"])


def test_a_prompt_that_was_made_of_documents_is_known_by_what_was_read_for_it(notes: FieldVectorStore) -> None:
    @dynamic_prompt
    def with_notes(request: ModelRequest[Any]) -> str:
        return "\n".join(document.page_content for document in notes.similarity_search("spare key", k=1))

    agent = agent_over(
        notes, Parrot(says=lambda given: str(given[0].content)[::-1]), middleware=[ForgetMiddleware(notes), with_notes]
    )
    assert ask(agent, "where?")[-1].content == POT[::-1]
    notes.forget(["key-note"])
    assert "top" not in everything(ask(agent, "where?")[:-1])


def test_what_is_live_stays_as_it_is(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    first = ask(agent, "recall: the cat")
    notes.add_texts(["the dog barks at the door"], ids=["dog"])
    notes.forget(["dog"])
    assert everything(ask(agent, "hello")[: len(first)]) == everything(first)


def test_what_was_restored_before_anybody_asked_stays_as_it_is(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    first = ask(agent, "recall: the spare key")
    notes.forget(["key-note"])
    notes.restore(["key-note"])
    assert everything(ask(agent, "hello")[: len(first)]) == everything(first)


def test_a_second_look_changes_nothing_more(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    ask(agent, f"remember: {POT} too")
    ask(agent, "recall: the spare key")
    notes.delete(delete_all=True)
    messages = ask(agent, "hello")
    middleware = ForgetMiddleware(notes)
    assert middleware.before_model({"messages": messages}, None) is None


def test_an_agent_that_forgets_may_say_so(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot(says=lambda messages: "Done."))
    ask(agent, "recall: the spare key")
    ask(agent, "forget: key-note")
    messages = ask(agent, "hello")
    assert [str(message.content) for message in messages[-4:]] == ["forgot 1", "Done.", "hello", "Done."]


def test_who_tells_it_again_is_heard_and_what_is_stored_anew_stays(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot())
    ask(agent, f"remember: {POT}")
    notes.forget(notes.store.ids())
    messages = ask(agent, f"remember: {POT}")
    assert messages[-4].content == f"remember: {POT}"
    ask(agent, "hello")
    messages = ask(agent, "hello")
    assert sum(message.content == f"remember: {POT}" for message in messages) == 1
    notes.erase(notes.store.ids())
    assert "pot" not in everything(ask(agent, "hello"))


def test_documents_of_other_stores_are_left_alone(notes: FieldVectorStore, embedding: Embeddings) -> None:
    with FieldVectorStore(embedding) as other:
        other.add_texts(["a completely different matter, told elsewhere"], ids=["elsewhere"])
        agent = agent_over(notes, Parrot(), tools=tools_over(other))
        first = ask(agent, "recall: matter")
        other.erase(["elsewhere"])
        notes.forget(["key-note"])
        assert everything(ask(agent, "hello")[: len(first)]) == everything(first)


@pytest.mark.parametrize(
    ("verb", "tools", "known"), [("forget", (), True), ("erase", (), False), ("erase", ["recall"], True)]
)
def test_a_thread_from_before_the_middleware_is_known_by_its_documents(
    notes: FieldVectorStore, verb: str, tools: Sequence[str], known: bool
) -> None:
    saver = InMemorySaver()
    ask(agent_over(notes, Parrot(), saver, middleware=[]), "recall: the spare key")
    getattr(notes, verb)(["key-note"])
    agent = agent_over(notes, Parrot(), saver, middleware=[ForgetMiddleware(notes, tools=tools)])
    assert ("pot" not in everything(ask(agent, "say it again"))) is known


def test_a_notice_of_the_users_own_stands_in_its_place(notes: FieldVectorStore) -> None:
    agent = agent_over(notes, Parrot(), middleware=[ForgetMiddleware(notes, notice="(withdrawn)")])
    ask(agent, "recall: the spare key")
    notes.forget(["key-note"])
    assert answers_of(ask(agent, "hello"))[0].content == "(withdrawn)"


def test_one_tool_name_is_not_taken_for_letters(notes: FieldVectorStore) -> None:
    with pytest.raises(TypeError, match="list of names"):
        ForgetMiddleware(notes, tools="recall")


BLOCKS: list[Any] = [{"type": "text", "text": f"Hi! {POT}."}, {"type": "image", "url": "x"}]
BROKEN: Any = {"name": "x", "args": POT, "id": "c", "error": None}
MESSAGES: dict[str, Callable[[], BaseMessage]] = {
    "blocks": lambda: AIMessage(BLOCKS, id="m"),
    "reasoning": lambda: AIMessage("", additional_kwargs={"reasoning_content": POT}, id="m"),
    "invalid call": lambda: AIMessage("", invalid_tool_calls=[BROKEN], id="m"),
    "arguments": lambda: AIMessage("", tool_calls=[{"name": "x", "args": {"a": [{"b": POT}]}, "id": "c"}], id="m"),
    "human blocks": lambda: HumanMessage(BLOCKS, id="m"),
    "system": lambda: SystemMessage(f"Be kind. {POT}", id="m"),
    "tool blocks": lambda: ToolMessage(BLOCKS, tool_call_id="c", id="m"),
    "upper case": lambda: AIMessage("IT IS UNDER THE BLUE, (POT)", id="m"),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_place_of_a_message_is_looked_into(notes: FieldVectorStore, kind: str) -> None:
    message = MESSAGES[kind]()
    middleware = ForgetMiddleware(notes)
    given: Any = {"messages": [message, HumanMessage("hello", id="last")]}
    assert middleware.before_model(given, None) is None
    notes.forget(["key-note"])
    [changed] = middleware.before_model(given, None)["messages"]  # type: ignore[index]
    assert (changed.id, type(changed)) == ("m", type(message))
    assert "pot" not in everything([changed]).lower()
    assert POT in everything([message]) or kind == "upper case"  # a message is never changed in place
