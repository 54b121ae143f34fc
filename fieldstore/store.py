# The store: the verbs, and nothing but the verbs; it wires storage to the engine. Those that prove something are in
# `trail`.
#
# Rule: check, then write, then let memory follow what was written, so that a refused call changes nothing.
# Rule: every verb that writes is one transaction under the writer's lock, on top of what other processes wrote before.
# Rule: a query sees every entry that was committed before it began, by whichever process.
"""`FieldStore`: records found by meaning, forgotten on request, with proof of both."""

import logging
import math
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial, wraps
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fieldstore import answers, arguments, changes, erasure
from fieldstore.certificate import Certificate
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import unit_rows
from fieldstore.errors import ErasePending, LeftoversFound, ReadOnlyStore, WriteFailed, WriterBusy
from fieldstore.filters import Filter
from fieldstore.ledger import Kind
from fieldstore.mirror import Mirror
from fieldstore.records import Hit, Receipt, Record, Residual
from fieldstore.signing import check_key
from fieldstore.storage.files import DISK, Files
from fieldstore.storage.folder import Folder
from fieldstore.storage.read_only import ReadOnlyFolder
from fieldstore.trail import Trail

_log = logging.getLogger("fieldstore")

Where = Mapping[str, Any]
Ids = str | Sequence[str]
P = ParamSpec("P")
R = TypeVar("R")


