"""The processor of a machine, which may be busy with something else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.support.simulation.clock import Clock


class Processor:
    """Does what is to be done: at once, or in the same order when it is free again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_busy = False
        self._waiting: deque[Callable[[], None]] = deque()

    def stop(self, seconds: float) -> None:
        """Do nothing for so long."""
        self._is_busy = True
        self._clock.after(seconds, self._go_on)

    def do(self, work: Callable[[], None]) -> None:
        """Do something, or put it off."""
        if self._is_busy:
            self._waiting.append(work)
        else:
            work()

    def _go_on(self) -> None:
        self._is_busy = False
        while self._waiting:
            self._waiting.popleft()()
