"""What arrived on a way in the last seconds: how long it waited, how much it was, what is missing."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tcproto.serial import Unwrapper

STEP = 0.1
"""Seconds that are counted together. RFC 8698 (5.3) has a feedback interval of 100 ms."""
QUEUE_SPAN = 0.25
"""Seconds over which the least wait is taken: jitter of a radio link adds to most packets, and not to all of them."""
QUEUE_PACKETS = 8
"""Packets over which it is taken at least."""
RATE_SPAN = 0.6
"""Seconds over which the rate is measured."""
MOMENT = 0.35
"""The same of the rate of a moment in which the link was full."""
LOSS_SPAN = 2.0
"""Seconds over which the loss is measured."""
BASE_SPAN = 60
"""Seconds over which the quickest transit counts as that without a queue. Clocks drift by some ms in that time."""
FLOOR_SPAN = 60.0
"""Seconds over which the least loss counts as that of the link itself."""
FLOOR_WINDOW, FLOOR_PACKETS = 3.0, 120
"""Seconds and packets at least, whose loss is one value for that."""
MAX_CLOCKS = 16
"""Clocks of senders that are known; the oldest is forgotten first. A receiver gets nearly all from one worker."""
UNKNOWN = float("inf")


class _Clock:
    """The clock of a sender: transit times but for a constant."""

    def __init__(self) -> None:
        self._unwrap = Unwrapper()
        self._quickest: deque[tuple[int, float]] = deque()
        """The quickest transit of each second, ``BASE_SPAN`` of them."""
        self._base = UNKNOWN

    def queue(self, sent_us: int, at: float) -> float:
        """Return by how many seconds a packet was slower than the quickest one of the last minute."""
        transit = at - self._unwrap(sent_us) * 1e-6
        second = int(at)
        quickest = self._quickest
        if not quickest or quickest[-1][0] < second:
            quickest.append((second, transit))
            while quickest[0][0] <= second - BASE_SPAN:
                quickest.popleft()
            self._base = min(least for _, least in quickest)
        elif transit < quickest[-1][1]:
            quickest[-1] = quickest[-1][0], transit
            self._base = min(self._base, transit)
        return transit - self._base


class _LossFloor:
    """The least loss of the last minute: what the link loses whatever the rate is."""

    def __init__(self) -> None:
        self.share: float | None = None
        """None until a first window is full."""
        self.mean = 0.0
        """The mean loss of the windows of the last minute."""
        self._shares: deque[tuple[float, float]] = deque()
        self._begin: float | None = None
        self._expected = self._missing = 0

    def count(self, now: float, expected: int, missing: int) -> None:
        """Count packets."""
        if self._begin is None:
            self._begin = now
        self._expected += expected
        self._missing += missing
        if now - self._begin >= FLOOR_WINDOW and self._expected >= FLOOR_PACKETS:
            self._shares.append((now, max(0.0, self._missing / self._expected)))
            while self._shares[0][0] < now - FLOOR_SPAN:
                self._shares.popleft()
            self._measure()
            self._begin, self._expected, self._missing = now, 0, 0

    def restart(self, now: float, share: float) -> None:
        """Forget the last minute: the link loses ``share`` from now on."""
        self._shares = deque([(now, share)])
        self._measure()
        self._begin, self._expected, self._missing = now, 0, 0

    def _measure(self) -> None:
        shares = [share for _, share in self._shares]
        self.share, self.mean = min(shares), sum(shares) / len(shares)


class _Step(NamedTuple):
    """What was counted in a step."""

    until: float
    """Time of the last arrival."""
    queue: float
    """The least wait; ``UNKNOWN`` where nothing tells it."""
    timed: int
    """Packets that tell it."""
    bits: int
    expected: int
    missing: int


class Arrivals:
    """Measures a way. Steps without an arrival count as if there was no time in between."""

    def __init__(self) -> None:
        self.queue = 0.0
        """Seconds for which packets wait in front of the narrowest link."""
        self.rate: float | None = None
        """Bits per second that come; None where too little came to tell."""
        self.momentary = 0.0
        """The same in the last ``MOMENT``; 0 where too little came."""
        self.usual = 0.0
        """Bits per second over all that is remembered, ``LOSS_SPAN``: pictures vary from one to the next."""
        self.loss = 0.0
        """Share, 0 to 1, that is lost."""
        self.packets = 0
        """How many packets this is a share of."""
        self.floor = 0.0
        """Share that the link loses whatever the rate is: the least of the last minute."""
        self.usual_loss = 0.0
        """Share that it has lost in the mean of the last minute."""
        self.loses_more = False
        """Whether more was lost in the last step than the link loses."""
        self._clocks: dict[int, _Clock] = {}
        self._steps: deque[_Step] = deque()
        """As many as the longest span has."""
        self._floor = _LossFloor()
        self._clear()

    def _clear(self) -> None:
        self._until, self._queue = 0.0, UNKNOWN
        self._timed = self._bits = self._expected = self._missing = 0

    def arrived(self, sent_us: int, at: float, size: int, clock: int) -> None:
        """Count a datagram of ``size`` bytes on the line that left at ``sent_us`` by the clock of its sender."""
        known = self._clocks.get(clock)
        if known is None:
            known = self._clocks[clock] = _Clock()
            if len(self._clocks) > MAX_CLOCKS:
                del self._clocks[next(iter(self._clocks))]
        self._queue = min(self._queue, known.queue(sent_us, at))
        self._timed += 1
        self.untimed(at, size)
        self._expected += 1

    def untimed(self, at: float, size: int) -> None:
        """Count a datagram that left before: it tells nothing of the wait, and whether it was lost is counted."""
        self._until = max(self._until, at)
        self._bits += 8 * size

    def missed(self, count: int) -> None:
        """Count lost packets; with a negative count, those that came later after all."""
        self._expected += count
        self._missing += count

    def forget_transits(self) -> None:
        """The way has become longer: measure the quickest transit anew."""
        self._clocks.clear()
        self._steps.clear()
        self.queue = 0.0

    def lost_by_chance(self, now: float) -> None:
        """What was lost of late, the link loses whatever the rate is."""
        self._floor.restart(now, self.loss)
        self.floor = self.usual_loss = self.loss

    def end_step(self, now: float) -> bool:
        """Measure anew; return whether anything came since the last time."""
        if not self._bits:
            return False
        steps = self._steps
        steps.append(_Step(self._until, self._queue, self._timed, self._bits, self._expected, self._missing))
        self._clear()
        newest = steps[-1].until
        while steps[0].until < newest - LOSS_SPAN:
            steps.popleft()
        self._measure_queue(newest)
        self._measure_rate(newest)
        self._measure_loss(now)
        return True

    def _measure_queue(self, newest: float) -> None:
        least, timed = UNKNOWN, 0
        for step in reversed(self._steps):
            if step.until <= newest - QUEUE_SPAN and timed >= QUEUE_PACKETS:
                break
            least = min(least, step.queue)
            timed += step.timed
        if timed:
            self.queue = least

    def _measure_rate(self, newest: float) -> None:
        self.rate = self._rate_in(RATE_SPAN, newest)
        self.momentary = self._rate_in(MOMENT, newest) or 0.0
        span = newest - self._steps[0].until
        self.usual = sum(step.bits for step in self._steps) / (span + STEP)

    def _rate_in(self, seconds: float, newest: float) -> float | None:
        recent = [step for step in self._steps if step.until > newest - seconds]
        span = newest - recent[0].until
        return sum(step.bits for step in recent[1:]) / span if span >= seconds / 2 else None

    def _measure_loss(self, now: float) -> None:
        newest = self._steps[-1]
        self._floor.count(now, newest.expected, newest.missing)
        expected = sum(step.expected for step in self._steps)
        missing = max(0, sum(step.missing for step in self._steps))
        self.loss = missing / expected if expected > missing else 0.0
        self.packets = max(expected, 0)
        is_known = self._floor.share is not None
        self.floor = self.loss if self._floor.share is None else self._floor.share
        self.usual_loss = self._floor.mean if is_known else self.loss
        self.loses_more = newest.missing > self.floor * newest.expected + 2 * (self.floor > 0)
