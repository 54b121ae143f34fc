# What is read from and written to the terminal, with a person or a script in front of it.
#
# In:   lines: typed, or from a script (a file, or whatever is piped in).
# Out:  text. Whatever comes from documents and models is printed as plain characters: no markup, no control codes.
# Rule: a script stops at the first thing that goes wrong; a person is told, and goes on.
"""The terminal."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import InMemoryHistory
from rich.console import Console, RenderableType
from rich.text import Text

PROMPT = "> "


class ScriptFailed(Exception):
    """Something went wrong and nobody is there to be asked."""


class Lines(Protocol):
    """Where lines come from. None = there are no more. place: what an error message names, or None for a person."""

    @property
    def place(self) -> str | None: ...

    def line(self, prompt: str) -> str | None: ...


class Keyboard:
    """Lines that a person types; what was typed is remembered for the arrow keys, but never on disk."""

    place = None

    def __init__(self, commands: Iterable[str]) -> None:
        completer = WordCompleter(sorted(commands), sentence=True)
        self._session: PromptSession[str] = PromptSession(completer=completer, history=InMemoryHistory())

    def line(self, prompt: str) -> str | None:
        while True:
            try:
                return self._session.prompt(prompt)
            except KeyboardInterrupt:
                continue  # Ctrl-C: begin the line again
            except EOFError:
                return None


class Script:
    """Lines of a script, echoed. Empty ones are skipped; those that begin with # are comments."""

    def __init__(self, lines: Iterable[str], console: Console, name: str = "script") -> None:
        self._lines: Iterator[tuple[int, str]] = enumerate(lines, 1)
        self._console = console
        self._name = name
        self._number = 0

    @property
    def place(self) -> str:
        return f"{self._name}, line {self._number}"

    def line(self, prompt: str) -> str | None:
        for number, raw in self._read():
            self._number, line = number, raw.strip()
            if line.startswith("#"):
                self._console.print(Text(f"\n{line}", style="italic dim"), soft_wrap=True)
            elif line:
                self._console.print(Text(f"{prompt}{line}", style="bold"), soft_wrap=True)
                return line
        return None

    def _read(self) -> Iterator[tuple[int, str]]:
        """The lines. Python may hand on what it cannot decode as surrogates, which nothing after us can write."""
        try:
            for number, raw in self._lines:
                raw.encode()
                yield number, raw
        except UnicodeError as error:
            raise ScriptFailed(f"{self._name}: it is not UTF-8 from here on") from error


class Terminal:
    """Reads from `lines`, writes to `console`."""

    def __init__(self, lines: Lines, console: Console) -> None:
        self.lines = lines
        self.console = console

    def ask(self) -> str | None:
        """What the user says next, None at the end."""
        return self.lines.line(PROMPT)

    def confirm(self, question: str, *, insist: bool = True) -> bool:
        """Whether the user says yes. The end of a person's input is a no, the end of a script's an error.

        insist: ask a person again after any other word; else it is a no, too. In a script it is an error.
        """
        while True:
            answer = self.lines.line(f"{question} [y/n] ")
            if answer is None and self.lines.place is None:
                return False
            if answer is not None and answer.lower() in ("y", "yes", "n", "no"):
                return answer.lower().startswith("y")
            if self.lines.place is None and not insist:
                return False
            self.error("please answer y or n" if answer is not None else "the script ends where y or n is needed")

    def say(self, text: str, style: str = "") -> None:
        """Print text as it is."""
        wrap = self.console.is_terminal  # a log keeps its lines whole
        self.console.print(Text(printable(text), style=style), soft_wrap=not wrap)

    def show(self, thing: RenderableType) -> None:
        """Print something that rich lays out; its texts have to be `printable`."""
        self.console.print(thing)

    def error(self, message: str) -> None:
        """Say what went wrong.

        Raises:
            ScriptFailed: a script is running.
        """
        self.say(message, "red")
        if self.lines.place is not None:
            raise ScriptFailed(f"{self.lines.place}: {message}")


def printable(text: str) -> str:
    """The text without control codes, which could move the cursor or repaint the screen."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def at_terminal() -> bool:
    """Whether a person can read and type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def lines_for(script: Path | None, commands: Iterable[str], console: Console) -> Lines:
    """The script's lines if there is one, else a person's, or where nobody sits at a terminal those piped in."""
    if script is not None:
        try:
            return Script(script.read_text(encoding="utf-8").splitlines(), console, script.name)
        except UnicodeDecodeError as error:
            raise ValueError(f"{script} is not UTF-8") from error
    if at_terminal():
        return Keyboard(commands)
    return Script(sys.stdin, console, "standard input")
