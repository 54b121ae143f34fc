# The retrieval benchmark: how texts are cut and copied, what is counted, and what the committed figures say.
import json

import numpy as np
import pytest

from benchmarks import collection as collections
from benchmarks import embed, retrieval, ways
from benchmarks.collection import Collection, Pieces
from benchmarks.measures import Asked, chance, measured, per_1000_words
from benchmarks.plots import read, rows_of
from benchmarks.readme import RESULTS
from fieldstore import FieldStore

PROMISED = {  # field-semantics, 11: distinct relevant documents @5 and @10, windows, kappa over all points
    "nearest": (1.138, 1.676),
    "MMR 0.5": (0.840, 1.471),
    "MMR 0.7": (1.133, 1.769),
    "MMR 0.9": (1.160, 1.813),
    "de-duplication at .85": (1.329, 2.022),
    "attractors": (1.333, 2.098),
    "one per document": (1.516, 2.338),
    "attractors with per": (1.507, 2.307),
}


def written(folder, documents, questions, judged):
    """A collection's three files."""
    for name, texts in (("docs", documents), ("queries", questions)):
        lines = [json.dumps({"id": id, "text": text}) for id, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = ["query_id\tdoc_id\trelevance", *("\t".join(row) for row in judged)]
    (folder / "qrels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(folder)


def test_sentences_drop_what_is_said_twice_and_join_what_is_too_short():
    text = "a wing in a slipstream . a wing in a slipstream . see fig . the lift was found to agree ."
    assert collections.sentences(text) == ["a wing in a slipstream . see fig", "the lift was found to agree"]
    assert collections.sentences("") == []


def test_windows_are_three_sentences_one_apart_and_an_empty_document_has_none():
    texts = {"long": " . ".join(f"this is sentence number {n}" for n in range(5)), "short": "only one here .", "no": ""}
    pieces = collections.windows(Collection("c", texts, {}, {}))
    assert pieces.ids == ["long#0", "long#1", "long#2", "short#0"]
    assert pieces.sources == pieces.documents == ["long", "long", "long", "short"]
    assert pieces.texts[1].count("sentence number") == 3
    assert pieces.texts[3] == "only one here"


def test_copies_come_behind_under_other_names_and_are_the_same_document():
    pieces = collections.windows(collections.made_up())
    grown = collections.with_copies(pieces, part=0.2, times=2)
    assert grown.ids[: len(pieces.ids)] == pieces.ids
    assert len(set(grown.ids)) == len(grown.ids)
    assert len(set(grown.sources)) == 60 + 2 * 12
    assert set(grown.documents) == set(pieces.documents)
    texts = dict(zip(pieces.ids, pieces.texts, strict=True))
    assert all(texts[id.split(" again ")[0]] == text for id, text in zip(grown.ids, grown.texts, strict=True))


def test_a_collection_that_contradicts_itself_or_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no folder with docs\.jsonl"):
        collections.load(str(tmp_path))
    name = written(tmp_path, {"d": "text"}, {"q": "question"}, [("q", "e", "1")])
    with pytest.raises(ValueError, match="judges e for q: one is not there"):
        collections.load(name)
    written(tmp_path, {"d": "text"}, {"q": "one", "r": "nobody judged this"}, [("q", "d", "2"), ("r", "d", "0")])
    loaded = collections.load(name)
    assert loaded.questions == {"q": "one"}
    assert loaded.relevant == {"q": {"d": 2}}
    with pytest.raises(ValueError, match="`make vectors`"):
        embed.embedded(loaded)


def test_a_second_piece_of_a_document_counts_for_nothing():
    pieces = Pieces(list("abcd"), ["two words"] * 4, list("xxyz"), list("xxyz"))
    collection = Collection("c", {}, {"q": "?"}, {"q": {"x": 1, "z": 1}})
    asked = Asked(collection, pieces, np.eye(4, dtype=np.float32))
    values = measured(asked, [[2, 0, 1, 3]])
    ideal = 1.0 + 1.0 / np.log2(3)
    assert values["nDCG@10"][0] == pytest.approx((1.0 / np.log2(3) + 1.0 / np.log2(5)) / ideal)
    assert values["MAP@100"][0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert values["MRR"][0] == 0.5
    assert (values["distinct@5"][0], values["distinct@10"][0], values["words@10"][0]) == (2, 2, 8)
    assert values["cosine@10"][0] == 0.0
    assert per_1000_words(values) == pytest.approx(250.0)


def test_chance_is_the_share_of_signs_that_do_as_well():
    assert chance(np.array([1.0, 1.0, 1.0, 1.0])) == pytest.approx(2 / 16, abs=0.01)
    assert chance(np.array([1.0, -1.0, 1.0, -1.0])) == 1.0
    assert chance(np.full(40, 0.3)) < 0.001


def test_mmr_is_cosine_at_one_and_never_repeats(rng):
    rows = rng.normal(size=(80, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[3] + rows[4]
    near = np.argsort(-(rows @ query)).tolist()
    assert ways.mmr(near, rows, query, 1.0) == near
    half = ways.mmr(near, rows, query, 0.5)
    assert sorted(half) == sorted(near)
    assert half[0] == near[0]
    best = max(near[1:50], key=lambda n: 0.5 * rows[n] @ query - 0.5 * rows[n] @ rows[near[0]])
    assert half[1] == best


def test_de_duplication_keeps_the_best_of_those_alike():
    rows = np.array([[1.0, 0.0], [0.99, 0.14], [0.0, 1.0], [0.6, 0.8]], np.float32)
    assert ways.thinned([0, 1, 3, 2], rows) == [0, 3, 2]
    assert ways.first_of_each([0, 1, 3, 2], ["a", "a", "a", "b"]) == [0, 3]


def test_a_store_in_cells_answers_as_one_that_is_scanned_flat(rng):
    rows = rng.normal(size=(1200, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = [str(number) for number in range(len(rows))]
    pieces, asked = Pieces(ids, ["text"] * len(ids), ids, ids), ["text"] * 20
    with FieldStore(text_index=True) as flat, FieldStore(text_index=True) as cells:
        without = ways.stored(flat, pieces, rows)
        with retrieval.in_cells():
            within = ways.stored(cells, pieces, rows)
            found = ways.answered(within, rows[:20], asked, exact=False)
        assert flat.field.state() is None
        assert cells.field.state() is not None
        exact = ways.answered(within, rows[:20], asked, exact=True)
        assert exact == ways.answered(without, rows[:20], asked, exact=False)
        same = [len(set(a[:10]) & set(b[:10])) for a, b in zip(found["nearest"], exact["nearest"], strict=True)]
        assert np.mean(same) > 8.5
        assert flat.verify() == []
        assert cells.verify() == []


def test_the_committed_figures_are_those_that_were_promised():
    answer = read(RESULTS, "retrieval")
    assert answer["pace"] != "quick"
    for cells in (False, True):
        whole = {row[""]: row for row in rows_of(answer, retrieval.title("whole documents", False, cells))}
        assert whole["nearest"]["nDCG@10"] == pytest.approx(0.3995, abs=0.002)
        assert whole["nearest, smooth"]["nDCG@10"] == pytest.approx(0.412, abs=0.002)
        assert whole["nearest"]["MAP@100"] == pytest.approx(0.3208, abs=0.002)
        windows = {row[""]: row for row in rows_of(answer, retrieval.title("windows", False, cells))}
        for way, promised in PROMISED.items():
            assert (windows[way]["distinct@5"], windows[way]["distinct@10"]) == pytest.approx(promised, abs=0.02)


def test_the_published_map_shows_a_hill_that_goes_and_one_that_stays():
    forgotten, survivor, other = read(RESULTS, "pictures")["tables"][0]["rows"]
    assert forgotten["before"] - forgotten["after"] == pytest.approx(1.0)
    assert forgotten["after"] < 0.2
    assert survivor["after"] > 1.0
    assert other["after"] > 1.0
