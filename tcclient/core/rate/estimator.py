"""How many bits per second a way carries: down at once, up slowly."""

from __future__ import annotations

from math import sqrt

from tcclient.core.path.train import HEADERS
from tcclient.core.rate.arrivals import LOSS_SPAN, RATE_SPAN, STEP, Arrivals
from tcclient.core.rate.ceiling import FULL, LOSSY, Ceiling
from tcclient.core.rate.loss_trial import LossTrial
from tcclient.core.rate.rivals import Rivals

START = 128e3
"""Bits per second at first: three voices, or one voice with copies."""
MOST_LOST_AT_START = 0.3
"""Share that is lost, up to which as much more is sent at first, so that so much arrives. A voice in packets of 20 ms
and the least picture do so. With what is left of ``START`` the voice would change to longer packets, and back later."""
LEAST = 30e3
"""Bits per second below which nothing is estimated: one voice in packets of 60 ms."""
MOST = 4e6
"""Bits per second beyond which nothing is estimated, unless the owner knows better."""
NEVER = float("inf")
CONGESTED, FREE = 0.06, 0.045
"""Seconds of waiting from which a way is congested, and below which it is no more."""
IN_USE = 0.75
"""Share of the estimate below which the application limits what comes, and not the way."""
TARGET, TARGET_RATE, TARGET_POWER = 0.016, 1e6, 0.5
"""Seconds of waiting that are aimed at, at so many bits per second. With more it is less, so that shares become equal.

RFC 8698 (4.3) has a power of 1, with which a flow of 250 kbit/s holds a queue of 80 ms.
"""
LEAST_TARGET, MOST_TARGET = 0.010, 0.040
CALM = 0.4
"""Share of that, up to which the way is calm, and the rate may grow fast. Below 1, or it would swing."""
CALM_FOR, LONG_CALM = 0.5, 3.0
"""Seconds of calm from which it grows as in RFC 8698 (4.3), and from which also beyond what is in use."""
STEADY_GROWTH = 0.1
"""Share by which it grows so in a second."""
GENTLE_GROWTH = 0.5
"""Share by which it grows at most in a second of calm where packets are lost by chance, in place of 1."""
HEADROOM, HEADROOM_RATE = 1.5, 16e3
"""It is at most so many times of what is in use, and so many bits per second more: one voice."""
QUEUE_BOUND = 0.06
"""Seconds of waiting that the fast growth may cause (QBOUND of RFC 8698, which has 0.05)."""
SMOOTHING = 0.5
"""Seconds that it takes to follow the wait (TAU of RFC 8698)."""
DRAIN = 0.1
"""Seconds of waiting from which what comes is what the narrowest link carries, so that this is known at once."""
DRAINED_SHARE, MOST_DRAINED = 0.95, 0.4
"""Share of it that is sent while the queue drains, less 1 % for each 10 ms of queue, and less so much at most."""
AFTER_DRAIN = 0.9
"""Share of it that is sent when the queue has drained."""
EMPTY = 0.005
"""Seconds of waiting that count as no queue."""
PAUSE_EACH, PAUSE, PAUSE_SHARE = 20.0, 0.4, 0.8
"""If the queue was not empty for so long, only a share is sent for a moment. Otherwise the aimed-at wait would in time
count as none (``BASE_SPAN``)."""
AFTER_PAUSE = 1.5
"""Seconds from the begin of a pause in which the rate does not grow fast: that there is no queue now, tells nothing."""
CERTAIN = 0.03
"""Share of packets that may be lost beyond what the link loses, before that counts."""
DEVIATIONS = 2.5
"""Standard deviations that may be lost beyond that: one of a hundred measurements is wrong."""
MOST_LOSS = 0.4
"""Share that the link may lose; nobody sends more to make up for more."""
LOSS_DELAY, LOSS_SCALE = 0.01, 0.01
"""Seconds of waiting that count the same as this share of excess loss (DLOSS and PLRREF of RFC 8698); it goes with the
square."""
MOST_SIGNAL = 0.5
"""Seconds; more counts the same."""


