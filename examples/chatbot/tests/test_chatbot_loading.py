"""Reading a folder again brings in what is new, and nothing that somebody took out."""

import os

import pytest

from examples.chatbot.loading import load


def test_a_second_start_reads_nothing_again(play, embedding):
    first = play()
    assert "Read 4 files" in first.text
    entries, embedded = len(list(first.library.store.entries())), embedding.embedded
    second = play()
    assert "Read" not in second.text
    assert len(list(second.library.store.entries())) == entries
    assert embedding.embedded == embedded


def test_reloading_an_unchanged_folder_writes_and_embeds_nothing(play, embedding):
    entries, embedded = len(list(play().library.store.entries())), embedding.embedded
    again = play(reload=True)
    assert "Unchanged: 4 files" in again.text
    assert len(list(again.library.store.entries())) == entries
    assert embedding.embedded == embedded


def test_a_changed_file_replaces_its_passages(play, table):
    play()
    table.write("engine.md", "The gear oil is changed once a year.")
    played = play(reload=True)
    assert "Read again because they changed: engine.md" in played.text
    assert [record.text for record in played.library.store.get(where={"source": "engine.md"})] == [
        "The gear oil is changed once a year."
    ]


def test_a_file_that_became_shorter_leaves_no_old_passage_and_can_grow_again(play, table):
    long = " ".join(f"Sentence number {n} of a long document about ropes and knots." for n in range(40))
    table.write("long.md", long)
    before = play().library.store.count({"source": "long.md"})
    table.write("long.md", "Short now.")
    assert before > 1
    assert play(reload=True).library.store.count({"source": "long.md"}) == 1
    table.write("long.md", long)
    assert play(reload=True).library.store.count({"source": "long.md"}) == before


def test_restoring_brings_back_what_the_file_says_now(play, table):
    table.write(
        "notes.md", " ".join(f"Sentence number {n} of a long document about ropes and knots." for n in range(40))
    )
    play("/forget notes.md")
    table.write("notes.md", "Short now.")
    played = play("/restore notes.md")
    assert "Read again because they changed: notes.md" in played.text
    assert [record.text for record in played.library.store.get(where={"source": "notes.md"})] == ["Short now."]


def test_a_new_file_is_read_on_request_only(play, table):
    play()
    table.write("new.md", "The new jetty has shore power for four boats.")
    assert "Not read, because new or erased: new.md" in play().text
    declined = play("/load", "n")
    assert declined.code == 0
    assert "new.md" not in [source.name for source in declined.library.sources()]
    accepted = play("/load", "y")
    assert "Read 1 files: new.md" in accepted.text
    assert "shore power" in play("Which jetty has shore power?").text


def test_a_forgotten_source_stays_forgotten_when_the_folder_is_read_again(play):
    play("/forget engine.md")
    again = play("/load engine.md", "/load", "How often is the gear oil changed?")
    assert "Skipped because they are forgotten (/restore brings them back): engine.md" in again.text
    assert "two hundred hours" not in again.text


def test_an_erased_source_does_not_come_back_by_itself(play):
    erased = play("/erase engine.md", "y")
    assert "The file engine.md still lies in the folder" in erased.text
    asked = play("How often is the gear oil changed?")
    assert "Not read, because new or erased: engine.md" in asked.text
    assert "two hundred hours" not in asked.text
    assert "two hundred hours" not in play("/load", "n", "How often is the gear oil changed?").text
    assert "two hundred hours" in play("/load engine.md", "How often is the gear oil changed?").text


def test_a_store_whose_every_source_was_erased_is_not_filled_again(play):
    assert play("/erase engine.md", "y", "/erase guest.md", "y", "y", "/erase prices", "y").code == 0
    again = play("/sources")
    assert "Read 4 files" not in again.text
    assert again.library.sources() == []


def test_an_unreadable_file_is_reported_and_the_others_are_read(play, table):
    table.write("broken.pdf", "no PDF at all")
    played = play()
    assert "Not read: broken.pdf cannot be read" in played.text
    assert "Read 4 files" in played.text


def test_an_empty_folder_makes_a_chat_that_knows_nothing(play, table):
    for path in [path for path in table.folder.rglob("*") if path.is_file()]:
        path.unlink()
    played = play("Anything?", "/sources", "/history")
    assert played.code == 0
    assert "There are no files to read." in played.text
    assert "I do not know" in played.text


def sentences(*numbers: int) -> str:
    """Paragraphs of a passage each."""
    return "\n\n".join(f"Sentence number {n} of a long document. " + f"rope{n} knot{n} " * 20 for n in numbers)


def texts_of(played, source: str) -> str:
    return " ".join(str(record.text) for record in played.library.store.get(where={"source": source}))


def test_restoring_never_brings_back_what_had_been_cut_out_before(play, table):
    table.write("notes.md", sentences(1, 2, 3))
    play()
    table.write("notes.md", sentences(1, 3))
    played = play("/load", "/forget notes.md", "/restore notes.md")
    assert "Restored: [4] notes.md, 2 passages." in played.text
    assert "rope2" not in texts_of(played, "notes.md")
    play("/forget notes.md")
    (table.folder / "notes.md").unlink()
    played = play("/restore notes.md")
    assert "rope1" in texts_of(played, "notes.md")
    assert "rope2" not in texts_of(played, "notes.md")


