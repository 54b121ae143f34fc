# `verify` finds whatever does not fit the ledger: each test changes one thing behind the store's back.

import apsw
import numpy as np
import pytest

from fieldstore import FieldStore, StoreDamaged

DIM = 8


@pytest.fixture
def folder(tmp_path, rng):
    path = tmp_path / "s"
    with FieldStore(path, kappa=20.0) as store:
        store.add(
            rng.normal(size=(6, DIM)),
            texts=[f"text {i}" for i in range(6)],
            metadatas=[{"n": i} for i in range(6)],
            ids=[f"r{i}" for i in range(6)],
            reason="first load",
        )
        store.forget("r1", reason="asked to")
        store.reweight("r2", 2.0)
        store.erase("r3")
    return path


def tampered(folder, sql, *values):
    connection = apsw.Connection(str(folder / "store.db"))
    connection.execute(sql, values)
    connection.close()


def differences(folder):
    with FieldStore(folder) as store:
        return store.verify()


def test_an_untouched_store_shows_no_difference(folder):
    assert differences(folder) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE records SET text = 'another text' WHERE id = 'r0'", "record 'r0'"),
        ("UPDATE records SET metadata = '{\"n\":7}' WHERE id = 'r4'", "record 'r4'"),
        ("UPDATE records SET id = 'renamed' WHERE id = 'r0'", "record 'renamed'"),
        ("UPDATE records SET salt = randomblob(32) WHERE id = 'r0'", "record 'r0'"),
        ("DELETE FROM records WHERE id = 'r5'", "point 5 has no record"),
        (
            "INSERT INTO records VALUES(3, 'r3', 'back again', '{}', randomblob(32))",
            "point 3 was erased, but its record",
        ),
        ("INSERT INTO records VALUES(99, 'x', 'never added', '{}', randomblob(32))", "point 99"),
        ("UPDATE sums SET weight = 1000000 WHERE point = 1", "point 1"),
        ("UPDATE sums SET element = randomblob(16) WHERE point = 0", "point 0"),
        ("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)", "the ledger has"),
        ("UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 1) WHERE seq = 2", "entry 1 stands where"),
        ("UPDATE entries SET leaf = zeroblob(114) WHERE seq = 2", "unknown version"),
        ("UPDATE entries SET point = 4 WHERE seq = 1", "filed under point 4"),
        ("UPDATE facts SET value = zeroblob(64) WHERE key = 'frontier'", "root"),
        ("UPDATE facts SET value = 25000000 WHERE key = 'kappa'", "kappa"),
        ("UPDATE notes SET reason = 'no reason' WHERE reason = 'asked to'", "actor and reason of entry"),
        ("DELETE FROM notes WHERE reason = 'asked to'", "are missing"),
        ("DELETE FROM certificates", "no certificate says so"),
        ("UPDATE certificates SET body = replace(body, 'scan', 'scam')", "certificate 0"),
        ("UPDATE records SET metadata = '{' WHERE id = 'r4'", "record 'r4'"),
        ("UPDATE entries SET leaf = 'text' WHERE seq = 2", "cannot be read"),
        ("UPDATE facts SET value = 7 WHERE key = 'time'", "the store believes 7"),
        (
            "UPDATE facts SET value = 'another' WHERE key = 'uuid'; DELETE FROM facts WHERE key = 'seal'",
            "certificate 0: it is about another ledger",
        ),
        ("UPDATE records SET metadata = '{\"n\": 4}' WHERE id = 'r4'", "another form"),
    ],
)
def test_a_change_in_the_database_is_found(folder, sql, said):
    tampered(folder, sql)
    assert any(said in difference for difference in differences(folder)), differences(folder)


def test_rewriting_an_entrys_weight_is_found_even_with_a_fitting_sum(folder):
    """The root over the leaves changes, so a consistent forgery of entry and sum is not enough."""
    connection = apsw.Connection(str(folder / "store.db"))
    ((leaf,),) = connection.execute("SELECT leaf FROM entries WHERE seq = 1").fetchall()
    forged = leaf[:34] + (3_000_000).to_bytes(8, "big", signed=True) + leaf[42:]
    connection.execute("UPDATE entries SET leaf = ? WHERE seq = 1", (forged,))
    connection.execute("UPDATE sums SET weight = 3000000, last = 3000000 WHERE point = 0")
    connection.close()
    assert any("root" in difference for difference in differences(folder))


def test_a_changed_vector_is_found(folder):
    with (folder / "vectors.f32").open("r+b") as file:
        file.seek(4 * DIM * 4)
        file.write(np.eye(DIM, dtype=np.float32)[0].tobytes())
    assert any("record 'r4'" in difference for difference in differences(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38, 0.9])
def test_a_vector_that_has_no_direction_or_another_length_is_refused_on_open(folder, value):
    """It would lead the search for its cell to addresses at random."""
    with (folder / "vectors.f32").open("r+b") as file:
        file.seek(4 * DIM * 4)
        file.write(np.full(DIM, value, np.float32).tobytes())
    with pytest.raises(StoreDamaged, match="vector of point 4"):
        FieldStore(folder)


def test_an_erased_vector_that_came_back_is_found(folder):
    with (folder / "vectors.f32").open("r+b") as file:
        file.seek(4 * DIM * 3)
        file.write(np.ones(DIM, np.float32).tobytes())
    assert any("point 3 was erased, but its vector" in difference for difference in differences(folder))


def test_a_field_in_memory_that_does_not_follow_the_ledger_is_found(folder):
    with FieldStore(folder) as store:
        store._mirror._field.reweight([0], [5.0])
        assert any("point 0 weighs 1.0 by the ledger and 5.0 in the field" in d for d in store.verify())


def test_derived_state_is_rebuilt_the_same_from_the_ledger(folder):
    """Law 1: sums, filing and facts come from the entries alone."""
    from fieldstore.ledger import Fold, Leaf, Sum
    from fieldstore.merkle import Frontier

    with FieldStore(folder) as store:
        database = store._mirror.folder.database
        fold, frontier = Fold(), Frontier()
        for _, data in database.entries():
            assert fold.take(Leaf.decode(data)) == []
            frontier.append(data)
        stored = {element: Sum(*rest) for some in database.all_sums() for element, *rest in some}
        assert fold.sums == stored
        assert frontier.root().hex() == store.stats()["root"]
        assert fold.kappa / 1e6 == store.kappa
