# Arrays that grow, and arrays that are only to be looked at.
"""Room for more rows, and read-only views."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)


def with_room(array: NDArray[_Number], count: int) -> NDArray[_Number]:
    """The array, or one at least twice as long that begins with it, if it has fewer than count items."""
    if count <= len(array):
        return array
    longer = np.zeros((max(count, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def sealed(array: NDArray[_Number]) -> NDArray[_Number]:
    """A read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view
