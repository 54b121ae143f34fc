"""What a chat model is sent, before and after something is forgotten."""

import sys

import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import BaseMessage

from examples.chatbot.chat_model import Written, chat_model

FACT = "sesame"
ASK = "What is Mrs Tessarow allergic to?"


class Recorder(FakeListChatModel):
    """Says what it is told to say, and keeps everything it was sent."""

    sent: list[str]

    def _call(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: object,
    ) -> str:
        self.sent.append("\n".join(str(message.text) for message in messages))
        return super()._call(messages, stop, run_manager, **kwargs)


@pytest.fixture
def model():
    return Recorder(responses=["It is sesame.", "As I said: sesame.", "I do not know.", "I do not know."], sent=[])


def test_a_model_is_sent_the_passages_and_the_conversation(play, model):
    play(ASK, "And why?", answerer=Written(model))
    assert "[3] guest.md" in model.sent[0]
    assert ASK in model.sent[1]
    assert "It is sesame." in model.sent[1]


def test_nothing_forgotten_reaches_the_model_again(play, model):
    lines = (ASK, "Which seeds are meant?", "/forget guest.md", "y", ASK, "Tell me once more, please.")
    play(*lines, answerer=Written(model))
    assert [FACT in sent for sent in model.sent] == [True, True, False, False]


def test_an_answer_that_repeats_an_earlier_one_is_withheld_with_it(play, table, model):
    (table.folder / "copy.txt").unlink()
    lines = (ASK, "What is the deposit in euros?", "/forget guest.md", "What did you just say?")
    played = play(*lines, answerer=Written(model))
    assert "As I said: sesame." in played.text  # repeated out of the conversation
    assert FACT not in model.sent[2]


def test_a_restored_source_brings_its_turns_back(play, model):
    play(ASK, "/forget guest.md", "y", "/restore guest.md", "/restore copy.txt", "And now?", answerer=Written(model))
    assert "It is sesame." in model.sent[1]


def test_erased_turns_do_not_come_back_even_when_the_file_is_read_again(play, model):
    lines = (ASK, "/erase guest.md", "y", "y", "/load guest.md", "And the price of a week?")
    play(*lines, answerer=Written(model))
    assert "It is sesame." not in model.sent[1]


def test_a_turn_that_leans_on_an_outdated_text_is_withheld(play, table, model):
    (table.folder / "copy.txt").unlink()
    played = play(ASK, answerer=Written(model))
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
    play("Is the password swordfish?", answerer=Written(model))
    files = [path.read_bytes() for path in table.data.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(b"swordfish" in file or b"It is sesame." in file for file in files)


def test_a_model_that_fails_is_reported_and_its_question_not_remembered(play):
    class Broken(FakeListChatModel):
        def _call(self, *args: object, **kwargs: object) -> str:
            raise RuntimeError("no credit")

    played = play(ASK, answerer=Written(Broken(responses=["never"])))
    assert "the chat model gave no answer: no credit" in played.text
    assert played.code == 1
    assert played.chat.conversation.visible() == []


@pytest.mark.parametrize("name", ["gpt", ":gpt", "openai:", ""])
def test_a_model_has_to_be_named_with_its_provider(name):
    with pytest.raises(ValueError, match="provider:model"):
        chat_model(name)


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ValueError, match="pip install langchain langchain-openai"):
        chat_model("openai:gpt-5")
