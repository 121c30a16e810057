"""Lines that wait for a reader: bounded, and the oldest is dropped first."""

from __future__ import annotations

from collections import deque

MAX_WAITING = 1 << 20
"""Characters that wait: some minutes of JSON lines, or the roster of a full room. A reader that stops costs no more."""


class Backlog:
    """A queue of lines that never waits; ``lost`` counts those that were dropped since the last one was taken."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self.lost = 0
        self._lines: deque[str] = deque()
        self._size = 0
        self._limit = limit

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: str) -> None:
        """Add a line, and drop older ones if there is no room. The newest always stays, however long it is."""
        self._lines.append(line)
        self._size += len(line)
        while self._size > self._limit and len(self._lines) > 1:
            self._size -= len(self._lines.popleft())
            self.lost += 1

    def take(self) -> tuple[int, str]:
        """Return the oldest line, after the number of lines that were dropped before it.

        Raises ``IndexError`` if empty.
        """
        line = self._lines.popleft()
        self._size -= len(line)
        lost, self.lost = self.lost, 0
        return lost, line
