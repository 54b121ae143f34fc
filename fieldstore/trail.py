# The audit trail: the verbs that look at a store's ledger, prove it, and change nothing.
#
# Rule: what they say rests on the entries; whatever is derived is compared with them, never believed.
"""What a store can prove."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from fieldstore import answers, arguments, audit
from fieldstore.certificate import Certificate
from fieldstore.checkpoint import Checkpoint, origin_of, verify_checkpoint
from fieldstore.errors import ReadOnlyStore, StoreDamaged, WriterBusy
from fieldstore.mirror import Mirror
from fieldstore.past import View
from fieldstore.records import Entry


class Trail:
    """The verbs of an auditor; a `FieldStore` has them all. _mirror: its state; _key: PEM of its signing key."""

    _mirror: Mirror
    _key: bytes | None

    @property
    def seq(self) -> int:
        """Position of the newest entry in the ledger, by whichever process; -1 = there is none."""
        with self._mirror.reading():
            return self._mirror.size - 1

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

    def as_of(self, at: int | datetime, *, forgotten: bool = False) -> View:
        """The store as it was after the entry of that position, or at that time (aware of its zone), to be read.

        -1 is the empty store of before the first entry. What is forgotten by now is left out, unless forgotten=True
        asks for it: then it is seen in this view, and still in no answer of the store. What was erased is gone for
        good; see `View`.
        Raises ValueError for a position that the ledger does not have, or a time without a zone.
        """
        with self._mirror.reading() as database:
            if isinstance(at, datetime):
                size = database.entries_before(math.floor(arguments.seconds("at", at)) + 1)
            else:
                arguments.check_position(at)
                size = at + 1
                if at >= self._mirror.size:
                    raise ValueError(f"{self} has entries up to {self._mirror.size - 1}, not {at}")
            return View(self._mirror, size, forgotten)

    def checkpoint(self) -> str:
        """The ledger's size and root, as a text to keep where nobody can rewrite it together with the store.

        A C2SP signed note, signed with the store's signing key; opened without one, the text has no signature line.
        It holds nothing of the content. `verify(against=...)` proves later that the ledger has only grown since.
        """
        with self._mirror.reading():
            mirror = self._mirror
            return Checkpoint(origin_of(mirror.facts["uuid"]), mirror.size, mirror.frontier.root()).note(self._key)

    def verify(
        self,
        *,
        against: str | None = None,
        public_key: str | bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[str]:
        """Every difference between the ledger and the rest, in plain words; [] = all is well.

        Recomputes the hash tree, the rules of every entry, the sums, the commitments to content and vectors, and the
        field in memory, and lets SQLite check its file, and the text index against the live texts, which
        writers have to wait for. Reads everything once: half a minute of one core for a million records of 384
        dimensions.
        against: a `checkpoint` kept from earlier; any rewrite of the entries it saw is a difference.
        public_key: PEM of the Ed25519 key that must have signed the checkpoint, and every certificate in the store.
        progress: called with how many entries and points have been looked at, and how many there are.
        Raises ValueError for a text that is no checkpoint.
        """
        mirror = self._mirror
        kept = None if against is None else Checkpoint.read(against)
        found: list[str] = []
        if against is not None and public_key is not None:
            found += [f"the checkpoint: {wrong}" for wrong in verify_checkpoint(against, public_key)]
        with mirror.reading():
            hiding = None if mirror.dim is None else mirror.field.repellers
            found += audit.differences(mirror.folder, mirror.weights, mirror.kappa, kept, public_key, progress, hiding)
            astray = [] if mirror.dim is None else mirror.field.astray().tolist()
            found += [f"point {point} is not where, or not worth what, weights and repellers say" for point in astray]
        with suppress(ReadOnlyStore, WriterBusy), mirror.writing(timeout=0.0):
            found += audit.undisturbed(mirror.folder)
        return found

    def certificates(self) -> list[Certificate]:
        """The certificates of all erases, oldest first; they name no record."""
        with self._mirror.reading():
            try:
                return [Certificate.from_json(body) for body in self._mirror.folder.database.certificates()]
            except ValueError as error:
                raise StoreDamaged(f"{self} keeps something that is {error}; verify() tells more") from None

    def erasures(self) -> list[str]:
        """What was ever erased here: the name of each point in the ledger, 32 hex digits, which tells nothing else.

        To be kept beside backups: `erase_again` takes it.
        """
        with self._mirror.reading() as database:
            return database.erasures()
