"""Opening whatever there may be: 5,000 folders that were damaged, made by an attacker, or of an odd name or place.

Random SQL by somebody who knows the tables, random bytes in any file, an index of hostile numbers with every checksum
right, odd files, links and pipes: every one of them is refused by an error of ours or opened, and then every verb that
reads works or says what is wrong. It must take no more than moments and megabytes, and change no file that is not the
store's.
"""

import logging
import os
import random
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np

from fieldstore import FieldStore, FieldStoreError
from fieldstore.storage.files import DISK
from fieldstore.storage.index_file import IndexFile
from tests.torture import f7
from tests.torture.figures import Figures
from tests.torture.program import small

COUNT, PIECE = 5000, 500
DIM, RECORDS = 8, 30
SLOW = 10.0  # seconds of this process that one folder may take
ROOM = 1 << 32  # bytes of memory that may be asked for; every thread of ours reserves 64 MiB
IMMENSE = 1 << 24  # bytes
NUMBERS = [-(2**63), -1, 0, 1, 7, 29, 30, 255, 65536, 2**31, 2**32 - 1, 2**40, 2**53 + 1, 2**62, 2**63 - 1]
FLOATS = [float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 3e38, 0.0, -1.0, 1e-300]
NAMES = ["ü", "a b", "名前", "e\u0301", "-rf", "a'b\"c", "%41?immutable=0#x", "x" * 200, "new\nline", "..."]
TABLES = {
    "facts": ["key", "value"],
    "entries": ["seq", "point", "leaf"],
    "notes": ["seq", "salt", "actor", "reason"],
    "records": ["point", "id", "text", "metadata", "salt"],
    "sums": ["point", "element", "weight", "seq", "kind", "last"],
    "erasing": ["point", "seq"],
    "certificates": ["number", "body"],
    "filter_paths": ["number", "rank", "path"],
    "filter_values": ["number", "point", "value"],
    "repellers": ["seq", "element", "until", "point", "radius", "place", "salt"],
    "kept_out": ["seq", "print", "what", "key", "point", "source", "salt"],
    "text_index_data": ["id", "block"],
    "text_index_idx": ["segid", "term", "pgno"],
    "text_index_docsize": ["id", "sz"],
    "text_index_config": ["k", "v"],
}
TEXTS = [
    "", "{", "{}", "[]", "null", "NaN", '{"a":1,"a":2}', '{"n":1e999}', "[" * 5000, '{"n":' * 3000, "\ud7ff",
    "../../etc", "/dev/stdin", "';DROP TABLE sums;--", '{"__proto__":{}}', "9" * 5000,
]  # fmt: skip


def run(count: int, seed: int, folder: Path) -> Figures:
    """Each trial prepares one folder, and looks at it in every way."""
    logging.getLogger("fieldstore").setLevel(logging.CRITICAL)
    luck, found = random.Random(seed), Figures()
    with small():
        files = made(folder / "made")
        with FieldStore(f7.put(folder / "s", files)) as store:  # so that no trial has to compile a loop
            for verb in VERBS:
                verb(store)
            _invented(store)
        victim = folder / "victim"
        victim.write_bytes(b"mine")
        used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
        try:
            for trial in range(count):
                place = folder / (luck.choice(NAMES) if luck.random() < 0.2 else "s")
                f7.put(place, files)
                what = [luck.choice(HARMS)(place, luck, victim) for _ in range(luck.choice([1, 1, 2]))]
                begin = time.process_time()
                figures = looked(place, luck, f"seed {seed}, trial {trial}, {what}")
                if time.process_time() - begin > SLOW:
                    figures = figures.plus(Figures(broken=(f"seed {seed}, trial {trial}, {what}: took too long",)))
                if victim.read_bytes() != b"mine":
                    figures = figures.plus(Figures(wrong=1, broken=(f"seed {seed}, {what}: changed another file",)))
                found = found.plus(figures)
                shutil.rmtree(place, ignore_errors=True)
                place.unlink(missing_ok=True)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    return found


