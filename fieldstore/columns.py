# What queries need of the metadata, beside the points: which match a filter, and which share a value.
#
# Derived, kept in memory, and brought up to date from the entries written since; each column is thrown away when many
# others were used more recently. Rule: a column only ever speaks of live points; the field leaves the others out.
"""Columns over the points: filter masks and groups."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata
from fieldstore.filters import Filter, value_at
from fieldstore.storage.database import Database

_KEPT = 32  # columns


class Columns:
    """The columns of one store, by filter or by metadata key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, NDArray[Any]]] = OrderedDict()  # ledger size seen, values by point
        self._codes: dict[str, int] = {}  # canonical value -> number, the same for every key

    def mask(self, where: Filter, database: Database, size: int, points: int) -> NDArray[np.bool_]:
        """(points,) bool: which live points match, at this size of the ledger."""
        return self._column("where " + where.key, where.matches, np.zeros(0, np.bool_), database, size, points)

    def groups(self, key: str, database: Database, size: int, points: int) -> NDArray[np.int64]:
        """(points,) int64: equal numbers for equal values at a metadata key or path; -1 where missing or null."""

        def code(record: dict[str, Any]) -> int:
            value = value_at(record, key)
            return -1 if value is None else self._codes.setdefault(metadata.encode({"": value}), len(self._codes))

        return self._column("per " + key, code, np.full(0, -1, np.int64), database, size, points)

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
        self._kept[name] = (size, column)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return column
