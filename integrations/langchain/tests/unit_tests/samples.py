"""What the tests are about: a fox, a fish, a door; and an embedder that knows which words texts share."""

import hashlib
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

FOX, FISH, DOOR = "the red fox runs", "the red fish swims", "a blue door opens"


def ids_of(documents: list[Document]) -> list[str]:
    return [str(document.id) for document in documents]


def unit(vector: list[float]) -> Any:
    return np.array(vector) / np.linalg.norm(vector)


class WordEmbeddings(Embeddings):
    """Texts that share words lie close together. Notes which form was called, and for how many texts."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    @staticmethod
    def vector(text: str) -> list[float]:
        """(64,) the sum of one fixed direction per word, nearly at right angles to those of other words."""
        seeds = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]) for word in text.lower().split()]
        total: list[float] = np.sum([np.random.default_rng(seed).normal(size=64) for seed in seeds], axis=0).tolist()
        return total

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(("sync", len(texts)))
        return [self.vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.calls.append(("sync", 1))
        return self.vector(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(("async", len(texts)))
        return [self.vector(text) for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        self.calls.append(("async", 1))
        return self.vector(text)
