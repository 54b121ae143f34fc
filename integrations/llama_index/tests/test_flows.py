"""The most common flows of LlamaIndex, each with a forget in the middle."""

import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import ChatMessage, CompletionResponse, MockLLM
from llama_index.core.memory import ChatMemoryBuffer, Memory, VectorMemory, VectorMemoryBlock
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.retrievers import VectorIndexAutoRetriever
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    MetadataInfo,
    VectorStoreInfo,
    VectorStoreQueryMode,
)
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from integrations.llama_index.tests.samples import WordEmbedding, ids_of
from llama_index.vector_stores.fieldstore import FieldVectorStore

QUESTION = "Where is the spare key?"
TEXTS = {
    "key": "The spare key is under the blue pot.",
    "cat": "The cat sleeps on the warm oven.",
    "rent": "Rent is due on the first day of the month.",
}


def documents(**texts: str) -> list[Document]:
    return [Document(id_=id, text=text, metadata={"name": id}) for id, text in (texts or TEXTS).items()]


def indexed(store: FieldVectorStore, docs: list[Document], **options: Any) -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(
        docs, storage_context=StorageContext.from_defaults(vector_store=store), **options
    )


def names(retrieved: list[Any]) -> list[str | None]:
    return [one.node.ref_doc_id for one in retrieved]


def sources(store: FieldVectorStore) -> list[str]:
    return sorted(str(node.ref_doc_id) for node in store.get_nodes())


def test_from_documents(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents(), weight=2.0)
    assert names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))[0] == "key"
    assert {record.weight for record in empty.client.get()} == {2.0}
    empty.forget("key", reason="moved")
    assert sorted(names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))) == ["cat", "rent"]
    assert sources(empty) == ["cat", "rent"]
    indexed(empty, documents(key="The spare key is with Ann."))
    assert "Ann" in index.as_retriever(similarity_top_k=1).retrieve(QUESTION)[0].text


async def test_from_documents_async(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents(), use_async=True)
    retriever = index.as_retriever(similarity_top_k=3)
    assert names(await retriever.aretrieve(QUESTION))[:1] == ["key"]
    await empty.adelete("key")
    assert sorted(names(await retriever.aretrieve(QUESTION))) == ["cat", "rent"]


def test_insert(empty: FieldVectorStore) -> None:
    index = indexed(empty, [])
    for document in documents():
        index.insert(document, weight=0.5, reason="imported")
    empty.forget("key")
    assert "key" not in names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))
    index.insert(Document(id_="key2", text="The spare key hangs by the door."))
    assert names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))[0] == "key2"
    empty.restore("key")
    assert sources(empty) == ["cat", "key", "key2", "rent"]
    assert empty.history("key")[0].reason == "imported"


async def test_delete_ref_doc(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents())
    retriever = index.as_retriever(similarity_top_k=3)
    before = retriever.retrieve(QUESTION)
    index.delete_ref_doc("key", delete_from_docstore=True, reason="gdpr", actor="ann")
    assert "key" not in names(retriever.retrieve(QUESTION))
    assert [(entry.reason, entry.actor) for entry in empty.history("key")][-1] == ("gdpr", "ann")
    empty.undo("key")
    assert retriever.retrieve(QUESTION) == before
    await index.adelete_ref_doc("key", reason="again")
    await index.adelete_nodes([before[1].node.node_id], reason="and a node")
    assert len(await retriever.aretrieve(QUESTION)) == 1
    assert empty.history("key")[-1].reason == "again"
    assert empty.client.history(before[1].node.node_id)[-1].reason == "and a node"
    index.delete_ref_doc("cat", erase=True)
    assert empty.restore("cat").ids == ()


def test_refresh_ref_docs(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents())
    empty.forget("key")
    assert index.refresh_ref_docs(documents()) == [False, False, False]
    assert sources(empty) == ["cat", "rent"], "what is forgotten and unchanged stays forgotten"
    assert "key" not in names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))
    newer = documents(**TEXTS | {"key": "The spare key is with Ann.", "cat": "The cat is out."})
    assert index.refresh_ref_docs(newer) == [True, True, False]
    assert sources(empty) == ["cat", "key", "rent"]
    assert "Ann" in index.as_retriever(similarity_top_k=1).retrieve(QUESTION)[0].text
    index.delete_ref_doc("key")
    assert len(empty.undo("key").ids) == 1, "the version before stays out"
    assert "Ann" in index.as_retriever(similarity_top_k=1).retrieve(QUESTION)[0].text
    index.update_ref_doc(newer[0], delete_kwargs={"reason": "update"}, insert_kwargs={"weight": 3.0})
    assert [record.weight for record in empty.client.get(where={"name": "key"})] == [3.0]
    assert "update" in {entry.reason for entry in empty.history("key")}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"vector_store_query_mode": VectorStoreQueryMode.MMR, "vector_store_kwargs": {"mmr_threshold": 0.0}},
        {"vector_store_kwargs": {"mode": "field"}},
        {"vector_store_kwargs": {"mode": "field", "per": "ref_doc_id"}},
    ],
    ids=["default", "mmr", "field", "per"],
)
def test_a_retriever_with_filters(empty: FieldVectorStore, how: dict[str, Any]) -> None:
    index = indexed(empty, documents())
    filters = MetadataFilters(filters=[MetadataFilter(key="name", value=["key", "cat"], operator="in")])
    retriever = index.as_retriever(similarity_top_k=3, filters=filters, **how)
    assert names(retriever.retrieve(QUESTION)) == ["key", "cat"]
    empty.forget(filters=MetadataFilters(filters=[MetadataFilter(key="name", value="key")]))
    assert names(retriever.retrieve(QUESTION)) == ["cat"]
    empty.restore("key")
    assert names(retriever.retrieve(QUESTION)) == ["key", "cat"]
    assert names(index.as_retriever(doc_ids=["rent"], **how).retrieve(QUESTION)) == ["rent"]
    assert names(index.as_retriever(doc_ids=[], **how).retrieve(QUESTION)) == []


