# The torture tests in small: what `make torture` does by the thousand (tests/torture), here some hundred of each.

import random

import pytest

from tests.torture import f1_outside, runner
from tests.torture.disk import Op
from tests.torture.figures import Figures
from tests.torture.power import Power


@pytest.mark.parametrize(
    ("name", "count"), [("F1", 250), ("F2", 15), ("F3", 300), ("F4", 200), ("F5", 120), ("F8", 200)]
)
def test_faults_lose_nothing_that_was_acknowledged_and_make_no_answer_wrong(name, count):
    figures, _ = runner.run((name, 7, count))
    assert figures.broken == ()
    assert figures.good
    assert figures.trials >= count


@pytest.mark.skipif(f1_outside.STRACE is None, reason="there is no strace here")
def test_system_calls_that_fail_or_kill_from_outside_do_no_harm_either():
    figures, _ = runner.run(("F1_OUTSIDE", 7, 6))
    assert figures.good, figures.broken
    figures, _ = runner.run(("F8_OUTSIDE", 7, 3))
    assert figures.good, figures.broken


def test_a_torture_test_without_faults_or_with_a_loss_is_red(capsys):
    pieces = {"F1": [("F1", 1000, 5)]}
    for figures, red in (
        (Figures(5, 5, 0, 5, 0), 0),
        (Figures(5, 5, 0, 0, 0), 1),
        (Figures(5, 5, 1, 5, 0), 1),
        (Figures(5, 5, 0, 5, 1), 1),
        (Figures(5, 5, 0, 5, 0, ("the test raised",)), 1),
    ):
        assert runner.report(pieces, {("F1", 1000, 5): (figures, 1.0)}, 1.0) == red
    assert runner.report(pieces, {}, 1.0) == 1  # not run
    assert "RED" in capsys.readouterr().out


def test_pieces_make_up_the_count_and_have_seeds_of_their_own():
    for name in runner.names():
        pieces = runner.pieces(name, 3)
        assert sum(count for _, _, count in pieces) == runner.module(name).COUNT
        assert len({seed for _, seed, _ in pieces}) == len(pieces)


def test_what_is_done_already_is_not_done_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "pieces", lambda name, seed: [(name, 1000 * seed, 3)])
    progress = tmp_path / "done.jsonl"
    assert runner.main(["F5", "--seed", "5", "--resume", str(progress), "--cores", "1"]) == 0
    before = progress.read_text()
    assert len(before.splitlines()) == 1
    assert runner.main(["F5", "--seed", "5", "--resume", str(progress), "--cores", "1", "--budget", "0"]) == 0
    assert progress.read_text() == before
    assert "not run" not in capsys.readouterr().out


def test_a_loss_of_power_keeps_what_was_synced_and_may_keep_any_part_of_the_rest(rng):
    power = Power("s", {"a": b"old" * 1000})
    for op in (
        Op("write", "a", 0, b"x" * 1500),
        Op("sync", "a"),
        Op("write", "a", 1000, b"y" * 1000),
        Op("create", "b"),
        Op("write", "b", 0, b"z"),
        Op("sync", "b"),  # but its name is not
    ):
        power.follow(op)
    states = dict(power.states(random.Random(3)))
    synced = b"x" * 1500 + (b"old" * 1000)[1500:]
    assert states["dropped"] == {"a": synced}
    assert states["kept"] == {"a": b"x" * 1000 + b"y" * 1000 + synced[2000:], "b": b"z"}
    for _ in range(30):
        torn = dict(power.states(random.Random(rng.integers(2**32).item())))["torn at 512"]["a"]
        for sector in (slice(1000, 1024), slice(1024, 1536), slice(1536, 2000)):
            assert torn[sector] in (synced[sector], states["kept"]["a"][sector])
        assert torn[:1000] + torn[2000:] == synced[:1000] + synced[2000:]
    power.follow(Op("names", "s"))
    power.follow(Op("sync", "a"))
    assert [kind for kind, _ in power.states(random.Random(3))] == ["nothing at stake"]
