"""The clock of a recorded stream: timestamps of 32 bits without their wrap, and the times they stand for. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tcproto.serial import difference, unwrap

MAX_SLEW = 0.01
"""How much faster or slower than its timestamps a recording may run while it follows the sender's clock. A sound card
that is off by 0.01 % is followed with ease. A report that is wrong by some milliseconds causes no jump."""

MAX_LAG = 100_000
"""Microseconds that the sender's clock may be ahead before the time in the file jumps there at once. In that case the
clock paused, and what came later belongs after the pause. The time never jumps back: players, and the order in a file,
do not allow it."""


class ClockMapping(NamedTuple):
    """A media timestamp, and the sender's monotonic time, in µs, at which its sample was captured."""

    timestamp: int
    microseconds: int

    def time_of(self, timestamp: int, rate: int) -> int:
        """Return the time, in µs, of a timestamp near this one. Timestamps are in ticks of ``rate`` per second."""
        return self.microseconds + difference(timestamp, self.timestamp) * 1_000_000 // rate


class Unwrapper:
    """Unwraps timestamps of 32 bits, however long the stream lasts or pauses."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._ticks: int | None = None
        self._at = 0.0

    def ticks(self, timestamp: int, at: float) -> int:
        """Return the timestamp without its wrap.

        ``at`` is its time of arrival, in seconds. Timestamps come nearly in order.
        """
        if self._ticks is None:
            self._ticks, self._at = timestamp, at
        expected = self._ticks + int(max(0.0, at - self._at) * self._rate)
        ticks = unwrap(timestamp, expected)
        if ticks > self._ticks:
            self._ticks, self._at = ticks, at
        return ticks


class MediaClock:
    """Tells when a tick was captured, in µs of the sender's clock. It follows what the sender reports."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._offset: int | None = None
        """Time of tick 0, in µs."""
        self._newest = 0
        self._mapping: ClockMapping | None = None
        self._target: int | None = None

    @property
    def known(self) -> bool:
        """Whether the sender has reported anything."""
        return self._mapping is not None

    def map(self, mapping: ClockMapping) -> None:
        """Take what the sender reports now."""
        if mapping != self._mapping:
            self._mapping, self._target = mapping, None

    def time_of(self, ticks: int) -> int:
        """Return the time of an unwrapped tick. Call it only when the clock is ``known``."""
        assert self._mapping is not None
        if self._target is None:
            mapped = unwrap(self._mapping.timestamp, ticks)
            self._target = self._mapping.microseconds - self._span(mapped)
        if self._offset is None:
            self._offset, self._newest = self._target, ticks
        elif ticks > self._newest:
            most = int(self._span(ticks - self._newest) * MAX_SLEW)
            off = self._target - self._offset
            self._offset += off if off > MAX_LAG else max(-most, min(most, off))
            self._newest = ticks
        return self._offset + self._span(ticks)

    def _span(self, ticks: int) -> int:
        return ticks * 1_000_000 // self._rate
