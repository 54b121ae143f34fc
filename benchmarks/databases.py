# The embedded vector databases one would use instead: records with a text and metadata, in a folder on disk.
#
# Rule: each gets its documented way of adding a batch, and the same records; nobody's durability is switched off.
# Rule: who is not installed is skipped by name.
"""Vector databases: Chroma, LanceDB, sqlite-vec, Qdrant in local mode; and fieldstore in the same shape."""

import json
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import ours
from benchmarks.data import Rows

Add = Callable[[Rows, range], object]
Forget = Callable[[int], object]


class Database(NamedTuple):
    """An open database: add rows as the records of these numbers; delete one record by its number."""

    add: Add
    forget: Forget
    close: Callable[[], object]


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

    def add(rows: Rows, numbers: range) -> None:
        store.add(rows, texts=ours.texts(numbers), metadatas=ours.metadatas(numbers), ids=ours.ids(numbers))

    return Database(add, lambda number: store.forget(f"r{number}"), store.close)


def chroma(path: Path, dim: int) -> Database:
    """A persistent client; cosine."""
    import chromadb

    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(path), settings=settings)
    records = client.create_collection("records", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def add(rows: Rows, numbers: range) -> None:
        metadatas = ours.metadatas(numbers)
        records.add(ids=ours.ids(numbers), embeddings=rows, documents=ours.texts(numbers), metadatas=metadatas)  # type: ignore[arg-type,unused-ignore]

    def close() -> None:
        getattr(client, "close", lambda: None)()

    return Database(add, lambda number: records.delete(ids=[f"r{number}"]), close)


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

    def add(rows: Rows, numbers: range) -> None:
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), dim)
        metadatas = [json.dumps(metadata) for metadata in ours.metadatas(numbers)]
        columns = [pyarrow.array(ours.ids(numbers)), vectors, pyarrow.array(ours.texts(numbers))]
        records.add(pyarrow.Table.from_arrays([*columns, pyarrow.array(metadatas)], schema=schema))

    return Database(add, lambda number: records.delete(f"id = 'r{number}'"), lambda: None)


def sqlite_vec(path: Path, dim: int) -> Database:
    """A vec0 table with text and metadata beside it, WAL, synchronous FULL."""
    import sqlite_vec

    path.mkdir()
    database = sqlite3.connect(path / "records.db")
    database.enable_load_extension(True)
    sqlite_vec.load(database)
    database.enable_load_extension(False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"CREATE VIRTUAL TABLE places USING vec0(vector float[{dim}] distance_metric=cosine)")
    database.execute("CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT, metadata TEXT)")

    def add(rows: Rows, numbers: range) -> None:
        metadatas = map(json.dumps, ours.metadatas(numbers))
        lines = list(zip(numbers, ours.ids(numbers), ours.texts(numbers), metadatas, strict=True))
        with database:
            database.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", lines)
            places = [(number, row.tobytes()) for number, row in zip(numbers, rows, strict=True)]
            database.executemany("INSERT INTO places(rowid, vector) VALUES (?, ?)", places)

    def forget(number: int) -> None:
        with database:
            database.execute("DELETE FROM records WHERE number = ?", (number,))
            database.execute("DELETE FROM places WHERE rowid = ?", (number,))

    return Database(add, forget, database.close)


def qdrant(path: Path, dim: int) -> Database:
    """The client's local mode, which scans in numpy and is meant for small collections."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(path))
    size = models.VectorParams(size=dim, distance=models.Distance.COSINE)
    client.create_collection("records", vectors_config=size)

    def add(rows: Rows, numbers: range) -> None:
        payloads: list[dict[str, Any]] = [
            {**metadata, "text": text}
            for metadata, text in zip(ours.metadatas(numbers), ours.texts(numbers), strict=True)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "local mode is not recommended for collections with more than 20,000"
            client.upsert("records", models.Batch(ids=list(numbers), vectors=rows.tolist(), payloads=payloads))  # type: ignore[arg-type,unused-ignore]

    def forget(number: int) -> None:
        client.delete("records", points_selector=models.PointIdsList(points=[number]))

    return Database(add, forget, client.close)


FIELDSTORE = Maker("fieldstore", "fieldstore", fieldstore)
ALL = (
    Maker("Chroma", "chromadb", chroma),
    Maker("LanceDB, no index", "lancedb", lancedb),
    Maker("sqlite-vec, no index", "sqlite_vec", sqlite_vec),
    Maker("Qdrant local, no index", "qdrant_client", qdrant),
)
