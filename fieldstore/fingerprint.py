# Fingerprints: how a text or a source is recognised that is to be kept out, by a store that does not hold it.
#
# In:   a secret key, and what to recognise. Out: 32 bytes. No I/O.
# Rule: keyed (HMAC), because whoever has a fingerprint and its key can confirm a guess: see `keeping`.
"""Keyed fingerprints of texts and sources."""

import hmac
import json
import unicodedata
from typing import Any

_PURPOSE = b"fieldstore/v1/keep-out/"


def normalised(text: str) -> str:
    """The text as it is compared: NFKC, case folded, every run of white space one blank, none at the ends."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def of_text(key: bytes, text: str | None) -> bytes | None:
    """The fingerprint of a text; None where it says nothing."""
    said = normalised(text or "")
    return hmac.digest(key, _PURPOSE + b"text:" + said.encode(), "sha256") if said else None


def of_source(key: bytes, source: Any) -> bytes | None:
    """The fingerprint of a source, a value of metadata, to the letter; None for null. Equal numbers are one source."""
    if source is None:
        return None
    if isinstance(source, float) and source.is_integer():  # 7.0 is 7, to a filter as well
        source = int(source)
    value = json.dumps(source, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hmac.digest(key, _PURPOSE + b"source:" + value.encode(), "sha256")


def name_of(key: bytes, store: str) -> bytes:
    """What a key that is kept elsewhere is known by in the store of this uuid: 16 bytes that tell nothing of it."""
    return hmac.digest(key, _PURPOSE + b"key:" + store.encode(), "sha256")[:16]
