# The store as it was: the same answers, from an earlier position of the ledger, and nothing to write with.
"""`PastVectorStore`."""

from collections.abc import Sequence
from typing import Any, NoReturn

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode

from fieldstore import ReadOnlyStore, View
from llama_index.vector_stores.fieldstore.finding import Finding
from llama_index.vector_stores.fieldstore.queries import Mode


class PastVectorStore(Finding):
    """A `FieldVectorStore` as of an earlier entry, from `FieldVectorStore.as_of`; to be read, by an index, too.

    `client` is the View behind it: `client.gaps()` says what it cannot show. Every verb that writes raises
    ReadOnlyStore.
    """

    _view: View = PrivateAttr()

    def __init__(self, view: View, *, mode: Mode = "default") -> None:
        super().__init__(stores_text=True, mode=mode)
        self._view = view

    @classmethod
    def class_name(cls) -> str:
        """What LlamaIndex calls this class."""
        return "PastVectorStore"

    @property
    def client(self) -> View:
        """The store as of then: search, get, gaps."""
        return self._view

    def _refuse(self) -> NoReturn:
        raise ReadOnlyStore(f"{self._view} is the past, and only to be read; nothing was changed")

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore."""
        self._refuse()

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore."""
        self._refuse()

    def delete_nodes(self, *_: Any, **delete_kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore."""
        self._refuse()

    async def adelete_nodes(self, *_: Any, **delete_kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore."""
        self._refuse()

    def clear(self, **kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore."""
        self._refuse()

    def persist(self, *_: Any, **kwargs: Any) -> NoReturn:
        """Raise ReadOnlyStore: the store that it is the past of is what persists."""
        self._refuse()
