"""Without a terminal: scripts, pipes, and exit codes."""

import io

import pytest
from rich.console import Console

from examples.chatbot import __main__, measure
from examples.chatbot.answering import Extractive, Quote, shown
from examples.chatbot.chat import Chat
from examples.chatbot.terminal import Terminal, printable


def test_comments_and_lines_are_echoed_and_empty_lines_skipped(play):
    played = play("# First of all", "", "   ", "/forget engine.md")
    assert played.code == 0
    assert "# First of all" in played.text
    assert "> /forget engine.md" in played.text
    assert "> \n" not in played.text


def test_a_script_stops_at_the_first_error_and_names_the_line(play):
    played = play("# fine", "/nonsense", "/forget engine.md")
    assert played.code == 1
    assert "Stopped at script, line 2: there is no command /nonsense" in played.text
    assert played.library.ids("engine.md", forgotten=False)


def test_an_answer_other_than_yes_or_no_stops_a_script_before_anything_is_erased(play):
    played = play("/erase engine.md", "/history")
    assert played.code == 1
    assert "please answer y or n" in played.text
    assert played.library.ids("engine.md", forgotten=False)


def test_a_script_that_ends_where_an_answer_is_needed_fails_and_erases_nothing(play):
    played = play("/erase engine.md")
    assert played.code == 1
    assert "the script ends where y or n is needed" in played.text
    assert played.library.ids("engine.md", forgotten=False)


class Person:
    """Somebody who types these lines, and then leaves with Ctrl-D."""

    place = None

    def __init__(self, *lines):
        self._lines = iter(lines)

    def line(self, prompt):
        return next(self._lines, None)


def test_a_person_is_asked_again_until_the_answer_is_yes_or_no():
    console = Console(file=io.StringIO())
    assert Terminal(Person("perhaps", "Yes"), console).confirm("Erase?") is True
    assert Terminal(Person("perhaps", "n"), console).confirm("Erase?") is False
    assert Terminal(Person(), console).confirm("Erase?") is False
    assert "please answer y or n" in console.file.getvalue()


def test_a_person_is_told_what_went_wrong_and_goes_on(play, embedding):
    played = play()
    console = Console(file=io.StringIO())
    lines = Person("/nonsense", "/forget nothing", "/forget engine.md")
    assert Chat(played.library, Extractive(embedding), Terminal(lines, console), played.data).run() == 0
    assert "there is no command /nonsense" in console.file.getvalue()
    assert not played.library.ids("engine.md", forgotten=False)


@pytest.fixture
def run(monkeypatch, table, named, capsys):
    """The command line with the hashing embedder in place of the model."""
    monkeypatch.setattr(__main__, "SentenceTransformerEmbeddings", lambda model, console: table.embedding)

    def start(*arguments: str, piped: str | io.TextIOWrapper = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", piped if isinstance(piped, io.TextIOWrapper) else io.StringIO(piped))
        chosen = ("--framework", named, "--data", str(table.data.folder), "--weak", "0.2")
        code = __main__.main([str(table.folder), *chosen, *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return start


def test_the_command_line_plays_a_script_file(run, tmp_path):
    script = tmp_path / "talk.txt"
    script.write_text("How often is the gear oil changed?\n/forget engine.md\nHow often is the gear oil changed?\n")
    code, text = run("--script", str(script))
    assert code == 0
    assert text.count("“Change the gear oil every two hundred hours.") == 1
    script.write_text("/nonsense\n")
    code, text = run("--script", str(script))
    assert code == 1
    assert "talk.txt, line 1" in text


def test_piped_input_is_a_script_too(run):
    code, text = run(piped="How often is the gear oil changed?\n")
    assert code == 0
    assert "two hundred hours" in text
    assert run(piped="/nonsense\n")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--script", "none.txt"), "none.txt"), (("--llm", "gpt"), "--llm takes provider:model")],
)
def test_wrong_arguments_are_explained_in_one_line(run, table, arguments, message):
    code, text = run(*arguments)
    assert code == 1
    assert text.startswith("chatbot: ")
    assert message in text
    assert text.count("\n") == 1
    assert not table.data.folder.exists()


def test_a_store_made_with_another_model_is_refused(run):
    assert run()[0] == 0
    code, text = run("--model", "another/model")
    assert code == 1
    assert "chatbot: " in text
    assert "another/model" in text


def test_control_codes_of_a_document_never_reach_the_terminal(play, table):
    table.write("evil.md", "The lantern code is \x1b[2J\x1b[31mred\x07 and [bold]not markup[/bold] at all.")
    text = play("What is the lantern code?").text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]not markup[/bold]" in text
    assert printable("a\x1b[1mb\nc\u202ed") == "a [1mb\nc d"


def test_a_log_keeps_its_lines_whole(play):
    assert Console(file=io.StringIO()).is_terminal is False
    assert "Read 4 files: copy.txt, engine.md, guest.md, sub/prices.txt." in play().text


def test_input_that_is_not_utf8_is_named(run, monkeypatch, tmp_path):
    for errors in ("strict", "surrogateescape"):
        code, text = run(piped=io.TextIOWrapper(io.BytesIO(b"caf\xe9?\n"), "utf-8", errors))
        assert code == 1
        assert "standard input: it is not UTF-8" in text
    script = tmp_path / "talk.txt"
    script.write_bytes(b"caf\xe9?\n")
    assert run("--script", str(script)) == (1, f"chatbot: {script} is not UTF-8\n")


@pytest.mark.parametrize("weak", ["nan", "inf", "strong"])
def test_a_threshold_that_is_no_number_is_refused(run, table, weak):
    with pytest.raises(SystemExit):
        run("--weak", weak)
    assert not table.data.folder.exists()


def test_the_measurement_runs_and_counts_what_an_answer_would_show(play, embedding, capsys):
    played = play()
    measure.run(played.library, embedding)
    assert "of 36 questions that have an answer" in capsys.readouterr().out


def test_a_quote_that_is_too_weak_beside_the_best_is_not_shown():
    quotes = [Quote(strength, "", None) for strength in (0.6, 0.57, 0.56, 0.5)]
    assert shown(quotes, 0.4) == quotes[:2]
    assert shown(quotes[:1] + quotes[3:], 0.4) == quotes[:1]
    assert shown(quotes, 0.7) == shown([], 0.4) == []
