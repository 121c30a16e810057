"""The backlog of a socket: what its buffer had no room for. Audio leaves before video."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from tcproto.datagram import LARGE
from tcserver.media.forwarding.receivers import LaneReceivers
from tcserver.media.lanes.lane import Weight, weigh

MAX_BACKLOG = 256
"""Runs that wait for room in the buffer of a socket at most: media that wait longer come too late anyway."""


class Run(NamedTuple):
    """A message that waits, for the receivers from index ``start`` to before ``stop``; see ``Lane.send``."""

    payload: bytes
    size: int
    receivers: LaneReceivers
    start: int
    stop: int

    @property
    def segments(self) -> int:
        """Datagrams that each receiver gets."""
        return -(-len(self.payload) // self.size) if self.payload else 1


class Backlog:
    """Keeps runs in order. When there are too many, the oldest video gives way, then the oldest audio.

    ``gave_way`` counts the datagrams that are dropped so, once for each receiver.
    """

    __slots__ = ("_gave_way", "_large", "_small")

    def __init__(self, gave_way: Counter[Weight]) -> None:
        self._gave_way = gave_way
        self._small: deque[Run] = deque()
        self._large: deque[Run] = deque()

    def __len__(self) -> int:
        """Return the number of runs that wait."""
        return len(self._small) + len(self._large)

    def put(self, run: Run) -> None:
        """Let a run wait, behind the others of its weight."""
        tail = (run.segments - 1) * run.size
        if run.size > LARGE >= len(run.payload) - tail:
            # The last datagram of a train is shorter, and may be somebody's audio.
            self._put(run._replace(payload=run.payload[:tail]))
            run = run._replace(payload=run.payload[tail:], size=len(run.payload) - tail)
        self._put(run)

    def put_back(self, run: Run) -> None:
        """Put a run, or what is left of it, back in front after it was taken."""
        (self._large if run.size > LARGE else self._small).appendleft(run)

    def take(self) -> Run:
        """Return the next run, the small ones first; raises ``IndexError`` if none waits."""
        return (self._small or self._large).popleft()

    def _put(self, run: Run) -> None:
        large = run.size > LARGE
        if len(self) >= MAX_BACKLOG:
            if self._large:
                self._drop_frame()
            elif large:
                self._count(run)
                return
            else:
                self._count(self._small.popleft())
        (self._large if large else self._small).append(run)

    def _drop_frame(self) -> None:
        """Drop the oldest large run and what else waits of its frame, which is of no use without it."""
        waiting = self._large
        first = waiting[0]
        while waiting and waiting[0].receivers is first.receivers and waiting[0].size == first.size:
            self._count(waiting.popleft())

    def _count(self, run: Run) -> None:
        self._gave_way[weigh(run.size)] += (run.stop - run.start) * run.segments
