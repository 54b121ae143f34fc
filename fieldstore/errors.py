# Every exception of fieldstore that is not a wrong argument; wrong arguments are ValueError and TypeError.
#
# FieldStoreError
# ├── NotAStore            the path holds something else, or a store that must not be opened from here
# │   └── UnsupportedFormat    a store written by a newer fieldstore
# ├── WrongEmbedder        the store was built with another embedding model
# ├── UnknownRecord        a record that must be live is not (also a KeyError)
# ├── ReadOnlyStore        the store was opened to be read, and a writing verb was called
# ├── WriterBusy           another writer held the lock for too long (also a TimeoutError)
# ├── WriteFailed          the disk refused (full, broken); the store is as it was
# ├── StoreClosed          the store was closed, or closed itself after a failed write
# ├── ForkedStore          the store was opened before a fork
# ├── StoreDamaged         the files do not hold what the ledger says
# ├── ErasePending         erased from every answer, but bytes could not be destroyed yet
# └── LeftoversFound       bytes of an erased record were still found; no certificate
#
# Rule: a message names the thing, says what did not happen, and what to do next.
"""The exceptions of fieldstore."""


class FieldStoreError(Exception):
    """Root of everything fieldstore raises besides ValueError and TypeError for wrong arguments."""


class NotAStore(FieldStoreError):
    """The path is no store, or lies where a store cannot be kept safely."""


class UnsupportedFormat(NotAStore):
    """The store was written in a newer format than this fieldstore reads."""


class WrongEmbedder(FieldStoreError):
    """The store's vectors come from another embedding model than the one named."""


class UnknownRecord(FieldStoreError, KeyError):
    """A record that the call needs live is not in the store."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return Exception.__str__(self)


class ReadOnlyStore(FieldStoreError):
    """A writing verb of a store that was opened with read_only=True; nothing was changed."""


class WriterBusy(FieldStoreError, TimeoutError):
    """Another writer held the store for longer than the time-out."""


class WriteFailed(FieldStoreError):
    """The disk refused a write, and the store is as it was before the call."""


class StoreClosed(FieldStoreError):
    """The store is closed."""


class ForkedStore(FieldStoreError):
    """The store was opened in a parent process; its locks and connections do not survive a fork."""


class StoreDamaged(FieldStoreError):
    """A file of the store does not hold what the ledger says it must."""


class ErasePending(FieldStoreError):
    """The records left every answer and their content is deleted, but old bytes are still on disk for now."""


class LeftoversFound(FieldStoreError):
    """After an erase, bytes of the record were still found in a file of the store; no certificate was issued."""
