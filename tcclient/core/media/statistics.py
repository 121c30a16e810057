"""What is measured of the streams that come down: their packets, and in what runs they are lost."""

from __future__ import annotations

from dataclasses import dataclass

from tcclient.core.path.statistics import LossMeter
from tcproto.datagram import FORWARD_BITS
from tcproto.serial import difference
from tcproto.transit import LATE

BURSTS, LONE = 0.5, 0.6
"""Runs for each lost packet up to which losses come in bursts, and from which they do not: at a loss of 30 %, those
that are independent of each other have 0.7."""
ENOUGH_LOST = 10
"""Lost packets from which their runs tell something."""
FEW_LOST, LONG_RUNS = 3, 0.34
"""Lost packets from which runs tell something if there are so few for each packet: three lost in a row, or twice three.
Of independent losses of 10 % the first three are so once in a hundred calls, and copies cost some bytes then."""


@dataclass(slots=True)
class StreamStatistics:
    """Counts of one series (stream and layer) of one sealer, by its contiguous forward numbers."""

    received: int = 0
    reordered: int = 0
    """Came after a later one."""
    late: int = 0
    """Came in order, ``LATE`` or more behind the quickest transit of its sealer."""
    jitter_ms: float = 0.0
    """Interarrival jitter by relay times, RFC 3550 section 6.4.1."""
    expected: int = 0
    """Forwarded to this receiver, as far as known."""
    repaired: int = 0
    """Of the received ones, those that were lost and came when they were asked for again, or as copies."""
    sequence: int = -1
    """The highest sequence number that has come."""
    relay_time: int = 0
    """Relay time of the latest packet, as it came."""
    redundant: bool = False
    """Whether the latest packet was of the redundant variant."""
    farthest_copy: int = 0
    """Packets that the copies behind the latest one reach back; 0 where there are no copies."""
    _first: int = -1
    """Lowest forward number since the series began for us, unwrapped."""
    _highest: int = -1
    _floor: int = 0
    """Lowest forward number that may be found to have been the first."""
    _before: int = -1
    """The highest forward number before the series was restarted."""
    _transit: float | None = None

    @property
    def highest(self) -> int:
        """The highest forward number, unwrapped; -1 before the first."""
        return self._highest

    @property
    def lost(self) -> int:
        """Of the expected ones, how many have not arrived."""
        return max(0, self.expected - self.received)

    def pause(self, relay_time: int) -> int:
        """Return the µs from the latest packet to one with this relay time; below 0 for an earlier one."""
        return difference(relay_time, self.relay_time)

    def restart(self) -> None:
        """Take the next packet for the first: what was forwarded until it comes was not for us."""
        if self._highest >= 0:
            self._before = self._highest
        self._first = self._highest = -1

    def count(self, forward: int, transit: float | None, delay: float) -> int:
        """Count a packet: its forward number (u16), and transit and delay from ``TransitClock``.

        Transit is None if the relay time tells nothing about the path: the server held the packet or sent it again, or
        it came behind a later one. Returns by how much ``expected`` grew.
        """
        self.received += 1
        more = self._advance(forward)
        self.expected += more
        if transit is not None:
            if self._transit is not None:
                self.jitter_ms += (abs(transit - self._transit) * 1000 - self.jitter_ms) / 16
            self._transit = transit
            if delay >= LATE:
                self.late += 1
        return more

    def _advance(self, forward: int) -> int:
        if self._highest < 0:
            # One more range of numbers, so that a late packet is not below 0.
            self._first = self._highest = forward + (1 << FORWARD_BITS)
            ahead = difference(forward, self._before, FORWARD_BITS) if self._before >= 0 else 0
            self._floor = self._first - ahead + 1 if ahead > 0 else 0  # what is below that was counted before
            return 1
        step = difference(forward, self._highest, FORWARD_BITS)
        if step > 0:
            self._highest += step
            return step
        self.reordered += 1
        more = max(0, self._first - max(self._floor, self._highest + step))
        self._first -= more
        return more


class LossRuns:
    """Whether losses of late come in bursts: an answer, and the request after it, would be lost in the same one."""

    def __init__(self) -> None:
        self._lost = self._gaps = 0
        """Packets that were lost, and runs of them."""
        self._meter = LossMeter()

    def lost(self, count: int, now: float) -> None:
        """Note that so many packets in a row are missing."""
        self._meter.mark(now, self._lost, self._gaps)
        self._lost += count
        self._gaps += 1

    def are_bursts(self, before: bool) -> bool:
        """Return whether runs are longer than those of independent losses. ``before`` is what was found last."""
        share, lost = self._meter.recent(self._lost, self._gaps), self._meter.sent(self._lost)
        if before:
            return lost >= FEW_LOST and share <= LONE
        return (lost >= ENOUGH_LOST and share <= BURSTS) or (lost >= FEW_LOST and share <= LONG_RUNS)
