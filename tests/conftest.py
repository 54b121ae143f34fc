"""What the tests share: a seeded generator, and stores to try things on, in memory and on disk."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldstore import Field, FieldStore

Opener = Callable[..., FieldStore]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)


@pytest.fixture(params=["memory", "disk"])
def store_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens new stores of the parametrised kind, each in a place of its own; closes them all at the end."""
    opened: list[FieldStore] = []

    def open_store(**options: Any) -> FieldStore:
        path = None if request.param == "memory" else tmp_path / f"store{len(opened)}"
        opened.append(FieldStore(path, **options))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(store_of: Opener) -> FieldStore:
    """One empty store of each kind."""
    return store_of()


@pytest.fixture
def asked_while_written() -> Callable[..., list[Any]]:
    """Wrong answers, which ask() returns, of so many threads while rows from 1,000 on are added and half forgotten."""

    def run(field: Field, rows: Any, ask: Callable[[], list[Any]], askers: int) -> list[Any]:
        stop = threading.Event()
        wrong: list[Any] = []

        def asking() -> None:
            while not stop.is_set():
                wrong.extend(ask())

        threads = [threading.Thread(target=asking) for _ in range(askers)]
        for thread in threads:
            thread.start()
        for first in range(1000, len(rows), 50):
            field.add(rows[first : first + 50])
            field.reweight(np.arange(first, first + 25), 0.0)
        stop.set()
        for thread in threads:
            thread.join()
        return wrong

    return run
