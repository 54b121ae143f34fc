"""Break the adapter on purpose, one thing at a time, and see the tests go red.

    python integrations/llama_index/tests/mutants.py        (in the environment of `make test`)

Each mutant is a copy of the package in which one piece of code was replaced, put before the installed one. A mutant
that no test notices is a hole in the tests, and the script ends with status 1. The untouched copy runs first, and must
be green. `tests/mutants.py` at the root does the same to forgetting itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
PACKAGE = Path("llama_index/vector_stores/fieldstore")
TESTS = [f"integrations/llama_index/tests/test_{name}.py" for name in ("flows", "forgetting", "nodes", "async")]
TESTS += [f"integrations/llama_index/tests/test_{name}.py" for name in ("queries", "filters", "traps", "persisting")]


class Mutant(NamedTuple):
    """What is broken; the file; what is replaced, and by what. The old text stands exactly once in the file."""

    breaks: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "delete does nothing",
        "base.py",
        "        self._delete(None, sources.of_source(ref_doc_id), erase, reason, actor)\n",
        "",
    ),
    Mutant(
        "delete_nodes does nothing",
        "base.py",
        "        self._delete(*_selection(None, node_ids, filters), erase, reason, actor)\n",
        "",
    ),
    Mutant(
        "clear does nothing",
        "base.py",
        "        self._delete(None, EVERYTHING, erase, reason, actor)\n",
        "        pass\n",
    ),
    Mutant(
        "an upsert is ignored",
        "base.py",
        "        batch = columns(nodes)\n",
        "        nodes = list(nodes)\n        ids = [node.node_id for node in nodes]\n"
        "        batch = columns(node for node in nodes if not self._store.history(node.node_id))\n"
        "        if len(batch['ids']) < len(ids):\n"
        "            if batch['ids']:\n                self._store.add(**batch, weights=weight)\n"
        "            return ids\n",
    ),
    Mutant(
        "filters are ignored",
        "filters.py",
        "    if filters is None or not filters.filters:\n",
        "    if True:\n",
    ),
    Mutant(
        "filters are applied after the ranking",
        "base.py",
        "            return _result(self._store.search(asked.vector, asked.k, where=asked.where))\n",
        "            wanted = {record.id for record in self._store.get(where=asked.where)}\n"
        "            hits = self._store.search(asked.vector, asked.k)\n"
        "            return _result([hit for hit in hits if hit.id in wanted])\n",
    ),
    Mutant(
        "the worst come first",
        "base.py",
        "        nodes=[to_node(hit) for hit in hits],\n",
        "        nodes=[to_node(hit) for hit in hits.reverse() or hits],\n",
    ),
    Mutant(
        "async writes do nothing",
        "base.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        if method.__name__ in ('add', 'delete', 'delete_nodes', 'clear'):\n            return None\n"
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
    ),
    Mutant(
        "async writes drop their arguments",
        "base.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args)\n",
    ),
    Mutant(
        "async runs on the event loop",
        "base.py",
        "        return await asyncio.to_thread(getattr(self, method.__name__), *args, **kwargs)\n",
        "        return getattr(self, method.__name__)(*args, **kwargs)\n",
    ),
    Mutant(
        "a document stored whole has no source",
        "nodes.py",
        "node.ref_doc_id or node.node_id",
        "node.ref_doc_id",
    ),
    Mutant(
        "restore brings back every version of a document",
        "sources.py",
        "if chain[-1].seq > written]",
        "]",
    ),
    Mutant(
        "no node_ids are no nodes",
        "queries.py",
        "if query.node_ids and not",
        "if query.node_ids is not None and not",
    ),
    Mutant(
        "no doc_ids are all documents",
        "queries.py",
        "None if query.doc_ids is None else",
        "None if not query.doc_ids else",
    ),
    Mutant(
        "an mmr_threshold of 0 is none",
        "queries.py",
        "if arguments.get(name) is not None}",
        "if arguments.get(name)}",
    ),
    Mutant(
        "an erase that waits passes for done",
        "base.py",
        "        self._store.finish_erase()",
        "        return",
    ),
]


def run(tree: Path) -> subprocess.CompletedProcess[str]:
    """The tests against the package in a tree, until the first failure."""
    paths = os.pathsep.join([str(tree), str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS]
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def main() -> int:
    """Try every mutant; returns how many were not noticed."""
    unnoticed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, mutant in enumerate([None, *MUTANTS]):
            tree = Path(scratch) / str(number)
            shutil.copytree(HERE / PACKAGE, tree / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
            if mutant is not None:
                path = tree / PACKAGE / mutant.file
                code = path.read_text()
                if code.count(mutant.old) != 1:
                    raise SystemExit(f"{mutant.file} no longer holds, exactly once:\n{mutant.old}")
                path.write_text(code.replace(mutant.old, mutant.new))
            result = run(tree)
            red = [line for line in result.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            if mutant is None and result.returncode != 0:
                raise SystemExit(
                    f"the tests are red without any mutant:\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
                )
            if mutant is not None:
                noticed = result.returncode == 1 and bool(red)
                unnoticed += not noticed
                first = red[0].split(" - ")[0].removeprefix("FAILED integrations/llama_index/tests/") if red else ""
                print(f"{'red  ' if noticed else 'GREEN'}  {mutant.breaks:<50} {first}", flush=True)
    print(f"{len(MUTANTS) - unnoticed} of {len(MUTANTS)} mutants were noticed")
    return unnoticed


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
