# That every question of the benchmarks runs, alone and in small, and that the README says what was measured; how fast
# anything is, is not asked here.
import json
import os

import numpy as np
import pytest

from benchmarks import data, plots, readme, synthetic
from benchmarks.__main__ import QUESTIONS, main
from benchmarks.timing import Point, at_recall, cores, in_turns

ANSWER = {
    "question": "query",
    "title": "Nearest 10 of 100,000 points",
    "machine": {"cores": 2, "memory in GiB": 24},
    "pace": "fast",
    "versions": {"fieldstore": "0.1.0", "hnswlib": "0.8.0"},
    "tables": [
        {
            "title": plots.EVERY_SETTING,
            "rows": [
                {"": "fieldstore", "setting": "effort 1", "recall@10": 0.96, "µs per query": 60.0},
                {"": "fieldstore", "setting": "effort 2", "recall@10": 0.99, "µs per query": 100.0},
                {"": "hnswlib", "setting": "ef 32", "recall@10": 0.955, "µs per query": 240.0},
            ],
        },
        {
            "title": plots.EQUAL_RECALL,
            "rows": [
                {"": name, "µs at 0.95": a, "÷ ours at 0.95": b, "µs at 0.98": c, "÷ ours at 0.98": d, "best recall": e}
                for name, a, b, c, d, e in [
                    ("fieldstore", 60.0, 1.0, 80.0, 1.0, 0.99),
                    ("hnswlib", 240.0, 4.0, None, None, 0.955),
                ]
            ],
        },
    ],
    "notes": [],
    "figures": [
        {"what": "a durable forget", "fieldstore": "0.8 ms", "beside": "Chroma 5.1 ms", "times": 6.4, "recall": None}
    ],
}


def results_of(folder, **other):
    folder.mkdir(exist_ok=True)
    (folder / "query.json").write_text(json.dumps({**ANSWER, **other}), encoding="utf-8")
    return folder


def test_the_readme_shows_the_committed_figures_and_no_others():
    page = readme.README.read_text(encoding="utf-8")
    assert readme.with_figures(page) == page, "the README is not what benchmarks/results says: run `make figures`"


def test_figures_are_written_with_their_ratio_and_recall_and_the_machine_by_its_size(tmp_path):
    page, (begin, end) = tmp_path / "README.md", readme.marks("figures")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n", encoding="utf-8")
    readme.refresh(results_of(tmp_path / "results"), page)
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert "2 cores and 24 GiB of memory" in written
    assert "| hnswlib | 240 µs | 4.00 | – | – | 0.955 |" in written
    assert "60 µs at a recall of 0.960" in written
    assert "| a durable forget | 0.8 ms | Chroma 5.1 ms | 6.40 | – |" in written


def test_figures_of_a_quick_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match="quick run, not to be published: query"):
        readme.section(results_of(tmp_path / "results", pace="quick"))


def test_the_same_figures_draw_the_same_plot_on_a_log_scale(tmp_path):
    pytest.importorskip("matplotlib", reason="the plots' matplotlib is in .venv/bench only")
    drawn = []
    for name in ("a", "b"):
        plots.draw(results_of(tmp_path / name), print)
        drawn.append((tmp_path / name / "query.svg").read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    assert "10^{2}" in drawn[0]


def test_a_data_set_known_by_name_is_found_in_the_folder_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDSTORE_DATA", str(tmp_path))
    (tmp_path / "minilm").mkdir()
    for name in ("vectors", "queries"):
        np.save(tmp_path / "minilm" / f"{name}.npy", np.eye(4, dtype=np.float16))
    assert data.folder_of("minilm") == tmp_path / "minilm"
    assert data.load("minilm", 3, 2).points.shape == (3, 4)


def test_a_turn_on_one_core_gives_the_others_back():
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if before is None:
        pytest.skip("this system lets no process give up a core")
    with cores(1) as possible:
        assert possible
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_who_takes_longer_than_the_patience_gets_one_turn():
    taken = in_turns({"a": lambda _: None}, 3, patience=0.0)
    assert len(taken["a"]) == 1


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_prints_a_table_and_writes_it_down(question, tmp_path, capsys):
    main([question, "--quick", "--no-peers", "--results", str(tmp_path)])
    written = json.loads((tmp_path / f"{question}.json").read_text(encoding="utf-8"))
    assert written["question"] == question
    assert all(table["rows"] for table in written["tables"])
    assert written["title"] in capsys.readouterr().out


def test_an_unknown_question_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["qeury"])
    assert "unknown: qeury" in capsys.readouterr().err


def test_the_synthetic_set_is_the_same_however_many_rows_are_asked_for():
    few, many = synthetic.rows(100), synthetic.rows(synthetic.CHUNK + 50)
    assert np.array_equal(few, many[:100])
    assert np.allclose(np.linalg.norm(many, axis=1), 1.0, atol=1e-6)
    assert not np.array_equal(few, synthetic.rows(100, stream=1))


def test_time_at_a_recall_lies_between_the_settings_around_it():
    curve = [Point("a", 0.9, 1.0), Point("worse and slower", 0.85, 3.0), Point("b", 0.99, 4.0)]
    assert at_recall(curve, 0.9) == pytest.approx(1.0)
    assert at_recall(curve, 1 - 0.1**1.5) == pytest.approx(2.0)  # halfway in log misses, so in log time
    assert at_recall(curve, 0.5) == pytest.approx(1.0)
    assert at_recall(curve, 0.995) is None
