# The chat: questions and commands, until there are no more.
#
# In:   a library, an answerer, and a terminal.
# Out:  a conversation, and 0 or 1 for the shell.
# Rule: every answer is remembered together with all that could have flowed into it.
"""The chat itself."""

from examples.chatbot.answering import WEAK, Answer, Answerer, Extractive
from examples.chatbot.commands import Commands
from examples.chatbot.conversation import Conversation, Turn
from examples.chatbot.library import Library
from examples.chatbot.loading import load, never_filled, unknown_files
from examples.chatbot.opening import Data
from examples.chatbot.reading import files_in
from examples.chatbot.reports import beginning, load_lines
from examples.chatbot.terminal import ScriptFailed, Terminal
from examples.chatbot.writing import ModelFailed
from fieldstore import FieldStoreError


class Chat:
    """One conversation about one folder of documents. weak: the strength below which nothing is about a question."""

    def __init__(
        self, library: Library, answerer: Answerer, terminal: Terminal, data: Data, weak: float = WEAK
    ) -> None:
        self.library = library
        self.conversation = Conversation(library.store)
        extractive = Extractive(library.embedder, weak)
        self.commands = Commands(library, self.conversation, terminal, data, extractive)
        self._answerer = answerer
        self._terminal = terminal

    def run(self, *, reload: bool = False) -> int:
        """Read the folder if need be, then answer until the end. 1 when a script failed, else 0."""
        try:
            self._start(reload)
            while not self.commands.done and (line := self._terminal.ask()) is not None:
                self._take(line.strip())
        except ScriptFailed as failure:
            self._terminal.say(f"Stopped at {failure}", "red")
            return 1
        return 0

    def _start(self, reload: bool) -> None:
        """Read the folder into a new store; into an old one only on request, or an erased source would come back."""
        self.commands.erasing.resume()
        if never_filled(self.library):
            for line in load_lines(load(self.library, files_in(self.library.folder))):
                self._terminal.say(line)
        elif reload:
            self.commands.run("/load")
        elif unknown := unknown_files(self.library):
            self._terminal.say(f"Not read, because new or erased: {', '.join(unknown)}. /load offers to read them.")
        self._terminal.say("Ask something, or type /help.", "dim")

    def _take(self, line: str) -> None:
        """One line of the user's; what goes wrong in it is said, and the chat goes on."""
        try:
            if line.startswith("/"):
                self.commands.run(line)
            elif line:
                self._ask(line)
        except (ValueError, ModelFailed, FieldStoreError, OSError) as error:
            self._terminal.error(str(error))
        except KeyboardInterrupt:
            self._terminal.error("interrupted")

    def _ask(self, question: str) -> None:
        """Answer one question, and remember it."""
        passages = self.library.passages(question)
        answer = self._answerer.answer(question, passages, self.conversation.visible())
        self.conversation.add(Turn(question, answer.text, answer.used, tuple(answer.cited)))
        self._terminal.say(answer.text, "cyan")
        self._show_passages(answer)

    def _show_passages(self, answer: Answer) -> None:
        """What the answer rests on: source, part of the field, how it begins, and how many passages say the same."""
        for passage in answer.cited:
            page = f", page {passage.page}" if passage.page else ""
            alike = f", speaks for {len(passage.alike)} alike" if passage.alike else ""
            share = f"{passage.share:.0%} of the field{alike}"
            self._terminal.say(f"  {passage.source}{page}: {share}: {beginning(passage.text)}", "dim")
