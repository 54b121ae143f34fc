"""On either framework, the same chat; and neither needs the other."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_text_splitters import RecursiveCharacterTextSplitter

from examples.chatbot import __main__
from examples.chatbot.frameworks import NAMES, framework
from examples.chatbot.opening import Data
from examples.chatbot.reading import files_in
from examples.chatbot.splitting import LONGEST, split
from llama_index.vector_stores.fieldstore import FieldVectorStore

ASK = "What is Mrs Tessarow allergic to?"
ROOT = Path(__file__).parents[3]
TALK = (
    ASK,
    "/why",
    "How often is the gear oil changed?",
    f"/forget? {ASK}",
    "/forget guest.md",
    "y",
    ASK,
    "/sources",
    "/restore guest.md",
    ASK,
    f"/forget-about {ASK}",
    "y",
    "/load",
    "/restore copy.txt",
    ASK,
    "/help",
)


@pytest.mark.parametrize("named", NAMES[:1], indirect=True)
def test_a_conversation_reads_the_same_on_either(table, named):
    texts = {}
    for name in NAMES:
        table.framework, table.data = framework(name), Data(table.folder.with_name(name))
        with table.playing(*TALK) as played:
            assert played.code == 0
            texts[name] = played.text
    assert texts["langchain"] == texts["llamaindex"]


@pytest.mark.parametrize("named", NAMES[:1], indirect=True)
def test_either_finds_the_same_passages_with_the_same_scores_and_shares(table, named):
    for name, path in files_in(__main__.CORPUS).items():
        if path.suffix != ".pdf":
            table.write(name, path.read_text())
    found = {}
    for name in NAMES:
        table.framework, table.data = framework(name), Data(table.folder.with_name(name))
        with table.playing() as played:
            found[name] = [played.library.passages(ask) for ask in (ASK, "Which boat is made for families?")]
    assert [len(passages) for passages in found["langchain"]] == [6, 6], "enough of them to be smoothed"
    assert found["langchain"] == found["llamaindex"]


def test_a_folder_for_data_may_change_hands(play, table, embedding, named):
    other = framework(next(name for name in NAMES if name != named))
    first = play(ASK, "/forget engine.md", "/erase prices", "y")
    answer = first.chat.conversation.last.answer
    records = first.library.store.ids()
    embedded, table.framework = embedding.embedded, other
    played = play(
        ASK, "/load", "n", "/restore engine.md", "How often is the gear oil changed?", "/forget guest.md", "y"
    )
    assert played.chat.conversation._turns[0].answer == answer
    assert "Unchanged: 2 files" in played.text, "they are not read twice"
    assert "two hundred hours" in played.text
    assert set(records) < {*played.library.ids("engine.md"), *played.library.ids("guest.md", "copy.txt")}
    assert embedding.embedded - embedded < 20, "only the questions and the sentences of answers"
    table.framework = framework(named)
    assert "sesame" not in play(ASK).text


@pytest.mark.parametrize(
    ("named", "hidden"), [("langchain", "llama_index"), ("llamaindex", "langchain")], indirect=["named"]
)
def test_a_framework_runs_without_the_other_one(table, named, hidden):
    program = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith({hidden!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Hidden())
from examples.chatbot import __main__
from examples.chatbot.tests.conftest import HashedWords
__main__.SentenceTransformerEmbeddings = lambda model, console: HashedWords()
sys.exit(__main__.main(sys.argv[1:]))
"""
    options = ["--framework", named, "--data", str(table.data.folder), "--weak", "0.2"]
    ran = subprocess.run(
        [sys.executable, "-c", program, str(table.folder), *options],
        input=f"{ASK}\n/forget-about {ASK}\ny\n{ASK}\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("“Mrs Tessarow is allergic to sesame.") == 1, "before, and not after"
    assert "Forgotten: [1] copy.txt" in ran.stdout


def test_a_framework_that_is_not_installed_is_named_with_what_to_install(monkeypatch, named):
    module, needed = {
        "langchain": ("langchain_fieldstore", "integrations/langchain"),
        "llamaindex": ("llama_index.vector_stores.fieldstore", "integrations/llama_index"),
    }[named]
    monkeypatch.setitem(sys.modules, module, None)
    for part in ("on_langchain", "on_llama_index"):
        monkeypatch.delitem(sys.modules, f"examples.chatbot.{part}", raising=False)
    with pytest.raises(ValueError, match=f"--framework {named} needs more packages: .*pip install -e {needed}"):
        framework(named)


def test_an_unknown_framework_is_refused_before_anything_is_made(table, capsys):
    with pytest.raises(SystemExit):
        __main__.main([str(table.folder), "--framework", "haystack", "--data", str(table.data.folder)])
    assert "haystack" in capsys.readouterr().err
    assert not table.data.folder.exists()
    with pytest.raises(ValueError, match="no framework 'haystack'; there are langchain and llamaindex"):
        framework("haystack")


@pytest.mark.parametrize("named", ["llamaindex"], indirect=True)
def test_llama_index_keeps_a_passage_as_a_node_of_its_source(play, named):
    store = play().library.store
    nodes = FieldVectorStore(store=store).get_nodes()
    assert sorted(str(node.ref_doc_id) for node in nodes) == ["copy.txt", "engine.md", "guest.md", "sub/prices.txt"]
    assert len(FieldVectorStore(store=store).history("guest.md")) == 1


def test_pieces_are_those_of_langchains_splitter():
    theirs = RecursiveCharacterTextSplitter(
        separators=[r"\n\s*\n", r"(?<=[.!?])\s+", r"\s+", ""],
        is_separator_regex=True,
        keep_separator="end",
        chunk_size=LONGEST,
        chunk_overlap=0,
    )
    texts = [path.read_text() for path in files_in(__main__.CORPUS).values() if path.suffix != ".pdf"]
    rng = random.Random(7)
    parts = ["word", "a. ", "\n\n", " ", "! ", "\n", "é", *("x" * n for n in (3, 50, 349, 350, 351, 800))]
    texts += ["".join(rng.choices(parts, k=rng.randint(0, 30))) for _ in range(500)]
    for text in texts:
        assert split(text) == theirs.split_text(text)
        assert all(len(piece) <= LONGEST for piece in split(text))
