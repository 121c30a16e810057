"""The handshake and the cipher of a stream: ``Noise_NX_25519_ChaChaPoly_BLAKE2b``.

It follows the Noise Protocol Framework, revision 34 (https://noiseprotocol.org/noise.html). Section numbers are those
of its document. The pattern NX is::

    -> e                    the initiator's ephemeral key; the payload is neither secret nor authenticated
    <- e, ee, s, es         the responder's ephemeral and static key; the payload is both

The initiator learns the key of the responder, and has to check ``Initiator.remote_static``. The responder learns
nothing about the initiator.

A fault of the peer raises ``ProtocolError``: ``bad_handshake`` until the handshake is complete, ``bad_frame`` after it.
A fault of the caller raises ``ValueError`` (sizes) or ``RuntimeError`` (order).
"""

from __future__ import annotations

import hashlib
import hmac

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
    randombytes,
)
from nacl.exceptions import CryptoError

from tcproto.errors import ErrorCode, ProtocolError

PROTOCOL_NAME = b"Noise_NX_25519_ChaChaPoly_BLAKE2b"
PROLOGUE = b"tc noise 1"
"""Bytes that both sides have to agree on. They never change: versions and features are offered in the payloads."""

KEY_BYTES = 32
HASH_BYTES = 64
TAG_BYTES = 16
MAX_MESSAGE = 65535
"""The most bytes of a Noise message, of the handshake or after it (section 3)."""
MAX_NONCE = (1 << 64) - 1
"""The nonce that section 5.1 reserves: a cipher state stops before it."""


class CipherState:
    """One direction of a stream: a key and a nonce that counts up (section 5.1).

    ``failure`` is the code of the error that ``decrypt`` raises.
    """

    def __init__(self, key: bytes, nonce: int = 0, failure: ErrorCode = ErrorCode.BAD_FRAME) -> None:
        self._key = key
        self._nonce = nonce
        self._failure = failure

    def encrypt(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        """Return the cipher text, which is ``TAG_BYTES`` longer than the plain text.

        Raises ``ValueError`` if it is longer than ``MAX_MESSAGE``, ``ProtocolError`` when the nonces are used up.
        """
        if len(plaintext) > MAX_MESSAGE - TAG_BYTES:
            raise ValueError(f"plain text of {len(plaintext)} bytes")
        ciphertext = crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, self._nonce_bytes(), self._key)
        self._nonce += 1
        return ciphertext

    def decrypt(self, ciphertext: bytes, ad: bytes = b"") -> bytes:
        """Return the plain text. Raises ``ProtocolError`` where it does not verify; the nonce stays the same then."""
        if not TAG_BYTES <= len(ciphertext) <= MAX_MESSAGE:
            raise ProtocolError(self._failure, f"cipher text of {len(ciphertext)} bytes")
        try:
            plaintext = crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, ad, self._nonce_bytes(), self._key)
        except CryptoError:
            raise ProtocolError(self._failure, "the cipher text does not verify") from None
        self._nonce += 1
        return plaintext

    def _nonce_bytes(self) -> bytes:
        if self._nonce >= MAX_NONCE:
            raise ProtocolError(self._failure, "the nonces are used up")
        return bytes(4) + self._nonce.to_bytes(8, "little")  # section 12.3


