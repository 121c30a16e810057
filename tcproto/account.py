"""Login keys: from a password to an Ed25519 key, and what the keys of accounts and devices sign.

The password never leaves the client. The server sends a salt and Argon2id costs. The client derives the account key
and signs the handshake hash. The server keeps the public half of the key. The salt that goes into Argon2id also depends
on the server's static key and on the name. So a false server cannot make a client compute the key of another server.

A signed text is a label that ends with a zero byte, and then the fields in order. A field of variable size stands
behind its length in two bytes, big-endian.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import nacl.bindings

from tcproto.errors import CryptoFailure
from tcproto.identity import KEY_SIZE, SigningKey, verify_signature

MEMORY_FLOOR = 64 * 1024 * 1024
"""The least bytes of Argon2id memory that a client accepts. With less a false server could guess cheaply."""
MEMORY_CEILING = 256 * 1024 * 1024
"""The most bytes of it that a client accepts. A false server must not exhaust the client's machine."""
PASSES_FLOOR = 2
"""The fewest Argon2id passes that a client accepts."""
PASSES_CEILING = 6
"""The most Argon2id passes that a client accepts."""
DEFAULT_MEMORY = MEMORY_FLOOR
"""Bytes for new accounts: the memory-constrained recommendation of RFC 9106, section 4."""
DEFAULT_PASSES = 3
"""Passes for new accounts, from the same recommendation."""
SALT_SIZE = 16
"""Bytes of a salt."""
HANDSHAKE_HASH_SIZE = 64
"""Bytes of a Noise handshake hash under BLAKE2b."""
MAX_PASSWORD_BYTES = 1024
"""The most UTF-8 bytes of a password: enough for a sentence, and a limit for the work of normalizing it."""
MAX_FIELD_BYTES = 0xFFFF
"""The most bytes of a variable field in a signed text: its length has two bytes."""
PASSWORD_ENTROPY_SIZE = 10
"""Random bytes in a generated password: 80 bits, too many to guess at the price of Argon2id."""

_SALT_LABEL = b"tc salt v1"
_MADE_UP_SALT_LABEL = b"tc made-up salt"
_MADE_UP_COST_LABEL = b"tc made-up cost"
_DECOY_LABEL = b"tc decoy key v1"
_ACCOUNT_LOGIN = b"tc account login v1\0"
_DEVICE_LOGIN = b"tc device login v1\0"
_ACCOUNT_CHANGE = b"tc account change v1\0"
_PASSWORD_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # noqa: S105 - Crockford's base32: no i, l, o, u
_PASSWORD_GROUP = 4


class Challenge(NamedTuple):
    """The answer of the server to a name: the salt (16 bytes) and the Argon2id costs (bytes, passes)."""

    salt: bytes
    memory_bytes: int
    passes: int


def read_password(line: bytes) -> str:
    """Return the password in a line of a file or a pipe, without the end of the line and without a byte order mark.

    The line is read as UTF-8 whatever the locale is, so the same bytes are the same password for server and client.
    Raises ``ValueError`` for other encodings.
    """
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("the password is not in UTF-8; save its file as UTF-8") from None
    if "\0" in text:
        raise ValueError("the password is not in UTF-8 but, as it seems, in UTF-16; save its file as UTF-8")
    return text


def check_costs(memory_bytes: int, passes: int) -> None:
    """Raise ``CryptoFailure`` for Argon2id costs outside floor and ceiling."""
    if not MEMORY_FLOOR <= memory_bytes <= MEMORY_CEILING or not PASSES_FLOOR <= passes <= PASSES_CEILING:
        raise CryptoFailure(f"Argon2id costs of {memory_bytes} bytes and {passes} passes are refused")


