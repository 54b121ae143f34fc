"""The async forms: the async embedder, the same answers, and a sound store whoever writes at once."""

import asyncio
from typing import Any

from langchain_core.documents import Document

from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, ids_of
from langchain_fieldstore import FieldVectorStore


async def test_the_async_forms_use_the_async_embedder(embedding: Any) -> None:
    with await FieldVectorStore.afrom_texts([FOX, FISH], embedding, ids=["1", "2"]) as vector_store:
        await vector_store.aadd_documents([Document(id="3", page_content=DOOR)])
        await vector_store.aupdate_documents(["3"], [Document(page_content=DOOR)])
        for search_type in ("similarity", "mmr", "field", "similarity_score_threshold"):
            assert ids_of(await vector_store.asearch(DOOR, search_type, k=1)) == ["3"]
            assert ids_of(
                await vector_store.as_retriever(
                    search_type=search_type, k=1, **({"score_threshold": 0.1} if "score" in search_type else {})
                ).ainvoke(DOOR)
            ) == ["3"]
        assert await vector_store.asimilarity_search_with_score(
            DOOR, k=1
        ) == vector_store.similarity_search_with_score_by_vector(embedding.vector(DOOR), k=1)
    assert {form for form, _ in embedding.calls} == {"async"}


async def test_the_async_forms_by_vector_return_the_same(three: FieldVectorStore, embedding: Any) -> None:
    fox = embedding.vector(FOX)
    scored = three.similarity_search_with_score_by_vector(fox, k=2, filter={"alive": True})
    assert await three.asimilarity_search_with_score_by_vector(fox, k=2, filter={"alive": True}) == scored
    assert await three.afield_search_by_vector(fox, 2, per="n") == three.field_search_by_vector(fox, 2, per="n")


async def test_writers_and_readers_at_once_leave_a_sound_store(empty: FieldVectorStore) -> None:
    async def write(writer: int) -> None:
        for n in range(4):
            text, ids = f"{FOX} writer{writer} text{n}", [f"{writer}-{n}", "shared"]
            await empty.aadd_texts([text, DOOR], [{"writer": writer}, {}], ids=ids)
            assert ids_of(await empty.asimilarity_search(text, k=1)) == ids[:1]
        await empty.aforget([f"{writer}-0"])
        await empty.adelete([f"{writer}-1"], erase=True)
        mine = await empty.asimilarity_search(FOX, k=99, filter={"writer": writer})
        assert sorted(ids_of(mine)) == [f"{writer}-2", f"{writer}-3"]

    await asyncio.gather(*(write(writer) for writer in range(6)))
    assert empty.store.count() == 6 * 2 + 1
    assert empty.store.verify() == []
