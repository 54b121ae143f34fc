# A store from anybody: what is damaged or made to harm is refused by name; nothing runs, hangs or grows, and what only
# `verify` can tell, it tells.

import json
import os
import struct
import zlib

import apsw
import numpy as np
import pytest

from fieldstore import FieldStore, FieldStoreError, NotAStore, StoreDamaged
from fieldstore.storage.files import DISK
from fieldstore.storage.index_file import IndexFile, Stamp
from fieldstore.storage.lock import WriterLock

DIM = 8


@pytest.fixture
def folder(tmp_path, rng):
    """A closed store of eight records."""
    path = tmp_path / "s"
    with FieldStore(path, kappa=20.0, filter_keys=["lang"]) as store:
        store.add(
            rng.normal(size=(8, DIM)),
            ids=[f"r{i}" for i in range(8)],
            texts=[f"text {i}" for i in range(8)],
            metadatas=[{"lang": "de", "n": i} for i in range(8)],
        )
        store.forget("r1")
    return path


def sql(folder, *statements):
    connection = apsw.Connection(str(folder / "store.db"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def use(folder):
    """Every way to look at a store."""
    with FieldStore(folder) as store:
        found = [store.search(np.ones(DIM), 8, by=by, where=where) for by, where in LOOKS]
        listed = [store.get(), store.ids(), store.ids(forgotten=True), list(store.entries()), store.certificates()]
        return found, listed, store.history("r0"), store.residual("r1"), store.stats(), store.count({"lang": "de"})


LOOKS = [
    ("nearest", None),
    ("attractors", {"lang": "de"}),
    ("nearest", {"n": 2}),
    ("nearest", {"lang": {"$like": "d%"}}),
]
DEPTHS = "replace(hex(zeroblob(60000)), '0', '[')"
ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 0 UNION ALL SELECT x FROM r) SELECT x"
HOSTILE = {
    "an endless view in place of a table": ["DROP TABLE notes", f"CREATE VIEW notes AS {ENDLESS} AS seq FROM r"],
    "a trigger": ["CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM sums; END"],
    "another trigger of the same name": [
        "DROP TRIGGER filter_values_put",
        "CREATE TRIGGER filter_values_put AFTER INSERT ON records BEGIN DELETE FROM records; END",
    ],
    "a table of something else": ["CREATE TABLE more(x)"],
    "a missing table": ["DROP TABLE sums"],
    "a size that is no number": ["UPDATE facts SET value = 'many' WHERE key = 'size'"],
    "a size beyond the file": ["UPDATE facts SET value = 1 << 40, key = 'size' WHERE key = 'size'"],
    "a dimension beyond all": ["UPDATE facts SET value = 1 << 40 WHERE key = 'dim'"],
    "a dimension below none": ["UPDATE facts SET value = -8 WHERE key = 'dim'"],
    "another dimension": ["UPDATE facts SET value = 65536 WHERE key = 'dim'"],
    "a missing fact": ["DELETE FROM facts WHERE key = 'frontier'"],
    "a frontier of another size": ["UPDATE facts SET value = zeroblob(320) WHERE key = 'frontier'"],
    "a time behind all calendars": ["UPDATE facts SET value = 1 << 60 WHERE key = 'time'"],
    "a kappa that is no number": ["UPDATE facts SET value = x'00ff' WHERE key = 'kappa'"],
    "a point beyond the file": ["UPDATE sums SET point = 1 << 40 WHERE point = 0"],
    "a point below none": ["UPDATE sums SET point = -5 WHERE point = 0"],
    "a weight below none": ["UPDATE sums SET weight = -9 WHERE point = 0"],
    "a weight that is text": ["UPDATE sums SET weight = 'heavy' WHERE point = 0"],
    "a kind that there is not": ["UPDATE sums SET kind = 99"],
    "an entry that refers to itself for ever": [
        "UPDATE entries SET leaf = CAST(x'01' || x'ffffffffffffffff' || substr(leaf, 10) AS BLOB)"
    ],
    "an entry of a time behind all calendars": [
        "UPDATE entries SET leaf = CAST(substr(leaf, 1, 42) || x'7fffffffffffffff' || substr(leaf, 51) AS BLOB)"
    ],
    "entries of text": ["UPDATE entries SET leaf = 'text'"],
    "metadata as deep as the sea": [f"UPDATE records SET metadata = {DEPTHS}"],
    "metadata that is a list": ["UPDATE records SET metadata = '[1]'"],
    "metadata of bytes": ["UPDATE records SET metadata = x'7b7dff'"],
    "metadata that joins with its neighbour's": [
        "UPDATE records SET metadata = '{},{}' WHERE point = 2",
        "UPDATE records SET metadata = '' WHERE point = 3",
    ],
    "text that is no UTF-8": ["UPDATE records SET text = CAST(x'ff00' AS TEXT)"],
    "an id that is no UTF-8": ["UPDATE records SET id = CAST(x'ff00' AS TEXT)"],
    "filter keys that are no list": ["UPDATE facts SET value = '{' WHERE key = 'filter_keys'"],
    "filter keys that are an object": ["UPDATE facts SET value = '{\"n\":1}' WHERE key = 'filter_keys'"],
    "filter keys that are nothing": ["UPDATE facts SET value = 'null' WHERE key = 'filter_keys'"],
    "another embedding model": ["UPDATE facts SET value = 'another model' WHERE key = 'embedder'"],
    "another key of sources": ["UPDATE facts SET value = 'lang' WHERE key = 'source_key'"],
    "another name of the store": ["UPDATE facts SET value = '00' WHERE key = 'uuid'"],
    "another time of creation": ["UPDATE facts SET value = x'00' WHERE key = 'created'"],
    "filter keys as deep as the sea": [f"UPDATE facts SET value = {DEPTHS} WHERE key = 'filter_keys'"],
    "values that are no JSON": ["UPDATE filter_values SET value = '[[['"],
    "a value that is empty": ["UPDATE filter_values SET value = ''"],
    "a certificate that is none": ["INSERT INTO certificates(body) VALUES('[]')"],
    "a certificate of bytes": ["INSERT INTO certificates(body) VALUES(x'00')"],
}


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_an_attacker_wrote_into_the_database_is_refused_by_name(folder, statements):
    sql(folder, *statements)
    with pytest.raises(FieldStoreError):
        use(folder)


ERASES = {
    "a live point that is said to be erased": "UPDATE sums SET kind = 7 WHERE point = 5",
    "a filter key's value of bytes": "UPDATE filter_values SET value = x'00ff'",
    "an entry that is missing": "DELETE FROM entries WHERE seq = 3",
    "an entry that was replaced": "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 2) WHERE seq = 3",
}


@pytest.mark.parametrize("statement", ERASES.values(), ids=ERASES.keys())
def test_an_erase_from_what_was_tampered_with_is_refused_by_name_and_gives_no_certificate(folder, statement):
    sql(folder, statement)
    with FieldStore(folder) as store:
        with pytest.raises(StoreDamaged):
            store.erase("r7")
        assert store.certificates() == []
        assert store.verify() != []


def test_an_interrupted_erase_of_a_damaged_ledger_is_not_finished_and_the_store_can_be_looked_at(folder, caplog):
    sql(folder, "DELETE FROM entries WHERE seq = 3")
    for _ in range(2):
        with FieldStore(folder) as store:
            with pytest.raises(StoreDamaged, match="nothing was destroyed"):
                store.erase("r7")
            assert not store.exists("r7")
            assert store.verify() != []
    assert "still unfinished" in caplog.text
    assert b"text 7" in (folder / "store.db").read_bytes()


def test_an_intent_to_erase_that_no_entry_speaks_of_destroys_nothing_and_is_not_certified(folder, caplog):
    sql(
        folder,
        "UPDATE sums SET kind = 7, weight = 0 WHERE point = 5",
        "INSERT INTO erasing SELECT point, seq FROM sums WHERE point = 5",
    )
    before = (folder / "vectors.f32").read_bytes()
    with FieldStore(folder) as store:
        assert "still unfinished" in caplog.text
        assert store.certificates() == []
        assert any("point 5" in said for said in store.verify())
    assert (folder / "vectors.f32").read_bytes() == before
    assert b"text 5" in (folder / "store.db").read_bytes()


def test_a_record_whose_metadata_is_damaged_can_be_erased(folder):
    sql(folder, "UPDATE records SET metadata = '[' || replace(hex(zeroblob(3000)), '0', '7') || ',' WHERE id = 'r7'")
    with FieldStore(folder) as store:
        assert store.erase("r7").body["scan"]["leftovers"] == 0
        assert store.verify() == []


TOLD = {
    "metadata that says a thing twice": 'UPDATE records SET metadata = \'{"lang":"de","lang":"en"}\' WHERE point = 0',
    "metadata in another form": "UPDATE records SET metadata = ' ' || metadata WHERE point = 0",
    "a key's values under another name": "UPDATE facts SET value = '[\"n\"]' WHERE key = 'filter_keys'",
    "a key looked for at another place": "UPDATE filter_paths SET path = '$.\"n\"'",
}


@pytest.mark.parametrize("statement", TOLD.values(), ids=TOLD.keys())
def test_what_makes_answers_wrong_and_can_be_read_is_told_by_verify(folder, statement):
    sql(folder, statement)
    with FieldStore(folder) as store:
        assert store.verify() != []


@pytest.mark.parametrize(
    "name", ["store.db", "store.db-wal", "store.db-shm", "store.db-journal", "vectors.f32", "lock"]
)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_file_that_is_no_plain_file_is_refused_and_left_alone(folder, tmp_path, name, kind):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (folder / name).unlink(missing_ok=True)
    if kind == "link":
        (folder / name).symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(folder / name)  # opening it for reading would never return
    else:
        (folder / name).mkdir()
    with pytest.raises(
        NotAStore, match=f"'{name}' is (a symbolic link|no plain file)" if name != "store.db" else "store"
    ):
        FieldStore(folder)
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


def test_a_journal_that_would_have_sqlite_delete_a_file_is_refused(folder, tmp_path):
    """The end of a rollback journal may name a super-journal, which SQLite deletes after rolling back."""
    victim = tmp_path / "thesis.txt"
    victim.write_text("mine")
    name = str(victim).encode()
    end = name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
    (folder / "store.db-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(504) + end)
    with pytest.raises(NotAStore, match="journal"):
        FieldStore(folder)
    assert victim.read_text() == "mine"


def test_a_ledger_that_lost_its_end_is_refused_on_open(tmp_path, rng):
    """A flipped bit in SQLite's log ends the log there: what is forgotten would be back, and nothing else would say."""
    store = FieldStore(tmp_path / "s")
    store.add(rng.normal(size=(3, DIM)), ids=["a", "b", "c"])
    before = {name: (tmp_path / "s" / name).read_bytes() for name in ("store.db", "store.db-wal", "vectors.f32")}
    store.forget("b")
    lock = (tmp_path / "s" / "lock").read_bytes()
    store.close()
    for path in (tmp_path / "s").iterdir():
        path.unlink()
    for name, data in (before | {"lock": lock}).items():
        (tmp_path / "s" / name).write_bytes(data)
    with pytest.raises(StoreDamaged, match=r"has 3, and 4 were acknowledged"):
        FieldStore(tmp_path / "s")
    (tmp_path / "s" / "lock").unlink()  # as the message says, where it was on purpose
    with FieldStore(tmp_path / "s") as older:
        assert (older.count(), older.verify()) == (3, [])


def test_an_immense_hole_behind_the_vectors_is_not_read(folder):
    os.truncate(folder / "vectors.f32", 1 << 42)
    with FieldStore(folder) as store:
        assert (store.count(), store.verify()) == (7, [])


def test_an_index_whose_arrays_lie_on_one_another_is_not_read(tmp_path):
    file = IndexFile(DISK, tmp_path / "index")
    file.save(Stamp("store", 1, "hash", None), {f"a{i}": np.zeros(10) for i in range(3)})
    data = (tmp_path / "index").read_bytes()
    header = json.loads(data[64 : 64 + int.from_bytes(data[8:12], "little")])
    for array in header["arrays"]:
        array[3] = header["arrays"][0][3]  # each byte would be read three times
    text = json.dumps(header).encode()
    head = struct.pack("<8sII", data[:8], len(text), zlib.crc32(text)).ljust(64, b"\0")
    (tmp_path / "index").write_bytes((head + text).ljust(64 + 65536, b"\0") + data[64 + 65536 :])
    assert file.load() is None


def test_what_a_lock_file_says_cannot_write_to_a_terminal(tmp_path):
    (tmp_path / "lock").write_bytes(b"\x1b[2J evil\n")
    lock = WriterLock(DISK, tmp_path / "lock", 0)
    file = DISK.open(tmp_path / "lock")
    assert lock._holder(file) == "unknown"
    DISK.close(file)
    assert lock.noted() == 0
