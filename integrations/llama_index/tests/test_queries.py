"""Queries: modes, restrictions, order, results."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.vector_stores.types import (
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from fieldstore import FieldStore
from integrations.llama_index.tests.samples import DOOR, FISH, FOX, ask, embed, ids_of, node
from llama_index.vector_stores.fieldstore import FieldQueryResult, FieldVectorStore


@pytest.fixture
def copies(empty: FieldVectorStore) -> FieldVectorStore:
    """A fox, two near-copies of it, a fish and a door."""
    texts = [FOX, FOX + " fast", FOX + " far", FISH, DOOR]
    empty.add([node(str(n), text, source=f"d{n % 2}", n=n) for n, text in enumerate(texts)])
    return empty


def only(**equal: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value) for key, value in equal.items()])


def test_similarities_are_cosines_best_first_as_python_floats(copies: FieldVectorStore) -> None:
    for text in (FOX, FISH, DOOR):
        found = copies.query(ask(text))
        assert found.nodes
        assert found.similarities
        assert ids_of(found.nodes) == found.ids
        assert {type(similarity) for similarity in found.similarities} == {float}
        assert found.similarities == sorted(found.similarities, reverse=True)
        query = np.array(embed(text)) / np.linalg.norm(embed(text))
        cosines = [query @ embed(one.get_content()) / np.linalg.norm(embed(one.get_content())) for one in found.nodes]
        assert found.similarities == pytest.approx(cosines, abs=1e-6)
        assert len(found.nodes) == 5


def test_no_more_than_top_k_answer_and_all_where_there_are_fewer(copies: FieldVectorStore) -> None:
    assert [len(copies.query(ask(k=k)).ids or []) for k in (1, 3, 5, 50)] == [1, 3, 5, 5]


@pytest.mark.parametrize("mode", ["default", "mmr", "field"])
def test_an_empty_store_and_one_without_a_match_answer_with_empty_lists(empty: FieldVectorStore, mode: str) -> None:
    nothing = FieldQueryResult(nodes=[], similarities=[], ids=[], shares=[], members=[])
    assert empty.query(ask(), mode=mode) == nothing
    empty.add([node("1", n=1)])
    assert empty.query(ask(filters=only(n=2)), mode=mode) == nothing
    empty.delete_nodes(["1"])
    assert empty.query(ask(), mode=mode) == nothing


def test_a_filter_is_applied_before_the_ranking(empty: FieldVectorStore) -> None:
    empty.add([node(f"fox{n}", FOX) for n in range(30)] + [node("door", DOOR, rare=1)])
    for mode in ("default", "mmr", "field"):
        assert empty.query(ask(FOX, k=1, filters=only(rare=1)), mode=mode).ids == ["door"]
        assert empty.query(ask(FOX, k=1, node_ids=["door"]), mode=mode).ids == ["door"]


def test_node_ids_doc_ids_and_filters_all_restrict(copies: FieldVectorStore) -> None:
    assert sorted(copies.query(ask(node_ids=["1", "2", "unknown"])).ids or []) == ["1", "2"]
    assert sorted(copies.query(ask(doc_ids=["d1"])).ids or []) == ["1", "3"]
    assert copies.query(ask(node_ids=["1", "2"], doc_ids=["d1"])).ids == ["1"]
    assert copies.query(ask(node_ids=["1", "2"], doc_ids=["d1"], filters=only(n=2))).ids == []
    assert copies.query(ask(doc_ids=["d1"], filters=only(n=3))).ids == ["3"]


# -- modes


def test_the_field_names_near_copies_once_and_who_they_are(copies: FieldVectorStore) -> None:
    found = copies.query(ask(k=5), mode="field")
    assert isinstance(found, VectorStoreQueryResult)
    assert found.ids == ["0", "3", "4"]
    assert sorted(member.node.node_id for member in found.members[0]) == ["1", "2"]
    assert [member.score for member in found.members[0]] == sorted(
        (member.score or 0.0 for member in found.members[0]), reverse=True
    )
    assert found.members[1:] == [[], []]
    assert found.scores == [hit.score for hit in copies.client.search(ask().query_embedding, 5, by="attractors")]
    assert found.shares == sorted(found.shares, reverse=True)
    assert sum(found.shares) == pytest.approx(1.0, abs=1e-6)


def test_phi_and_the_shares_say_what_each_answer_adds_to_the_field(copies: FieldVectorStore) -> None:
    kappa = copies.client.kappa
    for mode in ("default", "mmr", "field"):
        found = copies.query(ask(k=3), mode=mode)
        for similarity, share, members in zip(found.similarities or [], found.shares, found.members, strict=True):
            cosines = [similarity, *(member.score for member in members)]
            assert found.phi * share == pytest.approx(sum(math.exp(kappa * (c - 1)) for c in cosines), rel=1e-6)
    whole = copies.query(ask(k=5), mode="field").phi
    assert whole == pytest.approx(copies.client.field.evaluate([embed(FOX)])[0], rel=1e-6), "all five are candidates"
    copies.forget("d0")
    assert copies.query(ask(k=5), mode="field").phi < whole


def test_what_stands_behind_an_answer_is_not_in_its_metadata(copies: FieldVectorStore) -> None:
    found = copies.query(ask(), mode="field")
    assert [one.metadata.keys() for one in found.nodes or []] == [{"n"}] * 3


def test_a_short_list_of_the_field_is_filled_up_when_asked_for(copies: FieldVectorStore) -> None:
    assert copies.query(ask(k=4), mode="field").ids == ["0", "3", "4"]
    [nearest] = sorted({"1", "2"} & set(copies.query(ask(k=2)).ids or [])) or ["1"]
    assert copies.query(ask(k=4), mode="field", fill=True).ids == ["0", "3", "4", nearest]
    assert sorted(copies.query(ask(k=9), mode="field", fill=True).ids or []) == ["0", "1", "2", "3", "4"]
    assert copies.query(ask(k=2), mode="field", fill=True).ids == ["0", "3"]
    assert copies.query(ask(k=9), mode="field", fill=True, per="ref_doc_id").ids == ["0", "3"], "each source once"
    assert len(copies.query(ask(k=9), mode="field", fill=True, per="n").ids or []) == 5


def test_the_field_answers_once_per_metadata_key_or_source(copies: FieldVectorStore) -> None:
    assert copies.query(ask(k=5), mode="field", per="ref_doc_id").ids == ["0", "3"]
    assert len(copies.query(ask(k=5), mode="field", per="n", reach=0.9999).ids or []) == 5


@pytest.mark.parametrize(
    "asking",
    [
        lambda store: store.query(ask(k=5), mode="field"),
        lambda store: store.query(ask(k=5, mode="field")),
        lambda store: FieldVectorStore(store=store.client, mode="field").query(ask(k=5)),
        lambda store: FieldVectorStore(store=store.client, mode="mmr").query(ask(k=5), mode="field"),
    ],
)
def test_the_field_is_asked_for_by_argument_by_query_or_by_the_constructor(
    copies: FieldVectorStore, asking: Callable[[FieldVectorStore], FieldQueryResult]
) -> None:
    assert asking(copies).ids == ["0", "3", "4"]


def test_an_argument_beats_the_query_and_the_query_the_constructor(copies: FieldVectorStore) -> None:
    store = FieldVectorStore(store=copies.client, mode="field")
    assert len(store.query(ask()).ids or []) == 3
    assert len(store.query(ask(mode=VectorStoreQueryMode.MMR)).ids or []) == 5
    assert len(store.query(ask(mode=VectorStoreQueryMode.MMR), mode="field").ids or []) == 3
    assert len(store.query(ask(), mode="default").ids or []) == 5


def test_mmr_chooses_what_cores_own_function_chooses(empty: FieldVectorStore) -> None:
    rng = np.random.default_rng(20261123)
    vectors = rng.normal(size=(60, 8))
    names = [f"n{n}" for n in range(60)]
    empty.add([node(name).model_copy(update={"embedding": v.tolist()}) for name, v in zip(names, vectors, strict=True)])
    query = rng.normal(size=8)
    best = sorted(range(60), key=lambda n: -float(vectors[n] @ query / np.linalg.norm(vectors[n])))
    for threshold in (0.0, 0.3, 1.0):
        _, expected = get_top_k_mmr_embeddings(
            query.tolist(), [vectors[n].tolist() for n in best], None, 6, [names[n] for n in best], None, threshold
        )
        asked = VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=6, mode=VectorStoreQueryMode.MMR)
        found = empty.query(asked, mmr_threshold=threshold, mmr_prefetch_k=60)
        assert found.ids == expected
        asked.mmr_threshold = threshold
        assert empty.query(asked, mmr_prefetch_k=60) == found
        assert found.similarities
        assert found.similarities[0] == max(found.similarities)


def test_an_mmr_threshold_of_zero_is_a_value_and_the_argument_beats_the_query(copies: FieldVectorStore) -> None:
    mmr: dict[str, Any] = {"mode": "mmr", "k": 3}
    nearest = copies.query(ask(k=3)).ids
    assert copies.query(ask(**mmr), mmr_threshold=1.0).ids == nearest
    assert copies.query(ask(**mmr), mmr_threshold=0.0).ids != nearest
    assert copies.query(ask(mmr_threshold=0.0, **mmr)).ids == copies.query(ask(**mmr), mmr_threshold=0.0).ids
    assert copies.query(ask(mmr_threshold=0.0, **mmr), mmr_threshold=1.0).ids == nearest


OURS = ("default", "mmr", "text_search", "hybrid")


@pytest.mark.parametrize("mode", [mode for mode in VectorStoreQueryMode if mode.value not in OURS])
def test_a_mode_that_is_not_ours_is_refused_by_name(three: FieldVectorStore, mode: VectorStoreQueryMode) -> None:
    with pytest.raises(ValueError, match=mode.value):
        three.query(ask(mode=mode))


@pytest.mark.parametrize(
    "fields",
    [
        {"alpha": 0.5},
        {"mmr_threshold": 0.5},
        {"sparse_top_k": 2},
        {"hybrid_top_k": 2},
        {"output_fields": ["a"]},
        {"embedding_field": "e"},
    ],
)
def test_a_field_of_the_query_that_is_not_honoured_is_refused_by_name(
    three: FieldVectorStore, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        three.query(ask(**fields))


@pytest.mark.parametrize(
    ("mode", "arguments"),
    [("default", {"mmr_threshold": 0.1}), ("default", {"per": "n"}), ("mmr", {"reach": 0.9}), ("field", {"alpha": 1})],
)
def test_an_option_of_another_mode_is_refused_by_name(
    three: FieldVectorStore, mode: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=next(iter(arguments))):
        three.query(ask(), mode=mode, **arguments)


def test_senseless_questions_are_refused(three: FieldVectorStore) -> None:
    with pytest.raises(ValueError, match="mmr_threshold"):
        three.query(ask(mmr_threshold=0.5))
    with pytest.raises(ValueError, match="mmr_threshold is 2"):
        three.query(ask(), mode="mmr", mmr_threshold=2)
    for mode in (3, ["mmr"], "ascent"):
        with pytest.raises(ValueError, match="unsupported mode"):
            three.query(ask(), mode=mode)
    with pytest.raises(ValueError, match="query_embedding"):
        three.query(VectorStoreQuery(query_str=FOX))
    with pytest.raises(ValueError, match="dimensions"):
        three.query(VectorStoreQuery(query_embedding=[1.0, 2.0]))
    with pytest.raises(ValueError, match="k must"):
        three.query(ask(k=0))


@pytest.mark.parametrize("mode", ["default", "mmr", "field", "hybrid"])
def test_an_exact_search_or_a_longer_one_reaches_the_store(
    opener: Callable[..., FieldVectorStore], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    store, search, told = opener(text_index=True), FieldStore.search, []

    def spy(self: FieldStore, *args: Any, **options: Any) -> Any:
        told.append({name: options.get(name) for name in ("exact", "effort")})
        return search(self, *args, **options)

    store.add([node("1"), node("2", FISH)])
    past = store.as_of(1)
    monkeypatch.setattr(FieldStore, "search", spy)
    store.query(ask(), mode=mode, exact=True)
    store.query(ask(), mode=mode, effort=3.0)
    assert told == [{"exact": True, "effort": None}, {"exact": None, "effort": 3.0}]
    if mode != "hybrid":
        assert past.query(ask(), mode=mode, exact=True).ids == ["1", "2"], "the past is always exact"


# -- get_nodes


def test_get_nodes_takes_ids_a_filter_both_or_neither(copies: FieldVectorStore) -> None:
    assert ids_of(copies.get_nodes()) == ["0", "1", "2", "3", "4"]
    assert ids_of(copies.get_nodes(["3", "unknown", "1", "3"])) == ["3", "1"]
    assert ids_of(copies.get_nodes(filters=only(n=4))) == ["4"]
    assert ids_of(copies.get_nodes(["3", "4"], only(n=4))) == ["4"]
    assert ids_of(copies.get_nodes(["3"], only(n=4))) == []
    assert copies.get_nodes([]) == []
    assert len(copies.get_nodes(filters=MetadataFilters(filters=[]))) == 5
