"""What one participant may make each other participant receive on its channel, however little it costs the server."""

from __future__ import annotations

from collections import Counter

WINDOW = 8.0
"""Seconds in which it is counted."""


class Passing:
    """Lets ``most`` parts through to each recipient in ``WINDOW`` seconds. Recipients are participants of one room."""

    __slots__ = ("_began", "_most", "_passed")

    def __init__(self, most: int) -> None:
        self._most = most
        self._began = float("-inf")
        self._passed: Counter[int] = Counter()

    def take(self, recipient: int, wanted: int, now: float) -> int:
        """Return how many of the parts that are wanted may pass, and count them."""
        if now >= self._began + WINDOW:
            self._began = now
            self._passed.clear()
        allowed = min(wanted, self._most - self._passed[recipient])
        self._passed[recipient] += allowed
        return allowed
