# What the field learned, kept from one opening of a store to the next.
#
# Rule: it is used only if it is of this store, of entries that are still there, and whole; else it is learned again.
# Rule: it is saved on opening and on closing, never inside another write; a crash costs the next opening some time.
"""The saved index of a store, and when it is saved."""

import logging
from contextlib import suppress
from hashlib import sha256
from typing import Any

from fieldstore.engine.bandwidth import DEFAULT_KAPPA
from fieldstore.engine.field import Field
from fieldstore.errors import ReadOnlyStore, WriteFailed, WriterBusy
from fieldstore.records import MILLIONTHS
from fieldstore.storage.folder import Folder
from fieldstore.storage.index_file import Arrays, Stamp
from fieldstore.storage.repellers import places_and_radii

_UNSAVED = 1000  # entries, or one for 64 points, that are rather followed again than saved
_log = logging.getLogger("fieldstore")


class KeptField:
    """The saved field of one folder. name: how messages call the store."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._size = 0  # entries it knows, as far as we know

    def load(self, facts: dict[str, Any]) -> tuple[Field, int] | None:
        """The field as it was saved, and how many entries it follows; None where there is none that fits."""
        saved = self._saved()
        if saved is None:
            return None
        stamp, arrays = saved
        if not 0 < stamp.size <= facts["size"] or stamp != self._stamp(facts, stamp.size):
            return None
        field = Field(facts["dim"], kappa=DEFAULT_KAPPA if stamp.kappa is None else stamp.kappa / MILLIONTHS)
        try:
            database = self._folder.database
            standing = database.repellers.standing(stamp.size)
            repellers = places_and_radii(standing, field.dim) if standing else None
            field.adopt(self._folder.vectors(field.dim).rows(database.points()), arrays, repellers)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            _log.warning("the index of %s does not fit: %s", self._name, error)
            return None
        self._size = stamp.size
        return field, stamp.size

    def _saved(self) -> tuple[Stamp, Arrays] | None:
        index = self._folder.index
        if index is None or not index.there():
            return None
        saved = index.load()
        if saved is None:
            with (
                suppress(ReadOnlyStore, WriterBusy, WriteFailed),
                self._folder.writing(),
            ):  # it may have been being saved just then
                saved = index.load()
        return saved

    def learned_again(self, field: Field, seconds: float) -> None:
        """Say that the field of an opened store had to be worked out, if that was more than a moment's work."""
        if self._size == 0 and self._folder.index is not None and field.state() is not None:
            _log.warning("%s had no index that fits; it was built again, in %.1f s", self._name, seconds)

    def save(self, field: Field, facts: dict[str, Any]) -> None:
        """Save the field if much of it is not saved yet; inside the writer's lock.

        field: as of all entries. What cannot be saved is worked out again by whoever opens the store next.
        """
        try:
            self._save(field, facts)
        except Exception as error:  # in a damaged store it may be anything; what is derived must stop nobody
            _log.warning("the index of %s could not be saved: %s", self._name, error)

    def _save(self, field: Field, facts: dict[str, Any]) -> None:
        index, size = self._folder.index, facts["size"]
        if index is None or size - self._size <= max(_UNSAVED, len(field) // 64) or field.state() is None:
            return
        field.unlearn(self._folder.database.erased())
        if state := field.state():
            index.save(self._stamp(facts, size), state)
            self._size = size

    def cleared(self) -> None:
        """An erase overwrote what was saved."""
        self._size = 0

    def _stamp(self, facts: dict[str, Any], size: int) -> Stamp:
        """What an index is of that knows so many entries."""
        last = self._folder.database.leaf(size - 1).encode()
        return Stamp(facts["uuid"], size, sha256(last).hexdigest(), facts["kappa"])
