# What has to change in a conversation so that nothing gone can be read from it.
#
# A turn is a human's message and all that follows until the next. Within a turn, what a tool brought went into every
# answer after it, whatever words the answer uses; from turn to turn it is told by the words, and by the notes that the
# middleware leaves on messages.
# Rule: in doubt a message is emptied; what is live can be looked up again.
# Rule: the newest human message stays as it is: whoever says it just now knows it.
"""`redacted`, a conversation without what is gone."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_fieldstore.gone import Gone
from langchain_fieldstore.messages import (
    STAMP,
    calls_of,
    cleaned,
    documents_in,
    emptied,
    stamp_of,
    stamped,
    stamped_ids,
    strings_in,
    text_of,
    texts_of,
    with_content,
)
from langchain_fieldstore.quoting import Quotes, Span, without


def redacted(
    messages: Sequence[BaseMessage], gone: Gone, notice: str, tools: Collection[str] = (), key: str = STAMP
) -> list[BaseMessage]:
    """The messages that have to change, changed: what is gone is taken out, and who quotes what is live is noted.

    tools: names of tools whose documents are all of this store, so that one it does not know was erased.
    key: under which messages have been, and will be, `stamped`.
    """
    thread = _Thread(messages, gone, notice, tools, key)
    left = thread.without_it() if thread.may_hold_something() else list(messages)
    new = [thread.noted(message) for message in left]
    return [after for after, before in zip(new, messages, strict=True) if after != before]


class _Thread:
    """One conversation, and what is gone of what it holds."""

    def __init__(
        self, messages: Sequence[BaseMessage], gone: Gone, notice: str, tools: Collection[str], key: str
    ) -> None:
        self._messages, self._gone, self._notice, self._key = messages, gone, notice, key
        self._held = [dict(documents_in(getattr(message, "artifact", None))) for message in messages]
        ours = {id for message in messages for id in stamped_ids(message, self._key)}
        for message, held in zip(messages, self._held, strict=True):
            if isinstance(message, ToolMessage) and message.name in tools:
                ours |= held.keys()
        held_ids = {id for held in self._held for id in held}
        self._ids = gone.among(held_ids, ours)
        self._live = Quotes(gone.texts_of_live((held_ids | ours) - self._ids))
        self._calls = calls_of(messages)
        self._quotes = Quotes()  # what the conversation itself tells of the words of what is gone
        for held in self._held:
            for id in held.keys() & self._ids:
                self._quotes.add(id, held[id])
        for message in messages:
            if isinstance(message, ToolMessage) and self._ids & set(stamp_of(message, self._key)["wrote"]):
                for string in strings_in(self._call_of(message).get("args")):
                    self._quotes.add("", string.replace(notice, " "))

    def may_hold_something(self) -> bool:
        """Whether a look at every message is worth it: something is gone by its id, or by its words."""
        return bool(self._ids) or any(self._spans(string) for message in self._messages for string in texts_of(message))

    def noted(self, message: BaseMessage) -> BaseMessage:
        """A human's message, noting which live records it quotes: once they are erased, nobody knows their words."""
        if not isinstance(message, HumanMessage):
            return message
        return stamped(
            message, self._key, sorted({key for span in self._live.spans(text_of(message)) for key in span.keys})
        )

    def without_it(self) -> list[BaseMessage]:
        """The messages without what is gone."""
        last = max((n for n, message in enumerate(self._messages) if isinstance(message, HumanMessage)), default=-1)
        left: list[BaseMessage] = []
        told = False  # whether a tool brought something gone earlier in this turn
        for number, message in enumerate(self._messages):
            if isinstance(message, HumanMessage):
                told = False
                new = message if number == last else self._told(message, number)
            elif isinstance(message, ToolMessage):
                holds = self._brought(message, self._held[number])
                told = told or (holds and message.content != self._notice)  # what was emptied before told nothing
                new = self._answered(message) if holds else message
            elif isinstance(message, AIMessage):
                new = self._said(message, told)
            else:
                new = with_content(message, self._cut)
            left.append(new)
        return left

    # ---- what a message holds

    def _spans(self, text: str) -> list[Span]:
        """The passages of a text that quote what is gone, and nothing live that the conversation holds as well."""
        found = [*self._quotes.spans(text), *self._gone.spans(text)]
        live = self._live.spans(text) if found else []
        told = (span for span in found if not any(same.start <= span.start and span.end <= same.end for same in live))
        return sorted(told, key=lambda span: span.start)

    def _cut(self, text: str) -> str:
        """A text without the sentences that quote what is gone."""
        return without(text, self._spans(text), self._notice)

    def _brought(self, message: ToolMessage, held: Mapping[str, str]) -> bool:
        """Whether a tool's answer holds something gone."""
        if self._ids & (held.keys() | stamped_ids(message, self._key)):
            return True
        return any(self._spans(text) for text in texts_of(message))

    # ---- the same without it

    def _answered(self, message: ToolMessage) -> BaseMessage:
        artifact = cleaned(message.artifact, self._ids, self._cut)
        without_it: BaseMessage = emptied(message, self._notice, dict).model_copy(update={"artifact": artifact})
        return without_it

    def _said(self, message: AIMessage, told: bool) -> BaseMessage:
        """An answer: emptied where it drew on something gone, by its turn, its note, a citation or its words."""
        text = text_of(message)
        noted = bool(self._ids & stamped_ids(message, self._key))
        drew = noted or any(_cites(text, id) for id in self._ids)
        quotes = any(self._spans(string) for string in texts_of(message))
        wrote = any(self._ids & self._written_by(call["id"]) for call in message.tool_calls)
        if not (drew or quotes or wrote or (told and text)):
            return message
        return emptied(message, self._notice, lambda call: self._arguments(call, noted))

    def _arguments(self, call: Mapping[str, Any], noted: bool) -> dict[str, Any]:
        """A tool call's arguments: without quotations, and none where it drew on what is gone, or stored it."""
        if noted or self._ids & self._written_by(call["id"]):
            return dict.fromkeys(call["args"], self._notice)
        return dict(cleaned(call["args"], set(), self._cut))

    def _told(self, message: HumanMessage, number: int) -> BaseMessage:
        """What a human said: without the sentences that quote, or nothing, where the words it was told in are lost."""
        cut = with_content(message, self._cut)
        lost = self._gone.erased(self._ids & stamped_ids(message, self._key))
        if lost or (cut == message and self._stored_in_turn(number)):
            return emptied(message, self._notice, dict)
        return cut

    # ---- who wrote what

    def _call_of(self, message: ToolMessage) -> Mapping[str, Any]:
        return self._calls.get(message.tool_call_id, {})

    def _written_by(self, call: str | None) -> set[str]:
        answers = (message for message in self._messages if isinstance(message, ToolMessage))
        return {id for answer in answers if answer.tool_call_id == call for id in stamp_of(answer, self._key)["wrote"]}

    def _stored_in_turn(self, number: int) -> bool:
        """Whether a tool stored something that is gone now, in the turn that this message begins."""
        for message in self._messages[number + 1 :]:
            if isinstance(message, HumanMessage):
                return False
            if isinstance(message, ToolMessage) and self._ids & set(stamp_of(message, self._key)["wrote"]):
                return True
        return False


def _cites(text: str, id: str) -> bool:
    """Whether a text names an id: in brackets of any kind, or a long one anywhere."""
    if len(id) >= 8 and id in text:
        return True
    return any(f"{left}{id}{right}" in text for left, right in ("[]", "()", "<>", "{}", "【】"))
