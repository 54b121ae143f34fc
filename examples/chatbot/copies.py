# Near-copies: passages that say what others say, or said before they were forgotten.
#
# In:   a library, a source, or passages just read.
# Out:  the sources that hold near-copies, with how close and how many passages.
# Rule: a source's own passages, however many are alike, never crowd another's out.
"""Finding near-copies."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from examples.chatbot.library import Library, Source
from examples.chatbot.reading import source_of

# Cosine from which a passage counts as a near-copy. Measured on the corpus: the five copied passages have .87 to .996,
# the most alike among all others .69.
NEAR_COPY = 0.85

_FIRST_LOOK = 64  # carriers to ask for; more only where all of them are near-copies


@dataclass(frozen=True)
class Copy:
    """A source that carries what another one says. cosine: of its closest passage; passages: how many do."""

    source: Source
    cosine: float
    passages: int


def copies(library: Library, source: Source) -> list[Copy]:
    """The other live sources that say what this one says (or said: it may be forgotten), closest first."""
    return _by_source(library, _near(library, library.ids(source.name), {"source": {"$ne": source.name}}))


def spread(library: Library, sources: Collection[Source], agreed: Callable[[Copy], bool]) -> Iterator[Copy]:
    """The copies of these sources, and their copies in turn, as far as each is agreed to; each is asked about once."""
    offered, pending = {source.name for source in sources}, list(sources)
    while pending:
        for copy in copies(library, pending.pop()):
            if copy.source.name not in offered:
                offered.add(copy.source.name)
                if agreed(copy):
                    pending.append(copy.source)
                    yield copy


def returned(library: Library, added: Collection[str]) -> list[Copy]:
    """The sources of these passages, just read, as far as they say what was forgotten under whichever name."""
    sources = library.sources() if added else []
    kept = [library.forgotten(source.name) for source in sources if source.forgotten]
    forgotten = [id for found in kept for id in (*found.taken, *found.elsewhere)]
    where = {"source": {"$in": sorted({source_of(id) for id in added})}}
    near = _near(library, forgotten, where) if forgotten else {}
    return _by_source(library, {id: cosine for id, cosine in near.items() if id in added})


def _near(library: Library, ids: list[str], where: dict[str, Any]) -> dict[str, float]:
    """Every live near-copy of these passages among the records that match, with its closest cosine."""
    cosines: dict[str, float] = {}
    pending, carriers = ids, _FIRST_LOOK
    while pending:
        residuals = library.store.residual(pending, carriers=carriers, where=where)
        for residual in residuals:
            for carrier in residual.carriers:
                if carrier.cosine >= NEAR_COPY:
                    cosines[carrier.id] = max(carrier.cosine, cosines.get(carrier.id, -1.0))
        pending = [r.id for r in residuals if len(r.carriers) == carriers and r.carriers[-1].cosine >= NEAR_COPY]
        carriers *= 8
    return cosines


def _by_source(library: Library, cosines: dict[str, float]) -> list[Copy]:
    count = Counter(map(source_of, cosines))
    closest = {name: max(c for id, c in cosines.items() if source_of(id) == name) for name in count}
    holders = [source for source in library.sources() if source.name in count]
    found = [Copy(source, closest[source.name], count[source.name]) for source in holders]
    return sorted(found, key=lambda copy: -copy.cosine)
