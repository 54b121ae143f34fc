# Forgetting: the verbs that take records out of the answers, bring them back, or destroy them, and what they tell.
#
# Rule: check, then write, then let memory follow what was written, so that a refused call changes nothing.
# Rule: every verb that writes is one transaction under the writer's lock, on top of what other processes wrote before.
"""How a store forgets, restores and erases."""

import math
import os
from collections.abc import Sequence
from datetime import datetime

from fieldstore import answers, arguments, changes, erasure, selecting
from fieldstore.arguments import Ids, Source, Where
from fieldstore.certificate import Certificate
from fieldstore.filters import Filter
from fieldstore.ledger import Kind
from fieldstore.mirror import Mirror
from fieldstore.records import KeptOut, Near, Receipt, Record, Residual
from fieldstore.selecting import Selection
from fieldstore.writing import writes


class Forgetting:
    """The verbs of forgetting; a `FieldStore` has them all. _mirror: its state; _key: PEM of its signing key."""

    _mirror: Mirror
    _key: bytes | None
    _timeout: float
    _needles: dict[bytes, bool]

    @writes
    def forget(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        source: Source | None = None,
        near: float | str | None = None,
        dry_run: bool = False,
        keep_out: bool = False,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Take records out of every answer, at once and durably, by appending their inverse; their content is kept.

        By ids, or all live ones that match, or all of one source: the value at the store's `source_key`. What is
        forgotten already, or unknown, is left alone and named in the receipt. `restore` undoes it;
        `receipt.residuals()` tells who else still carries the content, `receipt.sources` how many live records have
        the same source.
        near: forget also every live record of at least this cosine to one of them (or to one of ids that was forgotten
        before), found by looking at all; "copies" and "windows" stand for the cosines in `suggested_near`, where
        edited copies and overlapping windows of a text begin. There is no default: a lower one takes unrelated texts.
        dry_run: change nothing; the receipt tells what would go.
        keep_out: from now on, refuse what has the same text (as NFKC, case folded, white space as one blank: a text cut
        otherwise is another one), and, where a source was named, all of that source, be it there or not. `add` and
        `update` tell whom they refused; `kept_out` lists, and `restore` or `let_in` lift it. Kept as fingerprints under
        a random key of the store.
        Raises ValueError for a record without a text to be kept out by.
        """
        selection = self._selection("forget", ids, where, source, near)
        arguments.check_flag("dry_run", dry_run)
        arguments.check_flag("keep_out", keep_out)
        arguments.check_words(reason, actor)
        if dry_run:
            would = changes.would_invert(self._mirror, Kind.FORGET, selection, keep_out=keep_out)
            return self._receipt("forget", *would, dry_run=True)
        changed = changes.invert(self._mirror, Kind.FORGET, selection, (reason, actor), keep_out=keep_out)
        return self._receipt("forget", *changed)

    @property
    def suggested_near(self) -> dict[str, float]:
        """Cosines for `forget(near=...)` that fit this store's embedder, by name: "copies" (edited), "windows"."""
        with self._mirror.reading():
            return {name: selecting.suggested(self._mirror, name) for name in selecting.NEAR}

    @writes
    def restore(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        source: Source | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Receipt:
        """Bring forgotten records back with the weight they had: by ids, all forgotten ones that match, or of a source.

        What is live already, unknown or erased is left alone and named in the receipt. Their texts, and a source named
        here, are kept out no longer.
        """
        selection = self._selection("restore", ids, where, source)
        arguments.check_words(reason, actor)
        return self._receipt("restore", *changes.invert(self._mirror, Kind.RESTORE, selection, (reason, actor)))

    @writes
    def erase(
        self,
        ids: Ids | None = None,
        *,
        where: Where | None = None,
        source: Source | None = None,
        forgotten_before: datetime | None = None,
        keep_out: bytes | str | os.PathLike[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Certificate:
        """Forget records and destroy every version of their content and vectors for good; returns the certificate.

        By ids, or every record, live or forgotten, whose newest version matches or is of a source, or every one that
        was forgotten before a time (aware of its time zone) and has not been restored since. Unknown ids are an error
        here, because a certificate speaks of something. reason and actor are kept; the words of earlier entries about
        the records go too.
        keep_out: a secret that is kept outside the store, 32 bytes or more or a file of them. What is erased is kept
        out by fingerprints under it, which the certificate counts, by stores opened with keep_out_key=. Without it,
        what a forget kept out of these records is let in again: a fingerprint whose key lies in the store could be
        guessed.
        Raises UnknownRecord, or ValueError when reason or actor quote the content: nothing is erased then. Raises
        ErasePending when a reader keeps old pages alive, LeftoversFound when a search of the files still finds bytes:
        then the records are gone from every answer, there is no certificate, and `finish_erase` tries again.
        """
        selection, before = None, None
        if forgotten_before is None:
            selection = self._selection("erase", ids, where, source)
        elif [ids, where, source].count(None) < 3:
            raise ValueError("erase takes ids, where=, source= or forgotten_before=, one of them; nothing was changed")
        else:
            before = math.ceil(arguments.seconds("forgotten_before", forgotten_before))
        arguments.check_words(reason, actor)
        secret = None if keep_out is None else arguments.secret("keep_out", keep_out, self._mirror.folder.path)
        with self._mirror.writing():
            changes.begin_erase(self._mirror, selection, before, (reason, actor), secret)
            self._mirror.keep_out_key = secret or self._mirror.keep_out_key
            return self._certified()

    def kept_out(self) -> list[KeptOut]:
        """What is kept out, oldest first."""
        with self._mirror.reading() as database:
            return [answers.kept_out(self._mirror, row) for row in database.keep_out.all()]

    @writes
    def let_in(
        self,
        names: Ids | None = None,
        *,
        source: Source | None = None,
        text: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> list[KeptOut]:
        """Keep something out no longer, and say so in the ledger: returns what it was. Nothing comes back by itself.

        By the names that `kept_out` lists; or a source, with all the texts that were kept out with it; or a text.
        Raises UnknownRecord for what is not kept out; nothing is changed then.
        """
        if [names, source, text].count(None) != 2:
            raise ValueError("let_in takes names, source= or text=, one of them; nothing was changed")
        wanted = None if names is None else list(dict.fromkeys(arguments.checked_ids(names, unique=False)))
        arguments.check_source(source, self._mirror.facts["source_key"])
        arguments.check_words(text, what="text")
        arguments.check_words(reason, actor)
        rows = changes.let_in(self._mirror, wanted, source, text, (reason, actor))
        with self._mirror.reading():
            return [answers.kept_out(self._mirror, row) for row in rows]

    @writes
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

    @writes
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

    def forgotten(self, ids: Ids | None = None, *, where: Where | None = None) -> list[Record]:
        """What is forgotten and not erased, with its content: for whoever decides what to restore or to erase.

        Of these ids, those that match, or all, in order of adding; weight: what `restore` gives back. No search, get or
        count reaches them, and nothing here changes that.
        """
        wanted, condition = arguments.restriction(ids, where)
        with self._mirror.reading():
            return answers.forgotten(self._mirror, None if wanted is None else set(wanted), condition)

    def residual(self, ids: Ids, *, carriers: int = 10, where: Where | None = None) -> list[Residual]:
        """How much of each record's content the other live records still carry, before or after forgetting it.

        carriers: how many of them to name, at most. where: look only at records that match, such as those of other
        sources. Raises UnknownRecord for an id that is neither live nor forgotten, ValueError for carriers < 1.
        """
        wanted = arguments.checked_ids(ids)
        condition = None if where is None else Filter(where)
        arguments.check_count_of("carriers", carriers)
        with self._mirror.reading():
            allowed = None if condition is None or self._mirror.dim is None else self._mirror.mask(condition).of
            return [answers.residual(self._mirror, id, carriers, allowed) for id in wanted]

    def _selection(
        self,
        verb: str,
        ids: Ids | None,
        where: Where | None,
        source: Source | None,
        near: float | str | None = None,
    ) -> Selection:
        arguments.check_near(near, selecting.NEAR)
        key = self._mirror.facts["source_key"]
        return Selection(*arguments.selection(verb, ids, where, source, key), source, near)

    def _receipt(
        self,
        verb: str,
        changed: changes.Changed,
        near: Sequence[Near] = (),
        *,
        dry_run: bool = False,
        kept_out: Sequence[str] = (),
    ) -> Receipt:
        def sources() -> dict[str, int]:
            with self._mirror.reading():
                return answers.sources(self._mirror, changed.ids)

        return Receipt(
            verb, *changed, lambda: self.residual(changed.ids), sources, tuple(near), dry_run, tuple(kept_out)
        )
