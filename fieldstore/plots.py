# Pictures of a field, and of what a store answers and forgets: an edge, over the public verbs.
#
# In:   a store, or what its verbs returned. Out: values to check a picture against, and matplotlib figures.
# Rule: nothing is projected: the map is the sphere through three records, and phi is the true one at every place of it.
# Rule: matplotlib is imported when something is drawn, not before; there is no global state, and no window.
"""`fieldstore.plots` (extra `plots`): the field around a record before and after it is forgotten, shares, weight."""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine.field import Field
from fieldstore.errors import UnknownRecord
from fieldstore.records import Entry, Hit
from fieldstore.store import FieldStore

__all__ = ["Hill", "Hills", "hills", "map_of", "place_of", "shares_of", "weight_of"]

_REACH = 60.0  # degrees from the middle of the map to its edge
_POOL = 100  # nearest survivors among which the next attractor is looked for
_LETTERS = "ABC"
_ROLES = "forgotten", "nearest survivor", "next attractor"
_INK, _PALE = "#20335c", "#a9b8d8"
_WEIGHING = {
    "add": _INK,
    "reweight": "tab:blue",
    "supersede": "tab:olive",
    "forget": "tab:orange",
    "restore": "tab:green",
    "erase": "tab:red",
}
_LEGEND = "● in the field, area = net weight   ○ forgotten   The map is the sphere through A, B, C; φ on it is exact."


class Hill(NamedTuple):
    """One record on the map. weight: net, in copies, while it is not forgotten. vector: (dim,) float32, unit length.

    before, after: phi at its place, in copies, before the first of the three was forgotten and after.
    """

    id: str
    text: str | None
    weight: float
    vector: NDArray[np.float32]
    before: float
    after: float


class Hills(NamedTuple):
    """The field around three records, with the first of them and without it.

    records   (3,)  Hill              the forgotten one, its nearest survivor, the next attractor
    basis     (3, dim) float64        orthonormal: the middle of the map, and the directions right and up of it
    before    Field                   with the first record
    after     Field                   without it; all else is the same
    """

    records: tuple[Hill, Hill, Hill]
    basis: NDArray[np.float64]
    before: Field
    after: Field

    def places(self, right: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float32]:
        """The directions at map coordinates in degrees, any equal shapes (...,) -> (..., dim) float32, unit length.

        Azimuthal equidistant: a place's distance from the middle of the map is its angle from there.
        """
        angle = np.radians(np.hypot(right, up))
        part = np.sinc(angle / np.pi)  # sin(angle) / angle
        flat = np.stack([np.cos(angle), part * np.radians(right), part * np.radians(up)], axis=-1)
        return (flat @ self.basis).astype(np.float32)

    def coordinates(self) -> NDArray[np.float64]:
        """Where the three records are on the map, (3, 2): degrees right and up of its middle."""
        middle, right, up = self.basis @ np.stack([record.vector for record in self.records]).T.astype(np.float64)
        sideways = np.hypot(right, up)
        scale = np.degrees(np.arctan2(sideways, middle)) / np.where(sideways > 0.0, sideways, 1.0)
        return np.stack([right * scale, up * scale], axis=1)

    def __str__(self) -> str:
        """The hills' heights: a line for each record."""
        lines = [f"{'φ at':<16}  {'before':>8}  {'after':>8}  record"]
        for role, record in zip(_ROLES, self.records, strict=True):
            lines.append(f"{role:<16}  {record.before:8.4f}  {record.after:8.4f}  {record.id}")
        return "\n".join(lines)


