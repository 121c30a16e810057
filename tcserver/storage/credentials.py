"""Passwords of accounts: their length, and the key that the server keeps in place of a password."""

from __future__ import annotations

from tcproto.account import (
    DEFAULT_MEMORY,
    DEFAULT_PASSES,
    MAX_PASSWORD_BYTES,
    Challenge,
    derive_account_key,
    effective_salt,
)
from tcproto.names import fold_account
from tcserver.identity import ServerIdentity
from tcserver.records import StoreError

MIN_PASSWORD_CHARACTERS = 8
"""Shorter passwords are refused (NIST SP 800-63B, 5.1.1.2)."""


def check_password(password: str) -> None:
    """Raise ``StoreError`` for a password that is too short or too long."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise StoreError(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(password) > MAX_PASSWORD_BYTES:
        raise StoreError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")


def derive_credentials(identity: ServerIdentity, name: str, password: str, salt: bytes) -> tuple[Challenge, bytes]:
    """Return the challenge and the public key of a new password of an account. It takes a tenth of a second.

    ``salt`` is 16 fresh random bytes. Raises ``StoreError`` for a bad name or password.
    """
    check_password(password)
    challenge = Challenge(salt, DEFAULT_MEMORY, DEFAULT_PASSES)
    try:
        bound = effective_salt(identity.public, fold_account(name), salt)
        return challenge, derive_account_key(password, bound, challenge.memory_bytes, challenge.passes).public
    except ValueError as error:
        raise StoreError(str(error)) from None
