# The partition: points in cells by code, so that a query looks at thousands of codes and not at every row.
#
# In:   the rows of a field, and which of its points weigh something. Out: point numbers that are worth scoring.
# Rule: it holds exactly the points it was given last; a point that was taken out leaves no code behind.
# Rule: a change is made under the lock between two counts of `_changes`; a query that saw one go on looks again.
# Rule: derived: everything here can be built again from the rows; recall is promised, never an order of cells.
"""Cells and one-bit codes over unit vectors."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore.engine import lanes, scan
from fieldstore.engine.arrays import with_room
from fieldstore.engine.grouping import Groups, grouped, one_group
from fieldstore.engine.masks import EVERYONE, Mask
from fieldstore.engine.narrowing import Narrowed
from fieldstore.engine.parts import KEPT, Parts, empty_block
from fieldstore.engine.reach import LEAST_CELLS, PULL, Reach, learned, some_of, widest
from fieldstore.engine.threads import ahead, spread

_TURNS = 4  # signs and transforms in turn, of the rotation
_PER_ROOT = 4.5  # cells for each square root of points
_SAMPLE = 16  # points for each cell, from which centres are learned
_ROUNDS = 3  # of k-means
_SPLIT_ROUNDS = 4  # of 2-means
_LOOK = 9  # centres at least among which a point chooses its two cells
_SLICE = 512  # points worked on at once: their rows stay in the cache
_GROUPS_FROM = 3000  # cells among which many points look for theirs by groups
_HEAVY = math.log(2.0)  # a point this much above its cosine, in units of 1 / kappa, goes into the cell always visited
_SLACK = 0.03  # how far off an estimate of a cell's score may be, as a part of the room the vectors leave
_LANES_WANTED = 1.35  # for each point wanted: some points are found in both of their cells
_LONGEST = 1.5  # a number of a unit row, turned or not, is never larger
_WIDEST = 8.0  # no room, and no distance between scores, is wider
_DEEPEST = 1e6  # times as far as usual is everywhere; more would be no number to reckon with
_STALE = 1.5  # times as many points as when gap and most were measured: they are measured again
_CROWDED = 65536  # points; from four times as many on, more have to be scored
_NARROW = 4  # a mask that passes one point of so many has cells of its own
_NARROW_GAP = 0.3  # the gap in them at least, as a part of the room: none of their points may be near the query
_KEPT = 3  # those of all masks have one byte for so many that the blocks have, but for the newest mask's
_SHARP = 384  # dimensions from which codes tell points well apart; with fewer, more points have to be scored

Numbers = NDArray[np.int64]
Rows = NDArray[np.float32]


class Partition:
    """Points of unit length in cells. dim: dimensions of a row."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._turns = _turns(dim)
        self._lock = threading.RLock()
        self._changes = 0  # odd while a change is being made
        words = scan.LANES * -(-dim // 64)
        size = words + 3 * scan.LANES // 2
        self._behind = 2 * words
        blocks = np.zeros((0, size), np.uint64)
        no_rows, no_numbers = blocks.view(np.float32), blocks.view(np.int32)
        self._parts = Parts(
            centres=np.zeros((1, dim), np.int8),
            scales=np.zeros(1, np.float32),
            centre_blocks=empty_block(size, 0)[None],
            centre_floats=no_rows,
            heads=np.array([[-1, 0]], np.int32),
            blocks=blocks,
            floats=no_rows,
            numbers=no_numbers,
            following=np.zeros(0, np.int32),
            free=np.array([-1], np.int32),
            cells=np.zeros((0, 2), np.int32),
        )
        self._centre_room = self._parts.centres  # what centres are the first of
        self._reach = Reach()
        self._narrowed: dict[Mask, Narrowed] = {}  # of these very points
        self._count = 0

    @property
    def cells(self) -> int:
        """Number of cells, the one that is always visited among them."""
        return len(self._parts.centres)

    def __len__(self) -> int:
        """Number of points here."""
        return self._count

    # -- changing ------------------------------------------------------------------------------------------------------

    def build(self, rows: Rows, offsets: NDArray[np.float64], points: Numbers, kappa: float) -> None:
        """Learn centres from these points and put them in; whatever was here before is gone.

        rows (n, dim) and offsets (n,), ln(weight) / kappa, of all points; points (m,): the numbers of those to hold.
        """
        wanted = _cells_for(len(points))
        drawn = points[np.linspace(0, len(points) - 1, min(len(points), _SAMPLE * wanted)).round().astype(np.int64)]
        sample = self._turned(rows, drawn)
        fresh = Partition(self.dim)
        fresh._learn(sample, wanted)
        fresh._put(rows, offsets, points, kappa)
        fresh._lay_in_order()
        with self._changing():
            fresh._measure(rows, offsets)
            self._parts, self._count = fresh._parts, fresh._count
            self._reach = fresh._reach

    def put(self, rows: Rows, offsets: NDArray[np.float64], points: Numbers, kappa: float) -> None:
        """Add points (m,) that are not here yet, and split the fullest cells where there are too few by now."""
        with self._changing():
            self._put(rows, offsets, points, kappa)
            while self.cells < _cells_for(len(self)):
                self._split(rows, offsets, int(self._parts.heads[1 : self.cells, 1].argmax()) + 1)
            if self._count > _STALE * self._reach.points:
                self._lay_in_order()
                self._measure(rows, offsets)

    def take_out(self, points: Numbers) -> None:
        """Clear every lane of points (m,); those that are not here are left alone."""
        with self._changing():
            parts = self._parts
            known = points[self.has(points)]
            self._count -= len(known)
            lanes.take_out(
                known,
                self._behind, parts.cells, parts.heads, parts.blocks, parts.floats, parts.numbers, parts.following,
                parts.free,
            )  # fmt: skip

    def unlearn(self, rows: Rows, offsets: NDArray[np.float64], points: Numbers) -> None:
        """Let the centres of the cells that points (m,) were taken out of be the means of who is left in them."""
        cells = self._parts.cells
        known = points[points < len(cells)]
        left = -2 - cells[known]
        with self._changing():
            cells[known[(left >= -1).all(axis=1)]] = -1  # a point may have had one cell only
            for cell in np.unique(left[left > 0]).tolist():
                members = self._emptied(cell)
                first = cells[members, 0] == cell
                turned = self._turned(rows, members)
                centre = turned[first].mean(axis=0, keepdims=True) if first.any() else np.zeros((1, self.dim))
                self._code_centres(cell, centre.astype(np.float32))
                where = np.full((len(members), 2), -1, np.int32)
                where[:, 0] = cell
                self._reserve(len(members))
                self._lay(turned, offsets[members], members, where)

    def has(self, points: Numbers) -> NDArray[np.bool_]:
        """Which of points (m,) are here."""
        cells = self._parts.cells
        known = np.zeros(len(points), np.bool_)
        inside = points < len(cells)
        known[inside] = cells[points[inside], 0] >= 0
        return known

    def _learn(self, sample: Rows, wanted: int) -> None:
        """k-means over turned rows, begun from rows spread evenly over them."""
        begin = sample[np.linspace(0, len(sample) - 1, wanted - 1).round().astype(np.int64)]
        self._set_centres(0, np.concatenate([sample.mean(axis=0, keepdims=True), begin]))
        for _ in range(_ROUNDS):
            cells = self._assigned(sample, self._groups(len(sample)), look=8, twice=False)
            self._set_centres(1, self._means(sample, cells))

    def _means(self, rows: Rows, cells: NDArray[np.int32]) -> Rows:
        """The means of the turned rows in each first cell, (m, 2), for those that have any."""
        sums, sizes = np.zeros((self.cells, self.dim)), np.zeros(self.cells, np.int64)
        spread(lambda part: lanes.sum_cells(rows, cells, part.start, part.stop, sums, sizes), self.cells)
        used = np.flatnonzero(sizes)
        return (sums[used] / sizes[used, None]).astype(np.float32)

    def _measure(self, rows: Rows, offsets: NDArray[np.float64]) -> None:
        """Learn how far queries have to look."""
        parts = self._parts
        asked = some_of(np.flatnonzero(parts.cells[:, 0] > 0))
        turned = self._turned(rows, asked)
        sound = turned.any(axis=1)
        asked, turned = asked[sound], turned[sound]
        if not len(asked):
            self._reach = self._reach._replace(points=self._count)
            return

        def find(queries: Rows, wanted: int) -> tuple[Numbers, Numbers]:
            return self._found(queries, wanted, len(parts.cells), None, 1.0)

        self._reach = widest(turned, self.cells, self._count)
        self._reach = learned(self._reach, rows, offsets, asked, turned, parts, find)

    def _set_centres(self, first: int, centres: Rows) -> None:
        """Let centre first and those behind it be these."""
        parts, count = self._parts, first + len(centres)
        if parts.centres.base is not self._centre_room:  # they were learned anew, or restored
            self._centre_room = parts.centres.copy()
        self._centre_room = with_room(self._centre_room, count)
        scales = with_room(parts.scales, count)
        blocks, heads = with_room(parts.centre_blocks, count // scan.LANES + 1), with_room(parts.heads, count)
        blocks[len(parts.centre_blocks) :] = empty_block(blocks.shape[1], 0)
        heads[len(parts.centres) :, 0] = -1
        self._parts = parts.with_centres(self._centre_room[:count], scales, blocks, heads)
        self._code_centres(first, centres)
        for nobody in self._parts.behind_centres():  # there may have been more centres
            nobody[:] = -np.inf

    def _code_centres(self, first: int, centres: Rows) -> None:
        parts, last = self._parts, first + len(centres)
        sound = (np.abs(centres) <= _LONGEST).all(axis=1, keepdims=True)  # means of unit rows are
        centres = np.where(sound, centres, np.float32(0.0))
        scales = np.abs(centres).max(axis=1, initial=1e-30) / np.float32(127.0)
        parts.scales[first:last] = scales
        parts.centres[first:last] = np.rint(centres / scales[:, None])
        lanes.code_centres(
            first, last, parts.centres, parts.scales, parts.centre_blocks, parts.centre_floats, self._behind
        )

    def _groups(self, points: int) -> Groups:
        """The centres, in groups where so many points have to find their cells that it is worth while."""
        parts = self._parts
        if self.cells < _GROUPS_FROM or points < self.cells:
            return one_group(parts.centre_blocks[: -(-self.cells // scan.LANES)])
        return grouped(parts.centres, parts.scales[: self.cells], parts.blocks.shape[1], self._behind)

    def _assigned(self, rows: Rows, groups: Groups, *, look: int, twice: bool) -> NDArray[np.int32]:
        parts = self._parts
        cells = np.empty((len(rows), 2), np.int32)

        def work(part: slice) -> None:
            scan.assign(
                rows[part], parts.centres, parts.scales, parts.centre_floats, self._behind, tuple(groups), look, twice,
                cells[part],
            )  # fmt: skip

        spread(work, len(rows))
        return cells

    def _put(self, rows: Rows, offsets: NDArray[np.float64], points: Numbers, kappa: float) -> None:
        if not len(points):
            return
        known = len(self._parts.cells)
        cells = with_room(self._parts.cells, int(points.max()) + 1)
        cells[known:] = -1
        self._parts = self._parts._replace(cells=cells)
        self._reserve(2 * len(points))
        groups = self._groups(len(points))
        rooms: list[Rows] = []  # of rows already laid: memory taken anew is slow at first

        def work(part: slice) -> tuple[Rows, Rows, NDArray[np.int32]]:
            try:
                room = rooms.pop()
            except IndexError:
                room = np.empty((_SLICE, self.dim), np.float32)
            turned = self._turned(rows, points[part], room)
            return room, turned, self._assigned(turned, groups, look=_LOOK, twice=True)

        begin = 0
        for room, turned, where in ahead(work, len(points), _SLICE):
            chosen = points[begin : begin + _SLICE]
            where[offsets[chosen] > _HEAVY / kappa] = 0, -1
            self._lay(turned, offsets[chosen], chosen, where)
            self._parts.cells[chosen] = where
            rooms.append(room)
            begin += _SLICE
        self._count += len(points)

    def _lay(self, turned: Rows, offsets: NDArray[np.float64], points: Numbers, where: NDArray[np.int32]) -> None:
        """Give turned rows a lane in each of their cells (m, 2); -1 = none. There is room for them."""
        parts = self._parts
        slots = np.empty((len(points), 2), np.int64)
        lanes.place(where, parts.heads, parts.following, parts.free, slots)

        def work(part: slice) -> None:
            lanes.fill(
                turned[part], points[part], offsets[part], where[part], slots[part],
                parts.centres, parts.scales, parts.blocks, parts.floats, parts.numbers, self._behind,
            )  # fmt: skip

        spread(work, len(points))

    def _reserve(self, lanes_wanted: int) -> None:
        """See to it that there are free blocks for so many more lanes, whichever cells they are taken in."""
        parts = self._parts
        before = len(parts.blocks)
        used = -(-parts.heads[: self.cells, 1] // scan.LANES)
        needed = int(used.sum()) + min(lanes_wanted, -(-lanes_wanted // scan.LANES) + self.cells)
        if needed <= before:
            return
        count = max(needed, before + before // 2)
        blocks, following = np.empty((count, parts.blocks.shape[1]), np.uint64), np.empty(count, np.int32)
        blocks[:before], following[:before] = parts.blocks, parts.following
        blank, added = empty_block(blocks.shape[1]), blocks[before:]

        def clear(part: slice) -> None:
            added[part] = blank

        spread(clear, len(added), least=4096)  # memory taken anew is slow at first
        following[before:] = np.arange(before + 1, count + 1)
        following[-1] = parts.free[0]
        self._parts = parts.with_blocks(blocks, following)
        parts.free[0] = before

    def _lay_in_order(self) -> None:
        """Bring the blocks of each cell together, in memory as in its chain, for queries to read at one go."""
        parts = self._parts
        heads = parts.heads[: self.cells].copy()
        used = -(-heads[:, 1] // scan.LANES)
        heads[:, 0] = np.where(used > 0, np.cumsum(used) - used, -1)
        blocks, following = np.empty((used.sum(), parts.blocks.shape[1]), np.uint64), np.empty(used.sum(), np.int32)

        def copy(part: slice) -> None:
            lanes.lay_in_order(
                part.start, part.stop, parts.heads, parts.blocks, parts.following, heads, blocks, following
            )

        spread(copy, len(heads))
        laid = parts.with_blocks(blocks, following)
        self._parts = laid._replace(heads=heads, free=np.array([-1], np.int32))

    def _split(self, rows: Rows, offsets: NDArray[np.float64], cell: int) -> None:
        """Two cells in place of one; each of its points moves into the better of the two."""
        parts, other = self._parts, self.cells
        points = self._emptied(cell)
        turned = self._turned(rows, points)
        first = parts.cells[points, 0] == cell
        halves = lanes.halve(turned[first] if first.any() else turned, _SPLIT_ROUNDS)
        self._code_centres(cell, halves[:1])
        self._set_centres(other, halves[1:])
        parts = self._parts
        where = np.full((len(points), 2), -1, np.int32)
        where[:, 0] = lanes.choose_half(turned, points, parts.cells, parts.centres, parts.scales, cell, other)
        self._reserve(len(points))
        self._lay(turned, offsets[points], points, where)
        parts.cells[points, np.where(first, 0, 1)] = where[:, 0]

    def _emptied(self, cell: int) -> Numbers:
        """The points that had lanes in a cell; it has none now."""
        parts = self._parts
        points: Numbers = lanes.members(cell, self._behind, parts.heads, parts.numbers, parts.following)
        lanes.clear(
            cell, self._behind, parts.heads, parts.blocks, parts.floats, parts.numbers, parts.following, parts.free
        )
        return points

    def _turned(self, rows: Rows, points: Numbers, room: Rows | None = None) -> Rows:
        """(m, dim) the rows of points (m,), turned; zeros for a damaged one, which would lead the loops astray.

        In the room, (m or more, dim), if there is one.
        """
        turned = np.empty((len(points), self.dim), np.float32) if room is None else room[: len(points)]

        def work(part: slice) -> None:
            scan.rotate(rows, points[part], self._turns, turned[part])
            if not -_LONGEST <= turned[part].min(initial=0.0) <= turned[part].max(initial=0.0) <= _LONGEST:
                turned[part][~(np.abs(turned[part]) <= _LONGEST).all(axis=1)] = 0.0

        spread(work, len(points))
        return turned

    # -- keeping -------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """All there is to it, as arrays by name; views, to be written before the next change."""
        parts = self._parts
        return {
            **{name: getattr(parts, name) for name in KEPT},
            "figures": np.array([*self._reach[:4], self._count, self._reach.points], np.float64),
        }

    def restore(self, state: dict[str, NDArray[Any]], points: int) -> None:
        """Be what `state` was. points: how many the field has. Raises ValueError for what cannot be a state."""
        parts, figures = self._parts.checked(state, points), state["figures"]
        most, held = max(len(parts.cells), len(parts.centres)), np.count_nonzero(parts.cells[:, 0] >= 0)
        sound = figures.shape == (6,) and bool((np.abs(figures) <= [*[_WIDEST] * 3, *[most] * 3]).all())
        if not sound or figures[4] != held or figures[3:].min() < 0:
            raise ValueError("the figures cannot be those of so many points")
        with self._changing():
            room, far, gap = figures[:3].tolist()
            visited, self._count, measured = figures[3:].astype(np.int64).tolist()
            self._parts, self._reach = parts, Reach(room, far, gap, visited, measured)

    # -- finding -------------------------------------------------------------------------------------------------------

    def find(self, query: Rows, wanted: int, limit: int, mask: Mask | None = None, depth: float = 1.0) -> Numbers:
        """Numbers of about `wanted` points whose estimated score at query (dim,) is highest, unordered.

        Points below `limit` only, and of them those of the mask, (limit,), or all. depth: how far around the query to
        look; at 1 for the best ten.
        """
        return self.find_many(query[None], wanted, limit, mask, depth)[0]

    def find_many(
        self, queries: Rows, wanted: int, limit: int, mask: Mask | None = None, depth: float = 1.0
    ) -> tuple[Numbers, Numbers]:
        """`find` for each of queries (q, dim): the points of one after the other, and where each one's end, (q,)."""
        for _ in range(3):
            before = self._changes
            found = self._found(queries, wanted, limit, mask, depth)
            if before == self._changes and before % 2 == 0:
                return found
        with self._lock:
            return self._found(queries, wanted, limit, mask, depth)

    def _found(
        self, queries: Rows, wanted: int, limit: int, mask: Mask | None, depth: float
    ) -> tuple[Numbers, Numbers]:
        parts, allowed, depth = self._parts, EVERYONE, min(depth, _DEEPEST)
        holding, reach = parts.heads, self._reach
        far, gap, most = reach.far * depth, reach.gap * depth, int(reach.most * max(1.0, depth**4))
        if mask is not None:  # the best of those who may answer may lie anywhere
            far, most, allowed = reach.room * depth, self.cells, mask.of
            if _NARROW * mask.count <= self._count:
                gap = max(gap, _NARROW_GAP * reach.room * depth)
                parts, allowed, holding = self._among(mask, len(queries))
        found: tuple[Numbers, Numbers] = scan.find_many(
            queries, self._turns, parts.centres, parts.scales, parts.centre_blocks, parts.centre_floats, parts.heads,
            parts.blocks, parts.numbers, parts.following, self._behind, limit, allowed, holding,
            far, gap, PULL * depth, _SLACK * reach.room, LEAST_CELLS, min(self.cells, max(LEAST_CELLS, most)),
            math.ceil(self._lanes_wanted * wanted),
        )  # fmt: skip
        return found

    def _among(self, mask: Mask, queries: int) -> tuple[Parts, NDArray[np.bool_], NDArray[np.int32]]:
        """Where so many queries of a mask that passes few should look; who may answer; how many lanes each cell has."""
        before, narrowed = self._changes, self._narrowed.get(mask)
        if narrowed is None:
            narrowed = Narrowed(self._parts, mask)
        parts, allowed, more = narrowed.ask(queries)
        if more:
            with self._lock:
                if before == self._changes:
                    self._keep(mask, narrowed)
        return parts, allowed, narrowed.room

    def _keep(self, mask: Mask, narrowed: Narrowed) -> None:
        kept, room = {mask: narrowed}, self._parts.blocks.nbytes // _KEPT - narrowed.nbytes
        for other, its in reversed(self._narrowed.items()):
            if other is not mask:
                room -= its.nbytes
                if room >= 0:
                    kept[other] = its
        self._narrowed = dict(reversed(kept.items()))

    @property
    def _lanes_wanted(self) -> float:
        """For each point wanted: more in few dimensions, and among very many, whose best lie closer than codes tell."""
        blunt = math.pow(max(1.0, _SHARP / self.dim), 1.5)
        return _LANES_WANTED * blunt * max(1.0, math.log2(max(self._count, 1) / _CROWDED) / 2.0)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            self._changes += 1
            self._narrowed = {}  # nothing of what is taken out stays behind here either
            try:
                yield
            finally:
                self._changes += 1


def _cells_for(points: int) -> int:
    """How many cells so many points should have, the one always visited among them."""
    return 1 + max(1, round(_PER_ROOT * math.sqrt(points)))


def _turns(dim: int) -> Rows:
    """(turns, dim) of 1 and -1, the same everywhere for one dim."""
    drawn = np.random.default_rng([dim, 20251123]).integers(0, 2, (_TURNS, dim))
    return (2 * drawn - 1).astype(np.float32)
