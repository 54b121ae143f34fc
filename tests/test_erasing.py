# Erasing leaves no byte, says so only after it has looked, and is finished when it was interrupted.

import json
import os

import apsw
import numpy as np
import pytest

from fieldstore import ErasePending, FieldStore, LeftoversFound, UnknownRecord, erasure, verify_certificate
from tests.embedder import embed

SECRET = (
    "Mrs Ingeborg Vanterpool of 14 Larkspur Lane is allergic to hazelnuts and pays on the third of the month. " * 40
)
TEXTS = [f"An ordinary note about matter number {i}, long enough to be looked for." for i in range(30)]


def fill(store):
    store.add(
        embed([*TEXTS, SECRET]),
        texts=[*TEXTS, SECRET],
        metadatas=[
            *({"source": f"notes/{i}"} for i in range(30)),
            {"source": "customers/vanterpool", "phone": "0551-48213-77"},
        ],
        ids=[*(f"note-{i}" for i in range(30)), "customer-ingeborg-vanterpool"],
    )


def needles():
    vector = np.float32(embed([SECRET])[0] / np.linalg.norm(embed([SECRET])[0])).tobytes()
    words = [b"Ingeborg Vanterpool", b"Larkspur Lane", b"hazelnuts", b"customers/vanterpool", b"0551-48213-77"]
    return [*words, b"customer-ingeborg", vector[:64], vector[-64:]]


def found_in(folder):
    """(needle, file) for every needle in any file; only for stores that nobody has open in this process."""
    return [
        (needle, path.name)
        for path in folder.rglob("*")
        if path.is_file()
        for needle in needles()
        if needle in path.read_bytes()
    ]


def test_after_an_erase_no_byte_of_the_record_is_in_any_file(tmp_path):
    folder = tmp_path / "s"
    with FieldStore(folder) as store:
        fill(store)
    assert {needle for needle, _ in found_in(folder)} == set(needles())  # the search is not blind
    with FieldStore(folder) as store:
        store.add(embed([SECRET + " edited"]), texts=[SECRET + " edited"], ids=["customer-ingeborg-vanterpool"])
        store.update(
            "customer-ingeborg-vanterpool", metadatas={"phone": "0551-48213-77", "source": "customers/vanterpool"}
        )
        store.forget("customer-ingeborg-vanterpool", reason="Ingeborg Vanterpool asked")
        certificate = store.erase("customer-ingeborg-vanterpool", reason="request 17", actor="dpo")
        assert len(certificate.entries) == 2  # both versions
        assert verify_certificate(certificate) == []
        scan = certificate.body["scan"]
        assert (scan["leftovers"], scan["also_in_other_records"]) == (0, 0)
        assert scan["needles"] > 50
        assert scan["files"] >= 3
        assert store.verify() == []
    assert found_in(folder) == []
    with FieldStore(folder) as store:
        assert (store.count(), store.verify()) == (30, [])
        assert store.certificates() == [certificate]


def test_an_erased_record_is_in_no_answer_and_cannot_be_restored(store):
    fill(store)
    query = embed([SECRET])[0]
    store.erase("customer-ingeborg-vanterpool")
    for options in ({}, {"by": "attractors"}):
        assert all("vanterpool" not in hit.id for hit in store.search(query, 40, **options))
    assert store.restore("customer-ingeborg-vanterpool").unknown == ("customer-ingeborg-vanterpool",)
    assert store.history("customer-ingeborg-vanterpool") == []
    assert store.get(where={"phone": {"$exists": True}}) == []
    assert store.ids(forgotten=True) == []
    assert store.stats()["points"] == 31
    assert store.verify() == []


def test_the_id_of_an_erased_record_can_be_used_anew(store):
    fill(store)
    store.erase("note-3")
    store.add(embed(["a fresh start"]), texts=["a fresh start"], ids=["note-3"])
    assert [record.text for record in store.get("note-3")] == ["a fresh start"]
    assert [entry.kind for entry in store.history("note-3")] == ["add"]
    assert store.verify() == []


