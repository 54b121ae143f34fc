"""LlamaIndex's defaults, offline, and an empty store of either kind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.llms import MockLLM

from integrations.llama_index.tests.samples import DOOR, FISH, FOX, WordEmbedding, node
from llama_index.vector_stores.fieldstore import FieldVectorStore


@pytest.fixture(autouse=True)
def offline_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks LlamaIndex for its defaults gets these."""
    monkeypatch.setattr(Settings, "_embed_model", WordEmbedding())
    monkeypatch.setattr(Settings, "_llm", MockLLM(max_tokens=16))


@pytest.fixture(params=["memory", "disk"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., FieldVectorStore]]:
    """Opens new vector stores of either kind; whatever a test does to them must leave them verifiable."""
    opened: list[FieldVectorStore] = []

    def open_store(**options: Any) -> FieldVectorStore:
        path = tmp_path / f"store{len(opened)}" if request.param == "disk" else None
        opened.append(FieldVectorStore(path, **options))
        return opened[-1]

    yield open_store
    for store in opened:
        if not store.client.closed:
            assert store.client.verify() == []
        store.close()


@pytest.fixture
def empty(opener: Callable[..., FieldVectorStore]) -> FieldVectorStore:
    return opener()


@pytest.fixture
def three(empty: FieldVectorStore) -> FieldVectorStore:
    """A fox and a fish of one document, and a door of another."""
    empty.add([node("1", FOX, "animals", n=1), node("2", FISH, "animals", n=2), node("3", DOOR, "house", n=3)])
    return empty
