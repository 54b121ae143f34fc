# Several processes and threads on one store: one writes at a time, all see everything that was acknowledged.
#
# Children are forked before they open anything, and talk through pipes; nothing waits for a fixed time.

import os
import signal
import threading
from contextlib import contextmanager, suppress

import numpy as np
import pytest

from fieldstore import FieldStore, ForkedStore, WriterBusy

DIM = 8


@contextmanager
def child(run):
    """A forked process that runs run(say, heard): say(b"x") writes to the parent, heard() blocks for its answer."""
    to_parent, to_child = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run(lambda said: os.write(to_parent[1], said), lambda: os.read(to_child[0], 1))
            status = 0
        finally:
            os._exit(status)
    os.close(to_parent[1])  # so that reading from a child that died ends at once
    os.close(to_child[0])

    def heard():
        word = os.read(to_parent[0], 1)
        assert word, "the child failed"
        return word

    try:
        yield heard, lambda said: os.write(to_child[1], said)
        assert os.waitpid(pid, 0)[1] == 0, "the child failed"
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(to_parent[0])
        os.close(to_child[1])


def test_a_second_process_sees_a_forget_at_its_very_next_query(tmp_path, rng):
    vectors = rng.normal(size=(50, DIM))
    with FieldStore(tmp_path / "s") as store:
        store.add(vectors, ids=[f"r{i}" for i in range(50)])

    def reader(say, heard):
        with FieldStore(tmp_path / "s") as store:
            assert store.search(vectors[9], 1)[0].id == "r9"
            say(b"1")
            heard()
            assert store.search(vectors[9], 1)[0].id != "r9"
            assert store.get("r9") == []
            assert store.search(vectors[9], 1, by="attractors")[0].id != "r9"
            assert not np.array_equal(store.field.weights, np.ones(50))
            say(b"2")
            heard()
            assert store.search(vectors[9], 1)[0].id == "r9"
            assert store.search(vectors[0] * 2 + vectors[1], 1, where={"late": True})[0].id == "late"
            assert store.verify() == []

    with child(reader) as (heard, say), FieldStore(tmp_path / "s") as store:
        heard()
        store.forget("r9")
        say(b"!")
        heard()
        store.restore("r9")
        store.add(vectors[0] + vectors[1], ids=["late"], metadatas=[{"late": True}])
        say(b"!")


def test_a_second_writer_waits_and_then_says_who_holds_the_store(tmp_path, rng):
    def holder(say, heard):
        with FieldStore(tmp_path / "s", dim=DIM) as store, store._mirror.folder.writing():
            (tmp_path / "pid").write_text(str(os.getpid()))
            say(b"1")
            heard()

    with child(holder) as (heard, say):
        heard()
        store = FieldStore(tmp_path / "s", timeout=0.05)
        with pytest.raises(WriterBusy, match=f"process {(tmp_path / 'pid').read_text()} .*nothing was changed"):
            store.add(rng.normal(size=(1, DIM)))
        assert store.count() == 0  # readers are not kept waiting
        say(b"!")
    store.add(rng.normal(size=(1, DIM)))
    assert store.verify() == []
    store.close()


def test_writers_in_several_processes_lose_nothing(tmp_path, rng):
    vectors = rng.normal(size=(4, 25, DIM))
    FieldStore(tmp_path / "s", dim=DIM).close()

    def writer(number):
        def run(say, heard):
            with FieldStore(tmp_path / "s", timeout=60) as store:
                say(b"1")
                heard()
                for i, vector in enumerate(vectors[number]):
                    store.add(vector, ids=[f"w{number}-{i}"])
                    if i % 5 == 0:
                        store.forget(f"w{number}-{i}")

        return run

    with (
        child(writer(0)) as (ready0, go0),
        child(writer(1)) as (ready1, go1),
        child(writer(2)) as (ready2, go2),
        child(writer(3)) as (ready3, go3),
    ):
        for ready in (ready0, ready1, ready2, ready3):
            ready()
        for go in (go0, go1, go2, go3):
            go(b"!")
    with FieldStore(tmp_path / "s") as store:
        assert store.count() == 4 * 20
        assert len(store.ids(forgotten=True)) == 4 * 5
        assert store.verify() == []


def test_a_store_is_refused_after_a_fork_and_its_parent_goes_on(tmp_path, rng):
    store = FieldStore(tmp_path / "s")
    store.add(rng.normal(size=(3, DIM)))

    def forked(say, heard):
        for use in (store.count, lambda: store.add(rng.normal(size=(1, DIM))), lambda: store.search(np.ones(DIM))):
            with pytest.raises(ForkedStore, match="open it again"):
                use()
        store.close()  # must not touch the parent's files

    with child(forked):
        pass
    store.add(rng.normal(size=(1, DIM)))
    assert (store.count(), store.verify()) == (4, [])
    store.close()


