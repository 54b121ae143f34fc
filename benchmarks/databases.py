# The embedded vector databases one would use instead: records with a text and metadata, in a folder on disk.
#
# Rule: each gets its documented way of adding a batch, and the same records; nobody's durability is switched off.
# Rule: who is not installed is skipped by name.
"""Vector databases: Chroma, LanceDB, sqlite-vec, Qdrant in local mode; and fieldstore in the same shape."""

import json
import os
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from benchmarks.data import Rows
from benchmarks.ours import Batch


class Database(NamedTuple):
    """An open database.

    add: a batch of records. search: the numbers of the k records nearest to a query, their texts and metadata fetched
    with them. forget: deletes one record by its number. durable: whether that waits for the disk (counted with strace:
    Chroma 8 syncs a delete, Qdrant 4, sqlite-vec and fieldstore 1, LanceDB none).
    """

    add: Callable[[Batch], object]
    search: Callable[[Rows, int], list[int]]
    forget: Callable[[int], object]
    close: Callable[[], object]
    durable: bool = True


class Maker(NamedTuple):
    """A database to compare with: the package to import, and how to make an empty one in a folder."""

    name: str
    package: str
    make: Callable[[Path, int], Database]


def installed(wanted: Sequence[Maker], say: Callable[[str], None]) -> list[Maker]:
    """Those whose package is here; the others are named."""
    missing = [maker.package for maker in wanted if find_spec(maker.package) is None]
    if missing:
        say(f"not installed here, so left out: {', '.join(missing)}; `make bench` installs them")
    return [maker for maker in wanted if maker.package not in missing]


def fieldstore(path: Path, dim: int) -> Database:
    """Ours."""
    from fieldstore import FieldStore

    store = FieldStore(path, dim=dim)

    def search(query: Rows, k: int) -> list[int]:
        return [int(hit.id[1:]) for hit in store.search(query, k)]

    return Database(lambda batch: batch.into(store), search, lambda number: store.forget(f"r{number}"), store.close)


def chroma(path: Path, dim: int) -> Database:
    """A persistent client; cosine."""
    import chromadb

    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(path), settings=settings)
    records = client.create_collection("records", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def add(batch: Batch) -> None:
        records.add(ids=batch.ids, embeddings=batch.rows, documents=batch.texts, metadatas=batch.metadatas)

    def search(query: Rows, k: int) -> list[int]:
        found = records.query(
            query_embeddings=query[None], n_results=k, include=["documents", "metadatas", "distances"]
        )
        return [int(id[1:]) for id in found["ids"][0]]

    def close() -> None:
        getattr(client, "close", lambda: None)()

    return Database(add, search, lambda number: records.delete(ids=[f"r{number}"]), close)


def lancedb(path: Path, dim: int) -> Database:
    """A table without an index."""
    import lancedb
    import pyarrow

    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("vector", pyarrow.list_(pyarrow.float32(), dim)),
            ("text", pyarrow.string()),
            ("metadata", pyarrow.string()),
        ]
    )
    records = lancedb.connect(str(path)).create_table("records", schema=schema)

    def add(batch: Batch) -> None:
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(batch.rows.reshape(-1)), dim)
        metadatas = [json.dumps(metadata) for metadata in batch.metadatas]
        columns = [pyarrow.array(batch.ids), vectors, pyarrow.array(batch.texts), pyarrow.array(metadatas)]
        records.add(pyarrow.Table.from_arrays(columns, schema=schema))

    def search(query: Rows, k: int) -> list[int]:
        found = (
            records.search(query)
            .distance_type("cosine")
            .limit(k)
            .select(["id", "text", "metadata", "_distance"])
            .to_list()
        )
        return [int(row["id"][1:]) for row in found]

    return Database(add, search, lambda number: records.delete(f"id = 'r{number}'"), lambda: None, durable=False)


def sqlite_vec(path: Path, dim: int) -> Database:
    """A vec0 table with text and metadata beside it, WAL, synchronous FULL."""
    import apsw
    import sqlite_vec

    path.mkdir()
    database = apsw.Connection(str(path / "records.db"))  # Python's own sqlite3 is often built without extensions
    database.enable_load_extension(True)
    database.load_extension(sqlite_vec.loadable_path())
    database.enable_load_extension(False)
    database.pragma("journal_mode", "wal")
    database.pragma("synchronous", "full")
    database.execute(f"CREATE VIRTUAL TABLE places USING vec0(vector float[{dim}] distance_metric=cosine)")
    database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, metadata TEXT)")

    def add(batch: Batch) -> None:
        lines = zip(batch.numbers, batch.ids, batch.texts, map(json.dumps, batch.metadatas), strict=True)
        places = ((number, row.tobytes()) for number, row in zip(batch.numbers, batch.rows, strict=True))
        with database:
            database.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", lines)
            database.executemany("INSERT INTO places(rowid, vector) VALUES (?, ?)", places)

    def search(query: Rows, k: int) -> list[int]:
        found = database.execute(
            "SELECT number, id, text, metadata, distance FROM places JOIN records ON number = places.rowid"
            " WHERE vector MATCH ? AND k = ? ORDER BY distance",
            (query.tobytes(), k),
        )
        return [number for number, *_ in found]

    def forget(number: int) -> None:
        with database:
            database.execute("DELETE FROM records WHERE number = ?", (number,))
            database.execute("DELETE FROM places WHERE rowid = ?", (number,))

    return Database(add, search, forget, database.close)


def qdrant(path: Path, dim: int) -> Database:
    """The client's local mode, which scans in numpy and is meant for small collections."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(path))
    size = models.VectorParams(size=dim, distance=models.Distance.COSINE)
    client.create_collection("records", vectors_config=size)

    def add(batch: Batch) -> None:
        payloads = [{**metadata, "text": text} for metadata, text in zip(batch.metadatas, batch.texts, strict=True)]
        points = models.Batch(ids=list(batch.numbers), vectors=batch.rows.tolist(), payloads=payloads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that local mode is not meant for more than 20,000 points
            client.upsert("records", points)

    def search(query: Rows, k: int) -> list[int]:
        return [int(point.id) for point in client.query_points("records", query=query, limit=k).points]

    def forget(number: int) -> None:
        client.delete("records", points_selector=models.PointIdsList(points=[number]))

    return Database(add, search, forget, client.close)


def synced(database: Database, path: Path) -> Callable[[int], object]:
    """Its forget, and then a sync of the files that it wrote and of the folders they are in."""
    known: dict[Path, int] = {}

    def changed() -> list[Path]:
        found = {each: each.stat().st_mtime_ns for each in (path, *path.rglob("*"))}
        fresh = [each for each, time in found.items() if known.get(each) != time]
        known.update(found)
        return fresh

    def forget(number: int) -> None:
        database.forget(number)
        for each in changed():
            handle = os.open(each, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)

    changed()
    return forget


FIELDSTORE = Maker("fieldstore", "fieldstore", fieldstore)
ALL = (
    Maker("Chroma", "chromadb", chroma),
    Maker("LanceDB, no index", "lancedb", lancedb),
    Maker("sqlite-vec, no index", "sqlite_vec", sqlite_vec),
    Maker("Qdrant local, no index", "qdrant_client", qdrant),
)
