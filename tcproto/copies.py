"""Copies: earlier audio packets that travel again behind a packet, for receivers on lossy networks.

A copy has no header of its own. It is made of the header of the packet item in front of the copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from tcproto.datagram import Item, ItemType
from tcproto.packet import AUDIO_CLOCK, AUDIO_HEADER_SIZE, AudioHeader
from tcproto.serial import wrapped

MAX_COPY_DISTANCE = 15
"""The most packets that a copy reaches back: 0.9 s at 60 ms, and more is of no use to a play-out delay."""
MAX_COPY_BODY = 255
"""The most bytes of the body of a copy: its length has one byte."""
MAX_COPIED_SIZE = 1_161
"""Bytes of a packet and the copies behind it in an up datagram, each with 3 bytes in front: what of them fits a room
datagram, where the packet may have been held."""
KEPT_PACKETS = 8
"""Packets of a stream that are kept to be copied: more than any copy reaches back."""
DISTANCES = {
    10: ((), (4,), (4, 7), (3, 5, 7)),
    20: ((), (3,), (2, 4), (2, 4, 6)),
    40: ((), (1,), (1, 2), (1, 2, 3)),
    60: ((), (1,), (1, 2), (1, 2, 3)),
}
"""By the ms of a packet and the number of copies: how many packets each copy reaches back.

Copies 40 ms apart survive outages in which neighbours are lost, and one alone that is 60 ms behind those of 60 ms.
Longer packets stand apart by themselves.
"""
MAX_COPIES = 3
COPY_MARGIN = 0.01
"""Seconds by which a copy may be later than the packets between let expect."""
_COPY = Struct(">BBB")
COPY_OVERHEAD = _COPY.size
"""Bytes in front of the body of a copy."""


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


def copied_distances(items: Sequence[Item]) -> list[int]:
    """Return how many packets back the copies in short form reach. Malformed items have none."""
    distances = []
    for item in items:
        try:
            distances += [copy.distance for copy in parse_copies(item.value) if item.type == ItemType.COPIES]
        except ValueError:
            continue
    return distances


def copied_within(farthest: int, frame: float, back: int) -> float:
    """Return the seconds until the last copy of a lost packet has come; 0 where none can come any more.

    The packet is ``back`` before the one that has just come, copies reach ``farthest`` packets back, and packets last
    ``frame`` seconds.
    """
    left = farthest - back
    return left * frame + COPY_MARGIN if left > 0 else 0.0


class RecentPackets:
    """The last packets of a stream of sound, to be copied behind later ones."""

    __slots__ = ("_packets",)

    def __init__(self) -> None:
        self._packets: dict[int, tuple[AudioHeader, bytes]] = {}
        """By sequence number, in the order in which they came."""

    def __len__(self) -> int:
        return len(self._packets)

    def note(self, header: AudioHeader, packet: bytes) -> None:
        """Keep a packet. The oldest of more than ``KEPT_PACKETS`` is forgotten."""
        packets = self._packets
        packets[header.sequence] = header, packet
        if len(packets) > KEPT_PACKETS:
            del packets[next(iter(packets))]

    def behind(self, header: AudioHeader, copies: int) -> list[Item]:
        """Return the items with so many copies, at most ``MAX_COPIES``, behind a packet. Silence is not copied."""
        short: list[Copy] = []
        full: list[Item] = []
        for distance in DISTANCES[header.duration_ms][copies]:
            kept = self._packets.get(wrapped(header.sequence - distance))
            if kept is None or kept[0].comfort:
                continue
            before, packet = kept
            copy = Copy(distance, before.level, before.voice, packet[AUDIO_HEADER_SIZE:])
            if 1 <= len(copy.body) <= MAX_COPY_BODY and copy.header(header) == before:
                short.append(copy)
            else:
                full.append(Item(ItemType.FULL_COPY, packet))
        return [Item(ItemType.COPIES, pack_copies(short)), *full] if short else full