def test_erasing_by_filter_takes_live_and_forgotten_records_in_one_certificate(store):
    fill(store)
    store.forget(["note-4"])
    certificate = store.erase(where={"source": {"$in": ["notes/4", "notes/5"]}})
    assert len(certificate.entries) == 2
    assert store.count() == 29
    assert store.restore("note-4").unknown == ("note-4",)
    assert store.verify() == []


def test_content_that_another_record_also_holds_is_named_and_not_called_a_leftover(tmp_path):
    folder = tmp_path / "s"
    with FieldStore(folder) as store:
        fill(store)
        store.add(embed([SECRET]), texts=[SECRET], ids=["a-copy-under-another-name"])
        certificate = store.erase("customer-ingeborg-vanterpool")
        assert certificate.body["scan"]["also_in_other_records"] == 1
        assert store.get("a-copy-under-another-name")[0].text == SECRET
        assert store.verify() == []


def also_in(folder, erased, others):
    """In how many of the other records an erase of a record with this metadata says that the same words stand."""
    with FieldStore(folder) as store:
        metadatas = [erased, *others]
        texts = [f"Matter number {i}." for i in range(len(metadatas))]
        store.add(embed(texts), texts=texts, metadatas=metadatas, ids=[f"r{i}" for i in range(len(metadatas))])
        return store.erase("r0").body["scan"]["also_in_other_records"]


def test_metadata_of_the_same_form_is_not_taken_for_the_same_words(tmp_path):
    key = "classification of this letter and of all that was enclosed, by the office that it was addressed to first"

    def form(i):
        more = {"hidden": [key], key: i}
        return {"file": f"letters/of/the/year/twenty-twenty-five/{i}", "in_json": json.dumps(more), **more}

    assert also_in(tmp_path / "s", form(0), [form(i) for i in range(1, 9)]) == 0


def test_paths_that_begin_alike_are_not_taken_for_the_same_words(tmp_path):
    paths = [f"letters/of/the/year/twenty-twenty-five/{i}.txt" for i in range(9)]
    with FieldStore(tmp_path / "s", filter_keys=["file"]) as store:
        store.add(embed(paths), ids=paths, metadatas=[{"file": path} for path in paths])
        assert store.erase(paths[0]).body["scan"]["also_in_other_records"] == 0


def test_an_ending_that_happens_to_be_alike_is_not_taken_for_the_same_words(tmp_path):
    texts = [
        "The key of the shed on the northern shore hangs there beside the steering wheel.",
        "Ask for the lamp that Hobart mended; its switch is beside the steering wheel.",
    ]
    with FieldStore(tmp_path / "s") as store:
        store.add(embed(texts), texts=texts, ids=["1", "2"])
        assert store.erase("1").body["scan"]["also_in_other_records"] == 0


@pytest.mark.parametrize("id", ["letters/of/the/year/1.txt", "letters/of/the/year/twenty-twenty-five/" + 100 * "1"])
def test_an_id_that_another_record_also_holds_is_named(tmp_path, id):
    with FieldStore(tmp_path / "s") as store:
        store.add(embed(["one", "two", "three"]), ids=[id, "2", "3"], metadatas=[{}, {"next": id}, {"next": "2"}])
        assert store.erase(id).body["scan"]["also_in_other_records"] == 1


@pytest.mark.parametrize(
    "saying",
    [
        lambda words: {"note": words},
        lambda words: {"a": [{"b": words}]},
        lambda words: {"in_json": json.dumps({"note": words}, ensure_ascii=False)},
    ],
)
@pytest.mark.parametrize("words", ['Mrs Vanterpool, \u201cthe\\ "aunt"\u201d', SECRET])
def test_words_of_the_metadata_that_another_record_also_holds_are_named(tmp_path, saying, words):
    others = [{"note": "of no matter whatsoever"}, {"other": 1} | saying(words)]
    assert also_in(tmp_path / "s", {"first": "one"} | saying(words), others) == 1


@pytest.mark.parametrize("around", [lambda words: {"window": words}, lambda words: {"in_json": json.dumps([words])}])
def test_lines_that_another_record_quotes_in_its_metadata_are_named(tmp_path, around):
    lines = 'Mrs Vanterpool:\n"no nuts",\n"no hazel",\n"no figs",\n"none".'
    with FieldStore(tmp_path / "s") as store:
        texts, metadatas = [lines, "two", "three"], [{}, around(f"one\n{lines}\nthree"), {"window": "four"}]
        store.add(embed(texts), texts=texts, metadatas=metadatas, ids=["1", "2", "3"])
        assert store.erase("1").body["scan"]["also_in_other_records"] == 1


