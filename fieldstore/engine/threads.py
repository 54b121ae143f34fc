# Python threads over compiled loops, which let go of the interpreter while they run.
#
# Rule: what is done for an item never depends on the slice it came in, so results are the same on any number of cores.
"""Work spread over the cores."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

_Done = TypeVar("_Done")
_thread = threading.local()


def spread(work: Callable[[slice], _Done], count: int, least: int = 512) -> list[_Done]:
    """Do work on slices of count items, in as many threads as there are cores for us; results in order.

    least: items that a further thread is worth its while for; every slice but the last has a multiple of it.
    """
    units = -(-count // least)
    threads = 1 if _modest() else min(_cores(), units)
    if threads <= 1:
        return [work(slice(0, count))]
    edges = [min(count, least * (units * i // threads)) for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, [slice(a, b) for a, b in pairwise(edges)]))


def ahead(work: Callable[[slice], _Done], count: int, size: int) -> Iterator[_Done]:
    """Results of work on slices of `size` of count items, in order; the other cores work ahead of the caller.

    A caller who asks for what is not done yet does the next slice that nobody has begun. Whoever stops asking stops
    the work.
    """
    slices = [slice(first, min(first + size, count)) for first in range(0, count, size)]
    threads = 0 if _modest() else min(_cores(), len(slices)) - 1
    if threads < 1:
        yield from map(work, slices)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        others = [pool.submit(work, part) for part in slices]
        own: dict[int, _Done] = {}  # by the caller's hand
        untouched = iter(range(len(slices)))
        for number, done in enumerate(others):
            while number not in own and not done.done():
                mine = next((i for i in untouched if i >= number and others[i].cancel()), None)
                if mine is None:
                    break
                own[mine] = work(slices[mine])
            yield own.pop(number) if number in own else done.result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def modestly(while_: Callable[[], bool]) -> Iterator[None]:
    """This thread's `spread` and `ahead` take no further core while that holds: another has more urgent work."""
    _thread.modest = while_
    try:
        yield
    finally:
        del _thread.modest


def _modest() -> bool:
    holds: Callable[[], bool] | None = getattr(_thread, "modest", None)
    return holds is not None and holds()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
