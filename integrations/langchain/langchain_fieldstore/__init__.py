"""fieldstore for LangChain: a vector store that forgets on request and can prove it."""

from langchain_fieldstore.retrievers import FieldRetriever
from langchain_fieldstore.vectorstores import FieldVectorStore

__all__ = ["FieldRetriever", "FieldVectorStore"]
