"""Break the adapter on purpose, one thing at a time, and see its tests go red: `make mutants`, by tests/mutation.py.

The thirteen that upstream's own suites mostly miss must be noticed by the conformance suite alone, which has to find
them in other stores, too.
"""

from tests.mutation import Mutant, unnoticed

PACKAGE = "integrations/llama_index/llama_index/vector_stores/fieldstore/"
SUITE = ["integrations/llama_index/tests/test_conformance.py"]
TESTS = [
    f"integrations/llama_index/tests/test_{name}.py"
    for name in (
        *("docstores", "past", "retrievers", "words", "forgetting", "nodes"),
        *("async", "queries", "filters", "traps", "persisting", "flows"),
    )
]

THIRTEEN = [
    Mutant(
        "filters ignored",
        PACKAGE + "filters.py",
        "    if filters is None or not filters.filters:\n",
        "    if True:\n",
    ),
    Mutant(
        "worst first",
        PACKAGE + "finding.py",
        "    return FieldQueryResult(\n",
        "    hits = hits[::-1]\n    return FieldQueryResult(\n",
    ),
    Mutant(
        "top_k ignored",
        PACKAGE + "queries.py",
        "    k = query.similarity_top_k if",
        "    k = 1000 if",
    ),
    Mutant(
        "delete_nodes no-op",
        PACKAGE + "base.py",
        "        self._delete(self._selection(None, node_ids, filters), erase, reason, actor)\n",
        "",
    ),
    Mutant(
        "clear no-op",
        PACKAGE + "base.py",
        '        self._delete({"where": EVERYTHING}, erase, reason, actor)\n',
        "        pass\n",
    ),
    Mutant(
        "async writes no-op",
        PACKAGE + "finding.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        if method.__name__ in ('add', 'delete', 'delete_nodes', 'clear'):\n"
        "            return [node.node_id for node in args[0]] if method.__name__ == 'add' else None\n"
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
    ),
    Mutant(
        "embeddings lost",
        PACKAGE + "nodes.py",
        "    if isinstance(record, Record) and record.vector is not None:\n",
        "    if False:\n",
    ),
    Mutant(
        "relationships dropped",
        PACKAGE + "nodes.py",
        "    own |= {name: dict.fromkeys",
        "    own.pop('relationships', None)\n    own |= {name: dict.fromkeys",
    ),
    Mutant(
        "node_ids ignored",
        PACKAGE + "queries.py",
        "    return listed(query.node_ids) if",
        "    return None if",
    ),
    Mutant(
        "delete no-op",
        PACKAGE + "base.py",
        "        self._delete(self._document(ref_doc_id), erase, reason, actor, keep_out)\n",
        "",
    ),
    Mutant(
        "doc_ids ignored",
        PACKAGE + "queries.py",
        '    return None if query.doc_ids is None else {SOURCE: {"$in": listed(query.doc_ids)}}\n',
        "    return None\n",
    ),
    Mutant(
        "NOT as AND",
        PACKAGE + "filters.py",
        '        return {"$not": {"$or": tests}}\n',
        '        return {"$and": tests}\n',
    ),
    Mutant(
        "upsert ignored",
        PACKAGE + "base.py",
        "        return self._store.add(**columns(nodes), weights=weights, reason=reason, actor=actor)\n",
        "        new = [node for node in nodes if not self._store.history(node.node_id)]\n"
        "        if new:\n            self._store.add(**columns(new), reason=reason, actor=actor)\n"
        "        return [node.node_id for node in nodes]\n",
    ),
]

