"""A small embedder for tests: words hashed to directions. No model, no download, the same on every machine."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def embed(texts: Sequence[str], dim: int = 64) -> NDArray[np.float64]:
    """(n, dim): each text the sum of its words' random directions, so that shared words bring texts together."""
    return np.array([sum((_direction(word, dim) for word in _words(text)), np.full(dim, 1e-3)) for text in texts])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _direction(word: str, dim: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=dim)
