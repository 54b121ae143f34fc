"""The feature table of LlamaIndex's stores, row by row: which test holds that ours is right there."""

import importlib
from typing import Any

import pytest

ROWS: dict[str, list[str]] = {
    "operators of 14": [
        "conformance.an_operator_matches_what_llama_index_says",
        "conformance.an_operator_looks_into_lists",
        "filters.every_operator_is_among_the_cases",
    ],
    "!= on missing key": ["filters.a_missing_key_and_null_match_only_unequal_not_in_and_empty"],
    "NOT": ["conformance.conditions_join_filters", "filters.and_or_not_and_none"],
    "nested": ["conformance.groups_nest", "filters.groups_nest_as_deep_as_wanted"],
    "list metadata": ["conformance.an_operator_looks_into_lists", "nodes.a_node_comes_back_whole_in_every_way"],
    "node_ids / doc_ids": [
        "conformance.node_ids_restrict_and_none_do_not",
        "conformance.doc_ids_restrict_and_none_let_nothing_pass",
    ],
    "get_nodes, with embedding": [
        "conformance.nodes_are_got_by_id_by_filter_by_both_and_all",
        "conformance.nodes_come_with_their_embeddings",
    ],
    "delete_nodes filters": ["conformance.delete_nodes_takes_what_matches"],
    "clear, then query / add": ["conformance.clear_empties_the_store_which_works_straight_after"],
    "re-add same id": ["conformance.a_node_added_again_replaces_what_its_id_held"],
    "query on empty store": ["conformance.an_empty_store_and_one_without_a_match_find_nothing"],
    "no match": ["conformance.an_empty_store_and_one_without_a_match_find_nothing"],
    "native async": ["async.the_loop_goes_on_while_the_store_is_busy", "conformance.async_does_what_sync_does"],
    "hybrid / sparse": [
        "words.hybrid_weighs_words_against_vectors_by_alpha",
        "queries.a_mode_that_is_not_ours_is_refused_by_name",
    ],
    "MMR": ["queries.mmr_chooses_what_cores_own_function_chooses"],
    "query.mmr_threshold": ["conformance.an_mmr_threshold_in_the_query_is_read"],
    "persist": ["persisting.a_persisted_store_opens_with_the_same_answers"],
    "score, higher = better": ["conformance.the_nearest_come_first_and_score_highest"],
    # What none of the seven has.
    "undo of a delete": ["conformance.restore_brings_back_what_was_deleted_as_it_was", "forgetting.undo_is_restore"],
    "undo that keeps later writes": ["conformance.restore_keeps_what_was_written_since"],
    "audit trail": ["forgetting.delete_forgets_and_restore_brings_back_the_same_answers"],
    "delete reason / actor": ["async.async_writes_write_and_name_their_reasons", "flows.delete_ref_doc"],
    "weights": ["nodes.a_weight_counts_as_so_many_copies", "nodes.a_metadata_key_may_say_what_a_node_weighs"],
    "as-of queries": ["past.a_store_as_of_an_entry_answers_as_it_did_then"],
    "ref-doc listing": ["docstores.documents_are_listed_with_their_nodes_and_metadata"],
    "delete-vs-erase distinction": ["forgetting.on_delete_decides_what_deleting_means_and_the_call_overrides_it"],
    "peak retrieval": ["queries.the_field_names_near_copies_once_and_who_they_are"],
    "explain data": ["queries.phi_and_the_shares_say_what_each_answer_adds_to_the_field"],
    "docstore rebuild": ["docstores.a_refresh_on_a_reopened_store_knows_what_is_there"],
}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_table_is_held_by_a_test(row: str) -> None:
    for name in ROWS[row]:
        module, test = name.split(".")
        tests: Any = importlib.import_module(f"integrations.llama_index.tests.test_{module}")
        tests = tests.TestOnDisk if module == "conformance" else tests
        assert callable(getattr(tests, f"test_{test}"))
