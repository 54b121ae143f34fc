"""Agents over several stores, and over one that was opened several times."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from fieldstore import FieldStore
from integrations.langchain.tests.unit_tests.parrot import Parrot, answers_of, everything, tools_over
from integrations.langchain.tests.unit_tests.test_agents import CAT, POT, THREAD, agent_over, ask, told_in_words
from langchain_fieldstore import FieldVectorStore
from langchain_fieldstore.agents import NOTICE, ForgetMiddleware
from langchain_fieldstore.checkpoints import quoting_threads


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_tools_may_have_opened_the_directory_themselves(tmp_path: Path, embedding: Embeddings, verb: str) -> None:
    with FieldVectorStore(embedding, tmp_path) as ours, FieldVectorStore(embedding, tmp_path) as theirs:
        theirs.add_texts([POT, CAT], ids=["key-note", "cat-note"])
        agent = agent_over(ours, Parrot(), tools=tools_over(theirs))
        ask(agent, "bare: the spare key")
        getattr(theirs, verb)(["key-note"])
        messages = ask(agent, "hello")
        assert answers_of(messages)[0].content == NOTICE
        assert "top" not in everything(messages)  # it was told backwards
        assert ours.store.verify() == []


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_each_of_two_stores_takes_out_its_own_and_nothing_of_the_other(embedding: Embeddings, verb: str) -> None:
    with FieldVectorStore(embedding) as keys, FieldVectorStore(embedding) as cats:
        keys.add_texts([POT], ids=["key-note"])
        cats.add_texts([CAT], ids=["cat-note"])
        [plain, _], [other, _] = told_in_words(keys), told_in_words(cats)
        other.name = "other"
        saver = InMemorySaver()
        middleware = [ForgetMiddleware(keys), ForgetMiddleware(cats, name="cats")]
        parrot = Parrot(says=lambda messages: str(messages[-1].content))
        agent: Any = agent_over(keys, parrot, saver, tools=[plain, other], middleware=middleware)
        ask(agent, "plain: the spare key")
        first = ask(agent, "other: the cat")
        assert everything(ask(agent, "hello")[: len(first)]) == everything(first)  # all of it is live
        assert quoting_threads(saver, keys, ["key-note"]) == quoting_threads(saver, cats, ["cat-note"]) == ["t"]
        getattr(cats, verb)(["cat-note"])
        assert quoting_threads(saver, cats, ["cat-note"]) == ["t"]
        told = [
            str(message.content) for message in agent.invoke({"messages": [HumanMessage("hm")]}, THREAD)["messages"]
        ]
        assert told[:8] == ["plain: the spare key", "", POT, POT, "other: the cat", "", NOTICE, NOTICE]
        getattr(keys, verb)(["key-note"])
        assert "pot" not in everything(ask(agent, "hello"))
        assert keys.store.verify() == cats.store.verify() == []


def test_what_is_no_vector_store_is_refused_by_its_type() -> None:
    wrong: Any = FieldStore()
    with pytest.raises(TypeError, match="is a FieldStore; give a FieldVectorStore"):
        ForgetMiddleware(wrong)
