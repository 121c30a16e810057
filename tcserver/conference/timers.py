"""One table of named deadlines with one minimum."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from itertools import count

Action = Callable[[float], None]

_SLACK = 64
"""Cancelled entries that the heap may hold beyond the live ones before it is rebuilt."""


class Timers:
    """Deadlines on the monotonic clock, each under a key. Setting a key again moves its deadline."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._actions: dict[Hashable, tuple[int, float, Action]] = {}
        self._count = count()

    def __len__(self) -> int:
        """Return the number of deadlines that are set."""
        return len(self._actions)

    def set(self, key: Hashable, when: float, action: Action) -> None:
        """Set a deadline: at ``when``, call ``action`` with the time."""
        number = next(self._count)
        self._actions[key] = (number, when, action)
        heapq.heappush(self._heap, (when, number, key))
        if len(self._heap) > 2 * len(self._actions) + _SLACK:
            self._heap = [(at, nth, name) for name, (nth, at, _) in self._actions.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: Hashable) -> None:
        """Forget the deadline, if there is one."""
        self._actions.pop(key, None)

    def cancel_all(self, belongs: Callable[[Hashable], bool]) -> None:
        """Forget the deadlines for whose key ``belongs`` is true."""
        for key in [key for key in self._actions if belongs(key)]:
            del self._actions[key]

    def postpone(self, seconds: float) -> None:
        """Put all deadlines off by a time in which the server could do nothing, and hear nobody."""
        self._actions = {key: (nth, at + seconds, action) for key, (nth, at, action) in self._actions.items()}
        self._heap = [(at, nth, key) for key, (nth, at, _) in self._actions.items()]
        heapq.heapify(self._heap)

    def when(self, key: Hashable) -> float | None:
        """Return when a deadline is, if it is set."""
        action = self._actions.get(key)
        return None if action is None else action[1]

    def next(self) -> float | None:
        """Return the earliest deadline."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float, failed: Callable[[Hashable, Exception, float], None]) -> None:
        """Call the actions that are due, in order. Where one raises, call ``failed``, and go on with the others."""
        while (when := self.next()) is not None and when <= now:
            _, _, key = heapq.heappop(self._heap)
            action = self._actions.pop(key)[2]
            try:
                action(now)
            except Exception as error:
                failed(key, error, now)

    def _is_live(self, entry: tuple[float, int, Hashable]) -> bool:
        action = self._actions.get(entry[2])
        return action is not None and action[0] == entry[1]
