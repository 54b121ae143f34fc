# A disk that fails: the seam for file access is replaced, the answer is an error, and the store is old or new, never
# half.

import errno
import random

import apsw
import pytest

from fieldstore import FieldStore, NotAStore, StoreClosed, WriteFailed
from fieldstore.storage.files import Files
from fieldstore.storage.lock import refuse_network_folder
from tests.torture.disk import Disk
from tests.torture.power import Power

DIM = 8


class Failing(Files):
    """The real disk until `calls` names a number: the n-th call of a method from then on fails."""

    def __init__(self):
        self.calls = {}

    def _count(self, name):
        if name in self.calls:
            self.calls[name] -= 1
            if self.calls[name] < 0:
                raise OSError(errno.EIO if name == "sync" else errno.ENOSPC, "injected")

    def write(self, file, data, offset):
        if offset or len(data) > 21:  # not the holder's name in the lock file
            self._count("write")
        super().write(file, data, offset)

    def sync(self, file):
        self._count("sync")
        super().sync(file)

    def resize(self, file, length):
        self._count("resize")
        super().resize(file, length)


@pytest.fixture
def disk():
    return Failing()


@pytest.fixture
def store(tmp_path, rng, disk):
    with FieldStore(tmp_path / "s", files=disk) as store:
        store.add(rng.normal(size=(5, DIM)), ids=[f"r{i}" for i in range(5)])
        yield store


@pytest.mark.parametrize("call", ["write", "resize"])
def test_a_full_disk_refuses_the_add_and_the_store_goes_on(store, rng, disk, call):
    before = store.stats()
    disk.calls[call] = 0
    with pytest.raises(WriteFailed, match="nothing was changed"):
        store.add(rng.normal(size=(5000, DIM)))
    disk.calls.clear()
    assert store.stats() == before
    store.add(rng.normal(size=(1, DIM)))
    assert store.count() == 6
    assert store.verify() == []


def test_a_failed_sync_is_not_tried_again_the_store_closes_and_shows_the_old_state(store, rng, disk, tmp_path):
    disk.calls["sync"] = 0
    with pytest.raises(StoreClosed, match="open it again"):
        store.add(rng.normal(size=(1, DIM)), ids=["late"])
    assert disk.calls["sync"] == -1
    assert store.closed
    with FieldStore(tmp_path / "s") as reopened:
        assert (reopened.count(), reopened.exists("late")) == (5, False)
        assert reopened.verify() == []  # the row that nobody owns was cleared on open


def test_an_erase_on_a_failing_disk_gives_no_certificate_and_is_finished_later(store, disk, tmp_path):
    disk.calls["write"] = 0
    with pytest.raises(WriteFailed, match="pending"):
        store.erase("r2")
    assert (store.exists("r2"), store.certificates()) == (False, [])
    disk.calls.clear()
    assert store.finish_erase().entries
    disk.calls["sync"] = 0
    with pytest.raises(StoreClosed):
        store.erase("r3")
    with FieldStore(tmp_path / "s") as reopened:
        assert (reopened.exists("r3"), len(reopened.certificates())) == (False, 2)
        assert reopened.verify() == []


class FailingDatabase(apsw.VFS):
    """SQLite's own file access, passed on until armed; then writes of one kind fail."""

    def __init__(self, name):
        self.armed = None
        super().__init__(name, "")

    def xOpen(self, name, flags):
        vfs = self

        class File(apsw.VFSFile):
            def __init__(self):
                super().__init__("", name, flags)

            def xWrite(self, data, offset):
                if vfs.armed == "full":
                    raise apsw.FullError("injected")
                super().xWrite(data, offset)

            def xSync(self, how):
                if vfs.armed == "sync":
                    raise apsw.IOError("injected")
                super().xSync(how)

        return File()


@pytest.mark.parametrize("verb", ["add", "forget", "update", "reweight", "erase"])
@pytest.mark.parametrize("fault", ["full", "sync"])
def test_a_database_that_cannot_write_leaves_the_old_state(tmp_path, rng, verb, fault):
    vfs = FailingDatabase(f"failing-{verb}-{fault}")
    disk = Files()
    disk.vfs = f"failing-{verb}-{fault}"
    store = FieldStore(tmp_path / "s", files=disk)
    store.add(rng.normal(size=(3, DIM)), ids=["a", "b", "c"])
    places = rng.normal(size=(10, DIM))
    before = store.field.evaluate(places).tolist()
    vfs.armed = fault
    with pytest.raises((WriteFailed, StoreClosed)):
        {
            "add": lambda: store.add(rng.normal(size=(1, DIM)), ids=["d"]),
            "forget": lambda: store.forget("a"),
            "update": lambda: store.update("a", texts="new"),
            "reweight": lambda: store.reweight("a", 2.0),
            "erase": lambda: store.erase("a"),
        }[verb]()
    vfs.armed = None
    store.close()
    with FieldStore(tmp_path / "s") as reopened:
        # A failed sync leaves the outcome open to either state; a full disk must leave the old one.
        if fault == "full" or reopened.stats()["entries"] == 3:
            assert reopened.field.evaluate(places).tolist() == before
        assert reopened.verify() == []