class RateEstimator:
    """Estimates how many bits per second one way carries, with the headers of IP and UDP (``HEADERS``).

    The owner tells each datagram that comes (``arrived``, ``repeated``) and each packet that does not (``missed``). A
    receiver calls ``handle_timeout`` at ``next_deadline``; a sender, who learns of arrivals from reports, after each
    report. All figures are of then; all begin again with ``restart``.

    It is RFC 8698 (NADA) with changes: the wait is the least of a while, so that jitter is no queue; only loss above
    that of the link counts; behind a queue the rate of the link is seen, and taken at once; beside a flow that goes by
    loss it goes by loss as well (``Rivals``).
    """

    def __init__(self, *, start: float = START, most: float = MOST) -> None:
        """Begin with ``start``, and never estimate more than ``most``, both in bits per second."""
        self.bitrate = start
        """Bits per second that may be sent on this way, from ``LEAST`` on."""
        self.most = most
        """Bits per second beyond which nothing is estimated. The owner may change it."""
        self.round_trip = STEP
        """Seconds; the owner sets it where it is measured."""
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due: ``STEP`` after the first arrival since the last time."""
        self._start = start
        self._begin()

    def _begin(self) -> None:
        self.is_congested = False
        """Whether packets wait: from ``CONGESTED`` on, until it is less than ``FREE``."""
        self._arrivals = Arrivals()
        self._rivals = Rivals()
        self._ceiling = Ceiling()
        self._trial = LossTrial(LEAST)
        self._is_bounded = False
        """Whether the ceiling holds."""
        self._rate = self._start
        """The rate without pauses and ceiling."""
        self._updated_at: float | None = None
        self._signal = 0.0
        """Congestion signal of the step before, in seconds of waiting."""
        self._capacity = 0.0
        """What the link carries, as seen while the queue drains; 0 while it does not."""
        self._calm_since = self._empty_at = self._pause_from = self._waited_at = float("-inf")

    @property
    def queue_s(self) -> float:
        """Seconds for which packets wait in front of the narrowest link."""
        return self._arrivals.queue

    @property
    def loss(self) -> float:
        """Share, 0 to 1, of the packets of the last two seconds that was lost, whatever was repaired."""
        return self._arrivals.loss

    @property
    def packets(self) -> int:
        """How many packets ``loss`` is a share of."""
        return self._arrivals.packets

    @property
    def is_lossy(self) -> bool:
        """Whether the link loses packets whatever the rate is."""
        return self._arrivals.floor >= LOSSY

    @property
    def bearable(self) -> float:
        """Bits per second that may be tried: what a link that loses was seen to carry, less what stays free.

        Infinite where it does not lose, 0 where it was never full.
        """
        if not self.is_lossy:
            return float("inf")
        return self._ceiling.bitrate if self._ceiling.is_known else 0.0

    @property
    def received(self) -> float:
        """Bits per second that come; 0 where too little comes to tell."""
        return self._arrivals.rate or 0.0

    @property
    def is_application_limited(self) -> bool:
        """Whether less than ``IN_USE`` of the estimate is in use, so that nobody knows whether more would come."""
        return max(self.received, self._arrivals.usual) < IN_USE * self.bitrate * (1 - self.loss)

    def arrived(self, sent_us: int, at: float, size: int, clock: int = 0) -> None:
        """Take a datagram of ``size`` bytes of UDP payload, which counts as one packet for the loss.

        ``sent_us`` is the time when it left, in µs of the sender's clock, modulo 2**32; ``at`` when it came, in seconds
        of the receiver's. ``clock`` tells the clocks of several senders on one way apart.
        """
        self._arrivals.arrived(sent_us, at, size + HEADERS, clock)
        self._due(at)

    def repeated(self, at: float, size: int) -> None:
        """Take a datagram that left late or for the second time: it counts for the rate alone."""
        self._arrivals.untimed(at, size + HEADERS)
        self._due(at)

    def missed(self, count: int) -> None:
        """Take ``count`` packets that were not in time; with a negative count, those that came late after all."""
        self._arrivals.missed(count)

    def show(self, rate: float) -> None:
        """Take what was seen in another way: the way carries so many bits per second, as long as nothing waits."""
        if not self.is_congested and not self._rivals.are_there and self._arrivals.queue <= LEAST_TARGET:
            self._rate = min(self.most, max(self._rate, rate))
            self.bitrate = max(self.bitrate, self._rate)

    def restart(self) -> None:
        """Begin again: the way is another one."""
        self.bitrate = self._start
        self.next_deadline = NEVER
        self._begin()

    def handle_timeout(self, now: float) -> None:
        """Estimate anew from what came since the last time; without anything the estimate stays as it is."""
        self.next_deadline = NEVER
        if not self._arrivals.end_step(now):
            return
        step = STEP if self._updated_at is None else min(3 * STEP, now - self._updated_at)
        self._updated_at = now
        wait = self._arrivals.queue
        self.is_congested = wait > (FREE if self.is_congested else CONGESTED)
        arrivals = self._arrivals
        # By chance now more is lost and now less. So the least of a minute is less than a link loses.
        excess = self._excess_loss(arrivals.usual_loss if self.is_lossy else arrivals.floor)
        before, self._signal = self._signal, min(MOST_SIGNAL, wait + LOSS_DELAY * (excess / LOSS_SCALE) ** 2)
        if wait > DRAIN:
            self._waited_at = now
        # What a long queue has lost of late is still in the loss.
        waits = wait > FULL or now < self._waited_at + LOSS_SPAN + STEP
        if self._trial.watch(now, waits, excess, arrivals.loss, arrivals.packets, self.received):
            arrivals.lost_by_chance(now)
            self._rate = max(self._rate, self._trial.came)
        rate = self._rivals.watch(now, wait, self._rate, self._sent())
        if self._rivals.is_longer:
            self._arrivals.forget_transits()
        elif self._rivals.are_there:
            rate = self._rivals.share(now, wait, rate, step, self.round_trip, self._arrivals.loses_more)
        elif wait > DRAIN:
            self._capacity = self._sent() or self._capacity or rate
            rate = min(rate, self._capacity * (DRAINED_SHARE - min(MOST_DRAINED, wait - DRAIN)))
        elif self._capacity:
            rate = max(rate, AFTER_DRAIN * self._capacity)
            self._capacity = 0.0
        else:
            steered = self._steered(now, rate, step, self._signal - before, excess)
            rate = min(rate, steered) if now - self._pause_from < PAUSE + RATE_SPAN else steered
            rate = min(rate, self._trial.most)
        if self._start <= rate and not self._ceiling.is_known:
            rate = max(rate, self._start / (1 - min(self.loss, MOST_LOST_AT_START)))
        self._rate = max(LEAST, min(self.most, rate))
        self._ceiling.update(now, step, wait, self._sent(self._arrivals.momentary), self._arrivals.floor)
        if not self.is_lossy and self._is_bounded:
            self._rate = min(self._rate, max(LEAST, self._ceiling.bitrate))  # it has not been tried for more
        self._is_bounded = self.is_lossy
        self._pause(now, wait)
        if self._is_bounded:
            self.bitrate = max(LEAST, min(self.bitrate, self._ceiling.bitrate))

    def _due(self, at: float) -> None:
        if self.next_deadline == NEVER:
            self.next_deadline = at + STEP

    def _steered(self, now: float, rate: float, step: float, more: float, excess: float) -> float:
        """Return the rate that keeps the wait near the one that is aimed at; ``more`` is the change of the signal."""
        sent = self._sent()
        target = min(MOST_TARGET, max(LEAST_TARGET, TARGET * (TARGET_RATE / rate) ** TARGET_POWER))
        if self._arrivals.queue > CALM * target or excess or now - self._pause_from < AFTER_PAUSE:
            self._calm_since = now
        if now - self._calm_since >= CALM_FOR:
            growth = min(0.5, QUEUE_BOUND / (self.round_trip + STEP + 0.12))  # 0.12 s: DFILT of RFC 8698
            quickly = GENTLE_GROWTH * step if self.is_lossy else step
            return max(rate, min((1 + growth) * sent, rate * (1 + quickly)), self._beyond_use(now, rate, step))
        before = rate
        rate -= rate * ((self._signal - target) * step / SMOOTHING + 2 * more)
        if excess and self.received:
            passed = self.received / (1 - min(MOST_LOSS, self._arrivals.floor))
            rate = min(rate, max(0.5 * rate, DRAINED_SHARE * passed))
        return max(rate, min(before, self._trial.least))

    def _beyond_use(self, now: float, rate: float, step: float) -> float:
        """Return the rate that the way may carry, though nobody has tried."""
        if now - self._calm_since < LONG_CALM:
            return 0.0
        return min(HEADROOM * self._sent() + HEADROOM_RATE, rate * (1 + STEADY_GROWTH * step))

    def _pause(self, now: float, wait: float) -> None:
        if wait < EMPTY:
            self._empty_at = now
        elif now - self._empty_at > PAUSE_EACH:
            self._empty_at = self._pause_from = now
        self.bitrate = self._rate * (PAUSE_SHARE if now - self._pause_from < PAUSE else 1.0)

    def _excess_loss(self, known: float) -> float:
        """Return the share that is lost beyond what the link is known to lose, as far as that is certain."""
        loss, packets = self._arrivals.loss, max(1, self._arrivals.packets)
        margin = CERTAIN + DEVIATIONS * sqrt(max(loss * (1 - loss), 0.01) / packets)
        return max(0.0, loss - known - margin)

    def _sent(self, came: float | None = None) -> float:
        """Return the bits per second that were sent for those that came, all that did if not told."""
        lost = max(self._arrivals.floor, min(self._arrivals.loss, self._arrivals.floor + 0.1))
        return (self.received if came is None else came) / (1 - min(MOST_LOSS, lost))
