# The saved index: a store that is opened again is as if it had never been closed, and never trusts what does not fit.

import shutil

import numpy as np
import pytest

from fieldstore import FieldStore, StoreDamaged
from fieldstore.engine import weighted
from fieldstore.engine.parts import empty_block
from fieldstore.storage.files import DISK
from fieldstore.storage.index_file import IndexFile, Stamp

DIM, COUNT = 32, 3000


@pytest.fixture(autouse=True)
def early(monkeypatch):
    """Cells from 256 points on, so that a test of them is quick."""
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))


@pytest.fixture
def rows(rng):
    return rng.normal(size=(COUNT, DIM)).astype(np.float32)


@pytest.fixture
def closed(tmp_path, rows):
    """The path of a store that was filled and closed."""
    with FieldStore(tmp_path / "s") as store:
        store.add(rows, ids=[f"r{i}" for i in range(COUNT)], texts=[f"text {i}" for i in range(COUNT)])
    return tmp_path / "s"


def cells_of(store):
    """The partition's own state, by name, as bytes."""
    return {name: array.tobytes() for name, array in store.field.state().items()}


def said(store, rows):
    return [[hit.id for hit in hits] for hits in store.search_many(rows[:40], 5)]


def announced(caplog):
    return [line for line in caplog.messages if "built again" in line]


def test_a_store_that_is_opened_again_has_its_cells_at_once(closed, rows, caplog, monkeypatch):
    with FieldStore(closed) as store:
        before, answers = cells_of(store), said(store, rows)
    monkeypatch.setattr("fieldstore.engine.partition.Partition.build", None)  # so it cannot build them
    with FieldStore(closed) as store:
        assert cells_of(store) == before
        assert said(store, rows) == answers
        assert store.verify() == []
    assert announced(caplog) == []


def test_what_was_written_after_the_index_was_saved_is_followed(closed, rows):
    with FieldStore(closed) as store:
        store.forget([f"r{i}" for i in range(0, 300, 3)])
        store.add(-rows[:5], ids=[f"late{i}" for i in range(5)])
    with FieldStore(closed) as store:
        assert [store.search(-row, 1)[0].id for row in rows[:5]] == [f"late{i}" for i in range(5)]
        assert store.search(rows[0], 1)[0].id != "r0"
        assert store.verify() == []


def test_a_lost_index_is_built_again_announced_and_saved_on_opening(closed, rows, caplog):
    (closed / "index").unlink()
    with FieldStore(closed) as store:
        assert len(announced(caplog)) == 1
        assert (closed / "index").stat().st_size > 0
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]
    with FieldStore(closed):
        assert len(announced(caplog)) == 1


@pytest.mark.parametrize("damage", ["shorter", "empty", "flipped", "another's", "not an index", "a huge header"])
def test_an_index_that_is_damaged_or_of_another_store_is_not_used(closed, rows, damage, caplog, tmp_path):
    data = bytearray((closed / "index").read_bytes())
    if damage == "shorter":
        del data[len(data) // 2 :]
    elif damage == "empty":
        data.clear()
    elif damage == "flipped":
        data[len(data) * 2 // 3] ^= 4
    elif damage == "not an index":
        data[:] = b"x" * 5000
    elif damage == "a huge header":
        data[8:12] = b"\xff\xff\xff\x7f"
    else:
        with FieldStore(tmp_path / "other") as other:
            other.add(rows[::-1])
        data = bytearray((tmp_path / "other" / "index").read_bytes())
    (closed / "index").write_bytes(data)
    with FieldStore(closed) as store:
        assert len(announced(caplog)) == 1
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]
        assert store.verify() == []


def test_an_index_that_knows_more_than_the_ledger_is_not_used(closed, rows, caplog, tmp_path):
    shutil.copytree(closed, tmp_path / "backup")
    with FieldStore(closed) as store:
        store.add(rows[:1500] * [1.0, *[0.5] * (DIM - 1)])
    shutil.copy(closed / "index", tmp_path / "backup" / "index")
    with FieldStore(tmp_path / "backup") as store:
        assert len(announced(caplog)) == 1
        assert store.verify() == []


def test_every_flipped_bit_is_noticed_or_changes_nothing(tmp_path, rng):
    file = IndexFile(DISK, tmp_path / "index")
    arrays = {"a": rng.normal(size=(3, 4)), "b": np.arange(5, dtype=np.int32), "empty": np.empty((0, 2), np.float32)}
    stamp = Stamp("store", 3, "hash", None)
    file.save(stamp, arrays)
    whole = (tmp_path / "index").read_bytes()
    for place in rng.integers(0, len(whole) * 8, 300).tolist() + list(range(64 * 8)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        (tmp_path / "index").write_bytes(data)
        loaded = file.load()
        if loaded is not None:
            assert loaded[0] == stamp
            assert all(np.array_equal(loaded[1][name], array) for name, array in arrays.items())


def test_an_erase_leaves_neither_codes_nor_centres_of_the_record_on_disk(closed, rows):
    before = (closed / "index").read_bytes()
    with FieldStore(closed) as store:
        certificate = store.erase(["r7"])
        assert (closed / "index").read_bytes() == b""
        assert "index" in certificate.body["method"]
        codes = store.field.state()["cells"]
        assert codes[7].tolist() == [-1, -1]
    with FieldStore(closed) as store:
        assert (closed / "index").read_bytes() not in (b"", before)
        assert store.field.state()["cells"][7].tolist() == [-1, -1]
        assert store.search(rows[7], 1)[0].id != "r7"
        assert store.verify() == []


def test_an_index_with_a_chain_that_loops_is_refused(closed, rows, caplog):
    file = IndexFile(DISK, closed / "index")
    stamp, arrays = file.load()
    arrays["following"][int(arrays["heads"][1, 0])] = arrays["heads"][1, 0]
    file.save(stamp, arrays)
    with FieldStore(closed) as store:
        assert any("two chains" in line for line in caplog.messages)
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]


@pytest.mark.parametrize(
    ("place", "number"),
    [(0, np.nan), (1, np.inf), (2, -1e300), (3, 1e300), (4, -1.0), (4, 2.0**63), (4, 7.0), (5, np.nan)],
)
def test_an_index_with_figures_that_cannot_be_is_refused(closed, rows, caplog, place, number):
    file = IndexFile(DISK, closed / "index")
    stamp, arrays = file.load()
    arrays["figures"][place] = number
    file.save(stamp, arrays)
    with FieldStore(closed) as store:
        assert any("figures cannot be" in line for line in caplog.messages)
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]
        assert store.verify() == []


