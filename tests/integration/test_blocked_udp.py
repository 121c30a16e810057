"""Clients behind networks that block UDP, at the start, in mid-call, one way or both: the stream carries the call."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tcclient import PathState, Way, events
from tcclient.errors import ConnectError
from tcclient.room import Room
from tcclient.sources import tone
from tests.support.processes.network import Network
from tests.support.processes.world import Run, Running, World, until, watching

pytestmark = pytest.mark.usefixtures("measured")

one_loop = pytest.mark.parametrize("run", ["asyncio"], indirect=True)
SLACK = 1.0
"""Seconds beyond what is promised: the machine may be busy."""


class Call:
    """Somebody behind a network, and somebody who is not. Each sends a tone to the other."""

    def __init__(self, server: Running, network: Network, room: Room, other: Room) -> None:
        self.server = server
        self.network = network
        self.room = room
        self.other = other
        self.seen: list[events.Event] = []
        """Events of the other."""

    async def hears(self, room: Room) -> None:
        """Return when ten more packets have come."""
        await until(lambda: room.tracks, "a track")
        (track,) = room.tracks
        had = track.statistics.packets
        await until(lambda: track.statistics.packets >= had + 10, "sound")

    async def both_hear(self) -> None:
        """Return when both hear the other."""
        await asyncio.gather(self.hears(self.room), self.hears(self.other))

    async def way(self, way: Way) -> None:
        """Return when datagrams take a way, and it is proved."""
        await until(lambda: (self.room.way, self.room.path) == (way, PathState.OK), f"the way {way}")


@asynccontextmanager
async def calling(world: World, *, blocked: bool = False, web: bool = True, **options: Any) -> AsyncIterator[Call]:
    """A call, in which nobody leaves or comes, and nobody logs in again."""
    async with world.serving(web__enabled=str(web).lower()) as server:
        network = Network(server.room("hall"))
        if blocked:
            network.block()
        async with (
            network.open() as link,
            world.client(server.room("hall"), "kantor-2", "Tono") as other,
            world.client(link, name="Sri", **options) as room,
        ):
            await asyncio.gather(room.publish(tone()), other.publish(tone()))
            async with watching(other) as seen:
                yield Call(server, network, room, other)
            assert not [e for e in seen if isinstance(e, events.ParticipantLeft)]
            assert len(other.participants) == len(room.participants) == 1
            assert room.closed is None


def test_udp_that_is_blocked_from_the_start(run: Run, world: World) -> None:
    async def main() -> None:
        async with calling(world, blocked=True) as call:
            start = time.monotonic()
            await call.both_hear()
            assert time.monotonic() - start < 2 + SLACK
            await call.way(Way.STREAM)
            assert call.room.network.way is Way.STREAM
            assert call.room.network.rtt is not None
            assert call.network.connections == 1

    run(main)


@one_loop
@pytest.mark.parametrize(("up", "down"), [(False, False), (True, False), (False, True)], ids=["both", "down", "up"])
def test_udp_that_is_blocked_in_mid_call_and_comes_back(run: Run, world: World, up: bool, down: bool) -> None:
    async def main() -> None:
        async with calling(world) as call:
            await call.way(Way.UDP)
            await call.both_hear()
            call.network.up, call.network.down = up, down
            start = time.monotonic()
            await asyncio.sleep(0.1)  # what is on the way arrives
            await call.way(Way.STREAM)
            await call.both_hear()
            assert time.monotonic() - start < 3 + SLACK
            call.network.unblock()
            start = time.monotonic()
            await call.way(Way.UDP)
            assert time.monotonic() - start < 15
            await call.both_hear()

    run(main)


@one_loop
def test_a_client_that_may_use_the_stream_alone(run: Run, world: World) -> None:
    async def main() -> None:
        async with calling(world, path="stream") as call:
            await call.both_hear()
            assert (call.room.way, call.room.path) == (Way.STREAM, PathState.OK)

    run(main)


@one_loop
@pytest.mark.parametrize(("path", "web"), [("auto", False), ("udp", True)])
def test_udp_alone_where_the_stream_is_not_there_or_not_wanted(run: Run, world: World, path: str, web: bool) -> None:
    async def main() -> None:
        async with calling(world, web=web, path=path) as call:
            await call.way(Way.UDP)
            await call.both_hear()
            assert call.network.connections == (2 if path == "auto" else 1)

    run(main)


@one_loop
def test_a_server_without_the_stream_that_is_asked_for(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(web__enabled="false") as server:
            with pytest.raises(ConnectError, match="the server has no stream path"):
                async with world.client(server.room("hall"), path="stream"):
                    pass

    run(main)
