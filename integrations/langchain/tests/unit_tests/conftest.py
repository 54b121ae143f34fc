"""An embedder that knows what its texts are about, and an empty store of either kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.langchain.tests.unit_tests.samples import DOOR, FISH, FOX, WordEmbeddings
from langchain_fieldstore import FieldVectorStore


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "benchmark: on some tests of langchain-tests; its plugin is switched off here")


@pytest.fixture
def embedding() -> WordEmbeddings:
    return WordEmbeddings()


@pytest.fixture(params=["memory", "disk"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, embedding: WordEmbeddings) -> Iterator[FieldVectorStore]:
    """A vector store without documents; whatever a test does to it must leave it verifiable."""
    with FieldVectorStore(embedding, tmp_path / "store" if request.param == "disk" else None) as vector_store:
        yield vector_store
        assert vector_store.store.verify() == []


@pytest.fixture
def three(empty: FieldVectorStore) -> FieldVectorStore:
    """A fox, a fish and a door."""
    empty.add_texts([FOX, FISH, DOOR], [{"n": 1, "alive": True}, {"n": 2, "alive": True}, {"n": 3}], ids=list("123"))
    return empty
