"""What is expected of the server: one future for each request, for each step of the login, and for any other event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tcclient.core.events import ChatFailed, Closed, Detached, Event, PublishFailed, RequestFailed
from tcclient.errors import RequestRefused, closed_error, lost_error

Wanted = Callable[[Event], bool]


class Replies:
    """Futures that wait for an event of the session.

    A future gets the first event that it wants. It fails with ``RequestRefused`` where that event is a refusal, and
    with ``RoomClosed`` where the session ends first.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Wanted, asyncio.Future[Event], bool]] = []
        self._closed: Closed | None = None

    def expect(self, wanted: Wanted, *, on_connection: bool = False) -> asyncio.Future[Event]:
        """Return the future of the next event that is wanted.

        With ``on_connection`` it also fails where this connection is lost and the session goes on.
        """
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        if self._closed is not None:
            _fail(future, closed_error(self._closed))
        else:
            self._waiting.append((wanted, future, on_connection))
        return future

    def next(self) -> Replies:
        """Return what is expected on the next connection, of a session that has lost this one."""
        following = Replies()
        following._waiting = self._waiting
        return following

    def fail(self, error: Exception) -> None:
        """Fail all that waits, except what is expected of the connection."""
        waiting, self._waiting = self._waiting, [entry for entry in self._waiting if entry[2]]
        for _, future, on_connection in waiting:
            if not on_connection and not future.done():
                _fail(future, error)

    def deliver(self, event: Event) -> None:
        """Give an event to all who wait for it."""
        waiting, self._waiting = self._waiting, []
        for wanted, future, on_connection in waiting:
            if future.done():  # given up by who waited
                continue
            if isinstance(event, Closed):
                _fail(future, closed_error(event))
            elif isinstance(event, Detached) and on_connection:
                _fail(future, lost_error(event))
            elif not wanted(event):
                self._waiting.append((wanted, future, on_connection))
            elif isinstance(event, RequestFailed | ChatFailed | PublishFailed):
                _fail(future, RequestRefused(event.text, event.code))
            else:
                future.set_result(event)
        if isinstance(event, Closed):
            self._closed = event


def _fail(future: asyncio.Future[Event], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # asyncio logs an error that nobody has looked at, and the waiting task may have ended
