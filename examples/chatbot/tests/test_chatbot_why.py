"""What stands behind the last answer."""

import re

import numpy as np

ASK = "What is Mrs Tessarow allergic to?"


def said(played):
    """What /why said, the last time."""
    return played.text.rpartition("> /why\n")[2]


def test_each_passage_is_explained_by_its_cosine_its_share_and_its_attractor_with_members(play, embedding):
    played = play(ASK, "/why")
    (turn,) = played.chat.conversation.visible()
    (passage,) = turn.cited
    (record,) = played.library.store.get([passage.id], vectors=True)
    cosine = float(np.dot(record.vector, embedding.embed_query(ASK)))
    assert f"{passage.source}: cosine {cosine:.3f}, {passage.share:.0%} of the field: " in said(played)
    (member,) = passage.alike
    assert re.search(rf"attractor {passage.id}; members: {member} \(cosine 0\.\d{{3}}\)\n", said(played))
    assert {passage.id.partition("#")[0], member.partition("#")[0]} == {"guest.md", "copy.txt"}


def test_a_passage_without_copies_is_said_to_speak_for_itself_alone(play):
    text = said(play("How often is the gear oil changed?", "/why"))
    assert "members: none, it speaks for itself alone" in text


def test_without_an_answer_it_says_so(play):
    assert said(play("/why")) == "There is no answer yet to look behind.\n"


def test_an_answer_that_rests_on_nothing_is_said_to(play):
    assert "rests on no passage" in said(play("Who won yesterday?", "/why"))


def test_a_passage_that_was_forgotten_since_is_named_but_not_quoted(play):
    played = play(ASK, "/forget guest.md", "y", "/forget copy.txt", "/why")
    assert "a passage that was forgotten since; it is in no answer any more." in said(played)
    assert "sesame" not in said(played)
    assert "Tessarow" not in said(played)
    assert "#" not in said(played), "no id either"


def test_a_member_that_was_forgotten_since_is_counted_and_not_named(play):
    played = play(ASK)
    ((passage,), (member,)) = played.chat.conversation.last.cited, played.chat.conversation.last.cited[0].alike
    played.library.store.forget([member])
    again = play_more(played, "/why")
    assert f"attractor {passage.id}; its 1 members are forgotten since" in again
    assert member not in again


def play_more(played, line):
    """What one more command says in a chat that has been played."""
    file = played.chat.commands._terminal.console.file
    before = len(file.getvalue())
    played.chat.commands.run(line)
    return file.getvalue()[before:]


def test_a_restored_passage_is_explained_again(play):
    played = play(ASK, "/forget guest.md", "n", "/restore guest.md", "/why")
    assert "cosine 0." in said(played)


def test_nothing_is_kept_of_an_answer_that_leaned_on_what_was_erased(play):
    played = play(ASK, "/erase guest.md", "y", "y", "/why")
    assert said(played) == "The last answer leaned on what was erased since; nothing of it is kept.\n"
    assert played.chat.conversation.last is None


def test_the_answer_after_an_erase_is_explained(play):
    assert "[4] sub/prices.txt: cosine" in said(play(ASK, "/erase guest.md", "y", "y", "What is the deposit?", "/why"))


def test_a_passage_that_another_program_erased_is_not_even_named(play):
    played = play(ASK)
    played.library.store.erase(list(played.chat.conversation.last.used))
    assert play_more(played, "/why") == "A passage that was erased since; it is in no answer any more.\n"


def test_looking_behind_an_answer_changes_nothing(play):
    played = play(ASK)
    before = played.library.store.stats()
    play_more(played, "/why")
    assert played.library.store.stats() == before
    assert len(played.chat.conversation.visible()) == 1
