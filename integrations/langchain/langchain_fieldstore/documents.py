# LangChain's words for a record, put into fieldstore's and back.
#
# In:   texts, documents and ids as LangChain hands them over.
# Out:  columns for `FieldStore.add`, documents and relevances for its answers.
# Rule: what came in is never changed, and what goes out shares nothing with the store.
"""Documents, translated."""

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
        ValueError: there are more or fewer metadatas or ids than texts, or a text is not `encodable`.
        TypeError: `texts` or `ids` is one string; it would be taken letter by letter. Or one's metadata is no dict.
    """
    if isinstance(texts, str) or isinstance(ids, str):
        raise TypeError("texts and ids are lists of strings, not one string; nothing was done")
    pages = list(texts)  # once: a generator is empty the second time
    facts = [None] * len(pages) if metadatas is None else list(metadatas)
    names = [None] * len(pages) if ids is None else list(ids)
    for what, column in (("metadatas", facts), ("ids", names)):
        if len(column) != len(pages):
            raise ValueError(f"got {len(pages)} texts but {len(column)} {what}; nothing was done")
    for fact in facts:
        if fact is not None and not isinstance(fact, Mapping):
            raise TypeError(f"metadatas holds a {type(fact).__name__}, not a dict; nothing was done")
    keys = [str(uuid4()) if name is None else name for name in names]
    return Columns(
        texts=[encodable(page, f"the text of {key!r}") for page, key in zip(pages, keys, strict=True)],
        metadatas=[dict(fact or {}) for fact in facts],
        ids=keys,
    )


def columns_of_documents(documents: Iterable[Document], ids: Iterable[str | None] | None) -> Columns:
    """The same out of documents; `ids`, when given, beat the documents' own. TypeError for what is no document."""
    if isinstance(documents, Document):
        raise TypeError("documents is a list of documents, not one document; nothing was done")
    pages = list(documents)
    for page in pages:
        if not isinstance(page, Document):
            raise TypeError(f"documents holds a {type(page).__name__}, not a Document; nothing was done")
    return columns_of_texts(
        [page.page_content for page in pages],
        [page.metadata for page in pages],
        [page.id for page in pages] if ids is None else ids,
    )


def encodable(text: str, what: str) -> str:
    """The text, which UTF-8 can hold: embedders and the store need that, and embedders say it less clearly.

    Raises:
        ValueError: it holds half of a surrogate pair, as text cut in the middle does.
        TypeError: it is no string.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a string, not {type(text).__name__}; nothing was done")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} holds a lone surrogate at {error.start}; nothing was done") from None
    return text


def to_document(record: Record | Hit) -> Document:
    """A record as LangChain knows it; one stored without text has an empty page."""
    return Document(id=record.id, page_content=record.text or "", metadata=record.metadata)


def relevance(cosine: float) -> float:
    """A cosine as LangChain's relevance, 0 to 1; rounding may carry a cosine past 1."""
    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))


def value_at(metadata: Mapping[str, Any], path: str) -> Any:
    """The value under a key or at a dotted path, None where there is none: what `per` goes by, in the store as here."""
    if path in metadata:
        return metadata[path]
    for dot in (place for place, letter in enumerate(path) if letter == "."):
        inner = metadata.get(path[:dot])
        if isinstance(inner, dict) and (value := value_at(inner, path[dot + 1 :])) is not None:
            return value
    return None
