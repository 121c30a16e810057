"""What a supervisor is told, on a socket as systemd makes one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcserver.daemon.supervisor import Supervisor


@pytest.fixture(params=["file", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket, and its name in the environment."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@tcserver-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0") if name.startswith("@") else name)
        sock.settimeout(10)
        yield sock, name


def test_it_hears_of_the_start_of_each_sign_of_life_and_of_the_end(listening: tuple[socket.socket, str]) -> None:
    sock, name = listening

    async def main() -> list[bytes]:
        supervisor = Supervisor({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"})
        supervisor.started()
        loop = asyncio.get_running_loop()
        heard = [await loop.run_in_executor(None, sock.recv, 100) for _ in range(4)]
        supervisor.stopping()
        while (last := await loop.run_in_executor(None, sock.recv, 100)) == b"WATCHDOG=1":
            pass
        return [*heard, last]

    assert asyncio.run(main()) == [b"READY=1", *[b"WATCHDOG=1"] * 3, b"STOPPING=1"]


@pytest.mark.parametrize("limit", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}])
def test_who_waits_for_no_sign_of_life_gets_none(listening: tuple[socket.socket, str], limit: dict[str, str]) -> None:
    sock, name = listening

    async def main() -> None:
        supervisor = Supervisor({"NOTIFY_SOCKET": name, **limit})
        supervisor.started()
        supervisor.stopping()

    asyncio.run(main())
    assert [sock.recv(100), sock.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1000"}])
def test_without_a_supervisor_nothing_fails(environment: dict[str, str]) -> None:
    async def main() -> None:
        supervisor = Supervisor(environment)
        supervisor.started()
        await asyncio.sleep(0.01)
        supervisor.stopping()

    asyncio.run(main())


def test_a_supervisor_that_does_not_read_holds_nobody_up(listening: tuple[socket.socket, str]) -> None:
    _, name = listening

    async def main() -> None:
        supervisor = Supervisor({"NOTIFY_SOCKET": name})
        for _ in range(2000):
            supervisor.started()

    asyncio.run(asyncio.wait_for(main(), 10))
