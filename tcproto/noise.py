"""The handshake and the cipher of a stream: ``Noise_NX_25519_ChaChaPoly_BLAKE2b``.

After the Noise Protocol Framework, revision 34 (https://noiseprotocol.org/noise.html); section numbers are its own. The
pattern NX is::

    -> e                    the initiator's ephemeral key; the payload is neither secret nor authenticated
    <- e, ee, s, es         the responder's ephemeral and static key; the payload is both

The initiator learns who the responder is and has to check `Initiator.remote_static`; the responder learns nothing about
the initiator.

What the peer did wrong is a `ProtocolError`: ``bad_handshake`` until the handshake is complete, ``bad_frame`` after it.
What the caller did wrong is a `ValueError` (sizes) or a `RuntimeError` (order).
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
"""Never changes with the protocol: versions and features are offered in the payloads."""

KEY_BYTES = 32
HASH_BYTES = 64
TAG_BYTES = 16
MAX_MESSAGE = 65535
"""Bytes of a Noise message, handshake or transport (section 3)."""
MAX_NONCE = (1 << 64) - 1
"""Reserved by section 5.1: a cipher state stops before it."""


class CipherState:
    """One direction of a stream: a key and a nonce that counts up (section 5.1).

    ``failure`` is the code of the error that `decrypt` raises.
    """

    def __init__(self, key: bytes, nonce: int = 0, failure: ErrorCode = ErrorCode.BAD_FRAME) -> None:
        self._key = key
        self._nonce = nonce
        self._failure = failure

    def encrypt(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        """The cipher text, `TAG_BYTES` longer than the plain text.

        Raises `ValueError` if that is more than `MAX_MESSAGE`, `ProtocolError` when the nonces are used up.
        """
        if len(plaintext) > MAX_MESSAGE - TAG_BYTES:
            raise ValueError(f"plain text of {len(plaintext)} bytes")
        ciphertext = crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, ad, self._nonce_bytes(), self._key)
        self._nonce += 1
        return ciphertext

    def decrypt(self, ciphertext: bytes, ad: bytes = b"") -> bytes:
        """The plain text. Raises `ProtocolError` for anything that does not verify; the nonce then stays."""
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
        """The hash of all that was said so far: the handshake hash at the end."""
        self._chaining_key = self.hash
        self._cipher: CipherState | None = None

    def mix_key(self, secret: bytes) -> None:
        """Take in a shared secret; what follows is encrypted."""
        self._chaining_key, key = _hkdf(self._chaining_key, secret)
        self._cipher = CipherState(key[:KEY_BYTES], failure=ErrorCode.BAD_HANDSHAKE)

    def mix_hash(self, data: bytes) -> None:
        """Take in what was said."""
        self.hash = hashlib.blake2b(self.hash + data).digest()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """What to send for it: itself as long as there is no key."""
        ciphertext = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """What was sent. Raises `ProtocolError` (``bad_handshake``)."""
        plaintext = ciphertext if self._cipher is None else self._cipher.decrypt(ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """The cipher states from initiator to responder and from responder to initiator."""
        first, second = _hkdf(self._chaining_key, b"")
        return CipherState(first[:KEY_BYTES]), CipherState(second[:KEY_BYTES])


class _Handshake:
    """What the two roles share: the state and whose turn it is. Any failure ends the handshake for good."""

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
        """64 bytes, the same on both sides and on no other connection: for channel binding (section 11.2)."""
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
        self._turn = self._BROKEN  # until the message is done

    def _say_ephemeral(self) -> bytes:
        public = crypto_scalarmult_base(self._ephemeral)
        self._symmetric.mix_hash(public)
        return public

    def _say_payload(self, said: bytes, payload: bytes) -> bytes:
        message = said + self._symmetric.encrypt_and_hash(payload)
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"handshake message of {len(message)} bytes")
        return message

    def _hear_ephemeral(self, message: bytes) -> bytes:
        if not KEY_BYTES <= len(message) <= MAX_MESSAGE:
            raise ProtocolError(ErrorCode.BAD_HANDSHAKE, f"handshake message of {len(message)} bytes")
        public = message[:KEY_BYTES]
        self._symmetric.mix_hash(public)
        return public


class Initiator(_Handshake):
    """The side that opened the connection: `write_message`, `read_message`, check `remote_static`, `split`.

    ``ephemeral_private`` (32 bytes) is drawn if not given; never use one twice.
    """

    def __init__(self, ephemeral_private: bytes | None = None, prologue: bytes = PROLOGUE) -> None:
        super().__init__(ephemeral_private, prologue)
        self._remote_static = b""

    @property
    def remote_static(self) -> bytes:
        """The responder's static public key, proven."""
        self._require(self._COMPLETE)
        return self._remote_static

    def write_message(self, payload: bytes = b"") -> bytes:
        """The first message; anyone can read and change its payload, but a change breaks the handshake."""
        self._begin(0)
        message = self._say_payload(self._say_ephemeral(), payload)
        self._turn = 1
        return message

    def read_message(self, message: bytes) -> bytes:
        """The payload of the second message. Raises `ProtocolError` (``bad_handshake``)."""
        self._begin(1)
        ephemeral = self._hear_ephemeral(message)
        self._symmetric.mix_key(_dh(self._ephemeral, ephemeral))
        end = 2 * KEY_BYTES + TAG_BYTES
        self._remote_static = self._symmetric.decrypt_and_hash(message[KEY_BYTES:end])
        self._symmetric.mix_key(_dh(self._ephemeral, self._remote_static))
        payload = self._symmetric.decrypt_and_hash(message[end:])
        self._turn = self._COMPLETE
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """The cipher states to send and to receive with, once."""
        return self._split()


