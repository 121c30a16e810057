"""Pre-roll: the last packets of a talker who is not forwarded, to be sent if that changes."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from tcproto.datagram import Item
from tcproto.packet import AudioHeader
from tcserver.media.speakers.loudest import contends

PREROLL = 0.2
"""Seconds that are kept: the syllables that somebody speaks before the place is won."""
LEAD = 0.07
"""Seconds that are sent from before the first packet with voice: three packets, a consonant that no detector noticed.

More would only make the talker late, since all that is sent has to be played.
"""
MAX_PREROLL_PACKETS = 20
"""Packets that are kept: so many of 10 ms fill the time."""


class Held(NamedTuple):
    """A packet that was kept back, with the copies behind it."""

    header: AudioHeader
    packet: bytes
    copies: list[Item]
    arrived: float


class Preroll:
    """The last packets of one stream that were kept back."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: deque[Held] = deque(maxlen=MAX_PREROLL_PACKETS)
        """In the order of their arrival. Those that are too old are left out when the others are taken."""

    def clear(self) -> None:
        """Forget all packets."""
        self.held.clear()

    def take(self, now: float) -> list[Held]:
        """Return the packets that are young enough to be sent, in order, and forget all."""
        if not self.held:
            return []
        young = [held for held in self.held if now - held.arrived <= PREROLL]
        self.held.clear()
        began = next((held.arrived for held in young if contends(held.header.level, held.header.voice)), now)
        return [held for held in young if began - held.arrived <= LEAD]


NOTHING_KEPT: Final = Preroll()
"""That of all streams that are not sound: nothing of them is kept back."""
