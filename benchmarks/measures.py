# How good an answer is: whether its documents are relevant, how many of them, and how much of it is said twice.
#
# In:   for each question the numbers of the pieces that came back, best first. Out: a value for each question.
# Rule: of several pieces of one document only the first counts as relevant; whoever reads the answer learns no more.
# Rule: the usual measures are those of trec_eval, through ir-measures.
"""Measures of retrieval, per question, and whether two ways differ."""

from collections.abc import Sequence
from typing import NamedTuple

import ir_measures
import numpy as np
from ir_measures import AP, RR, R, nDCG
from numpy.typing import NDArray

from benchmarks.collection import Collection, Pieces
from benchmarks.data import Rows

NAMES = ("nDCG@10", "MAP@100", "recall@100", "MRR", "distinct@5", "distinct@10", "cosine@10", "words@10")

_STANDARD = {nDCG @ 10: "nDCG@10", AP @ 100: "MAP@100", R @ 100: "recall@100", RR: "MRR"}
_FLIPS = 20_000

Values = dict[str, NDArray[np.float64]]
"""(q,) by name of the measure: NAMES."""


class Asked(NamedTuple):
    """A collection, what of it is stored, and the pieces' unit vectors (n, d)."""

    collection: Collection
    pieces: Pieces
    rows: Rows


def measured(asked: Asked, answers: Sequence[Sequence[int]]) -> Values:
    """Every measure of each question's answer, in the collection's order of questions.

    distinct@k: relevant documents among the first k pieces. cosine@10: mean over their pairs (0 where there is none).
    words@10: how many words the first ten have, punctuation not counted.
    """
    relevant = asked.collection.relevant
    run = {}
    for question, answer in zip(asked.collection.questions, answers, strict=True):
        run[question] = {name: -float(rank) for rank, name in enumerate(_named(asked.pieces, answer))}
    numbers = {question: number for number, question in enumerate(asked.collection.questions)}
    values = {name: np.zeros(len(numbers)) for name in NAMES}
    for found in ir_measures.iter_calc(list(_STANDARD), {q: relevant[q] for q in numbers}, run):
        values[_STANDARD[found.measure]][numbers[found.query_id]] = found.value
    lengths = [sum(any(map(str.isalnum, word)) for word in text.split()) for text in asked.pieces.texts]
    for (question, number), answer in zip(numbers.items(), answers, strict=True):
        for k in (5, 10):
            documents = {asked.pieces.documents[piece] for piece in answer[:k]}
            values[f"distinct@{k}"][number] = len(documents & set(relevant[question]))
        shown = list(answer[:10])
        values["words@10"][number] = sum(lengths[piece] for piece in shown)
        if len(shown) > 1:
            cosines = asked.rows[shown] @ asked.rows[shown].T
            values["cosine@10"][number] = cosines[np.triu_indices(len(shown), 1)].mean()
    return values


def per_1000_words(values: Values) -> float:
    """Distinct relevant documents in ten pieces, for each 1,000 words of them, over all questions."""
    return 1000.0 * float(values["distinct@10"].sum() / values["words@10"].sum())


def chance(differences: NDArray[np.float64], seed: int = 3) -> float:
    """Two-sided p of paired differences (q,) under random signs: how often chance alone makes a mean as large.

    The randomisation test of Fisher, as in Smucker, Allan and Carterette, "A Comparison of Statistical Significance
    Tests for Information Retrieval Evaluation" (2007).
    """
    signs = np.random.default_rng(seed).choice(np.array([-1.0, 1.0]), (_FLIPS, len(differences)))
    as_large = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9
    return float((1 + as_large.sum()) / (1 + _FLIPS))


def _named(pieces: Pieces, answer: Sequence[int]) -> list[str]:
    """The documents of an answer; one that was there already is called something that nobody judged."""
    names: dict[str, None] = {}
    for rank, piece in enumerate(answer):
        document = pieces.documents[piece]
        names[document if document not in names else f"{document} again at {rank}"] = None
    return list(names)
