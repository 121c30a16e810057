"""Virtual time: one heap of things to do."""

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
