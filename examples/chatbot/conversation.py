# What was said in this chat, and how much of it may still be repeated.
#
# In:   turns: a question, its answer, and every passage that could have flowed into the answer.
# Out:  the turns that a model may be shown.
# Rule: a turn is shown only while each of its passages is live in the store with the same text. So a forgotten source
#       leaves the conversation by itself, and a restored one comes back.
# Rule: the question goes with the answer; it often repeats what an earlier answer gave away.
"""The chat's memory."""

from collections.abc import Collection
from dataclasses import dataclass

from examples.chatbot.library import Passage
from fieldstore import FieldStore

_LONGEST = 10  # turns shown to a model


@dataclass(frozen=True)
class Turn:
    """One question and its answer. used: text of every passage that could have flowed into it, by id; cited: those
    shown with it."""

    question: str
    answer: str
    used: dict[str, str]
    cited: tuple[Passage, ...] = ()


class Conversation:
    """The turns of one chat, kept in memory only. last: the latest, None before the first and once it is destroyed."""

    def __init__(self, store: FieldStore) -> None:
        self._store = store
        self._turns: list[Turn] = []
        self.last: Turn | None = None
        self.last_destroyed = False

    def add(self, turn: Turn) -> None:
        """Remember a turn."""
        self._turns.append(turn)
        self.last, self.last_destroyed = turn, False

    def visible(self) -> list[Turn]:
        """The latest turns that lean on nothing but live passages, oldest first."""
        return self._live()[-_LONGEST:]

    def hidden(self) -> int:
        """How many turns lean on passages that are no longer live."""
        return len(self._turns) - len(self._live())

    def _live(self) -> list[Turn]:
        used = {id for turn in self._turns for id in turn.used}
        live = {record.id: record.text for record in self._store.get(sorted(used))} if used else {}
        return [turn for turn in self._turns if turn.used.items() <= live.items()]

    def destroy(self, ids: Collection[str]) -> None:
        """Drop every turn that leans on one of these passages: they were erased, and nothing brings them back."""
        self._turns = [turn for turn in self._turns if turn.used.keys().isdisjoint(ids)]
        if self.last is not None and self.last not in self._turns:
            self.last, self.last_destroyed = None, True
