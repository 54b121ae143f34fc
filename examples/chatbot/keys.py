# The key that signs erasure certificates.
#
# Rule: it lies outside the store, or whoever holds the store could sign whatever they like.
"""Making and finding the signing key."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def signing_key(path: Path) -> Path:
    """An Ed25519 key in this file, made when there is none; the public half beside it, with the suffix .pub."""
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public_path(path).write_bytes(public)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    return path


def public_path(path: Path) -> Path:
    """Where the public half of the key in this file lies."""
    return path.with_suffix(".pub")
