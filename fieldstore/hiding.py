# Hiding: the verbs that place repellers, list them, and take them back.
#
# Rule: a repeller hides and deletes nothing: what it silences is out of every ranking, and still there for `get`.
# Rule: check, then write, then let memory follow what was written, so that a refused call changes nothing.
"""How a store hides what lies around a place."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import ArrayLike

from fieldstore import arguments
from fieldstore.arguments import Ids
from fieldstore.engine.inputs import unit_rows
from fieldstore.ledger import Draft, new_salt, repeller_commitment
from fieldstore.mirror import Mirror
from fieldstore.records import Receipt, Repeller
from fieldstore.storage.repellers import Placed
from fieldstore.writing import writes


class Hiding:
    """The verbs of repellers; a `FieldStore` has them all. _mirror: its state."""

    _mirror: Mirror

    @writes
    def repel(
        self, place: str | ArrayLike, radius: float, *, reason: str | None = None, actor: str | None = None
    ) -> Repeller:
        """Hide the records around a place; returns the repeller, which lists those it hides now.

        place: a vector, (dim,), any length but 0, or the id of a record, live or forgotten. radius: a cosine, -1 to 1:
        records of weight 1 that are at least so similar to the place are silent, and those just outside are lowered: at
        radius - 1 / kappa they keep 63 of 100. It takes exp(kappa (cosine - radius)) copies off every weight, and so
        off phi (field-semantics, 8). Hidden records are in no ranking, and still in `get`, `count` and `history`. What
        is added within the radius later is hidden too. `unrepel` takes it back; erasing the record whose place it is
        destroys it. Repelling once more from the same place, as far, writes nothing.
        Raises UnknownRecord for an id that was never there or is erased, ValueError for a bad vector or radius or where
        the store has no dimension yet; nothing is hidden then.
        """
        id = arguments.checked_ids([place])[0] if isinstance(place, str) else None
        cosine = arguments.radius(radius)
        arguments.check_words(reason, actor)
        mirror = self._mirror
        with mirror.writing() as database:
            if id is None:
                point, row = None, unit_rows(place, mirror.field.dim, what="place")
                if len(row) != 1:
                    raise ValueError(f"repel takes one place at a time, not {len(row)}; nothing was hidden")
            else:
                point = mirror.kept(id).sum.point
                row = mirror.row(point)[None]
            data = np.ascontiguousarray(row, "<f4").tobytes()
            same = [one for one in database.repellers.standing() if (one.place, one.radius) == (data, cosine)]
            if same:
                return next(one for one in self._listed() if one.name == same[0].name)
            draft, salt = mirror.draft(reason, actor), new_salt()
            seq, element = draft.repel(repeller_commitment(salt, data, cosine))
            mirror.commit(draft, repellers=[Placed(seq, element, None, point, cosine, data, salt)])
            return self._listed()[-1]

    def repellers(self) -> list[Repeller]:
        """The repellers that stand, oldest first, each with the live records that it hides now."""
        with self._mirror.reading():
            return self._listed()

    @writes
    def unrepel(self, names: Ids, *, reason: str | None = None, actor: str | None = None) -> Receipt:
        """Take repellers back, by their names: what they hid answers again, as if it had never been hidden.

        The receipt's `ids` are the names of those taken back, `unchanged` of those that had been before, `unknown` of
        those that never were. Their places are kept for views of the past (`as_of`).
        """
        wanted = list(dict.fromkeys(arguments.checked_ids(names, unique=False)))
        arguments.check_words(reason, actor)
        with self._mirror.writing() as database:
            known = {one.name: one for one in database.repellers.all()}
            standing = [known[name] for name in wanted if name in known and known[name].until is None]
            draft = self._mirror.draft(reason, actor)
            back = [one._replace(until=draft.unrepel(one.element, one.seq)) for one in standing]
            self._mirror.commit(draft, repellers=back)
        done = [one.name for one in back]
        same = [name for name in wanted if name in known and name not in done]
        unknown = [name for name in wanted if name not in known]
        return _receipt(draft, done, same, unknown)

    def _listed(self) -> list[Repeller]:
        mirror = self._mirror
        standing = mirror.folder.database.repellers.standing()
        if not standing:
            return []
        hidden = mirror.field.hidden()
        points = {point for of_one in hidden for point in of_one.tolist()}
        own = {one.point for one in standing if one.point is not None}
        contents = mirror.contents(sorted(points | own))
        found = []
        for one, of_one in zip(standing, hidden, strict=True):
            actor, reason = mirror.folder.database.note(one.seq)
            time = datetime.fromtimestamp(mirror.folder.database.leaf(one.seq).time, UTC)
            record = None if one.point is None else contents[one.point].id
            hides = tuple(contents[point].id for point in of_one.tolist())
            found.append(Repeller(one.name, one.radius, time, record, hides, actor, reason))
        return found


def _receipt(draft: Draft, done: list[str], same: list[str], unknown: list[str]) -> Receipt:
    entries = tuple(leaf.seq for leaf in draft.leaves)
    return Receipt("unrepel", tuple(done), tuple(same), tuple(unknown), entries, list, dict)
