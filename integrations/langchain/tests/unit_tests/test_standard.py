"""LangChain's own suites, whole: no test is overridden, expected to fail or switched off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests

from langchain_fieldstore import FieldRetriever, FieldVectorStore


class TestOnDisk(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        with FieldVectorStore(self.get_embeddings(), tmp_path / "store") as vector_store:
            yield vector_store
            assert vector_store.store.verify() == []


class TestInMemory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        with FieldVectorStore(self.get_embeddings()) as vector_store:
            yield vector_store
            assert vector_store.store.verify() == []


class RetrieverSuite(RetrieversIntegrationTests):
    """Over nine texts that are all the same, so that the field has one attractor and `fill` has to do its part."""

    search_type = "similarity"

    @pytest.fixture(autouse=True)
    def echoes(self) -> Iterator[None]:
        embedding = DeterministicFakeEmbedding(size=6)
        with FieldVectorStore.from_texts(["echo"] * 9, embedding) as self.vector_store:
            yield

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return FieldRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": self.vector_store, "search_type": self.search_type}

    @property
    def retriever_query_example(self) -> str:
        return "echo"


class TestSimilarityRetriever(RetrieverSuite):
    pass


class TestFieldRetriever(RetrieverSuite):
    search_type = "field"


class TestMmrRetriever(RetrieverSuite):
    search_type = "mmr"


class TestThresholdRetriever(RetrieverSuite):
    search_type = "similarity_score_threshold"

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {**super().retriever_constructor_params, "score_threshold": 0.5}
