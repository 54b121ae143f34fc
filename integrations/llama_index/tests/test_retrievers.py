"""The FieldRetriever: the field, asked by an index."""

from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import IndexNode, QueryBundle
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

from integrations.llama_index.tests.samples import DOOR, FISH, FOX, embed, node
from llama_index.vector_stores.fieldstore import FieldRetriever, FieldVectorStore


@pytest.fixture
def index(empty: FieldVectorStore) -> VectorStoreIndex:
    """A fox, two near-copies of it, a fish and a door, of two documents."""
    kept = [FOX, FOX + " fast", FOX + " far", FISH, DOOR]
    empty.add([node(str(n), text, source=f"d{n % 2}", n=n) for n, text in enumerate(kept)])
    return VectorStoreIndex.from_vector_store(empty)


def ids(found: list[Any]) -> list[str]:
    return [one.node.node_id for one in found]


async def test_near_copies_answer_once_and_then_fill_up(index: VectorStoreIndex) -> None:
    assert ids(FieldRetriever(index, 3).retrieve(FOX)) == ["0", "3", "4"]
    assert ids(FieldRetriever(index, 9, fill=False).retrieve(FOX)) == ["0", "3", "4"]
    assert ids(FieldRetriever(index, 9).retrieve(FOX))[:3] == ["0", "3", "4"]
    assert sorted(ids(await FieldRetriever(index, 9).aretrieve(FOX))) == ["0", "1", "2", "3", "4"]
    assert ids(FieldRetriever(index, 9, per="ref_doc_id").retrieve(FOX)) == ["0", "3"]
    assert len(FieldRetriever(index, 9, reach=0.99999, fill=False).retrieve(FOX)) == 5


async def test_find_tells_who_stands_behind_each_answer(index: VectorStoreIndex) -> None:
    retriever = FieldRetriever(index, 3)
    found = retriever.find(FOX)
    assert found.ids == ["0", "3", "4"]
    assert sorted(member.node.node_id for member in found.members[0]) == ["1", "2"]
    assert found.phi > 1.0
    bundle = QueryBundle("not these words", embedding=embed(FOX))
    assert retriever.find(bundle) == await retriever.afind(bundle) == await retriever.afind(FOX) == found
    assert bundle.embedding == embed(FOX)
    other = QueryBundle("other words", custom_embedding_strs=[FOX])
    assert retriever.find(other) == found
    assert other.embedding is None, "what was handed in is left as it was"


def test_restrictions_are_honoured_and_none_is_made_up(index: VectorStoreIndex) -> None:
    of_fish = MetadataFilters(filters=[MetadataFilter(key="n", value=3)])
    assert ids(FieldRetriever(index, 9, filters=of_fish).retrieve(FOX)) == ["3"]
    assert ids(FieldRetriever(index, 9, doc_ids=["d1"], fill=False).retrieve(FOX)) == ["1", "3"]
    assert ids(FieldRetriever(index, 9, node_ids=["4"]).retrieve(FOX)) == ["4"]
    index.insert_nodes([IndexNode(id_="special", text=DOOR + " slowly", index_id="x")])
    assert ids(index.as_retriever(similarity_top_k=9).retrieve(FOX)) == ["special"], "core asks for this node alone"
    assert ids(FieldRetriever(index, 3).retrieve(FOX))[:2] == ["0", "3"]


def test_what_is_forgotten_is_found_neither_as_an_answer_nor_behind_one(index: VectorStoreIndex) -> None:
    store: Any = index.vector_store
    engine = RetrieverQueryEngine.from_args(FieldRetriever(index, 1))
    assert ids(engine.query(FOX).source_nodes) == ["0"]
    before = FieldRetriever(index, 1).find(FOX)
    store.delete_nodes(["0", "2"])
    found = FieldRetriever(index, 1).find(FOX)
    assert (found.ids, found.members) == (["1"], [[]])
    assert ids(engine.query(FOX).source_nodes) == ["1"]
    store.restore(node_ids=["0", "2"])
    assert FieldRetriever(index, 1).find(FOX) == before


def test_what_cannot_be_honoured_is_refused(index: VectorStoreIndex) -> None:
    with pytest.raises(TypeError, match="colour"):
        FieldRetriever(index, colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="k must"):
        FieldRetriever(index, 0).retrieve(FOX)
    plain = VectorStoreIndex.from_documents([])
    assert isinstance(plain.vector_store, SimpleVectorStore)
    with pytest.raises(TypeError, match="SimpleVectorStore"):
        FieldRetriever(plain)
