"""Persisting: a pointer to the store, never a copy; a store in memory moves to disk."""

import copy
import json
import logging
import pickle
from pathlib import Path

import fsspec
import pytest
from llama_index.core import StorageContext
from llama_index.core.vector_stores import SimpleVectorStore

from fieldstore import FieldStore, NotAStore
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, ids_of, node
from llama_index.vector_stores.fieldstore import FieldVectorStore

NAME = "default__vector_store.json"


def filled(path: Path | None, **options: str) -> FieldVectorStore:
    store = FieldVectorStore(path, **options)  # type: ignore[arg-type]
    store.add([node("1", FOX, "a"), node("2", FISH, "a")])
    store.add([node("3", DOOR, "b")], weight=2.5)
    return store


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_persisted_store_opens_with_the_same_answers(tmp_path: Path, kind: str) -> None:
    with filled(
        tmp_path / "notes" if kind == "disk" else None, on_delete="erase", mode="field", weight_key="w"
    ) as store:
        before = store.query(ask())
        StorageContext.from_defaults(vector_store=store).persist(str(tmp_path / "kept"))
        assert store.query(ask()) == before
        assert store.client.verify() == []
    assert (tmp_path / "kept" / NAME).stat().st_size < 1000
    with FieldVectorStore.from_persist_dir(tmp_path / "kept") as again:
        assert (again.on_delete, again.mode, again.weight_key) == ("erase", "field", "w")
        assert again.query(ask()) == before
        assert [record.weight for record in again.client.get()] == [1.0, 1.0, 2.5]
        assert again.client.verify() == []


def test_persisting_copies_nothing_that_an_erase_could_not_reach(tmp_path: Path) -> None:
    with filled(tmp_path / "notes", on_delete="erase") as store:
        store.persist(str(tmp_path / "kept" / NAME))
        store.delete("a")
        store.persist(str(tmp_path / "kept" / NAME))
    holding = [file for file in tmp_path.rglob("*") if file.is_file() and b"fox" in file.read_bytes()]
    assert holding == []
    with FieldVectorStore.from_persist_path(tmp_path / "kept" / NAME) as again:
        assert ids_of(again.get_nodes()) == ["3"]


def test_a_store_in_memory_moves_to_disk_and_stays_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = filled(None)
    store.delete("b")
    with caplog.at_level(logging.WARNING, "fieldstore"):
        store.persist(tmp_path / NAME)
    assert "1 forgotten" in caplog.text
    assert store.path == str(tmp_path / "default__vector_store.fieldstore") == str(store.client.path)
    store.add([node("4", DOOR, "c")])
    store.delete_nodes(["1"])
    store.persist(tmp_path / NAME)
    assert store.client.verify() == []
    store.close()
    with FieldVectorStore.from_persist_path(str(tmp_path / NAME)) as again:
        assert ids_of(again.get_nodes()) == ["2", "4"]
        assert again.client.ids(forgotten=True) == ["1"]


def test_an_empty_store_persists_too(tmp_path: Path) -> None:
    with FieldVectorStore() as store:
        store.persist(tmp_path / NAME)
    with FieldVectorStore.from_persist_dir(str(tmp_path)) as again:
        assert again.get_nodes() == []
        again.add([node("1")])
        assert again.client.verify() == []


def test_a_folder_may_move_with_the_pointer_in_it(tmp_path: Path) -> None:
    with filled(None) as store:
        store.persist(tmp_path / "here" / NAME)
    (tmp_path / "here").rename(tmp_path / "there")
    with FieldVectorStore.from_persist_dir(tmp_path / "there") as again:
        assert len(again.get_nodes()) == 3


def test_a_pointer_of_before_weight_keys_is_still_read(tmp_path: Path) -> None:
    with filled(tmp_path / "notes") as store:
        store.persist(tmp_path / NAME)
    first, facts = (tmp_path / NAME).read_text().splitlines()
    older = {name: value for name, value in json.loads(facts).items() if name != "weight_key"}
    (tmp_path / NAME).write_text(f"{first}\n{json.dumps(older)}\n")
    with FieldVectorStore.from_persist_dir(tmp_path) as again:
        assert (len(again.get_nodes()), again.weight_key) == (3, None)


def test_namespaces_keep_apart(tmp_path: Path) -> None:
    with filled(tmp_path / "notes") as store, FieldVectorStore(tmp_path / "images") as images:
        context = StorageContext.from_defaults(vector_stores={"default": store, "photos": images})
        context.persist(str(tmp_path / "kept"))
    with FieldVectorStore.from_persist_dir(tmp_path / "kept", "photos") as again:
        assert again.path is not None
        assert Path(again.path).name == "images"


