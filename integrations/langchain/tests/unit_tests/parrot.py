"""A chat model that calls the tool it is told to, and otherwise repeats whatever it was given, word for word."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, tool
from pydantic import Field

from langchain_fieldstore import FieldVectorStore


class Parrot(BaseChatModel):
    """`tool: words` makes it call that tool with the words; all else, and a tool's answer, it answers by repeating."""

    seen: list[list[BaseMessage]] = Field(default_factory=list)
    says: Callable[[Sequence[BaseMessage]], str] | None = None

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        self.seen.append(list(messages))
        name, colon, words = str(messages[-1].content).partition(": ")
        if isinstance(messages[-1], HumanMessage) and colon:
            call = {"name": name, "args": {"words": words}, "id": f"call{len(self.seen)}"}
            answer = AIMessage("", tool_calls=[call])
        elif self.says:
            answer = AIMessage(self.says(messages))
        else:
            answer = AIMessage(" | ".join(str(message.content) for message in messages))
        return ChatResult(generations=[ChatGeneration(message=answer)])


def tools_over(vector_store: FieldVectorStore) -> list[BaseTool]:
    """Remember, recall (with and without documents beside the words), and forget."""

    @tool
    def remember(words: str) -> str:
        """Store a note."""
        [id] = vector_store.add_texts([words])
        return f"stored as {id}"

    @tool(response_format="content_and_artifact")
    def recall(words: str) -> tuple[str, list[Document]]:
        """Find notes."""
        found = vector_store.similarity_search(words, k=2)
        return "\n".join(document.page_content for document in found), found

    @tool
    async def arecall(words: str) -> str:
        """Find notes, awaiting."""
        return "\n".join(document.page_content for document in await vector_store.asimilarity_search(words, k=2))

    @tool
    def bare(words: str) -> str:
        """Find notes, in other words."""
        found = vector_store.as_retriever(k=1).invoke(words)
        return f"There is {len(found)} note. " + " ".join(word[::-1] for word in found[0].page_content.split())

    @tool
    def forget(words: str) -> str:
        """Forget a note."""
        return f"forgot {len(vector_store.forget([words]).ids)}"

    return [remember, recall, arecall, bare, forget]


def everything(messages: Sequence[BaseMessage]) -> str:
    """All there is in messages, as one string to look for words in, the same fresh and from a checkpoint."""
    return "\n".join(str(json.loads(json.dumps(message.model_dump(mode="json")))) for message in messages)


def answers_of(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]
