# A fresh process that opens a store: `python -m benchmarks.reader open|memory STORE DIM`, or `verbs STORE`; run by
# open.py and memory.py.
#
# In:   the store's folder, its dimensions. Out: one JSON object on a line.
# Rule: nothing is imported before the clock starts but what every Python has.
"""What one reader sees."""

import json
import random
import sys
import time
from pathlib import Path

_QUERIES = 50


def main() -> None:
    """Do as the command line says."""
    mode, path = sys.argv[1], Path(sys.argv[2])
    if mode == "verbs":
        every_verb(path)
        return
    dim = int(sys.argv[3])
    rng = random.Random(6)
    queries = [[rng.gauss(0.0, 1.0) for _ in range(dim)] for _ in range(_QUERIES)]
    start = time.perf_counter()
    from fieldstore import FieldStore

    imported = time.perf_counter()
    store = FieldStore(path, create=False)
    opened = time.perf_counter()
    store.search(queries[0])
    answered = time.perf_counter()
    if mode == "open":
        print(json.dumps({"import": imported - start, "open": opened - imported, "query": answered - opened}))
        return
    for query in queries:
        store.search(query)
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()  # until the others are ready too
    print(json.dumps(resident(path)), flush=True)
    sys.stdin.readline()  # nobody leaves before all have looked: a page that one process maps is nobody's to share


def every_verb(path: Path) -> None:
    """Print how long it takes to import fieldstore and do everything once that needs a loop."""
    start = time.perf_counter()
    from fieldstore import Field, FieldStore
    from fieldstore.engine.warming import warm

    warm()
    with FieldStore(path, create=False) as store:
        points = store.field.points
    field = Field(points.shape[1])
    field.add(points)  # cells are made here
    for some in range(0, 5000, 100):
        field.add(points[some : some + 100])  # and split here
    field.reweight(range(50), 0.0)
    field.unlearn(range(50))
    for exact in (False, True):
        field.nearest(points[100], 10, exact=exact, smooth=True)
        field.attractors(points[100], 10, exact=exact)
    field.remaining(100)
    print(json.dumps({"seconds": time.perf_counter() - start}))


def resident(folder: Path) -> dict[str, int]:
    """Resident bytes of this process.

    mapped: of the files below the folder. beyond: all the rest. private: what of it is dirty or anonymous; pages of a
    file that were only read belong to the page cache. proportional: its share, a page of n processes counting 1/n.
    """
    found = {"mapped": 0, "beyond": 0, "private": 0, "proportional": 0}
    name, private = "", 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        word, *rest = line.split(maxsplit=5)
        if not word.endswith(":"):  # a mapping begins: its range, rights, offset, device, inode, and perhaps a name
            name, private = rest[4] if len(rest) > 4 else "", 0
        elif word in ("Private_Dirty:", "Anonymous:"):
            more = max(0, 1024 * int(rest[0]) - private)
            found["private"] += more
            private += more
        elif word == "Rss:" and Path(name).is_relative_to(folder):
            found["mapped"] += 1024 * int(rest[0])
        elif word == "Rss:":
            found["beyond"] += 1024 * int(rest[0])
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            found["proportional"] = 1024 * int(line.split()[1])
    return found


if __name__ == "__main__":
    main()
