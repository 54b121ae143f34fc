# Pictures: the values they are drawn from, and that they are drawn; how they look is for eyes.
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from fieldstore import Field, FieldStore, UnknownRecord, plots
from fieldstore.cli import main

KAPPA = 40.0


def unit(vector):
    return vector / np.linalg.norm(vector)


def beside(place, cosine, rng):
    """A random direction at this cosine to a place."""
    away = rng.normal(size=len(place))
    away = unit(away - (away @ place) * place)
    return cosine * place + np.sqrt(1.0 - cosine**2) * away


def filled(store, rng, *, copy=0.8, weight=1.0):
    """A secret, a copy of it at this cosine, something else, and twenty records far away."""
    secret = unit(rng.normal(size=16))
    places = [secret, beside(secret, copy, rng), beside(secret, 0.45, rng)]
    places += [beside(secret, -0.2, rng) for _ in range(20)]
    ids = ["secret", "copy", "other", *(f"far{number}" for number in range(20))]
    store.add(places, ids=ids, texts=[f"text of {id}" for id in ids], weights=[weight] + [1.0] * 22)
    return secret


def falls_back_from(field, place):
    """How many degrees the field leads away from a place: a hill has its top next to it."""
    end = field.ascend(place).place
    return float(np.degrees(np.arccos(np.clip(end @ unit(place), -1.0, 1.0))))


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_forgotten_hill_is_gone_and_the_copys_hill_stays(store_of, rng, forgotten):
    store = store_of(kappa=KAPPA)
    filled(store, rng, weight=1.5)
    if forgotten:
        store.forget("secret")
    seen = plots.hills(store, "secret")
    assert [record.id for record in seen.records] == ["secret", "copy", "other"]
    assert [record.text for record in seen.records] == ["text of secret", "text of copy", "text of other"]
    secret, copy, other = seen.records
    assert secret.before - secret.after == pytest.approx(1.5)  # its own weight, to the last copy
    assert secret.after < 0.01
    felt = 1.5 * np.exp(KAPPA * (float(secret.vector @ copy.vector) - 1.0))
    assert copy.before - copy.after == pytest.approx(felt, rel=1e-4)
    assert copy.after == pytest.approx(1.0, abs=0.01)
    assert other.after == pytest.approx(other.before, abs=1e-6)
    assert falls_back_from(seen.before, secret.vector) < 1.0
    assert falls_back_from(seen.after, secret.vector) > 30.0
    assert falls_back_from(seen.after, copy.vector) < 1.0
    assert store.verify() == []


def test_the_map_after_is_the_field_of_the_store_that_forgot_to_the_bit(store_of, rng):
    store = store_of(kappa=KAPPA)
    filled(store, rng)
    seen, places = plots.hills(store, "secret"), rng.normal(size=(50, 16))
    assert np.array_equal(seen.before.evaluate(places), store.field.evaluate(places))
    store.forget("secret")
    assert np.array_equal(seen.after.evaluate(places), store.field.evaluate(places))
    again = plots.hills(store, "secret")
    assert np.array_equal(again.before.evaluate(places), seen.before.evaluate(places))
    assert str(again) == str(seen)
    assert store.verify() == []


@pytest.mark.parametrize("subject", ["copy7", "else"])
def test_more_copies_than_are_looked_at_hide_no_next_attractor(rng, subject):
    store, place = FieldStore(), rng.normal(size=8)
    store.add(np.tile(place, (250, 1)), ids=[f"copy{n}" for n in range(250)])
    store.add(-place + rng.normal(size=8), ids=["far"])
    store.add(place + 0.4 * rng.normal(size=8), ids=["else"], weights=0.5)
    seen = plots.hills(store, subject)
    assert {record.id for record in seen.records[1:]} >= {"far"}
    assert seen.records[1].id.startswith("copy")
    assert store.verify() == []


def test_the_three_records_lie_on_the_map_where_it_says(store, rng):
    filled(store, rng)
    seen = plots.hills(store, "secret")
    assert np.allclose(seen.basis @ seen.basis.T, np.eye(3), atol=1e-9)
    vectors = np.stack([record.vector for record in seen.records])
    assert np.allclose(seen.places(*seen.coordinates().T), vectors, atol=1e-6)
    edge = seen.places(np.array([0.0, 60.0]), np.array([0.0, 0.0]))
    assert float(edge[0] @ edge[1]) == pytest.approx(0.5)  # sixty degrees from the middle
    assert store.verify() == []


def test_an_exact_copy_leaves_half_of_the_hill_and_a_map_can_still_be_laid_out(store, rng):
    secret = filled(store, rng, copy=0.95)
    store.add([secret], ids=["the same"], texts=["text of secret"])
    seen = plots.hills(store, "secret")
    assert [record.id for record in seen.records] == ["secret", "the same", "other"]
    assert seen.records[0].before - seen.records[0].after == pytest.approx(1.0)
    assert seen.records[0].after > 1.0
    assert np.allclose(seen.basis @ seen.basis.T, np.eye(3), atol=1e-9)
    assert np.allclose(*seen.coordinates()[:2])
    assert store.verify() == []


def test_what_a_repeller_takes_away_is_missing_from_the_map(store, rng):
    secret = filled(store, rng)
    store.repel("other", 0.9)
    seen = plots.hills(store, "secret")
    assert [record.id for record in seen.records[:2]] == ["secret", "copy"]
    assert seen.records[2].id.startswith("far")  # the other one is hidden, and no attractor
    places = np.stack([secret, store.get("other", vectors=True)[0].vector])
    assert np.array_equal(seen.before.evaluate(places), store.field.evaluate(places))
    assert seen.before.evaluate(places)[1] < 0
    assert store.verify() == []


