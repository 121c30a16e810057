"""Copies: earlier audio packets that travel again behind a packet, for receivers on lossy networks.

A copy has no header of its own. It is made of the header of the packet item in front of the copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from tcproto.packet import AUDIO_CLOCK, AudioHeader
from tcproto.serial import wrapped

MAX_COPY_DISTANCE = 15
"""The most packets that a copy reaches back: 0.9 s at 60 ms, and more is of no use to a play-out delay."""
MAX_COPY_BODY = 255
"""The most bytes of the body of a copy: its length has one byte."""
_COPY = Struct(">BBB")


class Copy(NamedTuple):
    """A copy of an earlier packet of a stream, without its header, which can be made again."""

    distance: int
    """Sequence number of the packet item in front, less that of the copied packet: 1..``MAX_COPY_DISTANCE``."""
    level: int
    voice: bool
    body: bytes
    """1..``MAX_COPY_BODY`` bytes."""

    def header(self, carrier: AudioHeader) -> AudioHeader:
        """Return the exact header of the copied packet. ``carrier`` is that of the packet item before the copies."""
        return carrier._replace(
            sequence=wrapped(carrier.sequence - self.distance),
            timestamp=wrapped(carrier.timestamp - self.distance * carrier.duration_ms * AUDIO_CLOCK // 1000),
            level=self.level,
            voice=self.voice,
            end_of_talk=False,
            comfort=False,
        )


def pack_copies(copies: Sequence[Copy]) -> bytes:
    """Return 3 bytes and the body for each copy. Raises ``ValueError`` for what does not fit them."""
    parts = []
    for distance, level, voice, body in copies:
        if not (1 <= distance <= MAX_COPY_DISTANCE and 0 <= level <= 127 and 1 <= len(body) <= MAX_COPY_BODY):
            raise ValueError("a copy out of range needs its full header")
        parts.append(_COPY.pack(distance, level | voice << 7, len(body)) + body)
    return b"".join(parts)


def parse_copies(value: bytes) -> list[Copy]:
    """Parse copies. Raises ``ValueError`` where they are malformed."""
    copies = []
    start = 0
    while start < len(value):
        if start + _COPY.size > len(value):
            raise ValueError("copy cut off")
        distance, level, length = _COPY.unpack_from(value, start)
        start += _COPY.size
        if not 1 <= distance <= MAX_COPY_DISTANCE or length == 0 or start + length > len(value):
            raise ValueError("copy out of range")
        copies.append(Copy(distance, level & 127, level >= 128, value[start : start + length]))
        start += length
    return copies
