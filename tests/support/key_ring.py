"""Packets and texts of a sender, and the ring that opens them."""

from __future__ import annotations

import pytest

from tcproto.errors import CryptoFailure
from tcproto.keyring import KeyRing, PublicationId
from tcproto.packet import AudioHeader, parse_header, seal_packet
from tcproto.sender_key import FirstSequence, OpenedBox, SenderKey
from tests.support.memory import kept

LIFE = b"l" * 16
MICROPHONE = PublicationId(1, 1, 1)
CAMERA = PublicationId(2, 2, 2)
NOW = 1000.0


def sender_key(number: int = 1, generation: int = 0) -> SenderKey:
    return SenderKey(number, 0, number.to_bytes(32, "big")).ratcheted(generation)


def sealed(
    key: SenderKey, sequence: int = 0, payload: bytes = b"payload", publication: PublicationId = MICROPHONE
) -> bytes:
    header = AudioHeader(9, key.number & 255, key.generation, sequence, 0)
    return seal_packet(header, payload, key.publication_key(LIFE, *publication))


def opened(ring: KeyRing, packet: bytes, now: float = NOW, publication: PublicationId = MICROPHONE) -> bytes:
    return ring.open(parse_header(packet), packet, publication, now)


def ring_with(*keys: SenderKey, firsts: tuple[FirstSequence, ...] = ()) -> KeyRing:
    ring = KeyRing(LIFE)
    for key in keys:
        assert ring.add(OpenedBox(key, firsts), NOW)
    return ring


def refused(ring: KeyRing, packet: bytes, now: float = NOW, publication: PublicationId = MICROPHONE) -> None:
    with pytest.raises(CryptoFailure):
        opened(ring, packet, now, publication)


def keys_in(ring: KeyRing) -> list[SenderKey]:
    """Return the keys that a ring holds, each at the generations from which others are made, in order."""
    return sorted(set(kept(ring, SenderKey)))
