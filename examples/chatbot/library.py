# The documents of a folder, in one store, by source.
#
# In:   sources, by name; questions.
# Out:  passages, and what happened to the sources.
# Rule: a source has one state. It is forgotten, restored and erased whole, because a fact spreads over passages.
# Rule: only what was forgotten as a source comes back: not what was cut out of its file, nor what others forgot.
"""Sources and passages."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.chatbot.embedding import Embedder
from examples.chatbot.frameworks import Shelf
from examples.chatbot.reading import source_of
from fieldstore import Certificate, FieldStore, Receipt

# Why passages are forgotten; the ledger keeps it, and so the chatbot can tell later what it may bring back.
ASKED = "asked for in the chat"
COPIED = "near-copy of a forgotten source"
CUT = "no longer in the file"


@dataclass(frozen=True)
class Source:
    """A document. live, forgotten: how many of its passages are. number: stays the same while the chat runs."""

    number: int
    name: str
    live: int
    forgotten: int

    @property
    def is_forgotten(self) -> bool:
        return self.live == 0

    def __str__(self) -> str:
        return f"[{self.number}] {self.name}"


@dataclass(frozen=True)
class Forgotten:
    """The forgotten passages of a source: taken out with it, cut out of its file, forgotten by another program."""

    taken: list[str]
    cut: list[str]
    elsewhere: list[str]


@dataclass(frozen=True)
class Passage:
    """A piece of a source that answers a question.

    score: cosine to the question, smoothed by its neighbours. share: its part of the field at the question, 0 to 1.
    alike: ids of the passages it speaks for.
    """

    id: str
    source: Source
    text: str
    page: int | None
    score: float
    share: float
    alike: tuple[str, ...]


class NoSuchSource(ValueError):
    """No source, or more than one, goes by that name or number."""


class Library:
    """What the chatbot has read."""

    def __init__(self, folder: Path, store: FieldStore, shelf: Shelf, embedder: Embedder) -> None:
        self.folder = folder
        self.store = store
        self.shelf = shelf
        self.embedder = embedder
        self._numbers: dict[str, int] = {}

    def sources(self) -> list[Source]:
        """All of them, live and forgotten. The number of an erased one is not given to another."""
        live = Counter(map(source_of, self.store.ids()))
        forgotten = Counter(map(source_of, self.store.ids(forgotten=True)))
        for name in sorted(live.keys() | forgotten.keys()):
            self._numbers.setdefault(name, len(self._numbers) + 1)
        known = (Source(n, name, live[name], forgotten[name]) for name, n in self._numbers.items())
        return [source for source in known if source.live or source.forgotten]

    def find(self, wanted: str) -> Source:
        """The source with this name, or this number, or the only one whose name contains this.

        Raises:
            NoSuchSource: there is none, or several.
        """
        sources = self.sources()
        number = wanted.strip("[]")
        for source in sources:
            if wanted == source.name or number == str(source.number):
                return source
        # A number is no part of a name: the number of an erased source must not hit a file with that digit in its name.
        alike = [s for s in sources if wanted.lower() in s.name.lower() and not number.isdecimal()]
        if len(alike) == 1:
            return alike[0]
        several = f"{len(alike)} sources have {wanted!r} in their name: {', '.join(map(str, alike))}"
        raise NoSuchSource(several if alike else f"no source {wanted!r}; /sources lists them")

    def ids(self, *names: str, forgotten: bool | None = None) -> list[str]:
        """The passages of these sources: live, forgotten, or (None) both."""
        where = _where(names)
        states = (False, True) if forgotten is None else (forgotten,)
        return [id for state in states for id in self.store.ids(where=where, forgotten=state)]

    def forgotten(self, name: str) -> Forgotten:
        """The forgotten passages of a source, by what the ledger gives as the reason."""
        found = Forgotten([], [], [])
        of = {ASKED: found.taken, COPIED: found.taken, CUT: found.cut}
        for id in self.ids(name, forgotten=True):
            entries = self.store.history(id)  # none: another process has erased it by now
            of.get((entries[-1].reason if entries else None) or "", found.elsewhere).append(id)
        return found

    def passages(self, question: str, k: int = 6) -> list[Passage]:
        """What answers a question: the attractors of its field, best first."""
        if not self.store.count():
            return []  # nothing live
        sources = {source.name: source for source in self.sources()}
        return [
            Passage(
                id=found.id,
                source=sources[found.metadata["source"]],
                text=found.text,
                page=found.metadata.get("page"),
                score=found.score,
                share=found.share,
                alike=found.alike,
            )
            for found in self.shelf.find(question, k)
        ]

    def forget(self, source: Source, reason: str) -> Receipt:
        """Take it out of every answer; kept, for `restore`."""
        return self.store.forget(where=_where([source.name]), reason=reason)

    def restore(self, ids: list[str]) -> Receipt:
        """Bring passages back."""
        return self.store.restore(ids, reason=ASKED)

    def erase(self, ids: list[str]) -> Certificate:
        """Destroy passages for good, in one go, live or forgotten."""
        return self.store.erase(ids, reason=ASKED)


def _where(names: Collection[str]) -> dict[str, Any]:
    return {"source": {"$in": list(names)}}
