"""Media workers under a real server, with real clients."""

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tcclient import events
from tcclient.publication import Publication
from tcclient.room import Room
from tcclient.sources import moving_bars, tone
from tcclient.track import Track
from tcproto.messages import Source
from tcserver.media.workers.pool import WorkerPool
from tests.support.processes.world import PATIENCE, Run, Running, Server, World, children, until, watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's")
one_loop = pytest.mark.parametrize("run", ["uvloop"], indirect=True)
"""Marks tests of the pool; it has tests of its own on both loops."""
BACK_WITHIN = 10.0
"""Seconds after the end of a worker in which its rooms must work again."""
DISTURBANCES = events.Closed | events.ParticipantLeft | events.TrackUnpublished | events.MembershipMismatch
USERS = ("kantor-1", "kantor-2")


def pool_of(server: Running) -> WorkerPool:
    media = server.daemon._media
    assert isinstance(media, WorkerPool)
    return media


def homes(server: Running) -> dict[str, int]:
    """Return the worker of each room, by the name of the room."""
    return {room.info.name: room.media_seats.home for room in server.daemon.conference._rooms}


async def hears(track: Track, more: int = 10) -> None:
    """Wait for packets of a track that come from now on."""
    packets = track.statistics.packets
    await until(lambda: track.statistics.packets > packets + more, f"packets of {track}")


async def track_of(room: Room, source: Source) -> Track:
    await until(lambda: any(track.source is source for track in room.tracks), f"a track of {source}")
    return next(track for track in room.tracks if track.source is source)


@one_loop
def test_two_rooms_on_two_workers_and_one_of_them_ends(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving(server__workers=2) as server, AsyncExitStack() as stack:
            rooms = {
                name: [
                    await stack.enter_async_context(world.client(server.room(name), user, f"{name} {user}"))
                    for user in USERS
                ]
                for name in ("hall", "lobby")
            }
            assert set(homes(server).values()) == {0, 1}
            tracks: dict[str, list[Track]] = {}
            voices: dict[str, Publication] = {}
            for name, (a, b) in rooms.items():
                await until(lambda a=a, b=b: len(a.participants) == len(b.participants) == 1)
                await a.publish_together(tone(), moving_bars(160, 96))
                own = await b.publish(tone())
                voices[name] = own
                tracks[name] = [
                    await track_of(b, Source.MICROPHONE),
                    await track_of(b, Source.CAMERA),
                    await track_of(a, Source.MICROPHONE),
                ]
            for track in [*tracks["hall"], *tracks["lobby"]]:
                await hears(track)

            await until(lambda: [r.counts.seats for r in pool_of(server).stats()] == [2, 2, 0], "stats of both")
            told = [await stack.enter_async_context(watching(room)) for room in rooms["hall"]]
            before = pool_of(server).processes()
            killed_at = time.monotonic()
            os.kill(before[homes(server)["hall"]], signal.SIGKILL)
            await until(lambda: len(set(pool_of(server).processes()) - set(before)) == 1, "a new worker")
            await asyncio.gather(*(hears(track) for track in tracks["hall"]))
            back_after = time.monotonic() - killed_at
            print(f"media of all tracks after {back_after:.2f} s")
            assert back_after < BACK_WITHIN
            for track in tracks["lobby"]:
                await hears(track)
            camera = tracks["hall"][1]
            frames = camera.statistics.frames
            await until(lambda: camera.statistics.frames > frames + 5, "pictures that decode")
            for seen, room in zip(told, rooms["hall"], strict=True):
                assert not [event for event in seen if isinstance(event, DISTURBANCES)]
                assert room.closed is None
                assert len(room.participants) == 1
            assert server.daemon.conference.sessions == 4

            await rooms["hall"][0].chat("still here")
            voices["hall"].mute()
            await until(lambda: tracks["hall"][2].muted)

    run(main)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@one_loop
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_no_worker_outlives_its_server(run: Run, world: World, number: signal.Signals) -> None:
    async def main(server: Server, workers: list[int]) -> None:
        async with world.client(server.room("Hall")) as room:
            await room.wait_connected()
            server.process.send_signal(number)
            await until(lambda: not any(map(is_running, workers)), "the workers end")

    with world.process("server.workers=2") as server:
        workers = children(server.process.pid)
        assert len(workers) == 2
        run(main, server, workers)
        status = server.process.wait(PATIENCE)
    if number is signal.SIGTERM:
        assert status == 0
        assert "stopped" in server.log[-1]
    assert not server.logged("Traceback")


@one_loop
def test_a_reload_changes_the_logs_of_the_workers(run: Run, world: World) -> None:
    async def main(server: Server) -> None:
        (world.data / "tcserver.toml").write_text("[log]\nlevel = 'debug'\n")
        server.process.send_signal(signal.SIGHUP)
        await until(lambda: sum("logs changed" in line for line in server.log) == 2, "both workers follow")

    with world.process("server.workers=2") as server:
        run(main, server)


def test_more_workers_than_there_may_be(world: World) -> None:
    result = world.command("run", "--set=server.addresses=127.0.0.1", "--set=server.port=0", "--set=server.workers=65")
    assert result.returncode == 2
    assert "server.workers should be a whole number from 0 to 64" in result.stderr
