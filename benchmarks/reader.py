# A fresh process that opens a store: `python -m benchmarks.reader open|memory STORE DIM`; run by open.py and memory.py.
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
    mode, path, dim = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
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


def resident(folder: Path) -> dict[str, int]:
    """Resident bytes of this process: private ones, those of mapped files below the folder, its proportional share.

    private: per mapping what is dirty or anonymous; pages of a file that were only read belong to the page cache.
    """
    found = {"private": 0, "mapped": 0, "proportional": 0}
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
        elif word == "Pss:":
            found["proportional"] += 1024 * int(rest[0])
    return found


if __name__ == "__main__":
    main()
