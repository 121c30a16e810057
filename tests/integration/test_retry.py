"""A join that succeeds at the second or third attempt."""

import asyncio
import json
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tcclient.errors import LoginRefused, RoomClosed
from tcclient.transport.retry import Retry
from tcproto.account import derive_account_key
from tcproto.errors import ErrorCode
from tcproto.link import Link
from tests.support.processes.world import PASSWORD, Run, Server, World

pytestmark = pytest.mark.usefixtures("measured")


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcclient.transport.retry.FIRST_WAIT", 0.05)


class Threshold:
    """A proxy in front of a server: it closes the first connections, and passes the others on.

    A client that may use the stream makes two connections to a server that has none. So these clients may not.
    """

    def __init__(self, link: Link, closes: int) -> None:
        self.link = link
        self.left = closes
        self.came = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Link:
        self._server = await asyncio.start_server(self._came, "127.0.0.1", 0)
        return replace(self.link, port=self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        if self.left > 0:
            self.left -= 1
            writer.close()
            return
        onwards, back = await asyncio.open_connection(self.link.host, self.link.port)
        for source, sink in ((reader, back), (onwards, writer)):
            task = asyncio.create_task(_pass(source, sink))
            self._tasks.add(task)


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
    finally:
        sink.close()


def test_an_entry_is_tried_until_it_succeeds_and_each_attempt_is_told(run: Run, world: World) -> None:
    async def main() -> None:
        told: list[Retry] = []
        async with world.serving() as running:
            threshold = Threshold(running.room("Hall"), 2)
            async with threshold as link, world.client(link, retry=told.append, path="udp") as room:
                assert room.info.name == "hall"
        assert [(retry.attempt, str(retry.error)) for retry in told] == [
            (2, "the connection was lost"),
            (3, "the connection was lost"),
        ]
        assert 0.05 <= told[0].wait <= 0.075
        assert 0.1 <= told[1].wait <= 0.15

    run(main)


def test_without_being_asked_to_nothing_is_tried_again(run: Run, world: World) -> None:
    async def main() -> None:
        async with world.serving() as running:
            threshold = Threshold(running.room("Hall"), 1)
            async with threshold as link:
                with pytest.raises(RoomClosed):
                    async with world.client(link, path="udp"):
                        pass
            assert threshold.came == 1

    run(main)


def test_a_refusal_that_says_stop_is_final(run: Run, world: World) -> None:
    async def main() -> None:
        told: list[Retry] = []
        async with world.serving() as running:
            with pytest.raises(LoginRefused) as refused:
                async with world.client(running.room("Hall"), password="wrong", retry=told.append):
                    pass
        assert (refused.value.code, told) == (ErrorCode.BAD_CREDENTIALS, [])

    run(main)


def test_what_happens_in_the_room_is_not_tried_again(run: Run, world: World) -> None:
    async def main() -> None:
        told: list[Retry] = []
        async with world.serving() as running:
            with pytest.raises(RoomClosed, match="mine"):
                async with world.client(running.room("Hall"), retry=told.append):
                    raise RoomClosed("mine", ErrorCode.SHUTDOWN)
        assert told == []

    run(main)


def test_a_machine_slower_than_the_server_waits_gets_in_with_the_key_that_it_has_by_then(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes while the key is derived. The next attempt need not derive it again."""
    derived = 0

    async def main() -> None:
        told: list[Retry] = []

        async with world.serving() as running:
            loop, threshold = asyncio.get_running_loop(), Threshold(running.room("Hall"), 0)

            def slowly(*arguments: object) -> object:
                nonlocal derived
                derived += 1
                key = derive_account_key(*arguments)  # type: ignore[arg-type]
                for task in threshold._tasks:
                    loop.call_soon_threadsafe(task.cancel)
                threading.Event().wait(0.2)
                return key

            monkeypatch.setattr("tcclient.transport.connection.derive_account_key", slowly)
            async with threshold as link, world.client(link, retry=told.append) as room:
                assert room.info.name == "hall"
        assert len(told) == 1

    run(main)
    assert derived == 1


def test_the_command_line_tells_each_attempt_and_stops_when_told_to(server: Server, tmp_path: Path) -> None:
    async def main() -> list[dict[str, object]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tcclient", "join", str(link), "--user", "kantor-1", "--password-stdin", "--json",
            "--path", "udp", "--data", str(tmp_path / "client"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PASSWORD.encode() + b"\n")
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
        process.terminate()
        assert await process.wait() == 130
        return lines

    with socket.create_server(("127.0.0.1", 0)) as listening:
        link = Link("127.0.0.1", listening.getsockname()[1], "Hall", bytes(20))

        def refuse() -> None:
            for _ in range(2):
                listening.accept()[0].close()

        refusing = threading.Thread(target=refuse)
        refusing.start()
        lines = asyncio.run(main())
        refusing.join()
    assert [(line["event"], line["attempt"], line["code"], line["text"]) for line in lines] == [
        ("retry", 2, None, "the connection was lost"),
        ("retry", 3, None, "the connection was lost"),
    ]
    assert 1.0 <= float(str(lines[0]["wait_s"])) <= 1.5
    assert 2.0 <= float(str(lines[1]["wait_s"])) <= 3.0
