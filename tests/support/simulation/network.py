"""One direction of a path, with the faults of real paths, repeatable from a seed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from tests.support.simulation.clock import Clock

HEADERS = 28
"""Bytes of IPv4 and UDP around each datagram."""
PARETO_SHAPE = 1.8
"""Below 2, so that the variance has no bound: the tail is as heavy as in measurements of busy networks."""
LONGEST_JITTER = 0.8
"""Seconds at which the tail of ``Shape.PARETO`` ends."""
STALL_SPREAD = 0.25
"""Part of its mean by which a stall may be shorter or longer."""
STALL_EVERY = 4.0
"""Seconds from one stall to the next, on average."""


class Shape(Enum):
    """How the extra delay of datagrams is distributed; ``Conditions.jitter`` is its scale."""

    HALF_NORMAL = "half-normal"
    """``jitter`` is the standard deviation, and twice that the longest (RFC 8867, section 3.2: 15 and 30 ms)."""
    EXPONENTIAL = "exponential"
    """``jitter`` is the mean."""
    PARETO = "pareto"
    """A heavy tail (Lomax): ``jitter`` is the scale, the mean 1.25 times that."""


@dataclass(frozen=True)
class Conditions:
    """What a path does to datagrams. Times in seconds, probabilities from 0 to 1."""

    delay: float = 0.0
    jitter: float = 0.0
    shape: Shape = Shape.HALF_NORMAL
    ordered: bool = True
    """Whether jitter keeps the order of datagrams. If not, one overtakes another that has more of it."""
    stall: float = 0.0
    """Mean length of stalls, in which nothing passes; what was sent meanwhile arrives at the end. 0: there are none."""
    loss: float = 0.0
    burst: float = 1.0
    """Mean length of a run of losses, in datagrams (Gilbert model). With 1, losses are independent of each other."""
    outage: float = 0.0
    """With it, losses are outages of exactly this length at random, whose share of the time is ``loss``."""
    reorder: float = 0.0
    """Share of datagrams that take ``reorder_delay`` longer and are overtaken."""
    reorder_delay: float = 0.03
    duplicate: float = 0.0
    rate: float = 0.0
    """Bits per second; 0 means no limit."""
    queue: float = 0.3
    """Seconds that a datagram may wait for the rate; then it is dropped."""
    mtu: int = 65_507
    """Largest UDP payload that passes. Larger datagrams disappear, as where fragments are dropped."""
    blocked: bool = False


CLEAN = Conditions()
LAN = Conditions(delay=0.001)
WIFI = Conditions(delay=0.01, jitter=0.008, loss=0.01, burst=2)
CELLULAR = Conditions(delay=0.06, jitter=0.02, loss=0.02, burst=3, reorder=0.005)
RURAL = Conditions(delay=0.08, jitter=0.03, loss=0.05, burst=2, rate=512_000, duplicate=0.002)
SATELLITE = Conditions(delay=0.28, jitter=0.01, loss=0.01)


class _Intervals:
    """Stretches of time, one after the other. ``following`` returns the seconds before the next and those in it."""

    def __init__(self, start: float, following: Callable[[], tuple[float, float]]) -> None:
        self._begin = self._end = start
        self._following = following

    def remaining(self, now: float) -> float:
        """Return the seconds until the end of the stretch that ``now`` is in; 0 between two."""
        while self._end <= now:
            gap, length = self._following()
            self._begin = self._end + gap
            self._end = self._begin + length
        return self._end - now if self._begin <= now else 0.0


class Pipe:
    """Carries datagrams one way under ``conditions``, which may change at any time."""

    def __init__(
        self, clock: Clock, rng: random.Random, deliver: Callable[[bytes], None], conditions: Conditions
    ) -> None:
        self.conditions = conditions
        self.sent = self.lost = 0
        self.bytes = 0
        """Bytes of what was sent, on the wire: with headers."""
        self.on_loss: Callable[[bytes], None] | None = None
        self._clock = clock
        self._rng = rng
        self._deliver = deliver
        self._free_at = 0.0
        self._last_arrival = 0.0
        self._losing = False
        self._outages = _Intervals(clock.now, self._next_outage)
        self._stalls = _Intervals(clock.now, self._next_stall)

    @property
    def wait(self) -> float:
        """Seconds for which a datagram would wait for the rate now."""
        return max(0.0, self._free_at - self._clock.now)

    def change(self, **fields: float | bool) -> None:
        """Change some conditions from now on."""
        self.conditions = replace(self.conditions, **fields)  # type: ignore[arg-type]

    @property
    def queue(self) -> float:
        """Seconds that a datagram sent now would wait for the rate."""
        return max(0.0, self._free_at - self._clock.now)

    def send(self, data: bytes) -> None:
        """Send a datagram. It arrives later, or never, or twice."""
        self.sent += 1
        self.bytes += len(data) + HEADERS
        now, c, rng = self._clock.now, self.conditions, self._rng
        if c.blocked or len(data) > c.mtu or self._loses(c):
            self._lose(data)
            return
        start = max(now, self._free_at)
        if c.rate:
            if start - now > c.queue:
                self._lose(data)
                return
            self._free_at = start = start + (len(data) + HEADERS) * 8 / c.rate
        arrival = start + c.delay + max(self._jitter(c), self._stalls.remaining(now) if c.stall else 0.0)
        if c.reorder and rng.random() < c.reorder:
            arrival += c.reorder_delay
        elif c.ordered:
            arrival = self._last_arrival = max(self._last_arrival, arrival)
        self._clock.at(arrival, lambda: self._deliver(data))
        if c.duplicate and rng.random() < c.duplicate:
            self._clock.at(arrival + 0.002, lambda: self._deliver(data))

    def _lose(self, data: bytes) -> None:
        self.lost += 1
        if self.on_loss is not None:
            self.on_loss(data)

    def _next_outage(self) -> tuple[float, float]:
        c = self.conditions
        return self._rng.expovariate(c.loss / (1 - c.loss) / c.outage), c.outage

    def _next_stall(self) -> tuple[float, float]:
        length = self.conditions.stall * self._rng.uniform(1 - STALL_SPREAD, 1 + STALL_SPREAD)
        return self._rng.expovariate(1 / (STALL_EVERY - self.conditions.stall)), length

    def _jitter(self, c: Conditions) -> float:
        if not c.jitter:
            return 0.0
        match c.shape:
            case Shape.HALF_NORMAL:
                return min(abs(self._rng.gauss(0, c.jitter)), 2 * c.jitter)
            case Shape.EXPONENTIAL:
                return self._rng.expovariate(1 / c.jitter)
            case Shape.PARETO:
                return min(c.jitter * (self._rng.paretovariate(PARETO_SHAPE) - 1), LONGEST_JITTER)

    def _loses(self, c: Conditions) -> bool:
        if not c.loss:
            return False
        if c.outage:
            return self._outages.remaining(self._clock.now) > 0
        if c.burst == 1:
            return self._rng.random() < c.loss
        # Gilbert's model: the chances to enter and leave a run follow from the share and the mean run.
        leave = 1 / c.burst
        enter = leave * c.loss / (1 - c.loss)
        self._losing = self._rng.random() >= leave if self._losing else self._rng.random() < enter
        return self._losing


class Stream:
    """Carries bytes one way, in order and whole, with a delay, as TCP does. ``b""`` is the end."""

    def __init__(self, clock: Clock, deliver: Callable[[bytes], None], delay: float) -> None:
        self.delay = delay
        self._clock = clock
        self._deliver = deliver
        self._last = 0.0
        self._queue: deque[bytes] = deque()
        self._open = True
        self._stopped = False
        self._overdue = 0

    def send(self, data: bytes) -> None:
        """Send bytes; nothing happens after the end."""
        if self._open:
            self._queue.append(data)
            self._last = max(self._last, self._clock.now + self.delay)
            self._clock.at(self._last, self._arrive)

    def close(self) -> None:
        """Send the end."""
        self.send(b"")
        self._open = False

    def reset(self) -> None:
        """Lose the bytes on the way: the connection is gone."""
        self._open = False
        self._queue.clear()

    def stop(self) -> None:
        """Begin an outage. Bytes that are sent or on the way wait for its end."""
        self._stopped = True

    def resume(self) -> None:
        """End the outage. The bytes that waited arrive, as TCP sends them again."""
        self._stopped = False
        for _ in range(self._overdue):
            self._clock.after(self.delay, self._arrive)
        self._overdue = 0

    def _arrive(self) -> None:
        if self._stopped:
            self._overdue += 1
        elif self._queue:
            self._deliver(self._queue.popleft())
