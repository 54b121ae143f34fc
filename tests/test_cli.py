"""The command line: what it prints, where, and with which exit status."""

import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from fieldstore import Certificate, FieldStore, verify_certificate
from fieldstore.cli import main

Run = Callable[..., tuple[int, list[str], str]]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
EVERY_COMMAND = ["verify", "checkpoint", "stats", "ids", "get", "history", "forget", "restore", "erase", "erasures"]
EVERY_COMMAND += ["kept-out", "let-in", "plot"]


@pytest.fixture
def notes(tmp_path) -> Path:
    """A store of three records; c is forgotten."""
    path = tmp_path / "notes"
    with FieldStore(path, dim=3, kappa=30.0, embedder="mini") as store:
        store.add(np.eye(3), ids=["a", "b", "c"], texts=["one", "two", "three"], metadatas=[{"n": 1}, None, {"n": 3}])
        store.forget(["c"], reason="no longer true", actor="ann")
    return path


@pytest.fixture
def keys(tmp_path) -> Path:
    """A folder of PEM files: a key pair, another public key, and a private key under a password."""
    folder = tmp_path / "keys"
    folder.mkdir()
    pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    spki = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    (folder / "private.pem").write_bytes(KEY.private_bytes(*pkcs8, NoEncryption()))
    (folder / "locked.pem").write_bytes(KEY.private_bytes(*pkcs8, BestAvailableEncryption(b"password")))
    (folder / "public.pem").write_bytes(KEY.public_key().public_bytes(*spki))
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    (folder / "stranger.pem").write_bytes(stranger.public_key().public_bytes(*spki))
    return folder


@pytest.fixture
def run(capsys) -> Run:
    """Runs a command; gives its exit status, its lines of output, and what it said on standard error."""

    def run_command(*arguments: object) -> tuple[int, list[str], str]:
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert out == "" or out.endswith("\n")
        return status, out.splitlines(), err

    return run_command


def well(path: Path) -> bool:
    with FieldStore(path) as store:
        return store.verify() == []


def test_stats_gives_a_number_a_line(run, notes):
    status, lines, err = run("stats", notes)
    numbers = dict(line.split(maxsplit=1) for line in lines)
    assert (status, err) == (0, "")
    with FieldStore(notes) as store:
        assert numbers == {name: str(value) for name, value in store.stats().items()}
    assert (numbers["live"], numbers["forgotten"], numbers["kappa"], numbers["embedder"]) == ("2", "1", "30.0", "mini")


def test_verify_says_that_all_is_well(run, notes):
    assert run("verify", notes) == (0, ["all is well"], "")


def test_verify_says_every_difference_and_exits_with_one(run, notes):
    database = apsw.Connection(str(notes / "store.db"))
    database.execute("UPDATE records SET text = 'won' WHERE id = 'a'")
    database.execute("UPDATE records SET text = 'too' WHERE id = 'b'")
    database.close()
    status, lines, err = run("verify", notes)
    assert (status, len(lines), err) == (1, 2, "")
    assert "record 'a'" in lines[0]
    assert "record 'b'" in lines[1]


def test_a_checkpoint_is_printed_kept_and_compared_with_later(run, notes, keys, tmp_path):
    status, lines, err = run("checkpoint", notes, "--signing-key", keys / "private.pem")
    assert (status, err, lines[1], lines[3], len(lines)) == (0, "", "5", "", 5)
    (tmp_path / "kept").write_text("".join(f"{line}\n" for line in lines))
    run("restore", notes, "c")
    against = ("verify", notes, "--against", tmp_path / "kept")
    assert run(*against) == (0, ["all is well"], "")
    assert run(*against, "--public-key", keys / "public.pem") == (0, ["all is well"], "")
    status, lines, _ = run(*against, "--public-key", keys / "stranger.pem")
    assert (status, lines) == (1, ["the checkpoint: it was signed with another key"])
    (tmp_path / "kept").write_text((tmp_path / "kept").read_text().replace("\n5\n", "\n7\n"))
    status, lines, _ = run(*against)
    assert (status, lines) == (1, ["the checkpoint saw 7 entries, the ledger has 6: its tail was cut off"])


def test_a_checkpoint_without_a_key_is_printed_and_said_to_be_unsigned(run, notes, tmp_path):
    status, lines, err = run("checkpoint", notes)
    assert (status, len(lines)) == (0, 3)
    assert "not signed" in err
    (tmp_path / "kept").write_text("\n".join(lines))
    assert run("verify", notes, "--against", tmp_path / "kept") == (0, ["all is well"], "")
    status, lines, err = run("verify", notes, "--against", notes / "lock")
    assert (status, lines) == (1, [])
    assert "no checkpoint" in err