def test_a_creation_that_was_interrupted_is_taken_up_again(tmp_path, rng):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "store.db").touch()  # created, and not yet a database
    with FieldStore(folder) as store:
        store.add(rng.normal(size=(1, DIM)))
        assert store.verify() == []


def test_a_network_file_system_is_refused(tmp_path, monkeypatch):
    from pathlib import Path

    here = Path.read_text
    mounts = f"server:/export {tmp_path} nfs4 rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda self: mounts if str(self) == "/proc/self/mounts" else here(self))
    with pytest.raises(NotAStore, match="network file system"):
        refuse_network_folder(tmp_path / "s")
    with pytest.raises(NotAStore, match="nfs4"):
        FieldStore(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_refused_first_add_fixes_no_dimension_and_leaves_no_row(tmp_path, rng, disk):
    with FieldStore(tmp_path / "s", files=disk) as store:
        disk.calls["resize"] = 0
        with pytest.raises(WriteFailed):
            store.add(rng.normal(size=(3, DIM)))
        disk.calls.clear()
        assert store.dim is None
        store.add(rng.normal(size=(3, 5)), ids=["a", "b", "c"])
        assert (store.dim, store.count(), store.verify()) == (5, 3, [])


def test_the_rows_of_a_refused_add_are_cleared_at_once(store, rng, monkeypatch):
    from fieldstore.storage.database import Database

    def refuse(*_):
        raise WriteFailed("injected")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "append", refuse)
        with pytest.raises(WriteFailed):
            store.add(rng.normal(size=(3, DIM)))
    assert store.verify() == []  # no row beyond the last point holds anything


def test_a_query_that_could_not_follow_the_ledger_is_made_up_for_by_the_next(store, rng, disk, tmp_path, monkeypatch):
    vectors = rng.normal(size=(5000, DIM))
    with FieldStore(tmp_path / "s") as other:
        other.forget("r1")
        other.add(vectors)  # so that the reader has to map the file anew
        with monkeypatch.context() as broken:
            broken.setattr(disk, "map", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOMEM, "injected")))
            with pytest.raises(OSError, match="injected"):
                store.count()
        assert store.count() == 5004
        assert "r1" not in [hit.id for hit in store.search(vectors[0], 6000)]
        assert store.verify() == []


def test_an_interrupt_just_behind_the_commit_does_not_keep_a_forgotten_record_in_memory(store, rng, monkeypatch):
    from fieldstore.mirror import Mirror

    follow = Mirror._follow
    calls = []

    def interrupted(self, database):
        calls.append(None)
        if len(calls) == 2:  # the first is the look before the write
            raise KeyboardInterrupt
        follow(self, database)

    monkeypatch.setattr(Mirror, "_follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.forget("r1")
    assert "r1" not in [hit.id for hit in store.search(rng.normal(size=DIM), 10)]
    assert store.get("r1") == []
    assert store.verify() == []


def test_a_write_that_the_system_takes_in_parts_is_made_whole(tmp_path):
    class Sparing(Files):
        def write_some(self, file, data, offset):
            return super().write_some(file, data[:7], offset)

    files = Sparing()
    file = files.open(tmp_path / "f")
    files.write(file, memoryview(bytes(range(100))), 3)
    assert files.read(file, 200, 0) == bytes(3) + bytes(range(100))
    files.close(file)


def test_the_names_of_all_new_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(Files, "sync_folder", lambda self, path: synced.append(path))
    Files().make_folder(tmp_path / "a" / "b" / "c")
    assert set(synced) == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}


@pytest.mark.parametrize("torn", [0, 512, 2048, 4096])
def test_a_creation_whose_very_first_page_was_torn_is_taken_up_again(tmp_path, rng, torn):
    disk = Disk(tmp_path / "begun", record=True)
    with FieldStore(tmp_path / "begun", files=disk.files):
        pass
    power, folder = Power("begun", {}), tmp_path / "s"
    folder.mkdir()
    for op in disk.trace:  # until the first page of the database is written, beside its journal
        power.follow(op)
        if (op.kind, op.name) == ("write", "store.db"):
            break
    for name, content in dict(power.states(random.Random(1)))["kept"].items():
        (folder / name).write_bytes(bytes(torn) + content[torn:] if name == "store.db" else content)
    with FieldStore(folder) as store:
        store.add(rng.normal(size=(1, DIM)))
        assert store.verify() == []


