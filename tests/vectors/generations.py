"""What a receiver opens as keys follow each other: skipped generations, overlaps, replays."""

from __future__ import annotations

from typing import Any, NamedTuple

from tcproto.errors import CryptoFailure
from tcproto.keyring import KeyRing, PublicationId
from tcproto.packet import AudioHeader, parse_header, seal_packet
from tcproto.sender_key import FirstSequence, OpenedBox, SenderKey
from tests.vectors.inputs import LIFE, SENDER_KEY, key

_PUBLICATION = PublicationId(1, 1, 1)
_STREAM = 0x0102
_NEXT_KEY = SenderKey(SENDER_KEY.number + 1, 0, key(14))


class _Box(NamedTuple):
    at: float
    key: SenderKey
    first: int
    """First sequence number of the publication."""


class _Packet(NamedTuple):
    at: float
    key: SenderKey
    generation: int
    sequence: int
    forged: bool = False


_STEPS: list[_Box | _Packet] = [
    _Packet(0, SENDER_KEY, 0, 0),  # no box yet
    _Box(0, SENDER_KEY, 3),
    _Packet(0, SENDER_KEY, 0, 2),
    _Packet(0, SENDER_KEY, 0, 3),
    _Packet(0, SENDER_KEY, 0, 3),
    _Packet(1, SENDER_KEY, 40, 4, forged=True),
    _Packet(1, SENDER_KEY, 2, 4),
    _Packet(2, SENDER_KEY, 1, 5),
    _Packet(10.9, SENDER_KEY, 0, 6),
    _Packet(11.1, SENDER_KEY, 0, 7),
    _Packet(11.1, SENDER_KEY, 1, 8),
    _Packet(12, SENDER_KEY, 67, 9),
    _Packet(12, SENDER_KEY, 66, 10),
    _Packet(12, SENDER_KEY, 67, 11),
    _Packet(12, SENDER_KEY, 2, 12),
    _Box(13, _NEXT_KEY, 20),
    _Packet(14, SENDER_KEY, 67, 13),
    _Packet(15, _NEXT_KEY, 0, 20),
    _Packet(15, _NEXT_KEY, 1, 19),
    _Packet(22.9, SENDER_KEY, 67, 14),
    _Packet(23.1, SENDER_KEY, 67, 15),
    _Box(24, SENDER_KEY, 0),
    _Packet(24, SENDER_KEY, 67, 16),
    _Packet(24, _NEXT_KEY, 1, 21),
]


def make() -> dict[str, Any]:
    """Boxes and packets in the order in which they come, ``at`` in seconds."""
    ring = KeyRing(LIFE)
    steps = [_box(ring, step) if isinstance(step, _Box) else _packet(ring, step) for step in _STEPS]
    return {"life": LIFE.hex(), "publication": list(_PUBLICATION), "steps": steps}


def _box(ring: KeyRing, step: _Box) -> dict[str, Any]:
    firsts = (FirstSequence(_PUBLICATION.number, 0, step.first),)
    accepted = ring.add(OpenedBox(step.key, firsts), step.at)
    number, generation, secret = step.key.number, step.key.generation, step.key.key.hex()
    return {
        "at": step.at,
        "box": {"number": number, "generation": generation, "key": secret, "first": step.first},
        "accepted": accepted,
    }


def _packet(ring: KeyRing, step: _Packet) -> dict[str, Any]:
    number = step.key.number & 0xFF
    header = AudioHeader(_STREAM, number, step.generation, step.sequence, 960 * step.sequence)
    secret = step.key.ratcheted(step.generation).publication_key(LIFE, *_PUBLICATION)
    packet = seal_packet(header, b"payload", secret)
    if step.forged:
        packet = packet[:-1] + bytes((packet[-1] ^ 1,))
    try:
        ring.open(parse_header(packet), packet, _PUBLICATION, step.at)
    except CryptoFailure:
        opens = False
    else:
        opens = True
    return {
        "at": step.at,
        "number": step.key.number,
        "generation": step.generation,
        "sequence": step.sequence,
        "packet": packet.hex(),
        "opens": opens,
    }
