# What a message of a chat holds of a store's records, and the same message without it.
#
# In:   messages as an agent keeps them: fresh, or back from a checkpoint, where documents have become plain dicts.
# Out:  ids; messages of the same id, type and tool call.
# Rule: a message is never changed; whoever has to take something out gets another one.
"""Messages, looked into and emptied."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, ToolMessage
from pydantic import BaseModel

# Key of `response_metadata` under which a message notes which records went into it; "fieldstore/NAME" for a middleware
# that was given a name.
STAMP = "fieldstore"
Text = Callable[[str], str]  # what becomes of a text
M = TypeVar("M", bound=BaseMessage)


def stamped(message: M, key: str, read: Iterable[str], wrote: Iterable[str] = ()) -> M:
    """The message, noting under this key which records went into it, and which were written for it."""
    known = stamp_of(message, key)
    noted = {"read": read, "wrote": wrote}
    stamp = {name: list(dict.fromkeys([*known[name], *ids])) for name, ids in noted.items()}
    if stamp == known:
        return message
    return message.model_copy(update={"response_metadata": {**message.response_metadata, key: stamp}})


def stamp_of(message: BaseMessage, key: str) -> dict[str, list[str]]:
    """Which records were read and written for a message, where it was noted."""
    stamp = message.response_metadata.get(key) or {}
    return {name: list(stamp.get(name, ())) for name in ("read", "wrote")}


def stamped_ids(message: BaseMessage, key: str) -> set[str]:
    """All of them."""
    return {id for ids in stamp_of(message, key).values() for id in ids}


def stamped_by_any(message: BaseMessage) -> set[str]:
    """All of them, of every store."""
    keys = (key for key in message.response_metadata if key == STAMP or key.startswith(f"{STAMP}/"))
    return {id for key in keys for id in stamped_ids(message, key)}


def documents_in(value: Any) -> Iterator[tuple[str, str]]:
    """(id, text) of every document somewhere in a value, such as a tool's artifact."""
    if isinstance(value, Document):
        if value.id:
            yield value.id, value.page_content
    elif isinstance(value, Mapping):
        if isinstance(value.get("id"), str) and isinstance(value.get("page_content"), str):
            yield value["id"], value["page_content"]
        for inner in value.values():
            yield from documents_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from documents_in(inner)
    elif isinstance(value, BaseModel):
        yield from documents_in(dict(value))


def strings_in(value: Any) -> Iterator[str]:
    """Every string somewhere in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings_in(key)
            yield from strings_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from strings_in(inner)
    elif isinstance(value, BaseModel):
        yield from strings_in(dict(value))
    elif hasattr(value, "__dict__"):
        yield from strings_in(vars(value))


def cleaned(value: Any, gone: set[str], text: Text) -> Any:
    """A value without the documents, or other things of an `id`, that are gone; its other strings as `text` has them.

    In a list they leave no gap; elsewhere None stands in their place.
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        if value.get("id") in gone:
            return None
        return {key: cleaned(inner, gone, text) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        kept = [cleaned(inner, gone, text) for inner in value if not (_is_gone(inner, gone))]
        return kept if isinstance(value, list) else tuple(kept) if isinstance(value, tuple) else type(value)(kept)
    if _is_gone(value, gone):
        return None
    if isinstance(value, BaseModel):
        return value.model_copy(update={key: cleaned(inner, gone, text) for key, inner in value})
    return value


def _is_gone(value: Any, gone: set[str]) -> bool:
    id = value.get("id") if isinstance(value, Mapping) else getattr(value, "id", None)
    return isinstance(id, str) and id in gone


def text_of(message: BaseMessage) -> str:
    """What a message says, its tool calls' arguments left out."""
    return "\n".join(strings_in(message.content))


def texts_of(message: BaseMessage) -> list[str]:
    """All that a message says, asks of tools, brings along, or has beside it from its provider."""
    texts = [*strings_in(message.content), *strings_in(message.additional_kwargs)]
    if isinstance(message, AIMessage):
        texts += [
            text for call in (*message.tool_calls, *message.invalid_tool_calls) for text in strings_in(call["args"])
        ]
    if isinstance(message, ToolMessage):
        texts += strings_in(message.artifact)
    return texts


def with_content(message: M, text: Text) -> M:
    """The message with its text as `text` has it, block by block; pictures and the like stay."""
    return message.model_copy(update={"content": _blocks(message.content, text)})


def _blocks(content: Any, text: Text) -> Any:
    if isinstance(content, str):
        return text(content)
    return [
        text(block) if isinstance(block, str) else {**block, "text": text(block["text"])} if "text" in block else block
        for block in content
    ]


def emptied(message: AnyMessage, notice: str, arguments: Callable[[Mapping[str, Any]], dict[str, Any]]) -> AnyMessage:
    """The message with a notice for its content, without anything a provider may have put beside it.

    Tool calls stay, since their answers follow; arguments: what becomes of a call's arguments.
    """
    if not isinstance(message, AIMessage):
        return message.model_copy(update={"content": notice, "additional_kwargs": {}})
    calls = [{**call, "args": arguments(call)} for call in message.tool_calls]
    return message.model_copy(
        update={
            "content": notice,
            "tool_calls": calls,
            "invalid_tool_calls": [],
            "additional_kwargs": {},
            "response_metadata": {},
        }
    )


def calls_of(messages: Sequence[BaseMessage]) -> dict[str, Mapping[str, Any]]:
    """The tool calls that were made, by their ids."""
    return {
        str(call["id"]): call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls
    }
