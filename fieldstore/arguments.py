# Checking what the store's verbs are given, before anything is written.
#
# Rule: every message names the thing and its place; a check changes nothing.
"""The arguments of the verbs, checked and brought to one form."""

import math
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fieldstore import metadata as metadata_form
from fieldstore.filters import Filter
from fieldstore.records import MILLIONTHS

Where = Mapping[str, Any]  # a filter, see `filters`
Ids = str | Sequence[str]
Source = str | int | float  # the value at a store's source key
Mode = Literal["nearest", "attractors", "ascent", "text", "hybrid"]
MODES = get_args(Mode)
BY_WORDS = ("text", "hybrid")  # need a text index
_LONGEST_ID = 1024  # bytes
_HEAVIEST = 10**9  # copies
_DOTS = 4  # of a filter key: 2**4 ways to read it, all looked for in every record
_LONGEST_WAIT = 10**9  # seconds
_ELEMENT = re.compile("[0-9a-f]{32}")
_WHOLE = int, np.integer  # tuples, made once: `int | np.integer` would be put together anew at every check
_REAL = int, float, np.integer, np.floating


class Batch(NamedTuple):
    """Records about to be added; weights in millionths, None = as it was, or one copy. generated: which ids were."""

    dim: int
    ids: list[str]
    generated: list[bool]
    texts: list[str | None]
    metadatas: list[str]
    weights: list[int | None]


def batch(
    vectors: ArrayLike,
    given_texts: Sequence[str | None] | None,
    given_metadatas: Sequence[Mapping[str, Any] | None] | None,
    given_ids: Sequence[str | None] | None,
    given_weights: float | Sequence[float] | None,
    words: tuple[str | None, str | None],
) -> Batch:
    """The records of an `add`, all checked but for the vectors' values."""
    check_words(*words)
    shape = shape_of(vectors, "vectors")
    if len(shape) not in (1, 2):
        raise ValueError(f"vectors must be (n, dim) or (dim,), not {shape}; nothing was stored")
    count = 0 if shape == (0,) else 1 if len(shape) == 1 else shape[0]
    if isinstance(given_ids, str) and count == 1:
        given_ids = [given_ids]
    ids = [None] * count if given_ids is None else _list(given_ids, count, "ids")
    named = [uuid.uuid4().hex if id is None else id for id in ids]
    names = checked_ids(named)
    if isinstance(given_weights, Sequence | np.ndarray):
        weights: list[int | None] = [millionths(weight) for weight in _list(given_weights, count, "weights")]
    else:
        weights = [None if given_weights is None else millionths(given_weights)] * count
    return Batch(
        shape[-1],
        names,
        [id is None for id in ids],
        texts(given_texts, count, names),
        metadatas(given_metadatas, count, names),
        weights,
    )


def shape_of(vectors: ArrayLike, what: str) -> tuple[int, ...]:
    """The shape of what was given; ValueError for rows of different lengths."""
    return array_of(vectors, what).shape


def array_of(vectors: ArrayLike, what: str) -> NDArray[Any]:
    """What was given, as an array; ValueError for rows of different lengths."""
    try:
        return np.asarray(vectors)
    except ValueError:
        raise ValueError(f"{what} must be rows of one length; these differ. Nothing was done") from None


def checked_path(path: str | os.PathLike[str]) -> Path:
    """A path that names something."""
    if not os.fspath(path):
        raise ValueError("an empty path names no store; None keeps one in memory")
    return Path(path)


def _list(values: Any, count: int, what: str) -> list[Any]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise TypeError(f"{what} must be a list, not {type(values).__name__}; nothing was stored")
    if len(values) != count:
        raise ValueError(f"{len(values)} {what} were given for {count} records; nothing was stored")
    return list(values)


def texts(given: str | Sequence[str | None] | None, count: int, ids: Sequence[str]) -> list[str | None]:
    """One text or None per record."""
    if given is None:
        return [None] * count
    values = [given] if isinstance(given, str) and count == 1 else _list(given, count, "texts")
    for id, text in zip(ids, values, strict=True):
        if text is not None:
            metadata_form.check_text(text, f"the text of record '{id}'")
    return values


