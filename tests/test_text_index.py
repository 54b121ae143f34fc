"""The text index finds exactly the live records' words, ranks as if the others had never been, and can be erased."""

import hashlib
import math
from collections import Counter

import apsw
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldstore import FieldStore, LeftoversFound, ReadOnlyStore
from tests import naive

DIM = 8
WORDS = ["ada", "blue", "cat", "dew", "elm", "fox"]
TEXT = st.none() | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
VERB = st.sampled_from(["update", "add", "move", "forget", "restore", "reweight", "erase"])


def vector(seed):
    return np.random.default_rng(seed).normal(size=DIM)


def found(store, text, **options):
    return [(hit.id, hit.score) for hit in store.search(None, 1000, by="text", text=text, **options)]


def ids_of(hits):
    return [hit.id for hit in hits]


def fruits(store):
    texts = ["red apple", "green apple", "green pear", None, "red plum, red cherry"]
    store.add(
        np.eye(DIM)[:5],
        texts=texts,
        ids=["a", "b", "c", "d", "e"],
        metadatas=[{"n": n, "source": "ab" if n < 2 else "cde"} for n in range(5)],
    )
    return store


@pytest.fixture
def orchard(store_of):
    return fruits(store_of(text_index=True))


@settings(derandomize=True, database=None, deadline=None, max_examples=80)
@given(st.lists(st.tuples(VERB, st.integers(0, 2), TEXT), min_size=8, max_size=16), st.integers(0, 5))
def test_after_any_verbs_words_find_what_a_store_finds_that_never_held_anything_else(steps, asked_for_after):
    texts, weights, gone = {}, {}, {}
    with FieldStore(dim=DIM, text_index=asked_for_after == 0) as store:
        for step, (verb, number, text) in enumerate([("add", n, "elm fox") for n in range(3)] + steps):
            if step == asked_for_after:
                store._mirror.agree(None, None, None, None, (), True)
            id = f"r{number}"
            if verb == "add" or (verb == "move" and id in texts):
                store.add(vector(step if verb == "move" else number), texts=[text], ids=[id])
                texts[id], weights[id] = text, 1.0
                gone.pop(id, None)
            elif verb == "update" and id in texts:
                store.update(id, texts=[text])
                texts[id] = text
            elif verb == "reweight" and id in texts:
                store.reweight(id, 2.5)
            elif verb == "forget" and id in texts:
                store.forget(id)
                gone[id] = texts.pop(id)
            elif verb == "restore" and id in gone:
                store.restore(id)
                texts[id] = gone.pop(id)
            elif verb == "erase" and (id in texts or id in gone):
                store.erase(id)
                texts.pop(id, None)
                gone.pop(id, None)
        if not store.text_index:
            store._mirror.agree(None, None, None, None, (), True)
        with FieldStore(dim=DIM, text_index=True) as never:
            order = [record.id for record in store.get()]
            assert set(order) == set(texts)
            never.add([vector(0)] * len(order), texts=[texts[id] for id in order], ids=order)
            for query in (*WORDS, "ada fox elm", "cat cat blue nobody"):
                assert found(store, query) == found(never, query)
                expected = naive.bm25([texts[id] for id in order], query)
                assert dict(found(store, query)) == pytest.approx(
                    {order[place]: score for place, score in expected.items()}
                )
        assert store.verify() == []


def test_words_count_without_case_accents_and_punctuation_in_any_script(store_of):
    store = store_of(text_index=True)
    texts = ["Die Straße, naïve!", "ΑΒΓ и Москва", "e-mail: ada@example.org", "no\0thing"]
    store.add(np.eye(4), texts=texts, ids=["de", "el", "mail", "nul"])
    for text, id in [("NAIVE", "de"), ("straße", "de"), ("αβγ", "el"), ("москва", "el"), ("example", "mail")]:
        assert [hit[0] for hit in found(store, text)] == [id], text
    assert [hit[0] for hit in found(store, "thing")] == ["nul"]
    assert store.verify() == []


TYPED = [
    *('"', "apple AND pear", "NOT apple", "NEAR(red apple)", "text : red", "^red", "app*", "-red +plum", "{text}:a"),
    *('red" OR "', "a'b; DROP TABLE records", "red\0apple", "(", "red )", "😀", "", " ", "*", "\\", "rowid:1", "é" * 9),
]


