# The command line: an edge. It says what a store holds, proves it, and forgets; it never embeds.
#
# Rule: what only reads opens the store to be read, and changes nothing.
# Rule: results go to standard output, one line each; errors to standard error, with exit status 1.
"""The command `fieldstore`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fieldstore import plots
from fieldstore.certificate import Certificate, verify_certificate
from fieldstore.engine.warming import warm
from fieldstore.errors import FieldStoreError
from fieldstore.records import Entry, KeptOut, Receipt, Repeller
from fieldstore.store import FieldStore

_WRITING = ("forget", "restore", "erase", "erase-again", "let-in", "repel", "unrepel")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 for an error or a difference found."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.command in ("forget", "restore", "erase") and bool(asked.ids) is (asked.source is not None):
        parser.error(f"{asked.command} takes ids or --source, one of them")
    try:
        if asked.command == "warm":
            warm()
            print("the field's loops are compiled and cached")
            return 0
        if asked.command == "check":
            return _check(Path(asked.certificate).read_text(), _read(asked.public_key))
        keys: dict[str, Any] = {name: getattr(asked, name, None) for name in ("signing_key", "keep_out_key")}
        with FieldStore(asked.store, **keys, create=False, read_only=asked.command not in _WRITING) as store:
            return _with_store(store, asked)
    except (FieldStoreError, ValueError, OSError, ImportError) as error:
        print(f"fieldstore: {error}", file=sys.stderr)
        return 1


def _with_store(store: FieldStore, asked: argparse.Namespace) -> int:
    said: dict[str, Any] = {name: getattr(asked, name, None) for name in ("reason", "actor")}
    if asked.command == "verify":
        return _report(store.verify(against=_read(asked.against), public_key=_read(asked.public_key)))
    if asked.command == "checkpoint":
        print(store.checkpoint(), end="")
        if asked.signing_key is None:
            print("fieldstore: it is not signed; --signing-key signs it", file=sys.stderr)
        return 0
    if asked.command == "stats":
        for name, value in store.stats().items():
            print(f"{name:>16}  {value}")
    elif asked.command == "ids":
        for id in store.ids(forgotten=asked.forgotten):
            print(_one_line(id))
    elif asked.command == "get":
        records = store.get(asked.ids or None)
        for record in records:
            found = {"id": record.id, "text": record.text, "metadata": record.metadata, "weight": record.weight}
            print(_one_line(found))
        return 1 if len(records) < len(set(asked.ids)) else 0
    elif asked.command == "history":
        for entry in store.history(asked.id) if asked.id else store.entries():
            print(_line(entry))
    elif asked.command == "plot":
        return _drawn(store, asked)
    elif asked.command == "forget":
        options: dict[str, Any] = {"near": asked.near, "dry_run": asked.dry_run, "keep_out": asked.keep_out}
        return _done(store.forget(asked.ids or None, source=asked.source, **options, **said))
    elif asked.command == "restore":
        return _done(store.restore(asked.ids or None, source=asked.source, **said))
    elif asked.command == "kept-out":
        for one in store.kept_out():
            print(_kept(one))
    elif asked.command == "let-in":
        for one in store.let_in(asked.names or None, source=asked.source, text=asked.text, **said):
            print(_kept(one))
    elif asked.command == "repel":
        placed = store.repel(asked.id, asked.radius, **said)
        print(_repeller(placed))
        for id in placed.hides:
            print("hides", _one_line(id), sep="\t")
    elif asked.command == "repellers":
        for placed in store.repellers():
            print(_repeller(placed))
    elif asked.command == "unrepel":
        return _done(store.unrepel(asked.names, **said))
    elif asked.command == "explain":
        records = store.get(asked.id, vectors=True)
        if not records:
            raise ValueError(f"no record '{asked.id}' is live; nothing was done. fieldstore ids lists them")
        explanation = store.explain(np.asarray(records[0].vector), k=asked.k, by=asked.by)
        print(explanation.to_json() if asked.json else explanation)
    elif asked.command == "erasures":
        for element in store.erasures():
            print(element)
    elif asked.command == "erase-again":
        erasures = Path(asked.erasures).read_text().split()
        certificate = store.erase_again(erasures, **said)
        print("nothing of it is here" if certificate is None else certificate.to_json())
    else:
        certificate = store.erase(asked.ids or None, source=asked.source, keep_out=asked.keep_out, **said)
        print(certificate.to_json())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fieldstore", description="Look into a store, prove it, and forget.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("warm", help="compile the loops ahead of time")
    check = commands.add_parser("check", help="check an erasure certificate, offline")
    check.add_argument("certificate", help="its JSON file")
    check.add_argument("--public-key", help="PEM file of the key that must have signed it")
    commands.add_parser("stats", help="numbers about the store").add_argument("store")
    verify = commands.add_parser("verify", help="compare everything with the ledger")
    verify.add_argument("store")
    verify.add_argument("--against", metavar="FILE", help="a checkpoint kept from earlier: has history been rewritten?")
    verify.add_argument("--public-key", help="PEM file of the key that must have signed it, and every certificate")
    checkpoint = commands.add_parser("checkpoint", help="print the ledger's size and root, to be kept elsewhere")
    checkpoint.add_argument("store")
    checkpoint.add_argument("--signing-key", help="PEM file of an Ed25519 private key, outside the store")
    erasures = commands.add_parser("erasures", help="what was erased, by names that tell nothing: to keep with backups")
    erasures.add_argument("store")
    ids = commands.add_parser("ids", help="ids of the live records")
    ids.add_argument("store")
    ids.add_argument("--forgotten", action="store_true", help="of the forgotten ones instead")
    get = commands.add_parser("get", help="live records, a JSON object a line")
    get.add_argument("store")
    get.add_argument("ids", nargs="*", help="which; by default all")
    history = commands.add_parser("history", help="ledger entries of one record, or all")
    history.add_argument("store")
    history.add_argument("id", nargs="?")
    commands.add_parser("kept-out", help="what is kept out").add_argument("store")
    let_in = commands.add_parser("let-in", help="keep something out no longer")
    let_in.add_argument("store")
    let_in.add_argument("names", nargs="*", help="as kept-out lists them")
    let_in.add_argument("--source", help="instead: a source, and the texts that were kept out with it")
    let_in.add_argument("--text", help="instead: a text")
    let_in.add_argument("--keep-out-key", metavar="FILE", help="the secret that erase --keep-out was given")
    let_in.add_argument("--reason")
    let_in.add_argument("--actor")
    plot = commands.add_parser("plot", help="draw the field around a record, shares at its place, or weight over time")
    plot.add_argument("store")
    plot.add_argument(
        "what",
        choices=("field", "shares", "weight"),
        help="the field with a record and without it; the shares of its place's attractors; the ledger's net weight",
    )
    plot.add_argument("--id", help="a live or forgotten record; not for weight")
    plot.add_argument("--to", required=True, metavar="FILE", help="where to: .png, .svg, .pdf")
    plot.add_argument("--steps", type=int, default=121, help="of field: places across and up (default 121)")
    commands.add_parser("repellers", help="the places that records are hidden around").add_argument("store")
    repel = commands.add_parser("repel", help="hide the records around one's place; lists them")
    repel.add_argument("store")
    repel.add_argument("id")
    repel.add_argument("radius", type=float, help="the cosine from which they are hidden")
    unrepel = commands.add_parser("unrepel", help="take repellers back")
    unrepel.add_argument("store")
    unrepel.add_argument("names", nargs="+", help="as `repellers` names them, such as r17")
    for verb in (repel, unrepel):
        verb.add_argument("--reason")
        verb.add_argument("--actor")
    explain = commands.add_parser("explain", help="what the field answers at a record's place, and why")
    explain.add_argument("store")
    explain.add_argument("id")
    explain.add_argument("-k", type=int, default=5, help="how many answers")
    explain.add_argument("--by", choices=("nearest", "attractors", "ascent"), default="attractors")
    explain.add_argument("--json", action="store_true")
    for name, help in (
        ("forget", "take records out of every answer"),
        ("restore", "bring forgotten records back"),
        ("erase", "destroy records for good; prints the certificate"),
        ("erase-again", "erase from a backup that was brought back what had been erased since"),
    ):
        verb = commands.add_parser(name, help=help)
        verb.add_argument("store")
        if name == "erase-again":
            verb.add_argument("erasures", help="file with the `erasures` of the store that the backup is of")
        else:
            verb.add_argument("ids", nargs="*")
            verb.add_argument("--source", help="instead of ids: all records of this source, a string")
        if name == "forget":
            verb.add_argument(
                "--near",
                type=_near,
                metavar="COSINE",
                help="and what is at least so similar to one of them; or one of the names 'copies', 'windows'",
            )
            verb.add_argument("--dry-run", action="store_true", help="only tell what would go")
            verb.add_argument(
                "--keep-out", action="store_true", help="refuse what has the same text or source from now on"
            )
        if name == "erase":
            verb.add_argument("--keep-out", metavar="FILE", help="keep it out, under the secret in this file")
        verb.add_argument("--reason")
        verb.add_argument("--actor")
        if name in ("erase", "erase-again"):
            verb.add_argument("--signing-key", help="PEM file of an Ed25519 private key, outside the store")
    return parser


def _drawn(store: FieldStore, asked: argparse.Namespace) -> int:
    if (asked.what == "weight") != (asked.id is None):
        raise ValueError(f"plot {asked.what} {'takes no --id' if asked.id else 'needs --id'}; nothing was drawn")
    if asked.what == "weight":
        figure = plots.weight_of(store.entries())
    elif asked.what == "shares":
        found = store.search(plots.place_of(store, asked.id), by="attractors")
        figure = plots.shares_of(found, title=f"Shares of the field at the place of {asked.id}")
    else:
        seen = plots.hills(store, asked.id)
        figure = plots.map_of(seen, steps=asked.steps)
        print(seen)
    figure.savefig(asked.to)
    return 0


def _repeller(one: Repeller) -> str:
    place = "a vector" if one.record is None else _one_line(one.record)
    said = " ".join(f"{name}={word!r}" for name, word in (("actor", one.actor), ("reason", one.reason)) if word)
    return f"{one.name}\tradius {one.radius:g} around {place}, hides {len(one.hides)}\t{said}".rstrip()


def _read(path: str | None) -> str | None:
    return None if path is None else Path(path).read_text()


def _check(text: str, public_key: str | None) -> int:
    differences = verify_certificate(text, public_key)
    if not differences and not Certificate.from_json(text).signed:
        print("it holds together, but nobody signed it: anybody could have made it")
        return 0
    return _report(differences)


def _one_line(value: Any) -> str:
    """A string as it is, if it is printable and so one line; anything else as JSON."""
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def _report(differences: Sequence[str]) -> int:
    print(*differences or ["all is well"], sep="\n")
    return 1 if differences else 0


def _near(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _done(receipt: Receipt) -> int:
    done = f"would {receipt.verb}" if receipt.dry_run else receipt.verb
    near = {one.id: ("near", _one_line(one.to), f"{one.cosine:.3f}") for one in receipt.near}
    for state, ids in ((done, receipt.ids), ("unchanged", receipt.unchanged), ("unknown", receipt.unknown)):
        for id in ids:
            print(state, _one_line(id), *near.get(id, ()), sep="\t")
    if not (receipt.ids or receipt.unchanged or receipt.unknown):
        print(
            f"fieldstore: nothing to {receipt.verb}: no record has that source; here it is always a string",
            file=sys.stderr,
        )
    return 1 if receipt.unknown else 0


def _kept(one: KeptOut) -> str:
    of = f"{one.what} of {_one_line(one.id)}" if one.id is not None else one.what
    where = "by a secret elsewhere" if one.outside else ""
    return "  ".join(filter(None, (one.name, f"{one.time:%Y-%m-%d %H:%M:%S}", of, where, _said(one))))


def _said(one: Entry | KeptOut) -> str:
    return " ".join(f"{name}={word!r}" for name, word in (("actor", one.actor), ("reason", one.reason)) if word)


def _line(entry: Entry) -> str:
    point, said = "" if entry.point is None else f"point {entry.point}", _said(entry)
    when = f"{entry.time:%Y-%m-%d %H:%M:%S}"
    return f"{entry.seq:>8}  {when}  {entry.kind:<10} {entry.weight:+10.6f}  {point}  {said}".rstrip()
