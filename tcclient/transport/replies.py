"""What is expected of the server: one future for each request, for each step of the login, and for any other event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from tcclient.core.events import ChatFailed, Closed, Detached, Event, PublishFailed, RequestFailed
from tcclient.errors import RequestRefused, closed_error, lost_error

Wanted = Callable[[Event], bool]


class Span(Enum):
    """What an event may come in. Where that is lost, the future fails."""

    CONNECTION = auto()
    SEAT = auto()
    ROOM = auto()
    """Also in another seat: what was asked for is asked for there again."""


class Replies:
    """Futures that wait for an event of the session.

    A future gets the first event that it wants. It fails with ``RequestRefused`` where that event is a refusal, and
    with ``RoomClosed`` where the session ends first.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Wanted, asyncio.Future[Event], Span]] = []
        self._closed: Closed | None = None

    def expect(self, wanted: Wanted, span: Span = Span.SEAT) -> asyncio.Future[Event]:
        """Return the future of the next event that is wanted; it fails where ``span`` ends first."""
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        if self._closed is not None:
            _fail(future, closed_error(self._closed))
        else:
            self._waiting.append((wanted, future, span))
        return future

    def next(self) -> Replies:
        """Return what is expected on the next connection, of a session that has lost this one."""
        following = Replies()
        following._waiting = self._waiting
        return following

    def fail(self, error: Exception) -> None:
        """Fail all that waits in a seat that was lost."""
        waiting, self._waiting = self._waiting, [entry for entry in self._waiting if entry[2] is not Span.SEAT]
        for _, future, span in waiting:
            if span is Span.SEAT and not future.done():
                _fail(future, error)

    def deliver(self, event: Event) -> None:
        """Give an event to all who wait for it."""
        waiting, self._waiting = self._waiting, []
        for wanted, future, span in waiting:
            if future.done():  # given up by who waited
                continue
            if isinstance(event, Closed):
                _fail(future, closed_error(event))
            elif isinstance(event, Detached) and span is Span.CONNECTION:
                _fail(future, lost_error(event))
            elif not wanted(event):
                self._waiting.append((wanted, future, span))
            elif isinstance(event, RequestFailed | ChatFailed | PublishFailed):
                _fail(future, RequestRefused(event.text, event.code))
            else:
                future.set_result(event)
        if isinstance(event, Closed):
            self._closed = event


def _fail(future: asyncio.Future[Event], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # asyncio logs an error that nobody has looked at, and the waiting task may have ended
