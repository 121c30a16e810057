"""The box of libsodium (XSalsa20, Poly1305), without the copies that PyNaCl makes. For small boxes it costs half.

``box`` and ``unbox`` call the C functions through PyNaCl's own binding, if they pass a self-test. Otherwise they are
the public functions of PyNaCl, which do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nacl.bindings import crypto_secretbox, crypto_secretbox_open
from nacl.exceptions import CryptoError

from tcproto.errors import CryptoFailure

KEY_SIZE = 32
NONCE_SIZE = 24
TAG_SIZE = 16
Function = Callable[[bytes, bytes, bytes], bytes]
_KEY = bytes(range(KEY_SIZE))
_NONCE = bytes(range(NONCE_SIZE))
_TEST_SIZES = (0, 1, 2, 15, 16, 17, 63, 64, 65, 1200)
"""Sizes around the blocks of both ciphers."""


def safe_box(plaintext: bytes, nonce: bytes, key: bytes) -> bytes:
    """Return the box: tag, then ciphertext. Raises ``ValueError`` for a nonce or key of the wrong size."""
    try:
        return crypto_secretbox(plaintext, nonce, key)
    except CryptoError as error:
        raise ValueError(str(error)) from error


def safe_unbox(data: bytes, nonce: bytes, key: bytes) -> bytes:
    """Return the plaintext. Raises ``CryptoFailure`` where the box does not open, ``ValueError`` as ``safe_box``."""
    if len(data) < TAG_SIZE:
        raise CryptoFailure("the box is shorter than a tag")
    _check(nonce, key)
    try:
        return crypto_secretbox_open(data, nonce, key)
    except CryptoError as error:
        raise CryptoFailure("the box does not open") from error


def fast_functions(lib: Any) -> tuple[Function, Function]:
    """Return ``box`` and ``unbox`` over a cffi library. Raises ``AttributeError`` where it lacks the C functions."""
    seal, open_ = lib.crypto_secretbox_easy, lib.crypto_secretbox_open_easy

    # The results are written into new bytes objects that nobody else has yet, as C extensions do. One buffer for all
    # calls would be wrong, because cffi releases the interpreter lock during the call.
    def fast_box(plaintext: bytes, nonce: bytes, key: bytes) -> bytes:
        if len(nonce) != NONCE_SIZE or len(key) != KEY_SIZE:
            _check(nonce, key)
        size = len(plaintext)
        data = bytes(size + TAG_SIZE)
        seal(data, plaintext, size, nonce, key)
        return data

    def fast_unbox(data: bytes, nonce: bytes, key: bytes) -> bytes:
        size = len(data)
        if size < TAG_SIZE + 2:  # Python shares bytes objects of no byte and of one.
            return safe_unbox(data, nonce, key)
        if len(nonce) != NONCE_SIZE or len(key) != KEY_SIZE:
            _check(nonce, key)
        plaintext = bytes(size - TAG_SIZE)
        if open_(plaintext, data, size, nonce, key):
            raise CryptoFailure("the box does not open")
        return plaintext

    return fast_box, fast_unbox


def passes(box: Function, unbox: Function) -> bool:
    """Tell whether two functions do the same as the public ones."""
    try:
        for size in _TEST_SIZES:
            plaintext = (bytes(range(256)) * 5)[:size]
            data = box(plaintext, _NONCE, _KEY)
            if data != crypto_secretbox(plaintext, _NONCE, _KEY) or unbox(data, _NONCE, _KEY) != plaintext:
                return False
            try:
                unbox(bytes((data[0] ^ 1,)) + data[1:], _NONCE, _KEY)
            except CryptoFailure:
                continue
            return False
    except (TypeError, ValueError, CryptoFailure):
        return False
    return True


def _check(nonce: bytes, key: bytes) -> None:
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")


def choose() -> tuple[Function, Function]:
    """Return ``box`` and ``unbox``: the fast functions if they exist and pass the self-test, else the safe ones."""
    try:
        from nacl._sodium import lib  # type: ignore[import-not-found]

        fast = fast_functions(lib)
    except (ImportError, AttributeError):
        return safe_box, safe_unbox
    return fast if passes(*fast) else (safe_box, safe_unbox)


box, unbox = choose()
