# The nodes of one source document, and what the ledger says about them.
"""What was done to a document, node by node."""

from fieldstore import Entry, FieldStore
from llama_index.vector_stores.fieldstore.filters import Where
from llama_index.vector_stores.fieldstore.nodes import SOURCE

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
