"""fieldstore for LangChain: a vector store that forgets on request and can prove it.

`langchain_fieldstore.agents` has what needs `langchain` itself: a middleware that keeps the forgotten out of chats.
"""

from langchain_fieldstore.indexing import FieldRecordManager
from langchain_fieldstore.retrievers import FieldRetriever
from langchain_fieldstore.translator import FieldTranslator
from langchain_fieldstore.vectorstores import FieldVectorStore

__all__ = ["FieldRecordManager", "FieldRetriever", "FieldTranslator", "FieldVectorStore"]
