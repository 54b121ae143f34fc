"""Deleting, forgetting, restoring, erasing: through every verb, in every way to find something."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import Document
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

from fieldstore import ErasePending, FieldStore, UnknownRecord, verify_certificate
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, embed, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore


def only(**equal: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value) for key, value in equal.items()])


def entries(store: FieldVectorStore) -> int:
    return len(list(store.client.entries()))


WAYS_TO_FIND: dict[str, Callable[[FieldVectorStore], list[str]]] = {
    "default": lambda store: store.query(ask()).ids or [],
    "mmr": lambda store: store.query(ask(), mode="mmr").ids or [],
    "field": lambda store: store.query(ask(), mode="field", reach=0.9999).ids or [],
    "text_search": lambda store: store.query(ask("fox fish door", mode="text_search")).ids or [],
    "hybrid": lambda store: store.query(ask("fox fish door", mode="hybrid")).ids or [],
    "node_ids": lambda store: store.query(ask(node_ids=["1", "2", "3"])).ids or [],
    "doc_ids": lambda store: store.query(ask(doc_ids=["animals", "house"])).ids or [],
    "get_nodes": lambda store: ids_of(store.get_nodes()),
    "get_nodes by id": lambda store: ids_of(store.get_nodes(["1", "2", "3"])),
}


@pytest.mark.parametrize("way", WAYS_TO_FIND)
@pytest.mark.parametrize(
    "take_out",
    [
        lambda store: store.delete("animals"),
        lambda store: store.delete_nodes(["1", "2"]),
        lambda store: store.delete_nodes(filters=only(kind="animal")),
        lambda store: store.forget("animals"),
        lambda store: store.delete("animals", erase=True),
        lambda store: store.erase("animals"),
        lambda store: FieldVectorStore(store=store.client, on_delete="erase").delete("animals"),
    ],
    ids=["delete", "nodes", "filters", "forget", "delete erase", "erase", "on_delete"],
)
def test_what_was_taken_out_is_found_in_no_way(
    opener: Callable[..., FieldVectorStore], way: str, take_out: Callable[[FieldVectorStore], Any]
) -> None:
    empty = opener(text_index=True)
    empty.add([node("1", FOX, "animals", kind="animal"), node("2", FISH, "animals", kind="animal")])
    empty.add([node("3", DOOR, "house")])
    assert sorted(WAYS_TO_FIND[way](empty)) == ["1", "2", "3"]
    take_out(empty)
    assert WAYS_TO_FIND[way](empty) == ["3"]


def test_delete_forgets_and_restore_brings_back_the_same_answers(three: FieldVectorStore) -> None:
    before = three.query(ask())
    assert three.delete("animals", reason="wrong source", actor="ann") is None
    assert three.query(ask()).ids == ["3"]
    assert [(e.kind, e.reason, e.actor) for e in three.history("animals")][-1] == ("forget", "wrong source", "ann")
    assert three.restore("animals", reason="right after all").ids == ("1", "2")
    assert three.query(ask()) == before
    assert [entry.kind for entry in three.history("animals")] == [
        "add",
        "add",
        "forget",
        "forget",
        "restore",
        "restore",
    ]


def test_undo_is_restore(three: FieldVectorStore) -> None:
    three.delete_nodes(["1"])
    assert three.undo("animals").ids == ("1",)
    three.delete_nodes(["1", "2"])
    assert three.undo(node_ids=["2"]).ids == ("2",)


def test_deleting_twice_or_what_is_not_there_writes_nothing(three: FieldVectorStore) -> None:
    three.delete("animals")
    before = entries(three)
    three.delete("animals")
    three.delete("never there")
    three.delete_nodes(["1", "never there"])
    three.delete_nodes([])
    three.delete_nodes([], only(n=3))
    three.delete_nodes(filters=only(n=99))
    assert entries(three) == before
    assert three.query(ask()).ids == ["3"]


@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"filters": MetadataFilters(filters=[])},
        {"filters": MetadataFilters(filters=[MetadataFilters(filters=[]), MetadataFilters(filters=[])])},
    ],
)
def test_nothing_selected_is_not_everything(three: FieldVectorStore, selection: dict[str, Any]) -> None:
    for verb in (three.delete_nodes, three.forget, three.erase):
        with pytest.raises(ValueError, match="nothing is selected"):
            verb(**selection)
    assert three.client.count() == 3


def test_one_id_is_that_node_and_not_those_of_its_letters(empty: FieldVectorStore) -> None:
    one: Any = "ab"
    empty.add([node("ab", FOX, "xy"), node("a", FISH, "x"), node("b", DOOR, "y")])
    assert ids_of(empty.get_nodes(one)) == empty.query(ask(node_ids=one)).ids == empty.query(ask(doc_ids="xy")).ids
    for verb in (empty.delete_nodes, empty.forget):
        verb(node_ids=one)
        assert sorted(empty.client.ids()) == ["a", "b"]
        assert empty.restore(node_ids=one).ids == ("ab",)
    empty.delete_nodes(one, MetadataFilters(filters=[MetadataFilters(filters=[])]), erase=True)
    assert sorted(empty.client.ids()) == ["a", "b"]
    assert empty.restore(node_ids=one).ids == ()


def test_node_ids_and_filters_are_met_together(three: FieldVectorStore) -> None:
    three.delete_nodes(["1", "2"], only(n=2))
    assert ids_of(three.get_nodes()) == ["1", "3"]
    assert three.forget(node_ids=["1", "3"], filters=only(n=3)).ids == ("3",)
    with pytest.raises(ValueError, match="ref_doc_id"):
        three.forget("animals", node_ids=["1"])
    with pytest.raises(ValueError, match="one of them"):
        three.restore()


def test_a_receipt_knows_who_still_carries_the_content(empty: FieldVectorStore) -> None:
    empty.add([node("1", FOX, "a"), node("2", FOX + "!", "b"), node("3", DOOR, "c")])
    [residual] = empty.forget("a", reason="asked to").residuals()
    assert residual.flagged
    assert residual.carriers[0].id == "2"


def test_forgetting_may_take_near_copies_along_and_tells_before(empty: FieldVectorStore) -> None:
    empty.add([node("1", FOX, "a"), node("2", FOX + " fast", "b"), node("3", DOOR, "c")])
    told = empty.forget("a", near=0.8, dry_run=True)
    assert (told.ids, told.dry_run, len(empty.get_nodes())) == (("1", "2"), True, 3)
    gone = empty.forget("a", near=0.8, reason="asked to")
    assert (gone.ids, [one.id for one in gone.near]) == (("1", "2"), ["2"])
    assert ids_of(empty.get_nodes()) == ["3"]
    assert empty.restore(node_ids=list(gone.ids)).ids == ("1", "2")


# -- keeping out


def test_what_is_kept_out_comes_in_by_no_flow_until_it_is_restored(opener: Any) -> None:
    store = opener()
    fox, fish = Document(id_="fox", text=FOX), Document(id_="fish", text=FISH)
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents([fox, fish], storage_context=context)
    index.delete_ref_doc("fox", keep_out=True, reason="asked to")
    added = store.add([node("copy", "The  red FOX runs"), node("part", DOOR, "fox"), node("4", DOOR, "house")])
    assert (added, added.kept_out) == (["copy", "part", "4"], ("copy", "part"))
    index.insert(fox)
    index.update_ref_doc(Document(id_="fox", text="other words of the same document"))
    assert VectorStoreIndex([], storage_context=StorageContext.from_defaults(vector_store=store)).refresh_ref_docs(
        [fox, fish]
    ) == [True, True]
    assert {one.ref_doc_id for one in store.get_nodes()} == {"fish", "house"}
    assert sorted(one.what for one in store.client.kept_out()) == ["source", "text"]
    assert len(store.restore("fox").ids) == 1
    assert store.client.kept_out() == []
    index.update_ref_doc(Document(id_="fox", text=FOX + " again"))
    assert FOX + " again" in [one.get_content() for one in store.get_nodes()]


def test_a_store_made_elsewhere_keeps_a_document_out_by_its_texts(tmp_path: Path) -> None:
    FieldStore(tmp_path / "notes").close()
    with FieldVectorStore(tmp_path / "notes") as store:
        store.add([node("1", FOX, "animals")])
        store.forget("animals", keep_out=True)
        assert store.add([node("2", FOX, "others"), node("3", FISH, "animals")]).kept_out == ("2",)  # type: ignore[attr-defined]
        assert store.restore(node_ids=["1"]).ids == ("1",)
        assert store.client.kept_out() == []
        assert store.client.verify() == []


def test_what_is_erased_is_kept_out_by_a_secret(tmp_path: Path) -> None:
    secret = b"a secret of thirty-two bytes, or more"
    with FieldVectorStore(tmp_path / "notes") as store:
        store.add([node("1", FOX, "animals"), node("2", DOOR, "house")])
        with pytest.raises(ValueError, match="keep_out=SECRET"):
            store.delete("animals", erase=True, keep_out=True)
        assert len(store.get_nodes()) == 2
        store.erase("animals", keep_out=secret)
        assert store.add([node("3", FOX)]).kept_out == ("3",)  # type: ignore[attr-defined]
        assert store.client.verify() == []
    with FieldStore(tmp_path / "notes", keep_out_key=secret) as client:
        assert FieldVectorStore(store=client).add([node("4", FISH, "animals")]).kept_out == ("4",)  # type: ignore[attr-defined]


def test_a_receipt_counts_what_is_left_of_a_document(three: FieldVectorStore) -> None:
    assert three.forget(node_ids=["1"]).sources == {"animals": 1}
    assert three.forget("animals").sources == {"animals": 0}


# -- restoring a document that was updated


def test_restore_brings_back_the_last_version_of_a_document_and_none_before(empty: FieldVectorStore) -> None:
    for version in (1, 2, 3):
        empty.delete("d")  # as update_ref_doc does: delete, then insert under new ids
        empty.add([node(f"v{version}-{part}", f"{FOX} {version} {part}", "d") for part in "ab"])
    assert empty.restore("d").ids == ()
    empty.delete_nodes(["v3-a"])
    empty.delete("d")
    assert empty.restore("d").ids == ("v3-a", "v3-b")
    assert sorted(ids_of(empty.get_nodes())) == ["v3-a", "v3-b"]
    assert empty.restore(node_ids=["v1-a"]).ids == ("v1-a",)


def test_restore_leaves_out_a_part_that_the_next_version_dropped(empty: FieldVectorStore) -> None:
    empty.add([node("d-0", FOX, "d"), node("d-1", FISH, "d")])
    empty.delete("d")
    empty.add([node("d-0", FOX, "d")])
    empty.delete("d")
    assert empty.restore("d").ids == ("d-0",)


def test_restore_brings_back_a_document_whose_update_failed(three: FieldVectorStore) -> None:
    three.delete("animals")
    three.add([node("4", DOOR, "other")])  # written after: it stays
    three.undo("animals")
    assert sorted(ids_of(three.get_nodes())) == ["1", "2", "3", "4"]


# -- clear


@pytest.mark.parametrize("on_delete", ["forget", "erase"])
def test_clear_empties_the_store_which_is_usable_straight_after(opener: Any, on_delete: str) -> None:
    store = opener(on_delete=on_delete)
    store.clear()
    store.add([node("1", FOX, "a"), node("2", FISH, "a")])
    store.client.add([embed(DOOR)], ids=["not LlamaIndex's"])
    store.delete_nodes(["2"])
    store.clear(reason="a new start")
    assert store.query(ask()).ids == []
    assert store.get_nodes() == []
    store.clear()
    assert store.client.ids(forgotten=True) == (["1", "2", "not LlamaIndex's"] if on_delete == "forget" else [])
    store.add([node("1", FISH, "b")])
    assert store.query(ask()).ids == ["1"]


# -- erasing


def test_on_delete_decides_what_deleting_means_and_the_call_overrides_it(opener: Any) -> None:
    store = opener(on_delete="erase")
    store.add([node(id, FOX, f"d{id}") for id in "123456"])
    store.delete("d1", erase=False)
    store.delete_nodes(["2"], erase=False)
    store.delete("d3")
    store.delete_nodes(["4", "never there"])
    assert store.client.ids(forgotten=True) == ["1", "2"]
    for again in (lambda: store.delete("d3"), lambda: store.delete_nodes(["4"]), lambda: store.delete("unknown")):
        again()
    store.delete("d1")
    store.delete_nodes(["2", "5"])
    assert store.client.ids(forgotten=True) == []
    assert store.client.ids() == ["6"]
    assert store.restore("d1").ids == ()


def test_erasing_reaches_every_version_and_gives_a_certificate(three: FieldVectorStore) -> None:
    three.delete("animals")
    three.add([node("4", FOX + " again", "animals")])
    certificate = three.erase("animals", reason="request 17")
    assert verify_certificate(certificate) == []
    assert three.history("animals") == []
    assert three.restore("animals").ids == ()
    assert three.restore(node_ids=["1", "4"]).unknown == ("1", "4")
    with pytest.raises(UnknownRecord):
        three.erase("animals")
    assert ids_of(three.get_nodes()) == ["3"]


def test_erasing_leaves_no_byte_of_a_node(tmp_path: Path) -> None:
    with FieldVectorStore(tmp_path / "notes", on_delete="erase") as store:
        secret = node("secret-node-1", "my secret is xylophone", "zebedee-and-his-file", owner="zebedee the second")
        store.add([secret, node("2", DOOR, "house")])
        store.delete("zebedee-and-his-file")
        assert store.client.verify() == []
    files = [file for file in (tmp_path / "notes").rglob("*") if file.is_file()]
    assert any(b"blue door" in file.read_bytes() for file in files)
    words = (b"xylophone", b"zebedee", b"secret-node")
    assert not any(word in file.read_bytes() for file in files for word in words)


@pytest.mark.parametrize("copies", [0, 1])
def test_a_certificate_names_only_nodes_that_say_the_same(tmp_path: Path, copies: int) -> None:
    words = "Mrs Vanterpool of 14 Larkspur Lane is allergic to hazelnuts."
    texts = [words, *(f"A letter about matter number {i}, of no interest to anybody else." for i in range(9))]
    texts += copies * [f"She wrote: {words}"]
    hidden = ["last_modified_date", "file_type", "name_of_the_folder", "last_accessed_date"]  # the last one is absent
    documents = [
        Document(
            text=text,
            id_=f"letters/of/the/year/twenty-twenty-five/{i}",
            metadata={
                "file_path": f"letters/of/the/year/twenty-twenty-five/letter-{i}.txt",
                "file_type": "text/plain",
                "last_modified_date": "2025-06-01",
                "name_of_the_folder": f"folder {i}",
            },
            excluded_llm_metadata_keys=hidden,
            excluded_embed_metadata_keys=hidden,
        )
        for i, text in enumerate(texts)
    ]
    with FieldVectorStore(tmp_path / "s") as store:
        context = StorageContext.from_defaults(vector_store=store)
        VectorStoreIndex.from_documents(documents, storage_context=context)
        scan = store.erase("letters/of/the/year/twenty-twenty-five/0").body["scan"]
    assert (scan["leftovers"], scan["also_in_other_records"]) == (0, copies)


def test_an_erase_held_up_by_a_reader_is_not_taken_for_done_when_asked_for_again(tmp_path: Path) -> None:
    with FieldStore(tmp_path / "notes", timeout=0.0) as client:
        store = FieldVectorStore(store=client, on_delete="erase")
        store.add([node("1", FOX, "a"), node("2", DOOR, "b")])
        reader = apsw.Connection(str(tmp_path / "notes" / "store.db"))
        reader.execute("BEGIN; SELECT count(*) FROM sqlite_master").fetchall()
        for delete in (lambda: store.delete("a"), lambda: store.delete("a"), lambda: store.delete_nodes(["1"])):
            with pytest.raises(ErasePending):
                delete()
            assert ids_of(store.get_nodes()) == ["2"]
        reader.close()
        store.delete("a")
        assert len(client.certificates()) == 1
        assert client.verify() == []


def test_a_document_stored_whole_goes_and_comes_like_any_other(empty: FieldVectorStore) -> None:
    empty.add([Document(id_="d", text=FOX, embedding=embed(FOX)), node("3", DOOR, "house")])
    empty.delete("d")
    assert ids_of(empty.get_nodes()) == ["3"]
    assert empty.undo("d").ids == ("d",)
    assert [entry.kind for entry in empty.history("d")] == ["add", "forget", "restore"]
    assert empty.query(ask(doc_ids=["d"])).ids == ["d"]
    empty.erase("d")
    assert ids_of(empty.get_nodes()) == ["3"]