async def test_a_query_engine(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents())
    cutoff = SimilarityPostprocessor(similarity_cutoff=0.5)
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=3, node_postprocessors=[cutoff])
    answer = engine.query(QUESTION)
    assert names(answer.source_nodes) == ["key"]
    assert "blue pot" in str(answer)  # without max_tokens the model says what it was sent
    empty.forget("key")
    assert str(engine.query(QUESTION)) == str(await engine.aquery(QUESTION)) == "Empty Response"
    empty.restore("key")
    assert names((await engine.aquery(QUESTION)).source_nodes) == ["key"]


async def test_a_condense_plus_context_chat_engine(empty: FieldVectorStore) -> None:
    index = indexed(empty, documents())
    chat = index.as_chat_engine(
        chat_mode=ChatMode.CONDENSE_PLUS_CONTEXT,
        similarity_top_k=3,
        memory=ChatMemoryBuffer.from_defaults(token_limit=3000),
        vector_store_query_mode="mmr",
        vector_store_kwargs={"mmr_threshold": 1.0},
    )
    assert names(chat.chat(QUESTION).source_nodes)[0] == "key"
    empty.forget("key")
    assert "key" not in names(chat.chat(QUESTION).source_nodes)
    assert "key" not in names((await chat.achat(QUESTION)).source_nodes)
    streamed = chat.stream_chat(QUESTION)
    assert "".join(streamed.response_gen)
    assert "key" not in names(streamed.source_nodes)
    empty.restore("key")
    chat.reset()
    assert names(chat.chat(QUESTION).source_nodes)[0] == "key"


@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
@pytest.mark.parametrize("split", [True, False])
async def test_an_ingestion_pipeline(empty: FieldVectorStore, strategy: DocstoreStrategy, split: bool) -> None:
    steps = [SentenceSplitter(), WordEmbedding()] if split else [WordEmbedding()]
    pipeline = IngestionPipeline(
        transformations=steps, docstore=SimpleDocumentStore(), vector_store=empty, docstore_strategy=strategy
    )
    pipeline.run(documents=documents())
    retriever = VectorStoreIndex.from_vector_store(empty).as_retriever(similarity_top_k=1)
    assert "blue pot" in retriever.retrieve(QUESTION)[0].node.get_content()
    empty.forget("key", reason="asked to")
    assert "blue pot" not in retriever.retrieve(QUESTION)[0].node.get_content()
    pipeline.run(documents=documents())
    assert empty.client.count() == 2, "what is unchanged is not ingested again, and stays forgotten"
    newer = documents(**TEXTS | {"key": "The spare key is with Ann."})
    await pipeline.arun(documents=newer)
    assert "Ann" in retriever.retrieve(QUESTION)[0].node.get_content()
    assert empty.client.count() == 3
    pipeline.run(documents=newer[:2])
    assert empty.client.count() == (2 if strategy is DocstoreStrategy.UPSERTS_AND_DELETE else 3)


async def test_an_ingestion_pipeline_that_only_leaves_out_duplicates(empty: FieldVectorStore) -> None:
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), WordEmbedding()],
        docstore=SimpleDocumentStore(),
        vector_store=empty,
        docstore_strategy=DocstoreStrategy.DUPLICATES_ONLY,
    )
    pipeline.run(documents=documents())
    pipeline.run(documents=[Document(id_="key again", text=TEXTS["key"], metadata={"name": "key"})])
    assert sources(empty) == ["cat", "key", "rent"]
    retriever = VectorStoreIndex.from_vector_store(empty).as_retriever(similarity_top_k=3)
    empty.forget("key", reason="asked to")
    await pipeline.arun(documents=documents())
    assert sorted(names(retriever.retrieve(QUESTION))) == ["cat", "rent"], "a duplicate does not bring it back"
    empty.restore("key")
    assert names(retriever.retrieve(QUESTION))[0] == "key"


# -- memories, and an automatic retriever


def said(messages: list[ChatMessage]) -> list[str]:
    return [str(message.content) for message in messages]


