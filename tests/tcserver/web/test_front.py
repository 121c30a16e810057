"""What speaks on a new connection: sniffed on real sockets, on both event loops."""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tcserver.web import front
from tcserver.web.proxy_protocol import SIGNATURE
from tests.support.web_world import WebWorld, ended, get, greeted, response, until

PROXY_HEADER = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, bytes([192, 0, 2, 1]), bytes(4), 4711, 443)
LOCAL_HEADER = SIGNATURE + b"\x20\x00\x00\x00"


Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_a_control_connection(run: Run, tmp_path: Path, bytewise: bool) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected() as (reader, writer):
            assert await greeted(reader, writer, bytewise=bytewise)
            assert world.half_open == 1
            assert world.service.connections == 0
            (peer,) = world.control.peers.values()
            assert peer.address == "127.0.0.1"

    run(main)


def test_a_silent_connection_is_under_the_limits_of_those_without_login(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected() as (_, writer):
            await until(lambda: world.half_open == 1)
            writer.write(b"G")
            await until(lambda: world.half_open == 0)
            assert world.service.connections == 1
            assert not world.control.peers
            assert not world.log, "nothing has ended"

    run(main)


def test_https(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected(tls=True) as (reader, writer):
            tls = writer.get_extra_info("ssl_object")
            assert tls.version() == "TLSv1.3"
            writer.write(get("/rapat"))
            assert (await response(reader))[::2] == (200, b"index")
            assert world.half_open == 0
            assert world.service.counters.handshakes == world.service.counters.accepted["tls"] == 1
            assert world.service.counters.requests == {200: 1}

    run(main)


def test_plain_http_is_sent_to_https(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected() as (reader, writer):
            for byte in get("/rapat"):
                writer.write(bytes([byte]))
                await writer.drain()
            status, headers, _ = await response(reader)
            assert (status, headers["Location"]) == (308, "https://conference.example/rapat")

    run(main)


def test_plain_http_of_this_machine_is_answered_if_the_operator_wants_it(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, plain=True).serving() as world, world.connected() as (reader, writer):
            writer.write(get("/rapat"))
            status, headers, body = await response(reader)
            assert (status, body) == (200, b"index")
            assert "Strict-Transport-Security" not in headers

    run(main)


@pytest.mark.parametrize("first", [b"\x11\x00", b"\x17\x03", b"\xff\xff", b"\x80\x2e"])
def test_anything_else_breaks_the_control_protocol(run: Run, tmp_path: Path, first: bytes) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected() as (reader, writer):
            writer.write(first + bytes(5000))
            assert await ended(reader)
            assert [event.fields["reason"] for event in world.log] == ["bad_frame"]

    run(main)


def test_a_proxy_header_of_a_stranger_is_a_frame_like_others(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, world.connected() as (reader, writer):
            writer.write(PROXY_HEADER + bytes(5000))
            assert await ended(reader)
            (event,) = world.log
            assert event.fields["address"] == "127.0.0.1"

    run(main)


@pytest.mark.parametrize("cut", [0, 1, 15, 27, 28])
def test_a_trusted_proxy_tells_who_the_client_is(run: Run, tmp_path: Path, cut: int) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, trusted=["127.0.0.1"]).serving() as world, world.connected() as (reader, writer):
            await until(lambda: world.service.connections == 1)
            assert world.half_open == 0, "all come from its address"
            writer.write(PROXY_HEADER[:cut])
            await asyncio.sleep(0.01)
            writer.write(PROXY_HEADER[cut:])
            assert await greeted(reader, writer)
            (peer,) = world.control.peers.values()
            assert peer.address == "192.0.2.1"
            assert world.service.connections == 0
            assert world.service.counters.accepted["proxied"] == 1

    run(main)


@pytest.mark.parametrize("header", [b"", LOCAL_HEADER], ids=["no header", "its own"])
def test_a_proxy_may_speak_for_itself(run: Run, tmp_path: Path, header: bytes) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, trusted=["127.0.0.1"]).serving() as world, world.connected() as (reader, writer):
            writer.write(header)
            assert await greeted(reader, writer)
            (peer,) = world.control.peers.values()
            assert peer.address == "127.0.0.1"

    run(main)


def test_a_request_behind_a_proxy_header(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        world = WebWorld(tmp_path, trusted=["127.0.0.1"], plain=True)
        async with world.serving(), world.connected() as (reader, writer):
            writer.write(PROXY_HEADER + get("/tc", "Connection: upgrade", "Upgrade: websocket"))
            assert (await response(reader))[0] == 101
            assert world.streams[0].stream.peername == ("192.0.2.1", 4711)

    run(main)


def test_a_broken_proxy_header_ends_the_connection(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path, trusted=["127.0.0.1"]).serving() as world, world.connected() as (reader, writer):
            writer.write(b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12))
            assert await ended(reader)
            assert world.service.counters.accepted == {"bad_proxy_header": 1}

    run(main)


def test_a_proxy_that_says_nothing_is_not_waited_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "FIRST_BYTES_LIMIT", 0.01)

    async def main() -> None:
        async with WebWorld(tmp_path, trusted=["127.0.0.1"]).serving() as world, world.connected() as (reader, writer):
            writer.write(PROXY_HEADER)
            assert await ended(reader)

    run(main)


def test_who_leaves_before_the_first_byte_is_forgotten(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        for trusted in ([], ["127.0.0.1"]):
            async with WebWorld(tmp_path, trusted=trusted).serving() as world:
                async with world.connected():
                    await until(lambda: world.half_open + world.service.connections == 1)
                await until(lambda: world.half_open + world.service.connections == 0)

    run(main)


def test_no_connection_is_taken_when_the_server_ends(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with WebWorld(tmp_path).serving() as world, contextlib.AsyncExitStack() as stack:
            world.conference.shutdown("", 0, 0.0)
            for data in (b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await stack.enter_async_context(world.connected())
                writer.write(data)
                assert await ended(reader)

    run(main)
