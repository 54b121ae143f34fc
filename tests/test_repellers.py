# Repellers of a store: what they hide, from whom, for how long, and what is left when they are gone.
"""`repel`, `repellers`, `unrepel`: a place and a radius that live records are hidden around."""

import threading

import numpy as np
import pytest

from fieldstore import FieldStore, UnknownRecord
from fieldstore.engine import weighted
from fieldstore.ledger import Fold, Kind, Leaf, new_element
from tests import naive

TEXTS = "a text about the subject number {0}, said in the words of {0}"


def filled(store, rng, count=60, dim=16):
    """Records n0, n1, ...; n1 is near n0 (a cosine of about .97)."""
    vectors = naive.clustered(rng, count, dim)
    vectors[1] = naive.unit(vectors[0] + 0.25 * naive.spread(rng, 1, dim)[0])
    ids = [f"n{i}" for i in range(count)]
    sources = [{"source": "even" if i % 2 == 0 else "odd"} for i in range(count)]
    store.add(vectors, ids=ids, texts=[TEXTS.format(i) for i in range(count)], metadatas=sources)
    return vectors


MODES = ({}, {"smooth": True}, {"by": "attractors"}, {"by": "attractors", "per": "source"}, {"by": "ascent"})


def everything(store, query):
    """Whatever a query can be answered, and the field there."""
    answers = [store.search(query, 8, **mode) for mode in MODES]
    answers += [store.search(query, 8, where={"source": "even"}), store.search(query, 8, ids=["n0", "n1", "n2", "n3"])]
    field = store.field
    return answers, field.evaluate(query).tolist(), field.gradient(query).tolist(), field.ascend(query).place.tolist()


def shown(hits):
    return {hit.id for hit in hits} | {member.id for hit in hits for member in hit.members}


def test_what_is_repelled_is_in_no_ranking_and_still_there_for_get_count_and_history(store, rng):
    vectors = filled(store, rng)
    repeller = store.repel("n0", 0.9, reason="not for now", actor="Ada")
    assert repeller.hides == ("n0", "n1")
    assert (repeller.record, repeller.radius, repeller.reason, repeller.actor) == ("n0", 0.9, "not for now", "Ada")
    for mode in MODES:
        assert not shown(store.search(vectors[0], 60, **mode)) & {"n0", "n1"}
    assert len(store.search(vectors[0], 60)) == 58
    assert not shown(store.search(vectors[0], 60, where={"source": "even"})) & {"n0"}
    assert store.search(vectors[0], ids=["n0", "n1"]) == []
    assert [record.id for record in store.get(["n0", "n1"])] == ["n0", "n1"]
    assert (store.count(), store.stats()["hidden"], store.stats()["repellers"]) == (60, 2, 1)
    assert [entry.kind for entry in store.history("n0")] == ["add"]
    assert store.verify() == []


def test_taking_a_repeller_back_leaves_every_bit_as_if_it_had_never_been_there(store_of, rng):
    plain, hidden = store_of(), store_of()
    vectors = filled(plain, np.random.default_rng(3))
    filled(hidden, np.random.default_rng(3))
    names = [hidden.repel("n0", 0.85).name, hidden.repel(vectors[9], 0.3).name]
    assert everything(hidden, vectors[0]) != everything(plain, vectors[0])
    receipt = hidden.unrepel(names)
    assert receipt.ids == tuple(names)
    assert hidden.repellers() == []
    for query in vectors[:12]:
        assert everything(hidden, query) == everything(plain, query)
    assert hidden.verify() == []


def test_the_order_in_which_repellers_come_and_go_does_not_matter(store_of, rng):
    one, other = store_of(), store_of()
    vectors = filled(one, np.random.default_rng(3))
    filled(other, np.random.default_rng(3))
    one.repel("n5", 0.8)
    gone = other.repel("n7", 0.6).name
    other.forget("n2")
    other.repel("n5", 0.8)
    other.unrepel(gone)
    one.forget("n2")
    for query in vectors[:12]:
        assert everything(other, query) == everything(one, query)
    assert one.verify() == other.verify() == []


def test_a_record_added_later_within_the_radius_is_hidden_and_outside_is_not(store, rng):
    vectors = filled(store, rng)
    repeller = store.repel(vectors[0], 0.9)
    store.add([vectors[0] + 1e-3, -vectors[0]], ids=["near", "far"])
    assert store.search(vectors[0], ids=["near"]) == []
    assert len(store.search(-vectors[0], ids=["far"])) == 1
    assert store.repellers()[0].hides == (*repeller.hides, "near")
    store.forget("near")
    assert store.repellers()[0].hides == repeller.hides
    store.restore("near")
    assert store.search(vectors[0], ids=["near"]) == []
    assert store.verify() == []


