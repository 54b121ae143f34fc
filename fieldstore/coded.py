# The values at one declared filter key, dictionary-coded: a number per point, and what each number stands for.
#
# In:   JSON texts of values by point, as the database keeps them. Out: masks and groups over the points.
# Rule: a mask is what testing every record's own metadata would give; filters.py says what is equal to what.
# Rule: only what is handed out fresh may leave: the codes themselves change in place.
"""A declared key's values, beside the points."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore.errors import StoreDamaged
from fieldstore.filters import MISSING, equal

_MISSING_CODE = 0
_text = json.JSONEncoder(ensure_ascii=False).encode  # of a plain value, as metadata is stored


class Coded:
    """One key's column. seen: ledger size it is of."""

    def __init__(self) -> None:
        self.seen = 0
        self._codes = np.zeros(0, np.int32)  # by point
        self._known: dict[str, int] = {}  # JSON text -> code, from 1 on
        self._values: list[Any] = [MISSING]  # by code; decoded when first tested
        self._numbers: dict[float, list[int]] = {}  # 1 and 1.0 are two texts and equal
        self._nested: list[int] = []  # lists and objects, equal by their parts

    def take(self, rows: Sequence[tuple[int, str | None]], points: int) -> None:
        """New values of some points, None = missing, and from now on so many points."""
        if points > len(self._codes):
            self._codes = np.concatenate([self._codes, np.zeros(points - len(self._codes), np.int32)])
        if not rows:
            return
        known = self._known
        try:
            self._codes[[point for point, _ in rows]] = [
                _MISSING_CODE if text is None else known.get(text) or self._new(text) for _, text in rows
            ]
        except (ValueError, TypeError, IndexError, RecursionError) as error:
            raise StoreDamaged(
                f"what is kept for a filter key cannot be read ({error}); verify() tells whose"
            ) from None

    def _new(self, text: str) -> int:
        code = self._known[text] = len(self._known) + 1
        if text[0] in "[{":
            self._nested.append(code)
        elif text[0] not in '"tfn':  # a string, true, false, null
            self._numbers.setdefault(json.loads(text), []).append(code)
        return code

    def among(self, choices: Sequence[Any]) -> NDArray[np.bool_]:
        """(points,) where the value equals one of the choices."""
        wanted = [code for choice in choices for code in self._codes_of(choice)]
        if len(wanted) > 1:
            return self._spread(wanted)
        found: NDArray[np.bool_] = self._codes == (wanted[0] if wanted else -1)
        return found

    def where(self, test: Callable[[Any], bool]) -> NDArray[np.bool_]:
        """(points,) where the value, or MISSING, passes; each different value is tested once."""
        values = self._decoded()
        return self._spread([code for code, value in enumerate(values) if test(value)])

    def groups(self) -> NDArray[np.int64]:
        """(points,) equal numbers for equal values; -1 where missing or null."""
        numbers = np.arange(len(self._known) + 1)
        numbers[[_MISSING_CODE, self._known.get("null", _MISSING_CODE)]] = -1
        found: NDArray[np.int64] = numbers[self._codes]
        return found

    def _codes_of(self, choice: Any) -> Iterable[int]:
        if choice is None or isinstance(choice, str | bool):
            code = self._known.get(_text(choice))
            return () if code is None else (code,)
        if isinstance(choice, int | float):
            return self._numbers.get(choice, ())
        values = self._decoded()
        return [code for code in self._nested if equal(values[code], choice)]

    def _decoded(self) -> list[Any]:
        if len(self._values) <= len(self._known):
            fresh = list(self._known)[len(self._values) - 1 :]
            try:
                self._values += json.loads(f"[{','.join(fresh)}]")
            except (ValueError, RecursionError) as error:
                raise StoreDamaged(f"what is kept for a filter key is no JSON ({error})") from None
        return self._values

    def _spread(self, codes: list[int]) -> NDArray[np.bool_]:
        chosen = np.zeros(len(self._known) + 1, np.bool_)
        chosen[codes] = True
        found: NDArray[np.bool_] = chosen[self._codes]
        return found
