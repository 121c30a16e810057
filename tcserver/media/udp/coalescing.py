"""Receive coalescing: a socket whose datagrams may wait is read in intervals, not after each datagram.

Network drivers do the same with interrupts (NAPI of Linux). After a datagram came, the socket is read in intervals.
After an interval without datagrams it is waited on again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 0.02
"""Seconds that a datagram waits at most: the length of a packet of speech."""
MANY = 128
"""Datagrams of an interval: if more came, the next one is shorter in proportion. Linux buffers 500 by default."""
ALONG = INTERVAL / 2
"""Seconds after a look. From then on the next look costs less than a wake-up, if the process is at work anyway."""


class Coalescer:
    """Calls ``pump`` for the socket with this descriptor; that reads, and returns how many datagrams there were."""

    def __init__(
        self, descriptor: int, pump: Callable[[], int], loop: asyncio.AbstractEventLoop, clock: Callable[[], float]
    ) -> None:
        self._descriptor = descriptor
        self._pump = pump
        self._loop = loop
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        """The next look; None while the socket is waited on."""
        self._looked = 0.0
        loop.add_reader(descriptor, self._wake)

    def close(self) -> None:
        """Stop reading. Call it before the socket is closed."""
        self._loop.remove_reader(self._descriptor)
        self._cancel()

    def look_along(self, now: float) -> None:
        """Look now (seconds of the monotonic clock), if a look is due soon."""
        if self._timer is not None and now - self._looked >= ALONG:
            self._look()

    def _wake(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._look()

    def _look(self) -> None:
        self._cancel()
        self._looked = self._clock()
        self._timer = self._loop.call_later(INTERVAL, self._look)
        taken = self._pump()
        if self._timer is None:
            return  # the handling of a datagram has closed this
        if not taken:
            self._cancel()
            self._loop.add_reader(self._descriptor, self._wake)
        elif taken > MANY:
            self._cancel()
            self._timer = self._loop.call_later(INTERVAL * MANY / taken, self._look)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
