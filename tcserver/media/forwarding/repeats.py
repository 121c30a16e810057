"""What a receiver is sent again because it has lost it, within a share of its own."""

from __future__ import annotations

from collections.abc import Iterable

from tcproto.feedback import REPEAT_INTERVAL
from tcproto.messages import Caps
from tcproto.packet import Series
from tcserver.media.forwarding.cap import RateCap

ASKED = Caps(bitrate=0, packets_per_second=250)
"""Packets that a receiver may ask for, those of one second at once: a third of what 4 cameras and 3 talkers send."""
REPEATED = Caps(bitrate=1_000_000, packets_per_second=250)
"""What a receiver is sent again, of one second at once: a third of 3 Mbit/s. Who loses more needs less, not more."""
MAX_REMEMBERED = 256
"""Packets of which is remembered when they were asked for: all that may be asked for in ``REPEAT_INTERVAL``, and more;
the oldest is forgotten first."""


class Repeats:
    """The share of one receiver, and what it has asked for lately."""

    __slots__ = ("_asked", "_asks", "_sent")

    def __init__(self, now: float) -> None:
        self._asks = RateCap(ASKED, now)
        self._sent = RateCap(REPEATED, now)
        self._asked: dict[tuple[int, Series, int], float] = {}
        """When each packet was asked for, by sealer, series and forward number; the oldest first."""

    def admit(self, sealer: int, series: Series, numbers: Iterable[int], now: float) -> list[int]:
        """Return the forward numbers that may be answered now, and count them."""
        asked, admitted = self._asked, []
        for number in numbers:
            key = sealer, series, number
            if now - asked.get(key, -REPEAT_INTERVAL) < REPEAT_INTERVAL or not self._asks.take(0, now):
                continue
            asked.pop(key, None)
            asked[key] = now
            if len(asked) > MAX_REMEMBERED:
                del asked[next(iter(asked))]
            admitted.append(number)
        return admitted

    def may_send(self, size: int, now: float) -> bool:
        """Return whether a datagram of so many bytes is within the share, and if so count it."""
        return self._sent.take(size, now)
