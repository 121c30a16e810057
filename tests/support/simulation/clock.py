"""Virtual time: one heap of actions, and the clocks of hosts that run by it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Clock:
    """Runs actions in the order of their times; equal times in the order in which they were scheduled."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Schedule an action; a time in the past means now."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._order), action))

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Schedule an action ``delay`` seconds from now."""
        self.at(self.now + delay, action)

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            time, _, action = heapq.heappop(self._heap)
            self.now = time
            action()
        self.now = end


class HostClock:
    """The clocks of a host: a monotonic one that starts anywhere and drifts, and a wall clock that can be set."""

    def __init__(self, clock: Clock, offset: float = 0.0, drift: float = 0.0, unix: float = 1_800_000_000.0) -> None:
        self._clock = clock
        self._offset = offset
        self._rate = 1.0 + drift
        self._unix = unix

    @property
    def now(self) -> float:
        """Monotonic seconds by this host."""
        return self._offset + self._clock.now * self._rate

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Schedule an action at a time of this host."""
        # A little late is better than early by a rounding error, which would repeat in the same moment.
        self._clock.at((time - self._offset) / self._rate + 1e-9, action)

    def unix_ms(self) -> int:
        """Wall clock in ms since 1970."""
        return int((self._unix + self._clock.now) * 1000)

    def skip(self, seconds: float) -> None:
        """Let the monotonic clock jump ahead, as after a suspension."""
        self._offset += seconds

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock ahead by so much."""
        self._unix += seconds


class Timer:
    """The one timer of a host: an action at the next of its deadlines."""

    def __init__(self, clock: HostClock, due: Callable[[], None]) -> None:
        self._clock = clock
        self._due = due
        self._armed = float("inf")

    def arm(self, deadline: float | None) -> None:
        """Call ``due`` at a deadline, or earlier. None changes nothing."""
        if deadline is not None and deadline < self._armed:
            self._armed = deadline
            self._clock.at(deadline, self._ring)

    def _ring(self) -> None:
        if self._clock.now >= self._armed:
            self._armed = float("inf")
            self._due()
