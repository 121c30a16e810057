"""Turns of control connections: a bounded time in each turn of the event loop, one frame of each connection after
the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

TURN_BUDGET = 0.002
"""Seconds for control messages in one turn of the loop, as for the media: whatever many clients ask at a time, sound
waits no longer than for the message that is being handled."""
LONG_TURN = 2 * TURN_BUDGET
"""Seconds from which a turn, of one message that takes so long, is followed by a rest of the same length: half of the
time stays for the media whatever is sent."""


class Taker(Protocol):
    """A connection that has something to do."""

    @property
    def is_stranger(self) -> bool:
        """Whether it has not logged in."""

    def take_turn(self) -> bool:
        """Handle at most one frame; tell whether there is another one to handle now."""


class ControlTurns:
    """The connections with frames to handle. Those that have logged in come first; strangers get what time is left,
    and one frame in each turn at least, so that a flood of them delays itself and no meeting.

    ``clock`` is in seconds; ``call_later`` calls a function after so many seconds, with 0 in the next turn of the loop,
    after the sockets were looked at.
    """

    def __init__(self, call_later: Callable[[float, Callable[[], None]], object], clock: Callable[[], float]) -> None:
        self._call_later = call_later
        self._clock = clock
        self._members: dict[Taker, None] = {}
        """In the order of their turns."""
        self._strangers: dict[Taker, None] = {}
        self._is_called = False

    def want(self, taker: Taker) -> None:
        """Let a connection have its turn, after those that wait."""
        self._queue(taker).setdefault(taker)
        self._call()

    def forget(self, taker: Taker) -> None:
        """The connection is gone."""
        self._members.pop(taker, None)
        self._strangers.pop(taker, None)

    def _queue(self, taker: Taker) -> dict[Taker, None]:
        return self._strangers if taker.is_stranger else self._members

    def _call(self, rest: float = 0.0) -> None:
        if not self._is_called:
            self._is_called = True
            self._call_later(rest, self._run)

    def _run(self) -> None:
        self._is_called = False
        began = self._clock()
        end = began + TURN_BUDGET
        for waiting in (self._members, self._strangers):
            while waiting:
                taker = next(iter(waiting))
                del waiting[taker]
                if taker.take_turn():
                    self._queue(taker)[taker] = None
                if self._clock() >= end:
                    break
        took = self._clock() - began
        if self._members or self._strangers or took >= LONG_TURN:
            self._call(took if took >= LONG_TURN else 0.0)
