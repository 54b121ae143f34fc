"""An embedder that knows what its texts are about, and an empty store of either kind."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from langchain_fieldstore import FieldVectorStore


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "benchmark: on some tests of langchain-tests; its plugin is switched off here")


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


@pytest.fixture
def embedding() -> WordEmbeddings:
    return WordEmbeddings()


@pytest.fixture(params=["memory", "disk"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, embedding: WordEmbeddings) -> Iterator[FieldVectorStore]:
    """A vector store without documents; whatever a test does to it must leave it verifiable."""
    with FieldVectorStore(embedding, tmp_path / "store" if request.param == "disk" else None) as vector_store:
        yield vector_store
        assert vector_store.store.verify() == []
