# Which passages of a text are taken from other texts, word by word.
#
# Four words in a row that stand so in a text are a quotation of it; of a shorter text, all its words. Letter case,
# punctuation and white space do not count. In scripts that are written without spaces each letter is a word.
# Rule: it recognises words, not meaning. Who says the same in other words is not quoting.
"""Quotations."""

import re
from collections.abc import Iterable
from typing import NamedTuple

LEAST = 4  # words in a row
_SHORTEST = 6  # letters of a text of one word; "yes" is nobody's
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_SENTENCE = re.compile(r"[.!?](?=\s)|\n|[。！？]")  # where one ends
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


class Span(NamedTuple):
    """A passage, [start, end) in letters, and the keys of the texts it is taken from."""

    start: int
    end: int
    keys: frozenset[str]


class Quotes:
    """Texts to recognise, each under a key."""

    def __init__(self, texts: Iterable[tuple[str, str]] = ()) -> None:
        self._keys: dict[tuple[str, ...], set[str]] = {}  # words in a row -> whose
        self._lengths: set[int] = set()
        for key, text in texts:
            self.add(key, text)

    def add(self, key: str, text: str) -> None:
        """Recognise this text as well."""
        words = [word.group().casefold() for word in _WORD.finditer(text)]
        if not words or (len(words) == 1 and len(words[0]) < _SHORTEST):
            return
        length = min(len(words), LEAST)
        self._lengths.add(length)
        for first in range(len(words) - length + 1):
            self._keys.setdefault(tuple(words[first : first + length]), set()).add(key)

    def spans(self, text: str) -> list[Span]:
        """The passages of a text that are taken from those known, in order; what touches is one."""
        if not self._keys:
            return []
        found = list(_WORD.finditer(text))
        words = [word.group().casefold() for word in found]
        spans: list[Span] = []
        for first in range(len(words)):
            for length in self._lengths:
                keys = self._keys.get(tuple(words[first : first + length]))
                if keys and first + length <= len(words):
                    start, end = found[first].start(), found[first + length - 1].end()
                    if spans and first and spans[-1].end >= found[first - 1].end():  # it goes on
                        last = spans.pop()
                        start, end, keys = last.start, max(last.end, end), {*last.keys, *keys}
                    spans.append(Span(start, end, frozenset(keys)))
        return spans


def without(text: str, spans: Iterable[Span], notice: str) -> str:
    """The text with a notice in the place of each sentence that holds one of the passages."""
    ends = [0, *(end.end() for end in _SENTENCE.finditer(text)), len(text)]
    parts: list[str] = []
    at = 0
    for span in spans:
        first = max(end for end in ends if end <= span.start)
        first += len(text[first:]) - len(text[first:].lstrip())
        last = min(end for end in ends if end >= span.end)
        if first >= at:
            parts += [text[at:first], notice]
        at = max(at, last)
    return "".join([*parts, text[at:]])
