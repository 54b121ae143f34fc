# Who may write: the mark of every verb that does.
"""Verbs that write, and stores that are only read."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from fieldstore.errors import ReadOnlyStore

P = ParamSpec("P")
R = TypeVar("R")


def writes(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that a store opened to be read refuses by its name, before it looks at anything."""

    @wraps(verb)
    def checked(*arguments: P.args, **options: P.kwargs) -> R:
        store: Any = arguments[0]
        if store._mirror.folder.read_only:
            raise ReadOnlyStore(
                f"{verb.__name__} writes, and {store} is open to be read only; nothing was changed. Open it without "
                "read_only=True"
            )
        return verb(*arguments, **options)

    return checked
