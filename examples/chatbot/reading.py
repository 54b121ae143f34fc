# Files into pieces: what a folder says, in parts that can be found.
#
# In:   a folder with Markdown, text and PDF files.
# Out:  pieces whose ids are `<source>#<digest>`; the source is the path inside the folder.
# Rule: the same text in the same file always has the same id, and other text another. So reading a file again touches
#       only what changed in it, and text that was cut out is a record of its own, which can be erased.
"""Reading files."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pypdf import PdfReader

from examples.chatbot.splitting import split

SUFFIXES = (".md", ".txt", ".pdf")


@dataclass(frozen=True)
class Piece:
    """A part of a file; once it is stored, it is a passage. metadata: its source, and its page in a PDF."""

    id: str
    text: str
    metadata: dict[str, Any]


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


def read(source: str, path: Path) -> list[Piece]:
    """The pieces of one file, in order; what it says twice on a page comes once.

    Raises:
        Unreadable: it is damaged, encrypted, not UTF-8, not named in UTF-8, or has no text (a scanned PDF).
    """
    if (name := os.fsencode(source).decode(errors="backslashreplace")) != source:
        raise Unreadable(f"{name} has a name that is not UTF-8; rename it")
    pieces = dict[str, Piece]()
    for text, place in _pages(source, path):
        for part in split(text):
            said = f"{place.get('page', '')}\n{part}"
            id = f"{source}#{hashlib.sha256(said.encode()).hexdigest()[:16]}"
            pieces.setdefault(id, Piece(id, part, {"source": source, **place}))
    if not pieces:
        raise Unreadable(f"{source} has no text")
    return list(pieces.values())


def _pages(source: str, path: Path) -> Iterable[tuple[str, dict[str, int]]]:
    """The whole text of a file; a PDF's page by page, so that an answer can name the page."""
    try:
        if path.suffix.lower() != ".pdf":
            return [(path.read_text(encoding="utf-8-sig"), {})]
        return [(page.extract_text(), {"page": n}) for n, page in enumerate(PdfReader(path).pages, 1)]
    except Exception as error:  # pypdf raises whatever a broken file provokes
        raise Unreadable(f"{source} cannot be read: {error}") from error