def test_a_radius_of_the_cosine_that_a_hit_has_hides_just_that_hit(store, rng):
    vectors = filled(store, rng)
    hits = store.search(vectors[0], 5)
    repeller = store.repel(vectors[0], hits[2].cosine)
    assert repeller.hides == tuple(sorted((hit.id for hit in hits[:3]), key=lambda id: int(id[1:])))
    assert store.search(vectors[0], 1)[0].id == hits[3].id
    assert store.verify() == []


def test_repelling_the_same_place_as_far_once_more_writes_nothing(store, rng):
    filled(store, rng)
    first = store.repel("n0", 0.9)
    size = store.stats()["entries"]
    assert store.repel("n0", 0.9) == first
    assert store.stats()["entries"] == size
    assert store.repel("n0", 0.95).name != first.name
    assert store.verify() == []


def test_unrepel_names_what_it_found_as_wanted_or_not_at_all(store, rng):
    filled(store, rng)
    name = store.repel("n0", 0.9).name
    assert store.unrepel(["r0", name]).unknown == ("r0",)
    size = store.stats()["entries"]
    again = store.unrepel(name)
    assert (again.ids, again.unchanged, again.entries, again.residuals()) == ((), (name,), (), [])
    assert store.stats()["entries"] == size
    assert store.verify() == []


@pytest.mark.parametrize("radius", [1.5, -2, float("nan"), "0.9", None, True])
def test_a_radius_that_is_no_cosine_is_refused_and_nothing_is_hidden(store, rng, radius):
    filled(store, rng)
    with pytest.raises(ValueError, match="a radius must be a cosine"):
        store.repel("n0", radius)
    assert store.repellers() == []
    assert store.verify() == []


def test_places_that_are_none_are_refused_and_nothing_is_hidden(store, rng):
    with pytest.raises(ValueError, match="no dimension"):
        store.repel([1.0, 0.0], 0.9)
    vectors = filled(store, rng)
    with pytest.raises(UnknownRecord, match="'nobody'"):
        store.repel("nobody", 0.9)
    for place in (vectors[:2], vectors[0][:5], np.zeros(16), np.full(16, np.nan)):
        with pytest.raises(ValueError, match="place"):
            store.repel(place, 0.9)
    assert (store.repellers(), store.stats()["entries"]) == ([], 60)
    assert store.verify() == []


def test_the_place_of_a_forgotten_record_hides_its_copies(store, rng):
    vectors = filled(store, rng)
    store.forget("n0")
    assert store.repel("n0", 0.9).hides == ("n1",)
    assert not shown(store.search(vectors[0], 60)) & {"n0", "n1"}
    assert store.verify() == []


def test_the_ledger_tells_of_repellers_without_their_places(store, rng):
    vectors = filled(store, rng)
    name = store.repel("n0", 0.9, reason="too loud").name
    store.unrepel(name, actor="Ada")
    placed, back = list(store.entries(59))
    assert (placed.kind, placed.weight, placed.point, placed.reason) == ("repel", 0.0, None, "too loud")
    assert (back.kind, back.ref, back.element, back.actor) == ("unrepel", placed.seq, placed.element, "Ada")
    assert name == f"r{placed.seq}"
    leaf = b"".join(data for _, data in store._mirror.folder.database.entries(60))
    assert np.float32(vectors[0]).tobytes()[:16] not in leaf
    assert store.verify() == []


def test_a_view_of_the_past_hides_what_was_hidden_then(store, rng):
    vectors = filled(store, rng)
    at = int(store.repel("n0", 0.9).name[1:])
    store.unrepel(f"r{at}")
    assert store.search(vectors[0], 1)[0].id == "n0"
    assert not shown(store.as_of(at).search(vectors[0], 60)) & {"n0", "n1"}
    assert store.as_of(at).gaps() == []
    for seq in (at - 1, at + 1):
        assert store.as_of(seq).search(vectors[0], 1)[0].id == "n0"
    then = store.as_of(at)
    store.erase("n0")
    assert then.gaps()[-1] == f"repeller r{at} hid records then; its place was destroyed by an erase"
    assert store.verify() == []


# -- on disk -----------------------------------------------------------------------------------------------------------


