"""Receive coalescing: a socket whose datagrams may wait is read now and then, not for each that comes.

As network drivers do with interrupts (NAPI of Linux): after something came the socket is looked at in intervals, and
only when nothing came in one it is waited on again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 0.02
"""Seconds that a datagram waits at most: a packet of speech."""
MANY = 128
"""Datagrams in an interval beyond which the next is as much shorter: the kernel's default buffer holds 500 of them."""
ALONG = INTERVAL / 2
"""Seconds after which a look costs less, as the process is at work anyway, than the wake-up for the next one."""


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
        """For the next look; None while the socket is waited on."""
        self._looked = 0.0
        loop.add_reader(descriptor, self._wake)

    def close(self) -> None:
        """Stop reading; before the socket is closed."""
        self._loop.remove_reader(self._descriptor)
        self._cancel()

    def look_along(self, now: float) -> None:
        """Look now, at this time of the monotonic clock, if a look is due soon."""
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
            return  # closed by what came
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
