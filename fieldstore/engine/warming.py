# Compiling ahead of time.
#
# Rule: every loop is called here, with arrays of the kinds that it meets in use.
"""All loops, compiled and cached."""

import numpy as np

from fieldstore.engine.field import Field
from fieldstore.engine.masks import Mask
from fieldstore.engine.partition import Partition


def warm() -> None:
    """Compile every loop now, and cache it, so that no later process has to."""
    field = Field(2)
    field.add([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]], [1.0, 1.0, 1.0, -1.0])
    field.nearest([1.0, 0.0], 2, smooth=True)
    field.attractors([1.0, 0.0], 2, groups=[0, 0, 1, 1])
    field.evaluate([1.0, 0.0])
    field.gradient([1.0, 0.0])
    field.ascend([1.0, 0.0])
    field.repel([[0.0, 1.0]], [0.5])
    field.felt(0)
    wide = Field(64)  # where phi is summed from cosines in float32
    wide.add(np.eye(64, dtype=np.float32))
    wide.evaluate(np.eye(64, dtype=np.float32)[:1])
    _warm_cells()


def _warm_cells() -> None:
    rows = np.eye(64, dtype=np.float32).repeat(4, axis=0)
    rows.flags.writeable = False  # as those of a field are
    offsets, points = np.zeros(len(rows)), np.arange(len(rows))
    cells = Partition(64)
    cells.build(rows, offsets, points[:8], 20.0)
    cells.put(rows, offsets, points[8:], 20.0)  # more cells are wanted now: they are split
    cells.take_out(points[:1])
    cells.unlearn(rows, offsets, points[:1])
    cells.find(rows[0], 5, len(rows))
    cells.find_many(rows, 5, len(rows), Mask(points < 4))  # so many that its lanes are copied
