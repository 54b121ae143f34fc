"""Break the adapter on purpose, one thing at a time, and see its tests go red: `make mutants`, by tests/mutation.py."""

from tests.mutation import Mutant, unnoticed

PACKAGE = "integrations/llama_index/llama_index/vector_stores/fieldstore/"
TESTS = [
    f"integrations/llama_index/tests/test_{name}.py"
    for name in ("flows", "forgetting", "nodes", "async", "queries", "filters", "traps", "persisting")
]

MUTANTS = [
    Mutant(
        "delete does nothing",
        PACKAGE + "base.py",
        "        self._delete(None, sources.of_source(ref_doc_id), erase, reason, actor)\n",
        "",
    ),
    Mutant(
        "delete_nodes does nothing",
        PACKAGE + "base.py",
        "        self._delete(*_selection(None, node_ids, filters), erase, reason, actor)\n",
        "",
    ),
    Mutant(
        "clear does nothing",
        PACKAGE + "base.py",
        "        self._delete(None, EVERYTHING, erase, reason, actor)\n",
        "        pass\n",
    ),
    Mutant(
        "an upsert is ignored",
        PACKAGE + "base.py",
        "        batch = columns(nodes)\n",
        "        nodes = list(nodes)\n        ids = [node.node_id for node in nodes]\n"
        "        batch = columns(node for node in nodes if not self._store.history(node.node_id))\n"
        "        if len(batch['ids']) < len(ids):\n"
        "            if batch['ids']:\n                self._store.add(**batch, weights=weight)\n"
        "            return ids\n",
    ),
    Mutant(
        "filters are ignored",
        PACKAGE + "filters.py",
        "    if filters is None or not filters.filters:\n",
        "    if True:\n",
    ),
    Mutant(
        "filters are applied after the ranking",
        PACKAGE + "base.py",
        "            return _result(self._store.search(asked.vector, asked.k, where=asked.where))\n",
        "            wanted = {record.id for record in self._store.get(where=asked.where)}\n"
        "            hits = self._store.search(asked.vector, asked.k)\n"
        "            return _result([hit for hit in hits if hit.id in wanted])\n",
    ),
    Mutant(
        "the worst come first",
        PACKAGE + "base.py",
        "        nodes=[to_node(hit) for hit in hits],\n",
        "        nodes=[to_node(hit) for hit in hits.reverse() or hits],\n",
    ),
    Mutant(
        "async writes do nothing",
        PACKAGE + "base.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        if method.__name__ in ('add', 'delete', 'delete_nodes', 'clear'):\n"
        "            return [node.node_id for node in args[0]] if method.__name__ == 'add' else None\n"
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
    ),
    Mutant(
        "async writes drop their arguments",
        PACKAGE + "base.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args)\n",
    ),
    Mutant(
        "async runs on the event loop",
        PACKAGE + "base.py",
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
        "an mmr_threshold of 0 is none",
        PACKAGE + "queries.py",
        "if arguments.get(name) is not None}",
        "if arguments.get(name)}",
    ),
    Mutant(
        "an erase that waits passes for done",
        PACKAGE + "base.py",
        "        self._store.finish_erase()",
        "        return",
    ),
]


if __name__ == "__main__":
    raise SystemExit(min(unnoticed(MUTANTS, TESTS), 1))
