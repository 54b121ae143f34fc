# The chat on LangChain.
#
# In:   a store, an embedder, the name of a chat model.
# Out:  passages kept and found through LangChain's vector store, answers through its chat models.
# Rule: `messages` is all that a model is ever sent; what must not reach it must not get in there.
"""LangChain."""

from collections.abc import Sequence

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from examples.chatbot.answering import Answerer, Extractive
from examples.chatbot.conversation import Turn
from examples.chatbot.embedding import Embedder
from examples.chatbot.frameworks import Found
from examples.chatbot.library import Passage
from examples.chatbot.reading import Piece
from examples.chatbot.writing import INSTRUCTIONS, Written, chat_model, labelled
from fieldstore import FieldStore
from langchain_fieldstore import FieldVectorStore


class LangChain:
    """`Framework`, with the vector store and the chat models of LangChain."""

    def shelf(self, store: FieldStore, embedder: Embedder) -> "LangChainShelf":
        return LangChainShelf(FieldVectorStore(_Embeddings(embedder), store=store))

    def quoting(self, extractive: Extractive) -> Answerer:
        return extractive

    def writing(self, model: str) -> Answerer:
        return written_by(chat_model(model, _load, packages="langchain langchain-{provider}"))

    def prompt(self, question: str, passages: list[Passage], history: list[Turn]) -> str:
        return "\n".join(str(message.text) for message in messages(question, passages, history))


class LangChainShelf:
    """`Shelf`, over LangChain's vector store."""

    def __init__(self, vectors: FieldVectorStore) -> None:
        self._vectors = vectors

    def keep(self, pieces: Sequence[Piece], vectors: Sequence[list[float]]) -> None:
        self._vectors.store.add(  # add_texts would embed them once more
            list(vectors),
            texts=[piece.text for piece in pieces],
            metadatas=[piece.metadata for piece in pieces],
            ids=[piece.id for piece in pieces],
        )

    def find(self, question: str, k: int) -> list[Found]:
        # without fill: what is spoken for by another passage adds nothing to an answer
        retriever = self._vectors.as_retriever(search_type="field", k=k, fill=False, return_scores=True)
        return [
            Found(
                id=str(document.id),
                text=document.page_content,
                metadata=document.metadata,
                score=document.metadata["_score"],
                share=document.metadata["_share"],
                alike=tuple(document.metadata["_members"]),
            )
            for document in retriever.invoke(question)
        ]


def written_by(model: BaseChatModel) -> Written:
    """Answers of this chat model."""
    return Written(lambda *asked: str(model.invoke(messages(*asked)).text))


def messages(question: str, passages: list[Passage], history: list[Turn]) -> list[BaseMessage]:
    """All that a chat model is sent."""
    said: list[BaseMessage] = [SystemMessage(INSTRUCTIONS)]
    for turn in history:
        said += [HumanMessage(turn.question), AIMessage(turn.answer)]
    found = "\n\n".join(map(labelled, passages))
    return [*said, HumanMessage(f"Passages:\n\n{found}\n\nQuestion: {question}")]


def _load(provider: str, model: str) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    loaded: BaseChatModel = init_chat_model(f"{provider}:{model}")
    return loaded


class _Embeddings(Embeddings):
    """Our embedder, as LangChain knows one."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._embedder.embed_query(text)