def made(path: Path) -> f7.Bytes:
    """The files of a small store with something of everything."""
    rng = np.random.default_rng(12)
    with FieldStore(path, filter_keys=["lang"], text_index=True) as store:
        ids = [f"r{i}" for i in range(RECORDS)]
        metadatas = [{"lang": "de" if i % 2 else "en", "n": i} for i in range(RECORDS)]
        store.add(rng.normal(size=(RECORDS, DIM)), ids=ids, texts=ids, metadatas=metadatas, reason="filled")
        store.forget("r1", reason="asked for")
        store.forget("r3", keep_out=True)
        store.repel("r4", 0.9)
        store.repel(rng.normal(size=DIM), 0.5, reason="not asked for")
        store.erase("r2")
    FieldStore(path).close()
    return f7.files_of(path)


def looked(place: Path, luck: random.Random, name: str) -> Figures:
    """Open it, use it, and hear nothing but answers and errors of ours."""
    where, wrong = os.path.relpath(place) if luck.random() < 0.2 else place, list[str]()
    try:
        with FieldStore(where) as store:
            for verb in luck.sample(VERBS, 5):
                try:
                    verb(store)
                except FieldStoreError:
                    continue
            wrong = _invented(store)
            store.verify()
    except FieldStoreError:
        pass
    except Exception as error:
        return Figures(1, 0, 0, 1, 1, (f"{name}: {error!r}",))
    return Figures(1, 1, 0, 1, len(wrong), tuple(f"{name}: {said}" for said in wrong))


def _invented(store: FieldStore) -> list[str]:
    """What the index finds may be too little, but no record comes twice, or with a score that it does not have."""
    try:
        if not 0 < (store.dim or 0) < 10_000:
            return []
        query = np.ones(store.dim)
        scores = {hit.id: hit.score for hit in store.search(query, 100, exact=True)}
        found = [(hit.id, hit.score) for effort in (1.0, 5.0) for hit in store.search(query, 7, effort=effort)]
    except FieldStoreError:
        return []
    if len(scores) < min(100, store.count()):
        return []  # somebody gave records the same id
    wrong = [f"{id} with the score {score}" for id, score in found if not abs(scores.get(id, 9.0) - score) < 1e-5]
    return wrong + ["a record twice"] * (max(map(found.count, found), default=0) > 2)


VERBS: list[Callable[[FieldStore], object]] = [
    lambda store: store.search(np.ones(store.dim or DIM), 5) if (store.dim or DIM) < 10_000 else None,
    lambda store: store.search(np.ones(store.dim or DIM), 5, where={"n": {"$gt": 3}}, by="attractors", per="lang"),
    lambda store: store.count({"lang": {"$like": "d%"}}),
    lambda store: (store.get(), store.ids(), store.ids(forgotten=True), store.stats()),
    lambda store: (list(store.entries()), store.certificates(), store.history("r0")),
    lambda store: store.residual("r1"),
    lambda store: (store.repellers(), store.kept_out(), store.let_in([one.name for one in store.kept_out()])),
    lambda store: store.search(None, 5, by="text", text="r5 or r7"),
    lambda store: store.search(np.ones(store.dim or DIM), 5, by="hybrid", text="r5 r6"),
    lambda store: (store.repel("r8", 0.9), store.unrepel([one.name for one in store.repellers()])),
    lambda store: store.forget(["r5"]),
    lambda store: store.add(np.ones(store.dim or DIM), ids=["r7"]),
    lambda store: store.erase(["r9"]),
]


def by_sql(place: Path, luck: random.Random, _: Path) -> str:
    """One to three statements of somebody who knows the tables."""
    said = []
    for _ in range(luck.choice([1, 1, 1, 3])):
        table = luck.choice(sorted(TABLES))
        column = luck.choice(TABLES[table])
        value = luck.choice(
            [str(luck.choice(NUMBERS)), "NULL", "1.5", f"x'{luck.randbytes(luck.choice([3, 16, 32, 114])).hex()}'"]
        )
        text = luck.choice(TEXTS).replace("'", "''")
        said.append(
            luck.choice(
                [
                    f"UPDATE {table} SET {column} = {value} WHERE rowid IN (SELECT rowid FROM {table} LIMIT 1)",
                    f"UPDATE {table} SET {column} = {value}",
                    f"UPDATE {table} SET {column} = '{text}'",
                    f"UPDATE facts SET value = {value} WHERE key = '{luck.choice(FACTS)}'",
                    f"UPDATE facts SET value = '{text}' WHERE key = '{luck.choice(FACTS)}'",
                    f"DELETE FROM {table}",
                    f"DROP TABLE {table}",
                    f"ALTER TABLE {table} RENAME COLUMN {column} TO other",
                    f"CREATE VIEW v{luck.random():.9f} AS SELECT 1".replace(".", ""),
                    f"PRAGMA user_version = {luck.choice(NUMBERS)}",
                    f"PRAGMA application_id = {luck.choice(NUMBERS)}",
                    f"UPDATE entries SET leaf = CAST(substr(leaf, 1, {luck.randrange(114)}) || {value} AS BLOB)",
                ]
            )
        )
    if (place / "store.db").exists() and all_files(place):  # a pipe would keep us waiting here
        try:
            connection = apsw.Connection(str(place / "store.db"), flags=apsw.SQLITE_OPEN_READWRITE)
            for statement in said:
                try:
                    connection.execute(statement)
                except apsw.Error:  # not everything is possible everywhere
                    continue
            connection.close()
        except apsw.Error:
            pass
    return "; ".join(said)[:300]


