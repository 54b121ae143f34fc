# How the adapter's methods are called: from a thread, and with nothing they would ignore.
#
# Rule: an async form does not repeat the sync one; it runs it.
"""Async twins, and arguments refused."""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from langchain_core.runnables.config import run_in_executor

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """The async form of a method that embeds nothing."""

    @wraps(method)
    async def twin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await run_in_executor(None, partial(getattr(self, method.__name__), *args, **kwargs))

    return twin


def refuse(unknown: Iterable[str]) -> None:
    """Raise TypeError for arguments that nothing here would honour."""
    if names := ", ".join(sorted(unknown)):
        raise TypeError(f"FieldVectorStore has no argument {names} here; nothing was done")
