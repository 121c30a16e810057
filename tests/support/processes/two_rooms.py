"""Two participants in one room of a real server."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tcclient.room import Room
from tcclient.track import Track
from tcproto.messages import Source
from tests.support.processes.world import World, until


@contextlib.asynccontextmanager
async def two(world: World, room: str = "Hall", **settings: Any) -> AsyncIterator[tuple[Room, Room]]:
    """Seat two participants, who see each other and have a path."""
    async with world.serving(**settings) as server:
        link = server.room(room)
        async with world.client(link, "kantor-1", "Sri") as a, world.client(link, "kantor-2", "Budi") as b:
            await until(lambda: len(a.participants) == len(b.participants) == 1 and a.path_is_ok and b.path_is_ok)
            yield a, b


async def track_of(room: Room, source: Source) -> Track:
    """Wait for a track of a source, and return it."""
    await until(lambda: any(track.source is source for track in room.tracks), f"a track of {source}")
    return next(track for track in room.tracks if track.source is source)
