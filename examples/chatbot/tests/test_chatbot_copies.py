"""Near-copies are found however many passages say the same, and when they come back under another name."""

import pytest

FACT = "Mrs Tessarow of Quillgate Row is allergic to sesame and carries a red adrenaline pen."


def similar(count: int) -> str:
    """One fact in so many paragraphs, each long enough to be a passage of its own and none quite the same."""
    more = " She told us so when she rented the boat, and we wrote it down for all who pack the hampers or meet her."
    more += " Whoever is on duty reads this first, and tells the kitchen before anything is put into the basket at all."
    return "\n\n".join(f"{FACT}{more} Note {n}." for n in range(count))


@pytest.fixture
def crowd(table):
    for name in ("guest.md", "copy.txt"):
        (table.folder / name).unlink()
    table.write("log.md", similar(14))
    table.write("other.txt", similar(1).replace("Note 0.", "Seen at the wharf, a grey and windy Friday."))
    return table


def test_the_passages_of_the_source_itself_do_not_crowd_a_copy_out(play, crowd):
    played = play("/forget log.md", "y")
    assert "[3] other.txt still says the same: 1 of its 1 passages" in played.text
    assert [source.name for source in played.library.sources() if source.is_forgotten] == ["log.md", "other.txt"]


def test_every_passage_of_a_copy_is_counted(play, crowd):
    assert "[2] log.md still says the same: 14 of its 14 passages" in play("/forget other.txt", "n").text


def test_more_copies_than_are_asked_for_at_once_are_counted(play, crowd):
    crowd.write("log.md", similar(100))
    assert "[2] log.md still says the same: 100 of its 100 passages" in play("/forget other.txt", "n").text


def test_a_declined_copy_does_not_hide_the_next_one(play, crowd):
    crowd.write("third.txt", similar(1).replace("Note 0.", "Note x."))
    played = play("/erase other.txt", "y", "n", "y")
    assert "log.md still says the same" in played.text
    assert [source.name for source in played.library.sources()] == ["engine.md", "log.md", "sub/prices.txt"]


def test_a_forgotten_source_that_comes_back_under_another_name_is_pointed_out(play, table):
    (table.folder / "copy.txt").unlink()
    play("/forget guest.md")
    (table.folder / "guest.md").rename(table.folder / "moved.md")
    played = play("/load", "y", "y", "What is Mrs Tessarow allergic to?")
    assert "moved.md says what was forgotten: 1 of its 1 passages, cosine 1.000" in played.text
    assert "sesame" not in played.text.partition("What is Mrs")[2]


def test_a_changed_file_that_says_what_was_forgotten_is_pointed_out(play, table):
    (table.folder / "copy.txt").unlink()
    play("/forget guest.md")
    table.write("engine.md", (table.folder / "guest.md").read_text())
    played = play("/load", "n")
    assert "engine.md says what was forgotten" in played.text
    assert played.library.ids("engine.md", forgotten=False)


def test_an_edited_file_is_no_copy_of_its_own_old_text(play, table):
    play()
    table.write("engine.md", "# Engine\n\nChange the gear oil every hundred hours. The plug takes a copper washer.")
    assert "says what was forgotten" not in play("/load").text
