"""Copies: packets of sound that come again behind a later one, in case they were lost."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core.media.packet import SealedPacket
from tcproto.copies import RecentPackets, parse_copies
from tcproto.datagram import FORWARD_BITS, Item, ItemType
from tcproto.packet import AudioHeader, parse_header
from tcproto.serial import wrapped

COPY_ITEMS = frozenset((int(ItemType.COPIES), int(ItemType.FULL_COPY)))
COPIES_FROM = 0.05
"""Share of packets lost from which copies are worth their bytes."""
COPIES_UNTIL = 0.02
"""Share of packets lost below which they are not any more."""
COPIED_BELOW = 15
"""dB below the loudest of late down to which our sound is copied. In speech a quarter of the packets is quieter. A gap
there is hardly heard, and they are asked for."""
LOUDEST_FADE = 0.1
"""dB for each packet by which the loudest of late is forgotten: 5 dB in a second of packets of 20 ms."""
SECOND_FROM = 0.3
"""Share of packets lost on the way up from which our packets have two copies: what one leaves is asked for."""
SECOND_BESIDE, SECOND_UNTIL = 0.1, 0.06
"""The same beside pictures, which pay for it: what is asked for waits among them. And the share below which one is
enough again."""
MOST = 2
"""Copies behind a packet of ours, at most."""
ENOUGH = 20
"""Packets from which a share of them is believed: 0.4 s of a talker. To begin too early costs little."""


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


class OwnCopies:
    """The copies behind our own packets of sound, where the way up loses packets. Pauses are not copied.

    ``loss`` returns the share that the way up has lost of late, and how many datagrams that share is of.
    """

    def __init__(self, loss: Callable[[], tuple[float, int]]) -> None:
        self._loss = loss
        self._voices: dict[int, _Voice] = {}
        """By number of the publication, of those that are live."""
        self.copies = 0
        """Behind each packet of late."""

    def behind(self, number: int, header: AudioHeader, packet: bytes, *, beside_pictures: bool = False) -> list[Item]:
        """Return the items behind a packet of a publication, and keep the packet to be copied itself.

        Where that is quiet, it is copied ``beside_pictures`` only: they pay for it.
        """
        self._choose(beside_pictures)
        voice = self._voices.setdefault(number, _Voice())
        items = voice.recent.behind(header, self.copies)
        voice.loudest = min(header.level, voice.loudest + LOUDEST_FADE)
        if beside_pictures or header.level <= voice.loudest + COPIED_BELOW:
            voice.recent.note(header, packet)
        return items

    def forget(self, number: int) -> None:
        """Forget a publication that has ended."""
        self._voices.pop(number, None)

    def _choose(self, beside_pictures: bool) -> None:
        share, packets = self._loss()
        second = SECOND_FROM if not beside_pictures else SECOND_BESIDE if self.copies < MOST else SECOND_UNTIL
        if share < (COPIES_UNTIL if self.copies else COPIES_FROM):
            self.copies = 0
        elif self.copies or packets >= ENOUGH:
            self.copies = MOST if share >= second else 1


class _Voice:
    """The last packets of one of our publications, and how loud it is."""

    __slots__ = ("loudest", "recent")

    def __init__(self) -> None:
        self.recent = RecentPackets()
        self.loudest: float = 127
        """-dBov, of late."""
