"""Looking at what would go, and forgetting what answers a question."""

import io

import pytest
from rich.console import Console

from examples.chatbot.chat import Chat
from examples.chatbot.terminal import Terminal

ASK = "What is Mrs Tessarow allergic to?"
COPIES = {"guest.md", "copy.txt"}


def forgotten(played):
    return {source.name for source in played.library.sources() if source.is_forgotten}


def ids_shown(text):
    """The ids of passages that a preview lists."""
    return {
        line.split()[0].strip(",:") for line in text.splitlines() if line.startswith("    ") and "#" in line.split()[0]
    }


def state(library):
    """All that a preview could change: the ledger, what is live and forgotten, every byte of the store."""
    store = library.store
    files = {path: path.read_bytes() for path in sorted(store.path.rglob("*")) if path.is_file()}
    return [str(entry) for entry in store.entries()], store.stats(), store.ids(), store.ids(forgotten=True), files


def test_a_preview_lists_records_copies_and_sources_and_changes_nothing(play):
    played = play(ASK)
    before, turns = state(played.library), played.chat.conversation.visible()
    played.chat.commands.run(f"/forget? {ASK}")
    assert state(played.library) == before
    assert played.chat.conversation.visible() == turns
    text = played.chat.commands._terminal.console.file.getvalue()
    assert "/forget-about would take" in text
    assert "[1] copy.txt, whole: 1 passages, a near-copy: 1 of its 1 passages, cosine 0.9" in text
    assert "[3] guest.md, whole: 1 passages" in text
    assert ", found: " in text
    assert "engine.md" not in text.partition("/forget-about would take")[2]
    assert "Nothing was changed." in text


@pytest.mark.parametrize(
    ("preview", "verb", "answers"),
    [
        (f"/forget? {ASK}", f"/forget-about {ASK}", ["y"]),
        ("/forget? guest.md", "/forget guest.md", ["y"]),
        ("/forget? 2", "/forget 2", []),
    ],
)
def test_what_a_preview_lists_is_what_goes_when_every_question_is_answered_with_yes(play, preview, verb, answers):
    shown = ids_shown(play(preview).text)
    played = play(verb, *answers)
    assert shown
    assert shown == set(played.library.store.ids(forgotten=True))


def test_a_preview_of_a_source_names_the_forget_that_would_take_it(play):
    assert "/forget 3 would take" in play("/forget? guest.md").text
    assert "[3] guest.md is forgotten already, so nothing would go." in play("/forget 3", "n", "/forget? 3").text


def test_a_question_that_nothing_answers_finds_nothing_to_forget(play):
    played = play("/forget? Who won yesterday?", "/forget-about Who won yesterday?")
    assert "Nothing in the documents answers that surely enough, so nothing would go." in played.text
    assert "Nothing in the documents answers that surely enough, so nothing was forgotten." in played.text
    assert forgotten(played) == set()


def test_forgetting_by_a_question_takes_the_sources_and_their_copies_after_a_yes(play):
    played = play(f"/forget-about {ASK}", "y", ASK)
    assert "Forget these 2 sources, 2 passages? [y/n] y" in played.text
    assert forgotten(played) == COPIES
    assert "sesame" not in played.text.rpartition(ASK)[2]
    reasons = {entry.reason for name in COPIES for id in played.library.ids(name) for entry in history(played, id)}
    assert reasons == {None, "asked for in the chat", "near-copy of a forgotten source"}, "never the question itself"


def history(played, id):
    return played.library.store.history(id)


def test_what_was_forgotten_by_a_question_can_be_restored_by_its_source(play):
    played = play(f"/forget-about {ASK}", "y", "/restore guest.md", "/restore copy.txt", ASK)
    assert forgotten(played) == set()
    assert "sesame" in played.text.rpartition(ASK)[2]


def test_the_turns_that_lean_on_it_are_withheld(play):
    played = play(ASK, f"/forget-about {ASK}", "y")
    assert "Turns withheld from the conversation, since they lean on what is forgotten: 1." in played.text
    assert played.chat.conversation.visible() == []


class Person:
    """Somebody who types these lines, and then leaves with Ctrl-D."""

    place = None

    def __init__(self, *lines):
        self._lines = iter(lines)

    def line(self, prompt):
        return next(self._lines, None)


@pytest.mark.parametrize("answer", ["n", "no", "", "perhaps", "yes please", None])
def test_anything_but_a_yes_forgets_nothing(play, answer):
    played = play()
    before = state(played.library)
    console = Console(file=io.StringIO(), width=200)
    lines = Person(f"/forget-about {ASK}", *([] if answer is None else [answer]))
    chat = Chat(played.library, None, Terminal(lines, console), played.data, weak=0.2)
    assert chat.run() == 0
    assert "Nothing was forgotten." in console.file.getvalue()
    assert state(played.library) == before


@pytest.mark.parametrize("rest", [(), ("perhaps",), (ASK,)])
def test_a_script_that_does_not_answer_stops_and_forgets_nothing(play, rest):
    played = play(f"/forget-about {ASK}", *rest)
    assert played.code == 1
    assert forgotten(played) == set()


@pytest.mark.parametrize("command", ["/forget?", "/forget-about"])
def test_a_question_is_needed(play, command):
    played = play(command)
    assert played.code == 1
    assert f"{command} needs a question, such as: {command} What is Mr Smith allergic to?" in played.text
