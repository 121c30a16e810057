"""The byte streams of a server: datagrams from them go to the media planes, and those of the media planes to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tcserver.media.lanes.stream import StreamEnd, StreamLane

Carry = Callable[[int, Sequence[bytes]], None]
"""Brings datagrams of a stream, told by its number, to the media plane that serves their seat."""


class Streams:
    """Opens and closes streams, and runs their lane on an event loop.

    Until ``connect`` is called, what comes by them is lost. ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._carry: Carry = lambda number, datagrams: None
        self._timer: asyncio.TimerHandle | None = None
        self.lane = StreamLane(clock, self._flush_in)

    def connect(self, carry: Carry) -> None:
        """Have ``carry`` called with what comes."""
        self._carry = carry

    def open(self, end: StreamEnd) -> int:
        """Add a stream; return its number."""
        return self.lane.open(end)

    def receive(self, number: int, datagrams: Sequence[bytes]) -> None:
        """Take datagrams that came by a stream."""
        self._carry(number, datagrams)

    def writable(self, number: int) -> None:
        """Go on to write to a stream that has taken what was written before."""
        self.lane.resume(number)

    def close(self, number: int) -> None:
        """Forget a stream. May be called again."""
        self.lane.close(number)

    def stop(self) -> None:
        """Write nothing more; may be called again."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.lane.flush)
