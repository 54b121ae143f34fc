# Work shared out among threads, where a loop lets go of the GIL.
#
# Rule: which thread does what changes no result: the parts are independent, and come back in order.
"""As many threads as there are cores for us."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

_Found = TypeVar("_Found")


def in_threads(work: Callable[[slice], _Found], count: int, least: int) -> list[_Found]:
    """What work says of each of the slices that make up count items, in order.

    One slice a core, each a multiple of `least` items long but the last; one slice alone is done in this thread.
    """
    units = -(-count // least)
    threads = min(cores(), units)
    if threads <= 1:
        return [work(slice(0, count))]
    edges = [min(count, least * (units * i // threads)) for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, [slice(a, b) for a, b in pairwise(edges)]))


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
