"""The queue in front of the stream, on the way up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tcclient.core.drops import Drop
from tcclient.core.timers import NEVER
from tcproto.datagram import LARGE
from tcproto.stream_path import DatagramQueue, QueueDrops

LOOK_INTERVAL = 0.005
"""Seconds between looks whether the stream has taken what was written, while something waits: 4,000 bytes in 5 ms are
6 Mbit/s, more than a participant sends."""


class StreamUplink:
    """Holds datagrams until the stream takes them. What waits too long is dropped, as section 6 of PROTOCOL.md says."""

    def __init__(self, drops: Counter[Drop]) -> None:
        self.next_deadline = NEVER
        """When ``take`` may have more."""
        self._drops = drops
        self._dropped = QueueDrops()
        self._queue = DatagramQueue(self._dropped)

    def put(self, datagrams: Iterable[bytes], now: float) -> None:
        """Let datagrams wait. Large ones of one size count as one picture: it is cut into pieces of equal size."""
        for datagram in datagrams:
            if len(datagram) > LARGE:
                self._queue.put_large(datagram, len(datagram), now)
            else:
                self._queue.put_small(datagram, now)

    def take(self, unsent: int, now: float) -> list[bytes]:
        """Return the datagrams that leave now, where ``unsent`` bytes of the stream have not left this machine."""
        taken = self._queue.take(unsent, now)
        if dropped := self._dropped.small + self._dropped.large:
            self._drops[Drop.STREAM_SLOW] += dropped
            self._dropped.small = self._dropped.large = 0
        self.next_deadline = now + LOOK_INTERVAL if len(self._queue) else NEVER
        return taken
