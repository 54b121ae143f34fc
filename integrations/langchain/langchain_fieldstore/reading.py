# Which documents a piece of work read or wrote: noted where they pass, for whoever watches.
#
# Rule: nobody watching costs one look-up a call and holds on to nothing.
# Rule: a watch sees what its own thread or task does, and what those start; never its neighbours'.
"""Watching what a call reads from, and writes to, a vector store."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from os.path import samefile

from langchain_core.documents import Document

from fieldstore import FieldStore, Hit, Record
from langchain_fieldstore.documents import to_document


@dataclass
class Watch:
    """The ids that were shown, and those that were stored, in order and once each, of one store."""

    store: FieldStore
    read: dict[str, None] = field(default_factory=dict)
    wrote: dict[str, None] = field(default_factory=dict)


_watches: ContextVar[tuple[Watch, ...]] = ContextVar("langchain_fieldstore_watches", default=())


@contextmanager
def watching(store: FieldStore) -> Iterator[Watch]:
    """Note what is read and written while this is open, in this thread or task and in what it starts."""
    watch = Watch(store)
    token = _watches.set((*_watches.get(), watch))
    try:
        yield watch
    finally:
        _watches.reset(token)


def documents_shown(store: FieldStore, records: Iterable[Record | Hit]) -> list[Document]:
    """Records as documents, on their way out."""
    shown = [to_document(record) for record in records]
    for watch in _watches.get():
        if _same(watch.store, store):
            watch.read.update(dict.fromkeys(str(document.id) for document in shown))
    return shown


def note_written(store: FieldStore, ids: Iterable[str]) -> None:
    """These records were stored or replaced."""
    for watch in _watches.get():
        if _same(watch.store, store):
            watch.wrote.update(dict.fromkeys(ids))


def _same(one: FieldStore, other: FieldStore) -> bool:
    """Whether they are one store: a directory may have been opened twice."""
    return one is other or (one.path is not None and other.path is not None and samefile(one.path, other.path))
