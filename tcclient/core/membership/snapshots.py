"""Snapshots of the room: when one is asked for."""

from __future__ import annotations

from collections.abc import Callable

from tcclient.core.timers import NEVER

SNAPSHOT_RETRY = 2.0
"""Seconds after which a snapshot is asked for again."""


class SnapshotRequests:
    """Has a snapshot asked for with ``ask`` after a gap in the changes, again and again until it is here."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self.next_deadline = NEVER
        """When ``handle_timeout`` is due."""
        self._ask = ask

    def gap(self, now: float) -> None:
        """Changes are missing."""
        if self.next_deadline == NEVER:
            self.next_deadline = now

    def arrived(self) -> None:
        """All pages are here."""
        self.next_deadline = NEVER

    def refused(self, retry_after: float, now: float) -> None:
        """Ask again after ``retry_after`` seconds: the server would not send one now."""
        self.next_deadline = now + max(retry_after, SNAPSHOT_RETRY)

    def handle_timeout(self, now: float) -> None:
        """Ask, if it is time."""
        if now >= self.next_deadline:
            self.next_deadline = now + SNAPSHOT_RETRY
            self._ask()
