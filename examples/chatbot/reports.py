# What the store and the loader tell us, in lines for a person.
#
# In:   certificates, ledger entries, reports.
# Out:  lines of text.
"""Lines to print."""

from itertools import groupby
from typing import Any

from examples.chatbot.copies import Copy
from examples.chatbot.library import Forgotten, Library, Source
from examples.chatbot.loading import Report
from fieldstore import Certificate, Entry

_BEGINNING = 60  # characters


def beginning(text: str) -> str:
    """How a passage begins, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _BEGINNING else f"{line[:_BEGINNING]}…"


def copied(copy: Copy) -> str:
    """How much of a source is a near-copy, and how near."""
    return f"{copy.passages} of its {copy.source.live} passages, cosine {copy.cosine:.3f}"


def certificate_lines(certificate: Certificate) -> list[str]:
    """What a certificate states. It names points of the ledger and nothing of what they said."""
    body = certificate.body
    signed = "signed" if certificate.signed else "not signed"
    return [
        f"certificate: {len(certificate.entries)} passages destroyed, {signed}",
        f"ledger: {body['tree']['size']} entries, root {body['tree']['root'][:16]}…",
        *_scan_lines(body["scan"]),
    ]


def _scan_lines(scan: dict[str, Any]) -> list[str]:
    """What was searched for and found, and what else holds the same, which no erase of these passages reaches."""
    if not scan["searched_for_content"]:
        lines = [
            "not searched for leftovers: the content was gone before a search could know it; the files were rebuilt"
        ]
    else:
        lines = [f"searched for leftovers: {scan['leftovers']} found in {scan['files']} files"]
    if short := scan["too_short_or_plain_to_search"]:
        lines.append(f"too short or plain to be searched for, but deleted: {short} values")
    if records := scan["also_in_other_records"]:
        lines.append(f"the same words still stand in other passages, which were not erased: {records}")
    if notes := scan["also_in_notes_of_entries"]:
        lines.append(f"the same words still stand in reasons given at entries {', '.join(map(str, notes))} of /history")
    return lines


def history_lines(library: Library, only: Source | None = None) -> list[str]:
    """The ledger, oldest first, runs of the same act on the same source in one line; or what concerns one source."""
    sources = library.sources() if only is None else [only]
    ids = {id: str(source) for source in sources for id in library.ids(source.name)}
    names = {entry.point: name for id, name in ids.items() for entry in library.store.history(id)}
    entries = [entry for entry in library.store.entries() if only is None or entry.point in names]

    def act(entry: Entry) -> tuple[str, str, str | None]:
        return entry.kind, _subject(entry, names), entry.reason

    lines = []
    for (kind, subject, reason), run in groupby(entries, act):
        same = list(run)
        why = f" ({reason})" if reason else ""
        count = f"{len(same)} × " if len(same) > 1 else ""
        lines.append(f"{same[0].seq:>5}  {same[0].time:%Y-%m-%d %H:%M:%S}  {count}{kind} {subject}{why}")
    return lines


def _subject(entry: Entry, names: dict[int | None, str]) -> str:
    if entry.point is None:
        return f"to {entry.weight:.1f}"
    return names.get(entry.point, "something that was erased")


def state_of(source: Source, forgotten: Forgotten) -> str:
    """Live or forgotten, and which passages are not as the rest."""
    if source.is_forgotten:
        return "forgotten" if forgotten.taken or forgotten.elsewhere else "cut out of its file, still on disk"
    left = len(forgotten.taken) + len(forgotten.elsewhere)
    parts = ["live", f"{left} forgotten" if left else "", f"{len(forgotten.cut)} cut out" if forgotten.cut else ""]
    return ", ".join(filter(None, parts)) + (" and still on disk" if source.forgotten else "")


def nothing_to_restore(forgotten: Forgotten) -> str:
    """Why /restore does nothing for a source that no longer answers."""
    if forgotten.elsewhere:
        return "it was forgotten by another program, not in this chat. python -m fieldstore restore brings it back."
    return "its passages were cut out of its file. /load reads the file as it is now."


def load_lines(report: Report) -> list[str]:
    """What became of the files; nothing about those that are as they were, unless there is nothing else to say."""
    lines = []
    if report.read:
        lines.append(f"Read {len(report.read)} files: {', '.join(report.read)}.")
    if report.changed:
        lines.append(f"Read again because they changed: {', '.join(report.changed)}.")
    if report.forgotten:
        lines.append(f"Skipped because they are forgotten (/restore brings them back): {', '.join(report.forgotten)}.")
    lines += [f"Not read: {message}." for message in report.unreadable]
    if report.partly:
        lines.append(f"Passages that were forgotten stay forgotten in: {', '.join(report.partly)}.")
    if report.disturbed:
        lines.append(
            f"Left alone, since another program changed or forgot them meanwhile: {', '.join(report.disturbed)}."
        )
    if report.cut:
        cut = ", ".join(f"{name} ({count} passages)" for name, count in report.cut.items())
        lines.append(f"Cut out of the file, so out of every answer, but still on disk: {cut}. /purge destroys it.")
    if report.unchanged:
        lines.append(f"Unchanged: {len(report.unchanged)} files.")
    return lines or ["There are no files to read."]
