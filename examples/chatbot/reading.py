# Files into passages: what a folder says, in pieces that can be found.
#
# In:   a folder with Markdown, text and PDF files.
# Out:  LangChain documents whose ids are `<source>#<digest>`; the source is the path inside the folder.
# Rule: the same text in the same file always has the same id, and other text another. So reading a file again touches
#       only what changed in it, and text that was cut out is a record of its own, which can be erased.
"""Reading and splitting files."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter
from pypdf import PdfReader

SUFFIXES = (".md", ".txt", ".pdf")

# Paragraphs, then sentences, then words. Short passages, because one that says a single thing is found more surely, and
# recognised where it was copied: with 600 characters our corpus has a copied passage of cosine .81, with 350 .87.
_SPLITTER = RecursiveCharacterTextSplitter(
    separators=[r"\n\s*\n", r"(?<=[.!?])\s+", r"\s+", ""],
    is_separator_regex=True,
    keep_separator="end",
    chunk_size=350,
    chunk_overlap=0,  # an overlap would be a copy of our own making
)


class Unreadable(Exception):
    """A file that gives no text; the message says which and why."""


def source_of(id: str) -> str:
    """The source that the passage with this id is from."""
    return id.rpartition("#")[0]


def files_in(folder: Path) -> dict[str, Path]:
    """Every file we can read, by source, in order of their names; hidden ones are left out."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    named = ((path.relative_to(folder), path) for path in paths)
    return {name.as_posix(): path for name, path in sorted(named) if not any(p.startswith(".") for p in name.parts)}


def read(source: str, path: Path) -> list[Document]:
    """The passages of one file, in order; what it says twice on a page comes once.

    Raises:
        Unreadable: it is damaged, encrypted, not UTF-8, not named in UTF-8, or has no text (a scanned PDF).
    """
    if (name := os.fsencode(source).decode(errors="backslashreplace")) != source:
        raise Unreadable(f"{name} has a name that is not UTF-8; rename it")
    passages = dict[str, Document]()
    for passage in _SPLITTER.split_documents(_pages(source, path)):
        said = f"{passage.metadata.get('page', '')}\n{passage.page_content}"
        passage.id = f"{source}#{hashlib.sha256(said.encode()).hexdigest()[:16]}"
        passages.setdefault(passage.id, passage)
    if not passages:
        raise Unreadable(f"{source} has no text")
    return list(passages.values())


def _pages(source: str, path: Path) -> Iterable[Document]:
    """The whole text of a file; a PDF's page by page, so that an answer can name the page."""
    try:
        if path.suffix.lower() != ".pdf":
            return [Document(path.read_text(encoding="utf-8-sig"), metadata={"source": source})]
        texts = [page.extract_text() for page in PdfReader(path).pages]
    except Exception as error:  # pypdf raises whatever a broken file provokes
        raise Unreadable(f"{source} cannot be read: {error}") from error
    return [Document(text, metadata={"source": source, "page": n}) for n, text in enumerate(texts, 1)]
