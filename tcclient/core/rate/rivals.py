"""Rivals on the way: whether another flow keeps the queue full, and what rate is fair beside it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

STANDING = 3.0
"""Seconds for which a queue stands until it may count as that of another flow. Our own is drained in less."""
LEAST_QUEUE = 0.05
"""Seconds of waiting that nobody goes below in that time."""
LEAST_SPREAD = 0.01
"""Seconds by which the wait varies in that time, at least. If it does not, it is no queue, but a longer way."""
JUMP, JUMP_TIME = 0.06, 0.5
"""Seconds by which the wait grows, and in how many, if the link has become slower: then all begins again."""
SHRUNK = 0.75
"""Share to which what comes of ours falls while we give way beside others. Alone, all that the link carries is ours."""
OBEYED = 1.2
"""Times of the rate that was allowed within a second: what is sent beyond that ignores it. Encoders are not exact."""
FREE, FREE_FOR = 0.02, 2.0
"""Seconds of waiting below which, for so many seconds, the other flow is gone."""
DECREASE, INCREASE = 0.7, 0.53
"""Share that is left after a loss, and packets more in each round trip: as fair to TCP as 0.5 and 1 (RFC 8312, 5.2)."""
LEAST_ROUND_TRIP = 1e-4
"""Seconds; clocks may tell no difference where it is less."""
SEGMENT = 12e3
"""Bits of a packet of TCP."""
FASTEST = 0.5
"""Share by which the rate grows in a second, at most."""
FALL = 0.75
"""Share of its peak to which the queue falls when another flow has lost something, and slows down."""


class _Step(NamedTuple):
    at: float
    wait: float
    rate: float
    """What was allowed."""
    sent: float


class Rivals:
    """Watches the wait. TCP goes by loss, so who goes by delay gets nothing beside it: then we go by loss as well."""

    def __init__(self) -> None:
        self.are_there = False
        self.is_longer = False
        """Whether the way is longer than it was."""
        self._waits: deque[_Step] = deque()
        """The steps for which the queue stands; ``STANDING`` seconds of them."""
        self._free_since: float | None = None
        self._peak = 0.0
        self._cut_at = float("-inf")

    def watch(self, now: float, wait: float, rate: float, sent: float) -> float:
        """Take the wait, the rate that was allowed and the one that was sent; return the rate that is allowed now.

        Where more is sent than was allowed, the queue is our own.
        """
        self.is_longer = False
        if self.are_there:
            self._look_free(now, wait)
            return rate
        waits = self._waits
        allowed = max((step.rate for step in waits if step.at > now - 1), default=rate)
        jumped = any(wait - step.wait > JUMP for step in waits if step.at > now - JUMP_TIME)
        if wait < LEAST_QUEUE or sent > OBEYED * allowed or jumped:
            waits.clear()
            return rate
        waits.append(_Step(now, wait, rate, sent))
        first = waits[0]
        if now - first.at < STANDING:
            return rate
        if max(step.wait for step in waits) - min(step.wait for step in waits) < LEAST_SPREAD:
            self.is_longer = True
        elif sent < SHRUNK * first.sent:
            self.are_there, self._peak, self._free_since = True, wait, None
            rate = max(rate, first.rate)
        else:
            waits.popleft()
            return rate
        waits.clear()
        return rate

    def share(self, now: float, wait: float, rate: float, step: float, round_trip: float, lost: bool) -> float:
        """Return the rate beside the others: a little more, until something is lost."""
        whole = max(round_trip + wait, LEAST_ROUND_TRIP)
        self._peak = max(self._peak, wait)
        if (lost or wait < FALL * self._peak) and now - self._cut_at > whole:
            self._peak, self._cut_at = wait, now
            return rate * DECREASE
        return rate + min(INCREASE * SEGMENT / whole**2, FASTEST * rate) * step

    def _look_free(self, now: float, wait: float) -> None:
        if wait >= FREE:
            self._free_since = None
        elif self._free_since is None:
            self._free_since = now
        elif now - self._free_since >= FREE_FOR:
            self.are_there = False
