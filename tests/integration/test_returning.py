"""Connections are lost, and clients come back by themselves."""

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import Process
from contextlib import ExitStack
from pathlib import Path

import pytest

from tcclient import events, tone
from tcproto.messages import Source
from tests.support.processes.network import Network
from tests.support.processes.two_rooms import track_of
from tests.support.processes.world import PASSWORD, PATIENCE, Run, World, until, watching

pytestmark = pytest.mark.usefixtures("measured")


def of(kind: type, seen: list[events.Event]) -> list[events.Event]:
    return [event for event in seen if isinstance(event, kind)]


async def attending(link: str, data: Path) -> Process:
    """Start ``tcclient join``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tcclient", "join", link, "--user", "kantor-2", "--name", "Budi"),
        *("--password-stdin", "--json", "--audio", "tone", "--data", str(data)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(PASSWORD.encode() + b"\n")
    return process


def kill(process: Process) -> None:
    """End a process, if it has not ended."""
    if process.returncode is None:
        process.kill()


def test_after_a_reset_nothing_was_missed_and_nobody_has_left(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            network = Network(server.room("Hall"))
            async with (
                network.open() as link,
                world.client(server.room("Hall"), "kantor-2", "Budi") as other,
                world.client(link, "kantor-1", "Anna") as room,
                watching(room) as seen,
                watching(other) as seen_by_other,
            ):
                mine = await room.publish(tone())
                await other.publish(tone())
                heard, hearing = await track_of(room, Source.MICROPHONE), await track_of(other, Source.MICROPHONE)
                await until(lambda: heard.statistics.packets > 10 and hearing.statistics.packets > 10)
                await room.raise_hand()
                participant = room.me.id
                network.reset()
                await until(lambda: of(events.Reconnecting, seen))
                asked = asyncio.create_task(room.chat("while there is no connection"))
                await other.chat("did you miss it?")
                await until(lambda: of(events.Reconnected, seen))
                assert of(events.Reconnected, seen) == [events.Reconnected(resumed=True)]
                await asked
                await until(lambda: of(events.ChatReceived, seen) and of(events.ChatReceived, seen_by_other))
                await until(lambda: not room.closed and room.path_is_ok)
                assert room.me.id == participant
                assert room.me.hand
                assert not of(events.ParticipantLeft, seen_by_other) + of(events.TrackUnpublished, seen_by_other)
                assert heard.statistics.lost + hearing.statistics.lost == 0
                assert mine.statistics.unsent == 0

    run(main)


@pytest.mark.parametrize("workers", [0, 1])
def test_faults_that_the_operator_wants_are_made_and_a_meeting_survives_them(
    run: Run, world: World, workers: int
) -> None:
    faults = {"datagram_loss": 0.05, "datagram_delay_ms": 20, "receiver_kbit_s": 500, "cut_s": 2.5}
    settings = {"server__workers": workers} | {f"faults__{key}": value for key, value in faults.items()}

    async def main() -> None:
        async with (
            world.serving(**settings) as server,
            world.client(server.room("Hall"), "kantor-2", "Budi", retry=str) as other,
            world.client(server.room("Hall"), "kantor-1", "Anna", retry=str) as room,
            watching(room) as seen,
        ):
            await other.publish(tone())
            heard = await track_of(room, Source.MICROPHONE)
            await until(lambda: len(of(events.Reconnected, seen)) >= 2)
            before = heard.statistics.packets
            await until(lambda: heard.statistics.packets > before + 20)
            assert all(event.resumed for event in of(events.Reconnected, seen))
            assert not of(events.ParticipantLeft, seen)
            await until(lambda: room.path_statistics.rtt is not None and room.path_statistics.rtt >= 0.02)

    run(main)


def test_a_program_that_does_not_want_to_come_back_is_told_of_the_loss(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server:
            network = Network(server.room("Hall"))
            async with network.open() as link, world.client(link, reconnect=False) as room:
                network.reset()
                await until(lambda: room.closed)
                assert (room.closed.code, room.closed.text) == (None, "the connection was lost")

    run(main)


def test_after_a_restart_of_the_server_everybody_is_in_the_same_room_again(
    run: Run, world: World, tmp_path: Path
) -> None:
    async def main() -> None:
        with ExitStack() as last, ExitStack() as first:
            server = first.enter_context(world.process())
            link, port = server.room("Hall"), server.link.port
            process = await attending(str(link), tmp_path)
            last.callback(kill, process)
            async with world.client(link, "kantor-1", "Anna") as room, watching(room) as seen:
                publication = await room.publish(tone(), muted=True)
                await room.raise_hand()
                await until(lambda: len(room.everybody) == 2 and len(room.tracks) == 1)
                me = room.me.id
                first.close()
                await until(lambda: of(events.Reconnecting, seen))
                publication.mute(False)
                with world.process(f"server.port={port}"):
                    began = time.monotonic()
                    await until(lambda: of(events.Reconnected, seen))
                    assert of(events.Reconnected, seen) == [events.Reconnected(resumed=False)]
                    await until(lambda: len(room.everybody) == 2 and room.me.hand and room.tracks)
                    print(f"in the room again after {time.monotonic() - began:.1f} s")
                    assert room.me.id != me
                    [track] = room.tracks
                    await until(lambda: track.statistics.packets > 10 and not publication.muted)
                    unsent = publication.statistics.unsent
                    await until(lambda: publication.statistics.packets > 10)
                    assert unsent > 0
                    process.terminate()
                    told, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        lines = [json.loads(line) for line in told.decode().splitlines()]
        assert [line["resumed"] for line in lines if line["event"] == "reconnected"] == [False]
        assert any(line["event"] == "reconnecting" and line["attempt"] == 1 for line in lines)

    run(main)


def test_what_was_about_to_be_published_is_published_in_the_next_seat(run: Run, world: World) -> None:
    async def main() -> None:
        with ExitStack() as first:
            server = first.enter_context(world.process())
            link, port = server.room("Hall"), server.link.port
            async with world.client(link) as room, watching(room) as seen:
                server.process.send_signal(signal.SIGSTOP)
                publishing = asyncio.create_task(room.publish(tone()))
                await until(lambda: room.publications)
                first.close()
                with world.process(f"server.port={port}"):
                    publication = await publishing
                    await until(lambda: publication.statistics.packets > 10)
                    assert of(events.Reconnected, seen) == [events.Reconnected(resumed=False)]
                    assert list(room.publications.values()) == [publication]

    run(main)
