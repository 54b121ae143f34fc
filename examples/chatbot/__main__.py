# The command line: reads the arguments, puts the parts together, runs the chat.
#
# In:   arguments; a terminal, a script or a pipe.
# Out:  an exit code: 0, 1 when something went wrong, 2 for unknown arguments, 130 when interrupted.
"""python -m examples.chatbot"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from examples.chatbot.answering import WEAK, Extractive
from examples.chatbot.chat import Chat
from examples.chatbot.commands import COMMANDS
from examples.chatbot.embedding import DEFAULT_MODEL, SentenceTransformerEmbeddings, embedder_name
from examples.chatbot.frameworks import NAMES, framework
from examples.chatbot.opening import Data, open_library
from examples.chatbot.terminal import Terminal, lines_for
from fieldstore import FieldStoreError

CORPUS = Path(__file__).parent / "corpus"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chatbot."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        if not options.folder.is_dir():
            raise ValueError(f"{options.folder} is no folder")
        lines = lines_for(options.script, COMMANDS, console)
        chosen = framework(options.framework)
        written = chosen.writing(options.llm) if options.llm else None
        with console.status("Loading the model"):
            embedding = SentenceTransformerEmbeddings(options.model, console=console)
        answerer = written or chosen.quoting(Extractive(embedding, options.weak))
        data = Data(options.data)
        with open_library(options.folder, data, embedding, embedder_name(options.model), chosen) as library:
            chat = Chat(library, answerer, Terminal(lines, console), data, options.weak)
            return chat.run(reload=options.reload)
    except KeyboardInterrupt:
        return 130
    except (ValueError, ImportError, OSError, FieldStoreError) as error:
        print(f"chatbot: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    about = "Chat with a folder of documents, and have it forget some of them."
    parser = argparse.ArgumentParser(prog="python -m examples.chatbot", description=about)
    add = parser.add_argument
    add("folder", nargs="?", type=Path, default=CORPUS, help="Markdown, text and PDF files (default: our corpus)")
    add("--framework", choices=NAMES, default=NAMES[0], help="what keeps, finds and answers (%(default)s)")
    add("--data", type=Path, default=Path("chatbot-data"), help="where store, key and certificates go (%(default)s)")
    add("--model", default=DEFAULT_MODEL, help="sentence-transformers model: hub name or folder (%(default)s)")
    add(
        "--llm",
        metavar="PROVIDER:MODEL",
        help="a chat model of the framework to write the answers (default: quote, offline)",
    )
    add(
        "--weak",
        type=_strength,
        default=WEAK,
        help="strength below which it does not know, without --llm (%(default)s)",
    )
    add("--script", type=Path, metavar="FILE", help="read what the user says from a file")
    add("--reload", action="store_true", help="read the folder again, as /load does")
    return parser


def _strength(text: str) -> float:
    strength = float(text)
    if not math.isfinite(strength):
        raise ValueError
    return strength


_strength.__name__ = "number"  # argparse: invalid number value: 'nan'


if __name__ == "__main__":
    sys.exit(main())
