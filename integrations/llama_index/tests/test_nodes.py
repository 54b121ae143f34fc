"""Adding nodes, and getting back what was added."""

import datetime
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import (
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    ObjectType,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.utils import node_to_metadata_dict

from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, embed, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore


def related(id: str) -> RelatedNodeInfo:
    return RelatedNodeInfo(node_id=id, node_type=ObjectType.TEXT, metadata={"page": 1}, hash=f"hash of {id}")


RICH = {
    "text": "a page with a \u201cquote\u201d",
    "metadata": {
        "tags": ["a", "b"],
        "where": {"page": 3, "box": None},
        "draft": True,
        "a.b": 1,
        "doc_id": "the user's",
    },
    "excluded_embed_metadata_keys": ["tags"],
    "excluded_llm_metadata_keys": ["where"],
    "metadata_template": "{key}={value}",
    "text_template": "{content} -- {metadata_str}",
    "start_char_idx": 7,
    "end_char_idx": 27,
    "mimetype": "text/markdown",
    "relationships": {
        NodeRelationship.SOURCE: related("source"),
        NodeRelationship.PREVIOUS: related("before"),
        NodeRelationship.NEXT: related("after"),
        NodeRelationship.PARENT: related("above"),
        NodeRelationship.CHILD: [related("below 1"), related("below 2")],
    },
}
KINDS = [
    TextNode(id_="1", **RICH),
    ImageNode(id_="1", image="aGk=", image_mimetype="image/png", **RICH),
    IndexNode(id_="1", index_id="another", **RICH),
    Node(
        id_="1",
        text_resource=MediaResource(text="abc", mimetype="text/markdown"),
        image_resource=MediaResource(url="https://example.org/fox.png", mimetype="image/png"),
        metadata={"n": 1},
    ),
    TextNode(id_="1"),
]


@pytest.mark.parametrize("given", KINDS, ids=lambda given: type(given).__name__)
def test_a_node_comes_back_whole_in_every_way(empty: FieldVectorStore, given: TextNode) -> None:
    given = given.model_copy(update={"embedding": embed(FOX)}, deep=True)
    before = given.model_copy(deep=True)
    assert empty.add([given]) == ["1"]
    assert given == before
    bare = given.model_copy(update={"embedding": None})
    for mode in ("default", "mmr", "field"):
        [found] = empty.query(ask(k=1), mode=mode).nodes or []
        assert type(found) is type(given)
        assert found == bare
        assert found.hash == given.hash
    [got] = empty.get_nodes(["1"])
    assert got.model_copy(update={"embedding": None}) == bare
    assert got.embedding == pytest.approx(np.array(embed(FOX)) / np.linalg.norm(embed(FOX)), abs=1e-6)


@pytest.mark.parametrize("given", KINDS, ids=lambda given: type(given).__name__)
def test_a_node_stored_when_every_field_was_is_still_read(empty: FieldVectorStore, given: TextNode) -> None:
    whole = node_to_metadata_dict(given, remove_text=type(given) is not Node)
    packed = {"id": "1", "source": "1", "type": whole["_node_type"], "content": whole["_node_content"]}
    text = given.get_content(metadata_mode=MetadataMode.NONE)
    empty.client.add([embed(FOX)], texts=[text], metadatas=[{"_node": packed} | given.metadata], ids=["1"])
    assert (empty.query(ask()).nodes, type(empty.get_nodes()[0])) == ([given], type(given))


def test_a_plain_node_comes_back_as_it_was_when_llama_index_has_other_defaults(
    empty: FieldVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = node("1", n=1)
    before = given.get_content(MetadataMode.ALL)
    empty.add([given])
    monkeypatch.setattr(TextNode.model_fields["text_template"], "default", "{content}, another")
    TextNode.model_rebuild(force=True)
    try:
        assert TextNode().text_template == "{content}, another"
        assert empty.get_nodes()[0].get_content(MetadataMode.ALL) == before
    finally:
        monkeypatch.undo()
        TextNode.model_rebuild(force=True)


def test_what_is_plain_in_every_node_is_stored_with_none(empty: FieldVectorStore) -> None:
    empty.add([TextNode(id_="1", text=FOX, embedding=embed(FOX))])
    [record] = empty.client.get()
    assert json.loads(record.metadata["_node"]["content"]).keys() == {"id_", "metadata", "class_name"}


def test_a_document_comes_back_as_a_text_node_with_everything_it_had(empty: FieldVectorStore) -> None:
    document = Document(id_="d", text=FOX, metadata={"n": 1}, excluded_llm_metadata_keys=["n"], embedding=embed(FOX))
    empty.add([document])
    [found] = empty.get_nodes()
    assert isinstance(found, TextNode)
    assert (found.node_id, found.text, found.metadata) == ("d", FOX, {"n": 1})
    assert found.excluded_llm_metadata_keys == ["n"]


def test_keys_are_excluded_in_the_order_they_were_given(empty: FieldVectorStore) -> None:
    hidden = ["z", "a", "m", "not there"]
    empty.add([node("1", z=1, a=2, m=3).model_copy(update={"excluded_embed_metadata_keys": hidden})])
    [found] = empty.get_nodes()
    assert isinstance(found, TextNode)
    assert (found.excluded_embed_metadata_keys, found.excluded_llm_metadata_keys) == (hidden, [])


def test_what_comes_out_shares_nothing_with_the_store(empty: FieldVectorStore) -> None:
    empty.add([node("1", tags=["a"])])
    empty.get_nodes()[0].metadata["tags"].append("b")
    assert empty.get_nodes()[0].metadata == {"tags": ["a"]}


def test_metadata_comes_back_as_the_json_it_is_filtered_as(empty: FieldVectorStore) -> None:
    empty.add([node("1", day=datetime.date(2025, 6, 1), pair=(1, 2), x=float("nan"))])
    assert empty.get_nodes()[0].metadata == {"day": "2025-06-01", "pair": [1, 2], "x": None}


def test_a_record_that_llama_index_did_not_write_comes_back_as_a_text_node(empty: FieldVectorStore) -> None:
    empty.client.add([embed(FOX)], texts=[FOX], metadatas=[{"who": "ann"}], ids=["plain"])
    [found] = empty.query(ask()).nodes or []
    assert found == TextNode(id_="plain", text=FOX, metadata={"who": "ann"})


def test_the_metadata_of_a_node_lies_open_in_the_store_for_its_other_readers(three: FieldVectorStore) -> None:
    [hit] = three.client.search(embed(FISH), where={"n": 2})
    assert (hit.id, hit.text, hit.metadata["n"]) == ("2", FISH, 2)


# -- adding


def test_ids_come_back_in_the_order_of_the_nodes(empty: FieldVectorStore) -> None:
    assert empty.add([node("b", FOX), node("a", FISH), node("c", DOOR)]) == ["b", "a", "c"]


def test_a_generator_is_stored_whole_and_nothing_is_stored_as_nothing(empty: FieldVectorStore) -> None:
    assert empty.add(node(id) for id in "abc") == ["a", "b", "c"]
    assert ids_of(empty.get_nodes()) == ["a", "b", "c"]
    assert empty.add([]) == []
    assert empty.add(iter(())) == []


def test_a_node_added_again_replaces_what_its_id_held(three: FieldVectorStore) -> None:
    three.add([node("1", DOOR, "house", n=9)])
    [found] = three.get_nodes(["1"])
    assert (found.get_content(), found.metadata, found.ref_doc_id) == (DOOR, {"n": 9}, "house")
    assert three.client.count() == 3
    assert (three.query(ask(FOX, k=1)).ids, three.query(ask(FOX, k=1)).similarities != [1.0]) == (["2"], True)


def test_the_same_node_again_writes_nothing(three: FieldVectorStore) -> None:
    before = len(list(three.client.entries()))
    three.add([node("1", FOX, "animals", n=1)])
    assert len(list(three.client.entries())) == before


def test_a_forgotten_node_added_again_is_live_again(three: FieldVectorStore) -> None:
    three.delete_nodes(["1"])
    three.add([node("1", FOX, "animals", n=1)])
    assert three.query(ask(FOX, k=1)).ids == ["1"]


def test_a_weight_counts_as_so_many_copies(empty: FieldVectorStore) -> None:
    empty.add([node("1", FOX)])
    empty.add([node("2", FOX)], weight=3.0, reason="twice checked", actor="ann")
    assert [record.weight for record in empty.client.get()] == [1.0, 3.0]
    assert empty.query(ask()).ids == ["2", "1"]
    assert [(entry.reason, entry.actor) for entry in empty.client.history("2")] == [("twice checked", "ann")]


def test_a_metadata_key_may_say_what_a_node_weighs(opener: Any) -> None:
    store = opener(weight_key="trust")
    store.add([node("1", FOX, trust=3), node("2", FOX, trust=0.5), node("3", DOOR)])
    assert [record.weight for record in store.client.get()] == [3.0, 0.5, 1.0]
    assert store.query(ask(k=2)).ids == ["1", "2"]
    assert store.get_nodes(["1"])[0].metadata == {"trust": 3}
    store.add([node("1", FOX, trust=0.25)])
    assert store.query(ask(k=2)).ids == ["2", "1"]
    store.add([node("2", FOX, trust=0.5)], weight=2.0)
    assert [record.weight for record in store.client.get(["1", "2"])] == [0.25, 2.0], "the argument beats the key"
    assert (
        VectorStoreIndex([], storage_context=StorageContext.from_defaults(vector_store=store)).insert_nodes(
            [TextNode(id_="4", text=FISH, metadata={"trust": 7})]
        )
        is None
    )
    assert store.client.get(["4"])[0].weight == 7.0
    store.delete_nodes(["4"])
    store.restore(node_ids=["4"])
    assert store.client.get(["4"])[0].weight == 7.0


@pytest.mark.parametrize("weight", [0, -1, True, "heavy", None, float("inf"), [1]])
def test_a_weight_that_is_none_is_refused_with_the_whole_batch(opener: Any, weight: Any) -> None:
    store = opener(weight_key="trust")
    with pytest.raises(ValueError, match=r"'2'.*'trust'"):
        store.add([node("1", trust=2.0), node("2", trust=weight)])
    assert store.client.count() == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (TextNode(id_="w", text=FOX), "'w' has no embedding; nothing was added"),
        (TextNode(id_="w", text=FOX, embedding=[1.0, 2.0]), "length"),
        (TextNode(id_="w", text=FOX, embedding=[0.0] * 64), "direction|zero|length"),
        (TextNode(id_="w", text=FOX, embedding=embed(FOX), metadata={"_node": 1}), "_node"),
        (TextNode(id_="w", text=FOX, embedding=embed(FOX), metadata={"_node.id": "1"}), "_node.id"),
        (TextNode(id_="w", text=FOX, embedding=embed(FOX), metadata={"_node.source": "animals"}), "_node.source"),
        (TextNode(id_="w", text=FOX, embedding=embed(FOX), metadata={"x": 2**60}), "2\\*\\*53"),
        (TextNode(id_="w", text=FOX, embedding=embed(FOX), metadata={"x": np.int64(3)}), "'w' .*int64.*was added"),
        (TextNode(id_="1", text=FOX, embedding=embed(FOX)), "twice"),
    ],
)
def test_a_batch_with_a_wrong_node_is_refused_whole(three: FieldVectorStore, wrong: TextNode, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        three.add([node("1", DOOR), wrong])
    assert three.get_nodes(["1"])[0].get_content() == FOX
    assert three.client.count() == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.add([node("9")], colour="red"),
        lambda store: store.delete("animals", colour="red"),
        lambda store: store.delete_nodes(["1"], colour="red"),
        lambda store: store.query(ask(), colour="red"),
        lambda store: store.clear(colour="red"),
    ],
)
def test_an_unknown_argument_is_refused_by_name(three: FieldVectorStore, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="colour"):
        call(three)
    assert three.client.count() == 3


# -- the class


def test_the_vector_store_says_what_it_is(empty: FieldVectorStore) -> None:
    assert (empty.stores_text, empty.flat_metadata, empty.is_embedding_query) == (True, False, True)
    assert (empty.class_name(), empty.to_dict()["class_name"]) == ("FieldVectorStore", "FieldVectorStore")
    assert empty.client is empty._store


def test_contradicting_arguments_open_no_store(tmp_path: Any, empty: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="not both"):
        FieldVectorStore(tmp_path / "new", store=empty.client)
    with pytest.raises(ValueError, match="on_delete"):
        FieldVectorStore(tmp_path / "new", on_delete="shred")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sparse"):
        FieldVectorStore(tmp_path / "new", mode="sparse")  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_store_opened_elsewhere_stays_open(empty: FieldVectorStore) -> None:
    with FieldVectorStore(store=empty.client) as borrowed:
        borrowed.add([node("1")])
    assert ids_of(empty.get_nodes()) == ["1"]