def test_a_vector_memory(empty: FieldVectorStore) -> None:
    memory = VectorMemory.from_defaults(empty, retriever_kwargs={"similarity_top_k": 1})
    for question, answer in (("Where is the spare key?", "Under the pot."), ("Who is the cat?", "Tom is the cat.")):
        memory.put(ChatMessage(role="user", content=question))
        memory.put(ChatMessage(role="assistant", content=answer))
    assert empty.client.count() == 2, "a batch is written anew with each message, under one id"
    assert said(memory.get("the spare key")) == ["Where is the spare key?", "Under the pot."]
    [key] = [one.node_id for one in empty.get_nodes() if "key" in one.get_content()]
    empty.forget(node_ids=[key], reason="asked to")
    assert said(memory.get("the spare key")) == ["Who is the cat?", "Tom is the cat."]
    memory.put(ChatMessage(role="user", content="And the rent?"))
    assert "Where is the spare key?" not in said(memory.get("the spare key"))
    empty.restore(node_ids=[key])
    assert said(memory.get("the spare key"))[0] == "Where is the spare key?"
    memory.reset()
    assert (memory.get("the spare key"), empty.get_nodes()) == ([], [])
    memory.set([ChatMessage(role="user", content="A new start with the key.")])
    assert said(memory.get("the spare key")) == ["A new start with the key."]


FRUIT = ["apples", "pears", "plums", "cherries", "grapes", "figs", "dates", "limes"]


async def test_a_vector_memory_block(empty: FieldVectorStore, tmp_path: Path) -> None:
    def memory_of(session: str) -> Memory:
        block = VectorMemoryBlock(vector_store=empty, similarity_top_k=20)
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / session}.db", poolclass=NullPool)
        return Memory.from_defaults(
            session_id=session, token_limit=40, token_flush_size=10, memory_blocks=[block], async_engine=engine
        )

    ann, bob = memory_of("ann"), memory_of("bob")
    for memory, words in ((ann, "The spare key is under the blue pot."), (bob, "The spare key is with Zoe.")):
        for text in (words, *(f"Some talk about nothing, part {n}." for n in range(8))):
            await memory.aput(ChatMessage(role="user", content=text))

    async def recalled(memory: Memory) -> str:
        await memory.aput(ChatMessage(role="user", content=QUESTION))
        return "".join(str(message.content) for message in await memory.aget())

    assert "blue pot" in await recalled(ann)
    assert "Zoe" not in await recalled(ann), "sessions are kept apart"
    keys = [one.node_id for one in empty.get_nodes() if "blue pot" in one.get_content()]
    assert keys
    await empty.aforget(node_ids=keys, reason="asked to")
    assert "blue pot" not in await recalled(ann)
    assert "Zoe" in await recalled(bob)
    await empty.arestore(node_ids=keys)
    assert "blue pot" in await recalled(ann)


class Scripted(MockLLM):
    """A model that answers with what it was told to."""

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        filters = [{"key": "name", "value": ["key", "cat"], "operator": "in"}]
        return CompletionResponse(text=json.dumps({"query": QUESTION, "filters": filters, "top_k": 2}))


async def test_an_auto_retriever(empty: FieldVectorStore) -> None:
    about = VectorStoreInfo(
        content_info="household notes", metadata_info=[MetadataInfo(name="name", type="str", description="its name")]
    )
    index = indexed(empty, documents())
    retriever = VectorIndexAutoRetriever(index, about, llm=Scripted(), similarity_top_k=3)
    assert names(retriever.retrieve("anything")) == ["key", "cat"]
    empty.forget("key", reason="asked to")
    assert names(retriever.retrieve("anything")) == ["cat"]
    empty.restore("key")
    assert names(retriever.retrieve("anything")) == ["key", "cat"]
    again = VectorIndexAutoRetriever(
        index, about, llm=Scripted(), similarity_top_k=3, vector_store_kwargs={"mode": "field"}
    )
    empty.erase("cat")
    assert names(again.retrieve("anything")) == ["key"]


def test_an_index_built_closed_and_reopened(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes") as store:
        index = indexed(store, documents())
        before = index.as_retriever(similarity_top_k=3).retrieve(QUESTION)
        index.storage_context.persist(str(tmp_path / "kept"))
        index_id = index.index_id
    with FieldVectorStore(tmp_path / "notes") as store:
        index = VectorStoreIndex.from_vector_store(store)
        assert index.as_retriever(similarity_top_k=3).retrieve(QUESTION) == before
        index.delete_ref_doc("key")
    with FieldVectorStore.from_persist_dir(tmp_path / "kept") as store:
        context = StorageContext.from_defaults(persist_dir=str(tmp_path / "kept"), vector_store=store)
        index = load_index_from_storage(context, index_id)  # type: ignore[assignment]
        assert "key" not in names(index.as_retriever(similarity_top_k=3).retrieve(QUESTION))
        assert len(store.undo("key").ids) == 1
        assert index.as_retriever(similarity_top_k=3).retrieve(QUESTION) == before
        index.insert(Document(id_="new", text="The new key is under the oven."))
        store.erase("key")
        assert store.client.verify() == []
    with FieldVectorStore(tmp_path / "notes") as store:
        assert sources(store) == ["cat", "new", "rent"]
        assert len(ids_of(store.get_nodes())) == 3
