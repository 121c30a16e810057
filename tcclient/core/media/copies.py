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


def last_copy_after(carrier: SealedPacket, copies: list[SealedPacket]) -> float:
    """Return the seconds from the packet after a lost one to the last copy of the lost one, by these copies."""
    header = carrier.header
    assert isinstance(header, AudioHeader)
    distance = max(wrapped(header.sequence - copy.header.sequence) for copy in copies)
    return (distance - 1) * header.duration_ms / 1000 + COPY_MARGIN
