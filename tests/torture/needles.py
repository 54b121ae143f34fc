# The bytes that must be gone after an erase, and a scan for them that shares nothing with the store's own.
#
# In:   what a record held. Out: every form of it that a file might keep.
# Rule: a marker is random, so that finding it is no accident; a vector is looked for in pieces of 16 bytes at multiples
# of 4, one of which stands whole in any run of 31 bytes of it.
"""Needles, in all encodings."""

import base64
import json
from pathlib import Path

import numpy as np

_PIECE = 16


def of_value(value: str) -> set[bytes]:
    """A string as UTF-8, UTF-16, base64 (at each of its three places), hex, and escaped in JSON, also twice."""
    plain = value.encode()
    forms = {
        plain,
        value.encode("utf-16-le"),
        value.encode("utf-16-be"),
        plain.hex().encode(),
        plain.hex().upper().encode(),
    }
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain)
        forms.add(encoded[4 if before else 0 : -4])  # the ends depend on what stands beside
    for ascii in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii)[1:-1]
        forms |= {escaped.encode(), json.dumps(escaped, ensure_ascii=ascii)[1:-1].encode()}
    return forms


def of_vector(vector: np.ndarray) -> set[bytes]:
    """Pieces of the vector as it is stored."""
    row = np.asarray(vector, "<f4").tobytes()
    return {row[i : i + _PIECE] for i in range(0, len(row) - _PIECE + 1, _PIECE)}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without runs of zeros. Only for stores that no other process has open."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes().replace(bytes(256), b"") for path in files}


def found(files: dict[str, bytes], needles: set[bytes]) -> list[str]:
    """Where needles stand: the file and the needle, in words."""
    return [f"{needle[:48]!r} in {name}" for name, data in files.items() for needle in needles if needle in data]
