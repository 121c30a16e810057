"""The line of the benchmark of recovery, and what it counts as silence."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from benchmarks.harness.access_line import RETRANSMISSION, AccessLine
from benchmarks.parts.struck_meeting import longest_silence


def test_silence_is_between_packets_and_at_both_ends() -> None:
    assert longest_silence([], 10.0, 14.0) == 4.0
    assert longest_silence([1.0, 10.5, 11.0, 13.5], 10.0, 14.0) == 2.5
    assert longest_silence([10.5, 11.0], 10.0, 14.0) == 3.0


def test_the_line_freezes_moves_and_resets() -> None:
    async def main() -> None:
        peers: list[tuple[str, asyncio.StreamWriter]] = []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.append((writer.get_extra_info("peername")[0], writer))
            try:
                while data := await reader.read(100):
                    writer.write(data)
            except OSError:
                pass

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(server.sockets[0].getsockname()[:2])
            udp.setblocking(False)
            loop = asyncio.get_running_loop()
            async with AccessLine(udp.getsockname(), 0.001) as line, asyncio.timeout(10):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                client.connect(("127.0.0.1", line.port))
                client.send(b"one")
                data, first = await loop.sock_recvfrom(udp, 100)
                line.move("127.0.0.9")
                client.send(b"two")
                data, second = await loop.sock_recvfrom(udp, 100)
                assert (data, first[0], second[0]) == (b"two", "127.0.0.1", "127.0.0.9")
                client.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
                line.freeze(True)
                writer.write(b"waits")
                answer = asyncio.create_task(reader.read(100))
                await asyncio.sleep(0.05)
                assert not answer.done()
                line.freeze(False)
                assert await answer == b"waits"
                assert [host for host, _ in peers] == ["127.0.0.9"]
                line.reset()
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(100) == b""
                writer.close()
        server.close()
        for _, peer in peers:
            peer.close()

    asyncio.run(main())


@contextlib.contextmanager
def in_use_for_datagrams() -> Iterator[int]:
    """A port that is in use for UDP, and free for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield port
            return


def test_the_line_takes_another_port_where_one_is_in_use_for_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    async def main() -> None:
        with in_use_for_datagrams() as port:
            ports = [port, 0]
            monkeypatch.setattr(socket, "create_server", lambda address: create((address[0], ports.pop(0))))
            async with AccessLine(("127.0.0.1", 9), 0.001) as line:
                assert line.port not in (0, port)
            assert ports == []

    asyncio.run(main())


@asynccontextmanager
async def datagrams(seed: int = 1) -> AsyncIterator[tuple[AccessLine, socket.socket, socket.socket]]:
    """A line, a client's socket at its near end, and the server's at its far end."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
    ):
        far.bind(("127.0.0.1", 0))
        far.setblocking(False)
        near.setblocking(False)
        async with AccessLine(far.getsockname(), 0.001, seed) as line, asyncio.timeout(10):
            near.connect(("127.0.0.1", line.port))
            yield line, near, far


def test_datagrams_are_blocked_in_one_direction_or_both() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with datagrams() as (line, near, far):
            near.send(b"first")
            _, client = await loop.sock_recvfrom(far, 100)
            line.block(True, False)
            near.send(b"lost")
            far.sendto(b"down", client)
            assert await loop.sock_recv(near, 100) == b"down"
            line.block(False, True)
            far.sendto(b"lost", client)
            near.send(b"up")
            assert (await loop.sock_recvfrom(far, 100))[0] == b"up"
            line.block(False, False)
            far.sendto(b"again", client)
            assert await loop.sock_recv(near, 100) == b"again"

    asyncio.run(main())


def test_what_is_lost_depends_on_the_seed_and_the_rate_takes_its_time() -> None:
    async def arrived(seed: int) -> list[bytes]:
        loop = asyncio.get_running_loop()
        async with datagrams(seed) as (line, near, far):
            line.narrow(10_000_000, 0.5)
            for number in range(40):
                near.send(bytes((number,)))
            await asyncio.sleep(0.1)
            line.narrow(0, 0)
            near.send(b"end")
            found: list[bytes] = []
            while b"end" not in found:
                found.append((await loop.sock_recvfrom(far, 100))[0])
            line.narrow(80_000, 0)
            began = time.monotonic()
            for _ in range(2):
                near.send(bytes(472))
                await loop.sock_recvfrom(far, 1000)
            assert time.monotonic() - began > 0.1, "two times 500 bytes with headers at 10 kB/s"
            return found

    first, again, other = (asyncio.run(arrived(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert 10 < len(first) < 32


def test_a_lost_packet_of_tcp_comes_late_and_keeps_up_what_follows() -> None:
    """The seed is one of which the first packet is lost once."""

    def once(seed: int) -> bool:
        rng = random.Random(f"{seed} up")
        return rng.random() < 0.5 <= rng.random()

    async def main() -> None:
        got: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                got.put_nowait((data, time.monotonic()))
            writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()[:2]
        async with AccessLine(address, 0.001, next(filter(once, count()))) as line, asyncio.timeout(10):
            _, writer = await asyncio.open_connection("127.0.0.1", line.port)
            line.narrow(0, 0.5)
            began = time.monotonic()
            writer.write(b"late")
            await asyncio.sleep(0.05)
            line.narrow(0, 0)
            writer.write(b"behind it")
            data, first = await got.get()
            while data != b"latebehind it":
                data += (await got.get())[0]
            assert first - began >= RETRANSMISSION
            writer.close()
        server.close()

    asyncio.run(main())
