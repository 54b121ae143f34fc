# A retriever that asks the field, and can tell what stood behind the answer.
"""`FieldRetriever`."""

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.constants import DEFAULT_SIMILARITY_TOP_K
from llama_index.core.retrievers import VectorIndexRetriever
from llama_index.core.schema import QueryBundle
from llama_index.core.vector_stores.types import MetadataFilters

from llama_index.vector_stores.fieldstore.finding import Finding
from llama_index.vector_stores.fieldstore.queries import FieldQueryResult


class FieldRetriever(VectorIndexRetriever):
    """Retrieves in mode "field" from an index over a `FieldVectorStore`: near-copies answer once.

    per: a metadata key, or "ref_doc_id", of which each value answers once. reach: the cosine from which nodes are
    near-copies. fill: where fewer than similarity_top_k distinct things are near, add the nearest of what they stand
    for. node_ids: only of these; unlike `index.as_retriever()` it sends none of its own accord. The rest as in
    `VectorIndexRetriever`.

    Raises TypeError for an index over another vector store, and for any other argument.
    """

    def __init__(
        self,
        index: VectorStoreIndex,
        similarity_top_k: int = DEFAULT_SIMILARITY_TOP_K,
        *,
        per: str | None = None,
        reach: float | None = None,
        fill: bool = True,
        filters: MetadataFilters | None = None,
        node_ids: list[str] | None = None,
        doc_ids: list[str] | None = None,
        embed_model: BaseEmbedding | None = None,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        if not isinstance(index.vector_store, Finding):
            raise TypeError(f"FieldRetriever asks a FieldVectorStore, not {type(index.vector_store).__name__}")
        super().__init__(
            index,
            similarity_top_k,
            filters=filters,
            node_ids=node_ids,
            doc_ids=doc_ids,
            embed_model=embed_model,
            callback_manager=callback_manager,
            object_map=index._object_map if object_map is None else object_map,
            verbose=verbose,
            vector_store_kwargs={"mode": "field", "per": per, "reach": reach, "fill": fill},
        )
        self._field = index.vector_store

    def find(self, query: str | QueryBundle) -> FieldQueryResult:
        """What `retrieve` rests on: the nodes with their shares of the field and the near-copies they speak for."""
        bundle = _bundle(query)
        if bundle.embedding is None:
            bundle.embedding = self._embed_model.get_agg_embedding_from_queries(bundle.embedding_strs)
        return self._field.query(self._build_vector_store_query(bundle), **self._kwargs)

    async def afind(self, query: str | QueryBundle) -> FieldQueryResult:
        """`find`, off the event loop."""
        bundle = _bundle(query)
        if bundle.embedding is None:
            bundle.embedding = await self._embed_model.aget_agg_embedding_from_queries(bundle.embedding_strs)
        result: FieldQueryResult = await self._field.aquery(self._build_vector_store_query(bundle), **self._kwargs)
        return result


def _bundle(query: str | QueryBundle) -> QueryBundle:
    if isinstance(query, str):
        return QueryBundle(query)
    return QueryBundle(query.query_str, custom_embedding_strs=query.custom_embedding_strs, embedding=query.embedding)