def hills(store: FieldStore, id: str) -> Hills:
    """The field around a live or forgotten record, its nearest survivor and the next attractor; with it and without.

    Only looks: a live record stays live. The two fields are exact, and sum every point of the store.
    Raises UnknownRecord for an id that is neither live nor forgotten, ValueError where there are no two others that are
    not within reach of one another, or fewer than 3 dimensions.
    """
    point, weight, vector, text = _kept(store, id)
    field = store.field
    if field.dim < 3:
        raise ValueError(f"a map needs vectors of 3 dimensions or more, those of {store} have {field.dim}")
    before, after = _with(field, point, weight), _with(field, point, 0.0)
    others = after.attractors(vector, _POOL // 3, exact=True).points
    nearest = after.nearest(vector, 1, exact=True).points
    others = others[others != nearest[0]] if len(nearest) else others
    if len(nearest) and not len(others):  # the nearest survivors may be copies of one another, all of the pool
        beyond = after.points @ after.points[nearest[0]] < after.tau
        others = after.nearest(vector, 1, allowed=beyond, exact=True).points
    if not len(others):
        raise ValueError(
            f"around record {id!r} of {store} there are no two other records out of reach of one another: "
            "there is no next attractor to draw"
        )
    vectors = np.stack([vector, after.points[nearest[0]], after.points[others[0]]])
    names = _names(store, id, vectors)
    heights = zip(before.evaluate(vectors), after.evaluate(vectors), strict=True)
    shown = zip(
        [(id, text, weight), *names],
        vectors,
        heights,
        strict=True,
    )
    first, second, third = (Hill(*who, row, float(old), float(new)) for who, row, (old, new) in shown)
    return Hills((first, second, third), _basis(vectors, after, vector), before, after)


def place_of(store: FieldStore, id: str) -> NDArray[np.float32]:
    """Where a live or forgotten record is, (dim,), unit length: a query as any. Raises UnknownRecord for any other."""
    return _kept(store, id)[2]


def map_of(seen: Hills, *, steps: int = 121) -> Any:
    """A figure of two maps, before and after: contours of s_phi = 1 + ln(phi) / kappa on the sphere through the three.

    steps: places across and up; every point of the store is summed at each of them (15,000 places and 10,000 records
    of 384 dimensions take some seconds). Dots: area by net weight; a hollow one is forgotten. White: phi is 0 or less.
    Returns a matplotlib Figure. Raises ImportError without matplotlib, ValueError for fewer than 3 steps.
    """
    if steps < 3:
        raise ValueError(f"steps must be at least 3, not {steps}")
    axis = np.linspace(-_REACH, _REACH, steps)
    places = seen.places(*np.meshgrid(axis, axis)).reshape(steps * steps, -1)
    heights = [field.similarity(places).reshape(steps, steps) for field in (seen.before, seen.after)]
    figure = _figure(10.0, 6.0)
    top, bottom = figure.subfigures(2, 1, height_ratios=(5.0, 1.0))
    left, right = top.subplots(1, 2, sharex=True, sharey=True)
    levels = _levels(heights)
    filled = None
    for axes, height, title, forgotten in ((left, heights[0], "before", False), (right, heights[1], "after", True)):
        shown = np.ma.masked_invalid(height)
        filled = axes.contourf(axis, axis, shown, levels=levels, cmap="viridis")
        axes.contour(axis, axis, shown, levels=levels, colors="white", linewidths=0.4, alpha=0.8)
        _dots(axes, seen, forgotten)
        axes.set_title(f"{title}: φ(A) = {seen.records[0][5 if forgotten else 4]:.2f}", fontsize="medium")
        axes.set(
            aspect="equal", xlabel="degrees from the middle of the map", xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH)
        )
        axes.set_xticks(range(-60, 61, 30))
        axes.set_yticks(range(-60, 61, 30))
    left.set_ylabel("degrees")
    top.colorbar(filled, ax=[left, right], label=r"$s_\varphi = 1 + \ln\varphi\;/\;\kappa$", shrink=0.85)
    for line, (letter, role, record) in enumerate(zip(_LETTERS, _ROLES, seen.records, strict=True)):
        columns = letter, role, f"φ {record.before:.2f} → {record.after:.2f}", record.id, _short(record.text or "", 76)
        for x, said in zip((0.03, 0.055, 0.19, 0.32, 0.40), columns, strict=True):
            weight = "bold" if x == 0.03 else "normal"
            bottom.text(x, 0.88 - 0.27 * line, said, fontsize="small", va="center", weight=weight)
    bottom.text(0.03, 0.07, _LEGEND, fontsize="small", va="center", color="dimgray")
    return figure