@pytest.mark.parametrize("text", TYPED)
def test_what_a_user_types_is_words_and_never_a_query_language(orchard, text):
    words = set(naive.words(text))
    holding = {id for id, held in zip("abce", ["red apple", "green apple", "green pear", "red plum red cherry"],
                                      strict=True) if words & set(held.split())}  # fmt: skip
    assert {id for id, _ in found(orchard, text)} == holding
    assert orchard.search(vector(1), 3, by="hybrid", text=text)
    assert orchard.verify() == []


def test_a_text_of_very_many_words_is_looked_for(orchard):
    assert [hit[0] for hit in found(orchard, " ".join(f"word{n}" for n in range(5_000)) + " pear")] == ["c"]


def test_more_hits_than_any_store_holds_may_be_asked_for(orchard):
    query = np.ones(orchard.dim)
    for way in ({"by": "text", "text": "apple pear"}, {"by": "hybrid", "text": "apple pear"}):
        assert orchard.search(query, 10**30, **way) == orchard.search(query, 100, **way)


def test_filters_hold_before_the_ranking(orchard):
    assert [hit[0] for hit in found(orchard, "red green apple")][:2] == ["a", "b"]
    assert [hit.id for hit in orchard.search(None, 1, by="text", text="red apple", where={"n": {"$gt": 1}})] == ["e"]
    hits = orchard.search(vector(3), 2, by="hybrid", text="red apple", where={"source": "cde"})
    assert len(hits) == 2
    assert {hit.id for hit in hits} <= {"c", "d", "e"}


def test_a_hit_by_text_has_its_cosine_where_a_vector_was_given(orchard):
    (alone,) = orchard.search(None, 1, by="text", text="plum")
    (hit,) = orchard.search(vector(2), 1, by="text", text="plum")
    assert math.isnan(alone.cosine)
    assert math.isnan(alone.share)
    assert (hit.id, hit.score) == (alone.id, alone.score)
    assert hit.cosine == pytest.approx(vector(2)[4] / np.linalg.norm(vector(2)), abs=1e-6)
    assert hit.share == 1.0
    assert orchard.search(None, 5, by="text", text="plum", min_score=alone.score + 0.1) == []


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_hybrid_joins_the_two_rankings_by_their_places(store_of, rng, alpha):
    store = store_of(text_index=True)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(1, 6))) for _ in range(150)]
    store.add(rng.normal(size=(150, DIM)), texts=texts, ids=[f"r{n:03}" for n in range(150)])
    for seed in range(5):
        near = ids_of(store.search(vector(seed), 100))
        worded = [id for id, _ in found(store, "ada elm")][:100]
        hits = store.search(vector(seed), 12, by="hybrid", text="ada elm", alpha=alpha)
        fused = Counter()
        for part, ranking in ((alpha, near), (1 - alpha, worded)):
            fused.update({id: part / (60 + place) for place, id in enumerate(ranking, 1) if part})
        assert [hit.score for hit in hits] == pytest.approx(sorted(fused.values(), reverse=True)[:12])
        assert {hit.id: hit.score for hit in hits} == pytest.approx({hit.id: fused[hit.id] for hit in hits})
        cosines = {hit.id: hit.cosine for hit in store.search(vector(seed), 150)}
        assert all(hit.cosine == cosines[hit.id] for hit in hits)
        if alpha == 1.0:
            assert ids_of(hits) == near[:12]
        if alpha == 0.0:
            assert ids_of(hits) == worded[:12]
    assert store.verify() == []


def test_many_texts_are_searched_at_once(orchard):
    both = orchard.search_many(None, 3, by="text", texts=["pear", "plum"])
    assert [ids_of(hits) for hits in both] == [["c"], ["e"]]
    both = orchard.search_many(np.eye(DIM)[:2], 3, by="hybrid", texts=["pear", "plum"])
    assert both[1] == orchard.search(np.eye(DIM)[1], 3, by="hybrid", text="plum")


