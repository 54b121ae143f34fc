"""A store opened to be read: every answer, no trace, and no writing verb."""

import os
import shutil
import subprocess
import sys

import apsw
import numpy as np
import pytest

from fieldstore import ErasePending, FieldStore, NotAStore, ReadOnlyStore, WriterBusy

DIM = 8
WRITING = {
    "add": ([np.ones(DIM)],),
    "update": ("r1",),
    "reweight": ("r1", 2.0),
    "calibrate": (),
    "forget": ("r1",),
    "restore": ("r0",),
    "erase": ("r1",),
    "erase_again": ([],),
    "repel": ("r1", 0.9),
    "unrepel": ("r25",),
    "let_in": (["0" * 32],),
    "finish_erase": (),
}


@pytest.fixture
def folder(tmp_path, rng):
    path = tmp_path / "s"
    with FieldStore(path, kappa=20.0) as store:
        ids = [f"r{i}" for i in range(20)]
        store.add(rng.normal(size=(20, DIM)), ids=ids, texts=ids, metadatas=[{"n": i} for i in range(20)])
        store.forget("r0", reason="asked to")
        store.erase("r2")
    return path


def state(folder):
    """Everything a file system says of a folder and its files, but for when they were last read."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        stat = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[path.name] = (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, content)
    return found


def everything(store, query):
    return (
        [(hit.id, hit.score) for hit in store.search(query, 30)],
        [(hit.id, len(hit.members)) for hit in store.search(query, 5, by="attractors", where={"n": {"$gt": 3}})],
        store.get(),
        store.count({"n": {"$lt": 9}}),
        store.ids(forgotten=True),
        store.history("r0"),
        list(store.entries()),
        store.residual("r0"),
        store.stats(),
        store.certificates(),
        store.erasures(),
        store.checkpoint(),
        store.verify(against=store.checkpoint()),
    )


def test_a_store_opened_to_be_read_answers_everything_and_leaves_no_trace(folder, rng):
    query = rng.normal(size=DIM)
    with FieldStore(folder) as store:
        expected = everything(store, query)
    assert expected[-1] == []
    before = state(folder)
    with FieldStore(folder, read_only=True) as store:
        assert everything(store, query) == expected
        assert state(folder) == before
    assert state(folder) == before


def test_every_writing_verb_is_refused_by_its_name_and_nothing_changes(folder):
    before = state(folder)
    with FieldStore(folder, read_only=True) as store:
        for verb, arguments in WRITING.items():
            with pytest.raises(ReadOnlyStore, match=rf"^{verb} writes, and the store '.*' is open to be read only"):
                getattr(store, verb)(*arguments)
    assert state(folder) == before


def test_no_public_verb_that_writes_is_missing_from_the_list():
    """A verb that is none of these must leave the ledger and the folder as they are: here is who answers for it."""
    reading = {
        *(
            "get",
            "count",
            "ids",
            "exists",
            "search",
            "search_many",
            "residual",
            "history",
            "entries",
            "verify",
            "stats",
            "repellers",
            "explain",
            "kept_out",
            "forgotten",
        ),
        *("checkpoint", "certificates", "erasures", "as_of", "close"),
    }
    verbs = {name for name in dir(FieldStore) if not name.startswith("_") and callable(getattr(FieldStore, name))}
    assert verbs - reading == set(WRITING)


def test_what_the_store_does_not_know_yet_is_not_written_down(folder):
    with pytest.raises(ReadOnlyStore, match="nothing was changed"):
        FieldStore(folder, read_only=True, embedder="mini")
    with pytest.raises(ReadOnlyStore, match="nothing was changed"):
        FieldStore(folder, read_only=True, filter_keys=["n"])


@pytest.mark.parametrize("there", [None, "folder", "file"])
def test_where_there_is_no_store_nothing_is_created(tmp_path, there):
    path = tmp_path / "s"
    if there == "folder":
        path.mkdir()
    elif there == "file":
        path.write_text("something else")
    before = state(tmp_path)
    with pytest.raises(NotAStore):
        FieldStore(path, read_only=True)
    assert state(tmp_path) == before
    with pytest.raises(ValueError, match="read_only"):
        FieldStore(read_only=True)


def test_a_store_that_never_had_a_record_can_be_read(tmp_path):
    FieldStore(tmp_path / "s").close()
    before = state(tmp_path)
    with FieldStore(tmp_path / "s", read_only=True) as store:
        assert (store.search(np.ones(3)), store.count(), store.verify()) == ([], 0, [])
    assert state(tmp_path) == before


def test_what_another_process_forgets_is_gone_at_the_next_query_of_a_reader(folder, rng):
    """First there is no log, and the file is read as it lies; then somebody writes, closes, and writes again."""
    query = rng.normal(size=DIM)
    with FieldStore(folder, read_only=True) as reader:
        first = reader.search(query, 1)[0].id
        with FieldStore(folder) as writer:
            assert reader.search(query, 1)[0].id == first  # a writer that has not written yet
            writer.forget(first)
            second = reader.search(query, 1)[0].id
            assert second != first
            assert not reader.exists(first)
            writer.forget(second)
            assert reader.search(query, 1)[0].id not in (first, second)
        third = reader.search(query, 1)[0].id
        with FieldStore(folder) as writer:
            writer.forget(third)
            assert reader.search(query, 1)[0].id not in (first, second, third)
            writer.add(query, ids=["new"])
            assert reader.search(query, 1)[0].id == "new"
        assert reader.verify() == []
    with FieldStore(folder) as store:
        assert store.verify() == []


def test_a_reader_notices_a_writer_that_came_and_went_between_two_queries(folder, rng):
    query = rng.normal(size=DIM)
    with FieldStore(folder, read_only=True) as reader:
        first = reader.search(query, 1)[0].id
        with FieldStore(folder) as writer:
            writer.forget(first)
        assert not (folder / "store.db-wal").exists()
        assert reader.search(query, 1)[0].id != first
        assert reader.verify() == []


def test_an_answer_of_two_states_is_not_given(folder):
    """Who writes in the middle of a reading without a log is noticed when it ends."""
    with FieldStore(folder, read_only=True) as reader:
        reading = reader._mirror.reading()
        reading.__enter__()
        with FieldStore(folder) as writer:
            writer.forget("r5")
        with pytest.raises(WriterBusy, match="ask again"):
            reading.__exit__()
        assert not reader.exists("r5")


def test_an_erase_that_is_pending_stays_so_and_is_said(folder, caplog):
    with FieldStore(folder, timeout=0.1) as store:
        blocker = apsw.Connection(str(folder / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
        blocker.execute("BEGIN; SELECT count(*) FROM records").fetchall()
        with pytest.raises(ErasePending):
            store.erase("r7")
        with FieldStore(folder, read_only=True) as reader:
            assert "unfinished" in caplog.text
            assert not reader.exists("r7")
            assert any("being erased and not certified" in said for said in reader.verify())
            assert reader.stats()["erases_pending"] == 1
        blocker.close()
        assert store.finish_erase() is not None
        assert store.verify() == []


def test_a_copy_with_a_log_that_nobody_folded_in_is_refused_and_left_as_it_is(folder, tmp_path):
    with FieldStore(folder) as store:
        store.forget("r4")
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("store.db", "store.db-wal", "vectors.f32"):
            shutil.copy(folder / name, copy)
    before = state(copy)
    with pytest.raises(NotAStore, match="Open the store once without"):
        FieldStore(copy, read_only=True)
    assert state(copy) == before
    FieldStore(copy).close()
    with FieldStore(copy, read_only=True) as store:
        assert not store.exists("r4")


def test_the_commands_that_only_read_leave_no_trace(folder, capsys):
    from fieldstore.cli import main

    before = state(folder)
    for command in (["verify"], ["stats"], ["ids"], ["get"], ["history"], ["checkpoint"], ["erasures"]):
        assert main([*command, str(folder)]) == 0
    assert state(folder) == before
    assert "all is well" in capsys.readouterr().out


NOBODY = """
import os, sys
import numpy as np
from fieldstore import FieldStore
with FieldStore(dim=8) as store:  # compiles what it needs while it may write a cache
    store.add(np.eye(8))
    store.search(np.ones(8))
if os.geteuid() == 0:
    os.setuid(65534)  # whom the modes of files bind
try:
    open(os.path.join(sys.argv[1], "probe"), "w")
    sys.exit("the folder can be written: this shows nothing")
except PermissionError:
    pass
with FieldStore(sys.argv[1], read_only=True) as store:
    print(store.count(), len(store.search(np.ones(8), 30)), store.verify(against=store.checkpoint()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="drops its rights the way Linux does")
def test_a_directory_that_cannot_be_written_is_read(folder):
    place = f"/tmp/fieldstore-read-only-{os.getpid()}"  # tmp_path may lie where only root gets to
    shutil.copytree(folder, place)
    try:
        for path in os.scandir(place):
            os.chmod(path, 0o444)
        os.chmod(place, 0o555)
        command = [sys.executable, "-c", NOBODY, place]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout.strip()) == (0, "18 18 []"), ran.stderr
    finally:
        os.chmod(place, 0o755)
        shutil.rmtree(place)
