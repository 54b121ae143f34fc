"""Break forgetting on purpose, one thing at a time, and see the tests go red: `make mutants`, by tests/mutation.py."""

from tests.mutation import Mutant, unnoticed

TESTS = [
    f"tests/test_{name}.py"
    for name in (
        *(
            "forgetting",
            "store",
            "erasing",
            "processes",
            "verify",
            "faults",
            "engine_sharing",
            "filter_keys",
            "many_queries",
            "narrowing",
            "text_index",
            "forget_options",
            "keep_out",
            "hostile",
        ),
        *("repellers", "engine_repellers", "invariants"),
        *("checkpoint", "certificate", "merkle", "retention", "read_only", "past", "plots"),
    )
]

MUTANTS = [
    Mutant(
        "the inverse is not appended",
        "fieldstore/changes.py",
        "            draft.invert(kind, known.element, known.sum)\n        out",
        "            pass\n        out",
    ),
    Mutant(
        "the inverse is appended but not applied",
        "fieldstore/mirror.py",
        "            self._hand_over(draft)\n        else:\n            self._refresh()",
        "            self._hand_over(draft)\n        else:\n            self._changes = database.changes()",
    ),
    Mutant(
        "the inverse is applied in memory but not durable",
        "fieldstore/storage/connection.py",
        '            self._connection.execute("BEGIN IMMEDIATE")\n            yield\n            committing = True\n'
        '            self._connection.execute("COMMIT")',
        "            if not self._connection.in_transaction:\n"
        '                self._connection.execute("BEGIN IMMEDIATE")\n            yield\n            committing = True',
    ),
    Mutant(
        "the inverse is applied to nearest but not to attractors",
        "fieldstore/engine/field.py",
        "        reach = self.tau if reach is None else checked_reach(reach)\n",
        "        reach = self.tau if reach is None else checked_reach(reach)\n"
        "        kept = Field(self.dim, kappa=self.kappa)\n"
        "        kept.mount(self.points)\n"
        "        kept.reweight(np.arange(len(self)), np.maximum(self.weights, 1.0))\n"
        "        self = kept\n",
    ),
    Mutant(
        "the cells of a filter keep the codes of what was forgotten",
        "fieldstore/engine/partition.py",
        "            self._narrowed = {}  # nothing",
        "            pass  # nothing",
    ),
    Mutant(
        "the inverse is applied to searches but not to get",
        "fieldstore/mirror.py",
        "        live = self.weights > 0\n",
        "        live = self.weights >= 0\n",
    ),
    Mutant(
        "the inverse is not seen by a second process",
        "fieldstore/mirror.py",
        "            if database.changes() != self._changes:",
        "            if self._changes is None:",
    ),
    Mutant(
        "the inverse is not seen by a search that ranked before it",
        "fieldstore/finding.py",
        "                if mirror.field is not field:\n",
        "                if mirror.dim != field.dim:\n",
    ),
    Mutant(
        "the inverse leaves the field that searches look at as it was",
        "fieldstore/mirror.py",
        "        self._settle()\n        self._view = None\n",
        "        self._settle()\n",
    ),
    Mutant(
        "the inverse is a millionth too small",
        "fieldstore/ledger.py",
        "-known.last if kind is Kind.RESTORE else -known.weight)",
        "-known.last if kind is Kind.RESTORE else 1 - known.weight)",
    ),
    Mutant(
        "the inverse is appended again each time",
        "fieldstore/selecting.py",
        "        elif (version.sum.weight > 0) is (kind is Kind.RESTORE):",
        "        elif False:",
    ),
    Mutant(
        "points of weight 0 are summed after all",
        "fieldstore/engine/sums.py",
        "            if weights[p] != 0.0:\n                held[taken] = weights[p]\n",
        "            if True:\n                held[taken] = weights[p] + 1e-9\n",
    ),
    Mutant(
        "restore brings back another weight",
        "fieldstore/ledger.py",
        "-known.last if kind is Kind.RESTORE",
        "1_000_000 if kind is Kind.RESTORE",
    ),
    Mutant(
        "an upsert leaves the old version in the field",
        "fieldstore/changes.py",
        "            if known is not None and known.sum.weight:\n                draft.invert(Kind.SUPERSEDE",
        "            if False:\n                draft.invert(Kind.SUPERSEDE",
    ),
    Mutant(
        "an erase leaves the vector",
        "fieldstore/erasure.py",
        "    folder.vectors(dim).zero(points)\n",
        "",
    ),
    Mutant(
        "an erase leaves the log of the database",
        "fieldstore/storage/connection.py",
        'return self._checkpointed("TRUNCATE")',
        'return self._checkpointed("PASSIVE")',
    ),
    Mutant(
        "an erase does not overwrite what it deletes",
        "fieldstore/storage/connection.py",
        'if self._one("PRAGMA secure_delete=ON") != 1 or',
        "if",
    ),
    Mutant(
        "an erase forgets about the older versions",
        "fieldstore/changes.py",
        "    versions = [version for id in ids for version in database.versions(id)]",
        "    versions = [version for id in ids for version in database.versions(id)[-1:]]",
    ),
    Mutant(
        "an erase leaves the values kept for filters",
        "fieldstore/storage/filter_values.py",
        "    DELETE FROM filter_values WHERE point = old.point",
        "    DELETE FROM filter_values WHERE point = -1",
    ),
    Mutant(
        "an erase does not look for the values kept for filters",
        "fieldstore/erasure.py",
        ", *folder.database.filter_values.of(point)):",
        "):",
    ),
    Mutant(
        "forgotten words stay in the text index",
        "fieldstore/storage/text_index.py",
        "WHEN (new.weight > 0) != coalesce((SELECT weight > 0",
        "WHEN (new.weight > 0) > coalesce((SELECT weight > 0",
    ),
    Mutant(
        "the text index keeps the words of a text that was replaced",
        "fieldstore/storage/text_index.py",
        "CREATE TRIGGER text_index_replaced BEFORE INSERT ON records BEGIN",
        "CREATE TRIGGER text_index_replaced BEFORE INSERT ON records WHEN new.point < 0 BEGIN",
    ),
    Mutant(
        "an erase leaves the beginnings of words in the text index",
        "fieldstore/erasure.py",
        "        database.text_index.scrub()\n",
        "",
    ),
    Mutant(
        "an erase does not look for words as the text index has them",
        "fieldstore/erasure.py",
        "        if folder.database.text_index.on:\n",
        "        if False:\n",
    ),
    Mutant(
        "an erase explains a leftover word by the text index that it was left in",
        "fieldstore/storage/text_index.py",
        "        if self.on and not self.damage():\n",
        "        if self.on:\n",
    ),
    Mutant(
        "near copies are looked for among the forgotten",
        "fieldstore/selecting.py",
        "    live = mirror.weights > 0\n",
        "    live = mirror.weights == 0\n",
    ),
    Mutant(
        "a dry run forgets",
        "fieldstore/forgetting.py",
        "        if dry_run:\n",
        "        if False:\n",
    ),
    Mutant(
        "an add takes what is kept out",
        "fieldstore/changes.py",
        "        refused = keeping.refused(mirror, batch.texts, batch.metadatas)\n",
        "        refused = set[int]()\n",
    ),
    Mutant(
        "an update brings in what is kept out",
        "fieldstore/changes.py",
        "        refused = keeping.refused(mirror, texts, metadatas)\n",
        "        refused = set[int]()\n",
    ),
    Mutant(
        "a source that is kept out is recognised by its texts only",
        "fieldstore/keeping.py",
        "            if (mark := fingerprint.of_source(key, source)) is not None:\n",
        "            if False and (mark := fingerprint.of_source(key, source)) is not None:\n",
    ),
    Mutant(
        "an erase leaves fingerprints under the key of the store",
        "fieldstore/keeping.py",
        "    keeping.lift(own, alone=True)",
        "    keeping.lift([], alone=True)",
    ),
    Mutant(
        "an erase does not look for fingerprints",
        "fieldstore/erasure.py",
        "        if own is not None:\n            telling",
        "        if False:\n            telling",
    ),
    Mutant(
        "letting in leaves no trace in the ledger",
        "fieldstore/keeping.py",
        "            self._draft.let_in(self._mirror.folder.database.leaf(seq).element, seq)\n",
        "            pass\n",
    ),
    Mutant(
        "verify does not look at what is kept out",
        "fieldstore/audit.py",
        "    yield from _kept_out(database, fold)\n",
        "",
    ),
    Mutant(
        "values kept for filters do not follow the ledger",
        "fieldstore/storage/filter_values.py",
        "WHERE s.seq >= ? AND s.weight > 0",
        "WHERE s.seq > ? + 1 AND s.weight > 0",
    ),
    Mutant(
        "an erase does not look",
        "fieldstore/storage/folder.py",
        "        return Search(0, 0, []) if self.path is None else search_folder(self.path, needles, "
        "everywhere=VECTORS)",
        "        return Search(3, 1, [])",
    ),
    Mutant(
        "a filter is ignored by forget",
        "fieldstore/mirror.py",
        "            live &= allowed.of\n",
        "            pass\n",
    ),
    Mutant(
        "a forgotten record is found again after kappa has changed",
        "fieldstore/engine/weighted.py",
        "        weights = self._effective()\n        before, arrays.offsets",
        "        weights = np.maximum(self._effective(), 1e-3)\n        before, arrays.offsets",
    ),
    Mutant(
        "residuals name nobody",
        "fieldstore/answers.py",
        "    copies, others = mirror.field.remaining(known.sum.point, count, allowed=allowed)\n",
        "    copies, others = mirror.field.remaining(known.sum.point, count, allowed=mirror.weights < 0)\n",
    ),
    Mutant(
        "verify believes whatever it finds",
        "fieldstore/audit.py",
        "            found.append(step)\n",
        "            pass\n",
    ),
    Mutant(
        "verify does not compare the ledger with a checkpoint",
        "fieldstore/audit.py",
        "    elif roots[kept.size] != kept.root:\n",
        "    elif False:\n",
    ),
    Mutant(
        "verify takes a cut ledger for a short one",
        "fieldstore/audit.py",
        "    elif size < kept.size:\n",
        "    elif size < kept.size and roots.setdefault(kept.size, kept.root) == b'':\n",
    ),
    Mutant(
        "verify takes any signature under a checkpoint",
        "fieldstore/checkpoint.py",
        "return [] if fits(public, data[4:], whole) else",
        "return [] if whole else",
    ),
    Mutant(
        "verify takes a certificate of another ledger for its own",
        "fieldstore/audit.py",
        '                wrong = ["it is about another ledger"]\n',
        "                pass\n",
    ),
    Mutant(
        "verify takes a certificate of anybody",
        "fieldstore/audit.py",
        "verify_certificate(text, public_key)",
        "verify_certificate(text)",
    ),
    Mutant(
        "a certificate need not continue the ledger of before",
        "fieldstore/certificate.py",
        "    if not consistent(",
        "    if not steps and not consistent(",
    ),
    Mutant(
        "a consistency proof is not led to the old root",
        "fieldstore/merkle.py",
        "last == 0 and hmac.compare_digest(found_old, old) and",
        "last == 0 and",
    ),
    Mutant(
        "erasing by age takes what is a moment too young",
        "fieldstore/changes.py",
        "if known.sum.seq < past]",
        "if known.sum.seq <= past]",
    ),
    Mutant(
        "erasing again stops at the first version",
        "fieldstore/changes.py",
        "    versions = mirror.folder.database.named(elements)\n",
        "    versions = mirror.folder.database.named(elements)[:1]\n",
    ),
    Mutant(
        "an erasure is missing from the list for backups",
        "fieldstore/storage/database.py",
        'FROM sums WHERE kind = ? ORDER BY point", (int(Kind.ERASE),))\n        return [element',
        'FROM sums WHERE kind = ? AND point != 5 ORDER BY point", (int(Kind.ERASE),))\n        return [element',
    ),
    Mutant(
        "a reader without a log does not notice who forgets",
        "fieldstore/storage/read_only.py",
        "        if self._seen is not None and self._seen != _looks(self._place) and not self",
        "        if False and not self",
    ),
    Mutant(
        "a reader without a log answers out of two states",
        "fieldstore/storage/read_only.py",
        "        super().end_reading()\n        if self._seen is not None and",
        "        super().end_reading()\n        if False and",
    ),
    Mutant(
        "a store opened to be read takes verbs that write",
        "fieldstore/writing.py",
        "        if store._mirror.folder.read_only:\n            raise",
        "        if False:\n            raise",
    ),
    Mutant(
        "a store opened to be read is opened like any other",
        "fieldstore/store.py",
        "        if read_only:\n            if self.path is None",
        "        if False:\n            if self.path is None",
    ),
    Mutant(
        "a view of the past shows what was erased",
        "fieldstore/past.py",
        "        gone = database.erased() + (",
        "        gone = [] + (",
    ),
    Mutant(
        "a view of the past shows what is forgotten without being asked",
        "fieldstore/past.py",
        "[] if self._forgotten else database.points_forgotten()",
        "[]",
    ),
    Mutant(
        "a view of the past does not notice what is forgotten later",
        "fieldstore/past.py",
        "            if self._mirror.size != self._size:\n",
        "            if False:\n",
    ),
    Mutant(
        "a view of the past shows older versions of what is forgotten",
        "fieldstore/storage/database.py",
        "WHERE s.kind = ? AND r.point <= q.point",
        "WHERE s.kind = ? AND r.point = q.point",
    ),
    Mutant(
        "a view of the past shows the texts of today",
        "fieldstore/past.py",
        "            if point in self._replaced\n",
        "            if False\n",
    ),
    Mutant(
        "what is hidden stays in the cells",
        "fieldstore/engine/weighted.py",
        "            partition.take_out(points)\n            partition.put(",
        "            partition.take_out(points[:0])\n            partition.put(",
    ),
    Mutant(
        "a repeller is felt by those that are there, and not by those added later",
        "fieldstore/engine/weighted.py",
        "        if len(arrays.repellers.radii):\n            values = self._repelling()",
        "        if False:\n            values = self._repelling()",
    ),
    Mutant(
        "a repeller is not felt by phi",
        "fieldstore/engine/field.py",
        "        if not len(repellers.radii):\n            return powers, net\n",
        "        if True:\n            return powers, net\n",
    ),
    Mutant(
        "a repeller hides a little too much",
        "fieldstore/engine/repellers.py",
        "        return 1.0 - self.radii\n",
        "        return 1.01 - self.radii\n",
    ),
    Mutant(
        "taking a repeller back does nothing but write it down",
        "fieldstore/storage/repellers.py",
        'WHERE until IS NULL AND place IS NOT NULL", ())',
        'WHERE place IS NOT NULL", ())',
    ),
    Mutant(
        "a repeller is not seen by a second process",
        "fieldstore/mirror.py",
        "        if self.facts.get(REPELLED, -1) >= self._size:\n",
        "        if self.facts.get(REPELLED, -1) >= self._size and self._changes is None:\n",
    ),
    Mutant(
        "an erase keeps the place of a repeller",
        "fieldstore/storage/database.py",
        "        self.repellers.destroy(points)\n",
        "",
    ),
    Mutant(
        "an erase keeps a repeller that was placed by the vector alone",
        "fieldstore/storage/repellers.py",
        "if one.point in wanted or (one.point is None and one.place in places)]",
        "if one.point in wanted]",
    ),
    Mutant(
        "an erase takes the place of a repeller for its own",
        "fieldstore/changes.py",
        "        draft.unrepel(one.element, until)\n",
        "",
    ),
    Mutant(
        "verify believes whatever it finds of repellers",
        "fieldstore/audit.py",
        '        elif not known.destroyed and not hmac.compare_digest(one.commitment() or b"", known.commitment):\n',
        "        elif False:\n",
    ),
    Mutant(
        "a view of the past hides what is hidden today",
        "fieldstore/past.py",
        "        standing = database.repellers.standing(self.seq + 1)\n",
        "        standing = database.repellers.standing()\n",
    ),
    Mutant(
        "an interrupted erase is not finished on open",
        "fieldstore/store.py",
        "                if database.erasing():\n",
        "                if False:\n",
    ),
    Mutant(
        "an erase does not wait for who reads the state of before",
        "fieldstore/erasure.py",
        "    _wait_for_readers(database, timeout)\n",
        "",
    ),
    Mutant(
        "after a crash a copy in a folder below is taken for the store's own",
        "fieldstore/storage/folder.py",
        "files_below(self.path) if name not in _OWN]",
        "files_below(self.path) if name.split('/')[-1] not in _OWN]",
    ),
    Mutant(
        "an erase from a ledger that was tampered with is certified",
        "fieldstore/erasure.py",
        '    whole = tree.size == facts["size"] and',
        "    whole = True or",
    ),
    Mutant(
        "the map of a field without a record still has its hill",
        "fieldstore/plots.py",
        "_with(field, point, weight), _with(field, point, 0.0)",
        "_with(field, point, weight), _with(field, point, weight)",
    ),
]


if __name__ == "__main__":
    raise SystemExit(min(unnoticed(MUTANTS, TESTS), 1))