def test_words_still_find_what_is_hidden_from_the_vectors(store_of, rng):
    store = store_of(text_index=True)
    vectors = filled(store, rng)
    store.repel("n0", 0.9)
    words = TEXTS.format(0)
    assert store.search(vectors[0], by="text", text=words, k=1)[0].id == "n0"
    (hit,) = [hit for hit in store.search(vectors[0], by="hybrid", text=words, k=60) if hit.id == "n0"]
    assert (hit.share, hit.cosine) == (0.0, pytest.approx(1.0, abs=1e-6))
    assert hit.score == pytest.approx(0.5 / 61)  # by its words alone
    assert store.verify() == []


def test_another_opening_hides_at_its_next_query_and_shows_again_at_its_next(tmp_path, rng):
    with FieldStore(tmp_path / "s") as writer, FieldStore(tmp_path / "s", read_only=False) as reader:
        vectors = filled(writer, rng)
        assert reader.search(vectors[0], 1)[0].id == "n0"
        name = writer.repel("n0", 0.9).name
        assert not shown(reader.search(vectors[0], 60)) & {"n0", "n1"}
        assert [one.hides for one in reader.repellers()] == [("n0", "n1")]
        reader.unrepel(name)
        assert writer.search(vectors[0], 1)[0].id == "n0"
        assert writer.verify() == reader.verify() == []


