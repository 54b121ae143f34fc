# The nodes of one source document, and what the store and its ledger say about them.
"""Documents: what was done to them, node by node, and what LlamaIndex keeps about them elsewhere."""

from collections.abc import Iterable

from llama_index.core.schema import Document
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.storage.docstore.types import RefDocInfo

from fieldstore import Entry, FieldStore, Record, UnknownRecord
from llama_index.vector_stores.fieldstore.filters import Where
from llama_index.vector_stores.fieldstore.nodes import NODE, SOURCE, hash_of_source

_WRITES = ("add", "restore")


def of_source(ref_doc_id: str) -> Where:
    """The nodes of a source document; a document stored whole is its own source.

    Raises:
        TypeError: ref_doc_id is not a string; None would stand for every node without a source.
    """
    if not isinstance(ref_doc_id, str):
        raise TypeError(f"ref_doc_id must be a string, not {ref_doc_id!r}; nothing was changed")
    return {SOURCE: ref_doc_id}


def history(store: FieldStore, ref_doc_id: str) -> list[Entry]:
    """Every ledger entry about the nodes of a document, live and forgotten, oldest first."""
    where = of_source(ref_doc_id)
    ids = [*store.ids(where=where), *store.ids(where=where, forgotten=True)]
    return sorted((entry for id in ids for entry in store.history(id)), key=lambda entry: entry.seq)


def forgotten_since_written(store: FieldStore, ref_doc_id: str) -> list[str]:
    """The nodes of a document that were forgotten after it was last written, and are what a restore means.

    LlamaIndex updates a document by deleting it and inserting new nodes under new ids. So the nodes of all its earlier
    versions lie there forgotten, and a restore of everything would put them beside the current ones.
    """
    where = of_source(ref_doc_id)
    forgotten = {id: store.history(id) for id in store.ids(where=where, forgotten=True)}
    entries = [entry for id in store.ids(where=where) for entry in store.history(id)]
    entries += [entry for chain in forgotten.values() for entry in chain]
    written = max((entry.seq for entry in entries if entry.kind in _WRITES), default=-1)
    return [id for id, chain in forgotten.items() if chain[-1].seq > written]


def of_the_last_version(store: FieldStore, ref_doc_id: str) -> list[str]:
    """The nodes of a document as it was last written, live or forgotten; UnknownRecord where there are none."""
    ids = [*store.ids(where=of_source(ref_doc_id)), *forgotten_since_written(store, ref_doc_id)]
    if not ids:
        raise UnknownRecord(f"no node of a document {ref_doc_id!r} in {store}; nothing was measured")
    return ids


# ---- what a docstore says


def documents(records: Iterable[Record]) -> dict[str, RefDocInfo]:
    """The documents that records are nodes of."""
    found: dict[str, RefDocInfo] = {}
    for record in records:
        if NODE in record.metadata:
            metadata = {key: value for key, value in record.metadata.items() if key != NODE}
            found.setdefault(record.metadata[NODE]["source"], RefDocInfo(metadata=metadata)).node_ids.append(record.id)
    return found


def docstore(store: FieldStore, forgotten: bool) -> SimpleDocumentStore:
    """A docstore that knows every document by its hash, and none by its words, which an erase could not reach there."""
    hashes = _hashes(store.get())
    if forgotten:
        hashes = _hashes(_as_forgotten(store)) | hashes
    kept = SimpleDocumentStore()
    kept.add_documents([Document(id_=source) for source in hashes])  # a pipeline deletes only what is there
    kept.set_document_hashes(hashes)
    return kept


def _hashes(records: Iterable[Record]) -> dict[str, str]:
    """The hash of each document that records are nodes of, where they tell; the last one counts."""
    return {source: hash for source, hash in map(hash_of_source, records) if hash is not None}


def _as_forgotten(store: FieldStore) -> list[Record]:
    """The forgotten nodes as they were, those that were forgotten first first.

    Each was live from its last writing until its last entry, and many were at once: a few positions of the ledger show
    all of them. One whose words were replaced since shows none, and is left out.
    """
    chains = {id: store.history(id) for id in store.ids(forgotten=True)}
    until = {id: chain[-1].seq for id, chain in chains.items()}
    since = {id: max(entry.seq for entry in chain if entry.kind in ("add", "update")) for id, chain in chains.items()}
    found: dict[str, Record] = {}
    for seq in sorted(until.values()):
        if any(until[id] == seq for id in until.keys() - found.keys()):
            there = [id for id in until if since[id] < seq <= until[id]]
            found |= {record.id: record for record in store.as_of(seq - 1, forgotten=True).get(there)}
    return sorted(found.values(), key=lambda record: until[record.id])