def test_what_is_cut_out_while_forgotten_is_not_restored_and_can_be_purged(play, table):
    table.write("notes.md", sentences(1, 2, 3))
    play("/forget notes.md")
    table.write("notes.md", sentences(1, 3))
    played = play("/restore notes.md", "/purge", "y")
    assert "No longer in its file, so left forgotten: 1 passages. /purge destroys them." in played.text
    assert "rope2" not in texts_of(played, "notes.md")
    assert played.library.ids("notes.md", forgotten=True) == []


def test_text_that_is_put_back_into_its_file_answers_again(play, table):
    table.write("notes.md", sentences(1, 2))
    play()
    table.write("notes.md", sentences(1))
    play("/load")
    table.write("notes.md", sentences(1, 2))
    assert "rope2" in texts_of(play("/load"), "notes.md")


def test_a_passage_that_another_program_forgot_stays_forgotten(play, table):
    table.write("notes.md", sentences(1, 2, 3))
    first = play()
    (second,) = [record.id for record in first.library.store.get() if "rope2" in str(record.text)]
    first.library.store.forget(second, reason="by hand")
    played = play("/load")
    assert "Passages that were forgotten stay forgotten in: notes.md" in played.text
    table.write("notes.md", sentences(1, 2, 3, 4))
    played = play("/load", "/forget notes.md", "/restore notes.md")
    assert "rope4" in texts_of(played, "notes.md")
    assert "rope2" not in texts_of(played, "notes.md")


def test_a_source_that_another_program_forgot_is_not_restored_by_the_chat(play):
    play().library.store.forget(where={"source": "engine.md"}, reason="by hand")
    played = play("/load", "/restore engine.md")
    assert "it was forgotten by another program" in played.text
    assert played.library.ids("engine.md", forgotten=False) == []


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_a_source_that_goes_while_its_file_is_embedded_is_not_revived(play, table, embedding, monkeypatch, verb):
    played = play()
    table.write("engine.md", "The gear oil is changed once a year.")
    embed = embedding.embed_documents

    def slow(texts: list[str]) -> list[list[float]]:
        getattr(played.library.store, verb)(where={"source": "engine.md"})
        return embed(texts)

    monkeypatch.setattr(embedding, "embed_documents", slow)
    report = load(played.library, ["engine.md"])
    assert report.disturbed == ["engine.md"]
    assert played.library.ids("engine.md", forgotten=False) == []


@pytest.mark.parametrize("verb", ["forget", "erase"])
def test_a_source_that_goes_just_before_the_write_does_not_stay_revived(play, table, monkeypatch, verb):
    played = play()
    table.write("engine.md", "The gear oil is changed once a year.")
    add = played.library.store.add

    def late(*arguments, **named):
        getattr(played.library.store, verb)(where={"source": "engine.md"})
        return add(*arguments, **named)

    monkeypatch.setattr(played.library.store, "add", late)
    assert load(played.library, ["engine.md"]).disturbed == ["engine.md"]
    assert played.library.ids("engine.md", forgotten=False) == []
    monkeypatch.undo()
    again = play("/load", *["n"] * (verb == "erase"))
    assert again.library.ids("engine.md", forgotten=False) == [], "an erased one is read when somebody asks for it"


def test_a_file_that_lost_its_text_is_pointed_out_and_its_passages_can_be_forgotten(play, table):
    play()
    table.write("engine.md", " \n")
    (table.folder / "sub" / "prices.txt").unlink()
    played = play("/load", "y", "n", "What is the deposit in euros?")
    assert "[2] engine.md has no file with text any more, and its 1 passages go on answering." in played.text
    assert "[4] sub/prices.txt has no file with text any more" in played.text
    assert [source.name for source in played.library.sources() if source.is_forgotten] == ["engine.md"]
    assert "400 euros" in played.text


def test_a_first_load_that_is_interrupted_keeps_the_files_it_had_read(table, embedding, monkeypatch):
    embed = embedding.embed_documents

    def interrupted(texts: list[str]) -> list[list[float]]:
        if "640" in texts[0]:
            raise KeyboardInterrupt
        return embed(texts)

    monkeypatch.setattr(embedding, "embed_documents", interrupted)
    with pytest.raises(KeyboardInterrupt), table.playing():
        pass
    monkeypatch.undo()
    with table.playing("/load", "y") as played:
        assert "Not read, because new or erased: sub/prices.txt." in played.text
        assert len(played.library.sources()) == 4


def test_a_file_without_text_is_not_called_new_or_erased(play, table):
    table.write("empty.md", "")
    assert "Not read: empty.md has no text" in play().text
    assert "empty.md" not in play().text
    assert "Not read: empty.md has no text" in play("/load").text


def test_a_file_whose_name_is_not_utf8_is_named_and_skipped(play, table):
    (table.folder / os.fsdecode(b"caf\xe9.md")).write_text("The kettle is in the galley, on the left.")
    played = play("/load", "/sources")
    assert played.code == 0
    assert "Not read: caf\\xe9.md has a name that is not UTF-8" in played.text
    assert "Read 4 files" in played.text