def test_a_row_that_is_no_number_any_longer_is_no_answer_even_where_an_index_fits(closed, rows):
    with (closed / "vectors.f32").open("r+b") as file:
        file.seek(4 * DIM * 9)
        file.write(np.full(DIM, np.nan, np.float32).tobytes())
    with FieldStore(closed) as store:
        for options in ({}, {"exact": True}):
            with pytest.raises(StoreDamaged, match="vector of point 9"):
                store.search(rows[9], COUNT, **options)
        with pytest.raises(StoreDamaged, match="vector of point 9"):
            store.as_of(COUNT).search(rows[9], COUNT)
        assert any("record 'r9'" in said for said in store.verify())
        with pytest.raises(StoreDamaged, match="a vector"):
            store.residual("r10")  # a field of its own, with cells over all rows


def test_a_full_disk_costs_the_index_and_nothing_else(closed, rows, caplog, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    (closed / "index").unlink()
    monkeypatch.setattr(IndexFile, "save", full)
    with FieldStore(closed) as store:
        assert any("could not be saved" in line for line in caplog.messages)
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]
    monkeypatch.undo()
    with FieldStore(closed) as store:
        assert store.count() == COUNT


def test_verify_tells_points_that_the_cells_do_not_hold(closed):
    with FieldStore(closed) as store:
        store._mirror._field._arrays.partition._parts.cells[11] = -1
        assert store.verify() == ["point 11 is not where, or not worth what, weights and repellers say"]


def test_an_index_whose_cells_lost_a_point_is_refused(closed, rows, caplog):
    file = IndexFile(DISK, closed / "index")
    stamp, arrays = file.load()
    arrays["cells"][11] = -1
    file.save(stamp, arrays)
    with FieldStore(closed) as store:
        assert any("figures cannot be" in line for line in caplog.messages)
        assert store.search(rows[11], 1)[0].id == "r11"
        assert store.verify() == []


@pytest.mark.parametrize(
    "name", ["a block in no chain", "a chain too short", "a count too small", "a scale beyond all", "no free chain"]
)
def test_an_index_whose_chains_are_not_in_order_is_refused(closed, rows, caplog, name):
    """Taking a block that is not there, or a chain without an end, would hang or write anywhere."""
    file = IndexFile(DISK, closed / "index")
    stamp, arrays = file.load()
    if name == "a block in no chain":
        blank = empty_block(arrays["blocks"].shape[1])
        arrays["blocks"] = np.concatenate([arrays["blocks"], blank[None]])
        arrays["following"] = np.append(arrays["following"], np.int32(-1))
    elif name == "a chain too short":
        arrays["heads"][1, 0] = -1
    elif name == "a count too small":
        arrays["heads"][1, 1] -= 1
        arrays["heads"][2, 1] += 1
    elif name == "a scale beyond all":
        arrays["scales"][1] = np.nan
    else:
        arrays["free"] = arrays["free"][:0]
    file.save(stamp, arrays)
    with FieldStore(closed) as store:
        assert any("does not fit" in line for line in caplog.messages)
        assert [hits[0] for hits in said(store, rows)] == [f"r{i}" for i in range(40)]
        assert store.verify() == []
