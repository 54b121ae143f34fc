# What `persist` leaves at the path it is given: a pointer to the store, never a copy that `erase` cannot reach.
#
# Rule: a pointer is no JSON. LlamaIndex reads JSON at that path as a SimpleVectorStore, an empty one if need be, when
#       `vector_store=` is forgotten; so it has to fail there.
"""Pointer files: where a store lies, and how it was opened. And how one in memory gets to disk."""

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

from fieldstore import FieldStore
from llama_index.vector_stores.fieldstore.queries import Mode

_log = logging.getLogger("fieldstore")
_FIRST_LINE = "fieldstore pointer 1; no JSON. Open it with FieldVectorStore.from_persist_path"


class Pointer(NamedTuple):
    """What a pointer file says. path: of the store. uuid: of the store that has to be there."""

    path: Path
    uuid: str
    on_delete: str
    mode: Mode
    weight_key: str | None = None


def write(file: Path, pointer: Pointer) -> None:
    """Put the pointer there, whole or not at all; a store below the file's folder may move together with it."""
    store, folder = pointer.path.resolve(), file.parent.resolve()
    facts = pointer._asdict() | {
        "path": str(store.relative_to(folder) if store.is_relative_to(folder) else store),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(f"{_FIRST_LINE}\n{json.dumps(facts)}\n", encoding="utf-8")
    os.replace(new, file)


def read(file: Path) -> Pointer:
    """The pointer in a file; ValueError when it holds something else."""
    first, _, rest = file.read_text(encoding="utf-8", errors="replace").partition("\n")
    if first != _FIRST_LINE:
        raise ValueError(f"'{file}' is no pointer to a fieldstore; FieldVectorStore(path) opens a store itself")
    facts: dict[str, Any] = json.loads(rest)
    return Pointer(**facts | {"path": file.parent / facts["path"]})


def local(path: str | os.PathLike[str], fs: AbstractFileSystem | None) -> Path:
    """A path on a disk of this machine; ValueError for another file system."""
    if fs is not None and "file" not in ([fs.protocol] if isinstance(fs.protocol, str) else fs.protocol):
        raise ValueError(f"fieldstore needs a local file system, not {fs.protocol}; nothing was opened or written")
    return Path(path)


def on_disk(memory: FieldStore, folder: Path) -> FieldStore:
    """A new store in a folder that holds what is live in the one in memory; all of it, or no folder."""
    if folder.exists():
        raise FileExistsError(f"there is something at '{folder}' already; nothing was persisted")
    if memory.kept_out():  # as fingerprints under a key of its own: nothing is left that could be told another store
        raise ValueError(
            f"{memory} keeps texts or documents out, which a new store would let in; nothing was persisted. "
            "Keep out in a store opened by a path, or let them in first: client.let_in"
        )
    stats = memory.stats()
    if stats["forgotten"]:
        _log.warning("%d forgotten records of %s do not come along to disk", stats["forgotten"], memory)
    records = memory.get(vectors=True)
    try:
        kappa = memory.kappa if stats["measured_from"] else None
        disk = FieldStore(
            folder,
            dim=memory.dim,
            kappa=kappa,
            filter_keys=memory.filter_keys,
            text_index=memory.text_index,
            source_key=memory.source_key,
        )
        try:
            if records:
                disk.add(
                    [record.vector for record in records],  # type: ignore[arg-type]
                    texts=[record.text for record in records],
                    metadatas=[record.metadata for record in records],
                    ids=[record.id for record in records],
                    weights=[record.weight for record in records],
                )
        except BaseException:
            disk.close()
            raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return disk
