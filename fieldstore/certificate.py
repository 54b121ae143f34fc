# The erasure certificate: what an erase did, in a form that a stranger can check offline.
#
# In:   plain numbers and strings. Out: JSON. No I/O; the signing key comes in as PEM bytes.
# Rule: no content and no hash of content, so that the certificate tells nothing about what was erased.
# Rule: canonical JSON (RFC 8785; keys are ASCII, values are strings, integers, lists and objects).
"""Certificates of erasure, and their verification."""

import json
from dataclasses import dataclass
from typing import Any

from fieldstore.ledger import Kind, Leaf
from fieldstore.merkle import consistent, included
from fieldstore.signing import fits, public_bytes, signature

FORMAT = "fieldstore/erasure/2"
NOT_COVERED = (
    "backups and copies made outside the store",
    "blocks that the file system or the device keeps after an overwrite (snapshots, journals, SSD wear levelling)",
    "memory and swap",
    "answers already given, chat histories and models that saw the content",
)


@dataclass(frozen=True)
class Certificate:
    """What an erase did. body: the JSON object as a dict; see `verify_certificate` for what it proves."""

    body: dict[str, Any]

    @property
    def signed(self) -> bool:
        """Whether an Ed25519 signature is in it; without one it is a statement, not a proof of who made it."""
        return self.body.get("signature") is not None

    @property
    def entries(self) -> tuple[int, ...]:
        """Ledger positions of the erase entries it is about."""
        return tuple(sorted(erased["seq"] for erased in self.body["erased"]))

    def to_json(self) -> str:
        """Canonical JSON, one line."""
        return _canonical(self.body)

    @classmethod
    def from_json(cls, text: str) -> "Certificate":
        """The certificate in this text; ValueError when it is none."""
        try:
            body = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"no certificate: {error}") from None
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise ValueError(f"no certificate of the format {FORMAT}")
        return cls(body)


def signed(body: dict[str, Any], key: bytes | None) -> Certificate:
    """The body as a certificate, signed with an Ed25519 private key (PEM); unsigned when key is None."""
    body = {**body, "format": FORMAT, "does_not_cover": list(NOT_COVERED), "signature": None}
    if key is None:
        return Certificate(body)
    public, value = signature(key, _canonical(body).encode())
    return Certificate({**body, "signature": {"public_key": public.hex(), "value": value.hex()}})


def verify_certificate(certificate: Certificate | str, public_key: str | bytes | None = None) -> list[str]:
    """Everything wrong with a certificate, in plain words; [] = it holds. Needs no store and no network.

    Checks that each erase entry is in the ledger of the stated root (RFC 9162 audit paths), that this ledger only added
    to the one before the erase (its consistency proof), that each entry erases the point it names, that the method left
    nothing behind, and the Ed25519 signature. public_key: PEM of the key that must have
    signed; without it a signature is checked against the key named in the certificate itself, and an unsigned
    certificate passes (see `Certificate.signed`). Checking a signature needs the extra `audit`.
    """
    if isinstance(certificate, str):
        try:
            certificate = Certificate.from_json(certificate)
        except ValueError as error:
            return [str(error)]
    try:
        if certificate.body["format"] != FORMAT:
            return [f"it is of the format {certificate.body['format']!r}, not {FORMAT!r}"]
        return [*_wrong_statements(certificate.body), *_wrong_signature(certificate.body, public_key)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return [f"the certificate is incomplete or misshapen: {error!r}"]


def _wrong_statements(body: dict[str, Any]) -> list[str]:
    wrong = []
    size, root = body["tree"]["size"], bytes.fromhex(body["tree"]["root"])
    if not body["erased"]:
        wrong.append("it names no erased point")
    if len({erased["element"] for erased in body["erased"]}) < len(body["erased"]):
        wrong.append("it names a point twice")
    before = body["tree"]["before"]
    steps = [bytes.fromhex(step) for step in body["tree"]["consistency"]]
    if not consistent(before["size"], bytes.fromhex(before["root"]), size, root, steps):
        wrong.append(f"the ledger of root {body['tree']['root']} does not continue the one before the erase")
    for erased in body["erased"]:
        data = bytes.fromhex(erased["leaf"])
        leaf = Leaf.decode(data)
        name = f"entry {erased['seq']}"
        if leaf.seq != erased["seq"] or leaf.kind is not Kind.ERASE or leaf.element.hex() != erased["element"]:
            wrong.append(f"{name} does not erase the point {erased['element']}")
        if leaf.seq < before["size"]:
            wrong.append(f"{name} was in the ledger before the erase")
        if not included(data, leaf.seq, size, [bytes.fromhex(step) for step in erased["proof"]], root):
            wrong.append(f"{name} is not in the ledger of root {body['tree']['root']}")
    if body["scan"]["leftovers"] != 0:
        wrong.append(f"{body['scan']['leftovers']} leftovers were found")
    checkpoint = body["method"]["checkpoint"]
    if checkpoint is not None and checkpoint != [0, 0, 0]:
        wrong.append(f"the database's log was not emptied: {checkpoint}")
    if body["method"]["secure_delete"] != 1:
        wrong.append("the database did not overwrite what it deleted")
    return wrong


def _wrong_signature(body: dict[str, Any], public_key: str | bytes | None) -> list[str]:
    if body["signature"] is None:
        return [] if public_key is None else ["it is not signed"]
    key, value = (bytes.fromhex(body["signature"][name]) for name in ("public_key", "value"))
    try:
        if public_key is not None and public_bytes(public_key) != key:
            return ["it was signed with another key"]
        whole = fits(key, value, _canonical({**body, "signature": None}).encode())
    except ValueError as error:
        return [str(error)]
    except ImportError:
        return ["the signature was not checked: install fieldstore[audit]"]
    return [] if whole else ["its signature does not fit what it says"]


def _canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
