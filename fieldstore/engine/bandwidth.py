# The bandwidth and the reach, chosen from the vectors themselves (field-semantics, 2).
#
# Rule: the room an embedder leaves, 1 - mu0, is the unit of both, so that the constants carry over to other embedders.
"""Kappa and tau from the mean cosine mu0 of distinct pairs."""

import numpy as np

from fieldstore.engine.inputs import FloatRows

DEFAULT_KAPPA = 20.0
_ROOMS = 15.0  # kappa in units of 1 / room; measured on Cranfield
_REACH = 0.735  # tau as a share of the room; measured on Cranfield
COPIES = 0.87  # where edited copies begin, as a share of the room
WINDOWS = 0.80  # where overlapping windows of one text begin


def mean_cosine(rows: FloatRows) -> float:
    """mu0, the mean cosine of distinct pairs of the rows (n, d), from one sum: (|S|**2 - n) / (n (n - 1)).

    Raises ValueError for fewer than 2 rows, which make no pair.
    """
    n = len(rows)
    if n < 2:
        raise ValueError(f"a mean cosine needs at least 2 vectors, here are {n}")
    total = rows.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def measured_kappa(rows: FloatRows) -> float:
    """The concentration that fits these points (n, d): 15 / (1 - mu0), mu0 clamped to [-0.2, 0.95]."""
    return _ROOMS / (1.0 - min(max(mean_cosine(rows), -0.2), 0.95))


def reach_of(kappa: float, share: float = _REACH) -> float:
    """The cosine at a share of the room, mu0 + share (1 - mu0) with mu0 = 1 - 15 / kappa; by default tau, the cosine
    from which points speak for one another."""
    return 1.0 - _ROOMS / kappa * (1.0 - share)
