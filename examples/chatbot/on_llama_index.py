# The chat on LlamaIndex.
#
# In:   a store, an embedder, the name of a chat model.
# Out:  passages kept through a VectorStoreIndex and found through its vector store; answers from a chat engine.
# Rule: a chat engine lives for one question. Its memory is filled with the turns that may be shown, and goes with it;
#       so it never holds what has been forgotten since.
# Rule: the engine is given the passages that the chat has found, so that both speak of the same ones.
"""LlamaIndex."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.chat_engine import CondensePlusContextChatEngine
from llama_index.core.llms import LLM, CustomLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery

from examples.chatbot.answering import Answer, Answerer, Extractive
from examples.chatbot.conversation import Turn
from examples.chatbot.embedding import Embedder
from examples.chatbot.frameworks import Found
from examples.chatbot.library import Passage
from examples.chatbot.reading import Piece, source_of
from examples.chatbot.writing import INSTRUCTIONS, Written, chat_model, labelled
from fieldstore import FieldStore
from llama_index.vector_stores.fieldstore import FieldVectorStore

_CONTEXT = INSTRUCTIONS + "\n\nPassages:\n\n{context_str}"
_MORE_CONTEXT = _CONTEXT.replace("{context_str}", "{context_msg}\n\nYour answer so far, from others: {existing_answer}")


class LlamaIndex:
    """`Framework`, with the index and the chat engine of LlamaIndex."""

    def shelf(self, store: FieldStore, embedder: Embedder) -> "LlamaIndexShelf":
        return LlamaIndexShelf(FieldVectorStore(store=store, mode="field"), _Embedding(embedder))

    def quoting(self, extractive: Extractive) -> Answerer:
        return Quoted(extractive)

    def writing(self, model: str) -> Answerer:
        return written_by(chat_model(model, _load, packages="llama-index-llms-{provider}"))

    def prompt(self, question: str, passages: list[Passage], history: list[Turn]) -> str:
        return said_by(_Offline(lambda sent: "\n".join(str(one.content) for one in sent)), question, passages, history)


class LlamaIndexShelf:
    """`Shelf`, over a VectorStoreIndex."""

    def __init__(self, vectors: FieldVectorStore, embedding: BaseEmbedding) -> None:
        self._vectors = vectors
        self._embedding = embedding
        self._index = VectorStoreIndex.from_vector_store(vectors, embed_model=embedding)

    def keep(self, pieces: Sequence[Piece], vectors: Sequence[list[float]]) -> None:
        self._index.insert_nodes([_node(piece, vector) for piece, vector in zip(pieces, vectors, strict=True)])

    def find(self, question: str, k: int) -> list[Found]:
        # not through a retriever, which hands on the nodes and drops shares and members
        vector = self._embedding.get_query_embedding(question)
        result = self._vectors.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=k))
        found = zip(result.nodes or [], result.scores, result.shares, result.members, strict=True)
        return [
            Found(
                id=node.node_id,
                text=node.get_content(),
                metadata=node.metadata,
                score=score,
                share=share,
                alike=tuple(member.node.node_id for member in members),
            )
            for node, score, share, members in found
        ]


class Quoted:
    """Has a chat engine answer whose model quotes, offline."""

    def __init__(self, extractive: Extractive) -> None:
        self._extractive = extractive

    def answer(self, question: str, passages: list[Passage], history: list[Turn]) -> Answer:
        given = list[Answer]()

        def quote(sent: Sequence[ChatMessage]) -> str:
            given.append(self._extractive.answer(str(sent[-1].content), passages, history))
            return given[-1].text

        text = said_by(_Offline(quote), question, passages, history)
        return replace(given[-1], text=text)


def written_by(model: LLM) -> Written:
    """Answers of this model."""
    return Written(lambda *asked: said_by(model, *asked))


def said_by(model: LLM, question: str, passages: list[Passage], history: list[Turn]) -> str:
    """What a chat engine with this model answers, given these passages and this conversation."""
    turns = [
        (ChatMessage(turn.question, role=MessageRole.USER), ChatMessage(turn.answer, role=MessageRole.ASSISTANT))
        for turn in history
    ]
    engine = CondensePlusContextChatEngine.from_defaults(
        retriever=_Given(passages),
        llm=model,
        memory=ChatMemoryBuffer.from_defaults(chat_history=[message for turn in turns for message in turn], llm=model),
        context_prompt=_CONTEXT,
        context_refine_prompt=_MORE_CONTEXT,
        skip_condense=True,  # the passages were found with the question as it was asked, as under LangChain
    )
    return str(engine.chat(question).response)


def _node(piece: Piece, vector: list[float]) -> TextNode:
    source = RelatedNodeInfo(node_id=source_of(piece.id))
    relationships = {NodeRelationship.SOURCE: source}
    return TextNode(
        id_=piece.id, text=piece.text, metadata=piece.metadata, embedding=vector, relationships=relationships
    )


def _load(provider: str, model: str) -> LLM:
    """The class of a provider's package that is named after it."""
    module = import_module(f"llama_index.llms.{provider}")
    for name, kind in vars(module).items():
        if name.lower() == provider.replace("_", "") and isinstance(kind, type) and issubclass(kind, LLM):
            make: Callable[..., LLM] = kind
            return make(model=model)
    raise ValueError(f"llama_index.llms.{provider} has no model class of that name")


class _Given(BaseRetriever):
    """Retrieves what has been found already."""

    def __init__(self, passages: list[Passage]) -> None:
        super().__init__()
        texts = [labelled(passage) for passage in passages]
        # never empty: without a node the engine would not ask its model at all
        self._nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts or ["(There are none.)"]]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes


class _Offline(CustomLLM):
    """A model that is a function of the messages it is sent."""

    _say: Callable[[Sequence[ChatMessage]], str] = PrivateAttr()

    def __init__(self, say: Callable[[Sequence[ChatMessage]], str]) -> None:
        super().__init__()
        self._say = say

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, context_window=1_000_000)  # all passages at once, all turns

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(self._say(messages), role=MessageRole.ASSISTANT))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self._say([ChatMessage(prompt)]))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError("the chat does not stream")


class _Embedding(BaseEmbedding):
    """Our embedder, as LlamaIndex knows one."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self._embedder = embedder

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embedder.embed_documents([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embedder.embed_query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)
