# The store: it wires storage to the engine, and has the verbs that add and change records. Those that look for records
# are in `finding`, those that take them out and bring them back in `forgetting`, those that prove something in `trail`.
#
# Rule: check, then write, then let memory follow what was written, so that a refused call changes nothing.
# Rule: every verb that writes is one transaction under the writer's lock, on top of what other processes wrote before.
# Rule: a query sees every entry that was committed before it began, by whichever process.
"""`FieldStore`: records found by meaning, forgotten on request, with proof of both."""

import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fieldstore import arguments, changes, keeping
from fieldstore.arguments import Ids
from fieldstore.engine.field import Field
from fieldstore.errors import ErasePending, LeftoversFound, StoreDamaged, WriteFailed, WriterBusy
from fieldstore.explaining import Explaining
from fieldstore.forgetting import Forgetting
from fieldstore.hiding import Hiding
from fieldstore.mirror import Mirror
from fieldstore.records import Added, Receipt
from fieldstore.signing import check_key
from fieldstore.storage.files import DISK, Files
from fieldstore.storage.folder import Folder
from fieldstore.storage.read_only import ReadOnlyFolder
from fieldstore.trail import Trail
from fieldstore.writing import writes

_log = logging.getLogger("fieldstore")


class FieldStore(Explaining, Forgetting, Hiding, Trail):
    """Records found by meaning, forgotten on request, with proof of both.

    path: the store's directory, created or opened; None = in memory. dim: dimensions of every vector; by default those
    of the first vectors added, and those of the store when it is opened again. kappa: concentration of the kernel, 1 /
    bandwidth**2; by default 20, measured from 256 points, once more from 4,096, then frozen (field-semantics, 2).
    embedder: name of the embedding model; another name is refused on open. source_key: metadata key that names a
    record's source document, by default "source". filter_keys: metadata keys, or dotted paths, whose values are kept
    beside the points, so that a filter over them alone parses no metadata; once declared they stay, and opening with
    others adds those. text_index: keep an index of the words of the texts, for by="text" and "hybrid"; asked for once
    it stays, and a store that had none builds it then. signing_key: PEM file of an Ed25519 private key, outside the
    store, that signs erasure certificates and checkpoints. keep_out_key: the secret, 32 bytes or more or a file of
    them, that `erase(keep_out=...)` was given; without it what was kept out then is not recognised. timeout: seconds to
    wait for another writer, or for a reader that an erase has to wait for. create: False = raise NotAStore where there
    is no store yet. read_only: refuse every writing verb, and create or change nothing in the directory, which may be
    one that cannot be written; an erase that was interrupted is not finished then, but stays out of every answer.
    files: the disk; another one only in tests.

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
        text_index: bool = False,
        signing_key: str | os.PathLike[str] | None = None,
        keep_out_key: bytes | str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        create: bool = True,
        read_only: bool = False,
        files: Files = DISK,
    ) -> None:
        arguments.check_store(dim, kappa, embedder, source_key, timeout)
        arguments.check_filter_keys(filter_keys)
        arguments.check_flag("text_index", text_index)
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
            if keep_out_key is not None:
                self._mirror.keep_out_key = arguments.secret("keep_out_key", keep_out_key, self.path)
            self._mirror.agree(dim, kappa, embedder, source_key, filter_keys, text_index)
            self._check_keep_out()
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
    def text_index(self) -> bool:
        """Whether the words of the texts are indexed."""
        with self._mirror.reading():
            return self._mirror.text_index

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

    @writes
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
    ) -> Added:
        """Store records, replacing those of the same id; all of them or none. Returns their ids, in this order.

        Records whose text or source is kept out (see `forget`) are not stored; they are the `kept_out` of what is
        returned, which is a list of ids all the same.

        vectors: (n, dim) or (dim,), any length but 0. texts, metadatas, ids: n each; a missing id is generated.
        weights: in copies, > 0; one for all, or n; by default 1 for a new vector and unchanged for a known one. The
        same id with the same content writes nothing; other text or metadata is an update; another vector is a new point
        and supersedes the old. A forgotten id is restored.
        Raises ValueError or TypeError for what cannot be stored, an id twice in the batch included; nothing is stored
        then.
        """
        batch = arguments.batch(vectors, texts, metadatas, ids, weights, (reason, actor))
        if not batch.ids:
            return Added()
        refused = changes.add(self._mirror, batch, vectors, (reason, actor))
        if refused:
            _log.warning("%d of %d records were kept out of %s", len(refused), len(batch.ids), self)
        return Added(batch.ids, (batch.ids[number] for number in sorted(refused)))

    @writes
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
        a new point and supersedes the old one. A record whose new text or source is kept out stays as it was; the
        receipt names it.
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
        changed, out = changes.update(self._mirror, wanted, vectors, new_texts, new_metadatas, (reason, actor))
        return self._receipt("update", changed, kept_out=[id for id in wanted if id in out])

    @writes
    def reweight(self, ids: Ids, weight: float, *, reason: str | None = None, actor: str | None = None) -> Receipt:
        """Let live records count as so many copies, > 0: doubling raises a score by ln 2 / kappa.

        Raises UnknownRecord for an id that is not live, ValueError for a weight that is not positive; nothing changes
        then.
        """
        wanted, millionths = arguments.checked_ids(ids), arguments.millionths(weight)
        arguments.check_words(reason, actor)
        return self._receipt("reweight", changes.reweight(self._mirror, wanted, millionths, (reason, actor)))

    @writes
    def calibrate(self, kappa: float | None = None) -> float:
        """Measure kappa anew from all live points, or set it, and freeze it there; returns it.

        Scores of later queries change with it.

        Raises ValueError when fewer than 2 points are live.
        """
        arguments.check_store(None, kappa, None, None, 0.0)
        changes.calibrate(self._mirror, kappa)
        return self.kappa

    # -- what it holds -------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """Numbers about the store: records live, those of them that are hidden, and forgotten; points, entries, kappa,
        tau, dim, the ledger's root.
        """
        with self._mirror.reading() as database:
            return {
                "live": int(np.count_nonzero(self._mirror.chosen(None))),
                "hidden": 0 if self.dim is None else self._mirror.field.silenced,
                "repellers": len(database.repellers.standing()),
                "forgotten": database.count_forgotten(),
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

    def _check_keep_out(self) -> None:
        """ValueError for a secret that is not the one this store needs; a word of warning where it is missing."""
        with self._mirror.reading() as database:
            if self._mirror.keep_out_key is not None:
                keeping.check_key(self._mirror, self._mirror.keep_out_key)
            elif database.keep_out.keys() and not self._mirror.folder.read_only:
                _log.warning("%s keeps out what was erased only if it is opened with its keep_out_key", self)

    def _finish_interrupted(self) -> None:
        try:
            self._certified(0.0)
        except StoreDamaged as error:  # it can be looked at, and verify says what is wrong
            _log.warning("an interrupted erase is still unfinished: %s", error)

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
                    self._finish_interrupted()
                mirror.keep()
        except WriterBusy:
            return
        except (ErasePending, LeftoversFound, WriteFailed) as error:
            _log.warning("an interrupted erase is still unfinished: %s", error)


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