def _writes(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that a store opened to be read refuses by its name, before it looks at anything."""

    @wraps(verb)
    def checked(*arguments: P.args, **options: P.kwargs) -> R:
        store: Any = arguments[0]
        if store._mirror.folder.read_only:
            raise ReadOnlyStore(
                f"{verb.__name__} writes, and {store} is open to be read only; nothing was changed. Open it without "
                "read_only=True"
            )
        return verb(*arguments, **options)

    return checked


class FieldStore(Trail):
    """Records found by meaning, forgotten on request, with proof of both.

    path: the store's directory, created or opened; None = in memory. dim: dimensions of every vector; by default those
    of the first vectors added, and those of the store when it is opened again. kappa: concentration of the kernel,
    1 / bandwidth**2; by default 20, measured from 256 points, once more from 4,096, then frozen (field-semantics, 2).
    embedder: name of the embedding model; another name is refused on open. source_key: metadata key that names a
    record's source document, by default "source". filter_keys: metadata keys, or dotted paths, whose values
    are kept beside the points, so that a filter over them alone parses no metadata; once declared they stay, and
    opening with others adds those. signing_key: PEM file of an Ed25519 private key, outside the store, that signs
    erasure certificates and checkpoints. timeout: seconds to wait for another writer, or for a reader that an erase has
    to wait for. create: False = raise NotAStore where there is no store yet. read_only: refuse every writing verb, and
    create or change nothing in the directory, which may be one that cannot be written; an erase that was interrupted is
    not finished then, but stays out of every answer. files: the disk; another one only in tests.

    One object serves many threads. Several processes may open the same directory: one writes at a time, all see it at
    their next query. Raises NotAStore, UnsupportedFormat, StoreDamaged, WrongEmbedder, or ValueError for arguments that
    contradict the store. Of a store from anybody nothing is ever executed; that it is whole, only `verify` tells.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        dim: int | None = None,
        kappa: float | None = None,
        embedder: str | None = None,
        source_key: str | None = None,
        filter_keys: Sequence[str] = (),
        signing_key: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        create: bool = True,
        read_only: bool = False,
        files: Files = DISK,
    ) -> None:
        arguments.check_store(dim, kappa, embedder, source_key, timeout)
        arguments.check_filter_keys(filter_keys)
        self.path = None if path is None else arguments.checked_path(path)
        self._key = _read_key(signing_key, self.path)
        self._timeout = timeout
        self._needles: dict[bytes, bool] = {}  # of an erase that is not finished; never written down
        facts = {
            "uuid": uuid.uuid4().hex,
            "created": int(time.time()),
            "dim": None if dim is None else int(dim),
            "embedder": embedder,
            "source_key": source_key or "source",
        }
        folder: Folder
        if read_only:
            if self.path is None:
                raise ValueError("read_only needs the path of a store; one in memory would stay empty")
            folder = ReadOnlyFolder(self.path, files, timeout)
        else:
            folder = Folder(self.path, files, timeout, facts if create else None)
        self._mirror = Mirror(folder, str(self))
        try:
            self._mirror.agree(dim, kappa, embedder, source_key, filter_keys)
            self._recover()
        except BaseException:
            self.close()
            raise

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def dim(self) -> int | None:
        """Dimensions of every vector; None until the first were added."""
        return self._mirror.dim

    @property
    def kappa(self) -> float:
        """Concentration of the kernel."""
        with self._mirror.reading():
            return self._mirror.kappa

    @property
    def tau(self) -> float:
        """Reach: the cosine from which records speak for one another."""
        return Field(1, kappa=self.kappa).tau

    @property
    def embedder(self) -> str | None:
        """Name of the embedding model, where one was given."""
        name: str | None = self._mirror.facts["embedder"]
        return name

    @property
    def source_key(self) -> str:
        """Metadata key that names a record's source document."""
        return str(self._mirror.facts["source_key"])

    @property
    def filter_keys(self) -> tuple[str, ...]:
        """The declared keys: filters over these alone parse no metadata."""
        with self._mirror.reading():
            return tuple(self._mirror.filter_keys)

    @property
    def field(self) -> Field:
        """The field as it stands, to look at: evaluate, gradient, ascend. A view: changes to it are refused.

        Take it anew for each look: one that is held feels what this object forgets later, but no other process's doing.

        Raises ValueError while the store has no dimension yet.
        """
        with self._mirror.reading():
            return self._mirror.field

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._mirror.closed

    def __repr__(self) -> str:
        return "the store in memory" if self.path is None else f"the store '{self.path}'"

    # -- adding --------------------------------------------------------------------------------------------------------

    @_writes
    def add(
        self,
        vectors: ArrayLike,
        *,
        texts: Sequence[str | None] | None = None,
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
        ids: Sequence[str | None] | None = None,
        weights: float | Sequence[float] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> list[str]:
        """Store records, replacing those of the same id; all of them or none. Returns their ids.

        vectors: (n, dim) or (dim,), any length but 0. texts, metadatas, ids: n each; a missing id is generated.
        weights: in copies, > 0; one for all, or n; by default 1 for a new vector and unchanged for a known one. The
        same id with the same content writes nothing; other text or metadata is an update; another vector is a new point
        and supersedes the old. A forgotten id is restored.
        Raises ValueError or TypeError for what cannot be stored, an id twice in the batch included; nothing is stored
        then.
        """
        batch = arguments.batch(vectors, texts, metadatas, ids, weights, (reason, actor))
        if not batch.ids:
            return []
        changes.add(self._mirror, batch, vectors, (reason, actor))
        return batch.ids

    @_writes
    def update(
        self,
        ids: Ids,
        *,
        vectors: ArrayLike | None = None,
        texts: str | Sequence[str | None] | None = None,
        metadatas: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """New vectors, texts or metadata for live records, one each, in their order; what is not given stays.

        Unlike `add` it stores nothing new, revives nothing that was forgotten, and keeps the weights. Another vector is
        a new point and supersedes the old one.
        Raises UnknownRecord for an id that is not live, and what `add` raises; nothing is changed then.
        """
        wanted = arguments.checked_ids(ids)
        arguments.check_words(reason, actor)
        if vectors is None and texts is None and metadatas is None:
            raise ValueError("update needs vectors, texts or metadatas; nothing was changed")
        if vectors is not None:
            arguments.check_count(vectors, len(wanted))
        new_texts = arguments.texts(texts, len(wanted), wanted) if texts is not None else None
        new_metadatas = arguments.metadatas(metadatas, len(wanted), wanted) if metadatas is not None else None
        changed = changes.update(self._mirror, wanted, vectors, new_texts, new_metadatas, (reason, actor))
        return self._receipt("update", changed)

    @_writes
    def reweight(self, ids: Ids, weight: float, *, reason: str | None = None, actor: str | None = None) -> Receipt:
        """Let live records count as so many copies, > 0: doubling raises a score by ln 2 / kappa.

        Raises UnknownRecord for an id that is not live, ValueError for a weight that is not positive; nothing changes
        then.
        """
        wanted, millionths = arguments.checked_ids(ids), arguments.millionths(weight)
        arguments.check_words(reason, actor)
        return self._receipt("reweight", changes.reweight(self._mirror, wanted, millionths, (reason, actor)))

    @_writes
    def calibrate(self, kappa: float | None = None) -> float:
        """Measure kappa anew from all live points, or set it, and freeze it there; returns it.

        Scores of later queries change with it.

        Raises ValueError when fewer than 2 points are live.
        """
        arguments.check_store(None, kappa, None, None, 0.0)
        changes.calibrate(self._mirror, kappa)
        return self.kappa

    # -- finding -------------------------------------------------------------------------------------------------------

    def search(
        self,
        vector: ArrayLike,
        k: int = 10,
        *,
        where: Where | None = None,
        by: Literal["nearest", "attractors"] = "nearest",
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        min_score: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[Hit]:
        """The live records that answer a query, best first, at most k.

        vector: (dim,), any length but 0. where: a filter, applied before ranking (see `fieldstore.filters`).
        by "nearest": the largest contributions to the field, ties in order of adding; smooth: the first 50 reordered by
        what their neighbours say. by "attractors": near-copies answer once, as `members` of the best of them; reach:
        the cosine from which they are near (default `tau`); per: a metadata key of which each value answers once, such
        as the source. Attractor lists may be shorter than k; they are never filled up.
        min_score: leave out lower scores.
        exact: score every live point. Else, in a store of two million numbers or more (5,462 records of 384 dimensions,
        8,192 at least), points are looked for by one-bit codes in cells, and their scores are exact: more than 95 of
        100 of the true ten nearest are found by default. effort: how far to look, 1 = so far; more finds more, and
        takes longer.
        Raises ValueError for k < 1, an unknown `by`, an option of another mode, or a vector without a direction.
        """
        if len(shape := arguments.shape_of(vector, "query")) != 1:
            raise ValueError(f"search takes one query, (dim,), not {shape}; search_many takes a matrix")
        return self.search_many(
            np.asarray(vector)[None],
            k,
            where=where,
            by=by,
            smooth=smooth,
            per=per,
            reach=reach,
            min_score=min_score,
            exact=exact,
            effort=effort,
        )[0]

    def search_many(
        self,
        vectors: ArrayLike,
        k: int = 10,
        *,
        where: Where | None = None,
        by: Literal["nearest", "attractors"] = "nearest",
        smooth: bool = False,
        per: str | None = None,
        reach: float | None = None,
        min_score: float | None = None,
        exact: bool = False,
        effort: float = 1.0,
    ) -> list[list[Hit]]:
        """`search` for every row of vectors, (q, dim): one list of hits each, all of one state of the store."""
        arguments.check_search(k, by, smooth, per, reach, min_score, exact, effort)
        if len(shape := arguments.shape_of(vectors, "queries")) != 2:
            raise ValueError(f"search_many takes queries (q, dim), not {shape}; search takes one")
        condition, mirror = None if where is None else Filter(where), self._mirror
        ranker = partial(answers.ranker, mirror, k, condition, by, smooth, per, reach, exact, effort)
        field = mirror.last_field if condition is None and per is None else None  # else the database is asked first
        if field is None:
            with mirror.reading():
                if mirror.dim is None:  # empty, and of no dimension yet
                    return [[] for _ in unit_rows(vectors, shape[1], what="query")]
                field = mirror.field
                rank = ranker(field)
        else:
            rank = ranker(field)
        queries = np.asarray(vectors) if shape[0] == 1 else unit_rows(vectors, field.dim, what="query")
        found: list[list[Hit]] = []
        for rankings in answers.ranked(rank, queries):  # other threads may write meanwhile
            with mirror.reading():
                if mirror.field is not field:
                    break
                found += answers.hits(mirror, rankings)
        if len(found) < len(queries):
            with mirror.reading():  # and now they may not
                rankings_again = answers.ranked(ranker(mirror.field), queries)
                found = [hits for rankings in rankings_again for hits in answers.hits(mirror, rankings)]
        if min_score is None:
            return found
        return [[hit for hit in hits if hit.score >= min_score] for hits in found]

    def get(self, ids: Ids | None = None, *, where: Where | None = None, vectors: bool = False) -> list[Record]:
        """Live records: those of ids, in that order, once each; or those that match; or all. Unknown ids are left out.

        vectors: with their unit vectors, (dim,) float32.
        """
        wanted = None if ids is None else list(dict.fromkeys(arguments.checked_ids(ids, unique=False)))
        condition = None if where is None else Filter(where)
        with self._mirror.reading():
            if wanted is None:
                points = self._mirror.live_points(condition)
            else:
                points = self._mirror.points_of(wanted, condition)
            return answers.records(self._mirror, points, vectors)

    def count(self, where: Where | None = None) -> int:
        """How many records are live, and match."""
        condition = None if where is None else Filter(where)
        with self._mirror.reading():
            return int(np.count_nonzero(self._mirror.chosen(condition)))

    def ids(
        self,
        *,
        where: Where | None = None,
        limit: int | None = None,
        after: str | None = None,
        forgotten: bool = False,
    ) -> list[str]:
        """Ids of live records (forgotten: of the forgotten ones instead), sorted: at most limit, after that id."""
        condition = None if where is None else Filter(where)
        arguments.check_limit(limit)
        arguments.check_words(after, what="after")
        with self._mirror.reading() as database:
            if forgotten:
                points = {known.sum.point for known in self._mirror.forgotten(condition)}
                rows = (id for id, point in database.live(after, forgotten) if point in points)
            else:
                chosen = self._mirror.chosen(condition)
                rows = (id for id, point in database.live(after) if chosen[point])
            return list(islice(rows, limit))

    def exists(self, id: str) -> bool:
        """Whether this record is live."""
        (wanted,) = arguments.checked_ids([id])
        with self._mirror.reading():
            return bool(self._mirror.points_of([wanted], None))

    # -- forgetting ----------------------------------------------------------------------------------------------------

    @_writes
    def forget(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take records out of every answer, at once and durably, by appending their inverse; their content is kept.

        By ids, or all live ones that match. What is forgotten already, or unknown, is left alone and named in the
        receipt. `restore` undoes it; `receipt.residuals()` tells who else still carries the content.
        """
        wanted, condition = arguments.selection("forget", ids, where)
        arguments.check_words(reason, actor)
        return self._receipt("forget", changes.invert(self._mirror, Kind.FORGET, wanted, condition, (reason, actor)))

    @_writes
    def restore(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Bring forgotten records back with the weight they had: by ids, or all forgotten ones that match.

        What is live already, unknown or erased is left alone and named in the receipt.
        """
        wanted, condition = arguments.selection("restore", ids, where)
        arguments.check_words(reason, actor)
        return self._receipt("restore", changes.invert(self._mirror, Kind.RESTORE, wanted, condition, (reason, actor)))

    @_writes
    def erase(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        forgotten_before: datetime | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Forget records and destroy every version of their content and vectors for good; returns the certificate.

        By ids, or every record, live or forgotten, whose newest version matches, or every one that was forgotten before
        a time (aware of its time zone) and has not been restored since. Unknown ids are an error here, because a
        certificate speaks of something. reason and actor are kept; the words of earlier entries about the records go
        too.
        Raises UnknownRecord, or ValueError when reason or actor quote the content: nothing is erased then. Raises
        ErasePending when a reader keeps old pages alive, LeftoversFound when a search of the files still finds bytes:
        then the records are gone from every answer, there is no certificate, and `finish_erase` tries again.
        """
        wanted, condition, before = None, None, None
        if forgotten_before is None:
            wanted, condition = arguments.selection("erase", ids, where)
        elif ids is not None or where is not None:
            raise ValueError("erase takes ids, where= or forgotten_before=, one of them; nothing was changed")
        else:
            before = math.ceil(arguments.seconds("forgotten_before", forgotten_before))
        arguments.check_words(reason, actor)
        with self._mirror.writing():
            changes.begin_erase(self._mirror, wanted, condition, before, (reason, actor))
            return self._certified()

    @_writes
    def erase_again(
        self, erasures: Sequence[str], *, reason: str | None = None, actor: str | None = None
    ) -> Certificate | None:
        """Erase from a backup that was brought back what had been erased since it was made.

        erasures: the `erasures` of the store that the backup is of. Those that are unknown here, because they were
        added after the backup, or erased here already, are passed over; None when none is left.
        Raises as `erase` does.
        """
        elements = arguments.elements(erasures)
        arguments.check_words(reason, actor)
        with self._mirror.writing():
            if not changes.begin_erasing_again(self._mirror, elements, (reason, actor)):
                return None
            return self._certified()

    @_writes
    def finish_erase(self) -> Certificate | None:
        """Finish erases that were interrupted or blocked; None when there are none. Raises as `erase` does."""
        with self._mirror.writing() as database:
            return self._certified() if database.erasing() else None

    def _certified(self, timeout: float | None = None) -> Certificate:
        mirror, timeout = self._mirror, self._timeout if timeout is None else timeout
        erased = mirror.folder.database.erased()
        try:
            return erasure.finish(mirror.folder, mirror.field.dim, self._key, timeout, self._needles)
        finally:
            mirror.unlearn(erased)

    def residual(self, ids: Ids, *, carriers: int = 10, where: Where | None = None) -> list[Residual]:
        """How much of each record's content the other live records still carry, before or after forgetting it.

        carriers: how many of them to name, at most. where: look only at records that match, such as those of other
        sources. Raises UnknownRecord for an id that is neither live nor forgotten, ValueError for carriers < 1.
        """
        wanted = arguments.checked_ids(ids)
        condition = None if where is None else Filter(where)
        arguments.check_count_of("carriers", carriers)
        with self._mirror.reading():
            allowed = None if condition is None or self.dim is None else self._mirror.mask(condition).of
            return [answers.residual(self._mirror, id, carriers, allowed) for id in wanted]

    # -- what it holds -------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Numbers about the store: records live and forgotten, points, entries, kappa, tau, dim, the ledger's root."""
        with self._mirror.reading() as database:
            return {
                "live": int(np.count_nonzero(self._mirror.chosen(None))),
                "forgotten": sum(1 for _ in database.live(None, forgotten=True)),
                "points": len(self._mirror.weights),
                "entries": self._mirror.size,
                "erasures": len(database.certificates()),
                "erases_pending": len(database.erasing()),
                "dim": self.dim,
                "kappa": self.kappa,
                "tau": self.tau,
                "measured_from": self._mirror.facts["measured"],
                "embedder": self.embedder,
                "uuid": self._mirror.facts["uuid"],
                "root": self._mirror.frontier.root().hex(),
            }

    # -- opening and closing -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the files; what was acknowledged is on disk already. Closing twice is harmless."""
        self._mirror.close()

    def __enter__(self) -> "FieldStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(f"{self} cannot be pickled; open it again with FieldStore(path)")

    def _recover(self) -> None:
        """Finish interrupted erases and clear what a crashed add left, unless another process is writing just now."""
        mirror = self._mirror
        if mirror.folder.read_only and mirror.folder.database.erasing():
            _log.warning("an interrupted erase is unfinished; opening %s for writing finishes it", self)
        if mirror.dim is None or mirror.folder.read_only:
            return
        try:
            with mirror.writing(timeout=0.0) as database:
                mirror.folder.vectors(mirror.dim).discard(database.points())
                if database.erasing():
                    self._certified(0.0)
                mirror.keep()
        except WriterBusy:
            return
        except (ErasePending, LeftoversFound, WriteFailed) as error:
            _log.warning("an interrupted erase is still unfinished: %s", error)

    def _receipt(self, verb: str, changed: changes.Changed) -> Receipt:
        return Receipt(verb, *changed, lambda: self.residual(changed.ids))


def _read_key(path: str | os.PathLike[str] | None, store: Path | None) -> bytes | None:
    """The signing key's PEM bytes; ValueError when it lies inside the store it is to vouch for."""
    if path is None:
        return None
    if store is not None and Path(path).resolve().is_relative_to(store.resolve()):
        raise ValueError(f"the signing key '{path}' lies inside the store; keep it elsewhere")
    key = Path(path).read_bytes()
    try:
        check_key(key)
    except ValueError as error:
        raise ValueError(f"the signing key '{path}' cannot be used: {error}") from None
    return key