def test_threads_add_forget_and_search_one_store_together(store, rng):
    vectors = rng.normal(size=(8, 20, DIM))
    store.add(rng.normal(size=(10, DIM)))
    failures = []

    def work(number):
        try:
            for i, vector in enumerate(vectors[number]):
                id = f"t{number}-{i}"
                store.add(vector, ids=[id], metadatas=[{"thread": number}])
                assert store.search(vector, 1, where={"thread": number})[0].id == id
                if i % 2:
                    store.forget(id)
                    assert id not in [hit.id for hit in store.search(vector, 5, by="attractors")]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.count() == 10 + 8 * 10
    assert store.verify() == []


def test_a_search_overtaken_by_a_forget_still_gives_as_many_as_are_live(store, rng, monkeypatch):
    """The ranking is made without the lock; what was forgotten meanwhile is replaced, not just left out."""
    from fieldstore.engine.field import Field

    vectors = rng.normal(size=(6, DIM))
    store.add(vectors, ids=[f"r{i}" for i in range(6)])
    nearest, overtaken = Field.nearest_many, []

    def slow(self, *args, **kwargs):
        rankings = nearest(self, *args, **kwargs)
        if not overtaken:
            overtaken.append(store.forget("r2"))
        return rankings

    monkeypatch.setattr(Field, "nearest_many", slow)
    hits = store.search(vectors[2], 3)
    assert len(hits) == 3
    assert "r2" not in [hit.id for hit in hits]


def test_a_filter_holds_while_another_thread_moves_records_between_tenants(store, rng):
    vector = rng.normal(size=DIM)
    store.add(vector, ids=["x"], metadatas=[{"tenant": "A"}], texts=["secret of A"])
    store.add(rng.normal(size=(5, DIM)), metadatas=[{"tenant": "A"}] * 5)
    done = threading.Event()

    def flip():
        for turn in range(150):
            tenant = "BA"[turn % 2]
            store.update("x", texts=f"secret of {tenant}", metadatas={"tenant": tenant})
        done.set()

    thread = threading.Thread(target=flip)
    thread.start()
    seen = set()
    while not done.is_set():
        seen |= {hit.metadata["tenant"] for hit in store.search(vector, 3, where={"tenant": "A"})}
    thread.join()
    assert seen <= {"A"}


def test_forgetting_holds_while_kappa_changes_and_other_threads_search(store, rng):
    vectors = rng.normal(size=(3000, DIM))
    store.add(vectors, ids=[f"r{i}" for i in range(3000)])
    done, wrong = threading.Event(), []

    def look():
        while not done.is_set():
            store.search(vectors[0], 3)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        store.calibrate(kappa=10.0 + turn)
        store.forget(f"r{turn}")
        if f"r{turn}" in [hit.id for hit in store.search(vectors[turn], 5)]:
            wrong.append(turn)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.verify() == []


def test_a_store_is_verified_as_of_one_moment_while_another_process_writes(tmp_path, rng):
    FieldStore(tmp_path / "s", dim=DIM).close()

    def writer(say, heard):
        with FieldStore(tmp_path / "s") as store:
            say(b"1")
            heard()
            for turn in range(60):
                store.add(rng.normal(size=(20, DIM)), ids=[f"r{turn}-{i}" for i in range(20)])
                store.forget(f"r{turn}-0", reason="torture")
            say(b"2")

    with child(writer) as (heard, say), FieldStore(tmp_path / "s") as store:
        heard()
        say(b"!")
        for _ in range(10):
            assert store.verify() == []
        heard()


def test_a_second_opener_cannot_say_another_dimension_or_model_than_the_first(tmp_path, rng, monkeypatch):
    from fieldstore.mirror import Mirror

    first = FieldStore(tmp_path / "s")
    writing = Mirror.writing

    def overtaken(self):
        monkeypatch.setattr(Mirror, "writing", writing)
        first.add(rng.normal(size=(2, DIM)))  # between the second opener's look and its lock
        return writing(self)

    monkeypatch.setattr(Mirror, "writing", overtaken)
    with pytest.raises(ValueError, match=f"has dim {DIM}, not 4"):
        FieldStore(tmp_path / "s", dim=4)
    assert first.verify() == []
    first.close()
    with FieldStore(tmp_path / "s") as store:
        assert (store.dim, store.count()) == (DIM, 2)


def test_a_child_cannot_open_what_its_parent_had_open_when_it_was_forked_or_entries_would_be_lost(tmp_path, rng):
    def forked(say, heard):
        with pytest.raises(ForkedStore, match="was open in process"):
            FieldStore(tmp_path / "s")
        FieldStore(tmp_path / "other", dim=DIM).close()

    with FieldStore(tmp_path / "s", dim=DIM) as store:
        with child(forked):
            pass
        store.add(rng.normal(size=DIM), ids="mine")
        assert store.verify() == []

    def afterwards(say, heard):
        with FieldStore(tmp_path / "s") as own:
            own.forget("mine")

    with child(afterwards):
        pass
    with FieldStore(tmp_path / "s") as store:
        assert store.count() == 0
        assert store.verify() == []
