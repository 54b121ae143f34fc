# The seam: what the chat leaves to a framework. Nothing above this file knows which one it runs on.
#
# In:   the name of a framework.
# Out:  one that keeps pieces of text in a FieldStore, finds them, and has answers made of them.
# Rule: either reads what the other one has written, so that a folder for data may change hands.
# Rule: a framework is imported when it is asked for, and the other one never.
"""What a framework does for the chat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from examples.chatbot.embedding import Embedder
from examples.chatbot.reading import Piece
from fieldstore import FieldStore

if TYPE_CHECKING:  # they speak of passages, which stand on this file
    from examples.chatbot.answering import Answerer, Extractive
    from examples.chatbot.conversation import Turn
    from examples.chatbot.library import Passage

NAMES = ("langchain", "llamaindex")


@dataclass(frozen=True)
class Found:
    """A piece that answers a question. score, share, alike: as in `Passage`."""

    id: str
    text: str
    metadata: dict[str, Any]
    score: float
    share: float
    alike: tuple[str, ...]


class Shelf(Protocol):
    """Pieces in a store, kept and found through the framework's own vector store."""

    def keep(self, pieces: Sequence[Piece], vectors: Sequence[list[float]]) -> None:
        """Store pieces with their vectors, in one step."""

    def find(self, question: str, k: int) -> list[Found]:
        """At most k attractors of the field at the question, best first."""


class Framework(Protocol):
    """LangChain or LlamaIndex."""

    def shelf(self, store: FieldStore, embedder: Embedder) -> Shelf:
        """Its vector store, over this one."""

    def quoting(self, extractive: "Extractive") -> "Answerer":
        """Answers that quote, offline."""

    def writing(self, model: str) -> "Answerer":
        """Answers that a chat model writes; its name is `provider:model`.

        Raises:
            ValueError: the name is not of that form, or a package or key it needs is missing.
        """

    def prompt(self, question: str, passages: "list[Passage]", history: "list[Turn]") -> str:
        """All that a chat model is sent for this question."""


def framework(name: str) -> Framework:
    """The framework with this name.

    Raises:
        ValueError: there is none, or its packages are missing.
    """
    folder = {"langchain": "langchain", "llamaindex": "llama_index"}.get(name)
    if folder is None:
        raise ValueError(f"there is no framework {name!r}; there are {' and '.join(NAMES)}")
    try:
        if name == "langchain":
            from examples.chatbot.on_langchain import LangChain

            return LangChain()
        from examples.chatbot.on_llama_index import LlamaIndex

        return LlamaIndex()
    except ImportError as error:
        raise ValueError(
            f"--framework {name} needs more packages: {error}. Try: pip install -e integrations/{folder}"
        ) from error
