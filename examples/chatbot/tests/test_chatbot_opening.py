"""The folder for data: whose it is, and what is in it already."""

import pytest

from examples.chatbot.keys import public_path, signing_key
from examples.chatbot.opening import Data, open_library


def test_a_gitignore_that_is_there_is_never_changed(play, table):
    table.data.folder.mkdir()
    (table.data.folder / ".gitignore").write_text("mine\n")
    play()
    assert (table.data.folder / ".gitignore").read_text() == "mine\n"


def test_a_gitignore_of_our_own_hides_our_own_files_alone(play, table):
    table.data.folder.mkdir()
    (table.data.folder / "thesis.tex").touch()
    lines = (play("/erase engine.md", "y").data.folder / ".gitignore").read_text().split()
    assert "*" not in lines
    assert {f"/{path.name}" for path in table.data.folder.iterdir()} - {"/thesis.tex"} == set(lines)


def test_data_of_other_documents_is_refused_and_both_are_named(play, table, tmp_path):
    play()
    other = tmp_path / "other"
    other.mkdir()
    with (
        pytest.raises(ValueError, match=f"read from {table.folder}, not from {other}"),
        open_library(other, table.data, table.embedding, "hashed words", table.framework),
    ):
        pass


def test_a_missing_public_half_is_made_again_and_a_missing_private_one_is_named(tmp_path):
    key = signing_key(tmp_path / "key.pem")
    public = public_path(key).read_bytes()
    public_path(key).unlink()
    assert public_path(signing_key(key)).read_bytes() == public
    key.unlink()
    with pytest.raises(ValueError, match=r"key\.pem is gone"):
        signing_key(key)
    assert public_path(key).read_bytes() == public


def test_a_private_key_that_is_none_is_named(tmp_path):
    data = Data(tmp_path)
    data.key.write_text("no key")
    with pytest.raises(ValueError, match="holds no private key"):
        signing_key(data.key)
