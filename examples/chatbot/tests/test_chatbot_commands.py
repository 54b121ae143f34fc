"""What is typed after a slash."""

import pytest

from fieldstore import verify_certificate


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/forgets engine.md", "there is no command /forgets; /help lists them"),
        ("/forget", "/forget needs the name or number of a source"),
        ("/erase", "/erase needs the name or number of a source"),
        ("/sources all", "/sources takes nothing after it"),
        ("/forget nothing.md", "no source 'nothing.md'; /sources lists them"),
        ("/forget 99", "no source '99'"),
        ("/restore .md", "2 sources have '.md' in their name: [2] engine.md, [3] guest.md"),
        ("/history nothing.md", "no source 'nothing.md'"),
        ("/load nothing.md", "no file 'nothing.md'"),
    ],
)
def test_a_wrong_command_is_explained_and_changes_nothing(play, line, message):
    played = play(line, "/forget engine.md")
    assert played.code == 1, "a script stops at the first error"
    assert message in played.text
    assert played.library.store.ids(forgotten=True) == []


@pytest.mark.parametrize("wanted", ["engine.md", "2", "[2]", "ENGINE"])
def test_a_source_goes_by_its_name_its_number_or_a_part_of_its_name(play, wanted):
    played = play(f"/forget {wanted}", "How often is the gear oil changed?")
    assert "Forgotten: [2] engine.md, 1 passages" in played.text
    assert "two hundred hours" not in played.text


def test_sources_are_listed_with_number_passages_and_state(play):
    played = play("/forget engine.md", "/sources")
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in played.text.splitlines() if "│" in line]
    assert rows == [
        ["1", "copy.txt", "1", "live"],
        ["2", "engine.md", "1", "forgotten"],
        ["3", "guest.md", "1", "live"],
        ["4", "sub/prices.txt", "1", "live"],
    ]


def test_the_number_of_an_erased_source_is_given_to_no_other(play):
    played = play("/erase 2", "y", "/forget 4", "/forget 2")
    assert "Forgotten: [4] sub/prices.txt" in played.text
    assert "no source '2'" in played.text


def test_a_number_never_hits_a_file_with_that_digit_in_its_name(play, table):
    table.write("week-9.md", "Nothing happened in that week, apart from rain.")
    assert "no source '9'" in play("/forget 9").text


def test_a_near_copy_is_pointed_out_with_its_cosine_and_forgotten_when_the_user_agrees(play):
    played = play("/forget guest.md", "y", "What is Mrs Tessarow allergic to?")
    assert "[1] copy.txt still says the same: 1 of its 1 passages, cosine 0.9" in played.text
    assert "Forget [1] copy.txt too? [y/n] y" in played.text
    assert "sesame" not in played.text
    assert [source.name for source in played.library.sources() if source.is_forgotten] == ["copy.txt", "guest.md"]


def test_a_near_copy_stays_when_the_user_declines(play):
    played = play("/forget guest.md", "n", "What is Mrs Tessarow allergic to?")
    assert "sesame. She carries a pen in a red pouch too.” [1]" in played.text


def test_a_copy_of_a_copy_is_pointed_out_too(play, table):
    words = [f"w{n}" for n in range(40)]
    table.write("a.md", " ".join(words) + ".")
    table.write("b.md", " ".join([*words[:36], "x1", "x2", "x3", "x4"]) + ".")
    table.write("c.md", " ".join([*words[:32], "x1", "x2", "x3", "x4", "y1", "y2", "y3", "y4"]) + ".")
    played = play("/forget a.md", "y", "y")
    assert played.text.count("still says the same") == 2
    assert [source.name for source in played.library.sources() if source.is_forgotten] == ["a.md", "b.md", "c.md"]


def test_what_is_merely_about_the_same_thing_is_not_called_a_copy(play, table):
    table.write("menu.md", "A guest may be allergic to sesame, so ask before you pack a hamper with bread and seeds.")
    assert "menu.md" not in play("/forget guest.md", "n").text.partition("Forgotten:")[2]


def test_forgetting_and_restoring_twice_says_so_and_changes_nothing(play):
    played = play("/forget engine.md", "/forget engine.md", "/restore engine.md", "/restore engine.md")
    assert played.code == 0
    assert "[2] engine.md is forgotten already" in played.text
    assert "[2] engine.md is not forgotten" in played.text
    assert [entry.kind for entry in played.library.store.history(*played.library.ids("engine.md"))] == [
        "add",
        "forget",
        "restore",
    ]


def test_a_restored_source_answers_again(play):
    played = play("/forget engine.md", "/restore engine.md", "How often is the gear oil changed?")
    assert "two hundred hours" in played.text


def test_erase_asks_back_and_does_nothing_on_a_no(play):
    played = play("/erase engine.md", "n")
    assert "Destroy [2] engine.md for good, 1 passages?" in played.text
    assert "Nothing was erased." in played.text
    assert played.library.ids("engine.md", forgotten=False)


def test_erase_takes_the_agreed_copies_along_and_saves_a_signed_certificate_that_holds(play):
    played = play("/erase guest.md", "y", "y", "What is Mrs Tessarow allergic to?", "/history")
    assert "sesame" not in played.text
    assert "verified with the public key: it holds" in played.text
    (path,) = played.data.certificates.glob("*.json")
    assert verify_certificate(path.read_text(), played.data.public_key.read_bytes()) == []
    assert "2 × erase something that was erased" in played.text
    assert {"guest.md", "copy.txt"}.isdisjoint(source.name for source in played.library.sources())


def test_erase_reaches_a_forgotten_source_and_names_the_copies_that_are_only_forgotten(play):
    played = play("/forget guest.md", "y", "/erase guest.md", "y")
    assert "Forgotten, but still on disk: [1] copy.txt. /erase 1 destroys it too." in played.text
    assert [source.name for source in played.library.sources()] == ["copy.txt", "engine.md", "sub/prices.txt"]


def test_the_key_and_the_certificates_lie_outside_the_store(play):
    played = play("/erase engine.md", "y")
    inside = {path.name for path in played.data.store.rglob("*")}
    assert not [name for name in inside if name.endswith((".pem", ".pub", ".json"))]
    assert played.data.key.stat().st_mode & 0o077 == 0


def test_history_tells_what_was_done_to_everything_or_to_one_source(play):
    played = play("/forget engine.md", "/restore engine.md", "/history engine.md")
    lines = [line.split(maxsplit=3) for line in played.text.partition("/history")[2].splitlines()[1:]]
    assert [line[3] for line in lines] == [
        "add [2] engine.md",
        "forget [2] engine.md (asked for in the chat)",
        "restore [2] engine.md (asked for in the chat)",
    ]
    assert "add [4] sub/prices.txt" in play("/history").text


def test_help_lists_every_command_and_quit_leaves(play):
    played = play("/help", "/quit", "/forget engine.md")
    for name in ("/sources", "/forget SOURCE", "/restore", "/erase", "/history [SOURCE]", "/load [FILE]", "/quit"):
        assert name in played.text
    assert played.code == 0
    assert played.library.ids("engine.md", forgotten=False)
