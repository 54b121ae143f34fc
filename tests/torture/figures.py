"""What a torture test reports, and how that adds up."""

from typing import NamedTuple

_KEPT = 20  # findings told in full; the rest are only counted


class Figures(NamedTuple):
    """trials; verbs acknowledged; acknowledged verbs lost; faults injected; wrong answers, damage that nothing reports
    included; what was broken, in words."""

    trials: int = 0
    acknowledged: int = 0
    lost: int = 0
    injected: int = 0
    wrong: int = 0
    broken: tuple[str, ...] = ()

    def plus(self, other: "Figures") -> "Figures":
        """Both together."""
        sums = (mine + theirs for mine, theirs in zip(self[:5], other[:5], strict=True))
        return Figures(*sums, (*self.broken, *other.broken)[:_KEPT])

    @property
    def good(self) -> bool:
        """Whether faults were injected, and did no harm."""
        return self.injected > 0 and not (self.lost or self.wrong or self.broken)
