# How every loop of the engine is compiled.
#
# Rule: a cached loop calls only loops of its file and the machine instructions; numba's cache misses edits elsewhere.
# Rule: one signature a loop: what is read-only in one call is so in all, and a constant is not a type of its own.
# Rule: few loops, and in them plain ones: each compiles once for itself and again in every loop that calls it, and what
#       numpy writes in a line (slices set to arrays, full, max, a list of numbers as an index) compiles for long.
"""The decorator of the compiled loops."""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

_Loop = TypeVar("_Loop", bound=Callable[..., object])


def loop(function: _Loop) -> _Loop:
    """Compile without the GIL, dividing as the processor does; cached on disk where numba finds a writable folder."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no writable place for the cache: compile once a process
        return njit(nogil=True, error_model="numpy")(function)
