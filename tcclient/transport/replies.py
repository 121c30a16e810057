"""Replies that are waited for: what was asked of the server, and what became of it."""

from __future__ import annotations

import asyncio

from tcclient.errors import RequestRefused, RoomClosed

Key = int | bytes
"""Of a request (above 0) or a text."""


class Replies:
    """Who waits for which reply."""

    def __init__(self) -> None:
        self._waiting: dict[Key, asyncio.Future[None]] = {}

    async def wait(self, key: Key) -> None:
        """Wait for the reply to a request that was just sent; raises ``RequestRefused`` and ``RoomClosed``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        try:
            await future
        finally:
            self._waiting.pop(key, None)

    def settle(self, key: Key, refusal: RequestRefused | None = None) -> None:
        """Tell who waits that the reply is there."""
        future = self._waiting.get(key)
        if future is None or future.done():
            return
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(refusal)

    def give_up(self, farewell: RoomClosed) -> None:
        """Tell all who wait that no reply comes any more."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(farewell)
        self._waiting.clear()
