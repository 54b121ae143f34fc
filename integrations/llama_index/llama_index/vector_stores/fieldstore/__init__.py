"""fieldstore for LlamaIndex: a vector store that forgets on request and can prove it."""

from llama_index.vector_stores.fieldstore.base import FieldVectorStore
from llama_index.vector_stores.fieldstore.queries import FieldQueryResult

__all__ = ["FieldQueryResult", "FieldVectorStore"]
