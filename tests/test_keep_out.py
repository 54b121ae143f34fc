"""What is kept out stays out, whoever brings it back; letting it in is said aloud; an erase keeps no key beside it."""

import subprocess
import sys

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import Added, FieldStore, LeftoversFound, UnknownRecord, fingerprint, verify_certificate

DIM = 6
SECRET = bytes(range(32))
NIGHTLY = [f"page {n} of the handbook, as it is written" for n in range(4)]


def ingest(store, texts=NIGHTLY, source="handbook.md", ids=None):
    """What a pipeline does every night; ids of its own each time, unless given."""
    rows = [np.random.default_rng(len(text)).normal(size=DIM) + np.eye(DIM)[n % DIM] for n, text in enumerate(texts)]
    return store.add(rows, texts=texts, metadatas=[{"source": source}] * len(texts), ids=ids)


def kinds(store):
    return [entry.kind for entry in store.entries()]


def test_a_source_that_is_kept_out_is_refused_and_reported_and_the_others_are_stored(store):
    ids = ingest(store)
    receipt = store.forget(source="handbook.md", keep_out=True, reason="contract ended", actor="dpo")
    assert receipt.ids == tuple(ids)
    assert len(receipt.entries) == 4 + 1 + 4
    again = store.add(
        np.eye(DIM)[:4],
        texts=["a new page", "elsewhere", NIGHTLY[1].upper(), None],
        metadatas=[{"source": "handbook.md"}, {"source": "other.md"}, {"source": "copy.md"}, None],
        ids=["a", "b", "c", "d"],
    )
    assert again == ["a", "b", "c", "d"]
    assert isinstance(again, list)
    assert (again.kept_out, again.stored) == (("a", "c"), ["b", "d"])
    assert store.ids() == ["b", "d"]
    assert store.add(np.eye(DIM)[0], ids=["e"]).kept_out == ()
    assert store.verify() == []