def effective_salt(server_static: bytes, folded_name: str, salt: bytes) -> bytes:
    """Return the 16 bytes that go into Argon2id as salt.

    BLAKE2b-128 with the personalization ``tc salt v1`` over the server's static public key (32 bytes), the folded name
    in UTF-8, a zero byte, and the salt (16 bytes). Raises ``ValueError`` for other sizes.
    """
    _check_size(server_static, KEY_SIZE, "static key")
    _check_size(salt, SALT_SIZE, "salt")
    text = server_static + folded_name.encode() + b"\0" + salt
    return hashlib.blake2b(text, digest_size=SALT_SIZE, person=_SALT_LABEL).digest()


def derive_account_key(password: str, salt: bytes, memory_bytes: int, passes: int) -> SigningKey:
    """Return the account key. Its seed is Argon2id (RFC 9106, version 1.3, one lane) of the password in NFKC and UTF-8.

    ``salt`` is the ``effective_salt``. This takes a tenth of a second and ``memory_bytes`` of memory, so it must not
    run in an event loop. Raises ``CryptoFailure`` for costs outside floor and ceiling, ``ValueError`` for a password
    that is empty or too long.
    """
    check_costs(memory_bytes, passes)
    _check_size(salt, SALT_SIZE, "salt")
    if len(password) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
    text = unicodedata.normalize("NFKC", password).encode()
    if not 1 <= len(text) <= MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes")
    algorithm = nacl.bindings.crypto_pwhash_ALG_ARGON2ID13
    return SigningKey(nacl.bindings.crypto_pwhash_alg(KEY_SIZE, text, salt, passes, memory_bytes, algorithm))


def sign_account_login(key: SigningKey, handshake_hash: bytes, device_public: bytes, folded_name: str) -> bytes:
    """Return the signature of the account for a login, 64 bytes.

    It covers the handshake hash (64 bytes), the device key (32 bytes) and the name.
    """
    return key.sign(_account_login(handshake_hash, device_public, folded_name))


def verify_account_login(
    public: bytes, signature: bytes, handshake_hash: bytes, device_public: bytes, folded_name: str
) -> bool:
    """Tell whether the account with the key ``public`` signed this login. Never raises."""
    return _verifies(public, signature, _account_login, handshake_hash, device_public, folded_name)


def sign_device_login(key: SigningKey, handshake_hash: bytes, folded_name: str) -> bytes:
    """Return the signature of the device for a login or a resume, 64 bytes, over handshake hash (64 bytes) and name."""
    return key.sign(_device_login(handshake_hash, folded_name))


def verify_device_login(public: bytes, signature: bytes, handshake_hash: bytes, folded_name: str) -> bool:
    """Tell whether the device with the key ``public`` signed this login or resume. Never raises."""
    return _verifies(public, signature, _device_login, handshake_hash, folded_name)


def sign_account_change(
    key: SigningKey, handshake_hash: bytes, folded_name: str, new_public: bytes, new: Challenge
) -> bytes:
    """Return the signature of the old account key for a new password, 64 bytes.

    It covers the handshake hash (64 bytes), the name, the new public key (32 bytes), the new salt (16 bytes), the new
    memory in bytes (4 bytes) and passes (1 byte).
    """
    return key.sign(_account_change(handshake_hash, folded_name, new_public, new))


def verify_account_change(
    public: bytes, signature: bytes, handshake_hash: bytes, folded_name: str, new_public: bytes, new: Challenge
) -> bool:
    """Tell whether the account with the key ``public`` signed this change to costs that are allowed. Never raises."""
    return _verifies(public, signature, _account_change, handshake_hash, folded_name, new_public, new)