def metadatas(
    given: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None, count: int, ids: Sequence[str]
) -> list[str]:
    """One canonical JSON text per record."""
    if given is None:
        return ["{}"] * count
    values = [given] if isinstance(given, Mapping) and count == 1 else _list(given, count, "metadatas")
    return [
        metadata_form.encode(dict(value) if isinstance(value, Mapping) else value, f"metadata of record '{id}'")
        for id, value in zip(ids, values, strict=True)
    ]


def checked_ids(ids: str | Sequence[str], *, unique: bool = True) -> list[str]:
    """Ids as a list: strings of 1 to 1,024 bytes, none twice; one string is one id."""
    if not isinstance(ids, Iterable) or isinstance(ids, bytes | Mapping):
        raise TypeError(
            f"ids must be a string or a list of strings, not {ids!r} ({type(ids).__name__}); nothing was done"
        )
    wanted = [ids] if isinstance(ids, str) else list(ids)
    for id in wanted:
        metadata_form.check_text(id, f"the id {id!r}")
        if not id or "\0" in id or len(id.encode()) > _LONGEST_ID:
            raise ValueError(f"an id has 1 to {_LONGEST_ID} bytes and no NUL, unlike {id[:40]!r}; nothing was done")
    if unique and len(set(wanted)) < len(wanted):
        twice = next(id for id, times in Counter(wanted).items() if times > 1)
        raise ValueError(f"the id {twice!r} is given twice; nothing was done")
    return wanted


def millionths(weight: float) -> int:
    """A weight in copies as whole millionths, more than none."""
    if not is_number(weight) or not 1e-6 <= weight <= _HEAVIEST:
        raise ValueError(
            f"a weight must be a number from 0.000001 to {_HEAVIEST} copies, not {weight!r}; nothing was changed. "
            "forget() takes a record out"
        )
    return round(float(weight) * MILLIONTHS)


def is_number(value: object) -> bool:
    """Whether this is a real number, of Python's or numpy's; truth values are none."""
    return isinstance(value, _REAL) and not isinstance(value, bool)


def restriction(ids: Ids | None, where: Where | None) -> tuple[list[str] | None, Filter | None]:
    """Which records a reading verb may speak of: ids, each once, and a filter; either may be None = all."""
    wanted = None if ids is None else list(dict.fromkeys(checked_ids(ids, unique=False)))
    return wanted, None if where is None else Filter(where)


def selection(
    verb: str,
    ids: str | Sequence[str] | None,
    where: Mapping[str, Any] | None,
    source: Source | None,
    source_key: str,
) -> tuple[list[str] | None, Filter | None]:
    """What a verb is about: ids, or a filter, or all of one source; exactly one of them."""
    if [ids, where, source].count(None) != 2:
        raise ValueError(f"{verb} takes ids, where= or source=, one of them; nothing was changed")
    if ids is not None:
        return list(dict.fromkeys(checked_ids(ids, unique=False))), None
    if source is not None:
        check_source(source, source_key)
        return None, Filter({source_key: {"$eq": source}})
    if not where:
        raise ValueError(f"{verb} needs a condition in where=; an empty one would mean everything. Nothing was changed")
    return None, Filter(where)


def check_source(source: Source | None, source_key: str) -> None:
    """A value that a source may have."""
    if source is not None and not isinstance(source, str | int | float):
        raise TypeError(f"a source is a string or a number, the value at {source_key!r}, not {source!r}")


def secret(name: str, given: object, store: Path | None) -> bytes:
    """The bytes of a secret that is kept outside the store, given as bytes or as a file of them."""
    if isinstance(given, str | os.PathLike):
        if store is not None and Path(given).resolve().is_relative_to(store.resolve()):
            raise ValueError(
                f"{name}: '{given}' lies inside the store, and what it protects with it; keep it elsewhere"
            )
        given = Path(given).read_bytes()
    if not isinstance(given, bytes):
        raise TypeError(
            f"{name} is a secret that is kept outside the store, as bytes or the path of its file, not "
            f"{type(given).__name__}: a fingerprint whose key lies in the store could be guessed. Nothing was changed"
        )
    if len(given) < 32:
        raise ValueError(
            f"{name} needs 32 bytes or more that nobody can guess, such as os.urandom(32); nothing was done"
        )
    return given


