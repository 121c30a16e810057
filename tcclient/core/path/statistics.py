"""What is measured on the path to the server: round trips, loss and delay of both directions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tcclient.core.path.proof import PathState, Way
from tcproto.serial import Unwrapper, difference, wrapped
from tcproto.transit import LATE, TransitClock

RECENT = 10.0
"""Seconds that count as of late: some hundred packets of one talker, and soon forgotten."""
RECENT_STEP = 0.5
"""Seconds between the counts that are kept for that, at least."""
FULL_QUEUE = 0.2
"""Seconds by which round trips are longer where a queue on the way is nearly full, and loses what comes."""


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
    score: float | None = None
    """Mean opinion score to expect of speech in this direction, 1 to 4.5; None until the path is proved."""

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
