# Following: the field takes in new points on a thread of its own, while the next records are being written.
#
# Rule: one change of the field at a time, in the order they were handed over.
# Rule: whoever looks at the field, or changes it himself, waits before; so nobody sees it behind the ledger.
# Rule: what failed half-way is said to whoever waits, who then works the field out anew.
"""The field's own thread, for adds."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine.field import Field
from fieldstore.engine.threads import modestly

_AHEAD = 65536  # points that may be waiting: building the first cells takes as long as some thousand adds


class Follower:
    """Changes of one field to come, done one after the other; one thread at a time may call it."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None  # started by the first add
        self._waiting: deque[tuple[int, Future[None]]] = deque()  # how many points, and when they are in
        self._awaited = False  # whether somebody can do nothing else meanwhile

    def hand_over(
        self, field: Field, rows: NDArray[np.float32], points: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> None:
        """Let rows be the field's points, with these weights of some; soon. Waits only where very many are ahead."""
        while self._waiting and _well(self._waiting[0][1]):
            self._waiting.popleft()
        undone = [(count, done) for count, done in self._waiting if not done.done()]
        while sum(count for count, _ in undone) > _AHEAD:
            wait([undone.pop(0)[1]])  # whatever comes of it
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fieldstore")
        self._waiting.append((len(points), self._thread.submit(self._beside, field, rows, points, weights)))

    def _beside(self, *change: Any) -> None:
        with modestly(lambda: not self._awaited):  # the next records are written on the other core
            _follow(*change)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return all(done.done() for _, done in self._waiting)

    def wait(self) -> None:
        """Until all is in. Raises what went wrong: then, and only then, the field is not what it should be."""
        self._awaited = True
        try:
            while self._waiting:
                self._next()
        finally:
            self._awaited = False

    def _next(self) -> None:
        _, done = self._waiting[0]
        try:
            done.result()
        finally:
            if done.done():  # else we were interrupted while waiting
                self._waiting.popleft()

    def drop(self) -> None:
        """Forget what was handed over, once it has ended one way or the other."""
        wait([done for _, done in self._waiting])
        self._waiting.clear()

    def close(self) -> None:
        """Let the thread end; what was handed over is still done."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None


def _well(done: Future[None]) -> bool:
    return done.done() and done.exception() is None


def _follow(field: Field, rows: NDArray[np.float32], points: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
    field.mount(rows)
    field.reweight(points, weights)
