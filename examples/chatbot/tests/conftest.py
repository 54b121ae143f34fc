# A chat without torch, network and terminal: hashed words for meaning, a list of lines for a person.
"""Shared by the tests of the chatbot."""

import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from examples.chatbot.answering import Answerer, Extractive
from examples.chatbot.chat import Chat
from examples.chatbot.frameworks import NAMES, Framework, framework
from examples.chatbot.library import Library
from examples.chatbot.opening import Data, open_library
from examples.chatbot.terminal import Script, Terminal

FILES = {
    "guest.md": "# Guest file\n\nMrs Tessarow is allergic to sesame. She carries a pen in a red pouch.",
    "copy.txt": "Guest note\n\nMrs Tessarow is allergic to sesame. She carries a pen in a red pouch too.",
    "engine.md": "# Engine\n\nChange the gear oil every two hundred hours. The plug takes a copper washer.",
    "sub/prices.txt": "A week on the small boat costs 640 euros. The deposit is 400 euros.",
}


class HashedWords:
    """Unit vectors of hashed words: texts that share words are alike, and nothing is loaded."""

    def __init__(self) -> None:
        self.embedded = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.embedded += len(texts)
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        row = np.zeros(512)
        row[0] = 1e-3  # never all zero
        for word in re.findall(r"[a-z0-9]+", text.lower()):
            row[1 + zlib.crc32(word.encode()) % 511] += 1.0
        return [float(value) for value in row / np.linalg.norm(row)]


@dataclass
class Played:
    """What came of a script: the exit code, what was printed, and the chat, still open."""

    code: int
    text: str
    chat: Chat
    data: Data

    @property
    def library(self) -> Library:
        return self.chat.library


class Table:
    """A folder of documents, a folder for data, and the chats held over them."""

    def __init__(self, tmp_path: Path, embedding: HashedWords, framework: Framework) -> None:
        self.folder = tmp_path / "documents"
        self.data = Data(tmp_path / "data")
        self.embedding = embedding
        self.framework = framework
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Put a document into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    @contextmanager
    def playing(self, *lines: str, answerer: Answerer | None = None, reload: bool = False) -> Iterator[Played]:
        """Open the store, play the lines, and hand out what came of it. Every chat ends in `verify`."""
        output = io.StringIO()
        console = Console(file=output, width=200)
        with open_library(self.folder, self.data, self.embedding, "hashed words", self.framework) as library:
            terminal = Terminal(Script(lines, console), console)
            answerer = answerer or self.framework.quoting(Extractive(self.embedding, weak=0.2))
            chat = Chat(library, answerer, terminal, self.data, weak=0.2)
            code = chat.run(reload=reload)
            yield Played(code, output.getvalue(), chat, self.data)
            assert library.store.verify() == []


@pytest.fixture
def embedding() -> HashedWords:
    return HashedWords()


@pytest.fixture(params=NAMES)
def named(request: pytest.FixtureRequest) -> str:
    """The name of each framework in turn: whatever a user sees has to be the same on either."""
    return str(request.param)


@pytest.fixture(name="framework")
def chosen(named: str) -> Framework:
    return framework(named)


@pytest.fixture
def table(tmp_path: Path, embedding: HashedWords, framework: Framework) -> Table:
    return Table(tmp_path, embedding, framework)


@pytest.fixture
def play(table: Table) -> Iterator[Callable[..., Played]]:
    """Play lines in a chat that stays open until the test ends; a second call closes the first."""
    with_open: list[Iterator[Played]] = []

    def close() -> None:
        for opened in with_open:
            next(opened, None)
        with_open.clear()

    def start(*lines: str, answerer: Answerer | None = None, reload: bool = False) -> Played:
        close()

        def hold() -> Iterator[Played]:
            with table.playing(*lines, answerer=answerer, reload=reload) as played:
                yield played

        opened = hold()
        with_open.append(opened)
        return next(opened)

    yield start
    close()
