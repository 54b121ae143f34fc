# LangChain's words for a record and for a condition, put into fieldstore's and back.
#
# In:   texts, documents, ids and filters as LangChain hands them over.
# Out:  columns for `FieldStore.add`, a `where` for its searches, documents for its answers.
# Rule: what came in is never changed, and what goes out shares nothing with the store.
"""Documents and filters, translated."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict
from uuid import uuid4

from langchain_core.documents import Document

from fieldstore import Hit, Record


class Columns(TypedDict):
    """What `FieldStore.add` stores beside the vectors: lists of one length, an id for every record."""

    texts: list[str]
    metadatas: list[dict[str, Any]]
    ids: list[str]


def columns_of_texts(
    texts: Iterable[str],
    metadatas: Iterable[Mapping[str, Any] | None] | None,
    ids: Iterable[str | None] | None,
) -> Columns:
    """Texts with their metadata (`{}` where None) and ids (a new uuid4 where None).

    Raises:
        ValueError: there are more or fewer metadatas or ids than texts.
        TypeError: `texts` or `ids` is one string; it would be taken letter by letter.
    """
    if isinstance(texts, str) or isinstance(ids, str):
        raise TypeError("texts and ids are lists of strings, not one string; nothing was added")
    pages = list(texts)  # once: a generator is empty the second time
    facts = [None] * len(pages) if metadatas is None else list(metadatas)
    names = [None] * len(pages) if ids is None else list(ids)
    for what, column in (("metadatas", facts), ("ids", names)):
        if len(column) != len(pages):
            raise ValueError(f"got {len(pages)} texts but {len(column)} {what}; nothing was added")
    return Columns(
        texts=pages,
        metadatas=[dict(fact or {}) for fact in facts],
        ids=[str(uuid4()) if name is None else name for name in names],
    )


def columns_of_documents(documents: Iterable[Document], ids: Iterable[str | None] | None) -> Columns:
    """The same out of documents; `ids`, when given, beat the documents' own."""
    pages = list(documents)
    return columns_of_texts(
        [page.page_content for page in pages],
        [page.metadata for page in pages],
        [page.id for page in pages] if ids is None else ids,
    )


def to_document(record: Record | Hit) -> Document:
    """A record as LangChain knows it; one stored without text has an empty page."""
    return Document(id=record.id, page_content=record.text or "", metadata=record.metadata)


def to_where(filter: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A LangChain filter as fieldstore's `where`: the same language. None and `{}` let everything pass.

    Raises:
        TypeError: the filter is a callable, or anything else but a dict.
    """
    if callable(filter):
        raise TypeError(
            "filter is a callable; fieldstore filters before it ranks and cannot call Python there. "
            "Give a dict, such as {'year': {'$gte': 2020}}"
        )
    if filter is not None and not isinstance(filter, Mapping):
        raise TypeError(f"filter is a {type(filter).__name__}; give a dict, such as {{'year': {{'$gte': 2020}}}}")
    return dict(filter) if filter else None
