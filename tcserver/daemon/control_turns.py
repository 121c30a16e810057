"""Turns of control connections: in each turn of the event loop a bounded time, one frame of each at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

TURN_BUDGET = 0.002
"""Seconds for control messages in one turn of the loop, as many as for the media. If many clients ask at a time, audio
waits only for the message that is being handled."""
LONG_TURN = 2 * TURN_BUDGET
"""Seconds. A turn that takes longer, because of one slow message, is followed by a pause of the same length. So half of
the time is left for the media in any case."""
MAX_REST = 0.5
"""Seconds that such a pause may take. No message takes longer: the process or its machine was stopped in the turn. The
clients must be heard within the second (``RECOVERY`` of the conference) after which they count as silent."""


class Taker(Protocol):
    """A connection with frames to handle."""

    @property
    def is_stranger(self) -> bool:
        """Whether the client has not logged in."""

    def take_turn(self) -> bool:
        """Handle at most one frame; tell whether another one can be handled now."""


class ControlTurns:
    """Gives turns to the connections with frames to handle.

    Connections that have logged in come first. Strangers get the time that is left, and at least one frame in each
    turn, so that a flood of strangers delays only strangers. ``clock`` is in seconds. ``call_later`` calls a function
    after a number of seconds; with 0 in the next turn of the loop, after its sockets.
    """

    def __init__(self, call_later: Callable[[float, Callable[[], None]], object], clock: Callable[[], float]) -> None:
        self._call_later = call_later
        self._clock = clock
        self._members: dict[Taker, None] = {}
        """In the order of their turns."""
        self._strangers: dict[Taker, None] = {}
        self._is_called = False

    def want(self, taker: Taker) -> None:
        """Give a connection a turn, after those that wait already."""
        self._queue(taker).setdefault(taker)
        self._call()

    def forget(self, taker: Taker) -> None:
        """Give a connection no turn any more."""
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
            self._call(min(took, MAX_REST) if took >= LONG_TURN else 0.0)
