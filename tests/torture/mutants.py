"""Break what durability and erasing rest on, one thing at a time, and see the torture tests go red: `make mutants`."""

from tests.mutation import Mutant, unnoticed

# In lists by the test that has to notice.

F1 = [
    Mutant(
        "the ledger names rows that are not written yet",
        "fieldstore/changes.py",
        "        stored.write(first, fresh)  # rows first: the ledger never names a row that is not there\n"
        "        mirror.measure(draft, stored.rows(first + len(fresh)))\n"
        "        mirror.commit(draft, contents, facts=facts)\n",
        "        with mirror.folder.database.transaction():\n"
        "            mirror.folder.database.append(draft)\n"
        "        stored.write(first, fresh)\n"
        "        with mirror.folder.database.transaction():\n"
        "            mirror.folder.database.put(contents)\n"
        "            mirror.folder.database.set_facts(facts or {})\n"
        "        mirror._refresh()\n",
    ),
    Mutant(
        "a write is acknowledged before it is committed",
        "fieldstore/storage/connection.py",
        '            self._connection.execute("BEGIN IMMEDIATE")\n            yield\n            committing = True\n'
        '            self._connection.execute("COMMIT")',
        "            if self._connection.in_transaction:\n"
        '                self._connection.execute("COMMIT")\n'
        '            self._connection.execute("BEGIN IMMEDIATE")\n            yield\n            committing = True',
    ),
    Mutant(
        "opening does not clear what a dead add left",
        "fieldstore/store.py",
        "                mirror.folder.vectors(mirror.dim).discard(database.points())\n",
        "",
    ),
]

F2 = [
    Mutant(
        "an erase begins without its intent",
        "fieldstore/mirror.py",
        "            database.begin_erase(erasing)\n",
        "",
    ),
]

F3 = [
    Mutant(
        "vectors are not synced",
        "fieldstore/storage/vectors.py",
        'could not be written ({error}); nothing was changed") from error\n        self._sync()\n',
        'could not be written ({error}); nothing was changed") from error\n',
    ),
    Mutant(
        "rows overwritten by an erase are not synced",
        "fieldstore/storage/vectors.py",
        'could not be overwritten ({error}); their erase is pending") from error\n        self._sync()\n',
        'could not be overwritten ({error}); their erase is pending") from error\n',
    ),
    Mutant(
        "a commit is acknowledged before it is synced",
        "fieldstore/storage/connection.py",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=NORMAL",
    ),
    Mutant(
        "the name of the vectors is not synced",
        "fieldstore/storage/folder.py",
        "                    self._files.sync_folder(self.path)  # its name",
        "                    pass  # its name",
    ),
]

F5 = [
    Mutant(
        "after a failed sync the store goes on",
        "fieldstore/storage/vectors.py",
        '            raise StoreClosed(f"the disk could not be synced ({error}), and the store closed; open it again") '
        "from error\n",
        "            del error\n",
    ),
]

F8 = [
    Mutant(
        "an erase destroys before its intent is synced",
        "fieldstore/erasure.py",
        "    with database.transaction():\n        database.begin_erase(begun)  #",
        "    with suppress(WriteFailed):\n        database.erasing()  #",
    ),
    Mutant(
        "an erase does not look at what the truncating checkpoint says",
        "fieldstore/erasure.py",
        "    if folder.path is not None and result != (0, 0, 0):\n",
        "    if False:\n",
    ),
    Mutant(
        "the certificate does not wait for the look",
        "fieldstore/erasure.py",
        "    if left:\n",
        "    if False:\n",
    ),
    Mutant(
        "opening does not finish an interrupted erase",
        "fieldstore/store.py",
        "                if database.erasing():\n",
        "                if False:\n",
    ),
]

MUTANTS = {"F1": F1, "F2": F2, "F3": F3, "F5": F5, "F8": F8}


if __name__ == "__main__":
    raise SystemExit(
        min(sum(unnoticed(some, ["tests/test_torture.py", "-k", name]) for name, some in MUTANTS.items()), 1)
    )
