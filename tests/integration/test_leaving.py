"""Whenever and however a client leaves, nothing of it stays: no task, socket, thread, timer or seat."""

import asyncio
import contextlib
import json
import threading
from pathlib import Path

import pytest

from tcclient.audio.gate import GateMode
from tcclient.capture import SPEECH
from tcclient.cli.attend import Attending, Wishes
from tcclient.cli.keyboard import Keyboard
from tcclient.sources import audio_file, moving_bars
from tcclient.trust.account_secret import AccountSecret
from tcproto.errors import Action, ErrorCode
from tests.integration.conftest import open_files
from tests.support.processes.world import Run, Running, World, until

pytestmark = pytest.mark.usefixtures("measured")
STEPS = [0, 1, 2, 3, 5, 8, 12, 17, 23, 30, 40, 55, 75, 100, 140, 200, 300, 450, 700]
"""Turns of the event loop after which a client is cancelled; the last are in the middle of a conversation."""


async def take_part(world: World, server: Running, recording: Path, reached: list[str]) -> None:
    async with world.client(server.room("Hall"), "kantor-2", "Budi", data=recording / "client") as room:
        reached.append("joined")
        room.record(recording)
        blocks = room.listen().blocks()
        publishing = asyncio.create_task(room.publish_together(audio_file(SPEECH), moving_bars(160, 96)))
        try:
            await publishing
            reached.append("published")
            async for _ in blocks:
                reached.append("heard")  # noqa: PERF401 - one is enough
            await anext(room.events())
            await asyncio.Event().wait()
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await blocks.aclose()


def clients_tasks() -> set[asyncio.Task[object]]:
    """Return all tasks, without those in which the server takes a connection."""
    return {task for task in asyncio.all_tasks() if "Listener._start" not in repr(task.get_coro())}


def test_a_client_may_be_cancelled_at_any_moment(run: Run, world: World, tmp_path: Path) -> None:
    async def main() -> None:
        reached: list[str] = []
        async with world.serving() as server, world.client(server.room("Hall")) as witness:
            speech = await witness.publish(audio_file(SPEECH, loop=True))
            await until(lambda: speech.statistics.frames > 2)
            for step in STEPS:
                await until(lambda: len(witness.participants) == 0)
                tasks, threads, files = clients_tasks(), set(threading.enumerate()), open_files()
                task = asyncio.create_task(take_part(world, server, tmp_path / str(step), reached))
                for _ in range(step):
                    await asyncio.sleep(0)
                if step == STEPS[-1]:
                    await until(lambda: "heard" in reached)
                elif step == STEPS[-2]:
                    await until(lambda: "published" in reached)
                elif step >= STEPS[-4]:
                    await until(lambda: "joined" in reached)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert task.cancelled()
                assert clients_tasks() == tasks
                assert set(threading.enumerate()) <= threads
                await until(lambda files=files: open_files() == files, "the server's end is closed")

    run(main)


def test_an_error_of_the_application_leaves_by_the_same_door(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as server, world.client(server.room("Hall")) as room:
            await room.publish_together(moving_bars(160, 96), audio_file(SPEECH))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_a_source_that_fails_says_so_and_ends(run: Run, world: World) -> None:
    def frames():
        yield from list(audio_file(SPEECH).frames)[:3]
        raise OSError("the disk is gone")

    async def main() -> None:
        async with world.serving() as server, world.client(server.room("Hall")) as room:
            publication = await room.publish(type(audio_file(SPEECH))(frames()))
            with pytest.raises(OSError, match="the disk is gone"):
                await publication.wait()

    run(main)


def test_a_client_whose_server_stops_is_told_to_come_back(run: Run, world: World) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with world.serving() as server:
                room = await stack.enter_async_context(world.client(server.room("Hall"), reconnect=False))
                await room.publish(audio_file(SPEECH))
                listening = asyncio.create_task(room.listen().blocks().aclose())
            await listening
            await until(lambda: room.closed is not None)
            assert room.closed.code is ErrorCode.SHUTDOWN
            assert room.closed.action is Action.RECONNECT
            assert room.closed.retry_after_ms == 5000
            assert [event async for event in room.events()][-1] == room.closed
            assert [event async for event in room.events()] == [room.closed]

    run(main)


def test_a_client_that_vanishes_leaves_its_seat_where_none_is_kept(run: Run, world: World) -> None:
    async def main() -> None:
        async with (
            world.serving(limits__resume_s=0) as server,
            world.client(server.room("Hall")) as witness,
            world.client(server.room("Hall"), "kantor-2", reconnect=False) as room,
        ):
            await until(lambda: len(witness.participants) == 1)
            room.connection._wire.abort()
            await until(lambda: len(witness.participants) == 0 and room.closed is not None)
            assert (room.closed.code, room.closed.text) == (None, "the connection was lost")
            assert room.closed.action is Action.RECONNECT

    run(main)


def test_a_script_is_told_the_end_that_came_before_it_listened(
    run: Run, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyboard, "obey", lambda keyboard: asyncio.sleep(0))  # the standard input of pytest is none

    async def main() -> None:
        async with contextlib.AsyncExitStack() as ends:
            async with world.serving() as server:
                link = server.room("Hall")
                room = await ends.enter_async_context(world.client(link, reconnect=False))
            await until(lambda: room.closed is not None)
            wishes = Wishes(
                link=link, user="kantor-1", password=AccountSecret("x"), name="Sri", data=None, trust=None,
                require_e2ee=True, sources=(), gate=GateMode.OPEN, record=None, speaker=False, seconds=None,
                leave_at_end=False, json=True, once=True,
            )  # fmt: skip
            await Attending(wishes, ())._in(room)
        told = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
        assert "closed" in told

    run(main)
