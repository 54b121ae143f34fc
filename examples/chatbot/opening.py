# Where the chatbot keeps what it has, and how it is opened.
#
# In:   a folder of documents, a folder for data, an embedder.
# Out:  a library, closed at the end of the `with`.
# Rule: key and certificates lie beside the store, never in it.
"""Opening a library."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from langchain_core.embeddings import Embeddings

from examples.chatbot.keys import public_path, signing_key
from examples.chatbot.library import Library
from fieldstore import FieldStore
from langchain_fieldstore import FieldVectorStore


class Data:
    """The places inside the folder for data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.certificates = folder / "certificates"
        self.key = folder / "signing-key.pem"
        self.public_key = public_path(self.key)


@contextmanager
def open_library(folder: Path, data: Data, embedding: Embeddings, embedder: str) -> Iterator[Library]:
    """The library of the documents in this folder; made when there is none. embedder: the model's name."""
    data.folder.mkdir(parents=True, exist_ok=True)
    (data.folder / ".gitignore").write_text("*\n")  # documents, perhaps personal ones, and a private key
    with FieldStore(data.store, embedder=embedder, signing_key=signing_key(data.key)) as store:
        yield Library(folder, FieldVectorStore(embedding, store=store))