def check_near(near: float | str | None, names: Iterable[str]) -> None:
    """A cosine, or one of the names of those that are suggested."""
    if near is None or (isinstance(near, str) and near in names):
        return
    if not is_number(near) or not -1 <= float(near) <= 1:
        raise ValueError(f"near is a cosine from -1 to 1, or {' or '.join(map(repr, names))}, not {near!r}")


def seconds(name: str, time: datetime) -> float:
    """A time as seconds since 1970; ValueError for one without a time zone, which would mean another one elsewhere."""
    if not isinstance(time, datetime):
        raise TypeError(f"{name} must be a datetime, not {time!r}; nothing was done")
    if time.tzinfo is None:
        raise ValueError(f"{name} needs a time zone, such as datetime(..., tzinfo=UTC), unlike {time!r}")
    return time.timestamp()


def moment(name: str, given: int | datetime | None) -> int | float | None:
    """A position of the ledger, as an int, or a time in seconds, as a float."""
    if given is None or isinstance(given, datetime):
        return None if given is None else seconds(name, given)
    check_position(given)
    return given


def radius(given: float) -> float:
    """A cosine from which records are hidden."""
    if not is_number(given) or not -1.0 <= given <= 1.0:
        raise ValueError(f"a radius must be a cosine from -1 to 1, not {given!r}; nothing was hidden")
    return float(given)


def elements(given: Sequence[str]) -> list[str]:
    """Names of points, as `erasures` lists them."""
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise TypeError(f"a list of erasures has a string of 32 hex digits each, unlike {given!r}; nothing was erased")
    for element in given:
        if not isinstance(element, str) or not _ELEMENT.fullmatch(element):
            raise ValueError(f"an erasure is named by 32 hex digits, unlike {element!r}; nothing was erased")
    return list(given)


def check_words(*words: str | None, what: str = "reason and actor") -> None:
    """What is given, and not None, is a string."""
    for word in words:
        if word is not None:
            metadata_form.check_text(word, what)


def check_count(vectors: ArrayLike, count: int) -> None:
    """As many vectors as there are records."""
    shape = shape_of(vectors, "vectors")
    given = 1 if len(shape) == 1 else shape[0] if shape else 0
    if given != count:
        raise ValueError(f"{given} vectors were given for {count} records; nothing was changed")


def check_flag(name: str, flag: bool) -> None:
    """Yes or no."""
    if not isinstance(flag, bool):
        raise TypeError(f"{name} must be True or False, not {flag!r}")


def check_count_of(name: str, count: int) -> None:
    """Whole, and at least 1."""
    if isinstance(count, bool) or not isinstance(count, _WHOLE) or count < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {count!r}")


