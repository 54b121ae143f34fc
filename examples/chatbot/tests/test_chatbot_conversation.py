"""What a chat model is sent, before and after something is forgotten."""

import gc
import sys

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import BaseMessage
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer

from examples.chatbot import on_langchain, on_llama_index
from examples.chatbot.answering import Answerer

FACT = "sesame"
ASK = "What is Mrs Tessarow allergic to?"
REPLIES = ["It is sesame.", "As I said: sesame.", "I do not know.", "I do not know."]


class Recorder(FakeListChatModel):
    """LangChain's: says what it is told to say, and keeps everything it was sent."""

    sent: list[str]

    def _call(self, messages: list[BaseMessage], *args: object, **kwargs: object) -> str:
        self.sent.append("\n".join(str(message.text) for message in messages))
        return super()._call(messages, *args, **kwargs)


class Model:
    """A chat model of either framework that says what it is told to say. sent: everything it was sent."""

    def __init__(self, framework: str) -> None:
        self.sent: list[str] = []
        self.answerer: Answerer
        if framework == "langchain":
            recorder = Recorder(responses=REPLIES, sent=[])
            self.sent, self.answerer = recorder.sent, on_langchain.written_by(recorder)
        else:
            self.answerer = on_llama_index.written_by(on_llama_index._Offline(self._say))

    def _say(self, messages: list[ChatMessage]) -> str:
        self.sent.append("\n".join(str(message.content) for message in messages))
        return REPLIES[len(self.sent) - 1]


@pytest.fixture
def model(named):
    return Model(named)


def test_a_model_is_sent_the_passages_and_the_conversation(play, model):
    play(ASK, "And why?", answerer=model.answerer)
    assert "[3] guest.md" in model.sent[0]
    assert ASK in model.sent[1]
    assert "It is sesame." in model.sent[1]


def test_nothing_forgotten_reaches_the_model_again(play, model):
    lines = (ASK, "Which seeds are meant?", "/forget guest.md", "y", ASK, "Tell me once more, please.")
    play(*lines, answerer=model.answerer)
    assert [FACT in sent for sent in model.sent] == [True, True, False, False]


def test_an_answer_that_repeats_an_earlier_one_is_withheld_with_it(play, table, model):
    (table.folder / "copy.txt").unlink()
    lines = (ASK, "What is the deposit in euros?", "/forget guest.md", "What did you just say?")
    played = play(*lines, answerer=model.answerer)
    assert "As I said: sesame." in played.text  # repeated out of the conversation
    assert FACT not in model.sent[2]


def test_a_restored_source_brings_its_turns_back(play, model):
    play(ASK, "/forget guest.md", "y", "/restore guest.md", "/restore copy.txt", "And now?", answerer=model.answerer)
    assert "It is sesame." in model.sent[1]


def test_erased_turns_do_not_come_back_even_when_the_file_is_read_again(play, model):
    lines = (ASK, "/erase guest.md", "y", "y", "/load guest.md", "And the price of a week?")
    play(*lines, answerer=model.answerer)
    assert "It is sesame." not in model.sent[1]


def test_a_turn_that_leans_on_an_outdated_text_is_withheld(play, table, model):
    (table.folder / "copy.txt").unlink()
    played = play(ASK, answerer=model.answerer)
    assert len(played.chat.conversation.visible()) == 1
    table.write("guest.md", "Mrs Tessarow has no allergy.")
    played.chat.commands.run("/load")
    assert played.chat.conversation.visible() == []


def test_a_quoted_answer_is_withheld_and_returns_in_the_same_way(play):
    played = play(ASK)
    (turn,) = played.chat.conversation.visible()
    assert FACT in turn.answer
    played.library.store.forget(list(turn.used))
    assert played.chat.conversation.visible() == []
    played.library.store.restore(list(turn.used))
    assert played.chat.conversation.visible() == [turn]


def test_a_long_conversation_is_cut_but_not_called_withheld(play):
    played = play(*[ASK] * 12)
    assert len(played.chat.conversation.visible()) == 10
    assert played.chat.conversation.hidden() == 0


def test_what_was_asked_and_answered_is_written_to_no_file(play, table, model):
    play("Is the password swordfish?", answerer=model.answerer)
    files = [path.read_bytes() for path in table.data.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(b"swordfish" in file or b"It is sesame." in file for file in files)


def test_a_model_that_fails_is_reported_and_its_question_not_remembered(play, named):
    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("no credit")

    class Broken(FakeListChatModel):
        _call = broken

    if named == "langchain":
        answerer = on_langchain.written_by(Broken(responses=["never"]))
    else:
        answerer = on_llama_index.written_by(on_llama_index._Offline(broken))
    played = play(ASK, answerer=answerer)
    assert "the chat model gave no answer: no credit" in played.text
    assert played.code == 1
    assert played.chat.conversation.visible() == []


@pytest.mark.parametrize("name", ["gpt", ":gpt", "openai:", ""])
def test_a_model_has_to_be_named_with_its_provider(framework, name):
    with pytest.raises(ValueError, match="provider:model"):
        framework.writing(name)


def test_a_missing_package_is_named_with_what_to_install(framework, named, monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    monkeypatch.setitem(sys.modules, "llama_index.llms.google_genai", None)
    needed = {"langchain": "langchain langchain-google-genai", "llamaindex": "llama-index-llms-google-genai"}
    with pytest.raises(ValueError, match=f"pip install {needed[named]}"):
        framework.writing("google_genai:gemini")


@pytest.mark.parametrize("named", ["llamaindex"], indirect=True)
def test_no_memory_of_a_chat_engine_outlives_the_answer(play, named):
    played = play(ASK, ASK, "/forget guest.md", "y", ASK)
    assert FACT in played.text
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, ChatMemoryBuffer)]
    said = [str(message.content) for memory in kept for message in memory.get_all()]
    assert not [text for text in said if FACT in text]


def test_a_question_about_something_else_brings_nothing_forgotten_along(play, model):
    play(ASK, "/forget guest.md", "y", "What is the deposit in euros?", answerer=model.answerer)
    assert FACT not in model.sent[1]
    assert "400 euros" in model.sent[1]
    assert ASK not in model.sent[1]


def test_a_question_that_nothing_is_found_for_reaches_the_model_all_the_same(play, table, model):
    for path in [path for path in table.folder.rglob("*") if path.is_file()]:
        path.unlink()
    play("Hello?", answerer=model.answerer)
    assert "Hello?" in model.sent[0]


def test_a_model_of_llama_index_is_found_by_the_name_of_its_provider(monkeypatch):
    from types import ModuleType

    from llama_index.core.llms import LLM, MockLLM

    class GroundControl(MockLLM):
        def __init__(self, model: str) -> None:
            super().__init__(max_tokens=1)
            self._named = model

    package = ModuleType("llama_index.llms.ground_control")
    package.LLM, package.GroundControl = LLM, GroundControl
    monkeypatch.setitem(sys.modules, package.__name__, package)
    assert isinstance(on_llama_index._load("ground_control", "major"), GroundControl)
    del package.GroundControl
    with pytest.raises(ValueError, match="ground_control has no model class"):
        on_llama_index.LlamaIndex().writing("ground_control:major")
