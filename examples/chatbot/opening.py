# Where the chatbot keeps what it has, and how it is opened.
#
# In:   a folder of documents, a folder for data, an embedder, a framework.
# Out:  a library, closed at the end of the `with`.
# Rule: key and certificates lie beside the store, never in it.
# Rule: the folder for data may be anybody's: no file that is there is changed, and git is told of our own alone.
"""Opening a library."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.chatbot.embedding import Embedder
from examples.chatbot.frameworks import Framework
from examples.chatbot.keys import public_path, signing_key
from examples.chatbot.library import Library
from fieldstore import FieldStore


class Data:
    """The places inside the folder for data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.certificates = folder / "certificates"
        self.key = folder / "signing-key.pem"
        self.public_key = public_path(self.key)
        self.documents = folder / "documents.txt"  # names the folder of documents it was made for

    def belong_to(self, folder: Path) -> None:
        """Tie this data to a folder of documents, the first time; later only look.

        Raises:
            ValueError: it was made for another one.
        """
        here = os.fsencode(folder.resolve())
        if not self.documents.exists():
            self.documents.write_bytes(here)
        elif (first := self.documents.read_bytes()) != here:
            raise ValueError(
                f"{self.folder} holds what was read from {os.fsdecode(first)}, not from {folder.resolve()}. Name "
                f"another --data; or, if the documents have moved, delete {self.documents}"
            )


@contextmanager
def open_library(folder: Path, data: Data, embedder: Embedder, model: str, framework: Framework) -> Iterator[Library]:
    """The library of the documents in this folder; made when there is none. model: the name of the embedder's.

    Raises:
        ValueError: the data belongs to other documents, or its key cannot be used.
    """
    data.folder.mkdir(parents=True, exist_ok=True)
    data.belong_to(folder)
    if not (ignored := data.folder / ".gitignore").exists():  # documents, perhaps personal ones, and a private key
        ours = (data.store, data.certificates, data.key, data.public_key, data.documents)
        ignored.write_text("".join(f"/{path.name}\n" for path in (*ours, ignored)))
    with FieldStore(data.store, embedder=model, signing_key=signing_key(data.key)) as store:
        yield Library(folder, store, framework.shelf(store, embedder), embedder)
