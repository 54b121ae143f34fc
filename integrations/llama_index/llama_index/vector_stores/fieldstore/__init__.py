"""fieldstore for LlamaIndex: a vector store that forgets on request and can prove it."""

from llama_index.vector_stores.fieldstore.base import FieldVectorStore
from llama_index.vector_stores.fieldstore.past import PastVectorStore
from llama_index.vector_stores.fieldstore.queries import FieldQueryResult
from llama_index.vector_stores.fieldstore.retrievers import FieldRetriever

__all__ = ["FieldQueryResult", "FieldRetriever", "FieldVectorStore", "PastVectorStore"]