def test_a_long_value_of_the_metadata_is_found_where_only_a_part_of_it_stands(tmp_path):
    assert also_in(tmp_path / "s", {"note": SECRET}, [{"note": SECRET[:400]}, {"note": "of no matter whatsoever"}]) == 1


def test_bytes_that_nothing_explains_stop_the_certificate_until_they_are_gone(tmp_path):
    folder = tmp_path / "s"
    with FieldStore(folder) as store:
        fill(store)
        (folder / "copy.bak").write_bytes(b"stray " + SECRET.encode())
        with pytest.raises(LeftoversFound, match=r"copy\.bak"):
            store.erase("customer-ingeborg-vanterpool")
        assert not store.exists("customer-ingeborg-vanterpool")
        assert store.certificates() == []
        with pytest.raises(LeftoversFound, match=r"copy\.bak"):
            store.finish_erase()
        (folder / "copy.bak").unlink()
        certificate = store.finish_erase()
        assert certificate.body["scan"]["needles"] > 50  # what to look for was remembered
        assert store.finish_erase() is None
        assert store.verify() == []
    assert found_in(folder) == []


def test_a_reader_that_keeps_old_pages_alive_makes_the_erase_pending_and_no_certificate(tmp_path):
    folder = tmp_path / "s"
    with FieldStore(folder, timeout=0.1) as store:
        fill(store)
        reader = apsw.Connection(str(folder / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchall()
        with pytest.raises(ErasePending, match="finish_erase"):
            store.erase("customer-ingeborg-vanterpool")
        assert all("vanterpool" not in hit.id for hit in store.search(embed([SECRET])[0], 40))
        assert store.certificates() == []
        assert any("not certified yet" in difference for difference in store.verify())
        reader.close()
        assert verify_certificate(store.finish_erase()) == []
        assert store.verify() == []
    assert found_in(folder) == []


def test_nothing_is_destroyed_while_somebody_reads_the_state_of_before(tmp_path):
    """Rows are read from where they lie: to whoever is in the middle of a look they would change under his eyes."""
    folder, told = tmp_path / "s", []
    with FieldStore(folder, timeout=0.0) as store, FieldStore(folder, timeout=0.0) as other:
        fill(store)
        before = (folder / "vectors.f32").read_bytes()

        def meanwhile(done, total):
            if not told:
                with pytest.raises(ErasePending, match="nothing was destroyed"):
                    store.erase("customer-ingeborg-vanterpool")
            told.append(done)

        assert other.verify(progress=meanwhile) == []
        assert (folder / "vectors.f32").read_bytes() == before
        assert other.verify() == ["point 30 is being erased and not certified yet; call finish_erase()"]
        assert store.finish_erase().body["scan"]["searched_for_content"] is True
        assert store.verify() == other.verify() == []
    assert found_in(folder) == []


@pytest.mark.parametrize("stage", ["_needles", "_truncated", "_look", "signed"])
def test_an_erase_that_was_interrupted_anywhere_is_finished_on_open(tmp_path, monkeypatch, stage):
    class PowerCut(BaseException):
        pass

    def cut(*_, **__):
        raise PowerCut

    folder = tmp_path / "s"
    store = FieldStore(folder)
    fill(store)
    with monkeypatch.context() as broken:
        if stage == "_needles":  # before anything was destroyed, but after the intent
            broken.setattr(erasure, "finish", cut)
        else:
            broken.setattr(erasure, stage, cut)
        with pytest.raises(PowerCut):
            store.erase("customer-ingeborg-vanterpool")
    with FieldStore(folder) as reopened:
        assert reopened.count() == 30
        (certificate,) = reopened.certificates()
        assert verify_certificate(certificate) == []
        assert reopened.verify() == []
    store.close()
    assert found_in(folder) == []


def test_erasing_what_was_never_there_is_an_error_and_changes_nothing(store):
    fill(store)
    before = store.stats()
    for wanted in ({"ids": ["note-1", "nobody"]}, {"where": {"source": "nowhere"}}):
        with pytest.raises(UnknownRecord, match="nothing was erased"):
            store.erase(**wanted)
    assert store.stats() == before


def test_a_reason_that_quotes_the_content_is_refused(store):
    fill(store)
    with pytest.raises(ValueError, match="quotes what is to be erased"):
        store.erase("customer-ingeborg-vanterpool", reason="customer-ingeborg-vanterpool asked us to")
    assert store.exists("customer-ingeborg-vanterpool")


def test_the_search_for_leftovers_finds_every_needle_at_every_offset(tmp_path, rng):
    from fieldstore.storage.leftovers import search_folder

    wanted = [rng.bytes(int(length)) for length in rng.integers(16, 70, size=40)]
    expected = set()
    for number, needle in enumerate(wanted):
        before = rng.bytes(int(rng.integers(0, 50_000)))
        (tmp_path / f"f{number}").write_bytes(before + needle + rng.bytes(3))
        expected.add((number, f"f{number}", len(before)))
    found = search_folder(tmp_path, [*wanted, rng.bytes(32)], everywhere="")
    assert set(found.found) == expected
    assert found.files == 40


def test_boilerplate_that_many_records_share_hides_no_leftover(tmp_path, rng):
    plate = "All rights reserved by nobody in particular, no part may be kept. "[:64]
    secret = " ".join(rng.bytes(4).hex() for _ in range(60))
    folder = tmp_path / "s"
    with FieldStore(folder, kappa=20.0) as store:
        store.add(
            rng.normal(size=(11, 8)),
            ids=[f"r{i}" for i in range(11)],
            texts=[plate + secret, *(plate * 12_000 + str(i) for i in range(10))],
        )
        (folder / "zz-planted").write_text(secret)
        with pytest.raises(LeftoversFound, match="zz-planted"):
            store.erase("r0")


def test_a_search_that_was_cut_short_gives_no_certificate(tmp_path, monkeypatch):
    from fieldstore.storage.folder import Folder
    from fieldstore.storage.leftovers import Search

    with FieldStore(tmp_path / "s") as store:
        fill(store)
        monkeypatch.setattr(Folder, "search", lambda *_: Search(1, 1, [], complete=False))
        with pytest.raises(LeftoversFound, match="more places than can be told apart"):
            store.erase("note-1")


class Interrupted(BaseException):
    pass


def interrupt(*_, **__):
    raise Interrupted


def test_after_an_erase_that_failed_the_id_can_be_used_and_the_erase_asked_for_again(store, monkeypatch):
    from fieldstore.storage.database import Database

    fill(store)
    again = {"texts": ["a new beginning"], "ids": ["customer-ingeborg-vanterpool"]}
    with monkeypatch.context() as broken:
        broken.setattr(Database, "delete_content", interrupt)
        with pytest.raises(Interrupted):
            store.erase("customer-ingeborg-vanterpool")
        with pytest.raises(Interrupted):
            store.erase("customer-ingeborg-vanterpool")  # begins no second erase
        assert store.restore("customer-ingeborg-vanterpool").unknown == ("customer-ingeborg-vanterpool",)
        store.add(embed([SECRET]), **again)  # the same vector: a new point, never the one that is being erased
    certificate = store.erase("note-1")
    assert len(certificate.entries) == 2
    assert [record.text for record in store.get("customer-ingeborg-vanterpool")] == ["a new beginning"]
    assert store.verify() == []


@pytest.mark.parametrize("name", ["copy.bak", "backup/store.db", "a/b/vectors.f32", ".hidden/lock"])
def test_after_a_crash_no_other_file_is_taken_for_the_stores_own(tmp_path, name):
    """What to look for is gone by then; so whatever may hold it has to go first."""
    folder = tmp_path / "s"
    with FieldStore(folder) as store:
        fill(store)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SECRET)
        with pytest.raises(LeftoversFound, match=name):
            store.erase("customer-ingeborg-vanterpool")
    with FieldStore(folder) as store:
        assert store.certificates() == []
        with pytest.raises(LeftoversFound, match=name):
            store.finish_erase()
        (folder / name).unlink()
        assert verify_certificate(store.finish_erase()) == []
        assert store.verify() == []
    assert found_in(folder) == []


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(tmp_path, monkeypatch):
    from fieldstore.storage import leftovers

    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("closed"):
            raise PermissionError(f"{path} is closed")
        return scandir(path)

    with FieldStore(tmp_path / "s") as store:
        fill(store)
        (tmp_path / "s" / "closed").mkdir()
        with monkeypatch.context() as broken:
            broken.setattr(os, "scandir", refusing)
            broken.setattr("fieldstore.storage.folder.search_folder", leftovers._look)
            with pytest.raises(ErasePending, match="closed"):
                store.erase("note-1")
        assert verify_certificate(store.finish_erase()) == []
        assert store.verify() == []


def test_opening_again_makes_no_certificate_out_of_leftovers(tmp_path):
    folder = tmp_path / "s"
    with FieldStore(folder) as store:
        fill(store)
        (folder / "copy.bak").write_text(SECRET)
        with pytest.raises(LeftoversFound, match=r"copy\.bak"):
            store.erase("customer-ingeborg-vanterpool")
    with FieldStore(folder) as store:
        assert store.certificates() == []
        with pytest.raises(LeftoversFound, match=r"copy\.bak"):
            store.finish_erase()
        (folder / "copy.bak").unlink()
        certificate = store.finish_erase()
        assert certificate.body["scan"]["searched_for_content"] is False  # and it says so
        assert store.verify() == []
    assert found_in(folder) == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("The quick brown fox jumps over the lazy dog.", "about The quick brown fox jumps over the lazy dog."),
        ("backups and copies made outside the store", None),  # as every certificate says
        ("CREATE TABLE facts(key TEXT PRIMARY KEY, value) WITHOUT ROWID", None),
        ("sentence-transformers/all-MiniLM-L6-v2 is what we embed with", None),
    ],
    ids=["another entry's reason", "a certificate's words", "our schema", "the embedder's name"],
)
def test_what_the_database_means_to_keep_blocks_no_erase(tmp_path, rng, text, note):
    with FieldStore(tmp_path / "s", embedder="sentence-transformers/all-MiniLM-L6-v2") as store:
        store.add(rng.normal(size=(3, 8)), ids=["a", "b", "c"], texts=[text, "another text of some length", "third"])
        store.forget(["b"], reason=note)
        store.erase("c")
        certificate = store.erase("a")
        assert certificate.body["scan"]["also_in_notes_of_entries"] == ([3] if note else [])
        assert store.verify() == []


