"""How much is sent where packets are lost by chance: less than the way carries, so that nothing waits for long."""

from __future__ import annotations

from collections import deque

LOSSY = 0.01
"""Share of packets that a way loses whatever the rate is, from which this holds."""
FULL = 0.02
"""Seconds of waiting, of all packets of a moment, from which the link is full: what comes is what it carries."""
LEFT, LEFT_BY_LOSS = 0.06, 0.6
"""Share of it that is left, and how much more for the share that is lost.

Losses are chance, and so is the load of the link. The mean queue of a link with random load is its variance over twice
what is left (heavy traffic, Kingman 1961), and the variance goes with the share that is lost.
"""
RISE = 0.02
"""Share by which the ceiling rises in a second: the link may carry more by now."""
REMEMBERED = 10.0
"""Seconds in which the most that came counts. A moment may be too short to tell."""


class Ceiling:
    """The bits per second that may be sent where packets are lost by chance, from what came when the link was full."""

    def __init__(self) -> None:
        self.bitrate = float("inf")
        """Bits per second; infinite until the link was full once."""
        self.is_known = False
        """Whether it was."""
        self._link = float("inf")
        """Bits per second that the link carries, as far as known."""
        self._carried: deque[tuple[float, float]] = deque()
        """What was sent for what came while the link was full, and when; of ``REMEMBERED`` seconds, one each step."""

    def update(self, now: float, step: float, wait: float, sent: float, floor: float) -> None:
        """Take what was measured in ``step`` seconds.

        ``wait``: seconds of waiting. ``sent``: bits per second that were sent for those that came, 0 where too little
        came to tell. ``floor``: the share that the link loses.
        """
        carried = self._carried
        while carried and carried[0][0] < now - REMEMBERED:
            carried.popleft()
        if wait < FULL or not sent:
            self._link *= 1 + RISE * step
        else:
            self.is_known = True
            carried.append((now, sent))
            self._link = max(rate for _, rate in carried)
        self.bitrate = (1 - LEFT - LEFT_BY_LOSS * floor) * self._link
