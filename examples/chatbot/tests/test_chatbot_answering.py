"""Quoting, and knowing when not to."""

from examples.chatbot.answering import Extractive, sentences


def test_an_answer_quotes_the_sentence_and_the_one_after_it_with_the_number_of_its_source(play):
    played = play("How often is the gear oil changed?")
    assert "“Change the gear oil every two hundred hours. The plug takes a copper washer.” [2]" in played.text
    assert "[2] engine.md: " in played.text
    assert "% of the field" in played.text


def test_a_question_that_nothing_is_near_is_not_answered(play):
    played = play("Who won yesterday?")
    assert "I do not know: the field is weak here" in played.text
    assert "of the field:" not in played.text


def test_the_passages_of_a_pdf_are_cited_with_their_page(play, table):
    from examples.chatbot.__main__ import CORPUS

    (table.folder / "safety.pdf").write_bytes((CORPUS / "boats" / "safety-briefing.pdf").read_bytes())
    assert "safety.pdf, page 2: " in play("Which channel does the yellow radio use?").text


def test_a_near_copy_is_spoken_for_and_not_quoted_twice(play):
    played = play("What is Mrs Tessarow allergic to?")
    assert played.text.count("“") == 1
    assert "speaks for 1 alike" in played.text


def test_the_threshold_is_a_strength_from_which_answers_are_given(play, embedding):
    assert "I do not know" in play("gear oil hours", answerer=Extractive(embedding, weak=0.99)).text
    assert "two hundred hours" in play("gear oil hours", answerer=Extractive(embedding, weak=0.0)).text


def test_sentences_come_without_headings_marks_and_fragments():
    text = (
        "# Of Boats and Lakes\n\nThe **first** boat is red. No.\n\n- The second is `blue` now.\n- The third\n  is red."
    )
    assert sentences(text) == ["The first boat is red.", "The second is blue now.", "The third is red."]