def shares_of(hits: Sequence[Hit], *, title: str = "Shares of the field at the query") -> Any:
    """A figure of what search(..., by="attractors") returned: each one's share, its members' part of it paler.

    Shares are parts of the field of the candidates, 0 to 1. Returns a matplotlib Figure. Raises ImportError without
    matplotlib, ValueError for no hits.
    """
    if not hits:
        raise ValueError("there are no hits to draw")
    figure = _figure(9.0, 1.2 + 0.42 * len(hits))
    axes = figure.subplots()
    rows = np.arange(len(hits))
    together = np.array([hit.share for hit in hits])
    members = np.array([sum(member.share for member in hit.members) for hit in hits])
    axes.barh(rows, together - members, color=_INK, label="the record itself")
    axes.barh(rows, members, left=together - members, color=_PALE, label="its members")
    for row, hit in enumerate(hits):
        more = f" with {len(hit.members)} more" if hit.members else ""
        axes.text(hit.share, row, f" {hit.share:.1%}{more}", verticalalignment="center", fontsize="small")
    axes.set_yticks(rows, [f"{hit.id}  {_short(hit.text or '', 44)}" for hit in hits], fontsize="small")
    axes.invert_yaxis()
    axes.set(xlabel="share of the candidates' field", xlim=(0.0, min(1.0, 1.25 * float(together.max()))))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    figure.suptitle(fill(title, 110), fontsize="medium")
    if members.any():
        axes.legend(fontsize="small", loc="lower right", frameon=False)
    _plain(axes)
    return figure


def weight_of(entries: Iterable[Entry], *, over: Literal["position", "time"] = "position") -> Any:
    """A figure of a store's net weight, in copies, along its ledger: a step for each of store.entries().

    over: the entries' positions, or their times (whole seconds, UTC). Returns a matplotlib Figure.
    Raises ImportError without matplotlib, ValueError for another `over`, or where no entry weighs anything.
    """
    if over not in ("position", "time"):
        raise ValueError(f'over must be "position" or "time", not {over!r}')
    weighing = [entry for entry in entries if entry.kind in _WEIGHING]
    if not weighing:
        raise ValueError("the ledger has no entry that weighs anything; there is nothing to draw")
    along: list[Any] = [entry.seq if over == "position" else entry.time for entry in weighing]
    net = np.cumsum([entry.weight for entry in weighing])
    figure = _figure(9.0, 3.6)
    axes = figure.subplots()
    axes.step(along, net, where="post", color=_INK, linewidth=1.0)
    axes.fill_between(along, net, step="post", color=_PALE, alpha=0.4, linewidth=0)
    for kind, colour in _WEIGHING.items():
        of_kind = np.array([entry.kind == kind for entry in weighing])
        if count := int(of_kind.sum()):
            shown, label = np.where(of_kind, net, np.nan), f"{kind} ({count:,})"
            axes.plot(along, shown, color=colour, linewidth=3.0, marker=".", markersize=3.0, label=label)
    axes.set(
        ylabel="net weight, copies", xlabel="ledger position" if over == "position" else "time, UTC", ylim=(0, None)
    )
    axes.set_title(f"{len(weighing):,} entries, {net[-1]:,.6g} copies in the field at the end", fontsize="medium")
    axes.legend(fontsize="small", loc="lower right", frameon=False)
    if over == "time":
        figure.autofmt_xdate()
    _plain(axes)
    return figure


# -- what is drawn -----------------------------------------------------------------------------------------------------


