"""One table of named deadlines with one minimum."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf

NEVER = inf
"""The moment of a deadline that is not set."""

Action = Callable[[float], None]


class Timers:
    """Deadlines on the monotonic clock in seconds, each under a key; to set a key again moves its deadline.

    A session has about a dozen of them, so that to look through all costs less than to keep them in order.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Hashable, tuple[float, Action]] = {}

    def set(self, key: Hashable, when: float, action: Action) -> None:
        """Call ``action`` with the time when ``when`` has come; ``NEVER`` cancels the deadline."""
        if when == NEVER:
            self._deadlines.pop(key, None)
        else:
            self._deadlines[key] = when, action

    def cancel(self, key: Hashable) -> None:
        """Forget the deadline, if there is one."""
        self._deadlines.pop(key, None)

    def cancel_all(self, *, but: Hashable = None) -> None:
        """Forget all deadlines, except that of the key ``but``."""
        self._deadlines = {key: deadline for key, deadline in self._deadlines.items() if key == but}

    def when(self, key: Hashable) -> float:
        """Return when a deadline is, ``NEVER`` if it is not set."""
        deadline = self._deadlines.get(key)
        return NEVER if deadline is None else deadline[0]

    def next(self) -> float:
        """Return the earliest deadline, ``NEVER`` if none is set."""
        return min((when for when, _ in self._deadlines.values()), default=NEVER)

    def run(self, now: float) -> None:
        """Call each action that is due once, the earliest first; what an action sets anew waits for the next call."""
        due = [key for key, (when, _) in sorted(self._deadlines.items(), key=_moment) if when <= now]
        for key in due:
            deadline = self._deadlines.get(key)
            if deadline is not None and deadline[0] <= now:  # no action before has put it off
                del self._deadlines[key]
                deadline[1](now)


def _moment(entry: tuple[Hashable, tuple[float, Action]]) -> float:
    return entry[1][0]
