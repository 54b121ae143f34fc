# What a forget would take: whole sources, and the near-copies of them in others.
#
# In:   sources, or a question; nothing is changed here.
# Out:  the sources that would go, with every passage, and the lines that say so.
# Rule: what is found for a question is what an answer to it would quote; a source goes whole, as everywhere.
"""Looking before forgetting."""

from collections.abc import Collection
from dataclasses import dataclass

from examples.chatbot.answering import Extractive
from examples.chatbot.copies import Copy, spread
from examples.chatbot.library import Library, Passage, Source
from examples.chatbot.reports import beginning, copied
from fieldstore import Record


@dataclass(frozen=True)
class Going:
    """A source that would go. records: its live passages. copy: in what it copies another that goes; None: it was
    asked for."""

    source: Source
    records: list[Record]
    copy: Copy | None


def about(library: Library, extractive: Extractive, question: str) -> list[Passage]:
    """The passages that an answer to the question would quote, best first."""
    return [quote.passage for quote in extractive.near(question, library.passages(question))]


def going(library: Library, sources: Collection[Source]) -> list[Going]:
    """What would go with these sources: they, and the copies that a forget would offer to take along, in turn."""
    found: list[tuple[Source, Copy | None]] = [(source, None) for source in sources]
    found += [(copy.source, copy) for copy in spread(library, sources, lambda _: True)]
    return [Going(source, library.store.get(library.ids(source.name, forgotten=False)), copy) for source, copy in found]


def going_lines(parts: list[Going], found: Collection[Passage] = ()) -> list[str]:
    """Every source and every passage that would go; found: those of them that the question itself hit."""
    hit = {passage.id for passage in found}
    lines = []
    for part in parts:
        why = f", a near-copy: {copied(part.copy)}" if part.copy else ""
        lines.append(f"{part.source}, whole: {len(part.records)} passages{why}")
        for record in part.records:
            lines.append(f"    {record.id}{', found' if record.id in hit else ''}: {beginning(record.text or '')}")
    return lines
