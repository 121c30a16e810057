"""One direction of a path, with the faults of real paths, repeatable from a seed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.support.simulation.clock import Clock


@dataclass(frozen=True)
class Conditions:
    """What a path does to datagrams. Times in seconds, probabilities from 0 to 1."""

    delay: float = 0.0
    jitter: float = 0.0
    """Standard deviation of a half-normal extra delay, cut at twice its value. Datagrams stay in order."""
    loss: float = 0.0
    burst: float = 1.0
    """Mean length of a run of losses (Gilbert model); 1 makes losses independent."""
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


class Pipe:
    """Carries datagrams one way under ``conditions``, which may change at any time."""

    def __init__(
        self, clock: Clock, rng: random.Random, deliver: Callable[[bytes], None], conditions: Conditions
    ) -> None:
        self.conditions = conditions
        self.sent = self.lost = 0
        self.on_loss: Callable[[bytes], None] | None = None
        self._clock = clock
        self._rng = rng
        self._deliver = deliver
        self._free_at = 0.0
        self._last_arrival = 0.0
        self._losing = False

    def change(self, **fields: float | bool) -> None:
        """Change some conditions from now on."""
        self.conditions = replace(self.conditions, **fields)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        """Send a datagram. It arrives later, or never, or twice."""
        self.sent += 1
        now, c, rng = self._clock.now, self.conditions, self._rng
        if c.blocked or len(data) > c.mtu or self._loses(c):
            self._lose(data)
            return
        start = max(now, self._free_at)
        if c.rate:
            if start - now > c.queue:
                self._lose(data)
                return
            self._free_at = start = start + (len(data) + 28) * 8 / c.rate
        jitter = min(abs(rng.gauss(0, c.jitter)), 2 * c.jitter) if c.jitter else 0.0
        arrival = start + c.delay + jitter
        if c.reorder and rng.random() < c.reorder:
            arrival += c.reorder_delay
        else:
            arrival = self._last_arrival = max(self._last_arrival, arrival)
        self._clock.at(arrival, lambda: self._deliver(data))
        if c.duplicate and rng.random() < c.duplicate:
            self._clock.at(arrival + 0.002, lambda: self._deliver(data))

    def _lose(self, data: bytes) -> None:
        self.lost += 1
        if self.on_loss is not None:
            self.on_loss(data)

    def _loses(self, c: Conditions) -> bool:
        """Gilbert's model: the chances to enter and leave a run follow from the share and the mean run."""
        if not c.loss:
            return False
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
