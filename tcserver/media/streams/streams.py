"""The byte streams of a server: datagrams from them go to the media planes, and those of the media planes to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tcserver.media.lanes.stream import FLUSH_INTERVAL, StreamEnd, StreamLane

Streamed = Sequence[tuple[int, Sequence[bytes]]]
"""Datagrams that came by streams: the number of each stream, and those of it."""
Carry = Callable[[Streamed], None]
"""Brings datagrams of streams to the media planes that serve their seats."""


class Streams:
    """Opens and closes streams, and runs their lane on an event loop.

    Until ``connect`` is called, what comes by them is lost. ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._carry: Carry = lambda streamed: None
        self._timer: asyncio.TimerHandle | None = None
        self._gathers = False
        self._gathered: dict[Callable[[], None], None] = {}
        """What is to be called before the next flush, in order."""
        self._streamed: list[tuple[int, Sequence[bytes]]] | None = None
        """What came by the streams before a flush, while that is being asked for."""
        self.lane = StreamLane(clock, self._flush_in)

    def connect(self, carry: Carry, *, gathers: bool = False) -> None:
        """Have ``carry`` called with what comes.

        It ``gathers`` where it brings datagrams to this lane before it returns. Then what comes may wait for a flush.
        """
        self._carry = carry
        self._gathers = gathers

    def open(self, end: StreamEnd) -> int:
        """Add a stream; return its number."""
        return self.lane.open(end)

    def soon(self, handle: Callable[[], None]) -> None:
        """Have ``handle`` called, which calls ``receive`` with what came by a stream, and never raises.

        It is called at once, or before the next flush if the lane collects for longer than the least time: on a stream
        nobody gets anything sooner then. To wake up for each datagram costs more than to handle several in a row, for
        which the processor has all in its caches.
        """
        if self._gathers and self.lane.interval > FLUSH_INTERVAL:
            self._gathered[handle] = None
            self.lane.call()
        else:
            handle()

    def receive(self, number: int, datagrams: Sequence[bytes]) -> None:
        """Take datagrams that came by a stream."""
        if self._streamed is None:
            self._carry([(number, datagrams)])
        else:
            self._streamed.append((number, datagrams))

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
        self._timer = asyncio.get_running_loop().call_later(seconds, self._flush)

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, {}
            streamed = self._streamed = []
            for handle in gathered:
                handle()
            self._streamed = None
            if streamed:
                self._carry(streamed)
        self.lane.flush()
