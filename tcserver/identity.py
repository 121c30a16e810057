"""The keys of the server: the static key, by which clients know it, and keys that are derived from it.

The key is one file, ``identity.key`` in the data directory: 32 bytes in base64, mode 0600, made at the first start.
Account keys depend on the static key. So a server that has lost it needs new passwords for everybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nacl.bindings

from tcproto.account import Challenge, decoy_public_key, made_up_challenge
from tcproto.identity import KEY_SIZE, fingerprint
from tcserver.records import StoreError
from tcserver.storage import private_files

_MADE_UP_LABEL = b"tc made-up v1"


@dataclass(frozen=True)
class ServerIdentity:
    """The static key (an X25519 ``secret`` of 32 bytes), and what is derived from it."""

    secret: bytes = field(repr=False)
    public: bytes = field(init=False)
    fingerprint: bytes = field(init=False)
    """Fingerprint of ``public``, 20 bytes."""
    decoy_key: bytes = field(init=False, repr=False)
    """Public key that verifies no login: for names without an account."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", nacl.bindings.crypto_scalarmult_base(self.secret))
        object.__setattr__(self, "fingerprint", fingerprint(self.public))
        object.__setattr__(self, "decoy_key", decoy_public_key(self._made_up_secret()))

    def made_up_challenge(self, folded_name: str, costs: Mapping[tuple[int, int], int]) -> Challenge:
        """Return the challenge for a name that has no account. It stays the same while the server has this key.

        ``costs`` are those of the accounts; see ``tcproto.account.made_up_challenge``.
        """
        return made_up_challenge(self._made_up_secret(), folded_name, costs)

    def _made_up_secret(self) -> bytes:
        return hashlib.blake2b(digest_size=KEY_SIZE, key=self.secret, person=_MADE_UP_LABEL).digest()


def open_identity(path: Path, random_bytes: Callable[[int], bytes]) -> tuple[ServerIdentity, bool]:
    """Return the identity in the file ``path``, and whether it was made now (with ``random_bytes``).

    Raises ``StoreError`` if others can read the file, or if it has no key.
    """
    try:
        private_files.write_private(path, base64.b64encode(random_bytes(KEY_SIZE)) + b"\n")
    except FileExistsError:
        return read_identity(path), False
    return read_identity(path), True


def read_identity(path: Path) -> ServerIdentity:
    """Return the identity in the file ``path``.

    Raises ``StoreError`` if there is no file, if others can read it, or if it has no key.
    """
    try:
        private_files.check_private(path)
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except FileNotFoundError:
        raise StoreError(f"there is no server key in {path.parent}: run the server or add an account first") from None
    except binascii.Error:
        secret = b""
    if len(secret) != KEY_SIZE:
        raise StoreError(f"{path} is damaged: it should hold {KEY_SIZE} bytes in base64; restore it from your backup")
    return ServerIdentity(secret)
