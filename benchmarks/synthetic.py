# Unit vectors as hard to search as real sentence embeddings, any number of them, from a seed.
#
# In:   how many, and a stream: points are stream 0, queries stream 1.
# Out:  (n, DIM) float32 rows of unit length, or chunks of them; numpy only.
# Rule: the first n rows are the same however many are asked for, so that sizes can be compared (chunks have own seeds).
# Rule: a change of a constant changes every published figure; `python -m benchmarks synthetic` must agree after it.
"""Synthetic embeddings whose partition is as leaky as that of real ones.

Random clusters are too easy: the ten nearest of a query share its cluster, hence its cell. In real embeddings the
neighbours straddle cells, because a text is near others for several reasons at once. So a row here is a bag of such
reasons, summed and brought to unit length:

    common direction + its topic + words + noise

- topic: a leaf of a tree of 4 levels with 8 branches, children of very unequal popularity; every level adds an offset;
- words: 6 vectors from a vocabulary, popularity after Zipf, half from the topic's own list, half from everybody's;
  their strengths are drawn from a gamma law, so that one or two reasons dominate;
- noise; and one row in 25 is a near-copy of the row before it;
- all of it with a decaying spectrum: deviation of direction i proportional to (1 + i / 20) ** -SPECTRUM.

Tuned by hand against MiniLM embeddings of one-line descriptions, so that a plain partition leaks alike; `python -m
benchmarks synthetic` measures it. Share of the true ten in the nearest 8 / 16 / 32 / 64 / 128 of 1,024 k-means cells of
100,000 points:

    MiniLM                                      .774 .848 .903 .940 .970
    SPECTRUM 0.9, WORDS 0.46: taken             .779 .844 .898 .941 .969

What was tried on the way (k-means from another start, under which MiniLM has .766 .840 .897 .939 .969):

    a tree of 5 levels and noise, no words      1.00 1.00 1.00 1.00 1.00   as easy as random clusters
    words and noise, no tree                    .474 .565 .666 .766 .860   neighbours anywhere: too flat
    SPECTRUM 0.5, WORDS 0.50, LEVEL 0.05        .793 .817 .836 .860 .891   too flat: too many dimensions matter
    SPECTRUM 1.0, WORDS 0.50, LEVEL 0.05        .541 .665 .789 .884 .954   words outweigh topics
    SPECTRUM 1.0, WORDS 0.35                    .780 .854 .914 .954 .979   close; but only 52 dimensions matter
    SPECTRUM 0.9, WORDS 0.40                    .816 .877 .919 .952 .976
    SPECTRUM 0.9, WORDS 0.44                    .790 .858 .907 .945 .971

20,000 points in 256 cells: MiniLM .793 .870 .927 .969 .993, here .780 .870 .937 .980 .997.

What does not match: 62 dimensions matter here and 112 there (participation ratio of the spectrum), and the median
cosines of the first, tenth, hundredth and thousandth neighbour are .67 .60 .52 .43 here and .67 .57 .48 .38 there.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

DIM = 384
CHUNK = 8192  # rows made at a time, each chunk from its own seed
SPECTRUM = 0.9  # how fast the deviations decay; larger = fewer dimensions that matter
COMMON = 0.14  # variance of each ingredient, before rows are brought to unit length
LEVEL = 0.07  # of each level of the tree
WORDS = 0.46  # of all words of a row
NOISE = 0.15
BRANCHES, LEVELS, UNEQUAL = 8, 4, 0.8  # the tree; popularity of the i-th child is i ** -UNEQUAL
COUNT, VOCABULARY, OWN, ZIPF = 6, 20_000, 300, 0.8  # words of a row, of all, of a topic; popularity (i + 1) ** -ZIPF
COPIES, COPY_NOISE = 0.04, 0.02  # share of near-copies, and their variance from the original


class _World(NamedTuple):
    """What rows are made of; the same for every stream."""

    deviations: Rows  # (DIM,)
    topics: Rows  # (leaves, DIM), the common direction included
    branches: list[NDArray[np.float64]]  # per level (nodes, BRANCHES): popularity of the children, summed up
    words: Rows  # (VOCABULARY, DIM)
    lists: NDArray[np.int64]  # (leaves, OWN): each topic's own words


def rows(count: int, stream: int = 0) -> Rows:
    """The first count rows of a stream, (count, DIM)."""
    made = np.empty((count, DIM), np.float32)
    for number, chunk in enumerate(chunks(count, stream)):
        made[number * CHUNK : number * CHUNK + len(chunk)] = chunk
    return made


def chunks(count: int, stream: int = 0) -> Iterator[Rows]:
    """The same, CHUNK rows at a time."""
    for number, begin in enumerate(range(0, count, CHUNK)):
        yield _chunk(np.random.default_rng((1, stream, number)))[: count - begin]


def _chunk(rng: np.random.Generator) -> Rows:
    world = _world()
    topic = np.zeros(CHUNK, np.int64)
    for popularity in world.branches:
        topic = topic * BRANCHES + _drawn(rng, popularity[topic])
    made = world.topics[topic]
    strength = np.float32((WORDS / COUNT / 2) ** 0.5)  # the mean square of the gamma law below is 2
    for _ in range(COUNT):
        own = world.lists[topic, _ranks(rng, OWN)]
        word = np.where(rng.random(CHUNK) < 0.5, own, _ranks(rng, VOCABULARY))
        made += world.words[word] * (strength * rng.standard_gamma(1.0, size=(CHUNK, 1)).astype(np.float32))
    made += _normal(rng, CHUNK, NOISE)
    copies = 1 + np.flatnonzero(rng.random(CHUNK - 1) < COPIES)
    made[copies] = made[copies - 1] + _normal(rng, len(copies), COPY_NOISE)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


@cache
def _world() -> _World:
    rng = np.random.default_rng(0)
    deviations = ((1 + np.arange(1, DIM + 1) / 20) ** -SPECTRUM).astype(np.float32)
    deviations /= np.linalg.norm(deviations)
    common = rng.standard_normal(DIM, dtype=np.float32)
    topics = (common * np.sqrt(COMMON) / np.linalg.norm(common)).astype(np.float32)[None]
    branches = []
    for level in range(LEVELS):
        order = np.stack([rng.permutation(BRANCHES) for _ in range(BRANCHES**level)])
        popularity = (1.0 + order) ** -UNEQUAL
        branches.append(np.cumsum(popularity / popularity.sum(axis=1, keepdims=True), axis=1))
        offsets = rng.standard_normal((BRANCHES ** (level + 1), DIM), dtype=np.float32)
        topics = np.repeat(topics, BRANCHES, axis=0) + offsets * deviations * np.float32(LEVEL**0.5)
    words = rng.standard_normal((VOCABULARY, DIM), dtype=np.float32) * deviations
    lists = rng.integers(VOCABULARY, size=(len(topics), OWN))
    return _World(deviations, topics, branches, words, lists)


def _normal(rng: np.random.Generator, count: int, variance: float) -> Rows:
    noise: Rows = rng.standard_normal((count, DIM), dtype=np.float32) * _world().deviations
    return noise * np.float32(variance**0.5)


def _drawn(rng: np.random.Generator, popularity: NDArray[np.float64]) -> NDArray[np.int64]:
    """One of the columns for every row, (n, columns) summed-up popularity -> (n,)."""
    drawn: NDArray[np.int64] = (rng.random((len(popularity), 1)) > popularity).sum(axis=1)
    np.minimum(drawn, popularity.shape[1] - 1, out=drawn)
    return drawn


def _ranks(rng: np.random.Generator, of: int) -> NDArray[np.int64]:
    ranks: NDArray[np.int64] = np.searchsorted(_zipf(of), rng.random(CHUNK)).clip(max=of - 1)
    return ranks


@cache
def _zipf(of: int) -> NDArray[np.float64]:
    popularity = (2.0 + np.arange(of)) ** -ZIPF
    return np.cumsum(popularity / popularity.sum())
