# The key that signs erasure certificates.
#
# Rule: it lies outside the store, or whoever holds the store could sign whatever they like.
"""Making and finding the signing key."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def signing_key(path: Path) -> Path:
    """An Ed25519 key in this file, made when there is none; the public half beside it, with the suffix .pub.

    Raises:
        ValueError: the file holds no such key, or it is gone and only its public half is left.
    """
    public = public_path(path)
    if path.exists():
        if not public.exists():
            public.write_bytes(_public_half(path))
    elif public.exists():
        raise ValueError(
            f"{path} is gone, but {public} is there. Put it back, or move {public.name} away for a new key"
        )
    else:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
        public.write_bytes(_public_half(path))
    return path


def _public_half(path: Path) -> bytes:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} holds no private key that can be used: {error}") from error
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_path(path: Path) -> Path:
    """Where the public half of the key in this file lies."""
    return path.with_suffix(".pub")
