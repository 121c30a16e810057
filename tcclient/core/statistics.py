"""What is measured on the media path: streams coming down, the round trip, both directions' loss."""

from __future__ import annotations

from dataclasses import dataclass

LATE = 0.2
"""Seconds behind the quickest packet from which on a packet counts as late: beyond a usual play-out delay."""
TRANSIT_MEMORY = 30.0
"""Seconds after which the quickest transit is measured anew: clocks drift, routes change."""
_HALF = 1 << 15
_WRAP = 1 << 16
_CLOCK_WRAP = 1 << 32


@dataclass(slots=True)
class StreamStatistics:
    """Counts of one series (stream, layer, variant) of one sealer, by its contiguous forward numbers."""

    received: int = 0
    reordered: int = 0
    """Came after a later one."""
    late: int = 0
    """Came in order, ``LATE`` or more behind the quickest transit of its sealer."""
    jitter_ms: float = 0.0
    """Interarrival jitter by relay times, RFC 3550 section 6.4.1."""
    first: int = -1
    highest: int = -1
    """Highest forward number, unwrapped."""
    _transit: float | None = None

    @property
    def lost(self) -> int:
        """Forwarded to this receiver and not arrived, as far as known."""
        return max(0, self.highest - self.first + 1 - self.received) if self.received else 0

    def count(self, forward: int, transit: float | None, delay: float) -> None:
        """Count a packet: its forward number (u16), transit and delay as ``RelayClock`` told.

        Transit is None where the relay time tells nothing about the way: for a packet that the server held, or sent
        again, and for one that came behind a later one.
        """
        self.received += 1
        if self.highest < 0:
            self.first = self.highest = forward + _WRAP
        else:
            step = (forward - self.highest + _HALF) % _WRAP - _HALF
            if step > 0:
                self.highest += step
            else:
                self.reordered += 1
                self.first = min(self.first, self.highest + step)
        if transit is None:
            return
        if self._transit is not None:
            self.jitter_ms += (abs(transit - self._transit) * 1000 - self.jitter_ms) / 16
        self._transit = transit
        if delay >= LATE:
            self.late += 1


class RelayClock:
    """The clock of one sealer against ours: transit times up to a constant, and delay above the quickest.

    Relay times are µs modulo 2**32 and are unwrapped here.
    """

    def __init__(self) -> None:
        self._last = -1
        self._quickest = self._candidate = float("inf")
        self._since = 0.0

    def transit(self, relay_time: int, now: float) -> tuple[float, float]:
        """Return the transit in seconds, shifted by an unknown constant, and how much more it is than the quickest."""
        last = self._last
        if last < 0:
            last = relay_time
            self._since = now
        unwrapped = last + (relay_time - last + _CLOCK_WRAP // 2) % _CLOCK_WRAP - _CLOCK_WRAP // 2
        self._last = max(unwrapped, last)
        transit = now - unwrapped * 1e-6
        if now - self._since >= TRANSIT_MEMORY:
            self._quickest, self._candidate, self._since = self._candidate, float("inf"), now
        self._candidate = min(self._candidate, transit)
        self._quickest = min(self._quickest, self._candidate)
        return transit, transit - self._quickest


@dataclass(slots=True)
class PathStatistics:
    """The path to the server; times in seconds, None until measured."""

    rtt: float | None = None
    """Smoothed as in RFC 6298."""
    rtt_jitter: float = 0.0
    """Mean deviation, as in RFC 6298."""
    least_rtt: float | None = None
    up_sent: int = 0
    """Datagrams sent, as far as a pong has covered them."""
    up_lost: int = 0
    """Of these, how many the server had not got by then."""
    down_received: int = 0
    """Datagrams that opened, of either kind."""
    down_reordered: int = 0
    """Of these, how many had a counter below one before them."""
    clock_offset: int | None = None
    """µs to add to our monotonic clock to get the server's, modulo 2**32, by the quickest pong."""

    def measured(self, rtt: float, offset: int) -> None:
        """Take a round trip and the clock offset that it gives."""
        if self.rtt is None:
            self.rtt, self.rtt_jitter = rtt, rtt / 2
        else:
            self.rtt_jitter += (abs(rtt - self.rtt) - self.rtt_jitter) / 4
            self.rtt += (rtt - self.rtt) / 8
        if self.least_rtt is None or rtt <= self.least_rtt:
            self.least_rtt, self.clock_offset = rtt, offset % _CLOCK_WRAP

    def downlink_delay(self, relay_time: int, received_at: float) -> float | None:
        """Return the seconds from relay to arrival, where the sealer shares the server's clock; None if unmeasured."""
        if self.clock_offset is None:
            return None
        passed = int(received_at * 1e6) + self.clock_offset - relay_time
        return ((passed + _CLOCK_WRAP // 2) % _CLOCK_WRAP - _CLOCK_WRAP // 2) * 1e-6
