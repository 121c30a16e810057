"""Copies: packets of sound that come again behind a later one, in case they were lost."""

from __future__ import annotations

from tcclient.core.media.packet import SealedPacket
from tcproto.copies import parse_copies
from tcproto.datagram import FORWARD_BITS, ItemType
from tcproto.packet import AudioHeader, parse_header
from tcproto.serial import wrapped

COPY_ITEMS = frozenset((int(ItemType.COPIES), int(ItemType.FULL_COPY)))
COPY_MARGIN = 0.01
"""Seconds by which a copy may be later than the packets between let expect."""


def copied_packets(carrier: SealedPacket, type_: int, value: bytes) -> list[SealedPacket]:
    """Return the packets in an item behind a packet, the oldest first; raises ``ValueError`` where it is malformed.

    Their forward numbers are those that they had if none was forwarded out of order.
    """
    header = carrier.header
    if not isinstance(header, AudioHeader):
        raise ValueError("only sound has copies")
    if type_ == ItemType.FULL_COPY:
        copied = parse_header(value)
        if copied.stream != header.stream or not isinstance(copied, AudioHeader):
            raise ValueError("a copy of another stream")
        packets = [(copied, value)]
    else:
        headers = [(copy.header(header), copy.body) for copy in parse_copies(value)]
        packets = [(copied, copied.pack() + body) for copied, body in reversed(headers)]
    return [
        carrier._replace(
            header=copied,
            packet=packet,
            forward=wrapped(carrier.forward - wrapped(header.sequence - copied.sequence), FORWARD_BITS),
            held_ms=0,
            transit=None,
            repaired=True,
        )
        for copied, packet in packets
    ]


def farthest_copy(carrier: SealedPacket, copies: list[SealedPacket]) -> int:
    """Return how many packets the farthest of these copies reaches back."""
    return max(wrapped(carrier.header.sequence - copy.header.sequence) for copy in copies)


def copied_within(farthest: int, frame: float, back: int) -> float:
    """Return the seconds until the last copy of a lost packet has come; 0 where none can come any more.

    The packet is ``back`` before the one that has just come, copies reach ``farthest`` packets back, and packets last
    ``frame`` seconds.
    """
    left = farthest - back
    return left * frame + COPY_MARGIN if left > 0 else 0.0
