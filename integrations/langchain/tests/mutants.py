"""Break the adapter on purpose, one thing at a time, and see its tests go red: `make mutants`, by tests/mutation.py."""

from tests.mutation import Mutant, unnoticed

PACKAGE = "integrations/langchain/langchain_fieldstore/"
TESTS = [
    f"integrations/langchain/tests/unit_tests/test_{name}.py"
    for name in (
        "adding", "deleting", "finding", "filters", "async", "opening", "traps", "retrievers", "indexing", "agents",
        "agents_stores", "checkpoints", "translator", "keeping",
    )
]  # fmt: skip

MUTANTS = [
    # ---- writing
    Mutant(
        "an upsert is ignored",
        PACKAGE + "vectorstores.py",
        '        vectors = _one_each(self.embedding.embed_documents(columns["texts"]), columns)\n',
        "        if any(self.store.history(id) for id in columns['ids']):\n            return Added(columns['ids'])\n"
        '        vectors = _one_each(self.embedding.embed_documents(columns["texts"]), columns)\n',
    ),
    Mutant(
        "an update revives what is forgotten",
        PACKAGE + "vectorstores.py",
        "        return self._write(self.store.update, columns_of_documents(documents, ids))\n",
        "        return self._write(self.store.add, columns_of_documents(documents, ids))\n",
    ),
    Mutant(
        "a generator is used up by counting it",
        PACKAGE + "documents.py",
        "    pages = list(texts)  # once: a generator is empty the second time\n",
        "    list(texts)\n    pages = list(texts)\n",
    ),
    Mutant(
        "too few ids are paired with what there is",
        PACKAGE + "documents.py",
        "        if len(column) != len(pages):\n",
        "        if False:\n",
    ),
    # ---- taking out
    Mutant(
        "forget does nothing",
        PACKAGE + "forgetting.py",
        "        return self.store.forget(**selection, **options, reason=reason, actor=actor)\n",
        "        return self.store.forget([])\n",
    ),
    Mutant(
        "nothing is kept out",
        PACKAGE + "forgetting.py",
        '"keep_out": keep_out}\n',
        '"keep_out": False}\n',
    ),
    Mutant(
        "delete forgets where it should erase",
        PACKAGE + "forgetting.py",
        '        if self.on_delete == "erase" if erase is None else erase:\n',
        "        if False:\n",
    ),
    Mutant(
        "delete without criteria deletes all",
        PACKAGE + "forgetting.py",
        "        if [ids is not None, bool(filter), delete_all].count(True) != 1:\n",
        "        delete_all = delete_all or not (ids or filter)\n        if False:\n",
    ),
    Mutant(
        "an erase that waits passes for done",
        PACKAGE + "forgetting.py",
        "        self.store.finish_erase()",
        "        return",
    ),
    # ---- finding
    Mutant(
        "filters are ignored",
        PACKAGE + "filters.py",
        "    return dict(filter) if filter else None\n",
        "    return None\n",
    ),
    Mutant(
        "a function as a filter is ignored",
        PACKAGE + "filters.py",
        "if filter(to_document(record))])\n",
        "])\n",
    ),
    Mutant(
        "filters are applied after the ranking",
        PACKAGE + "searching.py",
        "        return self.store.search(vector, k, **restriction(filter, self.store.get), **how)\n",
        "        hits = self.store.search(vector, k, **how)\n        allowed = restriction(filter, self.store.get)\n"
        "        wanted = {record.id for record in self.store.get(**allowed)}\n"
        "        return [hit for hit in hits if hit.id in wanted]\n",
    ),
    Mutant(
        "relevance is the bare cosine",
        PACKAGE + "documents.py",
        "    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))\n",
        "    return cosine\n",
    ),
    Mutant(
        "relevance is not clipped",
        PACKAGE + "documents.py",
        "    return min(1.0, max(0.0, (1.0 + cosine) / 2.0))\n",
        "    return (1.0 + cosine) / 2.0\n",
    ),
    Mutant(
        "scores are what is ranked by, not cosines",
        PACKAGE + "searching.py",
        "[hit.cosine for hit in hits]",
        "[1 - hit.cosine for hit in hits]",
    ),
    Mutant(
        "mmr comes back in the order of rank",
        PACKAGE + "diversity.py",
        "    return chosen\n",
        "    return sorted(chosen)\n",
    ),
    Mutant(
        "lambda is inverted",
        PACKAGE + "diversity.py",
        "        gains = [lambda_mult * cosines[i] - (1 - lambda_mult) * likeness[i] for i in left]\n",
        "        gains = [(1 - lambda_mult) * cosines[i] - lambda_mult * likeness[i] for i in left]\n",
    ),
    Mutant(
        "get_by_ids repeats itself",
        PACKAGE + "searching.py",
        "        return documents_shown(self.store, self.store.get(ids))\n",
        "        return documents_shown(self.store, [r for id in ids for r in self.store.get([id])])\n",
    ),
    Mutant(
        "a field answer is never filled up",
        PACKAGE + "retrievers.py",
        '            hits = _filled(hits, k, options["per"]) if fill else hits\n',
        "",
    ),
    # ---- awaiting
    Mutant(
        "async writes embed on the event loop",
        PACKAGE + "vectorstores.py",
        'await self.embedding.aembed_documents(columns["texts"])',
        'self.embedding.embed_documents(columns["texts"])',
    ),
    Mutant(
        "the lock that async writers and readers wait for lets everybody in",
        "fieldstore/mirror.py",
        "        self._lock = threading.RLock()\n",
        "        self._lock: Any = type('Open', (), {name: lambda *_, **__: True for name in "
        "('acquire', 'release', '__enter__', '__exit__')})()\n",
    ),
    Mutant(
        "async writes do not wait for the write",
        PACKAGE + "vectorstores.py",
        "await run_in_executor(None, partial(verb, vectors=vectors, **columns)))\n",
        "__import__('asyncio').get_running_loop().call_later(\n"
        "            0.05, partial(verb, vectors=vectors, **columns)\n        ) and Added())\n",
    ),
    # ---- indexing
    Mutant(
        "the record manager remembers keys instead of asking",
        PACKAGE + "indexing.py",
        "        return [key in live for key in keys]\n",
        "        return [key in live or key in self._named for key in keys]\n",
    ),
    Mutant(
        "what a run leaves as it is counts as old",
        PACKAGE + "indexing.py",
        "            self._named.update(dict.fromkeys(keys, now))\n",
        "            pass\n",
    ),
    Mutant(
        "times are told by whole seconds alone",
        PACKAGE + "indexing.py",
        "                self._moments[now] = entries\n",
        "",
    ),
    # ---- conversations
    Mutant(
        "tools' answers are not looked into",
        PACKAGE + "redaction.py",
        "                new = self._answered(message) if holds else message\n",
        "                new = message\n",
    ),
    Mutant(
        "answers in other words stay",
        PACKAGE + "redaction.py",
        "        if not (drew or quotes or wrote or (told and text)):\n",
        "        if not quotes:\n",
    ),
    Mutant(
        "artifacts stay",
        PACKAGE + "redaction.py",
        'model_copy(update={"artifact": artifact})\n',
        "model_copy()\n",
    ),
    Mutant(
        "documents that became dicts are not known",
        PACKAGE + "messages.py",
        '        if isinstance(value.get("id"), str) and isinstance(value.get("page_content"), str):\n',
        "        if False:\n",
    ),
    Mutant(
        "what a tool read is not noted",
        PACKAGE + "agents.py",
        "    if isinstance(answer, ToolMessage):\n        return stamped(answer, key, watch.read, watch.wrote)\n",
        "    if isinstance(answer, ToolMessage):\n        return answer\n",
    ),
    Mutant(
        "who quotes what is live is not noted",
        PACKAGE + "redaction.py",
        "        if not isinstance(message, HumanMessage):\n",
        "        if True:\n",
    ),
    Mutant(
        "the model's quotations of what tools told without documents are not noted",
        PACKAGE + "agents.py",
        "[*self._gone.texts_of_live(noted), ",
        "[",
    ),
    Mutant(
        "a directory that was opened twice passes for two stores",
        PACKAGE + "reading.py",
        "    return one is other or (",
        "    return one is other or False and (",
    ),
    Mutant(
        "what another store's tools read is looked for in this one",
        PACKAGE + "agents.py",
        "        self._key = STAMP if name is None else",
        "        self._key = STAMP if True else",
    ),
    Mutant(
        "what tools are asked in other words stays",
        PACKAGE + "redaction.py",
        "        if noted or self._ids & ",
        "        if self._ids & ",
    ),
    Mutant(
        "the words of what is forgotten are not known",
        PACKAGE + "gone.py",
        "        found = self._known().spans(text)\n",
        "        found = []\n",
    ),
    Mutant(
        "what was forgotten later is not taken in",
        PACKAGE + "gone.py",
        "            if seq != self._seq:\n",
        "            if self._seq is None:\n",
    ),
    Mutant(
        "what is told again is taken for what was forgotten",
        PACKAGE + "redaction.py",
        "        live = self._live.spans(text) if found else []\n",
        "        live = []\n",
    ),
    Mutant(
        "only the newest checkpoint is looked at",
        PACKAGE + "checkpoints.py",
        "    return sorted({_thread_of(one) for one in checkpointer.list(None) if wanted.is_in(one)})\n",
        "    newest = {_thread_of(one): one for one in reversed(list(checkpointer.list(None)))}\n"
        "    return sorted(thread for thread, one in newest.items() if wanted.is_in(one))\n",
    ),
]


if __name__ == "__main__":
    raise SystemExit(min(unnoticed(MUTANTS, TESTS), 1))