class Responder(_Handshake):
    """The side with the static key: `read_message`, `write_message`, `split`.

    ``static_private`` and ``ephemeral_private`` have 32 bytes; the latter is drawn if not given; never use one twice.
    """

    def __init__(
        self, static_private: bytes, ephemeral_private: bytes | None = None, prologue: bytes = PROLOGUE
    ) -> None:
        super().__init__(ephemeral_private, prologue)
        self._static = static_private
        self._remote_ephemeral = b""

    def read_message(self, message: bytes) -> bytes:
        """The payload of the first message. Raises `ProtocolError` (``bad_handshake``)."""
        self._begin(0)
        self._remote_ephemeral = self._hear_ephemeral(message)
        payload = self._symmetric.decrypt_and_hash(message[KEY_BYTES:])
        self._turn = 1
        return payload

    def write_message(self, payload: bytes = b"") -> bytes:
        """The second message. Raises `ProtocolError` (``bad_handshake``) if the initiator's key was no usable point."""
        self._begin(1)
        said = self._say_ephemeral()
        self._symmetric.mix_key(_dh(self._ephemeral, self._remote_ephemeral))
        said += self._symmetric.encrypt_and_hash(crypto_scalarmult_base(self._static))
        self._symmetric.mix_key(_dh(self._static, self._remote_ephemeral))
        message = self._say_payload(said, payload)
        self._turn = self._COMPLETE
        return message

    def split(self) -> tuple[CipherState, CipherState]:
        """The cipher states to send and to receive with, once."""
        receive, send = self._split()
        return send, receive


def _dh(private: bytes, public: bytes) -> bytes:
    try:
        return crypto_scalarmult(private, public)
    except CryptoError:
        # libsodium refuses points of small order, whose result is all zeros whatever the private key (section 12.1).
        raise ProtocolError(ErrorCode.BAD_HANDSHAKE, "a public key is of small order") from None


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Two outputs of section 4.3."""
    temporary = _hmac(chaining_key, material)
    first = _hmac(temporary, b"\x01")
    return first, _hmac(temporary, first + b"\x02")


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.blake2b).digest()