# -- what is refused


def test_a_failed_persist_leaves_the_old_pointer_and_the_store_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_text("old")
    store = filled(None)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(FieldStore, "add", full)
    with pytest.raises(OSError, match="full"):
        store.persist(tmp_path / NAME)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_text() == "old"
    assert store.path is None
    assert len(store.get_nodes()) == 3
    store.persist(tmp_path / NAME)
    assert store.client.verify() == []
    store.close()


def test_a_store_in_memory_never_goes_on_top_of_another(tmp_path: Path) -> None:
    with filled(None) as first, filled(None) as second:
        first.persist(tmp_path / NAME)
        with pytest.raises(FileExistsError):
            second.persist(tmp_path / NAME)
        assert second.path is None
        assert first.client.verify() == second.client.verify() == []


def test_a_store_in_memory_keeps_documents_out_on_disk_as_before(tmp_path: Path) -> None:
    with filled(None) as store:
        store.persist(tmp_path / NAME)
        assert store.client.source_key == "_node.source"
        store.forget("animals", keep_out=True)
        store.add([node("again", "quite another text", "animals")])
        assert store.get_nodes(["again"]) == []
        assert store.client.verify() == []


def test_a_store_in_memory_that_keeps_something_out_is_not_moved_to_where_it_would_come_in(tmp_path: Path) -> None:
    with filled(None) as store:
        store.forget("animals", keep_out=True)
        with pytest.raises(ValueError, match="keeps texts or documents out"):
            store.persist(tmp_path / NAME)
        assert (list(tmp_path.iterdir()), store.path) == ([], None)
        store.restore("animals")
        store.persist(tmp_path / NAME)
        assert store.client.verify() == []


def test_a_store_in_memory_that_was_opened_elsewhere_stays_there(tmp_path: Path) -> None:
    with FieldStore() as client, pytest.raises(ValueError, match="elsewhere"):
        FieldVectorStore(store=client).persist(tmp_path / NAME)
    assert list(tmp_path.iterdir()) == []


def test_only_a_local_file_system_will_do(tmp_path: Path) -> None:
    with filled(tmp_path / "notes") as store:
        with pytest.raises(ValueError, match="memory"):
            store.persist("/kept/x.json", fs=fsspec.filesystem("memory"))
        store.persist(str(tmp_path / NAME), fs=fsspec.filesystem("file"))
    with pytest.raises(ValueError, match="memory"):
        FieldVectorStore.from_persist_path("/kept/x.json", fs=fsspec.filesystem("memory"))
    FieldVectorStore.from_persist_dir(tmp_path, fs=fsspec.filesystem("file")).close()


def test_what_a_pointer_no_longer_points_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FieldVectorStore.from_persist_dir(tmp_path)
    (tmp_path / NAME).write_text(json.dumps({"embedding_dict": {}}))
    with pytest.raises(ValueError, match="no pointer"):
        FieldVectorStore.from_persist_dir(tmp_path)
    with filled(tmp_path / "notes") as store:
        store.persist(tmp_path / NAME)
    (tmp_path / "notes").rename(tmp_path / "elsewhere")
    with pytest.raises(NotAStore):
        FieldVectorStore.from_persist_dir(tmp_path)
    FieldVectorStore(tmp_path / "notes").close()
    with pytest.raises(ValueError, match="another store"):
        FieldVectorStore.from_persist_dir(tmp_path)


def test_llama_index_fails_loudly_where_the_vector_store_was_forgotten(tmp_path: Path) -> None:
    with filled(tmp_path / "notes") as store:
        StorageContext.from_defaults(vector_store=store).persist(str(tmp_path / "kept"))
    for open_it in (
        lambda: StorageContext.from_defaults(persist_dir=str(tmp_path / "kept")),
        lambda: SimpleVectorStore.from_persist_dir(str(tmp_path / "kept")),
        lambda: SimpleVectorStore.from_persist_path(str(tmp_path / "kept" / NAME)),
    ):
        with pytest.raises(json.JSONDecodeError):
            open_it()


def test_pickling_and_deep_copying_are_refused_and_a_shallow_copy_is_the_same_store(tmp_path: Path) -> None:
    with filled(tmp_path / "notes") as store:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="pickled"):
                pickle.dumps(store, protocol)
        with pytest.raises(TypeError, match="copied"):
            copy.deepcopy(store)
        with pytest.raises(TypeError, match="copied"):
            store.model_copy(deep=True)
        assert copy.copy(store).client is store.client
        assert store.client.verify() == []
