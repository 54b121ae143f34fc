"""What the tests share: a seeded generator, and stores to try things on, in memory and on disk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldstore import FieldStore

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