def test_texts_that_updates_replaced_are_gone_from_the_file_too(tmp_path, rng):
    """Rebalanced pages keep copies of old rows that secure_delete never sees; rebuilding the file drops them."""
    folder = tmp_path / "s"
    old = {}
    with FieldStore(folder, kappa=20.0) as store:
        for turn in range(3):
            ids = [f"t{turn}-{i}" for i in range(40)]
            store.add(rng.normal(size=(40, 8)), ids=ids, texts=["x"] * 40)
            for id in ids:
                old[id] = [rng.bytes(int(rng.integers(50, 400))).hex() for _ in range(3)]
                for text in old[id]:
                    store.update(id, texts=text)
                store.update(id, texts="gone")
        store.erase(list(old)[::2])
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    assert [id for id in list(old)[::2] for text in old[id] if text[:40].encode() in everything] == []


def test_a_reason_may_not_quote_sixteen_bytes_of_the_content(store):
    fill(store)
    for reason in ("Vanterpool of 14 Larkspur, born long ago", "asked by customer-ingeborg-vanterpool"):
        with pytest.raises(ValueError, match="in other words"):
            store.erase("customer-ingeborg-vanterpool", reason=reason)
    store.erase("customer-ingeborg-vanterpool", reason="request 17 of March")
    assert store.verify() == []


def test_a_search_that_cannot_be_made_leaves_the_erase_pending(tmp_path, monkeypatch):
    with FieldStore(tmp_path / "s") as store:
        fill(store)
        with monkeypatch.context() as broken:
            broken.setattr("sys.executable", str(tmp_path / "no-python"))
            with pytest.raises(ErasePending, match="could not be searched"):
                store.erase("note-1")
        assert verify_certificate(store.finish_erase()) == []
        assert store.verify() == []