def test_what_is_forgotten_is_in_no_answer_by_words_and_weighs_nothing_in_those_of_others(orchard):
    before = found(orchard, "red")
    orchard.forget("e", reason="asked")
    assert [hit[0] for hit in found(orchard, "red plum cherry")] == ["a"]
    assert "e" not in ids_of(orchard.search(np.eye(DIM)[4], 5, by="hybrid", text="red plum"))
    orchard.restore("e")
    assert found(orchard, "red") == before
    assert orchard.verify() == []


def test_a_store_without_the_index_says_how_to_get_one(store_of):
    store = fruits(store_of())
    for options in ({"by": "text"}, {"by": "hybrid"}):
        with pytest.raises(ValueError, match="text_index=True"):
            store.search(vector(1), 3, text="red", **options)
    assert not store.text_index
    assert store.verify() == []


def test_an_empty_store_finds_no_words(store_of):
    assert store_of(text_index=True).search(None, by="text", text="red") == []


def test_the_index_is_built_of_what_is_there_and_then_stays(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        fruits(store).forget("a")
    with FieldStore(path) as earlier, FieldStore(path, text_index=True) as store:
        assert {hit[0] for hit in found(store, "apple plum")} == {"b", "e"}
        earlier.restore("a")  # opened before there was an index, and keeps it all the same
        earlier.add(vector(9), texts=["an apple"], ids=["f"])
        assert {hit[0] for hit in found(store, "apple")} == {hit[0] for hit in found(earlier, "apple")} == set("abf")
        assert store.verify() == earlier.verify() == []
    with FieldStore(path) as store:
        assert store.text_index
        store.forget("f")
        assert {hit[0] for hit in found(store, "apple")} == {"a", "b"}
        assert store.verify() == []
    with FieldStore(path, read_only=True, text_index=True) as reader:
        assert {hit[0] for hit in found(reader, "apple")} == {"a", "b"}
        assert reader.verify() == []


def test_a_store_opened_to_be_read_builds_no_index(tmp_path):
    path = tmp_path / "s"
    with FieldStore(path) as store:
        fruits(store)
    with pytest.raises(ReadOnlyStore):
        FieldStore(path, read_only=True, text_index=True)


def test_verify_notices_an_index_that_holds_other_words(tmp_path):
    for number, damage in enumerate(
        [
            "INSERT INTO text_index(text_index, rowid, text) VALUES('delete', 0, 'red apple')",
            "INSERT INTO text_index(rowid, text) VALUES(3, 'a word')",
            "INSERT INTO text_index(text_index, rowid, text) VALUES('delete', 1, 'green apple');"
            "INSERT INTO text_index(rowid, text) VALUES(1, 'green pear')",
            "INSERT INTO text_index(text_index, rank) VALUES('secure-delete', 0)",
        ]
    ):
        path = tmp_path / f"s{number}"
        with FieldStore(path, text_index=True) as store:
            fruits(store)
            assert store.verify() == []
        connection = apsw.Connection(str(path / "store.db"))
        connection.execute(damage)
        connection.close()
        with FieldStore(path) as store:
            assert any("text index" in difference for difference in store.verify()), damage


@pytest.mark.parametrize(
    ("vector", "options", "error", "says"),
    [
        (None, {"by": "text"}, ValueError, "needs text="),
        (None, {"by": "hybrid", "text": "red"}, ValueError, "needs a vector"),
        (None, {}, ValueError, "needs a vector"),
        ([1.0] * DIM, {"by": "hybrid"}, ValueError, "needs text="),
        ([1.0] * DIM, {"text": "red"}, ValueError, "text belongs to"),
        ([1.0] * DIM, {"alpha": 0.7}, ValueError, "alpha belongs to"),
        ([1.0] * DIM, {"by": "hybrid", "text": "red", "alpha": 1.5}, ValueError, "from 0 to 1"),
        ([1.0] * DIM, {"by": "hybrid", "text": "red", "per": "source"}, ValueError, "per and reach"),
        ([1.0] * DIM, {"by": "hybrid", "text": b"red"}, TypeError, "must be a string"),
        ([1.0] * DIM, {"by": "text", "text": "\ud800"}, ValueError, "surrogate"),
        ([1.0] * DIM, {"by": "text", "text": "red", "effort": 2.0}, ValueError, "effort"),
        ([1.0] * 3, {"by": "hybrid", "text": "red"}, ValueError, "dimensions"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(orchard, vector, options, error, says):
    with pytest.raises(error, match=says):
        orchard.search(vector, 3, **options)


def test_texts_and_queries_must_be_as_many(orchard):
    with pytest.raises(ValueError, match="1 texts were given for 2 queries"):
        orchard.search_many(np.eye(DIM)[:2], by="hybrid", texts=["red"])
    with pytest.raises(TypeError, match="list of strings"):
        orchard.search_many(np.eye(DIM)[:2], by="hybrid", texts="red")


def test_a_view_of_the_past_says_that_it_has_no_text_index(orchard):
    with pytest.raises(ValueError, match="text index"):
        orchard.as_of(1).search(None, by="text", text="red")
    with pytest.raises(ValueError, match="text index"):
        orchard.as_of(1).search_many(np.eye(DIM), by="hybrid")


def index_bytes(path):
    """Everything in FTS5's own tables."""
    connection = apsw.Connection(str(path / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
    tables = "SELECT block FROM text_index_data UNION ALL SELECT term FROM text_index_idx"
    data = b"|".join(value for (value,) in connection.execute(tables))
    connection.close()
    return data


def test_an_erase_leaves_no_word_and_no_beginning_of_one_in_the_index(tmp_path):
    path = tmp_path / "s"
    words = [hashlib.sha256(b"%d" % n).hexdigest()[:24] for n in range(3000)]
    with FieldStore(path, text_index=True) as store:
        store.add(np.eye(DIM)[np.arange(3000) % DIM], texts=words, ids=[f"r{n}" for n in range(3000)])
        connection = store._mirror.folder.database._connection
        borders = [term[1:].decode() for (term,) in connection.execute("SELECT term FROM text_index_idx") if term[1:]]
        border = max(borders, key=len)
        gone = [f"r{n}" for n, word in enumerate(words) if word.startswith(border)]
        store.forget(gone[0])
        store.erase(gone)
        assert store.verify() == []
        assert {hit[0] for hit in found(store, words[5])} == {"r5"}
    assert b"|0" + border.encode() + b"|" not in index_bytes(path)
    assert not any(words[int(id[1:])][len(border) :].encode() in index_bytes(path) for id in gone)


def test_an_erase_looks_for_long_words_in_their_folded_form(tmp_path):
    path, name = tmp_path / "s", "Donaudampfschifffahrtsgesellschaftskapitän"
    with FieldStore(path, text_index=True) as store:
        store.add(np.eye(DIM)[:2], texts=[f"the {name}", "nobody"], ids=["a", "b"])
        (path / "copy").write_bytes(b"..donaudampfschifffahrtsgesellschaftskapitan..")
        with pytest.raises(LeftoversFound):
            store.erase("a")
        (path / "copy").unlink()
        assert store.finish_erase().body["scan"]["leftovers"] == 0
        assert store.verify() == []


def test_a_long_word_that_another_live_record_holds_is_no_leftover(tmp_path):
    name = "Donaudampfschifffahrtsgesellschaft"
    with FieldStore(tmp_path / "s", text_index=True) as store:
        store.add(np.eye(DIM)[:3], texts=[f"one {name}", f"other {name}skapitän", f"{name}"], ids=["a", "b", "c"])
        store.erase("a")
        store.forget("c")
        store.erase("c")
        assert {hit[0] for hit in found(store, f"{name}skapitän")} == {"b"}
        assert store.verify() == []


def test_a_word_that_the_index_kept_of_an_erased_record_is_a_leftover(tmp_path):
    name = "donaudampfschifffahrtsgesellschaft"
    with FieldStore(tmp_path / "s", text_index=True) as store:
        store.add(np.eye(DIM)[:2], texts=[f"one {name}", "two"], ids=["a", "b"])
        connection = store._mirror.folder.database._connection
        connection.execute("INSERT INTO text_index(rowid, text) VALUES(77, ?)", (name,))
        with pytest.raises(LeftoversFound):
            store.erase("a")
        connection.execute("INSERT INTO text_index(text_index) VALUES('rebuild')")
        assert store.finish_erase() is not None
        assert store.verify() == []
