# Test collections: documents, questions, and who judged what relevant; documents cut into overlapping windows.
#
# In:   a folder with docs.jsonl, queries.jsonl (a JSON object a line: id, text) and qrels.tsv (query_id, doc_id,
#       relevance). Out: pieces of text that know their document.
# Rule: what a copied document is called tells nobody that it is a copy; `document` knows, for counting.
"""Collections in the layout of `shared/data/cranfield`, and one that is made up."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import data

FILES = ("docs.jsonl", "queries.jsonl", "qrels.tsv")
WINDOW = 3  # sentences

_FEWEST_WORDS = 4  # of a sentence that stands alone


class Collection(NamedTuple):
    """Documents and questions by id; relevant: for each question that has any, its documents and how relevant."""

    name: str
    documents: dict[str, str]
    questions: dict[str, str]
    relevant: dict[str, dict[str, int]]


class Pieces(NamedTuple):
    """What is stored, one item for each record: id, text, source (the name it is stored under), document (whose text).

    Only of copies are source and document not the same.
    """

    ids: list[str]
    texts: list[str]
    sources: list[str]
    documents: list[str]


def load(name: str) -> Collection:
    """The collection of that name or folder. ValueError when there is none, or its files contradict one another."""
    folder = data.place_of(name, FILES)
    if folder is None:
        raise ValueError(f"--collection {name}: no folder with {', '.join(FILES)}; FIELDSTORE_DATA may name its parent")
    documents, questions = _texts(folder / FILES[0]), _texts(folder / FILES[1])
    relevant: dict[str, dict[str, int]] = {}
    with (folder / FILES[2]).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            question, document = row["query_id"], row["doc_id"]
            if question not in questions or document not in documents:
                raise ValueError(f"{FILES[2]} of {folder.name} judges {document} for {question}: one is not there")
            if int(row["relevance"]) > 0:
                relevant.setdefault(question, {})[document] = int(row["relevance"])
    asked = {id: text for id, text in questions.items() if id in relevant}
    return Collection(folder.name, documents, asked, relevant)


def sentences(text: str) -> list[str]:
    """The text's sentences: without those that repeat the one before, and with short ones joined to the one before."""
    found: list[str] = []
    for part in (part.strip(" .\n") for part in text.split(" . ")):
        if part and part != (found[-1] if found else ""):
            found.append(part)
    joined: list[str] = []
    for sentence in found:
        if joined and len(sentence.split()) < _FEWEST_WORDS:
            joined[-1] += f" . {sentence}"
        else:
            joined.append(sentence)
    return joined


def whole(collection: Collection) -> Pieces:
    """Every document as one piece."""
    ids = list(collection.documents)
    return Pieces(ids, list(collection.documents.values()), ids, ids)


def windows(collection: Collection) -> Pieces:
    """Every document in windows of three sentences that begin one sentence apart; empty documents have none."""
    pieces = Pieces([], [], [], [])
    for document, text in collection.documents.items():
        parts = sentences(text)
        for begin in range(max(1, len(parts) - WINDOW + 1) if parts else 0):
            window = " . ".join(parts[begin : begin + WINDOW])
            for column, value in zip(pieces, (f"{document}#{begin}", window, document, document), strict=True):
                column.append(value)
    return pieces


def with_copies(pieces: Pieces, part: float = 0.2, times: int = 2, seed: int = 7) -> Pieces:
    """The pieces and, behind them, those of a random part of the documents again, so many times, under other names."""
    names = sorted(set(pieces.documents))
    drawn = np.random.default_rng(seed).choice(len(names), round(part * len(names)), replace=False).tolist()
    copied = {names[number] for number in drawn}
    chosen = [number for number, document in enumerate(pieces.documents) if document in copied]
    grown = Pieces(*(list(column) for column in pieces))
    for time in range(1, times + 1):
        for number in chosen:
            grown.ids.append(f"{pieces.ids[number]} again {time}")
            grown.texts.append(pieces.texts[number])
            grown.sources.append(f"{pieces.sources[number]} again {time}")
            grown.documents.append(pieces.documents[number])
    return grown


def made_up(documents: int = 60, questions: int = 12, seed: int = 11) -> Collection:
    """A small collection of nonsense on a few topics, to see that a benchmark runs; its figures mean nothing."""
    rng = np.random.default_rng(seed)
    words = [[f"word{topic}x{number}" for number in range(30)] for topic in range(questions)]
    texts, relevant = {}, {}
    for number in range(documents):
        lines = [" ".join(rng.choice(words[number % questions], 8)) for _ in range(6)]
        texts[f"d{number}"] = " . ".join(lines) + " ."
    asked = {f"q{topic}": " ".join(rng.choice(words[topic], 6)) for topic in range(questions)}
    for topic in range(questions):
        relevant[f"q{topic}"] = {f"d{number}": 1 for number in range(topic, documents, questions)}
    return Collection("made-up texts", texts, asked, relevant)


def _texts(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["id"] in texts:
                raise ValueError(f"{path.name} has {row['id']!r} twice")
            texts[row["id"]] = row["text"]
    return texts
