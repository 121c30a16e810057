"""A room as programs see it. A scripted server moves its session, in place of sockets and timers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tcclient.core import events as core
from tcclient.room import Room
from tcclient.trust.known_devices import KnownDevices


def unconnected(session: Any, folder: Path) -> Any:
    """Return a room whose connection sends nothing and sets no timer."""
    room = Room(session, KnownDevices(folder))
    room.connection._send = room.connection._rearm = lambda: None  # type: ignore[method-assign]
    return room


@asynccontextmanager
async def seated(
    server: Any, folder: Path, before_joining: Callable[[Any], object] = lambda room: None
) -> AsyncIterator[Any]:
    """Take a seat; ``room.client`` is the server's end of it."""
    client = server.connect()
    server.pump()
    client.session.begin_login("agency", client.name)
    server.pump()
    room = unconnected(client.session, folder)
    room.client = client
    client.collect = room.connection.pump
    before_joining(room)

    async def enter(connection: Any) -> Any:
        joined = connection.expect(lambda event: isinstance(event, core.Joined))
        client.session.join("room", 0)
        server.pump()
        return await joined

    try:
        await room.open(enter)
        yield room
    finally:
        await room.close()


async def asking(server: Any, asked: Awaitable[Any]) -> Any:
    """Wait for a verb while the server moves; return what it returns."""
    task = asyncio.ensure_future(asked)
    while not task.done():
        await asyncio.sleep(0)
        server.pump()
    return await task
