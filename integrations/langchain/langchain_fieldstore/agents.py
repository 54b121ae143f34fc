# LangChain's agents, with what is forgotten kept out of their conversations.
#
# Rule: it works on the messages as they are, fresh or from a checkpoint, and puts changed ones in their place, so that
#       the next checkpoint holds them changed.
"""`ForgetMiddleware`, for `langchain.agents.create_agent`; needs the extra `agents`."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.types import ExtendedModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables.config import run_in_executor
from langgraph.types import Command

from langchain_fieldstore.gone import Gone
from langchain_fieldstore.messages import STAMP, documents_in, stamped, stamped_ids, texts_of
from langchain_fieldstore.quoting import Quotes
from langchain_fieldstore.reading import Watch, watching
from langchain_fieldstore.redaction import redacted
from langchain_fieldstore.vectorstores import FieldVectorStore

__all__ = ["NOTICE", "ForgetMiddleware"]

NOTICE = "[forgotten]"
M = TypeVar("M", bound=BaseMessage)
_Answer = ToolMessage | Command[Any]
_Response = ModelResponse[Any] | AIMessage | ExtendedModelResponse[Any]


class ForgetMiddleware(AgentMiddleware[Any, Any, Any]):
    """Keeps what a `FieldVectorStore` has forgotten or erased from an agent that has seen it before.

    ```python
    agent = create_agent(model, tools, middleware=[ForgetMiddleware(vector_store)], checkpointer=checkpointer)
    ```

    Before each call of the model the messages of the thread are looked through, those from a checkpoint too, and what
    holds something gone is replaced for good: a tool's answer is emptied, and stays the answer to its call; documents
    are taken out of its artifact; an answer of the model that drew on them, cites or quotes them is emptied; sentences
    with which a human told them are taken out, except from the newest message. `restore` puts nothing back into a
    conversation; the next look-up finds it.

    It knows what went into a message by the documents in a tool's artifact, by what the tool read from and wrote to
    this vector store while it ran, which it notes on the message, and by the words: four in a row as in a forgotten
    text. An erase takes the words along, so who quotes a record that the thread has met is noted while it is live. It
    does not know the same told in other words by a human, or by the model in a later turn, what is held outside
    `messages`, and older checkpoints: see `langchain_fieldstore.checkpoints`. List it before middleware that looks
    documents up by itself.

    vector_store: what the tools read. notice: what stands in the place of what is gone. tools: names of tools whose
    artifacts hold documents of this store only; needed just for threads from before this middleware, in which an
    erased document looks like somebody else's. name: tells several of one agent apart, one for each of its stores; the
    same one after a restart.
    """

    def __init__(
        self,
        vector_store: FieldVectorStore,
        *,
        notice: str = NOTICE,
        tools: Collection[str] = (),
        name: str | None = None,
    ) -> None:
        """Raises TypeError where `tools` is one string, or `vector_store` no FieldVectorStore."""
        super().__init__()
        if not isinstance(vector_store, FieldVectorStore):
            raise TypeError(f"vector_store is a {type(vector_store).__name__}; give a FieldVectorStore")
        if isinstance(tools, str):
            raise TypeError("tools is a list of names, not one name")
        self.tools = []  # none that this middleware would add to the agent
        self._store = vector_store.store
        self._gone = Gone(vector_store.store)
        self._notice = notice
        self._ours = frozenset(tools)
        self._name = name
        self._key = STAMP if name is None else f"{STAMP}/{name}"

    @property
    def name(self) -> str:
        """What the agent knows this middleware by."""
        return type(self).__name__ if self._name is None else self._name

    # ---- before the model sees them

    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """The messages without what is gone, where they hold something."""
        changed = redacted(state["messages"], self._gone, self._notice, self._ours, self._key)
        return {"messages": changed} if changed else None

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """`before_model`, in a thread."""
        return await run_in_executor(None, self.before_model, state, runtime)

    # ---- noting what went into a message

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], _Answer]) -> _Answer:
        """Note on the answer what the tool read and wrote."""
        with watching(self._store) as watch:
            answer = handler(request)
        return _noted(answer, watch, self._key)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[_Answer]]
    ) -> _Answer:
        """`wrap_tool_call`, awaiting."""
        with watching(self._store) as watch:
            answer = await handler(request)
        return _noted(answer, watch, self._key)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> _Response:
        """Note on the model's answer what it could draw on: what this turn's tools brought, and what it quotes."""
        with watching(self._store) as watch:
            response = handler(request)
        return self._drawn(response, request.messages, watch)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> _Response:
        """`wrap_model_call`, awaiting."""
        with watching(self._store) as watch:
            response = await handler(request)
        return await run_in_executor(None, self._drawn, response, request.messages, watch)

    def _drawn(self, response: _Response, messages: Sequence[BaseMessage], watch: Watch) -> _Response:
        if isinstance(response, ExtendedModelResponse):
            inner = response.model_response
            return replace(response, model_response=replace(inner, result=self._drew(inner.result, messages, watch)))
        if isinstance(response, AIMessage):
            return self._drew([response], messages, watch)[0]
        return replace(response, result=self._drew(response.result, messages, watch))

    def _drew(self, answers: list[M], messages: Sequence[BaseMessage], watch: Watch) -> list[M]:
        first = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
        documents = [dict(documents_in(getattr(message, "artifact", None))) for message in messages]
        noted = {id for message in messages for id in stamped_ids(message, self._key)}
        quotes = Quotes(
            [*self._gone.texts_of_live(noted), *(pair for held in documents[:first] for pair in held.items())]
        )
        ids = {
            key for answer in answers for text in texts_of(answer) for span in quotes.spans(text) for key in span.keys
        }
        ids |= {id for held in documents[first:] for id in held}
        drawn = {record.id for record in self._store.get(sorted(ids))} if ids else set()  # the others may be anybody's
        drawn |= {
            id
            for message in messages[first:]
            if isinstance(message, ToolMessage)
            for id in stamped_ids(message, self._key)
        }
        watch.read.update(dict.fromkeys(sorted(drawn)))
        return [
            stamped(answer, self._key, watch.read, watch.wrote) if isinstance(answer, AIMessage) else answer
            for answer in answers
        ]


def _noted(answer: _Answer, watch: Watch, key: str) -> _Answer:
    if isinstance(answer, ToolMessage):
        return stamped(answer, key, watch.read, watch.wrote)
    update = answer.update
    if isinstance(update, dict) and isinstance(update.get("messages"), list):
        messages = [
            stamped(one, key, watch.read, watch.wrote) if isinstance(one, ToolMessage) else one
            for one in update["messages"]
        ]
        return replace(answer, update={**update, "messages": messages})
    return answer
