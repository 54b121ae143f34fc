# The index: arrays that took long to work out, in one file beside what they were worked out from.
#
#   64 bytes   mark · length of the header · CRC-32 of the header, the rest zeros; all zeros while the file is written
#   header     JSON: the stamp, and of every array name, type, shape, offset and CRC-32
#   arrays     each from a multiple of 64 on, little-endian
#
# Rule: derived; whatever is wrong with the file, it holds nothing, and nobody is hurt but by the time of a rebuild.
# Rule: it is overwritten in place, so that no older copy of it lies in blocks that the disk has given back.
# Rule: read as a copy, never mapped: no array changes under a query while another process writes the next ones.
"""Keeping arrays in a file, with a stamp that says what they are of."""

import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.storage.files import Files

_MARK = b"fieldix2"  # another one when codes are made in another way: then no older index fits
_EDGE = 64  # bytes
_LONGEST_HEADER = 65536  # bytes
_TYPES = ("<f8", "<f4", "<i8", "<i4", "<u8", "|i1")
_STEP = 8 * 2**20  # bytes written at once
Arrays = dict[str, NDArray[Any]]


class Stamp(NamedTuple):
    """What the arrays are of: store, entries of its ledger, hash of the last one, kappa in millionths, None = open."""

    store: str
    size: int
    last: str
    kappa: int | None


class IndexFile:
    """The index of one store; the writer's lock is held by whoever saves or clears it."""

    def __init__(self, files: Files, path: Path) -> None:
        self._files = files
        self._path = path

    def there(self) -> bool:
        """Whether there is a file with something in it."""
        return self._path.exists() and self._path.stat().st_size > 0

    def load(self) -> tuple[Stamp, Arrays] | None:
        """What was saved last; None where there is nothing, or nothing whole."""
        if not self.there():
            return None
        file = self._files.open(self._path)
        try:
            return self._loaded(file)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError):
            return None
        finally:
            self._files.close(file)

    def _loaded(self, file: int) -> tuple[Stamp, Arrays]:
        end = self._files.size(file)
        mark, length, check = struct.unpack_from("<8sII", self._whole(file, 0, _EDGE).data)
        if mark != _MARK or length > _LONGEST_HEADER:
            raise ValueError("no index")
        text = self._whole(file, _EDGE, length)
        if zlib.crc32(text.data) != check:
            raise ValueError("the header is damaged")
        header = json.loads(bytes(text))
        arrays: Arrays = {}
        last = 0
        for name, kind, shape, offset, crc in header["arrays"]:
            if kind not in _TYPES or not all(isinstance(n, int) and n >= 0 for n in (offset, *shape)):
                raise ValueError("no array")
            size = np.dtype(kind).itemsize * math.prod(shape)
            if offset < last or offset + size > end:  # each byte once: a list of arrays asks for no more than there is
                raise ValueError("the file is too short, or arrays overlap")
            last = offset + size
            data = self._whole(file, offset, size)
            if zlib.crc32(data.data) != crc:
                raise ValueError("an array is damaged")
            arrays[name] = data.view(kind).reshape(shape)
        return Stamp(*header["stamp"]), arrays

    def _whole(self, file: int, offset: int, length: int) -> NDArray[np.uint8]:
        """So many bytes from there, to be written to by whoever holds them; as an array, numpy asks for large pages."""
        data = np.empty(length, np.uint8)
        view, at = data.data, 0
        while at < length:
            part = self._files.read(file, min(length - at, _STEP), offset + at)
            if not part:
                raise ValueError("the file is too short")
            view[at : at + len(part)] = part
            at += len(part)
        return data

    def save(self, stamp: Stamp, arrays: Arrays) -> None:
        """Keep these arrays in place of what was kept. Raises OSError when they cannot be: then nothing is kept."""
        parts = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()}
        listed: list[tuple[str, str, tuple[int, ...], int, int]] = []
        offset = _EDGE + _LONGEST_HEADER
        for name, part in parts.items():
            listed.append((name, part.dtype.newbyteorder("<").str, part.shape, offset, zlib.crc32(_bytes_of(part))))
            offset += -(-part.nbytes // _EDGE) * _EDGE
        text = json.dumps({"stamp": stamp, "arrays": listed}).encode()
        file = self._files.open(self._path)
        try:
            before = self._files.size(file)
            self._files.write(file, memoryview(bytes(_EDGE)), 0)
            self._zero(file, offset, before)  # of a longer index nothing may be left behind the end of this one
            self._files.resize(file, offset)
            for (_, _, _, begin, _), part in zip(listed, parts.values(), strict=True):
                data = _bytes_of(part)
                for at in range(0, len(data), _STEP):
                    self._files.write(file, data[at : at + _STEP], begin + at)
            self._files.write(file, memoryview(text), _EDGE)
            self._files.write(file, memoryview(struct.pack("<8sII", _MARK, len(text), zlib.crc32(text))), 0)
        finally:
            self._files.close(file)

    def clear(self) -> None:
        """Overwrite all of it with zeros, durably, and let it be empty. Raises OSError when that fails."""
        if not self._path.exists():
            return
        file = self._files.open(self._path)
        try:
            self._zero(file, 0, self._files.size(file))
            self._files.sync(file)
            self._files.resize(file, 0)
        finally:
            self._files.close(file)

    def _zero(self, file: int, begin: int, end: int) -> None:
        nothing = memoryview(bytes(_STEP))
        at = begin
        while (at := max(at, self._files.next_data(file, at))) < end:  # holes are zeros already
            self._files.write(file, nothing[: min(_STEP, end - at)], at)
            at += _STEP


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data) if array.size else memoryview(b"")
