# What a run was asked for; the words of the command line become one of these.
"""The plan of a run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What to measure with.

    data: "synthetic", "minilm", or a folder with vectors.npy and queries.npy. points: how many; None = as many as the
    question asks for. results: where JSON and plots go. peers: False leaves everybody else out.
    quick: small and short, to see that it runs; its figures mean nothing.
    """

    data: str
    points: int | None
    results: Path
    peers: bool = True
    quick: bool = False

    @property
    def queries(self) -> int:
        """How many queries recall is measured with, at most."""
        return 50 if self.quick else 1000

    @property
    def rounds(self) -> int:
        """How many turns each contender gets."""
        return 2 if self.quick else 5

    def count(self, wanted: int) -> int:
        """Points to use for a question that wants so many."""
        return self.points or (2000 if self.quick else wanted)
