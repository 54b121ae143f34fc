# The conversations that LangGraph's checkpointers keep, and which of them still hold what a record says.
#
# A thread is kept as many checkpoints; those from before a record was forgotten hold it whatever became of the newest.
# Rule: any BaseCheckpointSaver will do; it is only listed, and threads are deleted by its own verb.
"""Threads that quote a record: to be listed, and deleted."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables.config import run_in_executor

from langchain_fieldstore.messages import documents_in, stamped_by_any, strings_in
from langchain_fieldstore.quoting import Quotes
from langchain_fieldstore.vectorstores import FieldVectorStore

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

__all__ = ["adelete_quoting_threads", "aquoting_threads", "delete_quoting_threads", "quoting_threads"]


class _Wanted:
    """What to look for: the ids, and the words of those that are live or forgotten."""

    def __init__(self, vector_store: FieldVectorStore, ids: Iterable[str]) -> None:
        if isinstance(ids, str):
            raise TypeError("ids is a list of ids, not one id; nothing was looked for")
        self._ids = frozenset(ids)
        store = vector_store.store
        records = [*store.get(sorted(self._ids)), *store.forgotten(sorted(self._ids))]
        self._quotes = Quotes((record.id, record.text) for record in records if record.text)

    def is_in(self, checkpoint: "CheckpointTuple") -> bool:
        """Whether a checkpoint holds one of them: in any channel, or in what was about to be written to one."""
        values = [checkpoint.checkpoint.get("channel_values", {}), checkpoint.pending_writes or []]
        if any(self._quotes.spans(string) for string in strings_in(values)):
            return True
        return any(id in self._ids for id, _ in documents_in(values)) or any(
            self._ids & stamped_by_any(message) for message in _messages_in(values)
        )


def quoting_threads(
    checkpointer: "BaseCheckpointSaver[Any]", vector_store: FieldVectorStore, ids: Iterable[str]
) -> list[str]:
    """Which threads hold one of these records in any of their checkpoints, sorted.

    Told by the documents and notes in messages, and by the words: four in a row as in the record's text. The words of a
    record that was erased are not known any more: ask before erasing it. Reads every checkpoint there is.
    """
    wanted = _Wanted(vector_store, ids)
    return sorted({_thread_of(one) for one in checkpointer.list(None) if wanted.is_in(one)})


def delete_quoting_threads(
    checkpointer: "BaseCheckpointSaver[Any]", vector_store: FieldVectorStore, ids: Iterable[str]
) -> list[str]:
    """Delete those threads, whole, and return their ids. What the database keeps of deleted rows is its own doing."""
    threads = quoting_threads(checkpointer, vector_store, ids)
    for thread in threads:
        checkpointer.delete_thread(thread)
    return threads


async def aquoting_threads(
    checkpointer: "BaseCheckpointSaver[Any]", vector_store: FieldVectorStore, ids: Iterable[str]
) -> list[str]:
    """`quoting_threads` by the checkpointer's async form."""
    wanted = await run_in_executor(None, _Wanted, vector_store, ids)
    return sorted({_thread_of(one) async for one in checkpointer.alist(None) if wanted.is_in(one)})


async def adelete_quoting_threads(
    checkpointer: "BaseCheckpointSaver[Any]", vector_store: FieldVectorStore, ids: Iterable[str]
) -> list[str]:
    """`delete_quoting_threads` by the checkpointer's async forms."""
    threads = await aquoting_threads(checkpointer, vector_store, ids)
    for thread in threads:
        await checkpointer.adelete_thread(thread)
    return threads


def _thread_of(checkpoint: "CheckpointTuple") -> str:
    return str(checkpoint.config["configurable"]["thread_id"])


def _messages_in(value: Any) -> Iterator[BaseMessage]:
    if isinstance(value, BaseMessage):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _messages_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _messages_in(inner)
