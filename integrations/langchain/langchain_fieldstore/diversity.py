# Maximal marginal relevance over a short ranked list, and nothing else.
#
# In:   cosines to the query, best first, and the unit vectors they belong to.
# Out:  positions in that list, in the order they were chosen.
# Rule: the order of choice is the answer; it is never sorted back into rank order.
#
# langchain-core has such a function, but calls its module private.
"""Which of the nearest to show when they should differ from one another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def most_diverse(
    cosines: Sequence[float], vectors: Sequence[NDArray[np.float32]], k: int, lambda_mult: float
) -> list[int]:
    """Choose positions one by one, each for being near the query and unlike those chosen before it.

    cosines      (n,)            to the query, best first; the best is always the first choice
    vectors      (n, d) float32  unit vectors
    lambda_mult  1 = by nearness alone, 0 = by unlikeness alone
    returns      min(k, n) positions, in order of choice

    Raises:
        ValueError: k is below 1, or `lambda_mult` outside 0 to 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if not 0 <= lambda_mult <= 1:
        raise ValueError(f"lambda_mult is {lambda_mult}; it goes from 0 (most diverse) to 1 (nearest alone)")
    chosen: list[int] = []
    left = list(range(len(cosines)))
    likeness = [0.0] * len(cosines)  # largest cosine to anything chosen; alike for all while nothing is
    while left and len(chosen) < k:
        gains = [lambda_mult * cosines[i] - (1 - lambda_mult) * likeness[i] for i in left]
        best = left.pop(gains.index(max(gains)))  # of equals the earliest, so the first choice is the nearest
        seen = [float(vectors[i] @ vectors[best]) for i in range(len(cosines))]
        likeness = [max(pair) for pair in zip(likeness, seen, strict=True)] if chosen else seen
        chosen.append(best)
    return chosen
