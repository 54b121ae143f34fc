# Why a record answers a query: values, for a person as text and for a program as JSON.
"""What `explain` returns."""

import json
from dataclasses import asdict, dataclass
from typing import Any

_LEAST = 5e-5  # of a pull that is worth printing: it shows as 0.0001
_RANKED = {
    "plain": "its own",
    "smoothed": "smoothed among the nearest",
    "attractor": "smoothed among the attractors",
    "maximum": "that of the maximum it stands for",
    "otherwise": "by something else than the field, such as words",
}


@dataclass(frozen=True, slots=True)
class Pull:
    """Something that moved a score.

    what: "weight", "repeller", "neighbour", or "maximum". by: how far, in units of the score, a cosine; below 0 = down;
    of a hidden record None, since nothing is left. name: of the repeller, or id of the neighbour. cosine: of that to
    the record. copies: what a repeller takes off the weight.
    """

    what: str
    by: float | None
    name: str | None = None
    cosine: float | None = None
    copies: float | None = None

    def __str__(self) -> str:
        at = "" if self.cosine is None else f" at cosine {self.cosine:.3f}"
        taken = "" if self.copies is None else f", takes {self.copies:.3g} copies off its weight"
        if self.what == "maximum":
            return "the others at its maximum"
        return f"{self.what}{'' if self.name is None else ' ' + self.name}{at}{taken}"


@dataclass(frozen=True, slots=True)
class Explained:
    """One hit: score = cosine + what pulled. weight: in copies. share: as the search said, with its members where it is
    an attractor; of an id, its own part of the 100 candidates' field at the query.

    similarity: cosine + ln(effective weight) / kappa, what it is worth alone; None when it is hidden. ranked: what the
    score is, "plain", "smoothed", "attractor", "maximum" or "otherwise". attractor: id of the one that speaks
    for it, its own where it speaks for itself, None where it is not among the candidates. members: for whom it speaks.
    """

    id: str
    score: float | None
    ranked: str
    cosine: float
    weight: float
    share: float
    similarity: float | None
    attractor: str | None
    members: tuple[str, ...]
    pulls: tuple[Pull, ...]

    def __str__(self) -> str:
        score = "  no score" if self.score is None else f"  score {self.score:.4f}, {_RANKED[self.ranked]}"
        lines = [
            f"{self.id}{score}",
            f"   cosine {self.cosine:.4f}, weight {self.weight:g}, share {self.share:.1%} of the candidates' field",
        ]
        if self.attractor == self.id:
            others = f", speaks for {', '.join(self.members)}" if self.members else ""
            lines.append(f"   an attractor{others}")
        elif self.attractor is not None:
            lines.append(f"   within reach of {self.attractor}, which speaks for it")
        if self.similarity is None:
            lines.append("   hidden: out of every ranking by the field")
        for pull in self.pulls:
            if pull.by is None:
                lines.append(f"   down to nothing by {pull}")
            elif abs(pull.by) >= _LEAST:
                lines.append(f"   {'up  ' if pull.by > 0 else 'down'} {pull.by:+.4f} {pull}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why records answer a query.

    phi: the field at the query, in copies, exact: all points are summed. similarity: s_phi, the same as a cosine; None
    where phi is not positive. local_phi: the field of the candidates alone, which shares are of. bound: how much all
    other points can add to local_phi, at most; 0 = nothing is left out; None = not known, since the candidates were
    looked for in cells (exact=True asks every point). candidates: how many. kappa, tau: of the field.
    """

    phi: float
    similarity: float | None
    local_phi: float
    bound: float | None
    candidates: int
    kappa: float
    tau: float
    hits: tuple[Explained, ...]

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        felt = "" if self.similarity is None else f", as much as one point at cosine {self.similarity:.3f}"
        if self.bound is None:
            outside = "looked for in cells, so there is no bound on what the others add"
        elif self.bound == 0:
            outside = "nothing is left out"
        else:
            outside = f"the others add {self.bound:.3g} at most"
        lines = [
            f"the field here: {self.phi:.3g} copies{felt}",
            f"of it {self.local_phi:.3g} by the {self.candidates} candidates; {outside}",
            f"kappa {self.kappa:.3g}: a doubled weight is worth {0.693147 / self.kappa:.3f}; "
            f"reach {self.tau:.3f}: from this cosine on, records speak for one another",
        ]
        numbered = (f"{number}. {hit}" for number, hit in enumerate(self.hits, 1))
        return "\n".join([*lines, "", *numbered])
