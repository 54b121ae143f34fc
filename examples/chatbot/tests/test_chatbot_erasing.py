"""What is erased is proven: held up or not, now or at the next start."""

from contextlib import contextmanager

import apsw
import pytest

from examples.chatbot.reports import certificate_lines
from examples.chatbot.terminal import ScriptFailed
from fieldstore import verify_certificate


@contextmanager
def reader_of(played):
    """Another program in the middle of reading the database."""
    (path,) = [path for path in played.data.store.iterdir() if path.read_bytes().startswith(b"SQLite format 3")]
    connection = apsw.Connection(str(path))
    connection.execute("begin; select count(*) from sqlite_master").fetchall()
    try:
        yield
    finally:
        connection.close()


def held_up(played, source):
    """Erase it while somebody reads."""
    played.library.store._timeout = 0.05
    played.library.store._mirror.folder.database._connection.set_busy_timeout(50)
    with reader_of(played), pytest.raises(ScriptFailed, match="type /erase without a name"):
        played.chat.commands.erasing.erase(played.library.ids(source), [source])


def test_an_erase_that_a_reader_holds_up_is_explained_and_finished_by_erase_without_a_name(play):
    played = play()
    held_up(played, "engine.md")
    assert played.library.ids("engine.md") == []
    assert not list(played.data.certificates.glob("*"))
    played.chat.commands.run("/erase")
    (path,) = played.data.certificates.glob("*.json")
    assert verify_certificate(path.read_text(), played.data.public_key.read_bytes()) == []


def test_an_erase_that_was_held_up_is_finished_and_proven_by_the_next_start(play, table):
    with pytest.raises(AssertionError, match="call finish_erase"), table.playing() as played:  # so says verify
        held_up(played, "engine.md")
    again = play()
    assert "certificate: 1 passages destroyed, signed" in again.text
    assert len(list(again.data.certificates.glob("*.json"))) == 1
    assert "certificate" not in play().text, "once is enough"


def test_erase_without_a_name_asks_for_one_when_nothing_is_pending(play):
    assert "/erase needs the name or number of a source" in play("/erase").text


def test_a_certificate_says_where_the_same_words_still_stand(play, table):
    table.write("copy.txt", (table.folder / "guest.md").read_text())
    text = play("/erase guest.md", "y", "n").text
    assert "searched for leftovers: 0 found in " in text
    assert "the same words still stand in other passages, which were not erased: 1" in text


def test_a_certificate_that_could_not_search_says_so(play):
    certificate = play("/erase engine.md", "y").library.store.certificates()[0]
    scan = {"searched_for_content": False, "also_in_notes_of_entries": [3, 7], "too_short_or_plain_to_search": 2}
    certificate.body["scan"].update(scan)
    lines = "\n".join(certificate_lines(certificate))
    assert "not searched for leftovers" in lines
    assert "entries 3, 7 of /history" in lines
    assert "too short or plain to be searched for, but deleted: 2 values" in lines


def test_a_missing_public_key_is_said_before_anything_is_erased_and_made_again_at_the_start(play):
    played = play()
    played.data.public_key.unlink()
    with pytest.raises(ValueError, match="nothing was erased"):
        played.chat.commands.erasing.erase(played.library.ids("engine.md"), ["engine.md"])
    assert played.library.ids("engine.md", forgotten=False)
    assert "it holds" in play("/erase engine.md", "y").text


def test_text_that_was_cut_out_of_a_file_is_named_and_purged(play, table):
    play()
    table.write("engine.md", "The gear oil is changed once a year.")
    again = play("/load", "/sources", "/purge engine", "y", "/purge")
    assert "still on disk: engine.md (1 passages). /purge destroys it." in again.text
    assert "live, 1 cut out and still on disk" in again.text
    assert "Erased: 1 old passages of engine.md." in again.text
    assert "There is nothing that was cut out" in again.text
    files = [path.read_bytes() for path in again.data.store.rglob("*") if path.is_file()]
    assert any(b"once a year" in file for file in files)
    assert not any(b"copper washer" in file for file in files)


def test_purge_asks_back_and_leaves_a_forgotten_source_alone(play, table):
    play("/forget guest.md", "n")
    table.write("engine.md", "The gear oil is changed once a year.")
    played = play("/load", "/purge", "n", "/purge guest.md")
    assert "Nothing was erased." in played.text
    assert len(played.library.ids("engine.md")) == 2
    assert len(played.library.ids("guest.md")) == 1
