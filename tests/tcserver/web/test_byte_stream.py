"""Connections of browsers on real sockets, as the streams that they become by an upgrade."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tcserver.web.connection import MAX_GATHERED
from tcserver.web.service import Taker
from tcserver.web.tls import RECORDS_AT_ONCE
from tests.support.web_world import Echo, WebWorld, client_context, ended, get, response, until
from tests.tcserver.web.conftest import Run

UPGRADE = ("Connection: upgrade", "Upgrade: websocket")
on_both = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@on_both
def test_a_stream(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected(tls=tls) as (reader, writer):
            writer.write(get("/tc", *UPGRADE, "X-Y: Z") + b"early")
            assert (await response(reader))[0] == 101
            (echo,) = world.streams
            assert (b"x-y", b"Z") in echo.headers
            assert await reader.readexactly(5) == b"early"
            assert world.service.connections == 0, "it counts as a control connection from here on"
            assert echo.stream.peername[0] == "127.0.0.1"
            for part in (b"a", b"b" * 70_000):
                writer.write(part)
                assert await reader.readexactly(len(part)) == part
            assert echo.stream.unsent() == 0
            assert world.service.counters.requests == {101: 1}
            writer.write(b"bye")
            assert await ended(reader)
            await until(lambda: echo.ends)

    run(main)


@on_both
def test_a_client_that_still_sends_gets_the_last_bytes_of_a_stream(run: Run, tmp_path: Path, tls: bool) -> None:
    def visit(port: int) -> bytes:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if tls:
                sock = stack.enter_context(client_context().wrap_socket(sock))
            sock.sendall(get("/tc", *UPGRADE))
            assert sock.recv(100).startswith(b"HTTP/1.1 101 ")
            sock.sendall(b"bye")
            for _ in range(50):  # a reset would make this fail
                sock.sendall(bytes(10_000))
                time.sleep(0.001)
            found = b""
            while data := sock.recv(100):
                found += data
            return found

    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world:
            world.last_words = b"a reason"
            assert await asyncio.to_thread(visit, world.port) == b"a reason"
            await until(lambda: world.streams[0].ends)

    run(main)


def test_a_client_of_more_records_than_frames_is_cut_off(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected(tls=True) as (reader, writer):
            writer.write(get("/tc", *UPGRADE))
            assert (await response(reader))[0] == 101
            (echo,) = world.streams
            writer.write(bytes(20 * RECORDS_AT_ONCE))  # in few records
            await reader.readexactly(20 * RECORDS_AT_ONCE)
            with contextlib.suppress(ConnectionError):
                while not echo.ends:  # faster than the rate that is allowed
                    for _ in range(500):
                        writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0)

    run(main)


@on_both
def test_a_client_ends_its_stream(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected(tls=tls) as (reader, writer):
            writer.write(get("/tc", *UPGRADE))
            await response(reader)
            writer.close()
            await until(lambda: world.streams[0].ends)
            world.streams[0].stream.write(b"nobody hears it")
            assert world.streams[0].stream.unsent() == 0

    run(main)


@on_both
def test_what_waits_is_known_and_the_end_of_the_waiting_is_told(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving():
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", world.port))
                context = client_context() if tls else None
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname="x" if tls else None, limit=4096
                )
                writer.write(get("/tc", *UPGRADE))
                await response(reader)
                (echo,) = world.streams
                sent = 0
                while not 200_000 < echo.stream.unsent() - sent < 10**9:
                    if sent > 20_000_000:
                        break
                    echo.stream.write(bytes(100_000))
                    sent += 100_000
                    await asyncio.sleep(0)
                    if echo.stream.unsent() > 1_000_000:
                        break
                assert echo.stream.unsent() > 1_000_000
                assert not echo.writable_calls
                await reader.readexactly(sent)
                await until(lambda: echo.writable_calls and echo.stream.unsent() == 0)
                writer.close()
                with contextlib.suppress(OSError, ssl.SSLError):
                    await writer.wait_closed()

    run(main)


class ByHand:
    """Turns that a test gives."""

    def __init__(self) -> None:
        self.wanted: list[Taker] = []

    def want(self, taker: Taker) -> None:
        self.wanted.append(taker)

    def forget(self, taker: Taker) -> None:
        """Nothing is kept."""


@on_both
def test_what_comes_before_the_stream_is_open_is_of_the_stream(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected(tls=tls) as (reader, writer):
            if tls:
                await until(lambda: world.service.counters.handshakes)
            turns = world.service.turns = ByHand()
            writer.write(get("/tc", *UPGRADE) + b"early")
            await until(lambda: turns.wanted)
            assert turns.wanted[0].take_turn(), "the bytes are taken, and the request waits for the next turn"
            writer.write(b"later")
            await until(lambda: len(turns.wanted) == 2)
            assert not turns.wanted[0].take_turn()
            assert (await response(reader))[0] == 101
            assert await reader.readexactly(10) == b"earlylater"

    run(main)


def test_a_user_that_pauses_hears_nothing(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected() as (reader, writer):
            writer.write(get("/tc", *UPGRADE))
            await response(reader)
            (echo,) = world.streams
            echo.stream.pause_reading()
            writer.write(b"later")
            await asyncio.sleep(0.02)
            assert echo.heard == b""
            echo.stream.resume_reading()
            assert await reader.readexactly(5) == b"later"

    run(main)


@contextlib.asynccontextmanager
async def patient(world: WebWorld, *, tls: bool) -> AsyncIterator[tuple[Echo, asyncio.StreamWriter]]:
    """A stream whose user lets what comes wait."""
    async with world.serving(), world.connected(tls=tls) as (reader, writer):
        writer.write(get("/tc", *UPGRADE))
        await response(reader)
        (echo,) = world.streams
        echo.is_patient = True
        yield echo, writer
        echo.is_patient = False
        for handle in echo.gathered:
            handle()


@on_both
def test_what_comes_waits_for_its_turn_in_order(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with patient(WebWorld(tmp_path, plain=True), tls=tls) as (echo, writer):
            writer.write(b"one ")
            await until(lambda: echo.gathered)
            for part in (b"two ", b"three"):
                writer.write(part)
                await asyncio.sleep(0.02)
            assert echo.heard == b""

            def go_on() -> bool:
                for handle in echo.gathered:
                    handle()
                return echo.heard == b"one two three"

            await until(go_on)
            assert len(set(echo.gathered)) == 1, "it is asked for the same each time"
            go_on()
            assert echo.heard == b"one two three", "nothing is handled twice"

    run(main)


@on_both
def test_what_is_much_does_not_wait(run: Run, tmp_path: Path, tls: bool) -> None:
    async def main() -> None:
        async with patient(WebWorld(tmp_path, plain=True), tls=tls) as (echo, writer):
            writer.write(bytes(MAX_GATHERED // 2))
            await until(lambda: echo.gathered)
            assert echo.heard == b""
            writer.write(bytes(MAX_GATHERED))
            await until(lambda: len(echo.heard) > MAX_GATHERED)

    run(main)


@pytest.mark.parametrize(
    ("tls", "cut"), [(False, False), (False, True), (True, True)], ids=["closed", "reset", "reset below TLS"]
)
def test_what_waits_is_handled_before_the_end(run: Run, tmp_path: Path, tls: bool, cut: bool) -> None:
    async def main() -> None:
        async with patient(WebWorld(tmp_path, plain=True), tls=tls) as (echo, writer):
            writer.write(b"last")
            await until(lambda: echo.gathered)
            assert echo.heard == b""
            (writer.transport.abort if cut else writer.close)()
            await until(lambda: echo.ends)
            assert echo.heard == b"last"
            echo.gathered[0]()
            assert echo.heard == b"last"

    run(main)


def test_an_error_of_ours_ends_one_stream(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with patient(world, tls=False) as (echo, writer):
            world.expected_errors = [error := ValueError("ours")]

            def fail(data: bytes) -> None:
                raise error

            echo.received = fail  # type: ignore[method-assign]
            writer.write(b"x")
            await until(lambda: echo.gathered)
            echo.gathered[0]()
            await until(lambda: echo.ends)

    run(main)


def test_a_refused_stream(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        async with world.serving(), world.connected() as (reader, writer):
            writer.write(get("/tc", "X-Refuse: 1"))
            assert (await response(reader))[0] == 400
            assert await ended(reader)
            await until(lambda: world.service.counters.requests == {400: 1})

    run(main)


def test_a_server_without_streams(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True)
        world.service.open_stream = None
        async with world.serving(), world.connected() as (reader, writer):
            writer.write(get("/tc", *UPGRADE))
            assert (await response(reader))[0] == 404
            assert await ended(reader)

    run(main)


def test_for_whom_a_trusted_proxy_opens_a_stream(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, plain=True, trusted=["127.0.0.1"])
        async with world.serving(), world.connected() as (reader, writer):
            writer.write(get("/tc", *UPGRADE, 'Forwarded: for="[2001:db8::1]:5";proto=https'))
            await response(reader)
            assert world.streams[0].stream.peername == ("2001:db8::1", 0)

    run(main)
