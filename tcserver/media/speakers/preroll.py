"""Pre-roll: the last packets of a talker who is not forwarded, for when that changes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tcproto.datagram import Item
from tcproto.packet import AudioHeader
from tcserver.media.speakers.loudest import contends

PREROLL = 0.2
"""Seconds that are kept: the syllables that somebody speaks until the place is won."""
LEAD = 0.07
"""Seconds sent from before the first packet with voice: a consonant that no detector took for voice; three packets.

More would only make who begins to speak late: what is sent has to be played.
"""
MAX_PREROLL_PACKETS = 20
"""Packets kept: so many of 10 ms fill the time."""


class Held(NamedTuple):
    """A packet that was kept back, with the copies behind it."""

    header: AudioHeader
    packet: bytes
    copies: list[Item]
    arrived: float


class Preroll:
    """What one stream has sent and nobody was sent."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: deque[Held] = deque(maxlen=MAX_PREROLL_PACKETS)
        """In the order of their arrival; what is too old is let go when the rest is taken."""

    def clear(self) -> None:
        """Keep nothing."""
        self.held.clear()

    def take(self, now: float) -> list[Held]:
        """Return what is young enough to be sent, in order, and keep nothing."""
        if not self.held:
            return []
        young = [held for held in self.held if now - held.arrived <= PREROLL]
        self.held.clear()
        began = next((held.arrived for held in young if contends(held.header.level, held.header.voice)), now)
        return [held for held in young if began - held.arrived <= LEAD]