class SymmetricState:
    """The chaining key and the hash of a handshake (section 5.2)."""

    def __init__(self, protocol_name: bytes) -> None:
        self.hash = (
            protocol_name.ljust(HASH_BYTES, b"\0")
            if len(protocol_name) <= HASH_BYTES
            else hashlib.blake2b(protocol_name).digest()
        )
        """The hash of all that was sent so far. At the end it is the handshake hash."""
        self._chaining_key = self.hash
        self._cipher: CipherState | None = None

    def mix_key(self, secret: bytes) -> None:
        """Mix in a shared secret. What follows is encrypted."""
        self._chaining_key, key = _hkdf(self._chaining_key, secret)
        self._cipher = CipherState(key[:KEY_BYTES], failure=ErrorCode.BAD_HANDSHAKE)

    def mix_hash(self, data: bytes) -> None:
        """Mix in bytes that were sent."""
        self.hash = hashlib.blake2b(self.hash + data).digest()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """Return what has to be sent: the cipher text, or the plain text as long as there is no key."""
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """Return the plain text of what was sent. Raises ``ProtocolError`` (``bad_handshake``)."""
        plaintext = ciphertext if self._cipher is None else self._cipher.decrypt(ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the cipher states from initiator to responder and from responder to initiator."""
        first, second = _hkdf(self._chaining_key, b"")
        return CipherState(first[:KEY_BYTES]), CipherState(second[:KEY_BYTES])


class _Handshake:
    """What both roles have: the state, and whose turn it is. Any failure ends the handshake."""

    _BROKEN = -1
    _COMPLETE = 2

    def __init__(self, ephemeral_private: bytes | None, prologue: bytes) -> None:
        self._symmetric = SymmetricState(PROTOCOL_NAME)
        self._symmetric.mix_hash(prologue)
        self._ephemeral = randombytes(KEY_BYTES) if ephemeral_private is None else ephemeral_private
        self._turn = 0
        self._was_split = False

    @property
    def complete(self) -> bool:
        """Whether both messages were exchanged."""
        return self._turn == self._COMPLETE

    @property
    def handshake_hash(self) -> bytes:
        """64 bytes for channel binding (section 11.2). Both sides have the same, and no other connection has."""
        self._require(self._COMPLETE)
        return self._symmetric.hash

    def _split(self) -> tuple[CipherState, CipherState]:
        self._require(self._COMPLETE)
        if self._was_split:
            raise RuntimeError("a second pair of cipher states would repeat the nonces of the first")
        self._was_split = True
        return self._symmetric.split()

    def _require(self, turn: int) -> None:
        if self._turn != turn:
            raise RuntimeError("not now in this handshake")

    def _begin(self, turn: int) -> None:
        self._require(turn)
        self._turn = self._BROKEN  # stays so where the message fails

    def _write_ephemeral(self) -> bytes:
        public = crypto_scalarmult_base(self._ephemeral)
        self._symmetric.mix_hash(public)
        return public

    def _write_payload(self, said: bytes, payload: bytes) -> bytes:
        message = said + self._symmetric.encrypt_and_hash(payload)
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"handshake message of {len(message)} bytes")
        return message

    def _read_ephemeral(self, message: bytes) -> bytes:
        if not KEY_BYTES <= len(message) <= MAX_MESSAGE:
            raise ProtocolError(ErrorCode.BAD_HANDSHAKE, f"handshake message of {len(message)} bytes")
        public = message[:KEY_BYTES]
        self._symmetric.mix_hash(public)
        return public


class Initiator(_Handshake):
    """The side that opened the connection: ``write_message``, ``read_message``, check ``remote_static``, ``split``.

    ``ephemeral_private`` has 32 bytes. It is drawn at random if not given, and must never be used twice.
    """

    def __init__(self, ephemeral_private: bytes | None = None, prologue: bytes = PROLOGUE) -> None:
        super().__init__(ephemeral_private, prologue)
        self._remote_static = b""

    @property
    def remote_static(self) -> bytes:
        """The static public key of the responder, which has proven it."""
        self._require(self._COMPLETE)
        return self._remote_static

    def write_message(self, payload: bytes = b"") -> bytes:
        """Return the first message. Anyone can read and change its payload, but a change breaks the handshake."""
        self._begin(0)
        message = self._write_payload(self._write_ephemeral(), payload)
        self._turn = 1
        return message

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the second message. Raises ``ProtocolError`` (``bad_handshake``)."""
        self._begin(1)
        ephemeral = self._read_ephemeral(message)
        self._symmetric.mix_key(_dh(self._ephemeral, ephemeral))
        end = 2 * KEY_BYTES + TAG_BYTES
        self._remote_static = self._symmetric.decrypt_and_hash(message[KEY_BYTES:end])
        self._symmetric.mix_key(_dh(self._ephemeral, self._remote_static))
        payload = self._symmetric.decrypt_and_hash(message[end:])
        self._turn = self._COMPLETE
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the cipher states to send and to receive with. May be called once."""
        return self._split()


class Responder(_Handshake):
    """The side with the static key: ``read_message``, ``write_message``, ``split``.

    ``static_private`` and ``ephemeral_private`` have 32 bytes. The second is drawn at random if not given, and must
    never be used twice.
    """

    def __init__(
        self, static_private: bytes, ephemeral_private: bytes | None = None, prologue: bytes = PROLOGUE
    ) -> None:
        super().__init__(ephemeral_private, prologue)
        self._static = static_private
        self._remote_ephemeral = b""

    def read_message(self, message: bytes) -> bytes:
        """Return the payload of the first message. Raises ``ProtocolError`` (``bad_handshake``)."""
        self._begin(0)
        self._remote_ephemeral = self._read_ephemeral(message)
        payload = self._symmetric.decrypt_and_hash(message[KEY_BYTES:])
        self._turn = 1
        return payload

    def write_message(self, payload: bytes = b"") -> bytes:
        """Return the second message.

        Raises ``ProtocolError`` (``bad_handshake``) if the key of the initiator is not a usable point.
        """
        self._begin(1)
        said = self._write_ephemeral()
        self._symmetric.mix_key(_dh(self._ephemeral, self._remote_ephemeral))
        said += self._symmetric.encrypt_and_hash(crypto_scalarmult_base(self._static))
        self._symmetric.mix_key(_dh(self._static, self._remote_ephemeral))
        message = self._write_payload(said, payload)
        self._turn = self._COMPLETE
        return message

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the cipher states to send and to receive with. May be called once."""
        receive, send = self._split()
        return send, receive


def _dh(private: bytes, public: bytes) -> bytes:
    try:
        return crypto_scalarmult(private, public)
    except CryptoError:
        # libsodium refuses points of small order: their result is all zeros for every private key (section 12.1).
        raise ProtocolError(ErrorCode.BAD_HANDSHAKE, "a public key is of small order") from None


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Return the two outputs of section 4.3."""
    temporary = _hmac(chaining_key, material)
    first = _hmac(temporary, b"\x01")
    return first, _hmac(temporary, first + b"\x02")


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.blake2b).digest()
