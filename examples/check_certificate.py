"""Checks an erasure certificate of fieldstore without fieldstore: standard library and `cryptography` only.

    python check_certificate.py CERTIFICATE.json PUBLIC_KEY.pem

Shows that the holder of the key says: these points were erased, the ledger that says so only added to the one before,
the database overwrote what it deleted, and a search of every file found nothing left. Exit status 0 if all of it holds.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

LEAF = struct.Struct(">BQB16sQqQ32s32s")  # version, seq, kind, element, ref, weight, time, commitment, note
ERASE = 7


def require(holds, said):
    if not holds:
        raise ValueError(said)


def hashes(steps):
    return [bytes.fromhex(step) for step in steps]


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def walked(first, last, path, start):
    """Both heads that a proof leads to (RFC 9162, 2.1.3.2 and 2.1.4.2): of the tree before, and of the whole one."""
    old = new = start
    for step in path:
        require(last, "a proof is too long")
        if first % 2 or first == last:
            old, new = node(step, old), node(step, new)
            while first and first % 2 == 0:
                first, last = first >> 1, last >> 1
        else:
            new = node(new, step)
        first, last = first >> 1, last >> 1
    require(last == 0, "a proof is too short")
    return old, new


def check(body, key):
    """Raises where it does not hold. body: the certificate; key: an Ed25519 public key."""
    unsigned = {**body, "signature": None}
    said = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    key.verify(bytes.fromhex(body["signature"]["value"]), said)
    root, size, old = bytes.fromhex(body["tree"]["root"]), body["tree"]["size"], body["tree"]["before"]["size"]
    old_root, path = bytes.fromhex(body["tree"]["before"]["root"]), hashes(body["tree"]["consistency"])
    require(0 < old < size, "the ledger did not grow")
    shift = (old & -old).bit_length() - 1
    start = old_root if old == 1 << shift else path.pop(0)  # a whole subtree stands for itself
    require(walked(old - 1 >> shift, size - 1 >> shift, path, start) == (old_root, root), "history was rewritten")
    require(body["erased"], "nothing was erased")
    for erased in body["erased"]:
        version, seq, kind, element, *_ = LEAF.unpack(data := bytes.fromhex(erased["leaf"]))
        says = (1, erased["seq"], ERASE, erased["element"])
        require((version, seq, kind, element.hex()) == says, "an entry is no erase of its point")
        leaf = hashlib.sha256(b"\x00" + data).digest()
        held = old <= seq < size and walked(seq, size - 1, hashes(erased["proof"]), leaf)[1] == root
        require(held, "an entry is not in the ledger, or was there before")
    require(body["scan"]["leftovers"] == 0, "something was left")
    require(body["method"]["secure_delete"] == 1, "the database did not overwrite what it deleted")
    require(body["method"]["checkpoint"] in (None, [0, 0, 0]), "the database's log was not emptied")


if __name__ == "__main__":
    try:
        certificate = json.loads(Path(sys.argv[1]).read_text())
        check(certificate, load_pem_public_key(Path(sys.argv[2]).read_bytes()))
    except (InvalidSignature, ValueError, struct.error, LookupError, TypeError) as error:
        sys.exit(f"it does not hold: {error!r}")
    print(
        f"it holds: {len(certificate['erased'])} points of the store {certificate['store']} were erased, and "
        f"{certificate['scan']['needles']} needles searched for in {certificate['scan']['bytes']} bytes"
    )
    print("it does not cover:", *certificate["does_not_cover"], sep="\n  - ")