def made_up_challenge(secret: bytes, folded_name: str, costs: Mapping[tuple[int, int], int]) -> Challenge:
    """Return the challenge for a name that has no account. It depends on the name and the ``secret`` (32 bytes) alone.

    ``costs`` is the number of accounts by their pair of memory (bytes) and passes. Where there are none, the default
    costs are taken. Only the secret tells the challenge from a real one: real salts are random, and the made-up costs
    are as frequent as the real ones. When accounts with other costs are added, few names change their costs. This is
    weighted rendezvous hashing: each pair of costs gets a random number from the name, and the least number for its
    weight wins.
    """
    _check_size(secret, KEY_SIZE, "secret")

    def drawn(size: int, person: bytes, costs: bytes = b"") -> bytes:
        text = folded_name.encode() + costs
        return hashlib.blake2b(text, digest_size=size, key=secret, person=person).digest()

    def rank(cost: tuple[int, int]) -> float:
        number = int.from_bytes(drawn(8, _MADE_UP_COST_LABEL, b"\0%d %d" % cost), "big")
        return -math.log((number + 1) / (1 << 64)) / costs[cost]

    memory_bytes, passes = min(costs, key=rank, default=(DEFAULT_MEMORY, DEFAULT_PASSES))
    return Challenge(drawn(SALT_SIZE, _MADE_UP_SALT_LABEL), memory_bytes, passes)


def decoy_public_key(secret: bytes) -> bytes:
    """Return a public key that nobody can sign for. Logins of unknown names are verified with it in the usual time."""
    _check_size(secret, KEY_SIZE, "secret")
    return SigningKey(hashlib.blake2b(digest_size=KEY_SIZE, key=secret, person=_DECOY_LABEL).digest()).public


def generate_password(entropy: bytes) -> str:
    """Return a password made of ten random bytes: four groups of four letters and digits (``k7m2-…``), 80 random bits.

    Raises ``ValueError`` for another number of bytes.
    """
    _check_size(entropy, PASSWORD_ENTROPY_SIZE, "entropy")
    number = int.from_bytes(entropy, "big")
    length = PASSWORD_ENTROPY_SIZE * 8 // 5
    letters = "".join(_PASSWORD_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
    return "-".join(letters[start : start + _PASSWORD_GROUP] for start in range(0, length, _PASSWORD_GROUP))


def _verifies(public: bytes, signature: bytes, build: Callable[..., bytes], *fields: Any) -> bool:
    """Tell whether ``signature`` is over what ``build`` makes of ``fields``. Fields out of range never verify."""
    try:
        message = build(*fields)
    except (ValueError, CryptoFailure):
        return False
    return verify_signature(public, message, signature)


def _account_login(handshake_hash: bytes, device_public: bytes, folded_name: str) -> bytes:
    _check_size(handshake_hash, HANDSHAKE_HASH_SIZE, "handshake hash")
    _check_size(device_public, KEY_SIZE, "device key")
    return _ACCOUNT_LOGIN + handshake_hash + device_public + _prefixed(folded_name)


def _device_login(handshake_hash: bytes, folded_name: str) -> bytes:
    _check_size(handshake_hash, HANDSHAKE_HASH_SIZE, "handshake hash")
    return _DEVICE_LOGIN + handshake_hash + _prefixed(folded_name)


def _account_change(handshake_hash: bytes, folded_name: str, new_public: bytes, new: Challenge) -> bytes:
    check_costs(new.memory_bytes, new.passes)
    _check_size(handshake_hash, HANDSHAKE_HASH_SIZE, "handshake hash")
    _check_size(new_public, KEY_SIZE, "public key")
    _check_size(new.salt, SALT_SIZE, "salt")
    costs = new.memory_bytes.to_bytes(4, "big") + new.passes.to_bytes(1, "big")
    return _ACCOUNT_CHANGE + handshake_hash + _prefixed(folded_name) + new_public + new.salt + costs


def _prefixed(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > MAX_FIELD_BYTES:
        raise ValueError(f"a signed field has at most {MAX_FIELD_BYTES} bytes")
    return len(encoded).to_bytes(2, "big") + encoded


def _check_size(value: bytes, size: int, what: str) -> None:
    if len(value) != size:
        raise ValueError(f"the {what} has {len(value)} bytes instead of {size}")
