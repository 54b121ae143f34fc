# Answers from passages, and the answerer that needs no chat model: it quotes.
#
# In:   a question, the passages found for it, and the turns that may be shown.
# Out:  an answer, the passages it cites, and all that could have flowed into it.
# Rule: what `used` leaves out cannot be taken back later; when in doubt, it goes in.
"""Answering by quoting."""

import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from examples.chatbot.conversation import Turn
from examples.chatbot.embedding import Embedder
from examples.chatbot.library import Passage

# Below this strength (see `Extractive`) we say that we do not know. Measured with all-MiniLM-L6-v2 on the corpus
# (measure.py): of 36 questions that have an answer 34 are answered, 28 rightly; of 30 that have none 26 are refused. Of
# questions written later 16 of 18, 14 rightly, and 15 of 18. Another model needs another threshold (--weak).
WEAK = 0.42

_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_BREAK = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n(?=\s*(?:[-*#|]|\d+\.)\s)")  # ends of sentences, paragraphs, list items
_MARKS = re.compile(r"[*`]+")
_SPACES = re.compile(r"[|\s]+")
_FEWEST_WORDS = 4  # what is shorter is a name or a cell
_MOST_QUOTES = 2
_RUNNER_UP = 0.05  # a second quote is at most this much weaker than the first


@dataclass(frozen=True)
class Answer:
    """What was answered. cited: passages to show with it; used: text of all that could have flowed into it, by id."""

    text: str
    cited: list[Passage]
    used: dict[str, str]


class Quote(NamedTuple):
    """Words of a passage, and how surely they answer."""

    strength: float
    text: str
    passage: Passage


class Answerer(Protocol):
    """Answers a question from passages, knowing the turns before it."""

    def answer(self, question: str, passages: list[Passage], history: list[Turn]) -> Answer: ...


class Extractive:
    """Quotes the sentences that come closest to the question, offline, and says so when none comes close.

    The strength of a sentence is the mean of two cosines: its own to the question, and its passage's score. The passage
    knows what is being talked about ("she"), the sentence what is said.
    """

    def __init__(self, embedder: Embedder, weak: float = WEAK) -> None:
        self._embedder = embedder
        self.weak = weak

    def answer(self, question: str, passages: list[Passage], history: list[Turn]) -> Answer:
        quotes = self.quotes(question, passages)
        if not quotes:
            return Answer("I do not know: there is nothing in the documents that I could look at.", [], {})
        best = quotes[0].strength
        if best < self.weak:
            return Answer(f"I do not know: the field is weak here ({best:.2f}, and I need {self.weak:.2f}).", [], {})
        good = shown(quotes, self.weak)
        text = "\n".join(f"“{quote.text}” [{quote.passage.source.number}]" for quote in good)
        return Answer(text, [quote.passage for quote in good], {quote.passage.id: quote.passage.text for quote in good})

    def near(self, question: str, passages: list[Passage]) -> list[Quote]:
        """What an answer would quote, strongest first; nothing when it would not know."""
        return shown(self.quotes(question, passages), self.weak)

    def quotes(self, question: str, passages: list[Passage]) -> list[Quote]:
        """The best quote of each passage, strongest first: a sentence and the next one, which often completes it."""
        split = [(passage, sentences(passage.text)) for passage in passages]
        texts = [part for _, parts in split for part in parts]
        asked = self._embedder.embed_query(question)
        cosines = iter([_cosine(asked, vector) for vector in self._embedder.embed_documents(texts)])
        quotes = []
        for passage, parts in split:
            if parts:
                own = [next(cosines) for _ in parts]
                n = own.index(max(own))
                quotes.append(Quote((own[n] + passage.score) / 2, " ".join(parts[n : n + 2]), passage))
        return sorted(quotes, key=lambda quote: -quote.strength)


def shown(quotes: list[Quote], weak: float) -> list[Quote]:
    """Those of the quotes, strongest first, that an answer is made of; none below the threshold."""
    return [quote for quote in quotes if quote.strength >= max(quotes[0].strength - _RUNNER_UP, weak)][:_MOST_QUOTES]


def sentences(text: str) -> list[str]:
    """The sentences of a passage, without headings and the signs of Markdown."""
    found = (_SPACES.sub(" ", _MARKS.sub("", part)).strip(" -") for part in _BREAK.split(_HEADING.sub("\n", text)))
    return [sentence for sentence in found if len(sentence.split()) >= _FEWEST_WORDS]


def _cosine(a: list[float], b: list[float]) -> float:
    """Of unit vectors, as an Embeddings gives them here."""
    return sum(x * y for x, y in zip(a, b, strict=True))
