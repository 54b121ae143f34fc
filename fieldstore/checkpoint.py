# Checkpoints: the ledger's size and root as a text to be kept elsewhere (C2SP tlog-checkpoint, in a signed-note).
#
#   fieldstore/8b1f0c…     origin: which store
#   1024                   entries
#   CsUYapGGPo4d…=         root, base64
#                          an empty line, and signatures, each "— name base64(key id | Ed25519)"; none when unsigned
#
# In:   numbers and text. Out: text, and what is wrong with one. No I/O; the signing key comes in as PEM bytes.
# Rule: nothing of the content, so a checkpoint may be published.
"""Signed tree heads."""

import hashlib
from base64 import b64decode, b64encode
from typing import NamedTuple

from fieldstore.signing import fits, public_bytes, signature

_DASH, _ED25519 = "— ", b"\x01"


class Checkpoint(NamedTuple):
    """What the ledger was. origin: which store's; size: entries; root: 32 bytes."""

    origin: str
    size: int
    root: bytes

    def note(self, key: bytes | None) -> str:
        """The text to keep, signed with an Ed25519 private key (PEM); without one it has no signature lines."""
        text = f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"
        if key is None:
            return text
        public, signed = signature(key, text.encode())
        line = b64encode(_key_id(self.origin, public) + signed).decode()
        return f"{text}\n{_DASH}{self.origin} {line}\n"

    @classmethod
    def read(cls, text: str) -> "Checkpoint":
        """The checkpoint in this text, signed or not; ValueError when it is none."""
        lines = text.partition("\n\n")[0].rstrip("\n").split("\n")
        try:
            origin, size, root, *_ = lines
            checkpoint = cls(origin, int(size), b64decode(root, validate=True))
        except ValueError:
            raise ValueError(
                f"no checkpoint, which is an origin, a size and a root, a line each: {lines[:3]}"
            ) from None
        if not origin or str(checkpoint.size) != size or checkpoint.size < 0 or len(checkpoint.root) != 32:
            raise ValueError(
                f"no checkpoint: of the origin {origin!r}, size {size!r}, and a root of "
                f"{len(checkpoint.root)} bytes where it has 32"
            )
        return checkpoint


def origin_of(uuid: str) -> str:
    """What a store's checkpoints are called, and the name of the key that signs them."""
    return f"fieldstore/{uuid}"


def verify_checkpoint(text: str, public_key: str | bytes) -> list[str]:
    """Everything wrong with a checkpoint, in plain words; [] = this key (PEM) signed it. Needs no store.

    Lines of other keys, such as witnesses', are passed over. Needs the extra `audit`.
    """
    try:
        checkpoint = Checkpoint.read(text)
        public = public_bytes(public_key)
    except ValueError as error:
        return [str(error)]
    except ImportError:
        return ["the signature was not checked: install fieldstore[audit]"]
    said, _, signatures = text.partition("\n\n")
    lines = [line.split(" ") for line in signatures.splitlines() if line.startswith(_DASH)]
    own = [line[2] for line in lines if len(line) == 3 and line[1] == checkpoint.origin]
    if not own:
        return ["it is not signed"]
    for line in own:
        try:
            data = b64decode(line, validate=True)
        except ValueError:
            continue
        if data[:4] == _key_id(checkpoint.origin, public):
            whole = f"{said}\n".encode()
            return [] if fits(public, data[4:], whole) else ["its signature does not fit what it says"]
    return ["it was signed with another key"]


def _key_id(name: str, public: bytes) -> bytes:
    """The four bytes that tell whose a signature line is (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]
