# The vectors everybody is given, and the right answers.
#
# In:   the name of a data set and a number of points. Out: unit rows in float32.
# Rule: right answers come from a matrix product over all points and are kept in the temporary folder only.
# Rule: a point as near as the tenth is a right answer too, so near-copies count for whoever finds either.
"""Data sets, exact neighbours, recall."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import synthetic as generator

Rows = NDArray[np.float32]

_SETS = Path("shared", "data")  # beside the repository, or beside a folder above it, on some machines
_VECTORS = ("vectors.npy", "queries.npy")
_NAMED = ("minilm", "cranfield")
_TIE = 1e-6  # cosines nearer than this are equal to float32
_BLOCK = 50_000


_kept: dict[int, Rows] = {}  # by stream


class Data(NamedTuple):
    """What they are called; (n, d) points; (q, d) queries, which are no points."""

    name: str
    points: Rows
    queries: Rows


class Truth(NamedTuple):
    """For each query the numbers of the k nearest points, (q, k), best first, and the cosine of the k-th, (q,).

    Where fewer than k may answer, the rest is -1, and the cosine minus infinity.

    alive: (n,) bool, the points that may answer; None = all.
    """

    nearest: NDArray[np.int64]
    last: Rows
    alive: NDArray[np.bool_] | None = None


def load(name: str, count: int, queries: int) -> Data:
    """The first count points of a data set, or all it has, and at most so many queries."""
    folder = folder_of(name)
    if folder is None:
        return synthetic(count, queries)
    stored = np.load(folder / "vectors.npy", mmap_mode="r")
    asked = np.load(folder / "queries.npy", mmap_mode="r")[:queries]
    if len(stored) < count:
        print(f"{folder.name} has {len(stored):,} points, not {count:,}: all of them are used")
    return Data(f"{folder.name} embeddings", _unit(stored[:count]), _unit(asked))


def for_scale(name: str, count: int, queries: int) -> Data:
    """The data set if it is large enough, the synthetic one if not."""
    folder = folder_of(name)
    enough = folder is not None and len(np.load(folder / "vectors.npy", mmap_mode="r")) >= count
    return load(name, count, queries) if enough else synthetic(count, queries)


def folder_of(name: str) -> Path | None:
    """The folder of a data set; None for the synthetic one. ValueError when there is no such folder."""
    if name == "synthetic":
        return None
    if (folder := place_of(name, _VECTORS)) is not None:
        return folder
    hint = "; FIELDSTORE_DATA may name the folder it is in" if name in _NAMED else ""
    raise ValueError(f"--data {name}: no folder with {' and '.join(_VECTORS)}{hint}; --data synthetic needs none")


def place_of(name: str, files: Sequence[str]) -> Path | None:
    """The folder called so, if it has these files; None when there is none.

    A set known by name is looked for in the folder that FIELDSTORE_DATA names, then in shared/data beside the
    repository, and beside each folder above it and above the current one.
    """
    folders = _places_of(name) if name in _NAMED else [Path(name)]
    return next((folder for folder in folders if all((folder / file).is_file() for file in files)), None)


def _places_of(name: str) -> list[Path]:
    above = [*Path(__file__).resolve().parents[2:], *Path.cwd().parents]
    named = os.environ.get("FIELDSTORE_DATA")
    return [*([Path(named) / name] if named else []), *(folder / _SETS / name for folder in above)]


def synthetic(count: int, queries: int) -> Data:
    """Points and queries from the shipped generator; the most that were made so far serve all smaller sizes."""
    return Data("synthetic embeddings", _made(count, stream=0), _made(queries, stream=1))


def _made(count: int, stream: int) -> Rows:
    if len(_kept.get(stream, ())) < count:
        _kept[stream] = generator.rows(count, stream)
    return _kept[stream][:count]


def truth(data: Data, k: int, alive: NDArray[np.bool_] | None = None) -> Truth:
    """The exact answers, over all points or those alive; kept in the temporary folder for the next run."""
    mark = hashlib.sha256(repr((data.name, data.points.shape, data.queries.shape, k)).encode())
    mark.update(data.points[:: max(1, len(data.points) // 500)].tobytes() + data.queries.tobytes())
    mark.update(b"" if alive is None else np.packbits(alive).tobytes())
    kept = Path(tempfile.gettempdir()) / f"fieldstore-benchmarks-truth-{mark.hexdigest()[:24]}.npz"
    try:
        with np.load(kept) as file:
            return Truth(file["nearest"], file["last"], alive)
    except (OSError, ValueError, KeyError):
        found = _exact(data.points, data.queries, k, alive)
    np.savez(kept, nearest=found.nearest, last=found.last)
    return found


def recall(data: Data, true: Truth, found: list[Any]) -> float:
    """Share of right answers; found has, for each query, the numbers of the points that came back."""
    k = true.nearest.shape[1]
    right = 0.0
    for query, last, answer in zip(data.queries, true.last, found, strict=True):
        numbers = np.unique(np.asarray(answer[:k], np.int64))
        numbers = numbers[numbers >= 0]  # some answer -1 for "no more"
        if true.alive is not None:
            numbers = numbers[true.alive[numbers]]
        right += float((data.points[numbers] @ query >= last - _TIE).sum())
    return right / float((true.nearest >= 0).sum())


def _exact(points: Rows, queries: Rows, k: int, alive: NDArray[np.bool_] | None) -> Truth:
    best = np.full((len(queries), k), -np.inf, np.float32)
    nearest = np.full((len(queries), k), -1, np.int64)
    for begin in range(0, len(points), _BLOCK):
        cosines = queries @ points[begin : begin + _BLOCK].T
        if alive is not None:
            cosines[:, ~alive[begin : begin + _BLOCK]] = -np.inf
        block = min(k, cosines.shape[1])
        top = np.argpartition(-cosines, block - 1, axis=1)[:, :block]
        merged = np.concatenate([best, np.take_along_axis(cosines, top, axis=1)], axis=1)
        numbers = np.concatenate([nearest, top + begin], axis=1)
        numbers[np.isinf(merged)] = -1  # fewer than k are alive
        order = np.argsort(-merged, axis=1, kind="stable")[:, :k]
        best, nearest = np.take_along_axis(merged, order, axis=1), np.take_along_axis(numbers, order, axis=1)
    return Truth(nearest, best[:, -1], alive)


def _unit(rows: NDArray[Any]) -> Rows:
    rows = rows.astype(np.float32)
    unit: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
