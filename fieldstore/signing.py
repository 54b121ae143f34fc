# Ed25519 signatures, through `cryptography`, which comes with the extra `audit`.
#
# In:   keys as PEM bytes, data as bytes. Out: keys and signatures as their raw bytes. No I/O.
# Rule: whatever is wrong with a key is a ValueError that says so; without `cryptography` there is an ImportError.
"""Signing, and checking signatures."""

from typing import Any


def check_key(key: bytes) -> None:
    """ValueError unless these PEM bytes hold an Ed25519 private key; ImportError without `cryptography`."""
    _private_key(key)


def signature(key: bytes, data: bytes) -> tuple[bytes, bytes]:
    """The 32 bytes of the public key that belongs to a private one (PEM), and the 64 of its signature over data."""
    private = _private_key(key)
    return private.public_key().public_bytes_raw(), private.sign(data)


def fits(public: bytes, signed: bytes, data: bytes) -> bool:
    """Whether a signature over data is that of a public key. Raises ValueError for bytes that are no key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, data)
    except InvalidSignature:
        return False
    return True


def public_bytes(key: str | bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key (PEM). Raises ValueError when it is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(key.encode() if isinstance(key, str) else key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the public key given is no PEM of a public key, so the signature was not checked") from None
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError(f"the public key given must be Ed25519, not {type(public).__name__}")
    return public.public_bytes_raw()


def _private_key(key: bytes) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise ImportError("signing needs `cryptography`: install fieldstore[audit], or open without a key") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is protected by a password
        raise ValueError(f"no PEM of an unprotected private key ({error})") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"it must be Ed25519, not {type(private).__name__}")
    return private