OTHERS = [
    Mutant(
        "filters are applied after the ranking",
        PACKAGE + "finding.py",
        "        return self.client.search(vector, k, ids=asked.ids, where=asked.where, **options)\n",
        "        wanted = {record.id for record in self.client.get(asked.ids, where=asked.where)}\n"
        "        hits = self.client.search(vector, k, **options)\n"
        "        return [hit for hit in hits if hit.id in wanted]\n",
    ),
    Mutant(
        "async writes drop their arguments",
        PACKAGE + "finding.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args)\n",
    ),
    Mutant(
        "async runs on the event loop",
        PACKAGE + "finding.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        return getattr(self, method.__name__)(*args, **kwargs)\n",
    ),
    Mutant(
        "a document stored whole has no source",
        PACKAGE + "nodes.py",
        "node.ref_doc_id or node.node_id",
        "node.ref_doc_id",
    ),
    Mutant(
        "restore brings back every version of a document",
        PACKAGE + "sources.py",
        "if chain[-1].seq > written]",
        "]",
    ),
    Mutant(
        "no node_ids are no nodes",
        PACKAGE + "queries.py",
        "if query.node_ids and not",
        "if query.node_ids is not None and not",
    ),
    Mutant(
        "no doc_ids are all documents",
        PACKAGE + "queries.py",
        "None if query.doc_ids is None else",
        "None if not query.doc_ids else",
    ),
    Mutant(
        "an mmr_threshold or an alpha of 0 is none",
        PACKAGE + "queries.py",
        "for name, value in options.items() if value is not None}",
        "for name, value in options.items() if value}",
    ),
    Mutant(
        "an erase that waits passes for done",
        PACKAGE + "base.py",
        "        self._store.finish_erase()",
        "        return",
    ),
    Mutant(
        "what is forgotten is in the past for everybody",
        PACKAGE + "base.py",
        "self._store.as_of(at, forgotten=forgotten)",
        "self._store.as_of(at, forgotten=True)",
    ),
    Mutant(
        "a rebuilt docstore does not know what was forgotten",
        PACKAGE + "sources.py",
        "    if forgotten:\n",
        "    if False:\n",
    ),
    Mutant(
        "a rebuilt docstore takes a replaced version of a forgotten node for its last",
        PACKAGE + "sources.py",
        "if since[id] < seq <= until[id]]",
        "if seq <= until[id]]",
    ),
    Mutant(
        "a rebuilt docstore keeps the words",
        PACKAGE + "sources.py",
        "    kept.add_documents([Document(id_=source) for source in hashes])",
        "    kept.add_documents([Document(id_=record.id, text=record.text or '') for record in store.get()])\n"
        "    kept.add_documents([Document(id_=source) for source in hashes])",
    ),
    Mutant(
        "the residual of a document counts its own nodes",
        PACKAGE + "base.py",
        ', where={SOURCE: {"$ne": ref_doc_id}})',
        ")",
    ),
    Mutant(
        "the weight in the metadata is ignored",
        PACKAGE + "base.py",
        "self.weight_key is None else weights_of(nodes, self.weight_key)",
        "True else None",
    ),
    Mutant(
        "a document is kept out by its texts alone",
        PACKAGE + "base.py",
        "filter_keys=FILTER_KEYS, text_index=text_index, source_key=SOURCE)",
        "filter_keys=FILTER_KEYS, text_index=text_index)",
    ),
    Mutant(
        "a document that is restored stays kept out",
        PACKAGE + "base.py",
        "                self._store.let_in(source=ref_doc_id, reason=reason, actor=actor)\n",
        "                pass\n",
    ),
    Mutant(
        "a list of the field is never filled up",
        PACKAGE + "finding.py",
        " if fill else hits",
        "[: len(hits)]",
    ),
    Mutant(
        "a FieldRetriever sends node_ids of its own accord",
        PACKAGE + "retrievers.py",
        "            node_ids=node_ids,\n",
        "            node_ids=node_ids or list(index.index_struct.nodes_dict.values()),\n",
    ),
    Mutant(
        "a text search asks the vector",
        PACKAGE + "finding.py",
        'by = "text" if asked.mode',
        'by = "hybrid" if asked.mode',
    ),
    Mutant(
        "what stands behind an answer goes into its metadata",
        PACKAGE + "finding.py",
        "        nodes=[to_node(hit) for hit in hits],\n",
        "        nodes=[to_node(hit) for hit in hits if not hit.metadata.update(share=hit.share)],\n",
    ),
]

MUTANTS = [*THIRTEEN, *OTHERS]


if __name__ == "__main__":
    raise SystemExit(min(unnoticed(THIRTEEN, SUITE) + unnoticed(OTHERS, TESTS), 1))
