# The mirror: what memory holds of one store, and how it follows the disk.
#
# In:   a folder, and drafts of entries. Out: the field, sums and columns as of the newest entry.
# Rule: memory follows what was committed, never leads it; a refused write changes neither.
# Rule: `reading` sees every entry committed before it began, by whichever process; `writing` starts from all of them.
"""The state of an open store, in memory, in step with its ledger."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldstore import metadata
from fieldstore.columns import Columns
from fieldstore.engine.bandwidth import DEFAULT_KAPPA, measured_kappa
from fieldstore.engine.field import Field, Mask
from fieldstore.engine.inputs import not_unit
from fieldstore.engine.threads import spread
from fieldstore.errors import (
    FieldStoreError,
    ForkedStore,
    StoreClosed,
    StoreDamaged,
    UnknownRecord,
    WrongEmbedder,
)
from fieldstore.filters import Filter
from fieldstore.following import Follower
from fieldstore.kept import KeptField
from fieldstore.ledger import Draft, Kind
from fieldstore.merkle import Frontier
from fieldstore.records import MILLIONTHS
from fieldstore.storage.database import Content, Database, Version
from fieldstore.storage.folder import Folder
from fieldstore.storage.keep_out import Change
from fieldstore.storage.repellers import FACT as REPELLED
from fieldstore.storage.repellers import Placed, places_and_radii
from fieldstore.storage.text_index import FACT as TEXT_INDEX

_WORTH_A_THREAD = 64  # points of an add; handing fewer over would cost more than it saves
_NO_COSINE = 1.001  # whatever is beyond it
_WORTH_A_CORE = 16384  # rows to be checked; with fewer, another thread would cost more than it saves
_MEASURED_AT = (256, 4096)  # live points at which kappa measures itself

_log = logging.getLogger("fieldstore")


class Mirror:
    """Memory that follows one folder. name: how messages call the store."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.folder = folder
        self.keep_out_key: bytes | None = None  # kept elsewhere; given by who opened the store
        self.closed = False
        acknowledged = folder.acknowledged()  # before the facts: meanwhile another process may write
        self.facts = folder.database.facts()
        self.name = name
        if acknowledged > self.facts["size"]:
            folder.close()
            raise StoreDamaged(
                f"{name} has lost entries: its ledger has {self.facts['size']}, and {acknowledged} were acknowledged; "
                "nothing was changed. Bring it back from a backup, all of it; where only some of its files were put "
                "back on purpose, remove its file 'lock' and open it again"
            )
        self._new = not self.facts["size"]
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._field: Field | None = None
        self._view: Field | None = None  # what is shown of it; another one as soon as an entry changes it
        self._size = 0  # entries of the ledger that memory follows, or was told to follow
        self._follower = Follower()
        self._kept = KeptField(folder, name)
        self._changes: int | None = None
        self._columns = Columns()

    # -- following the disk --------------------------------------------------------------------------------------------

    def reading(self) -> "_Reading":
        """Memory and database as of one and the same entry, the newest; no other thread uses the connection."""
        return _Reading(self)

    def _begin_reading(self) -> bool:
        self._ready()
        self._settle()
        database = self.folder.database
        begun = database.begin_reading()
        try:
            if database.changes() != self._changes:
                self._refresh()
        except BaseException:
            if begun:
                database.end_reading()
            raise
        return begun

    @contextmanager
    def writing(self, timeout: float | None = None, *, settled: bool = True) -> Iterator[Database]:
        """Be the only writer, on top of everything committed so far. timeout: as in `Folder.writing`.

        settled: False = the field need not have taken in the last adds yet; nothing but `add` can do with that.
        """
        with self._lock:
            self._ready()
            if settled:
                self._settle()
            try:
                with self.folder.writing(timeout):
                    self._refresh()
                    yield self.folder.database
            except StoreClosed:
                self._let_go()
                raise

    def _ready(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedStore(
                f"{self.name} was opened by process {self._pid}; open it again in this one. Nothing was done"
            )
        if self.closed:
            raise StoreClosed(f"{self.name} is closed; nothing was done. Open it again with FieldStore(path)")

    def _refresh(self) -> None:
        """Take in the points touched by entries since the last time, and kappa."""
        database = self.folder.database
        changes = database.changes()
        self.facts = database.facts()
        if self.facts["dim"] is not None:
            self._follow(database)
        self._changes = changes  # last: what fails on the way is taken in by the next call

    def _settle(self) -> None:
        """Wait until the field has taken in every add. Where that failed it is let go of, to be worked out anew."""
        try:
            self._follower.wait()
        except Exception as error:
            _log.warning("the field of %s is worked out anew: %s", self.name, error)
            self._changes, self._size, self._field, self._view, self._new = None, 0, None, None, False
            self._follower.drop()

    def _hand_over(self, draft: Draft) -> None:
        """What `_refresh` does after an add, but for the field's part, which the follower does beside the next add."""
        database = self.folder.database
        changes, self.facts = database.changes(), database.facts()
        assert self._field is not None
        self._view = None
        sums = draft.sums.values()
        points = np.fromiter((known.point for known in sums), np.int64, len(sums))
        weights = np.fromiter((known.weight for known in sums), np.int64, len(sums)) / MILLIONTHS
        rows = self.folder.vectors(self._field.dim).rows(database.points())
        self._follower.hand_over(self._field, rows, points, weights)
        self._size = self.facts["size"]
        self._changes = changes

    def _follow(self, database: Database) -> None:
        size, dim, kappa = self.facts["size"], self.facts["dim"], self.facts["kappa"]
        if self._field is not None and size == self._size:
            return  # kappa changes by an entry only
        self._settle()
        self._view = None
        begin, opening = time.monotonic(), self._field is None and not self._new
        if self._field is None:
            self._field, self._size = self._kept.load(self.facts) or (Field(dim), 0)
        if kappa is not None and kappa / MILLIONTHS != self._field.kappa:
            self._field.kappa = kappa / MILLIONTHS
        if size == self._size:
            return
        try:
            touched = database.sums_since(self._size)
        except (ValueError, TypeError, OverflowError) as error:
            raise StoreDamaged(f"the sums of {self.name} cannot be read ({error})") from None
        if touched.min(initial=0) < 0:
            raise StoreDamaged(f"the sums of {self.name} hold a weight below 0, or a point")
        rows = self.folder.vectors(dim).rows(database.points())
        self._check_rows(rows, touched[touched[:, 1] > 0, 0])
        if self.facts.get(REPELLED, -1) >= self._size:
            self._field.repel(*self._standing(database, dim))
        self._field.mount(rows)
        self._field.reweight(touched[:, 0], touched[:, 1] / MILLIONTHS)
        if opening:
            self._kept.learned_again(self._field, time.monotonic() - begin)
        self._size = size

    def _standing(self, database: Database, dim: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Places and radii of the repellers that hide something now. Raises StoreDamaged for what can be none."""
        places, radii = places_and_radii(database.repellers.standing(), dim)
        if len(not_unit(places, np.arange(len(places)))) or not (np.abs(radii) <= 1.0).all():
            raise StoreDamaged(f"a repeller of {self.name} was changed; verify() tells more")
        return places, radii

    def keep(self) -> None:
        """Save what the field learned, if it is much; inside `writing`."""
        if self._field is not None:
            self._kept.save(self._field, self.facts)

    def unlearn(self, points: Sequence[int]) -> None:
        """Take points whose content was destroyed out of what the field learned; the saved index was overwritten."""
        self._kept.cleared()
        self._view = None
        if self._field is not None:
            self._field.unlearn(points)

    def close(self) -> None:
        """Let go of the files; twice is harmless. After a fork the parent's files are left alone."""
        with self._lock:
            if not self.closed and os.getpid() == self._pid:
                try:
                    self._keep_at_last()
                finally:
                    self._let_go()
            self.closed = True

    def _let_go(self) -> None:
        """Close as things are: where a write failed, nothing more is written."""
        if not self.closed:
            self.closed = True
            self._follower.close()
            self.folder.close()

    def _keep_at_last(self) -> None:
        """Save what was learned, unless another process is writing just now or something is broken."""
        try:
            if self._field is not None and not self.folder.read_only:
                with self.writing(timeout=0.0):
                    self.keep()
        except (FieldStoreError, OSError) as error:
            _log.info("the index of %s was not saved: %s", self.name, error)

    # -- writing -------------------------------------------------------------------------------------------------------

    def draft(self, reason: str | None = None, actor: str | None = None) -> Draft:
        """Entries to come, stamped now, or with the last entry's time if the clock went back."""
        now = max(int(time.time()), self.facts["time"])
        return Draft(self.frontier, now, actor, reason)

    def commit(
        self,
        draft: Draft,
        contents: Sequence[tuple[int, Content]] = (),
        *,
        erasing: Sequence[tuple[int, int]] = (),
        facts: dict[str, Any] | None = None,
        filter_keys: Sequence[str] = (),
        repellers: Sequence[Placed] = (),
        keeping: Change | None = None,
    ) -> None:
        """One transaction with all of it, then memory follows; nothing at all when there is nothing to write."""
        if not draft.leaves and not facts and not filter_keys:
            return
        database = self.folder.database
        self._changes = None  # should anything interrupt us behind the commit, the next call looks again
        with database.transaction():
            if facts:
                database.set_facts(facts)
            if filter_keys:
                database.filter_values.declare(filter_keys)
            if facts and TEXT_INDEX in facts:
                database.text_index.build()
            database.put(contents)
            database.repellers.put(repellers)
            database.append(draft)
            database.begin_erase(erasing)
            if keeping is not None:
                database.keep_out.change(keeping)
                if erasing:
                    database.delete_notes(keeping.dropped)
        self.folder.acknowledge(draft.frontier.size)
        kinds = {leaf.kind for leaf in draft.leaves}
        later = self._field is not None and Kind.ADD in kinds and Kind.CALIBRATE not in kinds and not erasing
        if later and (len(draft.sums) >= _WORTH_A_THREAD or not self._follower.idle):
            self._hand_over(draft)
        else:
            self._refresh()

    def agree(
        self,
        dim: int | None,
        kappa: float | None,
        embedder: str | None,
        source_key: str | None,
        filter_keys: Sequence[str],
        text_index: bool,
    ) -> None:
        """Fill in what the store did not know yet. Raises WrongEmbedder or ValueError where they contradict it."""
        with self.reading():
            unsaid = self._unsaid(dim, kappa, embedder, source_key, text_index)
            if not unsaid and set(filter_keys) <= set(self.filter_keys):
                return
        with self.writing():  # by now another process may have said something else
            facts = self._unsaid(dim, kappa, embedder, source_key, text_index)
            draft = self.draft()
            if kappa is not None and facts.pop("kappa", None) is not None:
                draft.calibrate(round(kappa * MILLIONTHS), 0)
            fresh = [key for key in filter_keys if key not in self.filter_keys]
            self.commit(draft, facts=facts, filter_keys=fresh)

    @property
    def filter_keys(self) -> list[str]:
        """The declared keys, inside `reading` or `writing`."""
        return self.folder.database.filter_values.keys()

    @property
    def text_index(self) -> bool:
        """Whether there is a text index, inside `reading` or `writing`."""
        return self.facts.get(TEXT_INDEX) == 1

    def _unsaid(
        self, dim: int | None, kappa: float | None, embedder: str | None, source_key: str | None, text_index: bool
    ) -> dict[str, Any]:
        """What of this the store does not know yet."""
        facts = self.facts
        for name, given in (("dim", dim), ("source_key", source_key)):
            if given is not None and facts[name] not in (None, given):
                raise ValueError(f"{self.name} has {name} {facts[name]!r}, not {given!r}; it was left as it is")
        if embedder is not None and facts["embedder"] not in (None, embedder):
            raise WrongEmbedder(
                f"{self.name} holds vectors of {facts['embedder']!r}, not of {embedder!r}; it was left as it is"
            )
        if kappa is not None and facts["size"] and round(self.kappa * MILLIONTHS) != round(kappa * MILLIONTHS):
            raise ValueError(f"{self.name} has kappa {self.kappa}, not {kappa}; calibrate(kappa=) changes it")
        wanted = {"dim": None if dim is None else int(dim), "embedder": embedder, "kappa": kappa}
        unsaid = {name: value for name, value in wanted.items() if value is not None and facts[name] is None}
        return unsaid | ({TEXT_INDEX: 1} if text_index and not self.text_index else {})

    def measure(self, draft: Draft, rows: NDArray[np.float32]) -> None:
        """Add a calibration to the draft once enough points are live; kappa that was asked for stays."""
        automatic = self.facts["kappa"] is None or self.facts["measured"] == _MEASURED_AT[0]
        coming = [count for count in _MEASURED_AT if self.facts["measured"] < count <= len(rows)]
        if not automatic or not coming:  # from then on an add costs the same whatever the store's size
            return
        self._settle()
        self._refresh()
        weights = np.zeros(len(rows))
        weights[: len(self.weights)] = self.weights
        for known in draft.sums.values():
            weights[known.point] = known.weight
        live = np.flatnonzero(weights)
        due = [count for count in coming if count <= len(live)]
        if due:
            drawn = live[np.linspace(0, len(live) - 1, due[-1]).round().astype(np.int64)]  # evenly over the rows
            draft.calibrate(round(measured_kappa(rows[drawn]) * MILLIONTHS), due[-1])

    # -- what is there, inside `reading` or `writing` ------------------------------------------------------------------

    @property
    def frontier(self) -> Frontier:
        """The right edge of the ledger's tree."""
        return Frontier(self.facts["size"], self.facts["frontier"])

    @property
    def size(self) -> int:
        """Entries of the ledger."""
        return int(self.facts["size"])

    @property
    def dim(self) -> int | None:
        """Dimensions of a vector; None before the first."""
        return None if self._field is None else self._field.dim

    @property
    def kappa(self) -> float:
        """Concentration the field uses, or will use."""
        if self._field is not None:
            return self._field.kappa
        return DEFAULT_KAPPA if self.facts["kappa"] is None else float(self.facts["kappa"] / MILLIONTHS)

    @property
    def field(self) -> Field:
        """The field, to be read only: the same object until an entry changes it. ValueError before the first vector."""
        if self._field is None:
            raise ValueError(f"{self.name} has no dimension yet; add a vector, or open it with dim=")
        if self._view is None:
            self._view = self._field.view()
        return self._view

    @property
    def last_field(self) -> Field | None:
        """What `field` was when last asked, unless this object has changed it since: to look at without `reading`.

        Whoever uses it asks inside `reading`, afterwards, whether it still is the field.
        """
        self._ready()
        return self._view

    @property
    def weights(self) -> NDArray[np.float64]:
        """(points,) net weights, in copies."""
        return np.empty(0) if self._field is None else self._field.weights

    def weights_of(self, points: NDArray[np.int64]) -> list[float]:
        """Net weights of points, in copies."""
        return [] if self._field is None else self._field.weights_of(points)

    def row(self, point: int) -> NDArray[np.float32]:
        """(dim,) the vector of a point that was not erased. Raises StoreDamaged where it is none."""
        assert self.dim is not None  # there is a point, so there is a dimension
        rows = self.folder.vectors(self.dim).rows(point + 1)
        self._check_rows(rows, np.array([point]))
        row: NDArray[np.float32] = rows[point]
        return row

    def _check_rows(self, rows: NDArray[np.float32], points: NDArray[np.int64]) -> None:
        """StoreDamaged where a row has another length than 1: what is no number would lead a loop astray."""
        wrong = np.concatenate(spread(lambda part: not_unit(rows, points[part]), len(points), _WORTH_A_CORE))
        if len(wrong):
            raise StoreDamaged(f"the vector of point {wrong[0]} in {self.name} was changed: its length is not 1")

    def refuse_changed(self, points: NDArray[np.int64], cosines: NDArray[np.float32]) -> None:
        """StoreDamaged where points that were found have cosines that no unit rows have."""
        if [cosine for cosine in cosines.tolist() if not -_NO_COSINE <= cosine <= _NO_COSINE]:  # NaN is one of them
            self._check_rows(self.folder.vectors(self.field.dim).rows(int(points.max()) + 1), points)

    def contents(self, points: Sequence[int]) -> dict[int, Content]:
        """What points hold; UnknownRecord when one of them was erased."""
        contents = self.folder.database.contents(points)
        if len(contents) < len(set(points)):
            raise UnknownRecord(f"point {min(set(points) - contents.keys())} in {self.name} has been erased")
        return contents

    def mask(self, condition: Filter) -> Mask:
        """Of (points,) which live points match; the same object while it holds."""
        return self._columns.mask(condition, self.folder.database, self.size, len(self.weights))

    def allowed(self, ids: Sequence[str] | None, condition: Filter | None) -> Mask | None:
        """Of (points,) which live points are of these records, and match; None = every one of them."""
        if ids is None:
            return None if condition is None else self.mask(condition)
        chosen = np.zeros(len(self.weights), np.bool_)
        chosen[self.folder.database.live_points(ids)] = True
        if condition is not None:
            chosen &= self.mask(condition).of
        return Mask(chosen)

    def groups(self, key: str) -> NDArray[np.int64]:
        """(points,) equal numbers for equal values of a metadata key, -1 for none."""
        return self._columns.groups(key, self.folder.database, self.size, len(self.weights))

    def tally(self, key: str, values: Sequence[Any]) -> list[int]:
        """How many live records have each of the values at a metadata key."""
        return self._columns.tally(key, values, self.weights > 0, self.folder.database, self.size)

    def chosen(self, condition: Filter | None, ids: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """(points,) which points are live, match, and are of these records."""
        live = self.weights > 0
        if (allowed := self.allowed(ids, condition)) is not None:
            live &= allowed.of
        return live

    def live_points(self, condition: Filter | None) -> list[int]:
        """Numbers of the live points, those that match."""
        points: list[int] = np.flatnonzero(self.chosen(condition)).tolist()
        return points

    def points_of(self, ids: Sequence[str], condition: Filter | None) -> list[int]:
        """Points of the records among these that are live, and match, in this order; whatever the store's size."""
        versions = self.folder.database.latest(ids)
        points = [versions[id].sum.point for id in ids if id in versions and versions[id].sum.weight > 0]
        if condition is None:
            return points
        mask = self.mask(condition).of
        return [point for point in points if mask[point]]

    def live(self, ids: Sequence[str]) -> list[Version]:
        """The newest versions of records that must be live; UnknownRecord names the first that is not."""
        found = []
        versions = self.folder.database.latest(ids)
        for id in ids:
            known = versions.get(id)
            if known is None or not known.sum.weight:
                state = "forgotten" if known is not None else "not there"
                raise UnknownRecord(
                    f"no record '{id}' in {self.name} (it is {state}); nothing was changed. store.ids() lists them"
                )
            found.append(known)
        return found

    def forgotten(self, condition: Filter | None) -> list[Version]:
        """The newest versions of forgotten records, those that match."""
        rows = self.folder.database.forgotten()
        return [known for known, stored in rows if condition is None or condition.matches(metadata.decode(stored))]

    def kept(self, id: str) -> Version:
        """The newest version of a record that is live or forgotten; UnknownRecord for any other."""
        known = self.folder.database.latest([id]).get(id)
        if known is None:
            raise UnknownRecord(f"no record '{id}' in {self.name}, live or forgotten")
        return known


class _Reading:
    """`Mirror.reading`, as a class: a query passes here twice, and a generator would cost it a tenth of its time."""

    __slots__ = ("_begun", "_mirror")

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._begun = False

    def __enter__(self) -> Database:
        self._mirror._lock.acquire()
        try:
            self._begun = self._mirror._begin_reading()
        except BaseException:
            self._mirror._lock.release()
            raise
        return self._mirror.folder.database

    def __exit__(self, *_: object) -> None:
        try:
            if self._begun:
                self._mirror.folder.database.end_reading()
        finally:
            self._mirror._lock.release()
