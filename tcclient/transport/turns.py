"""Whether the event loop takes its turns late, so that what it reads then has waited."""

from __future__ import annotations

import asyncio
import time

BEAT = 0.02
"""Seconds from one turn that is expected to the next, while datagrams come."""
LATE = 0.02
"""Seconds by which a turn comes late in which what is read has waited too long to tell of the line. A wait that is not
noticed is shorter than this and ``BEAT`` together, and no queue of that length makes a client give anything up."""
AFTER = 0.05
"""Seconds after a late turn in which what had waited meanwhile is read."""
QUIET = 0.5
"""Seconds without datagrams after which no more turns are expected."""


class Turns:
    """Notices late turns by a timer of its own. It runs while ``are_late`` is asked."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._asked_at = self._late_until = 0.0

    def are_late(self, now: float) -> bool:
        """Return whether the turn of ``now`` is late, or one just before it was; to be asked when datagrams come."""
        self._asked_at = now
        self._look(now)
        if self._timer is None:
            self._arm(now)
        return now < self._late_until

    def close(self) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, now: float) -> None:
        if self._timer is not None and now >= self._due + LATE:
            self._late_until = now + AFTER

    def _arm(self, now: float) -> None:
        self._due = now + BEAT
        self._timer = self._loop.call_later(BEAT, self._beat)

    def _beat(self) -> None:
        now = time.monotonic()
        self._look(now)
        self._timer = None
        if now < self._asked_at + QUIET:
            self._arm(now)
