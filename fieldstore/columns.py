# What queries need of the metadata, beside the points: which match a filter, and which share a value.
#
# Derived, kept in memory, and brought up to date from the entries written since; each column is thrown away when many
# others were used more recently. Rule: a column only ever speaks of live points; the field leaves the others out.
# Where all its keys are declared, a filter asks the keys' coded values, and no metadata is parsed.
"""Columns over the points: filter masks and groups."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata
from fieldstore.coded import Coded
from fieldstore.engine.masks import Mask
from fieldstore.filters import Filter, value_at
from fieldstore.storage.database import Database

_KEPT = 32  # columns


class Columns:
    """The columns of one store, by filter or by metadata key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, NDArray[Any]]] = OrderedDict()  # ledger size seen, values by point
        self._masks: dict[str, Mask] = {}  # of columns that are filters'
        self._codes: dict[str, int] = {}  # canonical value -> number, the same for every key
        self._coded: dict[str | None, Coded] = {}  # the declared keys that were asked for; None: all is missing

    def mask(self, where: Filter, database: Database, size: int, points: int) -> Mask:
        """Of (points,) bool: which live points match, at this size of the ledger; the same object while it holds."""
        name = "where " + where.key
        column = self._matching(name, where, database, size, points)
        if name not in self._masks or self._masks[name].of is not column:
            self._masks[name] = Mask(column)
        return self._masks[name]

    def _matching(self, name: str, where: Filter, database: Database, size: int, points: int) -> NDArray[np.bool_]:
        keys = database.filter_values.keys()
        if not where.keys <= set(keys):
            return self._column(name, where.matches, np.zeros(0, np.bool_), database, size, points)
        seen, mask = self._kept.pop(name, (-1, np.zeros(0, np.bool_)))
        if seen < size:
            mask = where.mask(lambda key: self._declared(key, keys, database, size, points))
        self._keep(name, size, mask)
        return mask

    def _declared(self, key: str | None, keys: list[str], database: Database, size: int, points: int) -> Coded:
        """A declared key's values, brought up to date."""
        coded = self._coded.setdefault(key, Coded())
        if coded.seen < size:
            number = None if key is None else keys.index(key)
            values = database.filter_values
            coded.take([], points)
            if number is not None:
                for rows in values.since(number, coded.seen) if coded.seen else values.all(number):
                    coded.take(rows, points)
            coded.seen = size
        return coded

    def groups(self, key: str, database: Database, size: int, points: int) -> NDArray[np.int64]:
        """(points,) int64: equal numbers for equal values at a metadata key or path; -1 where missing or null."""
        if key in (keys := database.filter_values.keys()):
            return self._declared(key, keys, database, size, points).groups()

        def code(record: dict[str, Any]) -> int:
            value = value_at(record, key)
            return -1 if value is None else self._codes.setdefault(metadata.encode({"": value}), len(self._codes))

        return self._column("per " + key, code, np.full(0, -1, np.int64), database, size, points)

    def tally(
        self, key: str, values: Sequence[Any], live: NDArray[np.bool_], database: Database, size: int
    ) -> list[int]:
        """How many of the live points, (points,), have each of the values at a metadata key or path."""
        if key in (keys := database.filter_values.keys()):
            coded = self._declared(key, keys, database, size, len(live))
            return [int(np.count_nonzero(live & coded.among([value]))) for value in values]
        of = self.groups(key, database, size, len(live))[live]
        counts = np.bincount(of[of >= 0], minlength=len(self._codes) + 1)  # the last one is 0, for values of nobody
        return [int(counts[self._codes.get(metadata.encode({"": value}), -1)]) for value in values]

    def _column(
        self,
        name: str,
        value: Callable[[dict[str, Any]], Any],
        empty: NDArray[Any],
        database: Database,
        size: int,
        points: int,
    ) -> NDArray[Any]:
        seen, column = self._kept.pop(name, (0, empty))
        if seen < size:
            filler = -1 if column.dtype == np.int64 else False
            column = np.concatenate([column, np.full(points - len(column), filler, column.dtype)])  # never in place:
            for some in database.metadata_since(seen):  # a query may still hold the older one
                for (point, _), record in zip(some, metadata.decode_all([stored for _, stored in some]), strict=True):
                    if point < points:
                        column[point] = value(record)
        self._keep(name, size, column)
        return column

    def _keep(self, name: str, size: int, column: NDArray[Any]) -> None:
        self._kept[name] = (size, column)
        if len(self._kept) > _KEPT:
            self._masks.pop(self._kept.popitem(last=False)[0], None)
