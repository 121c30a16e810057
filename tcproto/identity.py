"""Identities: Ed25519 signing keys of accounts and devices, and the fingerprint of a server's static key."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

import nacl.bindings
import nacl.exceptions

KEY_SIZE = 32
"""Bytes of a seed, of an Ed25519 or X25519 public key and of an X25519 secret key."""
SIGNATURE_SIZE = 64
"""Bytes of an Ed25519 signature."""
FINGERPRINT_SIZE = 20
"""Bytes of a fingerprint: 160 bits, too many to find a second key with the same, and 32 letters to read."""

_GROUP = 4
_PERSON = b"tc fingerprint v1"[:16]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key made from a ``seed`` of 32 secret bytes. ``public`` is the public half.

    Raises ``ValueError`` for a seed of another size.
    """

    seed: bytes = field(repr=False)
    public: bytes = field(init=False)
    _secret: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != KEY_SIZE:
            raise ValueError(f"a seed has {KEY_SIZE} bytes")
        public, secret = nacl.bindings.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public", public)
        object.__setattr__(self, "_secret", secret)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``, 64 bytes."""
        return nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_SIZE]


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the key with the public half ``public`` made this signature of ``message``. Never raises."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def fingerprint(public: bytes) -> bytes:
    """Return the fingerprint of a server's static key: BLAKE2b-160, 20 bytes, personalization ``tc fingerprint v``.

    Raises ``ValueError`` if ``public`` has not 32 bytes.
    """
    if len(public) != KEY_SIZE:
        raise ValueError(f"a public key has {KEY_SIZE} bytes")
    return hashlib.blake2b(public, digest_size=FINGERPRINT_SIZE, person=_PERSON).digest()


def format_fingerprint(value: bytes) -> str:
    """Return ``value`` in eight groups of four letters, lower-case base32 (RFC 4648): ``abcd-efgh-…``.

    Raises ``ValueError`` if ``value`` has not 20 bytes.
    """
    if len(value) != FINGERPRINT_SIZE:
        raise ValueError(f"a fingerprint has {FINGERPRINT_SIZE} bytes")
    text = base64.b32encode(value).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def parse_fingerprint(text: str) -> bytes:
    """Return the 20 bytes of a fingerprint that ``format_fingerprint`` wrote, in any case, with or without dashes.

    Raises ``ValueError`` for another text.
    """
    try:
        value = base64.b32decode(text.replace("-", "").strip().upper())
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != FINGERPRINT_SIZE:
        raise ValueError("a fingerprint is 32 letters and digits (a-z, 2-7) in eight groups of four")
    return value
