# What may be stored as metadata, and its one canonical form.
#
# Rule: what comes back equals what was given. What JSON cannot hold exactly is refused by name, never bent to fit.
"""Metadata: JSON objects, checked and brought to one form, so that equal metadata is equal to the byte."""

import json
from collections.abc import Sequence
from typing import Any

from fieldstore.errors import StoreDamaged

_LARGEST = 2**53  # beyond it, JSON readers lose integers (RFC 8785)
_DEEPEST = 64
_LONGEST = 16 * 2**20
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_json = json.JSONDecoder().raw_decode  # what json.loads does, but for a look at the blanks around


def encode(metadata: object, what: str = "metadata") -> str:
    """The metadata as canonical JSON text: sorted keys, no spaces. None gives that of {}.

    Raises TypeError for what is no JSON (tuples and numpy scalars too: they would come back as something else), and
    ValueError for NaN, infinity, integers beyond 2**53, lone surrogates, nesting beyond 64 or more than 16 MiB.
    """
    if metadata is None:
        return "{}"
    if type(metadata) is not dict:
        raise TypeError(f"{what} must be a dict, not {type(metadata).__name__}")
    if not _is_flat(metadata):
        _check(metadata, what, 0)
    text = _canonical(metadata)
    check_text(text, what)
    if len(text) > _LONGEST:
        raise ValueError(f"{what} has {len(text)} characters, the limit is {_LONGEST}")
    return text


def decode(text: str) -> dict[str, Any]:
    """The metadata in stored text, a fresh copy each time. Raises StoreDamaged where it is none."""
    return _read([text])[0]


def decode_all(texts: Sequence[str]) -> list[dict[str, Any]]:
    """`decode` for each of the stored texts; JSON reads one long list several times faster than many short objects."""
    return _read(texts)


def _read(texts: Sequence[str]) -> list[dict[str, Any]]:
    try:
        text = f"[{','.join(texts)}]"
        decoded, end = _json(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreDamaged(f"stored metadata is no JSON ({error}); verify() tells whose") from None
    if end < len(text) or len(decoded) != len(texts) or not {*map(type, decoded)} <= {dict}:
        raise StoreDamaged("stored metadata is no JSON object; verify() tells whose")
    found: list[dict[str, Any]] = decoded
    return found


def check_text(text: object, what: str) -> None:
    """TypeError or ValueError unless text is a string that UTF-8 can hold."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a string, not {type(text).__name__}")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} holds a lone surrogate at {error.start}") from None


def _is_flat(metadata: dict[Any, Any]) -> bool:
    """Whether all is well at first sight: names and plain values, as nearly all metadata is; else `_check` tells."""
    for key, value in metadata.items():
        kind = type(value)
        if type(key) is not str or not (
            kind is str
            or kind is bool
            or value is None
            or (kind is int and -_LARGEST <= value <= _LARGEST)
            or (kind is float and value - value == 0.0)
        ):
            return False
    return True


def _check(value: object, where: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"{where[:80]}… is nested deeper than {_DEEPEST}")
    kind = type(value)
    if kind is dict:
        for key, inner in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise TypeError(f"{where} has the key {key!r}; keys must be strings")
            _check(inner, f"{where}[{key!r}]", depth + 1)
    elif kind is list:
        for position, inner in enumerate(value):  # type: ignore[arg-type]
            _check(inner, f"{where}[{position}]", depth + 1)
    elif kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{where} is {value!r}, which JSON cannot hold")
    elif kind is int:
        if abs(value) > _LARGEST:  # type: ignore[arg-type]
            raise ValueError(f"{where} is beyond 2**53; store it as a string")
    elif kind is not str and kind is not bool and value is not None:
        hint = "a list" if kind is tuple else "a plain str, int, float, bool, list or dict"
        raise TypeError(f"{where} is a {kind.__name__}, which is no JSON; give {hint}")
