# Keeping the library in step with its folder, without undoing what a person asked for.
#
# In:   the folder's files, and what the store holds.
# Out:  a report of what was read and what was left alone, and why.
# Rule: reading again changes nothing that has not changed in the folder.
# Rule: a forgotten source stays forgotten. An erased one looks like a new file, since the store does not remember it;
#       so, once a store has been filled, files it does not know are read only when somebody asks for them.
"""Reading the folder into the store."""

from collections.abc import Collection
from dataclasses import dataclass, field

from langchain_core.documents import Document

from examples.chatbot.library import Library
from examples.chatbot.reading import Unreadable, files_in, read


@dataclass
class Report:
    """Names of sources, by what became of them; `unreadable` holds messages."""

    read: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def never_filled(library: Library) -> bool:
    """Whether nothing has ever been stored here, so that no file of the folder can be an erased one."""
    return next(iter(library.store.entries(limit=1)), None) is None


def unknown_files(library: Library) -> list[str]:
    """Files of the folder that the store does not hold: new ones and erased ones."""
    known = {source.name for source in library.sources()}
    return [name for name in files_in(library.folder) if name not in known]


def load(library: Library, names: Collection[str]) -> Report:
    """Read these files of the folder, and store what is new or different, in one transaction."""
    report, documents, gone = Report(), list[Document](), list[str]()
    known = {source.name: source for source in library.sources()}
    for name, path in files_in(library.folder).items():
        if name not in names:
            continue
        if name in known and known[name].is_forgotten:
            report.forgotten.append(name)
            continue
        try:
            passages = read(name, path)
        except Unreadable as error:
            report.unreadable.append(str(error))
            continue
        stored = {record.id: record.text for record in library.store.get(where={"source": name})}
        different = [passage for passage in passages if stored.get(str(passage.id)) != passage.page_content]
        missing = stored.keys() - {passage.id for passage in passages}
        same = report.unchanged if name in known else report.read
        (report.changed if name in known and (different or missing) else same).append(name)
        documents += different
        gone += missing
    if documents:
        library.vectors.add_documents(documents)
    if gone:
        library.store.forget(gone, reason="no longer in the file")
    return report
