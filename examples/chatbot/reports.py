# What the store and the loader tell us, in lines for a person.
#
# In:   certificates, ledger entries, reports.
# Out:  lines of text.
"""Lines to print."""

from itertools import groupby

from examples.chatbot.library import Library, Source
from examples.chatbot.loading import Report
from fieldstore import Certificate, Entry


def certificate_lines(certificate: Certificate) -> list[str]:
    """What a certificate states. It names points of the ledger and nothing of what they said."""
    body = certificate.body
    signed = "signed" if certificate.signed else "not signed"
    return [
        f"certificate: {len(certificate.entries)} passages destroyed, {signed}",
        f"ledger: {body['tree']['size']} entries, root {body['tree']['root'][:16]}…",
        f"searched for leftovers: {body['scan']['leftovers']} found",
    ]


def history_lines(library: Library, only: Source | None = None) -> list[str]:
    """The ledger, oldest first, runs of the same act on the same source in one line; or what concerns one source."""
    sources = library.sources() if only is None else [only]
    ids = {id: str(source) for source in sources for id in library.ids(source)}
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
    if report.unchanged:
        lines.append(f"Unchanged: {len(report.unchanged)} files.")
    return lines or ["There are no files to read."]
