# The documents of a folder, in one store, by source.
#
# In:   sources, by name; questions.
# Out:  passages, and what happened to the sources.
# Rule: a source has one state. It is forgotten, restored and erased whole, because a fact spreads over passages.
"""Sources and passages."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.chatbot.reading import source_of
from fieldstore import Certificate, Receipt
from langchain_fieldstore import FieldVectorStore

# Cosine from which a passage counts as a near-copy. Measured on the corpus: the five copied passages have .87 to .996,
# the most alike among all others .69.
NEAR_COPY = 0.85


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


@dataclass(frozen=True)
class Copy:
    """A source that still carries what another one says. cosine: of its closest passage; passages: how many do."""

    source: Source
    cosine: float
    passages: int


class NoSuchSource(ValueError):
    """No source, or more than one, goes by that name or number."""


class Library:
    """What the chatbot has read."""

    def __init__(self, folder: Path, vectors: FieldVectorStore) -> None:
        self.folder = folder
        self.vectors = vectors
        self.store = vectors.store
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

    def ids(self, *sources: Source) -> list[str]:
        """The passages of these sources, live and forgotten."""
        where = _where(sources)
        return self.store.ids(where=where) + self.store.ids(where=where, forgotten=True)

    def passages(self, question: str, k: int = 6) -> list[Passage]:
        """What answers a question: the attractors of its field, best first."""
        if not self.store.count():
            return []  # nothing live
        # without fill: what is spoken for by another passage adds nothing to an answer
        retriever = self.vectors.as_retriever(search_type="field", k=k, fill=False, return_scores=True)
        sources = {source.name: source for source in self.sources()}
        return [
            Passage(
                id=str(document.id),
                source=sources[document.metadata["source"]],
                text=document.page_content,
                page=document.metadata.get("page"),
                score=document.metadata["_score"],
                share=document.metadata["_share"],
                alike=tuple(document.metadata["_members"]),
            )
            for document in retriever.invoke(question)
        ]

    def forget(self, source: Source, reason: str) -> Receipt:
        """Take it out of every answer; kept, for `restore`."""
        return self.store.forget(where=_where([source]), reason=reason)

    def restore(self, source: Source, reason: str) -> Receipt:
        """Bring it back."""
        return self.store.restore(where=_where([source]), reason=reason)

    def erase(self, sources: list[Source], reason: str) -> Certificate:
        """Destroy them for good, in one go, live or forgotten."""
        return self.store.erase(where=_where(sources), reason=reason)

    def copies(self, source: Source) -> list[Copy]:
        """The other live sources that say what this one says (or said: it may be forgotten), closest first."""
        cosines: dict[str, float] = {}
        for residual in self.store.residual(self.ids(source)):
            for carrier in residual.carriers:
                if carrier.cosine >= NEAR_COPY and source_of(carrier.id) != source.name:
                    cosines[carrier.id] = max(carrier.cosine, cosines.get(carrier.id, -1.0))
        count = Counter(map(source_of, cosines))
        closest = {name: max(c for id, c in cosines.items() if source_of(id) == name) for name in count}
        others = [other for other in self.sources() if other.name in count]
        copies = [Copy(other, closest[other.name], count[other.name]) for other in others]
        return sorted(copies, key=lambda copy: -copy.cosine)


def _where(sources: list[Source] | tuple[Source, ...]) -> dict[str, Any]:
    return {"source": {"$in": [source.name for source in sources]}}
