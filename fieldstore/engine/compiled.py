# How every loop of the engine is compiled.
#
# Rule: a cached loop calls only loops of its file and the machine instructions; numba's cache misses edits elsewhere.
# Rule: one signature a loop: what is read-only in one call is so in all, and a constant is not a type of its own.
# Rule: few loops, and in them plain ones: each compiles once for itself and again in every loop that calls it, and what
#       numpy writes in a line (slices set to arrays, full, max, a list of numbers as an index) compiles for long.
"""The decorator of the compiled loops."""

import gc
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core import event

_Loop = TypeVar("_Loop", bound=Callable[..., object])
_ours: set[int] = set()


def loop(function: _Loop) -> _Loop:
    """Compile without the GIL, dividing as the processor does; cached on disk where numba finds a writable folder."""
    try:
        compiled = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no writable place for the cache: compile once a process
        compiled = njit(nogil=True, error_model="numpy")(function)
    _ours.add(id(compiled))
    return compiled


class _Uncollected(event.Listener):  # type: ignore[misc]
    """Keeps Python from looking for garbage while one of our loops compiles, which takes some 6 % longer with it.

    numba says when a compilation begins and ends, under its lock; loops that it calls are compiled in between.
    """

    def __init__(self) -> None:
        self._outermost: Any = None

    def on_start(self, event: Any) -> None:
        if self._outermost is None and gc.isenabled() and id(event.data["dispatcher"]) in _ours:
            self._outermost = event.data["dispatcher"]
            gc.disable()

    def on_end(self, event: Any) -> None:
        if self._outermost is not None and event.data["dispatcher"] is self._outermost:
            self._outermost = None
            gc.enable()


event.register("numba:compile", _Uncollected())
