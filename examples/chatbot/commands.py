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

from examples.chatbot.answering import Extractive
from examples.chatbot.conversation import Conversation
from examples.chatbot.copies import Copy, returned, spread
from examples.chatbot.erasing import Erasing
from examples.chatbot.library import ASKED, COPIED, Library, NoSuchSource, Passage, Source
from examples.chatbot.loading import cut_out, load, unknown_files, without_text
from examples.chatbot.opening import Data
from examples.chatbot.previews import about, going, going_lines
from examples.chatbot.reading import files_in
from examples.chatbot.reports import copied, history_lines, load_lines, nothing_to_restore, state_of
from examples.chatbot.terminal import Terminal, printable
from examples.chatbot.why import why_lines

_NEEDS_SOURCE = "{} needs the name or number of a source; /sources lists them"
_NEEDS_QUESTION = "{} needs a question, such as: {} What is Mr Smith allergic to?"
_NOTHING_ABOUT = "Nothing in the documents answers that surely enough, so nothing"


class Commands:
    """The commands of one chat."""

    def __init__(
        self,
        library: Library,
        conversation: Conversation,
        terminal: Terminal,
        data: Data,
        extractive: Extractive,
    ) -> None:
        self._library = library
        self._conversation = conversation
        self._terminal = terminal
        self._extractive = extractive
        self.erasing = Erasing(library, conversation, terminal, data)
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
            self._terminal.error(_NEEDS_SOURCE.format(name))
        elif command.takes == "QUESTION" and not argument:
            self._terminal.error(_NEEDS_QUESTION.format(name, name))
        else:
            command.run(self, argument)

    def _sources(self, _: str) -> None:
        table = Table("no.", "source", "passages", "state")
        for source in self._library.sources():
            passages = str(source.live or source.forgotten)
            state = state_of(source, self._library.forgotten(source.name))
            table.add_row(str(source.number), Text(printable(source.name)), passages, state)
        self._terminal.show(table)

    def _forget(self, wanted: str) -> None:
        source = self._library.find(wanted)
        if source.is_forgotten:
            self._terminal.say(f"{source} is forgotten already; /erase destroys it, /restore undoes a /forget.")
        else:
            self._forget_with_copies(source, ASKED)

    def _forget_about(self, question: str) -> None:
        found = about(self._library, self._extractive, question)
        if not found:
            self._terminal.say(f"{_NOTHING_ABOUT} was forgotten.")
            return
        parts = going(self._library, _sources_of(found))
        for line in going_lines(parts, found):
            self._terminal.say(line)
        passages = sum(len(part.records) for part in parts)
        if self._terminal.confirm(f"Forget these {len(parts)} sources, {passages} passages?", insist=False):
            for part in parts:
                self._forget_one(part.source, COPIED if part.copy else ASKED)
        else:
            self._terminal.say("Nothing was forgotten. /forget takes one source alone.")

    def _preview(self, wanted: str) -> None:
        try:
            sources, found = [self._library.find(wanted)], list[Passage]()
            verb = f"/forget {sources[0].number}"
        except NoSuchSource:
            found = about(self._library, self._extractive, wanted)
            sources, verb = _sources_of(found), "/forget-about"
        if sources and sources[0].is_forgotten:
            self._terminal.say(f"{sources[0]} is forgotten already, so nothing would go.")
        elif not sources:
            self._terminal.say(f"{_NOTHING_ABOUT} would go.")
        else:
            self._terminal.say(f"{verb} would take, if you say yes to all of it:")
            for line in going_lines(going(self._library, sources), found):
                self._terminal.say(line)
            self._terminal.say("Nothing was changed.")

    def _why(self, _: str) -> None:
        turn = self._conversation.last
        if turn is None and self._conversation.last_destroyed:
            self._terminal.say("The last answer leaned on what was erased since; nothing of it is kept.")
        elif turn is None:
            self._terminal.say("There is no answer yet to look behind.")
        else:
            for line in why_lines(self._library, turn):
                self._terminal.say(line)

    def _forget_with_copies(self, source: Source, reason: str) -> None:
        self._forget_one(source, reason)
        for copy in self._copies_agreed(source, "Forget"):
            self._forget_one(copy, COPIED)

    def _forget_one(self, source: Source, reason: str) -> None:
        receipt = self._library.forget(source, reason)
        self._terminal.say(f"Forgotten: {source}, {len(receipt.ids)} passages; /restore {source.number} undoes it.")
        if hidden := self._conversation.hidden():
            self._terminal.say(f"Turns withheld from the conversation, since they lean on what is forgotten: {hidden}.")

    def _copies_agreed(self, source: Source, verb: str) -> Iterator[Source]:
        """The sources that still say the same, and their copies in turn, as far as the user agrees."""

        def agreed(copy: Copy) -> bool:
            self._terminal.say(f"{copy.source} still says the same: {copied(copy)}.", "yellow")
            return self._terminal.confirm(f"{verb} {copy.source} too?")

        return (copy.source for copy in spread(self._library, [source], agreed))

    def _restore(self, wanted: str) -> None:
        source = self._library.find(wanted)
        forgotten = self._library.forgotten(source.name)
        if not forgotten.taken:
            self._terminal.say(
                f"{source} is not forgotten." if source.live else f"{source}: {nothing_to_restore(forgotten)}"
            )
            return
        report = load(self._library, [source.name], restoring=True)  # its file may have changed in the meantime
        if report.unreadable or source.name not in files_in(self._library.folder):
            restored = list(self._library.restore(forgotten.taken).ids)
        else:
            restored = report.restored
        self._terminal.say(f"Restored: {source}, {len(restored)} passages.")
        for line in load_lines(report) if report.changed or report.disturbed else []:
            self._terminal.say(line)
        if (left := set(forgotten.taken).difference(restored)) and not report.disturbed:
            self._terminal.say(f"No longer in its file, so left forgotten: {len(left)} passages. /purge destroys them.")

    def _erase(self, wanted: str) -> None:
        if not wanted and self.erasing.pending:
            self.erasing.finish()
            return
        if not wanted:
            self._terminal.error(_NEEDS_SOURCE.format("/erase"))
            return
        source = self._library.find(wanted)
        count = source.live + source.forgotten
        if not self._terminal.confirm(f"Destroy {source} for good, {count} passages? Nothing brings them back."):
            self._terminal.say("Nothing was erased.")
            return
        doomed = [source, *self._copies_agreed(source, "Erase")]
        self.erasing.erase(self._library.ids(*(one.name for one in doomed)), [str(one) for one in doomed])
        for left in sorted({source.name for source in doomed} & files_in(self._library.folder).keys()):
            self._terminal.say(f"The file {left} still lies in the folder, where /load can read it again.")
        for kept in [source for source in self._library.sources() if source.is_forgotten]:
            self._terminal.say(f"Forgotten, but still on disk: {kept}. /erase {kept.number} destroys it too.")

    def _purge(self, wanted: str) -> None:
        found = cut_out(self._library)
        if wanted:
            name = self._library.find(wanted).name
            found = {name: found[name]} if name in found else {}
        if not found:
            self._terminal.say("There is nothing that was cut out of its file and is still on disk.")
            return
        count, names = sum(map(len, found.values())), ", ".join(found)
        question = (
            f"Destroy for good what is no longer in its file, {count} passages of {names}? Nothing brings them back."
        )
        if self._terminal.confirm(question):
            self.erasing.erase([id for ids in found.values() for id in ids], [f"{count} old passages of {names}"])
        else:
            self._terminal.say("Nothing was erased.")

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
        report = load(self._library, [wanted] if wanted else files)
        for line in load_lines(report):
            self._terminal.say(line)
        for copy in returned(self._library, report.added):
            self._terminal.say(f"{copy.source} says what was forgotten: {copied(copy)}.", "yellow")
            if self._terminal.confirm(f"Forget {copy.source} too?"):
                self._forget_with_copies(copy.source, COPIED)
        for source in [] if wanted else without_text(self._library):
            what = f"{source} has no file with text any more, and its {source.live} passages go on answering."
            self._terminal.say(what, "yellow")
            if self._terminal.confirm(f"Forget {source}?"):
                self._forget_with_copies(source, ASKED)

    def _help(self, _: str) -> None:
        table = Table(box=None, show_header=False)
        for name, command in COMMANDS.items():
            table.add_row(Text(f"{name} {command.takes}"), command.help)
        self._terminal.show(table)
        self._terminal.say("SOURCE is a name, a part of one, or a number. Anything without a slash is a question.")

    def _quit(self, _: str) -> None:
        self.done = True


