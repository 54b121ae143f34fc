# Which records a verb of forgetting means: by id, by filter, and those that are near copies of them.
#
# Rule: inside `mirror.reading` or `mirror.writing`; nothing is written here, so a dry run and the verb see the same.
"""What would go, or come back."""

from typing import NamedTuple

import numpy as np

from fieldstore.engine.bandwidth import COPIES, WINDOWS, reach_of
from fieldstore.engine.nearby import within
from fieldstore.filters import Filter
from fieldstore.ledger import Kind
from fieldstore.mirror import Mirror
from fieldstore.records import Near
from fieldstore.storage.database import Version

NEAR = {"copies": COPIES, "windows": WINDOWS}  # shares of the room that the embedder leaves (field-semantics, 7)


class Selection(NamedTuple):
    """Records by ids or by a filter, one of them None; source: that the filter is for.

    near: and what is at least so similar to one of them.
    """

    ids: list[str] | None
    condition: Filter | None
    source: str | int | float | None = None
    near: float | str | None = None


class Targets(NamedTuple):
    """The versions to change; ids that are as wanted already; unknown ids; and which of the versions were near only."""

    versions: list[Version]
    same: list[str]
    unknown: list[str]
    near: list[Near]


def suggested(mirror: Mirror, near: str) -> float:
    """The cosine that one of the names of `NEAR` stands for in this store."""
    return reach_of(mirror.kappa, NEAR[near])


def targets(mirror: Mirror, kind: Kind, selection: Selection) -> Targets:
    """What a forget or a restore is about."""
    database, meant = mirror.folder.database, Targets([], [], [], [])
    if selection.ids is not None:
        known = database.latest(selection.ids)
    elif kind is Kind.FORGET:
        known = {version.id: version for version in database.at(mirror.live_points(selection.condition))}
    else:
        known = {version.id: version for version in mirror.forgotten(selection.condition)}
    for id in known if selection.ids is None else selection.ids:
        version = known.get(id)
        if version is None:
            meant.unknown.append(id)
        elif (version.sum.weight > 0) is (kind is Kind.RESTORE):
            meant.same.append(id)
        else:
            meant.versions.append(version)
    if selection.near is not None and known:
        _add_near(mirror, [*known.values()], selection.near, meant)
    return meant


def _add_near(mirror: Mirror, centres: list[Version], near: float | str, meant: Targets) -> None:
    """All live records within reach of one of the centres, which are live or forgotten; the most similar first."""
    least = suggested(mirror, near) if isinstance(near, str) else near
    live = mirror.weights > 0
    live[[version.sum.point for version in centres]] = False
    rows = np.array([mirror.row(version.sum.point) for version in centres])
    points, cosines, nearest = within(mirror.field.points, np.flatnonzero(live), rows, least)
    for version, cosine, to in zip(
        mirror.folder.database.at(points.tolist()), cosines.tolist(), nearest.tolist(), strict=True
    ):
        meant.versions.append(version)
        meant.near.append(Near(version.id, cosine, centres[to].id))