def test_a_nightly_ingestion_brings_nothing_back_in_any_process(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store, FieldStore(path) as other:
        ids = ingest(store)
        store.forget(source="handbook.md", keep_out=True)
        assert ingest(other).stored == []
        assert ingest(other, ids=list(ids)).kept_out == tuple(ids)
        assert store.count() == other.count() == 0
        program = (
            "import sys, numpy as np; from fieldstore import FieldStore\n"
            "with FieldStore(sys.argv[1]) as store:\n"
            "    print(store.add(np.eye(6)[:1], texts=['new'], metadatas=[{'source': 'handbook.md'}]).stored)"
        )
        child = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
        assert child.stdout.strip() == "[]"
        assert store.verify() == other.verify() == []


def test_records_by_id_are_kept_out_by_their_texts_alone(store):
    ingest(store, ids=["0", "1", "2", "3"])
    store.forget(["0", "2"], keep_out=True)
    again = ingest(store, [NIGHTLY[0], "page 2 of another handbook", NIGHTLY[3]], ids=["a", "b", "c"])
    assert again.kept_out == ("a",)
    same = "Page 2 OF the\u3000handbook,  as it\nis written "
    assert ingest(store, [same], ids=["d"]).kept_out == ("d",)
    assert store.ids() == ["1", "3", "b", "c"]
    assert [(one.what, one.id, one.outside) for one in store.kept_out()] == [("text", "0", False), ("text", "2", False)]
    assert store.verify() == []


def test_near_copies_that_went_are_kept_out_too(store):
    store.add([[1, 0], [1, 0.1], [0, 1]], texts=["one", "nearly one", "two"], ids=["a", "b", "c"])
    store.forget("a", near=0.9, keep_out=True)
    assert store.add([[3, 1], [1, 3]], texts=["nearly one", "three"], ids=["d", "e"]).kept_out == ("d",)
    assert len(store.kept_out()) == 2
    assert store.verify() == []


def test_what_was_forgotten_before_can_be_kept_out_afterwards_and_a_source_before_it_ever_came(store):
    ingest(store, ids=["0", "1", "2", "3"])
    store.forget(["0", "1"])
    store.forget("0", keep_out=True)
    assert ingest(store, NIGHTLY[:2], source="else.md", ids=["a", "b"]).kept_out == ("a",)
    store.forget(source="handbook.md", keep_out=True)
    assert sorted(one.id for one in store.kept_out() if one.what == "text") == ["0", "1", "2", "3"]
    assert store.forget(source="never.md", keep_out=True).ids == ()
    assert ingest(store, ["fresh"], source="never.md", ids=["z"]).kept_out == ("z",)
    entries = store.stats()["entries"]
    store.forget(source="handbook.md", keep_out=True)
    assert store.stats()["entries"] == entries  # twice is once
    assert store.verify() == []


def test_a_text_that_is_restored_is_let_in_though_another_record_was_kept_out_by_it_too(store):
    ids = ingest(store, [NIGHTLY[0], NIGHTLY[0].upper(), NIGHTLY[1]], ids=["a", "b", "c"])
    store.forget(ids, keep_out=True)
    store.restore("a")
    assert [one.id for one in store.kept_out()] == ["c"]
    assert store.update("a", texts=NIGHTLY[0].title()).ids == ("a",)
    assert ingest(store, NIGHTLY[:2], ids=["d", "e"]).kept_out == ("e",)
    assert store.ids(forgotten=True) == ["b", "c"]
    assert store.verify() == []


def test_equal_numbers_are_one_source_as_they_are_to_a_filter(store):
    for source in (7, 7.0):
        ingest(store, NIGHTLY[:2], source=source)
    assert len(store.forget(source=7, keep_out=True).ids) == 4
    for source in (7, 7.0):
        assert len(ingest(store, [f"new, of {source!r}"], source=source).kept_out) == 1
    assert ingest(store, ["new"], source="7", ids=["a"]).stored == ["a"]
    assert [one.what for one in store.let_in(source=7.0)] == ["source", *["text"] * 4]
    assert store.verify() == []


def test_keeping_out_works_in_a_store_that_holds_nothing_yet(store):
    store.forget(source="spam.md", keep_out=True)
    assert ingest(store, ["buy this"], source="spam.md", ids=["x"]).kept_out == ("x",)
    assert store.dim is None
    assert store.stats()["points"] == 0
    assert store.verify() == []


def test_a_record_without_a_text_cannot_be_kept_out_by_it_and_nothing_is_forgotten(store):
    store.add(np.eye(DIM)[:2], texts=["one", " \n "], ids=["a", "b"], metadatas=[{"source": "s"}] * 2)
    for dry_run in (True, False):  # a dry run promises nothing that would be refused
        with pytest.raises(ValueError, match="'b' has no text"):
            store.forget(["a", "b"], keep_out=True, dry_run=dry_run)
    assert store.ids() == ["a", "b"]
    assert store.kept_out() == []
    store.forget(source="s", keep_out=True)
    assert len(store.kept_out()) == 2
    assert store.add(np.eye(DIM)[0], texts=[""]).kept_out == ()
    assert store.verify() == []


def test_an_update_cannot_bring_in_what_is_kept_out(store):
    ingest(store, ids=["0", "1", "2", "3"])
    store.forget("0", keep_out=True)
    store.forget(source="spam.md", keep_out=True)
    receipt = store.update(["1", "2"], texts=[NIGHTLY[0], "other words"])
    assert (receipt.ids, receipt.kept_out, receipt.unchanged) == (("2",), ("1",), ())
    receipt = store.update(["1", "3"], metadatas=[{"source": "fine.md"}, {"source": "spam.md"}])
    assert (receipt.ids, receipt.kept_out) == (("1",), ("3",))
    assert [record.text for record in store.get(["1", "2", "3"])] == [NIGHTLY[1], "other words", NIGHTLY[3]]
    assert store.verify() == []


def test_restoring_lets_in_what_its_forget_kept_out(store):
    ids = ingest(store)
    store.forget(source="handbook.md", keep_out=True)
    store.restore(ids[0])
    assert len(store.kept_out()) == 4  # three texts, and the source still
    assert ingest(store, NIGHTLY[:2], source="else.md", ids=["a", "b"]).kept_out == ("b",)
    store.restore(source="handbook.md")
    assert store.kept_out() == []
    assert ingest(store, ["new page"], ids=["c"]).kept_out == ()
    assert kinds(store).count("let_in") == kinds(store).count("keep_out") == 5
    assert store.verify() == []


def test_letting_in_is_explicit_and_stands_in_the_ledger_with_its_reason(store):
    ingest(store, ids=["0", "1", "2", "3"])
    store.forget(source="handbook.md", keep_out=True, reason="asked", actor="dpo")
    store.forget(["0"], keep_out=True)
    first = store.kept_out()[0]
    assert (first.what, first.actor, first.reason, len(first.name)) == ("source", "dpo", "asked", 32)
    with pytest.raises(UnknownRecord, match=r"'other\.md' is not kept out"):
        store.let_in(source="other.md")
    (text,) = store.let_in(text=NIGHTLY[3].upper(), reason="a mistake")
    assert (text.what, text.id) == ("text", "3")
    assert [(entry.kind, entry.reason) for entry in store.entries()][-1] == ("let_in", "a mistake")
    (other,) = store.let_in([store.kept_out()[1].name])
    assert other.id == "0"
    assert len(store.let_in(source="handbook.md")) == 3
    assert store.kept_out() == []
    assert ingest(store, ids=["a", "b", "c", "d"]).kept_out == ()
    assert store.ids(forgotten=True) == ["0", "1", "2", "3"]  # nothing comes back by itself
    with pytest.raises(ValueError, match="one of them"):
        store.let_in()
    assert store.verify() == []


def test_a_dry_run_keeps_nothing_out(store):
    ingest(store)
    store.forget(source="handbook.md", keep_out=True, dry_run=True)
    assert store.kept_out() == []
    assert ingest(store, ["x"], ids=["x"]).kept_out == ()


def test_what_is_kept_out_is_told_apart_by_kind_and_value(store):
    store.forget(source="1", keep_out=True)
    store.add(np.eye(DIM)[:3], ids=["a", "b", "c"], metadatas=[{"source": 1}, {"source": "1"}, {"source": ["1"]}])
    assert store.ids() == ["a", "c"]
    assert store.add(np.eye(DIM)[3], texts=["1"]).kept_out == ()


@pytest.mark.parametrize("declared", [(), ("meta.path",)])
def test_the_source_key_of_the_store_counts(store_of, declared):
    store = store_of(source_key="meta.path", filter_keys=declared)
    store.forget(source="x", keep_out=True)
    metadatas = [{"source": "x"}, {"meta": {"path": "x"}}, {"meta.path": "x"}]
    assert store.add(np.eye(DIM)[:3], ids=["a", "b", "c"], metadatas=metadatas).kept_out == ("b", "c")
    assert store.verify() == []


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.text())
def test_a_text_is_the_same_however_its_case_and_blanks_are(text):
    mark = fingerprint.of_text(SECRET, text)
    said = fingerprint.normalised(text)
    assert fingerprint.normalised(said) == said
    assert fingerprint.of_text(SECRET, f"\t{text} \u00a0\n") == mark
    assert fingerprint.of_text(SECRET, " \n".join(text.split())) == mark
    assert fingerprint.of_text(SECRET, text.casefold()) == mark
    assert (mark is None) is (said == "")
    assert mark is None or fingerprint.of_text(bytes(32), text) != mark


