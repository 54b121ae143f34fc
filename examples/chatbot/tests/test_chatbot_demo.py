"""The demo passes its own checks, and fails them when forgetting does nothing."""

import io

import pytest
from rich.console import Console

from examples.chatbot import copies, demo
from examples.chatbot.answering import Extractive
from examples.chatbot.conversation import Conversation
from examples.chatbot.library import Library


@pytest.fixture
def played(embedding, framework):
    """Runs the demo with hashed words; the exit code and the failed checks."""

    def run() -> tuple[int, list[str]]:
        output = io.StringIO()
        extractive, console = Extractive(embedding, weak=0.0), Console(file=output, width=200)
        code = demo.play(extractive, embedding, "hashed words", framework, console)
        return code, [line.split(maxsplit=1)[1] for line in output.getvalue().splitlines() if "FAILED" in line]

    return run


def test_the_demo_passes(played):
    assert played() == (0, [])


def test_the_demo_fails_when_a_source_is_not_forgotten(played, monkeypatch):
    monkeypatch.setattr(Library, "forget", lambda self, source, reason: self.store.forget([], reason=reason))
    code, failed = played()
    assert code == 1
    assert [check for check in failed if check.startswith("forgotten:")]


def test_the_demo_fails_when_the_conversation_remembers_what_was_forgotten(played, monkeypatch):
    monkeypatch.setattr(Conversation, "visible", lambda self: self._turns)
    code, failed = played()
    assert code == 1
    assert [check for check in failed if check.startswith("forgotten:")]


def test_the_demo_fails_when_the_copy_is_not_pointed_out(played, monkeypatch):
    monkeypatch.setattr(copies, "copies", lambda library, source: [])
    assert played()[0] == 1
