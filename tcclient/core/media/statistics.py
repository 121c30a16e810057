"""What is measured on the media path: streams coming down, round trips, loss and delay of both directions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tcclient.core.media.proof import PathState, Way
from tcproto.datagram import FORWARD_BITS
from tcproto.serial import Unwrapper, difference, wrapped
from tcproto.transit import LATE, TransitClock

RECENT = 10.0
"""Seconds that count as of late: some hundred packets of one talker, and soon forgotten."""
RECENT_STEP = 0.5
"""Seconds between the counts that are kept for that, at least."""
BURSTS, LONE = 0.5, 0.6
"""Runs for each lost packet up to which losses come in bursts, and from which they do not: at a loss of 30 %, those
that are independent of each other have 0.7."""
ENOUGH_LOST = 10
"""Lost packets from which their runs tell something."""
FEW_LOST, LONG_RUNS = 3, 0.34
"""Lost packets from which runs tell something if there are so few for each packet: three lost in a row, or twice three.
Of independent losses of 10 % the first three are so once in a hundred calls, and copies cost some bytes then."""
FULL_QUEUE = 0.2
"""Seconds by which round trips are longer where a queue on the way is nearly full, and loses what comes."""


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


class LossMeter:
    """Recent loss in one direction, from counts since the beginning, or since ``sent`` and ``lost``."""

    def __init__(self, sent: int = 0, lost: int = 0) -> None:
        self._marks: deque[tuple[float, int, int]] = deque([(float("-inf"), sent, lost)])
        """Counts at times, ``RECENT / RECENT_STEP`` and two at most; the first is the newest that is old enough."""

    def mark(self, now: float, sent: int, lost: int) -> None:
        """Remember the counts as of now."""
        marks = self._marks
        if now - marks[-1][0] >= RECENT_STEP:
            marks.append((now, sent, lost))
        while len(marks) > 1 and marks[1][0] <= now - RECENT:
            marks.popleft()

    def sent(self, sent: int) -> int:
        """Return how many packets ``recent`` is a share of."""
        return sent - self._marks[0][1]

    def recent(self, sent: int, lost: int) -> float:
        """Return the share, 0 to 1, that was lost of what was sent since ``RECENT`` before the last mark."""
        _, sent_before, lost_before = self._marks[0]
        return min(max(lost - lost_before, 0) / (sent - sent_before), 1.0) if sent > sent_before else 0.0


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


class DirectionStatistics(NamedTuple):
    """One direction of the path to the server, since the seat was taken."""

    packets: int
    """Up: datagrams sent, as far as the server has told of them. Down: packets that the server forwarded to us."""
    lost: int
    """Of these, how many did not arrive."""
    recent_loss: float
    """Share, 0 to 1, that was lost in the last ``RECENT`` seconds, before anything was repaired."""
    jitter_ms: float
    """Interarrival jitter, RFC 3550 section 6.4.1. Up: of our pings. Down: the highest of all series."""
    reordered: int
    """Overtaken by what was sent later. Up: pings. Down: packets."""
    late: int
    """``LATE`` or more behind the quickest. Up: pings. Down: packets."""
    repaired: int = 0
    """Lost at first, and repaired. They do not count as lost. Up: not known, always 0."""

    @property
    def loss(self) -> float:
        """Share, 0 to 1, that was lost since the seat was taken."""
        return self.lost / self.packets if self.packets else 0.0


class NetworkStatistics(NamedTuple):
    """The state of the network; times in seconds, None until measured.

    Packets that the server does not forward (too frequent silence, speakers that are not among the loudest) do not
    count as loss.
    """

    way: Way
    """The way in use, on which the round trips were measured."""
    path: PathState
    """Its state."""
    rtt: float | None
    """Round trip of datagrams, smoothed as in RFC 6298."""
    rtt_jitter: float
    """Mean deviation of it."""
    control_rtt: float | None
    """Last round trip of the control connection."""
    up: DirectionStatistics
    down: DirectionStatistics


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
    up_jitter_ms: float = 0.0
    """Interarrival jitter of our pings at the server, RFC 3550 section 6.4.1."""
    up_late: int = 0
    """Pings that took ``LATE`` or more longer on the way up than the quickest."""
    up_reordered: int = 0
    """Pings that a datagram of ours overtook on the way up."""
    clock_offset: int | None = None
    """µs to add to our monotonic clock to get the server's, modulo 2**32, by the quickest pong."""
    _up_loss: LossMeter = field(default_factory=LossMeter, repr=False, compare=False)
    _up_clock: TransitClock = field(default_factory=TransitClock, repr=False, compare=False)
    _server_clock: Unwrapper = field(default_factory=Unwrapper, repr=False, compare=False)
    _up_transit: float | None = field(default=None, repr=False, compare=False)

    @property
    def up(self) -> DirectionStatistics:
        """The way to the server."""
        recent = self._up_loss.recent(self.up_sent, self.up_lost)
        return DirectionStatistics(
            self.up_sent, self.up_lost, recent, self.up_jitter_ms, self.up_reordered, self.up_late
        )

    def up_loss(self) -> tuple[float, int]:
        """Return the share that was lost of late on the way up, and of how many datagrams.

        What is lost while round trips are much longer than the least is no loss of the line: a queue is full.
        """
        if self.rtt is not None and self.least_rtt is not None and self.rtt > self.least_rtt + FULL_QUEUE:
            return 0.0, 0
        return self._up_loss.recent(self.up_sent, self.up_lost), self._up_loss.sent(self.up_sent)

    def ping_arrived(self, sent_at: int, received_at: int, overtaken: bool) -> None:
        """Take a ping of ours that was answered: when it left by our clock, and when it came by the server's.

        Both are in µs, modulo 2**32. ``overtaken``: something that was sent later came before it.
        """
        transit, delay = self._up_clock.transit(sent_at, self._server_clock(received_at) * 1e-6)
        if self._up_transit is not None:
            self.up_jitter_ms += (abs(transit - self._up_transit) * 1000 - self.up_jitter_ms) / 16
        self._up_transit = transit
        self.up_late += delay >= LATE
        self.up_reordered += overtaken

    def up_counted(self, sent: int, lost: int, now: float) -> None:
        """Count datagrams that a pong reports: ``sent`` more, and ``lost`` of them had not reached the server."""
        self._up_loss.mark(now, self.up_sent, self.up_lost)
        self.up_sent += sent
        self.up_lost += lost

    def measured(self, rtt: float, offset: int) -> None:
        """Take a round trip and the clock offset that it gives."""
        if self.rtt is None:
            self.rtt, self.rtt_jitter = rtt, rtt / 2
        else:
            self.rtt_jitter += (abs(rtt - self.rtt) - self.rtt_jitter) / 4
            self.rtt += (rtt - self.rtt) / 8
        if self.least_rtt is None or rtt <= self.least_rtt:
            self.least_rtt, self.clock_offset = rtt, wrapped(offset)

    def downlink_delay(self, relay_time: int, received_at: float) -> float | None:
        """Return the seconds from relay to arrival, where the sealer shares the server's clock; None if unmeasured."""
        if self.clock_offset is None:
            return None
        return difference(int(received_at * 1e6) + self.clock_offset, relay_time) * 1e-6
