# Keeping out: which fingerprints a forget records, what an add is refused for, what lets it in again.
#
# Rule: inside `mirror.writing`; everything is drafted here and written with the verb's own entries, in its transaction.
# Rule: a fingerprint whose key lies in the store may live as long as the content it is of: it could be guessed. What
# outlives an erase is recorded under a key that is kept elsewhere.
"""Texts and sources that are to stay away."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fieldstore import fingerprint, metadata
from fieldstore.errors import StoreDamaged, UnknownRecord
from fieldstore.filters import Filter, value_at
from fieldstore.ledger import Draft, kept_out, new_salt
from fieldstore.mirror import Mirror
from fieldstore.storage.database import Content, Version
from fieldstore.storage.keep_out import FACT as OWN_KEY
from fieldstore.storage.keep_out import Change, Row


class Keys(NamedTuple):
    """Keys and what each is known by in the store; None = its own."""

    own: bytes
    elsewhere: bytes | None
    name: bytes | None

    def pairs(self) -> list[tuple[bytes, bytes | None]]:
        """(key, name) of those there are."""
        return [(self.own, None)] + ([] if self.elsewhere is None else [(self.elsewhere, self.name)])


class Keeping:
    """What a verb changes about what is kept out: drafted here, and committed with the rest of what the verb does."""

    def __init__(self, mirror: Mirror, draft: Draft) -> None:
        self._mirror = mirror
        self._kept = mirror.folder.database.keep_out
        self._draft = draft
        self._rows: list[Row] = []
        self._dropped: list[int] = []
        self.key = self._kept.key() or new_salt()

    def change(self) -> Change | None:
        """What there is to commit."""
        return Change(self.key, self._rows, self._dropped) if self._rows or self._dropped else None

    def record(self, texts: Iterable[tuple[int, str | None]], source: Any, key: bytes, name: bytes | None) -> None:
        """Keep out the texts of points, and a source unless it is None, under a key; what is kept out already stays."""
        of = None
        if (mark := fingerprint.of_source(key, source)) is not None:
            known = [*self._kept.of_prints([mark]), *(row for row in self._rows if row.print == mark)]
            of = known[0].seq if known else self._add(mark, "source", name, None, None)
        marks = {point: fingerprint.of_text(key, text) for point, text in texts}
        known_texts = {(row.print, row.point) for row in self._kept.of_points([*marks])}
        for point, mark in marks.items():
            if mark is not None and (mark, point) not in known_texts:
                self._add(mark, "text", name, point, of)

    def _add(self, mark: bytes, what: str, name: bytes | None, point: int | None, source: int | None) -> int:
        salt = new_salt()
        seq = self._draft.keep_out(kept_out(salt, mark, what, name))
        self._rows.append(Row(seq, mark, what, name, point, source, salt))
        return seq

    def lift(self, rows: Iterable[Row], *, alone: bool = False) -> list[Row]:
        """Let these in again; unless alone, those of sources with all that was recorded with them. Returns what is
        lifted."""
        gone = {row.seq: row for row in rows}
        for row in [*gone.values()]:
            if row.what == "source" and not alone:
                gone |= {other.seq: other for other in self._kept.of_source(row.seq)}
        for seq in sorted(gone):
            self._draft.let_in(self._mirror.folder.database.leaf(seq).element, seq)
        self._dropped += gone
        return [gone[seq] for seq in sorted(gone)]


def keys(mirror: Mirror) -> Keys | None:
    """The keys to recognise by; None where nothing is kept out."""
    own = mirror.folder.database.keep_out.key()
    if own is None:
        return None
    secret = mirror.keep_out_key
    return Keys(own, secret, None if secret is None else fingerprint.name_of(secret, mirror.facts["uuid"]))


def refused(mirror: Mirror, texts: Sequence[str | None] | None, stored: Sequence[str] | None) -> set[int]:
    """Which records are kept out, by their places: for their texts, or the sources in their stored metadata."""
    if OWN_KEY not in mirror.facts or (known := keys(mirror)) is None:
        return set()
    marks: dict[bytes, list[int]] = {}
    sources = (
        [] if stored is None else [value_at(one, mirror.facts["source_key"]) for one in metadata.decode_all(stored)]
    )
    for key, _ in known.pairs():
        for number, text in enumerate(texts or ()):
            if (mark := fingerprint.of_text(key, text)) is not None:
                marks.setdefault(mark, []).append(number)
        for number, source in enumerate(sources):
            if (mark := fingerprint.of_source(key, source)) is not None:
                marks.setdefault(mark, []).append(number)
    return {number for row in mirror.folder.database.keep_out.of_prints(marks) for number in marks[row.print]}


def of_forgotten(keeping: Keeping, mirror: Mirror, versions: Sequence[Version], source: Any) -> None:
    """Keep out what a forget was about: the records' texts, and the source it named. Raises as `check_texts`."""
    check_texts(mirror, versions, source)
    if source is not None:  # those that were forgotten before belong to it as well
        versions = [*versions, *mirror.forgotten(Filter({mirror.facts["source_key"]: {"$eq": source}}))]
    contents = mirror.contents([version.sum.point for version in versions])
    keeping.record(((point, content.text) for point, content in contents.items()), source, keeping.key, None)


