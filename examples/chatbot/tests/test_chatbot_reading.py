"""Files become passages, the same ones each time."""

from pathlib import Path

import pytest

from examples.chatbot.__main__ import CORPUS
from examples.chatbot.reading import Unreadable, files_in, read, source_of


def test_markdown_text_and_pdf_files_of_all_subfolders_are_found_in_order_of_their_names(tmp_path):
    for name in ("b.md", "a/z.TXT", "a/y.pdf", "c.docx", ".hidden.md", ".git/notes.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert list(files_in(tmp_path)) == ["a/y.pdf", "a/z.TXT", "b.md"]


def test_reading_a_file_again_gives_the_same_ids_and_texts():
    for source, path in files_in(CORPUS).items():
        first, second = read(source, path), read(source, path)
        assert first == second
        assert len({passage.id for passage in first}) == len(first)
        assert {source_of(str(passage.id)) for passage in first} == {source}


def test_splitting_loses_no_word():
    for source, path in files_in(CORPUS).items():
        if path.suffix != ".pdf":
            joined = " ".join(passage.text for passage in read(source, path))
            assert joined.split() == path.read_text().split()


def test_the_passages_of_a_pdf_name_its_pages():
    passages = read("safety-briefing.pdf", CORPUS / "boats" / "safety-briefing.pdf")
    assert {passage.metadata["page"] for passage in passages} == {1, 2}
    assert any("channel 8" in passage.text for passage in passages if passage.metadata["page"] == 2)


@pytest.mark.parametrize(
    ("name", "content"), [("empty.md", b" \n"), ("latin.txt", b"caf\xe9"), ("broken.pdf", b"%PDF-1.4 and no more")]
)
def test_a_file_that_gives_no_text_is_refused_by_name(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=name):
        read(name, path)


def test_the_personal_facts_of_the_corpus_are_in_two_documents_only():
    holders = [
        source
        for source, path in files_in(CORPUS).items()
        if "Tessarow" in (text := "".join(p.text for p in read(source, path))) or "sesame" in text
    ]
    assert holders == ["guests/ilvane-tessarow.md", "notes/dockside-handover.txt"]
