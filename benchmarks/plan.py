# What a run was asked for; the words of the command line become one of these.
"""The plan of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

_Any = TypeVar("_Any")

Pace = Literal["full", "fast", "quick"]


@dataclass(frozen=True)
class Plan:
    """What to measure with.

    data: "synthetic", "minilm", or a folder with vectors.npy and queries.npy. points: how many; None = as many as the
    question asks for. results: where JSON and plots go. peers: False leaves everybody else out.
    pace: "full"; "fast" measures the same sizes in fewer rounds, and builds no peer of a million points;
    "quick" is small and short, to see that it runs: its figures mean nothing.
    collection: "cranfield", or a folder with docs.jsonl, queries.jsonl and qrels.tsv.
    """

    data: str
    points: int | None
    results: Path
    peers: bool = True
    pace: Pace = "full"
    collection: str = "cranfield"

    @property
    def quick(self) -> bool:
        """Whether the figures mean nothing."""
        return self.pace == "quick"

    @property
    def queries(self) -> int:
        """How many queries recall is measured with, at most."""
        return self.by_pace(1000, 1000, 50)

    @property
    def rounds(self) -> int:
        """How many turns each contender gets."""
        return self.by_pace(5, 3, 2)

    def by_pace(self, full: _Any, fast: _Any, quick: _Any) -> _Any:
        """The one of the three that this pace takes."""
        return {"full": full, "fast": fast, "quick": quick}[self.pace]

    def count(self, wanted: int) -> int:
        """Points to use for a question that wants so many; a quick run has just enough for the field to have cells."""
        return self.points or (min(wanted, 10_000) if self.quick else wanted)
