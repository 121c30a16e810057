"""One table of named deadlines with one minimum."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf

NEVER = inf
"""The moment of a deadline that is not set."""

Action = Callable[[float], None]


class Timers:
    """Deadlines on the monotonic clock in seconds, each under a key.

    A deadline is ``set`` by its owner, and set again to move it. A part that keeps its own deadline is followed with
    ``follow``. A session has about a dozen, so that to look through all costs less than to keep them in order.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Hashable, tuple[float, Action]] = {}
        self._followed: dict[Hashable, tuple[Callable[[], float], Action]] = {}

    def set(self, key: Hashable, when: float, action: Action) -> None:
        """Call ``action`` with the time when ``when`` has come; ``NEVER`` cancels the deadline."""
        if when == NEVER:
            self._deadlines.pop(key, None)
        else:
            self._deadlines[key] = when, action

    def follow(self, key: Hashable, deadline: Callable[[], float], action: Action) -> None:
        """Call ``action`` with the time when the moment that ``deadline`` returns has come, again and again.

        The action moves the deadline; ``NEVER`` means that nothing is due.
        """
        self._followed[key] = deadline, action

    def cancel(self, key: Hashable) -> None:
        """Forget the deadline, if there is one."""
        self._deadlines.pop(key, None)

    def cancel_all(self, *, but: Hashable = None) -> None:
        """Forget all deadlines, except that of the key ``but``."""
        self._followed = {key: followed for key, followed in self._followed.items() if key == but}
        self._deadlines = {key: deadline for key, deadline in self._deadlines.items() if key == but}

    def when(self, key: Hashable) -> float:
        """Return when a deadline is, ``NEVER`` if it is not set."""
        if followed := self._followed.get(key):
            return followed[0]()
        deadline = self._deadlines.get(key)
        return NEVER if deadline is None else deadline[0]

    def next(self) -> float:
        """Return the earliest deadline, ``NEVER`` if none is set."""
        earliest = NEVER  # this is asked for each datagram: a loop costs half of what ``min`` of a generator does
        for when, _ in self._deadlines.values():
            if when < earliest:
                earliest = when
        for deadline, _ in self._followed.values():
            if (when := deadline()) < earliest:
                earliest = when
        return earliest

    def run(self, now: float) -> None:
        """Call each action that is due once, the earliest first; what is due again at once waits for the next call."""
        due = [(when, key) for key in (*self._deadlines, *self._followed) if (when := self.when(key)) <= now]
        for _, key in sorted(due, key=_moment):
            if self.when(key) > now:
                continue  # an action before this one has put it off
            if key in self._followed:
                self._followed[key][1](now)
            else:
                self._deadlines.pop(key)[1](now)


def _moment(entry: tuple[float, Hashable]) -> float:
    return entry[0]
