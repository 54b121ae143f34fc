# Destroying passages, and what is to be shown for it.
#
# In:   ids of passages.
# Out:  a certificate in a file for every erase of this store, whichever run of the chat finished it.
# Rule: what could keep us from proving an erase is looked at before anything is erased.
# Rule: an erase that a reader holds up is not lost: it is out of every answer, and is finished later.
"""Erasing."""

from pathlib import Path

from examples.chatbot.conversation import Conversation
from examples.chatbot.library import Library
from examples.chatbot.opening import Data
from examples.chatbot.reports import certificate_lines
from examples.chatbot.terminal import Terminal
from fieldstore import Certificate, ErasePending, LeftoversFound, verify_certificate

_PENDING = """\
It is out of every answer for good, but there is no certificate yet: another program is still reading the store, and
keeps old pages of it on disk. Close that program, then type /erase without a name, or start the chat again: both finish
it."""


class Erasing:
    """The erases of one chat."""

    def __init__(self, library: Library, conversation: Conversation, terminal: Terminal, data: Data) -> None:
        self._library = library
        self._conversation = conversation
        self._terminal = terminal
        self._data = data

    def erase(self, ids: list[str], names: list[str]) -> None:
        """Destroy these passages, and say so by these names.

        Raises:
            ValueError: the public key cannot be read; nothing was erased.
        """
        self._public_key()
        self._conversation.destroy(ids)  # first: an erase that a reader holds up counts, too
        try:
            self._library.erase(ids)
        except (ErasePending, LeftoversFound) as error:
            self._say_pending(error)
        else:
            self._terminal.say(f"Erased: {', '.join(names)}.")
            self.save()

    @property
    def pending(self) -> bool:
        """Whether there is an erase to be finished."""
        return bool(self._library.store.stats()["erases_pending"])

    def finish(self) -> None:
        """Finish what was held up."""
        self._public_key()
        try:
            self._library.store.finish_erase()
        except (ErasePending, LeftoversFound) as error:
            self._say_pending(error)
        else:
            self._terminal.say("The erase that was held up is finished.")
            self.save()

    def resume(self) -> None:
        """At the start: finish what an earlier chat could not (opening the store tries, too), and save its proof."""
        if self.pending:
            self._terminal.say("An erase of an earlier chat is not finished.", "yellow")
            self.finish()
        else:
            self.save()

    def save(self) -> None:
        """Write every certificate that is in no file yet, and show and verify it."""
        for certificate in self._library.store.certificates():
            path = self._data.certificates / f"erasure-{certificate.entries[0]:06}.json"
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_text(certificate.to_json(), encoding="utf-8")
                self._show(certificate, path)

    def _show(self, certificate: Certificate, path: Path) -> None:
        for line in certificate_lines(certificate):
            self._terminal.say(f"  {line}")
        self._terminal.say(f"  saved as {path}")
        if wrong := verify_certificate(certificate, self._public_key()):
            self._terminal.error(f"the certificate does not hold: {'; '.join(wrong)}")
        else:
            self._terminal.say("  verified with the public key: it holds", "green")

    def _say_pending(self, error: ErasePending | LeftoversFound) -> None:
        self._terminal.error(_PENDING if isinstance(error, ErasePending) else f"{error}. Here: /erase without a name")

    def _public_key(self) -> bytes:
        path = self._data.public_key
        try:
            return path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"{path}, which certificates are verified with, cannot be read; nothing was erased"
            ) from error
