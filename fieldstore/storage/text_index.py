# The words of the live records' texts, beside the records: an SQLite full-text index (FTS5), derived from both tables.
#
#   live_texts    the texts that may be found; what the index is compared with, and built anew from
#   text_index_…  the words, by record; FTS5's own tables
#   text_words    every word that is in it
#
# Rule: triggers on `records` and `sums` keep it, so that no way of writing, forgetting or erasing can pass it by, and a
# forgotten record's words weigh nothing in another one's rank: they are not there.
# Rule: what a user asks for is cut into words here and quoted; it never is a query in FTS5's language.
"""The text index in the database."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import apsw

from fieldstore.errors import StoreDamaged

FACT = "text_index"  # 1 once it was asked for

_WORDS = "unicode61", "remove_diacritics", "2"  # letters and digits of any script, without case or accents
SCHEMA = f"""
CREATE VIEW live_texts AS SELECT r.point, r.text FROM records r JOIN sums s ON s.point = r.point
WHERE s.weight > 0 AND r.text IS NOT NULL;
CREATE VIRTUAL TABLE text_index
USING fts5(text, content=live_texts, content_rowid=point, tokenize="{" ".join(_WORDS)}");
CREATE VIRTUAL TABLE text_words USING fts5vocab(text_index, row);
CREATE TRIGGER text_index_weighed BEFORE INSERT ON sums
WHEN (new.weight > 0) != coalesce((SELECT weight > 0 FROM sums WHERE point = new.point), 0) BEGIN
    INSERT INTO text_index(text_index, rowid, text)
    SELECT 'delete', point, text FROM live_texts WHERE point = new.point;
    INSERT INTO text_index(rowid, text)
    SELECT point, text FROM records WHERE point = new.point AND new.weight > 0 AND text IS NOT NULL;
END;
CREATE TRIGGER text_index_replaced BEFORE INSERT ON records BEGIN
    INSERT INTO text_index(text_index, rowid, text)
    SELECT 'delete', point, text FROM live_texts WHERE point = new.point;
END;
CREATE TRIGGER text_index_put AFTER INSERT ON records BEGIN
    INSERT INTO text_index(rowid, text) SELECT point, text FROM live_texts WHERE point = new.point;
END;
CREATE TRIGGER text_index_gone BEFORE DELETE ON records BEGIN
    INSERT INTO text_index(text_index, rowid, text)
    SELECT 'delete', point, text FROM live_texts WHERE point = old.point;
END;
"""


class Asking(NamedTuple):
    """How to ask the store's database: for all rows of a statement, for one after the other, for a tokenizer."""

    rows: Callable[[str, Sequence[Any]], list[Any]]
    each: Callable[[str, Sequence[Any]], Iterator[Any]]
    tokenizer: Callable[[str, list[str]], apsw.FTS5Tokenizer]


class TextIndex:
    """The text index of one store."""

    def __init__(self, asking: Asking) -> None:
        self._rows, self._each, self._tokenizer = asking

    @property
    def on(self) -> bool:
        """Whether it was asked for."""
        return self._rows("SELECT value FROM facts WHERE key = ?", (FACT,)) == [(1,)]

    def build(self) -> None:
        """Inside a transaction: make it, of the records that are live."""
        self._rows(SCHEMA, ())
        self._rows("INSERT INTO text_index(text_index, rank) VALUES('secure-delete', 1)", ())
        self._rebuild()

    def _rebuild(self) -> None:
        self._rows("INSERT INTO text_index(text_index) VALUES('rebuild')", ())

    def words(self, text: str) -> list[str]:
        """The words of a text as an index knows them, in order."""
        cut = self._tokenizer(_WORDS[0], list(_WORDS[1:]))
        why = apsw.FTS5_TOKENIZE_DOCUMENT
        words = cut(text.encode(), why, None, include_offsets=False, include_colocated=False)
        return [word for word in words if isinstance(word, str)]

    def ranked(self, text: str) -> Iterator[tuple[int, float]]:
        """(point, BM25) of every live record with a word of the text, best first, ties in order of adding.

        BM25 as FTS5 has it, k1 = 1.2, b = 0.75, and a millionth for the idf of a word that more than half of the texts
        hold; its sign is turned, so that more is better.
        """
        words = dict.fromkeys(self.words(text))
        if not words:
            return
        match = " OR ".join(f'"{word}"' for word in words)
        sql = "SELECT rowid, -rank FROM text_index WHERE text_index MATCH ? ORDER BY rank, rowid"
        yield from self._each(sql, (match,))

    def scrub(self) -> None:
        """Inside a transaction of an erase: build it anew where it remembers more than the words that it holds.

        A word that went is overwritten (secure-delete), but the tree above the pages keeps how one of them began.
        """
        if self.on and any(not self._begins_a_word(border) for border in self._borders()):
            self._rebuild()

    def _borders(self) -> list[bytes]:
        """How the words begin that begin a page; FTS5 puts a 0 before each."""
        rows = self._rows("SELECT DISTINCT term FROM text_index_idx WHERE length(term) > 1", ())
        return [term[1:] if isinstance(term, bytes) else b"\xff" for (term,) in rows]

    def _begins_a_word(self, start: bytes) -> bool:
        between = "term >= CAST(? AS TEXT) AND term < CAST(? AS TEXT)"
        return bool(self._rows(f"SELECT 1 FROM text_words WHERE {between} LIMIT 1", (start, start + b"\xff")))

    def held(self) -> Iterator[str]:
        """Every word it means to hold: of live records; none when it cannot be trusted. Inside the writer's lock."""
        if self.on and not self.damage():
            yield from (word for (word,) in self._each("SELECT term FROM text_words", ()))

    def strays(self) -> list[int]:
        """Points that are in the index and not live, or the other way round."""
        if not self.on:
            return []
        kept, meant = "SELECT id FROM text_index_docsize", "SELECT point FROM live_texts"
        sql = f"SELECT * FROM ({meant} EXCEPT {kept}) UNION SELECT * FROM ({kept} EXCEPT {meant})"
        return [point for (point,) in self._rows(sql, ())]

    def damage(self) -> list[str]:
        """What is wrong with it, word by word; inside the writer's lock, though nothing is written."""
        if not self.on:
            return []
        found = []
        try:
            self._rows("INSERT INTO text_index(text_index, rank) VALUES('integrity-check', 1)", ())
        except StoreDamaged:
            found.append("the text index does not hold the words of the live records' texts")
        if self._rows("SELECT v FROM text_index_config WHERE k = 'secure-delete'", ()) != [(1,)]:
            found.append("secure-delete of the text index is off")
        return found