def _kept(store: FieldStore, id: str) -> tuple[int, float, NDArray[np.float32], str | None]:
    """A live or forgotten record's point, the weight it has or had, its vector and text."""
    entries = store.history(id)
    if not entries:
        raise UnknownRecord(f"no record {id!r} in {store}, live or forgotten; nothing was drawn")
    record = next(iter(store.get(id, vectors=True)), None)
    if record is None:
        record = store.as_of(entries[-1].seq - 1, forgotten=True).get(id, vectors=True)[0]
    rows, vector = store.field.points, record.vector
    if vector is None:
        raise UnknownRecord(f"record {id!r} of {store} has no vector any more; nothing was drawn")
    point = next(entry.point for entry in reversed(entries) if np.array_equal(rows[entry.point], vector))
    return int(point or 0), record.weight, vector, record.text


def _with(field: Field, point: int, weight: float) -> Field:
    """The field with another weight for one of its points."""
    weights = field.weights.copy()
    weights[point] = weight
    other = Field(field.dim, kappa=field.kappa, flat=True)
    other.mount(field.points)
    other.reweight(np.arange(len(field)), weights)
    other.repel(*field.repellers)
    return other


def _names(store: FieldStore, id: str, vectors: NDArray[np.float32]) -> list[tuple[str, str | None, float]]:
    """Id, text and weight of the live records at the second and third of the vectors (3, dim), other than id."""
    hits = [hit for found in store.search_many(vectors, 2 * _POOL, exact=True) for hit in found]
    near = [*dict.fromkeys(hit.id for hit in hits if hit.id != id)]
    records = [(record, record.vector) for record in store.get(near, vectors=True) if record.vector is not None]
    found = []
    for vector in vectors[1:]:
        number = next(n for n, (_, place) in enumerate(records) if np.array_equal(place, vector))
        record, _ = records.pop(number)
        found.append((record.id, record.text, record.weight))
    return found


def _basis(vectors: NDArray[np.float32], field: Field, place: NDArray[np.float32]) -> NDArray[np.float64]:
    """Orthonormal rows (3, dim) that span the three vectors, the first of them in their middle.

    Where copies make them span less, the places of the next nearest records, and at last the axes, fill up.
    """
    rows = vectors.astype(np.float64)
    middle = rows.sum(axis=0)
    spare = field.points[field.nearest(place, _POOL, exact=True).points]
    basis: list[NDArray[np.float64]] = []
    for row in (middle, rows[1] - rows[0], rows[2], rows[1], rows[0], *spare, *np.eye(rows.shape[1])[:3]):
        rest = row - sum(((row @ known) * known for known in basis), np.zeros(len(row)))
        rest -= sum(((rest @ known) * known for known in basis), np.zeros(len(row)))  # twice is enough
        if (length := float(np.linalg.norm(rest))) > 1e-6:
            basis.append(rest / length)
        if len(basis) == 3:
            break
    return np.stack(basis)


# -- how it is drawn ---------------------------------------------------------------------------------------------------


def _figure(wide: float, high: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("pictures need matplotlib: install fieldstore[plots]") from None
    return Figure(figsize=(wide, high), layout="constrained")


def _levels(heights: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Contours at round steps of s_phi, the same for every map: some fifteen from the lowest place to the highest."""
    felt = np.concatenate([height[np.isfinite(height)] for height in heights])
    if not len(felt):
        raise ValueError("phi is nowhere positive on this map; there is nothing to draw")
    low, high = float(felt.min()), float(felt.max())
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, np.inf) if (high - low) / step <= 18)
    return np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step


def _dots(axes: Any, seen: Hills, forgotten: bool) -> None:
    from matplotlib.patheffects import withStroke

    for number, (letter, record, (x, y)) in enumerate(zip(_LETTERS, seen.records, seen.coordinates(), strict=True)):
        hollow = forgotten and number == 0
        face = "none" if hollow else "black"
        axes.scatter(x, y, s=60.0 * record.weight, facecolors=face, edgecolors="black", linewidths=1.5, zorder=3)
        halo = [withStroke(linewidth=2.5, foreground="white")]
        axes.annotate(letter, (x, y), (7, 6), textcoords="offset points", weight="bold", path_effects=halo, zorder=4)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
