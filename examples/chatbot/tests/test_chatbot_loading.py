"""Reading a folder again brings in what is new, and nothing that somebody took out."""


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
