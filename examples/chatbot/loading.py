# Keeping the library in step with its folder, without undoing what a person asked for.
#
# In:   the folder's files, and what the store holds.
# Out:  a report of what was read and what was left alone, and why.
# Rule: reading again changes nothing that has not changed in the folder.
# Rule: what was forgotten stays forgotten, source or passage; only text that had been cut out of its file comes back
#       when it is in the file again. An erased source looks like a new file, since the store does not remember it; so,
#       once a store has been filled, files it does not know are read only when somebody asks for them.
# Rule: embedding is slow, and others may forget meanwhile: what is written was true before and is looked at after.
"""Reading the folder into the store."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from examples.chatbot.library import CUT, Library, Source
from examples.chatbot.reading import Piece, Unreadable, files_in, read


@dataclass
class Report:
    """Names of sources, by what became of them.

    partly: some of its passages stay forgotten. disturbed: left alone, since it was forgotten or changed meanwhile.
    unreadable: messages. cut: how many passages left its file, by source. added: ids of passages that answer now and
    did not before; restored: those of them that were forgotten.
    """

    read: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    partly: list[str] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)


def never_filled(library: Library) -> bool:
    """Whether nothing has ever been stored here, so that no file of the folder can be an erased one."""
    return next(iter(library.store.entries(limit=1)), None) is None


def unknown_files(library: Library) -> list[str]:
    """Files of the folder that could be read, but are not in the store: new ones and erased ones."""
    known = {source.name for source in library.sources() if source.live or not _only_cut(library, source.name)}
    return [name for name, path in files_in(library.folder).items() if name not in known and _passages(name, path)]


def without_text(library: Library) -> list[Source]:
    """Live sources whose file is gone or gives no text any more; their old passages go on answering."""
    files = files_in(library.folder)
    live = [source for source in library.sources() if not source.is_forgotten]
    return [source for source in live if source.name not in files or not _passages(source.name, files[source.name])]


def cut_out(library: Library) -> dict[str, list[str]]:
    """Forgotten passages that are in no file any more, by source; those of a source forgotten whole do not count."""
    files, found = files_in(library.folder), dict[str, list[str]]()
    for source in library.sources():
        kept = library.forgotten(source.name)
        here = {p.id for p in _passages(source.name, files[source.name])} if source.name in files else set()
        left = [id for id in kept.taken if id not in here] if source.live and here else []  # since a /restore
        if kept.cut or left:
            found[source.name] = kept.cut + left
    return found


def _only_cut(library: Library, name: str) -> bool:
    kept = library.forgotten(name)
    return not (kept.taken or kept.elsewhere)


def _passages(name: str, path: Path) -> list[Piece]:
    try:
        return read(name, path)
    except Unreadable:
        return []


def load(library: Library, names: Collection[str], *, restoring: bool = False) -> Report:
    """Read these files, and store what is new or different; each file is a step of its own, kept once it is done.

    restoring: bring back what was forgotten with its source, too, as far as it is still in the file.
    """
    report = Report()
    for name, path in files_in(library.folder).items():
        if name in names:
            try:
                _load_one(library, name, read(name, path), report, restoring)
            except Unreadable as error:
                report.unreadable.append(str(error))
    return report


def _load_one(library: Library, name: str, passages: list[Piece], report: Report, restoring: bool) -> None:
    before, forgotten = _state(library, name), library.forgotten(name)
    withheld = {*forgotten.elsewhere} if restoring else {*forgotten.elsewhere, *forgotten.taken}
    if withheld and not before.live and not restoring:
        report.forgotten.append(name)
        return
    wanted = {passage.id: passage for passage in passages if passage.id not in withheld}
    back = wanted.keys() & before.forgotten
    new = wanted.keys() - before.live - back
    gone = before.live - wanted.keys()
    if len(wanted) < len(passages):
        report.partly.append(name)
    pieces = [piece for id, piece in wanted.items() if id in new]
    vectors = library.embedder.embed_documents([piece.text for piece in pieces]) if new else []
    if _state(library, name) != before:
        report.disturbed.append(name)
        return
    if new:
        library.shelf.keep(pieces, vectors)
    if back:
        library.restore(sorted(back))
    after = _state(library, name)
    if not after.live >= before.live | new | back or after.forgotten - before.forgotten:
        library.store.forget(sorted(new | back), reason=CUT)  # so that /restore, and not this, brings the source back
        report.disturbed.append(name)
        return
    if gone:
        library.store.forget(sorted(gone), reason=CUT)
        report.cut[name] = len(gone)
    report.added += sorted(new | back)
    report.restored += sorted(back)
    changed = new or gone or (back and not restoring)
    (report.unchanged if not changed else report.changed if before.live or restoring else report.read).append(name)


class _State(NamedTuple):
    """The passages of a source."""

    live: set[str]
    forgotten: set[str]


def _state(library: Library, name: str) -> _State:
    return _State(set(library.ids(name, forgotten=False)), set(library.ids(name, forgotten=True)))
