"""A conformance suite for any LlamaIndex vector store: see `VectorStoreTests`."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.suite")  # else a failure would not say what was compared

from llama_index.vector_stores.fieldstore.testing.suite import VectorStoreTests  # noqa: E402

__all__ = ["VectorStoreTests"]
