"""fieldstore: a vector store that can forget.

Records are points in a field, phi(q) = sum of w K(q, v). Forgetting one appends its inverse: the two
cancel exactly.
"""

from fieldstore.certificate import Certificate, verify_certificate
from fieldstore.checkpoint import verify_checkpoint
from fieldstore.engine.field import Ascent, Field, Ranking
from fieldstore.errors import (
    ErasePending,
    FieldStoreError,
    ForkedStore,
    LeftoversFound,
    NotAStore,
    ReadOnlyStore,
    StoreClosed,
    StoreDamaged,
    UnknownRecord,
    UnsupportedFormat,
    WriteFailed,
    WriterBusy,
    WrongEmbedder,
)
from fieldstore.explanation import Explained, Explanation, Pull
from fieldstore.past import View
from fieldstore.records import Added, Carrier, Entry, Hit, KeptOut, Near, Receipt, Record, Repeller, Residual
from fieldstore.store import FieldStore

__all__ = [
    "Added",
    "Ascent",
    "Carrier",
    "Certificate",
    "Entry",
    "ErasePending",
    "Explained",
    "Explanation",
    "Field",
    "FieldStore",
    "FieldStoreError",
    "ForkedStore",
    "Hit",
    "KeptOut",
    "LeftoversFound",
    "Near",
    "NotAStore",
    "Pull",
    "Ranking",
    "ReadOnlyStore",
    "Receipt",
    "Record",
    "Repeller",
    "Residual",
    "StoreClosed",
    "StoreDamaged",
    "UnknownRecord",
    "UnsupportedFormat",
    "View",
    "WriteFailed",
    "WriterBusy",
    "WrongEmbedder",
    "verify_certificate",
    "verify_checkpoint",
]
