"""Work for strangers, a little in each turn of the event loop: a flood of them delays its own, and no meeting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

STRANGERS_PER_TURN = 4
"""Strangers served in a turn of the loop, at some 0.3 ms for a handshake: sound is never late for more of them."""


class Turns:
    """Runs jobs in the order in which they came, so many in each turn of the loop.

    Whoever gives a job sees to it that a connection has one job at a time, so that the connections bound the queue.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._left = STRANGERS_PER_TURN
        self._is_due = False

    def __len__(self) -> int:
        """Jobs that wait for a later turn."""
        return len(self._waiting)

    def enter(self, job: Callable[[], None]) -> None:
        """Run a job now, or in a later turn; the job raises nothing."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._next)
        if self._left:
            self._left -= 1
            job()
        else:
            self._waiting.append(job)

    def _next(self) -> None:
        self._left = STRANGERS_PER_TURN
        self._is_due = bool(self._waiting)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._next)
        while self._left and self._waiting:
            self._left -= 1
            self._waiting.popleft()()
