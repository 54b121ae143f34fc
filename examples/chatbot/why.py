# Why the last answer was given: the passages behind it, and where they stand in the field.
#
# In:   the last turn of a conversation.
# Out:  lines of text.
# Rule: what is not live any more is not quoted, and what was erased is not even named.
"""Behind an answer."""

import numpy as np

from examples.chatbot.conversation import Turn
from examples.chatbot.library import Library, Passage
from examples.chatbot.reports import beginning
from fieldstore import Record


def why_lines(library: Library, turn: Turn) -> list[str]:
    """For each passage behind the answer: its cosine to the question, its share of the field then, its attractor."""
    if not turn.used:
        return ["The last answer rests on no passage: nothing was near enough to the question."]
    wanted = {id for passage in turn.cited for id in (passage.id, *passage.alike)}
    live = {record.id: record for record in library.store.get(sorted(wanted), vectors=True)}
    asked = np.array(library.embedder.embed_query(turn.question))
    cosines = {id: float(record.vector @ asked) for id, record in live.items() if record.vector is not None}
    lines = [line for passage in turn.cited for line in _of_passage(library, passage, live, cosines)]
    if earlier := turn.used.keys() - {passage.id for passage in turn.cited}:
        lines.append(f"It was written with the conversation before it, which leans on {len(earlier)} more passages.")
    return lines


def _of_passage(library: Library, passage: Passage, live: dict[str, Record], cosines: dict[str, float]) -> list[str]:
    if passage.id not in live or live[passage.id].text != passage.text:
        kept = library.store.history(passage.id)
        what = f"{passage.source}: a passage that was forgotten since" if kept else "A passage that was erased since"
        return [f"{what}; it is in no answer any more."]
    share = f"cosine {cosines[passage.id]:.3f}, {passage.share:.0%} of the field"
    members = [id for id in passage.alike if id in live]
    named = ", ".join(f"{id} (cosine {cosines[id]:.3f})" for id in members) or "none, it speaks for itself alone"
    gone = len(passage.alike) - len(members)
    left = f"; {gone} more are forgotten since" if gone else ""
    return [
        f"{passage.source}: {share}: {beginning(passage.text)}",
        f"    attractor {passage.id}; members: {named}{left}"
        if members or not gone
        else f"    attractor {passage.id}; its {gone} members are forgotten since",
    ]
