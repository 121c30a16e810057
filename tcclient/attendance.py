"""The way back into a room after its connection was lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tcclient.core.events import Detached, Joined
from tcclient.core.phase import Phase
from tcclient.errors import ClientError, DishonestServer, NoReply, closed_error
from tcclient.events import Closed, Reconnected, Reconnecting
from tcclient.transport.connection import Connection
from tcclient.transport.retry import RETURN_WAITS, ReturnBackoff, may_retry
from tcproto.errors import CODES, Action

ComeBack = Callable[[Connection], Awaitable[Joined | None]]
"""Connects again: resumes the seat (None), or logs in and joins anew."""


class Attendance:
    """Stays in a room: comes back after a loss, until that succeeds or makes no sense.

    ``spawn`` runs a task for as long as the room is open, ``tell`` takes the events, ``end`` the end, and ``go_on``
    does in another seat what was done in the one that was lost. ``waits`` are the seconds before the first attempts.
    """

    def __init__(
        self,
        connection: Connection,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        tell: Callable[[Reconnecting | Reconnected], None],
        end: Callable[[Closed], None],
        go_on: Callable[[], None],
        waits: Sequence[float] = RETURN_WAITS,
    ) -> None:
        self.come_back: ComeBack | None = None
        """Connects again. Without it a loss is the end, as it is before the room was entered."""
        self._connection = connection
        self._spawn = spawn
        self._tell = tell
        self._end = end
        self._go_on = go_on
        self._waits = waits
        self._returning = False
        """Whether we are about to come back."""
        self._now = asyncio.Event()

    def hurry(self) -> None:
        """Make the next attempt at once, because the network seems to be back; not before a time that was named."""
        self._now.set()

    def lost(self, event: Detached | Closed) -> None:
        """Take the end of a connection: come back, or end."""
        if self._returning:
            return  # the attempt that it ends will tell
        text = event.text or (CODES[event.code].text if event.code else "")
        if isinstance(event, Closed):
            closed = replace(event, text=text)
        else:
            closed = Closed(event.code, text, Action.RECONNECT, event.retry_after_ms)
        loss = closed_error(closed)
        if self.come_back is None or not may_retry(loss):
            self._end(closed)
            return
        if isinstance(event, Closed):
            self.seat_lost()
        self._returning = True
        self._spawn(self._return(self.come_back, loss))

    def seat_lost(self) -> None:
        """Take that what the server was asked for in the seat will not be answered any more."""
        self._connection.seat_lost(NoReply("the seat was lost before the server had answered"))

    async def _return(self, come_back: ComeBack, loss: ClientError) -> None:
        session, backoff, error = self._connection.session, ReturnBackoff(os.urandom, self._waits), loss
        joined: Joined | None = None
        while self._returning:
            retry = backoff.failed(error)
            if retry is None:
                dishonest = isinstance(error, DishonestServer)
                self._end(Closed(error.code, str(error), error.action, error.retry_after_ms, dishonest))
                return
            self._tell(Reconnecting(retry.attempt - 1, retry.wait, str(error), error.code))
            await self._wait(retry.wait, hurries=not error.retry_after_ms)
            try:
                joined = await come_back(self._connection) or joined
                self._returning = session.phase >= Phase.DETACHED  # it may have been lost again already
            except ClientError as failure:
                error = failure
            except Exception as fault:  # a fault of ours: without its end the room would wait for ever
                self._end(Closed(None, f"the way back failed: {fault!r}", Action.STOP))
                raise
        if joined is not None:
            self._go_on()
        self._tell(Reconnected(joined is None))

    async def _wait(self, seconds: float, *, hurries: bool) -> None:
        self._now.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._now.wait()
                while not hurries:
                    self._now.clear()
                    await self._now.wait()