def check_limit(limit: int | None) -> None:
    """A limit counts something."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit < 2**63):
        raise ValueError(f"limit must be a whole number from 0 to 2**63 - 1, not {limit!r}")


def check_position(after: int) -> None:
    """A position of the ledger, or -1 for before the first."""
    if isinstance(after, bool) or not isinstance(after, int) or not -1 <= after < 2**62:
        raise ValueError(f"a position of the ledger is a whole number from -1 on, not {after!r}")


def check_search(
    k: int,
    by: str,
    smooth: bool,
    per: str | None,
    reach: float | None,
    min_score: float | None,
    exact: bool,
    effort: float,
) -> None:
    """Options of a search, each one only in the mode it means something in."""
    if by not in MODES:
        raise ValueError(f"unknown mode by={by!r}; there are {', '.join(MODES)}")
    check_count_of("k", k)
    check_flag("smooth", smooth)
    check_flag("exact", exact)
    if not is_number(effort) or not 0 < effort < math.inf:
        raise ValueError(f"effort must be a positive number, not {effort!r}")
    if effort != 1 and by == "text":
        raise ValueError("effort has no meaning with by='text', which looks at every text")
    if smooth and by != "nearest":
        raise ValueError(f"smooth=True belongs to by='nearest', not {by!r}")
    if (per is not None or reach is not None) and by != "attractors":
        raise ValueError(f"per and reach belong to by='attractors', not {by!r}")
    if reach is not None and (not is_number(reach) or not math.isfinite(reach)):
        raise ValueError(f"reach must be a cosine, not {reach!r}")
    if per is not None and not isinstance(per, str):
        raise TypeError(f"per must be a metadata key, not {per!r}")
    if min_score is not None and not is_number(min_score):
        raise TypeError(f"min_score must be a number, not {min_score!r}")
    if min_score is not None and math.isnan(min_score):
        raise ValueError(f"min_score must be a number, not {min_score!r}, which nothing would reach")


def check_wording(by: str, texts: Sequence[str] | None, alpha: float, queries: int | None) -> None:
    """The texts of a search, one a query, in the modes that look for words; queries: how many, None = no vectors."""
    if by not in BY_WORDS:
        if texts is not None:
            raise ValueError(f"text belongs to by='text' or 'hybrid', not {by!r}")
        if queries is None:
            raise ValueError(f"by={by!r} needs a vector; by='text' does without")
    elif by == "hybrid" and queries is None:
        raise ValueError("by='hybrid' needs a vector and a text; by='text' does without the vector")
    elif texts is None:
        raise ValueError(f"by={by!r} needs text=, the words to look for")
    elif isinstance(texts, str) or not isinstance(texts, Sequence):
        raise TypeError(f"texts must be a list of strings, one a query, not {texts!r}")
    elif queries is not None and len(texts) != queries:
        raise ValueError(f"{len(texts)} texts were given for {queries} queries")
    for text in texts or ():
        metadata_form.check_text(text, "the text to look for")
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(f"alpha is the vector's part in by='hybrid', from 0 to 1, not {alpha!r}")
    if alpha != 0.5 and by != "hybrid":
        raise ValueError(f"alpha belongs to by='hybrid', not {by!r}")


def check_store(
    dim: int | None, kappa: float | None, embedder: str | None, source_key: str | None, timeout: float
) -> None:
    """Arguments of a store, before its files are touched."""
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, _WHOLE) or not 1 <= dim <= 65536):
        raise ValueError(f"dim must be a whole number from 1 to 65536, not {dim!r}")
    if kappa is not None and (not is_number(kappa) or not 1e-6 <= kappa <= 1e9):
        raise ValueError(f"kappa must be a number from 0.000001 to 1e9, not {kappa!r}")
    for name, word in (("embedder", embedder), ("source_key", source_key)):
        if word is not None:
            metadata_form.check_text(word, name)
            if not word:
                raise ValueError(f"{name} must not be empty; None leaves it open")
    if not is_number(timeout) or not 0 <= timeout <= _LONGEST_WAIT:
        raise ValueError(f"timeout must be a number of seconds from 0 to {_LONGEST_WAIT}, not {timeout!r}")


def check_filter_keys(keys: Sequence[str]) -> None:
    """Metadata keys that may be declared: those that a filter can name and SQLite can find."""
    if isinstance(keys, str | bytes) or not isinstance(keys, Sequence):
        raise TypeError(f"filter_keys must be a list of metadata keys, not {keys!r}")
    for key in keys:
        metadata_form.check_text(key, "a filter key")
        if key.startswith("$") or any(letter in '"\\' or letter < " " for letter in key):
            raise ValueError(
                f"a filter key has no quotes, backslashes or control characters and no $ in front: {key!r}"
            )
        if "" in key.split(".") or key.count(".") > _DOTS:
            raise ValueError(f"a filter key has 1 to {_DOTS + 1} parts between dots, none of them empty: {key!r}")
