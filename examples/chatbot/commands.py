# What a user can type after a slash.
#
# In:   a line that begins with a slash.
# Out:  what happened, said in the terminal.
# Rule: what cannot be undone asks back. What is forgotten or erased is looked for in the other sources, too.
"""The commands."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from examples.chatbot.conversation import Conversation
from examples.chatbot.library import Library, Source
from examples.chatbot.loading import load, unknown_files
from examples.chatbot.opening import Data
from examples.chatbot.reading import files_in
from examples.chatbot.reports import certificate_lines, history_lines, load_lines
from examples.chatbot.terminal import Terminal, printable
from fieldstore import verify_certificate


class Commands:
    """The commands of one chat."""

    def __init__(self, library: Library, conversation: Conversation, terminal: Terminal, data: Data) -> None:
        self._library = library
        self._conversation = conversation
        self._terminal = terminal
        self._data = data
        self.done = False

    def run(self, line: str) -> None:
        """Carry out one command, or say what is wrong with it."""
        name, _, argument = line.partition(" ")
        argument = argument.strip()
        command = COMMANDS.get(name.lower())
        if command is None:
            self._terminal.error(f"there is no command {name}; /help lists them")
        elif command.takes == "" and argument:
            self._terminal.error(f"{name} takes nothing after it")
        elif command.takes == "SOURCE" and not argument:
            self._terminal.error(f"{name} needs the name or number of a source; /sources lists them")
        else:
            command.run(self, argument)

    def _sources(self, _: str) -> None:
        table = Table("no.", "source", "passages", "state")
        for source in self._library.sources():
            state = "forgotten" if source.is_forgotten else "live"
            passages = str(source.live or source.forgotten)
            table.add_row(str(source.number), Text(printable(source.name)), passages, state)
        self._terminal.show(table)

    def _forget(self, wanted: str) -> None:
        source = self._library.find(wanted)
        if source.is_forgotten:
            self._terminal.say(f"{source} is forgotten already; /restore brings it back, /erase destroys it.")
            return
        self._forget_one(source, "asked for in the chat")
        for copy in self._copies_agreed(source, "Forget"):
            self._forget_one(copy, "near-copy of a forgotten source")

    def _forget_one(self, source: Source, reason: str) -> None:
        receipt = self._library.forget(source, reason)
        self._terminal.say(f"Forgotten: {source}, {len(receipt.ids)} passages; /restore {source.number} undoes it.")
        if hidden := self._conversation.hidden():
            self._terminal.say(f"Turns withheld from the conversation, since they lean on what is forgotten: {hidden}.")

    def _copies_agreed(self, source: Source, verb: str) -> Iterator[Source]:
        """The sources that still say the same, and their copies in turn, as far as the user agrees."""
        offered, pending = {source.name}, [source]
        while pending:
            for copy in self._library.copies(pending.pop()):
                if copy.source.name in offered:
                    continue
                offered.add(copy.source.name)
                part = f"{copy.passages} of its {copy.source.live} passages, cosine {copy.cosine:.3f}"
                self._terminal.say(f"{copy.source} still says the same: {part}.", "yellow")
                if self._terminal.confirm(f"{verb} {copy.source} too?"):
                    pending.append(copy.source)
                    yield copy.source

    def _restore(self, wanted: str) -> None:
        source = self._library.find(wanted)
        if not source.is_forgotten:
            self._terminal.say(f"{source} is not forgotten.")
            return
        receipt = self._library.restore(source, "asked for in the chat")
        self._terminal.say(f"Restored: {source}, {len(receipt.ids)} passages.")
        report = load(self._library, [source.name])  # its file may have changed in the meantime
        for line in load_lines(report) if report.changed else []:
            self._terminal.say(line)

    def _erase(self, wanted: str) -> None:
        source = self._library.find(wanted)
        count = source.live + source.forgotten
        if not self._terminal.confirm(f"Destroy {source} for good, {count} passages? Nothing brings them back."):
            self._terminal.say("Nothing was erased.")
            return
        self._erase_all([source, *self._copies_agreed(source, "Erase")])

    def _erase_all(self, doomed: list[Source]) -> None:
        self._conversation.destroy(self._library.ids(*doomed))  # first: an erase that a reader holds up counts, too
        certificate = self._library.erase(doomed, "asked for in the chat")
        self._terminal.say(f"Erased: {', '.join(map(str, doomed))}.")
        self._data.certificates.mkdir(exist_ok=True)
        path = self._data.certificates / f"erasure-{certificate.entries[0]:06}.json"
        path.write_text(certificate.to_json())
        for line in certificate_lines(certificate):
            self._terminal.say(f"  {line}")
        self._terminal.say(f"  saved as {path}")
        if wrong := verify_certificate(certificate, self._data.public_key.read_bytes()):
            self._terminal.error(f"the certificate does not hold: {'; '.join(wrong)}")
        else:
            self._terminal.say("  verified with the public key: it holds", "green")
        for left in sorted({source.name for source in doomed} & files_in(self._library.folder).keys()):
            self._terminal.say(f"The file {left} still lies in the folder, where /load can read it again.")
        for kept in [source for source in self._library.sources() if source.is_forgotten]:
            self._terminal.say(f"Forgotten, but still on disk: {kept}. /erase {kept.number} destroys it too.")

    def _history(self, wanted: str) -> None:
        for line in history_lines(self._library, self._library.find(wanted) if wanted else None):
            self._terminal.say(line)

    def _load(self, wanted: str) -> None:
        files = files_in(self._library.folder)
        if wanted and wanted not in files:
            self._terminal.error(f"no file {wanted!r} that can be read in {self._library.folder}")
            return
        unknown = [] if wanted else unknown_files(self._library)
        if unknown:
            self._terminal.say(f"Not in the store: {', '.join(unknown)}. A file you erased looks like a new one.")
            if not self._terminal.confirm("Read them?"):
                files = {name: path for name, path in files.items() if name not in unknown}
        for line in load_lines(load(self._library, [wanted] if wanted else files)):
            self._terminal.say(line)

    def _help(self, _: str) -> None:
        table = Table(box=None, show_header=False)
        for name, command in COMMANDS.items():
            table.add_row(Text(f"{name} {command.takes}"), command.help)
        self._terminal.show(table)
        self._terminal.say("SOURCE is a name, a part of one, or a number. Anything without a slash is a question.")

    def _quit(self, _: str) -> None:
        self.done = True


class Command(NamedTuple):
    """A command: what it takes ("" = nothing, in brackets = optional), one line of help, and what it runs."""

    takes: str
    help: str
    run: Callable[[Commands, str], None]


COMMANDS = {
    "/sources": Command("", "list the sources, with their numbers", Commands._sources),
    "/forget": Command("SOURCE", "take a source out of every answer; /restore undoes it", Commands._forget),
    "/restore": Command("SOURCE", "bring a forgotten source back", Commands._restore),
    "/erase": Command("SOURCE", "destroy a source for good; asks back, gives a certificate", Commands._erase),
    "/history": Command("[SOURCE]", "what was ever done here, or to one source", Commands._history),
    "/load": Command("[FILE]", "read new and changed files of the folder, or this one", Commands._load),
    "/help": Command("", "this list", Commands._help),
    "/quit": Command("", "leave", Commands._quit),
}