def test_ids_are_those_of_the_live_records_or_of_the_forgotten(run, notes):
    assert run("ids", notes) == (0, ["a", "b"], "")
    assert run("ids", notes, "--forgotten") == (0, ["c"], "")


def test_ids_prints_nothing_at_all_where_there_are_none(run, notes):
    run("restore", notes, "c")
    assert run("ids", notes, "--forgotten") == (0, [], "")
    assert well(notes)


def test_get_prints_a_record_a_line_as_json(run, notes):
    status, (first, second), err = run("get", notes)
    assert (status, err) == (0, "")
    assert json.loads(first)["text"] == "one"
    assert json.loads(second) == {"id": "b", "text": "two", "metadata": {}, "weight": 1.0}
    assert run("get", notes, "b", "a", "b") == (0, [second, first], "")


def test_metadata_is_printed_so_that_json_reads_it_back(run, notes):
    with FieldStore(notes) as store:
        store.update("a", metadatas={"k": [True, None, "it's"]})
    _, (line,), _ = run("get", notes, "a")
    assert json.loads(line)["metadata"] == {"k": [True, None, "it's"]}
    assert well(notes)


@pytest.mark.parametrize("text", ["one\ntwo", "one\ttwo", "one\r\x1b[2Jtwo", None], ids=ascii)
def test_a_record_stays_on_its_line_whatever_its_text_holds(run, notes, text):
    with FieldStore(notes) as store:
        store.update("a", texts=[text])
    status, lines, _ = run("get", notes, "a", "b")
    assert (status, len(lines)) == (0, 2)
    assert lines[0].isprintable()
    assert json.loads(lines[0])["text"] == text
    assert well(notes)


def test_what_is_forgotten_or_unknown_is_not_printed_by_get(run, notes):
    assert run("get", notes, "c", "nobody") == (1, [], "")


def test_history_prints_an_entry_a_line_with_who_and_why(run, notes):
    status, lines, err = run("history", notes)
    assert (status, err) == (0, "")
    assert [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "when", " ".join(line.split())) for line in lines] == [
        "0 when calibrate +30.000000",
        "1 when add +1.000000 point 0",
        "2 when add +1.000000 point 1",
        "3 when add +1.000000 point 2",
        "4 when forget -1.000000 point 2 actor='ann' reason='no longer true'",
    ]
    assert run("history", notes, "c") == (0, [lines[3], lines[4]], "")
    assert run("history", notes, "nobody") == (0, [], "")


def test_forget_and_restore_say_what_became_of_each_id(run, notes):
    forgotten = run("forget", notes, "a", "c", "--reason", "asked", "--actor", "bo")
    assert forgotten == (0, ["forget\ta", "unchanged\tc"], "")
    assert run("forget", notes, "b", "nobody") == (1, ["forget\tb", "unknown\tnobody"], "")
    assert run("get", notes) == (0, [], "")
    assert run("restore", notes, "a", "c", "c") == (0, ["restore\ta", "restore\tc"], "")
    with FieldStore(notes) as store:
        assert [(e.kind, e.actor, e.reason) for e in store.history("a")][1:] == [
            ("forget", "bo", "asked"),
            ("restore", None, None),
        ]
    assert well(notes)


def test_erase_prints_the_certificate_and_check_accepts_it(run, notes, keys, tmp_path):
    status, (line,), err = run("erase", notes, "c", "a", "--signing-key", keys / "private.pem")
    assert (status, err) == (0, "")
    public = (keys / "public.pem").read_text()
    assert verify_certificate(line, public) == []
    assert sorted(Certificate.from_json(line).entries) == [5, 6]
    (tmp_path / "certificate.json").write_text(line + "\n")
    assert run("check", tmp_path / "certificate.json") == (0, ["all is well"], "")
    assert run("check", tmp_path / "certificate.json", "--public-key", keys / "public.pem") == (0, ["all is well"], "")
    status, lines, _ = run("check", tmp_path / "certificate.json", "--public-key", keys / "stranger.pem")
    assert (status, lines) == (1, ["it was signed with another key"])
    assert run("ids", notes) == (0, ["b"], "")
    assert run("history", notes, "c") == (0, [], "")
    assert well(notes)