def check_texts(mirror: Mirror, versions: Sequence[Version], source: Any) -> None:
    """ValueError for a record without a text where no source was named: it could not be recognised."""
    if source is not None:
        return
    for content in mirror.contents([version.sum.point for version in versions]).values():
        if not fingerprint.normalised(content.text or ""):
            raise ValueError(
                f"record '{content.id}' has no text to be recognised by; nothing was changed. "
                "forget(source=..., keep_out=True) keeps out a source"
            )


def of_restored(keeping: Keeping, mirror: Mirror, versions: Sequence[Version], source: Any) -> None:
    """Let in what a restore brings back: the records' texts, whoever else had them, and the source it named."""
    kept, known, points = mirror.folder.database.keep_out, keys(mirror), [version.sum.point for version in versions]
    if known is None:
        return
    texts = [content.text for content in mirror.contents(points).values()]
    marks = [fingerprint.of_text(key, text) for key, _ in known.pairs() for text in texts]
    same = kept.of_prints(mark for mark in marks if mark is not None)
    keeping.lift([*kept.of_points(points), *same, *_of_source(mirror, source)])


def _source(content: Content, key: str) -> object:
    """The value of the source key; None where the metadata is damaged, which must keep nobody from erasing it."""
    try:
        return value_at(metadata.decode(content.metadata), key)
    except StoreDamaged:
        return None


def of_erased(keeping: Keeping, mirror: Mirror, versions: Sequence[Version], source: Any, secret: bytes | None) -> None:
    """Drop the fingerprints whose key lies in the store, of what an erase destroys; record others under the secret.

    source: what the erase named. A source goes when no record of it is left; under the secret it stays kept out.
    """
    database, key = mirror.folder.database, mirror.facts["source_key"]
    if secret is not None:
        check_key(mirror, secret)
    points = {version.sum.point for version in versions}
    contents = database.contents(sorted(points))
    own = [row for row in database.keep_out.of_points(sorted(points)) if row.key is None]
    sources = {point: _source(content, key) for point, content in contents.items()}
    named = [] if source is None else [source]
    if database.keep_out.key() is not None:
        for value in [*sources.values(), *named]:
            rows = [row for row in _of_source(mirror, value) if row.key is None and row not in own]
            if rows and not _others(mirror, key, value, points):
                own += rows
                named.append(value)
    keeping.lift(own, alone=True)  # texts of others that went with the source stay kept out
    if secret is None:
        return
    name, left = fingerprint.name_of(secret, mirror.facts["uuid"]), {point: contents[point].text for point in contents}
    for value in named:
        texts = [(point, left.pop(point)) for point in [*left] if sources[point] == value]
        keeping.record(texts, value, secret, name)
    keeping.record(left.items(), None, secret, name)


def check_key(mirror: Mirror, secret: bytes) -> None:
    """ValueError unless what is kept out under a key from elsewhere is kept out under this one."""
    names = mirror.folder.database.keep_out.keys()
    if names - {fingerprint.name_of(secret, mirror.facts["uuid"])}:
        raise ValueError(
            f"{mirror.name} keeps things out under another secret than this one; nothing was changed. Give it the one "
            "that was given to erase before"
        )


def _of_source(mirror: Mirror, source: Any) -> list[Row]:
    known = keys(mirror)
    if known is None or source is None:
        return []
    marks = [mark for key, _ in known.pairs() if (mark := fingerprint.of_source(key, source)) is not None]
    return mirror.folder.database.keep_out.of_prints(marks)


def _others(mirror: Mirror, key: str, source: Any, points: set[int]) -> bool:
    """Whether other records than those at these points have the source, live or forgotten."""
    condition = Filter({key: {"$eq": source}})
    left = {*mirror.live_points(condition), *(known.sum.point for known in mirror.forgotten(condition))}
    return bool(left - points)


def let_in(keeping: Keeping, mirror: Mirror, names: Sequence[str] | None, source: Any, text: str | None) -> list[Row]:
    """What is let in: by the names that `kept_out` gives, or a source with all that was recorded with it, or a text.

    Raises UnknownRecord for what is not kept out.
    """
    kept = mirror.folder.database.keep_out
    if names is not None:
        by_name = {name_of(mirror, row): row for row in kept.all()}
        rows = [by_name[name] for name in names if name in by_name]
        unknown = [f"'{name}'" for name in names if name not in by_name]
    elif source is not None:
        rows = _of_source(mirror, source)
        unknown = [] if rows else [f"the source {source!r}"]
    else:
        known = keys(mirror)
        marks = [] if known is None else [fingerprint.of_text(key, text) for key, _ in known.pairs()]
        rows = kept.of_prints([mark for mark in marks if mark is not None])
        unknown = [] if rows else ["this text"]
    if unknown:
        raise UnknownRecord(
            f"{unknown[0]} is not kept out of {mirror.name}, as far as the keys at hand tell; nothing was changed. "
            "store.kept_out() lists what is"
        )
    return keeping.lift(rows)


def name_of(mirror: Mirror, row: Row) -> str:
    """What the ledger calls it: 32 hex digits."""
    return mirror.folder.database.leaf(row.seq).element.hex()