def test_a_store_opened_again_hides_what_it_hid_from_its_saved_cells_too(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(weighted, "_CELLS_FROM", (256, 0))
    with FieldStore(tmp_path / "s") as store:
        vectors = filled(store, rng, 1200, 24)
        name = store.repel("n0", 0.7).name
        store.repel(vectors[4], 0.8)
        before = everything(store, vectors[0])
        hides = [one.hides for one in store.repellers()]
    assert (tmp_path / "s" / "index").stat().st_size > 0
    with FieldStore(tmp_path / "s") as store:
        assert store._mirror._kept._size > 0  # they were loaded
        assert [one.hides for one in store.repellers()] == hides
        assert everything(store, vectors[0]) == before
        store.unrepel(name)
        assert shown(store.search(vectors[0], 3)) >= {"n0", "n1"}
        assert store.verify() == []
    with FieldStore(tmp_path / "s") as store:
        assert store.verify() == []
        assert shown(store.search(vectors[0], 3)) >= {"n0", "n1"}


@pytest.mark.parametrize("by", ["id", "vector"])
def test_erasing_a_record_destroys_the_repellers_at_its_place(tmp_path, rng, by):
    with FieldStore(tmp_path / "s") as store:
        vectors = filled(store, rng)
        kept = store.repel("n9", 0.99).name
        old = store.repel("n0" if by == "id" else np.float32(vectors[0]), 0.5, reason="about n0").name
        store.unrepel(old)
        name = store.repel("n0" if by == "id" else vectors[0], 0.9, reason="about n0").name
        row = store.get("n0", vectors=True)[0].vector.tobytes()
        certificate = store.erase("n0", reason="request 4")
        assert certificate.body["repellers_dropped"] == [old, name]
        assert certificate.body["scan"]["also_in_repellers"] == []
        assert [one.name for one in store.repellers()] == [kept]
        assert store.search(vectors[0], 1)[0].id == "n1"  # it answers again
        reasons = {entry.reason for entry in store.entries() if entry.kind in ("repel", "unrepel")}
        assert reasons == {None, "request 4"}
        assert store.verify() == []
    files = b"".join(path.read_bytes() for path in (tmp_path / "s").iterdir())
    assert not any(row[i : i + 16] in files for i in range(0, len(row), 16))


def test_a_repeller_of_another_record_that_holds_the_same_vector_stays_and_the_certificate_says_so(tmp_path, rng):
    with FieldStore(tmp_path / "s") as store:
        vectors = filled(store, rng)
        store.add(vectors[:1], ids=["copy"])
        name = store.repel("copy", 0.9).name
        certificate = store.erase("n0")
        assert certificate.body["repellers_dropped"] == []
        assert certificate.body["scan"]["also_in_repellers"] == [name]
        assert store.repellers()[0].hides == ("n1", "copy")
        assert store.verify() == []


def test_an_interrupted_erase_destroys_the_repellers_when_it_is_finished(tmp_path, rng, monkeypatch):
    with FieldStore(tmp_path / "s") as store:
        filled(store, rng)
        name = store.repel("n0", 0.9).name
        monkeypatch.setattr(type(store), "_certified", lambda *_: None)
        store.erase("n0")
        assert store.repellers() == []
        assert store.search(store.get("n1", vectors=True)[0].vector, 1)[0].id == "n1"
        monkeypatch.undo()
    with FieldStore(tmp_path / "s") as store:
        assert store.certificates()[-1].body["repellers_dropped"] == [name]
        assert store.verify() == []


TAMPERED = {
    "another place": ("UPDATE repellers SET place = randomblob(64)", "was changed"),
    "another radius": ("UPDATE repellers SET radius = 0.1", "its place or radius was changed"),
    "one that was taken back": ("UPDATE repellers SET until = seq", "not kept as the ledger says"),
    "one that is gone": ("DELETE FROM repellers", "not kept as the ledger says"),
    "one that nobody placed": (
        "INSERT INTO repellers VALUES(7, x'00', NULL, NULL, 0.5, zeroblob(64), x'00')",
        "r7 is kept, but the ledger never placed it",
    ),
    "a fact": ("UPDATE facts SET value = 3 WHERE key = 'repelled'", "the last entry about a repeller"),
}


@pytest.mark.parametrize(("sql", "message"), TAMPERED.values(), ids=TAMPERED)
def test_verify_finds_whatever_was_done_to_a_repeller(tmp_path, rng, sql, message):
    with FieldStore(tmp_path / "s") as store:
        filled(store, rng)
        store.repel("n0", 0.9)
        with store._mirror.writing() as database, database.transaction():
            database._rows(sql, ())
        assert any(message in difference for difference in store.verify())


def leaf(seq, kind, element, ref, weight=0, commitment=bytes(32)):
    return Leaf(seq, kind, element, ref, weight, 1, commitment)


def test_the_fold_refuses_entries_about_repellers_that_break_the_rules():
    one, other = new_element(), new_element()
    good = [
        leaf(0, Kind.REPEL, one, 0),
        leaf(1, Kind.UNREPEL, one, 0),
        leaf(2, Kind.UNREPEL, one, 1),
        leaf(3, Kind.REPEL, other, 3),
    ]
    fold = Fold()
    assert [fold.take(entry) for entry in good] == [[]] * 4
    assert fold.repellers[one].destroyed
    for bad in (
        leaf(4, Kind.UNREPEL, one, 2),  # destroyed already
        leaf(4, Kind.UNREPEL, other, 2),  # answers another entry
        leaf(4, Kind.UNREPEL, new_element(), 3),
        leaf(4, Kind.REPEL, other, 4),
        leaf(4, Kind.REPEL, new_element(), 3),
        leaf(4, Kind.REPEL, new_element(), 4, weight=-1),
        leaf(4, Kind.UNREPEL, other, 3, commitment=b"\x01" * 32),
    ):
        fold = Fold()
        for entry in good:
            fold.take(entry)
        assert fold.take(bad) != [], bad


def test_queries_beside_a_repeller_that_comes_and_goes_see_it_whole_or_not_at_all(store, rng):
    vectors = filled(store, rng)
    plain = [hit.id for hit in store.search(vectors[0], 10)]
    store.unrepel(store.repel("n0", 0.9).name)
    with_it = [id for id in [hit.id for hit in store.search(vectors[0], 12)] if id not in ("n0", "n1")][:10]
    stop, seen = threading.Event(), set()

    def ask():
        while not stop.is_set():
            seen.add(tuple(hit.id for hit in store.search(vectors[0], 10)))

    asker = threading.Thread(target=ask)
    asker.start()
    for _ in range(15):
        store.unrepel(store.repel("n0", 0.9).name)
    stop.set()
    asker.join()
    assert {frozenset(answer) for answer in seen} <= {frozenset(plain), frozenset(with_it)}
    assert store.verify() == []


def test_what_only_several_repellers_hide_together_is_told_by_those_that_suffice(store):
    store.calibrate(20.0)
    store.add([1.0, 0.0, 0.0, 0.0], ids=["a"])
    cosine = 0.9 + np.log(0.6) / 20.0  # from where one takes 0.6 copies off
    places = [[cosine, *(np.sqrt(1.0 - cosine**2) * axis)] for axis in np.eye(3)]
    assert store.repel(places[0], 0.9).hides == ()
    assert store.repel(places[1], 0.9).hides == ("a",)
    third = store.repel(places[2], 0.9)
    assert store.search([1.0, 0.0, 0.0, 0.0]) == []
    assert [one.hides for one in store.repellers()] == [("a",), ("a",), ()]  # none is needed, two suffice
    assert third.hides == ()
    store.unrepel(store.repellers()[0].name)
    assert [one.hides for one in store.repellers()] == [("a",), ("a",)]
    assert store.verify() == []
