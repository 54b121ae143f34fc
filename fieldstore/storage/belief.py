# What a database must look like before it is believed: its tables are ours to the letter, and its facts can be.
#
# Rule: a store may come from anybody. A view or a trigger in place of a table could answer anything, or never end; a
# count that no file of this size can hold could make us ask for all memory.
"""Checks of a database that calls itself a store."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from fieldstore.errors import StoreDamaged
from fieldstore.ledger import LATEST

_LARGEST_DIM = 65536
_LEAF = 114  # bytes of an entry, at least
_FACTS: dict[str, Callable[[Any], bool]] = {  # every fact of a store, and what it may be
    "uuid": lambda value: isinstance(value, str),
    "dim": lambda value: value is None or (type(value) is int and 1 <= value <= _LARGEST_DIM),
    "embedder": lambda value: value is None or isinstance(value, str),
    "source_key": lambda value: isinstance(value, str),
    "size": lambda value: type(value) is int and value >= 0,
    "frontier": lambda value: isinstance(value, bytes),
    "time": lambda value: type(value) is int and 0 <= value <= LATEST,
    "kappa": lambda value: value is None or (type(value) is int and value > 0),
    "measured": lambda value: type(value) is int and value >= 0,
}
_LATER: dict[str, Callable[[Any], bool]] = {  # facts that a store has once there is a reason
    "repelled": lambda value: type(value) is int and value >= 0,
}
SEALED = frozenset({"uuid", "created", "dim", "embedder", "source_key"})  # which no entry of the ledger says
_Object = tuple[str, str, str, str | None]  # type, name, table, SQL


def check_schema(path: Path | None, found: Iterable[_Object], ours: str) -> None:
    """StoreDamaged unless everything found in sqlite_schema is made by the statements that are ours."""
    strange = {_plain(one) for one in found} - _objects(ours)
    if strange:
        kind, name, *_ = min(strange, key=str)
        raise StoreDamaged(f"'{path}' has a {kind} {name!r} that no store has; nothing was read from it")


@cache
def _objects(statements: str) -> frozenset[_Object]:
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(statements)
        return frozenset(map(_plain, connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")))
    finally:
        connection.close()


def _plain(one: _Object) -> _Object:
    """However its SQL was broken into lines."""
    return (*one[:3], " ".join(str(one[3]).split()))


def check_facts(path: Path | None, facts: dict[str, Any]) -> None:
    """StoreDamaged unless all facts are there, and each can be."""
    for name, may_be in _FACTS.items():
        if name not in facts:
            raise StoreDamaged(f"'{path}' does not say its {name}; bring it back from a backup")
        if not may_be(facts[name]):
            raise StoreDamaged(f"'{path}' says a {name} that cannot be; bring it back from a backup")
    for name, may_be in _LATER.items():
        if name in facts and not may_be(facts[name]):
            raise StoreDamaged(f"'{path}' says a {name} that cannot be; bring it back from a backup")
    if len(facts["frontier"]) != 32 * facts["size"].bit_count():
        raise StoreDamaged(f"'{path}': its frontier is of a ledger of another size; bring it back from a backup")


def seal(facts: Mapping[str, Any]) -> int:
    """CRC-32 over what a store is; kept as a fact beside them."""
    return zlib.crc32(json.dumps([[name, facts.get(name)] for name in sorted(SEALED)], default=repr).encode())


def check_seal(path: Path | None, facts: Mapping[str, Any]) -> None:
    """StoreDamaged where the seal is broken; stores of before there was one have none."""
    if facts.get("seal", seal(facts)) != seal(facts):
        raise StoreDamaged(
            f"'{path}': what it says it is was changed ({', '.join(sorted(SEALED))}); bring it back from a backup"
        )


def check_size(path: Path | None, facts: dict[str, Any], points: int, room: int) -> None:
    """StoreDamaged where so many bytes cannot hold so many entries, or these so many points of this dimension."""
    entries = facts["size"]
    if points > entries or entries * _LEAF > room or (points and facts["dim"] is None):
        raise StoreDamaged(
            f"'{path}' has {room} bytes, which cannot hold {entries} entries about {points} points of dimension "
            f"{facts['dim']}; bring it back from a backup"
        )
