# A text into pieces short enough to say one thing each.
#
# In:   a text.
# Out:  its pieces, in order, none longer than `LONGEST`.
# Rule: the same text gives the same pieces, always and under either framework: what a store knows a passage by is a
#       digest of it. (They are the pieces of LangChain's RecursiveCharacterTextSplitter; a test holds them to it.)
"""Splitting."""

import re

# Short pieces, because one that says a single thing is found more surely, and recognised where it was copied: with 600
# characters our corpus has a copied passage of cosine .81, with 350 .87.
LONGEST = 350

_BREAKS = (r"\n\s*\n", r"(?<=[.!?])\s+", r"\s+", "")  # between paragraphs, sentences, words; "" = anywhere


def split(text: str, breaks: tuple[str, ...] = _BREAKS) -> list[str]:
    """The text in pieces: cut at the first kind of break it has, joined again as far as they stay short."""
    while breaks[0] and not re.search(breaks[0], text):
        breaks = breaks[1:]
    pieces, short = list[str](), list[str]()
    for part in _parts(text, breaks[0]):
        if len(part) < LONGEST or not breaks[0]:
            short.append(part)
        else:
            pieces += [*_joined(short), *split(part, breaks[1:])]
            short = []
    return pieces + _joined(short)


def _parts(text: str, at: str) -> list[str]:
    """The text cut at these breaks, each left at the end of what it ends."""
    if not at:
        return list(text)
    ends = [match.end() for match in re.finditer(at, text)]
    return [part for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if (part := text[start:end])]


def _joined(parts: list[str]) -> list[str]:
    """Neighbours put together while they are short enough, without blanks around them."""
    joined = [""]
    for part in parts:
        if len(joined[-1]) + len(part) > LONGEST:
            joined.append("")
        joined[-1] += part
    return [piece for each in joined if (piece := each.strip())]