def _sources_of(passages: list[Passage]) -> list[Source]:
    """Each once, in order; a passage of each was live when it was found."""
    return list({passage.source.name: passage.source for passage in passages}.values())


class Command(NamedTuple):
    """A command: what it takes ("" = nothing, in brackets = optional), one line of help, and what it runs."""

    takes: str
    help: str
    run: Callable[[Commands, str], None]


COMMANDS = {
    "/sources": Command("", "list the sources, with their numbers", Commands._sources),
    "/forget": Command("SOURCE", "take a source out of every answer; /restore undoes it", Commands._forget),
    "/forget?": Command("QUESTION", "what a /forget-about would take, or a /forget of a source", Commands._preview),
    "/forget-about": Command("QUESTION", "forget what answers a question, after asking back", Commands._forget_about),
    "/restore": Command("SOURCE", "bring a forgotten source back", Commands._restore),
    "/erase": Command("[SOURCE]", "destroy a source for good, with a certificate; or finish an erase", Commands._erase),
    "/purge": Command("[SOURCE]", "destroy what was cut out of its file; asks back, too", Commands._purge),
    "/why": Command("", "the passages behind the last answer, and their place in the field", Commands._why),
    "/history": Command("[SOURCE]", "what was ever done here, or to one source", Commands._history),
    "/load": Command("[FILE]", "read new and changed files of the folder, or this one", Commands._load),
    "/help": Command("", "this list", Commands._help),
    "/quit": Command("", "leave", Commands._quit),
}