def test_a_new_version_of_a_record_is_drawn_at_its_own_place(store, rng):
    filled(store, rng)
    moved = beside(unit(rng.normal(size=16)), 0.9, rng)
    store.update("secret", vectors=[moved])
    assert np.allclose(plots.hills(store, "secret").records[0].vector, moved, atol=1e-6)
    store.forget("secret")
    assert np.allclose(plots.hills(store, "secret").records[0].vector, moved, atol=1e-6)
    assert store.verify() == []


def test_what_cannot_be_drawn_is_refused_by_name(store, rng):
    filled(store, rng)
    with pytest.raises(UnknownRecord, match="no record 'nobody'"):
        plots.hills(store, "nobody")
    store.erase("copy")
    with pytest.raises(UnknownRecord, match="no record 'copy'"):
        plots.hills(store, "copy")
    store.forget([id for id in store.ids() if id not in ("secret", "other")])
    with pytest.raises(ValueError, match="no two other records"):
        plots.hills(store, "secret")
    flat = FieldStore()
    flat.add(np.eye(2), ids=["a", "b"])
    with pytest.raises(ValueError, match="3 dimensions"):
        plots.hills(flat, "a")
    flat.close()
    with pytest.raises(ValueError, match="no hits"):
        plots.shares_of([])
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.weight_of([])
    with pytest.raises(ValueError, match="over must be"):
        plots.weight_of(store.entries(), over="seconds")
    assert store.verify() == []


def test_the_map_shows_both_fields_on_one_scale_and_hides_what_is_not_positive(store, rng):
    filled(store, rng)
    seen = plots.hills(store, "secret")
    figure = plots.map_of(seen, steps=21)
    left, right, scale = figure.axes
    assert [axes.get_title() for axes in (left, right)] == ["before: φ(A) = 1.02", "after: φ(A) = 0.02"]
    assert r"\ln\varphi" in scale.get_ylabel()
    words = " ".join(text.get_text() for part in figure.subfigs for text in part.texts)
    assert all(f"{record.id} text of {record.id}" in words for record in seen.records)
    dug = Field(16, kappa=KAPPA)
    dug.add(seen.records[0].vector, -1.0)
    with pytest.raises(ValueError, match="nowhere positive"):
        plots.map_of(seen._replace(before=dug, after=dug), steps=5)
    with pytest.raises(ValueError, match="steps must be at least 3"):
        plots.map_of(seen, steps=2)
    assert store.verify() == []


def test_the_bars_of_shares_are_as_long_as_the_shares(store, rng):
    secret = filled(store, rng, copy=0.95)
    hits = store.search(secret, 3, by="attractors")
    axes = plots.shares_of(hits).axes[0]
    drawn = {}
    for bar in axes.patches:
        drawn[bar.get_y()] = drawn.get(bar.get_y(), 0.0) + bar.get_width()
    assert list(drawn.values()) == pytest.approx([hit.share for hit in hits])
    assert axes.patches[len(hits)].get_width() == pytest.approx(hits[0].members[0].share)
    assert store.verify() == []


def test_the_line_of_weight_ends_at_what_is_in_the_field(store_of, rng):
    store = store_of()
    filled(store, rng)
    store.reweight("other", 2.5)
    store.forget(["secret", "copy"])
    store.restore("copy")
    store.erase("far3")
    for over in ("position", "time"):
        axes = plots.weight_of(store.entries(), over=over).axes[0]
        assert axes.lines[0].get_ydata()[-1] == pytest.approx(store.field.weights.sum())
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["add (23)", "reweight (1)", "forget (2)", "restore (1)", "erase (1)"]
    assert store.verify() == []


@pytest.mark.parametrize("what", ["field", "shares", "weight"])
def test_the_command_draws_into_a_file_and_changes_nothing(what, tmp_path, rng, capsys):
    with FieldStore(tmp_path / "notes", kappa=KAPPA) as store:
        filled(store, rng)
        store.forget("secret")
        entries = store.stats()["entries"]
    words = [] if what == "weight" else ["--id", "secret"]
    assert main(["plot", str(tmp_path / "notes"), what, *words, "--to", str(tmp_path / "drawn.png")]) == 0
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")
    assert ("nearest survivor" in capsys.readouterr().out) == (what == "field")
    with FieldStore(tmp_path / "notes", create=False) as store:
        assert store.stats()["entries"] == entries
        assert store.verify() == []


def test_the_command_says_what_it_needs_and_draws_nothing(tmp_path, rng, capsys):
    with FieldStore(tmp_path / "notes", kappa=KAPPA) as store:
        filled(store, rng)
        assert store.verify() == []
    place, drawn = str(tmp_path / "notes"), tmp_path / "drawn.png"
    for words, said in (
        (["field"], "plot field needs --id; nothing was drawn"),
        (["weight", "--id", "secret"], "plot weight takes no --id; nothing was drawn"),
        (["shares", "--id", "nobody"], "no record 'nobody'"),
    ):
        assert main(["plot", place, *words, "--to", str(drawn)]) == 1
        assert said in capsys.readouterr().err
    assert main(["plot", place, "weight", "--to", str(tmp_path / "drawn.xyz")]) == 1
    assert "xyz" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes"]


def test_without_matplotlib_the_extra_is_named(store, rng, monkeypatch, capsys, tmp_path):
    filled(store, rng)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"fieldstore\[plots\]"):
        plots.shares_of(store.search(np.eye(16)[0], 3, by="attractors"))
    assert store.verify() == []


def test_figures_belong_to_nobody_else(store, rng):
    filled(store, rng)
    assert isinstance(plots.weight_of(store.entries()), Figure)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    assert store.verify() == []