# -- and after an erase ------------------------------------------------------------------------------------------------


def test_an_erase_lets_in_what_it_destroys_unless_it_is_given_a_secret(store):
    ids = ingest(store)
    store.forget(source="handbook.md", keep_out=True, reason="the words of page 1")
    one = store.erase(ids[0])
    assert one.body["keep_out"]["fingerprints_under_the_key_of_the_store_destroyed"] == 1
    assert len(store.kept_out()) == 4  # three texts, and the source, which others still have
    rest = store.erase(source="handbook.md")
    assert rest.body["keep_out"] == {
        "fingerprints_under_a_secret_outside_the_store": 0,
        "name_of_the_secret": None,
        "fingerprints_under_the_key_of_the_store_destroyed": 4,
    }
    assert verify_certificate(rest) == []
    assert store.kept_out() == []
    assert "the words of page 1" not in [entry.reason for entry in store.entries()]
    assert ingest(store, ids=["a", "b", "c", "d"]).kept_out == ()
    assert "keep_out" not in store.erase("a").body
    assert store.verify() == []


def test_an_erase_with_a_secret_keeps_out_for_those_who_have_it(tmp_path, caplog):
    path, file = tmp_path / "s", tmp_path / "secret"
    file.write_bytes(SECRET)
    with FieldStore(path) as store:
        ids = ingest(store)
        store.forget(source="handbook.md", keep_out=True)
        certificate = store.erase(ids, keep_out=file, reason="request 17")
        assert certificate.body["keep_out"]["fingerprints_under_a_secret_outside_the_store"] == 5
        assert verify_certificate(certificate) == []
        assert ingest(store).stored == []  # this object has the secret now
        assert {(one.what, one.id, one.outside) for one in store.kept_out()} == {
            ("source", None, True),
            ("text", None, True),
        }
        assert store.verify() == []
    with FieldStore(path) as store:
        assert "keep_out_key" in caplog.text
        assert len(ingest(store, NIGHTLY[:1], ids=["back"]).stored) == 1  # without the secret nobody knows
        store.erase("back")
        assert store.verify() == []
    with FieldStore(path, keep_out_key=SECRET) as store:
        assert ingest(store, ["new"], ids=["new"]).kept_out == ("new",)
        assert ingest(store, NIGHTLY[:1], source="else.md", ids=["0"]).kept_out == ("0",)
        ingest(store, ["x"], source="x.md", ids=["x"])
        with pytest.raises(ValueError, match="another secret"):
            store.erase("x", keep_out=bytes(32))
        assert store.exists("x")
        assert len(store.let_in(source="handbook.md")) == 5
        assert ingest(store, ids=["1", "2", "3", "4"]).kept_out == ()
        assert store.verify() == []


