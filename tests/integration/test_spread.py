"""One room over several media workers, under a real server, with real clients."""

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack

import pytest

from tcclient.sources import AudioSource, moving_bars, tone
from tcclient.track import Track
from tcproto.messages import Source
from tests.integration.test_workers import BACK_WITHIN, DISTURBANCES, hears, homes, one_loop, pool_of, track_of
from tests.support.processes.world import Run, Running, World, until, watching

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="media workers are Linux's")


def seats(server: Running) -> list[int]:
    """Return the number of seats of each worker."""
    return [reading.counts.seats for reading in pool_of(server).stats()[:-1]]


@one_loop
@pytest.mark.parametrize("workers", [2, 3])
def test_everybody_hears_everybody_also_after_any_worker_ended(run: Run, world: World, workers: int) -> None:
    async def main() -> None:
        async with (
            world.serving(server__workers=workers, server__room_spread=1) as server,
            AsyncExitStack() as stack,
        ):
            link = server.room("hall")
            rooms = [
                await stack.enter_async_context(world.client(link, name=f"Participant {n}")) for n in range(workers + 1)
            ]
            for n, room in enumerate(rooms):
                await room.publish_together(tone(), *([moving_bars(160, 96)] if n == workers - 1 else []))
            await until(lambda: all(len(room.tracks) >= workers for room in rooms), "all tracks")
            tracks: list[Track] = [track for room in rooms for track in room.tracks]
            pictures = [await track_of(room, Source.CAMERA) for room in rooms if room is not rooms[workers - 1]]
            await asyncio.gather(*map(hears, tracks))
            await until(lambda: sorted(seats(server)) == [1] * (workers - 1) + [2], "seats on all workers")
            told = [await stack.enter_async_context(watching(room)) for room in rooms]

            home = homes(server)["hall"]
            for worker in ((home + 1) % workers, home):
                before = pool_of(server).processes()
                killed_at = time.monotonic()
                os.kill(before[worker], signal.SIGKILL)
                await until(lambda before=before: len(set(pool_of(server).processes()) - set(before)) == 1, "another")
                frames = [track.statistics.frames for track in pictures]
                await asyncio.gather(*map(hears, tracks))
                back_after = time.monotonic() - killed_at
                print(f"all tracks after {back_after:.2f} s")
                assert back_after < BACK_WITHIN
                await until(
                    lambda frames=frames: all(
                        track.statistics.frames > count + 3 for track, count in zip(pictures, frames, strict=True)
                    ),
                    "pictures that decode",
                )
            for seen, room in zip(told, rooms, strict=True):
                assert not [event for event in seen if isinstance(event, DISTURBANCES)]
                assert room.closed is None
                assert len(room.participants) == workers
            assert server.daemon.conference.sessions == workers + 1

            def all_relay() -> bool:
                """Workers report their counters now and then, so a worker that has just started has reported none."""
                counters = [reading.counters for reading in pool_of(server).stats()[:-1]]
                return all(each.relayed_in and each.relayed_out for each in counters)

            await until(all_relay, "what each worker relays")

    run(main)


@one_loop
def test_the_loudest_of_a_room_over_two_workers(run: Run, world: World) -> None:
    async def main() -> None:
        async with (
            world.serving(server__workers=2, server__room_spread=1, rooms__loudest=1) as server,
            AsyncExitStack() as stack,
        ):
            link = server.room("hall")
            rooms = [await stack.enter_async_context(world.client(link, name=f"Participant {n}")) for n in range(9)]
            seated = {seat.participant: seat.worker for seat in server.daemon.conference.context.seats.values()}
            assert seated[rooms[0].me.id] != seated[rooms[1].me.id]
            loud = await rooms[0].publish(tone())
            soft = await rooms[1].publish(AudioSource(frame // 4 for frame in tone().frames))
            for room in rooms[2:]:
                await until(lambda room=room: len(room.tracks) == 2, "both tracks")
            by_sender = {
                publication: [track for room in rooms[2:] for track in room.tracks if track.participant.id == sender]
                for publication, sender in ((loud, rooms[0].me.id), (soft, rooms[1].me.id))
            }
            assert {len(tracks) for tracks in by_sender.values()} == {7}
            await asyncio.gather(*map(hears, by_sender[loud]))
            quiet = [track.statistics.packets for track in by_sender[soft]]
            await asyncio.gather(*(hears(track, 50) for track in by_sender[loud]))
            assert [track.statistics.packets for track in by_sender[soft]] == quiet
            loud.mute()
            await asyncio.gather(*map(hears, by_sender[soft]))

    run(main)
