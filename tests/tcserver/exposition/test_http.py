import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from tcserver.exposition.http import MAX_CONNECTIONS, MAX_HEAD, TIME_LIMIT, Content, HttpServer, respond

Factory = Callable[[], asyncio.AbstractEventLoop]
on_each_loop = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
PAGE = Content("text/x-page", b"content")


def broken() -> Content:
    raise RuntimeError("a mistake")


ROUTES = {"/page": lambda: PAGE, "/broken": broken}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK"),
        (b"GET /page HTTP/1.0\r\n\r\n", "200 OK"),
        (b"GET /page?a=b HTTP/1.1\r\n\r\nmore", "200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /page/ HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /../page HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /page HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        (b"GET /page HTTP/2\r\n\r\n", "400 Bad Request"),
        (b"GET /page\r\n\r\n", "400 Bad Request"),
        (b"GET  /page HTTP/1.1\r\n\r\n", "400 Bad Request"),
        (b"\r\n\r\n", "400 Bad Request"),
        (b"\x16\x03\x01\x00\x00\r\n\r\n", "400 Bad Request"),
        (b"GET /page HTTP/1.1\r\n" + bytes(MAX_HEAD), "431 Request Header Fields Too Large"),
        (b"GET /page HTTP/1.1\r\n" + bytes(MAX_HEAD) + b"\r\n\r\n", "431 Request Header Fields Too Large"),
    ],
)
def test_answers(request_: bytes, status: str) -> None:
    head, _, body = respond(request_, ROUTES).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert first == f"HTTP/1.1 {status}"
    assert f"Content-Length: {len(body)}" in fields
    assert ("Content-Type: text/x-page" in fields) == (body == b"content") == (status == "200 OK")
    assert ("Allow: GET" in fields) == status.startswith("405")
    assert "Connection: close" in fields


class Served:
    """A listener on a port of its own."""

    def __init__(self, time_limit: float) -> None:
        self.errors: list[Exception] = []
        self.server = HttpServer(ROUTES, self.errors.append, time_limit)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def run(main: Callable[[], Awaitable[None]], factory: Factory) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@contextlib.asynccontextmanager
async def serving(time_limit: float = TIME_LIMIT) -> AsyncIterator[Served]:
    served = Served(time_limit)
    await served.server.open("127.0.0.1", served.port)
    try:
        async with asyncio.timeout(20):
            yield served
    finally:
        served.server.close()
        served.server.close()


@on_each_loop
def test_a_request_byte_by_byte_is_answered_once(factory: Factory) -> None:
    async def main() -> None:
        async with serving() as served, served.connected() as (reader, writer):
            for byte in b"GET /page HTTP/1.1\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
            writer.write(b"GET /page HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            assert answer.count(b"HTTP/1.1") == 1
            assert answer.endswith(b"\r\n\r\ncontent")

    run(main, factory)


@on_each_loop
def test_a_request_without_end_is_refused_at_the_limit(factory: Factory) -> None:
    async def main() -> None:
        async with serving() as served, served.connected() as (reader, writer):
            writer.write(b"a" * (MAX_HEAD + 1))
            assert (await reader.readline()).startswith(b"HTTP/1.1 431")

    run(main, factory)


@on_each_loop
def test_a_broken_route_is_told_of(factory: Factory) -> None:
    async def main() -> None:
        async with serving() as served, served.connected() as (reader, writer):
            writer.write(b"GET /broken HTTP/1.1\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
            assert [type(error) for error in served.errors] == [RuntimeError]

    run(main, factory)


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@on_each_loop
def test_who_says_nothing_is_left(factory: Factory) -> None:
    async def main() -> None:
        async with serving(time_limit=0.01) as served, served.connected() as (reader, writer):
            writer.write(b"GET /page")
            assert await closed(reader)

    run(main, factory)


@on_each_loop
def test_so_many_connections_and_the_oldest_makes_room(factory: Factory) -> None:
    async def main() -> None:
        async with serving() as served, contextlib.AsyncExitStack() as stack:
            waiting = [await stack.enter_async_context(served.connected()) for _ in range(MAX_CONNECTIONS)]
            for _, writer in waiting:
                writer.write(b"GET")
            async with served.connected() as (reader, writer):
                writer.write(b"GET /page HTTP/1.1\r\n\r\n")
                assert (await reader.read()).endswith(b"content")
            assert await closed(waiting[0][0])
            reader, writer = waiting[1]
            writer.write(b" /page HTTP/1.1\r\n\r\n")
            assert (await reader.read()).endswith(b"content")

    run(main, factory)


@on_each_loop
def test_closing_ends_what_is_open(factory: Factory) -> None:
    async def main() -> None:
        async with serving() as served, served.connected() as (reader, writer):
            writer.write(b"GET")
            async with served.connected() as (other, second):
                second.write(b"GET /page HTTP/1.1\r\n\r\n")
                await other.read()
            served.server.close()
            assert await closed(reader)

    run(main, factory)