def test_a_secret_of_another_store_is_refused_on_open(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        ingest(store, ids=["0", "1", "2", "3"])
        store.erase("0", keep_out=SECRET)
    with pytest.raises(ValueError, match="another secret"):
        FieldStore(path, keep_out_key=bytes(32))
    (path / "key").write_bytes(SECRET)
    for key, error in ((path / "key", ValueError), (True, TypeError), (b"short", ValueError)):
        with pytest.raises(error, match="keep_out_key"):
            FieldStore(path, keep_out_key=key)
    (path / "key").unlink()
    with FieldStore(path, keep_out_key=SECRET, read_only=True) as store:
        assert len(store.kept_out()) == 1
        with pytest.raises(TypeError, match="outside the store"):
            store.erase.__wrapped__(store, "1", keep_out=True)


def test_no_byte_of_a_fingerprint_under_the_stores_own_key_outlives_an_erase(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        ids = ingest(store)
        store.forget(source="handbook.md", keep_out=True)
        rows = store._mirror.folder.database.keep_out.all()
        marks = [part for row in rows for part in (row.print, row.salt)]
        assert any(mark in b"".join(file.read_bytes() for file in path.iterdir()) for mark in marks)
        store.erase(ids, keep_out=SECRET)
        data = b"".join(file.read_bytes() for file in path.iterdir())
        assert not any(mark in data for mark in marks)
        assert store.verify() == []


def test_a_fingerprint_that_stayed_somewhere_is_a_leftover(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        ingest(store, ids=["0", "1", "2", "3"])
        store.forget("0", keep_out=True)
        (path / "copy").write_bytes(store._mirror.folder.database.keep_out.all()[0].print)
        with pytest.raises(LeftoversFound):
            store.erase("0")
        (path / "copy").unlink()
        assert store.finish_erase() is not None


def test_texts_that_two_records_share_are_kept_out_until_both_are_let_in(store):
    store.add(np.eye(DIM)[:2], texts=["same", "SAME"], ids=["a", "b"])
    store.forget(["a", "b"], keep_out=True)
    store.erase("a")
    assert store.add(np.eye(DIM)[2], texts=["same"], ids=["c"]).kept_out == ("c",)
    store.restore("b")
    assert store.add(np.eye(DIM)[2], texts=["same"], ids=["c"]).kept_out == ()
    assert store.verify() == []


def test_an_erase_of_a_source_leaves_kept_out_what_went_with_it_and_is_only_forgotten(store):
    rows = [[1, 0], [1, 0.1], [0, 1]]
    sources = [{"source": "a.md"}, {"source": "copy.md"}, {"source": "a.md"}]
    store.add(rows, texts=["one", "one, more or less", "two"], ids=["a", "copy", "b"], metadatas=sources)
    store.forget(source="a.md", near=0.95, keep_out=True)
    store.erase(source="a.md")
    assert [(one.what, one.id) for one in store.kept_out()] == [("text", "copy")]
    again = store.add(rows, texts=["one", "one, more or less", "two"], ids=["x", "y", "z"], metadatas=sources)
    assert again.kept_out == ("y",)
    assert store.verify() == []


def test_verify_notices_what_is_kept_out_without_the_ledger_or_no_longer(tmp_path):
    for number, damage in enumerate(
        [
            "DELETE FROM kept_out WHERE what = 'text'",
            "UPDATE kept_out SET print = zeroblob(32)",
            "INSERT INTO kept_out SELECT 0, print, what, key, point, source, salt FROM kept_out LIMIT 1",
        ]
    ):
        path = tmp_path / f"s{number}"
        with FieldStore(path) as store:
            ingest(store, ids=["0", "1", "2", "3"])
            store.forget("0", keep_out=True)
            assert store.verify() == []
        connection = apsw.Connection(str(path / "store.db"))
        connection.execute(damage)
        connection.close()
        with FieldStore(path) as store:
            assert any("out" in difference for difference in store.verify()), damage


def test_what_add_returns_is_a_list_of_ids_for_everybody():
    ids = Added(["a", "b", "c"], ["b"])
    assert ids == ["a", "b", "c"]
    assert [*ids, "d"][0] == ids[0] == "a"
    assert (ids.kept_out, ids.stored) == (("b",), ["a", "c"])
    assert Added() == []
