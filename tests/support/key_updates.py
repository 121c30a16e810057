"""Records of TLS 1.3 that hold nothing but an update of the client's key, which no library sends in any number."""

import hashlib
import hmac
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

_APPLICATION_DATA, _HANDSHAKE, _KEY_UPDATE = 23, 22, 24
_TAG = 16


def key_updates(client: ssl.SSLObject, key_log: Path, count: int, *, asks: bool) -> bytes:
    """Return as many updates (RFC 8446, section 4.6.3) of a client that has sent nothing since its handshake.

    ``key_log`` is the file where its context has logged its secrets. ``asks`` has the server update its key as well.
    """
    chosen = client.cipher()
    assert chosen is not None
    suite = chosen[0]
    digest = hashlib.sha384 if suite.endswith("384") else hashlib.sha256
    cipher, size = (ChaCha20Poly1305, 32) if "CHACHA" in suite else (AESGCM, 16 if "128" in suite else 32)
    lines = (line.split() for line in key_log.read_text().splitlines())
    secret = next(bytes.fromhex(line[2]) for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0")
    records = []
    for _ in range(count):
        inner = bytes((_KEY_UPDATE, 0, 0, 1, asks, _HANDSHAKE))
        head = bytes((_APPLICATION_DATA, 3, 3)) + (len(inner) + _TAG).to_bytes(2, "big")
        key, nonce = _expanded(secret, b"key", size, digest), _expanded(secret, b"iv", 12, digest)
        records.append(head + cipher(key).encrypt(nonce, inner, head))
        secret = _expanded(secret, b"traffic upd", len(secret), digest)
    return b"".join(records)


def _expanded(secret: bytes, label: bytes, size: int, digest: object) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446, section 7.1); one block is enough."""
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0"
    return hmac.new(secret, info + b"\1", digest).digest()[:size]
