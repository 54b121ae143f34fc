# That every question of the benchmarks runs, alone and in small; how fast anything is, is not asked here.
import json

import numpy as np
import pytest

from benchmarks import synthetic
from benchmarks.__main__ import QUESTIONS, main
from benchmarks.timing import Point, at_recall


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