def test_what_is_no_database_is_left_alone_whatever_journal_lies_beside_it(tmp_path):
    diary = b"my diary " * 100
    (tmp_path / "store.db").write_bytes(diary)
    for journal in (b"", b"no journal, but as long as one is", bytes.fromhex("d9d505f920a163d7") + b"\1" * 20):
        (tmp_path / "store.db-journal").write_bytes(journal)
        with pytest.raises(NotAStore, match="left as it is"):
            FieldStore(tmp_path)
        assert (tmp_path / "store.db").read_bytes() == diary


def test_a_holders_name_that_cannot_be_written_down_stops_no_write(store, rng, monkeypatch):
    def refuse(self, file, data, offset):
        if len(data) <= 21 and not offset:
            raise OSError(errno.EIO, "injected")
        Files.write(self, file, data, offset)

    monkeypatch.setattr(Failing, "write", refuse)
    store.add(rng.normal(size=(1, DIM)))
    store.forget("r1")
    assert (store.count(), store.verify()) == (5, [])


def test_a_name_that_cannot_be_synced_closes_the_store_before_anything_is_acknowledged(tmp_path, rng, monkeypatch):
    def refuse(self, path):
        raise OSError(errno.EIO, "injected")

    store = FieldStore(tmp_path / "s")
    with monkeypatch.context() as broken:
        broken.setattr(Files, "sync_folder", refuse)
        with pytest.raises(StoreClosed, match="open the store again"):
            store.add(rng.normal(size=(1, DIM)))
    assert store.closed
    with FieldStore(tmp_path / "s") as reopened:
        assert (reopened.count(), reopened.verify()) == (0, [])


def test_a_checkpoint_that_the_disk_refuses_is_not_blamed_on_a_reader(tmp_path, rng, monkeypatch):
    vfs, disk = FailingDatabase("failing-checkpoint"), Files()
    disk.vfs = "failing-checkpoint"
    with FieldStore(tmp_path / "s", files=disk, timeout=30.0) as store:
        store.add(rng.normal(size=(3, DIM)), ids=["a", "b", "c"])
        database = store._mirror.folder.database
        vacuum = database.vacuum
        with monkeypatch.context() as broken:
            broken.setattr(database, "vacuum", lambda: (vacuum(), setattr(vfs, "armed", "sync")))
            with pytest.raises(WriteFailed, match="the disk refused"):
                store.erase("a")
        assert store.certificates() == []
        vfs.armed = None
        assert store.finish_erase() is not None
        assert store.verify() == []


def test_a_disk_that_refuses_the_opening_is_named_in_our_own_words(tmp_path, rng):
    vfs, disk = FailingDatabase("failing-opening"), Files()
    disk.vfs = "failing-opening"
    vfs.armed = "full"
    with pytest.raises(WriteFailed, match="the disk refused"):
        FieldStore(tmp_path / "s", files=disk)
    vfs.armed = None
    with FieldStore(tmp_path / "s", files=disk) as store:
        store.add(rng.normal(size=(3, DIM)))
        assert store.verify() == []


def test_a_store_whose_folder_can_never_be_synced_refuses_to_open_and_nothing_is_harmed(store, tmp_path, monkeypatch):
    def refuse(self, path):
        raise OSError(errno.EIO, "injected")

    store.close()
    with monkeypatch.context() as broken:
        broken.setattr(Files, "sync_folder", refuse)
        with pytest.raises(StoreClosed, match="could not be synced"):
            FieldStore(tmp_path / "s")
    with FieldStore(tmp_path / "s") as reopened:
        assert (reopened.count(), reopened.verify()) == (5, [])


def test_a_forget_of_one_or_many_is_one_transaction_and_one_sync(tmp_path, rng):
    """Now and then SQLite folds its log in behind the commit: two syncs more then, and one at the next commit."""
    folder, count = tmp_path / "s", 700
    disk = Disk(folder, record=True)
    with FieldStore(folder, files=disk.files) as store:
        store.add(rng.normal(size=(count, 8)), ids=[f"r{i}" for i in range(count)])
        syncs = []
        for ids in [*([f"r{i}"] for i in range(count - 100)), [f"r{i}" for i in range(count - 100, count)]]:
            disk.trace.clear()
            store.forget(ids)
            syncs.append([op.name for op in disk.trace if op.kind in ("sync", "names")])
        assert store.verify() == []
    assert syncs.count(["store.db-wal"]) >= len(syncs) - 20
    assert all(len(one) <= 2 or one == ["store.db-wal", "store.db-wal", "store.db"] for one in syncs)
    assert len(syncs[-1]) <= 3
