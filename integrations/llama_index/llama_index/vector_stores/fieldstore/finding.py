# What only looks: queries and nodes, of a store as it is or as it was.
#
# In:   LlamaIndex's queries and filters; the records of a FieldStore or of a View of its past.
# Out:  nodes and results.
# Rule: no search logic; what cannot be honoured is refused by name.
# Rule: a sync method is the one true body; its async twin runs it in a thread, with every argument.
"""`Finding`, the half of a vector store that answers."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, NoReturn

from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.storage.docstore.types import RefDocInfo
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters, VectorStoreQuery

from fieldstore import FieldStore, Hit, View
from llama_index.vector_stores.fieldstore import sources
from llama_index.vector_stores.fieldstore.filters import to_where, value_at
from llama_index.vector_stores.fieldstore.nodes import to_node
from llama_index.vector_stores.fieldstore.queries import WORDED, FieldQueryResult, Mode, Question, question


def in_thread(method: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The async twin of a method; a precise type would not fit the methods of the base class that it overrides."""

    @wraps(method)
    async def twin(self: "Finding", /, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)

    return twin


class Finding(BasePydanticVectorStore):
    """A vector store that answers; `client` says from which records."""

    stores_text: bool = True
    flat_metadata: bool = False
    mode: Mode = "default"

    @property
    def client(self) -> FieldStore | View:
        """What the nodes are records of."""
        raise NotImplementedError

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> FieldQueryResult:
        """The nodes that answer, best first, with their similarities; filtered before they are ranked.

        Arguments (a retriever's `vector_store_kwargs`): mode, "default", "mmr", "field", "text_search" or "hybrid";
        ignore_node_ids, for a retriever that sends node_ids of its own accord (an index that holds an IndexNode does);
        exact and effort, as in `FieldStore.search`: score every node, or look further. Mode "mmr":
        mmr_threshold, 1 = nearness alone, 0 = unlikeness alone; mmr_prefetch_k, how many of the nearest are looked at.
        The order is that of choice. Mode "field": per, a metadata key (or "ref_doc_id") of which each value answers
        once; reach, the cosine from which nodes are near-copies. Results may be fewer than asked for; fill=True adds
        the nearest of the members then, each value of `per` still once. Mode "text_search": nodes with a word of the
        query, by BM25. Mode "hybrid": these and the nearest, joined by their ranks; alpha, 1 = by the vector alone,
        0 = by the words alone, 0.5 by default. Both need a store with `text_index=True`, and similarities are their
        scores there: above 0, and of no fixed scale.

        `node_ids=[]` is no restriction, `doc_ids=[]` lets nothing pass.

        Raises:
            ValueError: the mode or a field of the query cannot be honoured, or it lacks what the mode needs.
            TypeError: any other argument.
        """
        asked = question(query, self.mode, kwargs)
        if asked.mode == "mmr":
            hits = self._most_diverse(asked, **asked.options)
        elif asked.mode == "field":
            hits = self._attractors(asked, **asked.options)
        elif asked.mode in WORDED:
            hits = self._worded(asked)
        else:
            hits = self._search(asked, asked.k, **asked.options)
        return _result(hits, self.client.kappa, worded=asked.mode in WORDED)

    def _search(self, asked: Question, k: int, **options: Any) -> list[Hit]:
        if isinstance(self.client, View):  # always exact
            options = {name: value for name, value in options.items() if name not in ("exact", "effort")}
        # Without a vector only words are looked for, in a FieldStore.
        vector: Any = asked.vector
        return self.client.search(vector, k, ids=asked.ids, where=asked.where, **options)

    def _attractors(self, asked: Question, fill: bool = False, **options: Any) -> list[Hit]:
        hits = self._search(asked, asked.k, by="attractors", **options)
        return _filled(hits, asked.k, options.get("per")) if fill else hits

    def _worded(self, asked: Question) -> list[Hit]:
        if isinstance(self.client, View):
            raise ValueError(f"mode {asked.mode!r} looks for words as they are now; {self.client} has none to search")
        by = "text" if asked.mode == "text_search" else "hybrid"
        return self._search(asked, asked.k, by=by, text=asked.text, **asked.options)

    def _most_diverse(
        self, asked: Question, mmr_threshold: float = 0.5, mmr_prefetch_k: int | None = None, **options: Any
    ) -> list[Hit]:
        if not 0 <= mmr_threshold <= 1:
            raise ValueError(f"mmr_threshold is {mmr_threshold}; it goes from 0 (most diverse) to 1 (nearest alone)")
        nearest = max(20, 4 * asked.k) if mmr_prefetch_k is None else max(asked.k, mmr_prefetch_k)
        hits = {hit.id: hit for hit in self._search(asked, nearest, **options)}
        # What was forgotten since the search has no record any more, and is not shown.
        vectors = {record.id: record.vector for record in self.client.get(list(hits), vectors=True)}
        _, order = get_top_k_mmr_embeddings(
            asked.vector,  # type: ignore[arg-type]
            list(vectors.values()),  # type: ignore[arg-type]
            similarity_top_k=asked.k,
            embedding_ids=list(vectors),
            mmr_threshold=mmr_threshold,
        )
        return [hits[id] for id in order]

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Live nodes with their unit vectors: of node_ids, in that order; that match; of both; or all. `[]` is none."""
        return [to_node(record) for record in self.client.get(node_ids, where=to_where(filters), vectors=True)]

    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """The source documents that have live nodes: the ids of these, and the metadata of the first."""
        return sources.documents(self.client.get())

    aquery = in_thread(query)
    aget_nodes = in_thread(get_nodes)
    aref_doc_info = in_thread(ref_doc_info)

    # ---- what LlamaIndex and Python would do with an object

    def __bool__(self) -> bool:
        """True, empty or not: LlamaIndex asks `if vector_store:` and would put another store in its place."""
        return True

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self.class_name()} over {self.client} cannot be pickled; open it again by its path")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> NoReturn:
        raise TypeError(
            f"{self.class_name()} over {self.client} cannot be copied; use it from as many places as you like"
        )


def _filled(hits: list[Hit], k: int, per: str | None) -> list[Hit]:
    """The attractors, then the nearest of their members until there are k, no value of `per` twice."""
    full = list(hits)
    seen = [] if per is None else [value_at(hit.metadata, per) for hit in hits]
    for member in sorted((member for hit in hits for member in hit.members), key=lambda member: -member.score):
        if len(full) >= k:
            break
        value = None if per is None else value_at(member.metadata, per)
        if value is None or value not in seen:  # as in the store: without a value, no twin
            full.append(member)
            seen.append(value)
    return full


def _result(hits: Sequence[Hit], kappa: float, *, worded: bool) -> FieldQueryResult:
    return FieldQueryResult(
        nodes=[to_node(hit) for hit in hits],
        similarities=[hit.score if worded else hit.cosine for hit in hits],
        ids=[hit.id for hit in hits],
        phi=_phi(hits[0], kappa) if hits else 0.0,
        scores=[hit.score for hit in hits],
        shares=[0.0 if math.isnan(hit.share) else hit.share for hit in hits],
        members=[[NodeWithScore(node=to_node(member), score=member.cosine) for member in hit.members] for hit in hits],
    )


def _phi(hit: Hit, kappa: float) -> float:
    """The field of all candidates, from one of them: a share is its members' contributions, divided by that."""
    own = math.fsum(one.weight * math.exp(kappa * (one.cosine - 1.0)) for one in (hit, *hit.members))
    return own / hit.share if hit.share > 0 else 0.0