FACTS = [
    "uuid",
    "dim",
    "embedder",
    "source_key",
    "size",
    "frontier",
    "time",
    "kappa",
    "measured",
    "filter_keys",
    "created",
]


def by_bytes(place: Path, luck: random.Random, _: Path) -> str:
    """Random bytes, an end cut off, or hostile numbers, anywhere in one file."""
    plain = sorted(path for path in place.iterdir() if path.is_file() and not path.is_symlink())
    plain = [path for path in plain if path.stat().st_size < IMMENSE]
    if not plain:
        return "nothing"
    path = luck.choice(plain)
    data = bytearray(path.read_bytes())
    at = luck.randrange(min(len(data), 200) if luck.random() < 0.4 else len(data)) if data else 0
    if luck.random() < 0.2:
        del data[at:]
    else:
        new = luck.choice([luck.randbytes(luck.choice([1, 4, 16])), bytes(8), b"\xff" * 4, b"\x7f\xff\xff\xff"])
        data[at : at + len(new)] = new
    path.write_bytes(data)
    return f"{path.name} at {at}"


def by_index(place: Path, luck: random.Random, _: Path) -> str:
    """Hostile numbers in the arrays of the saved index, and the checksums that fit them."""
    if not all_files(place):
        return "nothing"
    index = IndexFile(DISK, place / "index")
    stamp, arrays = index.load() or (None, {})
    said = []
    for _ in range(luck.choice([1, 1, 2, 4]) if arrays else 0):
        name = luck.choice(sorted(name for name, array in arrays.items() if array.size))
        array = arrays[name] = arrays[name].copy()
        many = luck.choice([1, 1, 1, 2, array.size])
        pool = FLOATS if array.dtype.kind == "f" else [*NUMBERS, *range(-3, 40)]
        with np.errstate(all="ignore"):
            numbers = np.array(luck.choices(pool, k=many)).astype(array.dtype)
        array.reshape(-1)[[luck.randrange(array.size) for _ in range(many)]] = numbers
        if luck.random() < 0.1:
            arrays[name] = array[: luck.randrange(len(array))]
        said.append(f"{many} of {name}")
    if stamp is not None:
        index.save(stamp, arrays)
    return f"index: {', '.join(said)}"


def by_files(place: Path, luck: random.Random, victim: Path) -> str:
    """A file in place of another: none, empty, a link, a pipe, a folder, immense, of something else."""
    name = luck.choice(
        ["store.db", "store.db-wal", "store.db-shm", "store.db-journal", "vectors.f32", "lock", "index", "x"]
    )
    path, how = place / name, luck.choice(["none", "empty", "link", "pipe", "folder", "immense", "other", "copy"])
    if path.is_dir() or not all_files(place):
        return "nothing"
    data = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    if how == "empty":
        path.touch()
    elif how == "link":
        path.symlink_to(luck.choice([victim, place, "/dev/zero", "nowhere"]))
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    elif how == "immense":
        path.write_bytes(data)
        os.truncate(path, 1 << luck.choice([28, 29]))  # the runner allows no file of a GiB
    elif how == "other":
        path.write_bytes(luck.randbytes(5000))
    elif how == "copy":
        path.write_bytes(luck.choice(sorted(f7.files_of(place).values()) or [b""]))
    return f"{name}: {how}"


def all_files(place: Path) -> bool:
    paths = list(place.iterdir())
    return all(path.is_file() and not path.is_symlink() and path.stat().st_size < IMMENSE for path in paths)


HARMS = [by_sql, by_sql, by_sql, by_bytes, by_bytes, by_files, by_index]