def test_a_list_of_erasures_is_printed_and_erased_again_from_a_backup(run, notes, tmp_path):
    shutil.copytree(notes, tmp_path / "backup")
    run("erase", notes, "a")
    status, lines, err = run("erasures", notes)
    assert (status, len(lines), err) == (0, 1, "")
    (tmp_path / "erasures").write_text(f"{lines[0]}\n")
    status, lines, err = run("erase-again", tmp_path / "backup", tmp_path / "erasures", "--reason", "the law")
    assert (status, err) == (0, "")
    assert verify_certificate(lines[0]) == []
    again = run("erase-again", tmp_path / "backup", tmp_path / "erasures")
    assert again == (0, ["nothing of it is here"], "")
    assert run("ids", tmp_path / "backup")[1] == ["b"]
    assert well(tmp_path / "backup")


def test_check_of_an_unsigned_certificate_does_not_pass_it_off_as_signed(run, notes, keys, tmp_path):
    _, (line,), _ = run("erase", notes, "a")
    (tmp_path / "certificate.json").write_text(line)
    status, lines, _ = run("check", tmp_path / "certificate.json", "--public-key", keys / "public.pem")
    assert (status, lines) == (1, ["it is not signed"])
    status, lines, err = run("check", tmp_path / "certificate.json")
    assert status == 0
    assert "signed" in "\n".join([*lines, err])
    assert well(notes)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\xff\xfe\x00", b"{}", b"[" * 100_000], ids=range(5))
def test_check_of_something_else_fails_and_raises_nothing(run, tmp_path, content):
    (tmp_path / "certificate.json").write_bytes(content)
    status, lines, err = run("check", tmp_path / "certificate.json")
    assert status == 1
    assert lines or err


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_check_names_the_file_that_is_not_there(run, tmp_path, missing):
    (tmp_path / "here.json").write_text("{}")
    certificate = tmp_path / ("nowhere.json" if missing == "certificate" else "here.json")
    status, lines, err = run("check", certificate, "--public-key", tmp_path / "nowhere.pem")
    assert (status, lines) == (1, [])
    assert err.startswith("fieldstore: ")
    assert ("nowhere.json" if missing == "certificate" else "nowhere.pem") in err


@pytest.mark.parametrize("arguments", [["erase", "a", "nobody"], ["erase", "nobody"], ["get", ""], ["forget", "a", ""]])
def test_an_error_goes_to_standard_error_and_changes_nothing(run, notes, arguments):
    before = run("stats", notes)
    status, lines, err = run(arguments[0], notes, *arguments[1:])
    assert (status, lines) == (1, [])
    assert re.fullmatch(r"fieldstore: .*nothing was.*\n", err)
    assert run("stats", notes) == before
    assert well(notes)


@pytest.mark.parametrize("key", ["nowhere.pem", "locked.pem", "public.pem", "../notes/lock"])
def test_a_signing_key_that_cannot_be_used_stops_the_erase_with_a_line_that_names_it(run, notes, keys, key):
    before = run("stats", notes)
    status, lines, err = run("erase", notes, "a", "--signing-key", keys / key)
    assert (status, lines) == (1, [])
    assert err.startswith("fieldstore: ")
    assert key in err
    assert run("stats", notes) == before
    assert well(notes)


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("place", ["nothing", "an empty folder", "a folder of something else", "a file"])
def test_no_store_is_made_by_a_typo(run, tmp_path, command, place):
    path = tmp_path / "typo"
    if place == "a file":
        path.write_text("mine")
    elif place != "nothing":
        path.mkdir()
    if place == "a folder of something else":
        (path / "thesis.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    words = ["a"] if command in ("forget", "restore", "erase", "let-in") else []
    words = ["weight", "--to", tmp_path / "drawn.png"] if command == "plot" else words
    status, lines, err = run(command, path, *words)
    assert sorted(tmp_path.rglob("*")) == before
    assert (status, lines) == (1, [])
    assert err.startswith("fieldstore: ")
    assert str(path) in err


@pytest.mark.parametrize("arguments", [[], ["remember"], ["forget"], ["erase", "notes"], ["stats"], ["check"]], ids=str)
def test_a_command_that_is_incomplete_is_explained_and_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: fieldstore")


@pytest.fixture
def pages(tmp_path) -> Path:
    """A store of two sources: a copy of the first page stands under another name."""
    path = tmp_path / "pages"
    with FieldStore(path, kappa=20.0) as store:
        store.add(
            [[1, 0, 0], [0, 1, 0], [1, 0.2, 0]],
            ids=["h1", "h2", "copy"],
            texts=["one", "two", "one more"],
            metadatas=[{"source": "handbook.md"}, {"source": "handbook.md"}, {"source": "copy.md"}],
        )
    return path


def test_a_source_that_nobody_has_is_said_to_be_none(run, pages):
    with FieldStore(pages) as store:
        store.add(np.eye(store.dim)[0], ids=["seven"], metadatas=[{"source": 7}])
    for verb in ("forget", "restore"):
        status, printed, said = run(verb, pages, "--source", "7")
        assert (status, printed) == (0, [])
        assert f"nothing to {verb}: no record has that source; here it is always a string" in said
    with FieldStore(pages) as store:
        assert store.exists("seven")
        assert store.verify() == []


def test_forget_tells_first_and_takes_a_source_and_what_is_near_it(run, pages):
    asked = ("forget", pages, "--source", "handbook.md", "--near", "0.95")
    assert run(*asked, "--dry-run") == (
        0,
        ["would forget\th1", "would forget\th2", "would forget\tcopy\tnear\th1\t0.981"],
        "",
    )
    assert run("ids", pages) == (0, ["copy", "h1", "h2"], "")
    assert run("forget", pages, "h1", "--near", "copies")[1] == ["forget\th1", "forget\tcopy\tnear\th1\t0.981"]
    assert run("restore", pages, "--source", "copy.md") == (0, ["restore\tcopy"], "")
    assert run("forget", pages, "h1", "--near", "twins")[2].startswith("fieldstore: near is a cosine")
    with FieldStore(pages) as store:
        assert store.verify() == []


def test_what_is_kept_out_is_listed_and_let_in_again(run, pages, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(32)))
    run("forget", pages, "--source", "handbook.md", "--keep-out", "--reason", "asked")
    status, lines, _ = run("kept-out", pages)
    assert (status, len(lines)) == (0, 3)
    assert [line.split("  ")[2:] for line in lines] == [
        ["source", "reason='asked'"],
        ["text of h1", "reason='asked'"],
        ["text of h2", "reason='asked'"],
    ]
    assert len(run("let-in", pages, lines[2].split()[0])[1]) == 1
    assert len(run("let-in", pages, "--text", "ONE", "--reason", "a mistake")[1]) == 1
    run("erase", pages, "--source", "handbook.md", "--keep-out", tmp_path / "secret")
    assert "by a secret elsewhere" in run("kept-out", pages)[1][0]
    assert run("let-in", pages, "--source", "handbook.md")[0] == 1
    asked = ("let-in", pages, "--source", "handbook.md", "--keep-out-key", tmp_path / "secret")
    assert len(run(*asked)[1]) == 3
    assert run("kept-out", pages) == (0, [], "")
    with FieldStore(pages) as store:
        assert store.verify() == []


def test_warm_compiles_and_says_so(run):
    assert run("warm") == (0, ["the field's loops are compiled and cached"], "")


def test_python_dash_m_runs_the_same_command(notes, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fieldstore", "ids", str(notes)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("fieldstore", run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == "a\nb\n"


def test_what_lies_around_a_record_is_hidden_listed_and_shown_again(run, notes):
    status, lines, _ = run("repel", notes, "a", 0.9, "--reason", "too loud")
    assert (status, lines) == (0, ["r5\tradius 0.9 around a, hides 1\treason='too loud'", "hides\ta"])
    assert run("repellers", notes)[1] == lines[:1]
    assert "hidden: out of every ranking" not in "".join(run("explain", notes, "b")[1])
    assert run("unrepel", notes, "r5", "r9")[:2] == (1, ["unrepel\tr5", "unknown\tr9"])
    assert run("repellers", notes)[1] == []
    assert run("repel", notes, "a", 2)[0] == 1
    assert well(notes)


def test_what_answers_at_the_place_of_a_record_is_explained_as_text_and_as_json(run, notes):
    status, lines, _ = run("explain", notes, "a", "-k", 1)
    assert status == 0
    assert lines[0].startswith("the field here: 1 copies")
    assert lines[4].startswith("1. a  score 1.0000")
    (line,) = run("explain", notes, "a", "--json")[1]
    assert [hit["id"] for hit in json.loads(line)["hits"]] == ["a", "b"]
    status, _, err = run("explain", notes, "c")
    assert status == 1
    assert "no record 'c' is live" in err
