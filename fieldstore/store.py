# The store: the verbs, and nothing but the verbs; it wires storage to the engine.
#
# Rule: check, then write, then let memory follow what was written, so that a refused call changes nothing.
# Rule: every verb that writes is one transaction under the writer's lock, on top of what other processes wrote before.
# Rule: a query sees every entry that was committed before it began, by whichever process.
"""`FieldStore`: records found by meaning, forgotten on request, with proof of both."""

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fieldstore import answers, arguments, audit, changes, erasure
from fieldstore.certificate import Certificate, check_key
from fieldstore.engine.field import Field
from fieldstore.engine.inputs import unit_rows
from fieldstore.errors import ErasePending, LeftoversFound, StoreDamaged, WriteFailed, WriterBusy
from fieldstore.filters import Filter
from fieldstore.ledger import Kind
from fieldstore.mirror import Mirror
from fieldstore.records import Entry, Hit, Receipt, Record, Residual
from fieldstore.storage.files import DISK, Files
from fieldstore.storage.folder import Folder

_log = logging.getLogger("fieldstore")

Where = Mapping[str, Any]
Ids = str | Sequence[str]


class FieldStore:
    """Records found by meaning, forgotten on request, with proof of both.

    path: the store's directory, created or opened; None = in memory. dim: dimensions of every vector; by default those
    of the first vectors added, and those of the store when it is opened again. kappa: concentration of the kernel,
    1 / bandwidth**2; by default 20, measured from 256 points, once more from 4,096, then frozen (field-semantics, 2).
    embedder: name of the embedding model; another name is refused on open. source_key: metadata key that names a
    record's source document, by default "source". filter_keys: metadata keys, or dotted paths, whose values
    are kept beside the points, so that a filter over them alone parses no metadata; once declared they stay, and
    opening with others adds those. signing_key: PEM file of an Ed25519 private key, outside the store, that signs
    erasure certificates. timeout: seconds to wait for another writer, or for a reader that an erase has to wait for.
    create: False = raise NotAStore where there is no store yet. files: the disk; another one only in tests.

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
        self._mirror = Mirror(Folder(self.path, files, timeout, facts if create else None), str(self))
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

    def reweight(self, ids: Ids, weight: float, *, reason: str | None = None, actor: str | None = None) -> Receipt:
        """Let live records count as so many copies, > 0: doubling raises a score by ln 2 / kappa.

        Raises UnknownRecord for an id that is not live, ValueError for a weight that is not positive; nothing changes
        then.
        """
        wanted, millionths = arguments.checked_ids(ids), arguments.millionths(weight)
        arguments.check_words(reason, actor)
        return self._receipt("reweight", changes.reweight(self._mirror, wanted, millionths, (reason, actor)))

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
        condition = None if where is None else Filter(where)
        mirror = self._mirror
        ranker = partial(answers.ranker, mirror, k, condition, by, smooth, per, reach, exact, effort)
        with mirror.reading():
            queries = np.asarray(vectors)
            if shape[0] != 1 or mirror.dim is None:  # the engine checks one alone, and knows no other
                queries = unit_rows(vectors, mirror.dim or shape[1], what="query")
            if mirror.dim is None:
                return [[] for _ in queries]  # empty, and of no dimension yet
            rank, size = ranker(), mirror.size
        rankings = answers.ranked(rank, queries)  # other threads may write meanwhile
        with mirror.reading():
            if mirror.size != size:
                rankings = answers.ranked(ranker(), queries)  # and now they may not
            found = answers.hits(mirror, rankings)
        return [[hit for hit in hits if min_score is None or hit.score >= min_score] for hits in found]

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

    def erase(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Forget records and destroy every version of their content and vectors for good; returns the certificate.

        By ids, or every record, live or forgotten, whose newest version matches. Unknown ids are an error here, because
        a certificate speaks of something. reason and actor are kept; the words of earlier entries about the records go
        too.
        Raises UnknownRecord, or ValueError when reason or actor quote the content: nothing is erased then. Raises
        ErasePending when a reader keeps old pages alive, LeftoversFound when a search of the files still finds bytes:
        then the records are gone from every answer, there is no certificate, and `finish_erase` tries again.
        """
        wanted, condition = arguments.selection("erase", ids, where)
        arguments.check_words(reason, actor)
        with self._mirror.writing():
            changes.begin_erase(self._mirror, wanted, condition, (reason, actor))
            return self._certified()

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

    def certificates(self) -> list[Certificate]:
        """The certificates of all erases, oldest first; they name no record."""
        with self._mirror.reading():
            try:
                return [Certificate.from_json(body) for body in self._mirror.folder.database.certificates()]
            except ValueError as error:
                raise StoreDamaged(f"{self} keeps something that is {error}; verify() tells more") from None

    def residual(self, ids: Ids, *, carriers: int = 10, where: Where | None = None) -> list[Residual]:
        """How much of each record's content the other live records still carry, before or after forgetting it.

        carriers: how many of them to name, at most. where: look only at records that match, such as those of other
        sources. Raises UnknownRecord for an id that is neither live nor forgotten, ValueError for carriers < 1.
        """
        wanted = arguments.checked_ids(ids)
        condition = None if where is None else Filter(where)
        arguments.check_count_of("carriers", carriers)
        with self._mirror.reading():
            allowed = None if condition is None or self.dim is None else self._mirror.mask(condition)
            return [answers.residual(self._mirror, id, carriers, allowed) for id in wanted]

    # -- the audit trail -----------------------------------------------------------------------------------------------

    def history(self, id: str) -> list[Entry]:
        """Every ledger entry about a record, all its versions, oldest first; [] when it is unknown or erased."""
        (wanted,) = arguments.checked_ids([id])
        with self._mirror.reading() as database:
            points = [version.sum.point for version in database.versions(wanted)]
            lines = [(point, leaf) for point in points for leaf in database.chain(point)]
            return [
                answers.entry(self._mirror, point, leaf) for point, leaf in sorted(lines, key=lambda line: line[1].seq)
            ]

    def entries(self, after: int = -1, limit: int | None = None) -> Iterator[Entry]:
        """The ledger, oldest first: at most limit entries behind position after."""
        arguments.check_limit(limit)
        arguments.check_position(after)
        with self._mirror.reading() as database:
            rows = database.leaves(after + 1, -1 if limit is None else limit)
            return iter([answers.entry(self._mirror, point, leaf) for point, leaf in rows])

    def verify(self) -> list[str]:
        """Every difference between the ledger and the rest, in plain words; [] = all is well.

        Recomputes the hash tree, the rules of every entry, the sums, the commitments to content and vectors, and the
        field in memory, and lets SQLite check its file. Reads everything once.
        """
        mirror = self._mirror
        with mirror.reading():
            found = audit.differences(mirror.folder, mirror.weights, mirror.kappa)
            astray = [] if mirror.dim is None else mirror.field.astray().tolist()
            found += [f"point {point} weighs something and is in no cell, or the other way round" for point in astray]
        with suppress(WriterBusy), mirror.writing(timeout=0.0):
            found += audit.orphans(mirror.folder)
        return found

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
        if mirror.dim is None:
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
