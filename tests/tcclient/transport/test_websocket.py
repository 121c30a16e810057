"""The client's end of the stream path, against servers that are slow, wrong or hostile."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from tcclient.transport import websocket
from tcclient.transport.websocket import MAX_UNREAD, WebSocket, open_websocket
from tcproto.datagram import MAX_DATAGRAM
from tcproto.stream_path import MAX_CONTROL_BYTES, SUBPROTOCOL, frame, pack_control, pack_datagram
from tcserver.web.certificates.keeper import SelfSigned

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Control(asyncio.Protocol):
    """Notes what a control connection is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.lost = 0
        self.datagrams: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


@contextlib.asynccontextmanager
async def serving(folder: Path, serve: Serve, *, tls: bool = True) -> AsyncIterator[int]:
    """A server on TLS, or on plain TCP. Gives its port."""
    context = SelfSigned(folder / "web.pem", ["localhost"]).load(0.0)[0] if tls else None

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ServerProtocol:
    """Accept the upgrade; return the protocol of the server."""
    protocol = ServerProtocol(subprotocols=[SUBPROTOCOL])  # type: ignore[list-item]
    while not (events := protocol.events_received()):
        protocol.receive_data(await reader.read(4096))
    protocol.send_response(protocol.accept(events[0]))  # type: ignore[arg-type]
    writer.write(b"".join(protocol.data_to_send()))
    return protocol


async def frames(reader: asyncio.StreamReader, protocol: Protocol) -> list[Frame]:
    """Return all frames until the end."""
    found: list[Any] = []
    while data := await reader.read(65_536):
        protocol.receive_data(data)
        found += protocol.events_received()
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions of any kind
            await asyncio.sleep(0.002)


def run(loop: Callable[[], asyncio.AbstractEventLoop], main: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def opened(port: int, control: Control) -> WebSocket | None:
    return await open_websocket("127.0.0.1", port, control, control.datagrams.extend)


@LOOPS
def test_control_bytes_and_datagrams_both_ways(loop: Any, tmp_path: Path) -> None:
    control, got, done = Control(), [], asyncio.Event()
    long = bytes(range(256)) * 200

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = await accepted(reader, writer)
        for message in (*pack_control(long), pack_datagram(b"one"), pack_datagram(bytes(MAX_DATAGRAM))):
            writer.write(frame(message))
        writer.write(b"\x89\x02hi")
        got.extend(await frames(reader, protocol))
        done.set()

    async def main() -> None:
        async with serving(tmp_path, serve) as port:
            stream = await opened(port, control)
            assert stream is not None
            assert control.transport is stream
            await until(lambda: len(control.datagrams) == 2 and len(control.received) == len(long))
            assert (control.received, control.datagrams) == (long, [b"one", bytes(MAX_DATAGRAM)])
            stream.write(bytes(MAX_CONTROL_BYTES + 1))
            stream.send_datagrams([b"two", b"three"])
            await until(lambda: stream.unsent() == 0)
            stream.close()
            stream.write(b"late")
            stream.send_datagrams([b"late"])
            await until(lambda: control.lost)
            await done.wait()

    run(loop, main)
    sent = [bytes(event.data) for event in got if event.opcode is Opcode.BINARY]
    assert sent == [b"\0" + bytes(MAX_CONTROL_BYTES), b"\0\0", b"\1two", b"\1three"]
    assert [bytes(event.data) for event in got if event.opcode is Opcode.PONG] == [b"hi"]
    assert got[-1].opcode is Opcode.CLOSE
    assert control.lost == 1


@LOOPS
def test_a_server_that_pings_and_does_not_read_holds_little(loop: Any, tmp_path: Path) -> None:
    control, stopped, most = Control(), asyncio.Event(), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted(reader, writer)
        try:
            while True:
                writer.write((b"\x89\x7d" + bytes(125)) * 400)
                await writer.drain()
                await asyncio.sleep(0)  # a drain that need not wait does not let the loop go on
        finally:
            stopped.set()

    async def main() -> None:
        nonlocal most
        async with serving(tmp_path, serve) as port:
            stream = await opened(port, control)
            assert stream is not None
            while not control.lost:
                most = max(most, stream.get_write_buffer_size())
                await asyncio.sleep(0)
            await stopped.wait()

    run(loop, main)
    assert most <= MAX_UNREAD + 262_144, "the answers to one read more"
    assert control.lost == 1


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def is_no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n" * 1000)
    await reader.read()


async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    await reader.read()


async def knows_no_subprotocol(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    protocol = ServerProtocol(select_subprotocol=lambda protocol, offered: None)
    while not (events := protocol.events_received()):
        protocol.receive_data(await reader.read(4096))
    protocol.send_response(protocol.accept(events[0]))  # type: ignore[arg-type]
    writer.write(b"".join(protocol.data_to_send()))
    await reader.read()


@pytest.mark.parametrize(
    ("serve", "tls"),
    [
        *((serve, True) for serve in (closes, is_silent, is_no_http, refuses, knows_no_subprotocol)),
        *((serve, False) for serve in (closes, is_silent, is_no_http)),
    ],
)
def test_a_server_without_the_stream_path(
    serve: Serve, tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control connection is told nothing, so it may be made in another way."""
    monkeypatch.setattr(websocket, "OPEN_LIMIT", 0.3)
    control = Control()

    async def main() -> None:
        async with serving(tmp_path, serve, tls=tls) as port:
            assert await opened(port, control) is None
            await asyncio.sleep(0.05)

    asyncio.run(main())
    assert (control.transport, control.lost) == (None, 0)


def test_nobody_listens() -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await opened(1, Control())

    asyncio.run(main())


@LOOPS
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x02hi", 1003),
        (b"\x02\x02\x01h", 1002),
        (b"\x82\x00", 1002),
        (b"\x82\x01\x00", 1002),
        (b"\x82\x02\x07x", 1002),
        (b"\x82\x7f" + (1 << 20).to_bytes(8, "big"), 1009),
        (b"\x83\x02hi", 1002),
    ],
    ids=["text", "fragment", "empty", "empty control", "unknown kind", "too big", "unknown opcode"],
)
def test_what_a_server_must_not_send_ends_the_connection(loop: Any, sent: bytes, code: int, tmp_path: Path) -> None:
    control, got, done = Control(), [], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = await accepted(reader, writer)
        writer.write(sent + frame(pack_datagram(b"behind it")))
        with contextlib.suppress(OSError, ssl.SSLError):
            got.extend(await frames(reader, protocol))
        done.set()

    async def main() -> None:
        async with serving(tmp_path, serve) as port:
            assert await opened(port, control) is not None
            await until(lambda: control.lost)
            await done.wait()

    run(loop, main)
    assert control.datagrams == []
    assert control.lost == 1
    assert [int.from_bytes(event.data[:2], "big") for event in got if event.opcode is Opcode.CLOSE] == [code]


@LOOPS
@pytest.mark.parametrize("politely", [True, False])
def test_the_end_of_the_server_is_the_end_of_the_control_connection(loop: Any, politely: bool, tmp_path: Path) -> None:
    control = Control()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = await accepted(reader, writer)
        if politely:
            protocol.send_close(1000)
            writer.write(b"".join(protocol.data_to_send()))
            await reader.read()
        else:
            writer.transport.abort()

    async def main() -> None:
        async with serving(tmp_path, serve) as port:
            with contextlib.suppress(AttributeError):
                await opened(port, control)
            await until(lambda: control.lost or control.transport is None)

    run(loop, main)
    assert control.lost == (control.transport is not None)


def test_what_the_server_does_not_read_counts_as_unsent(tmp_path: Path) -> None:
    control, leave = Control(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await leave.wait()

    async def main() -> None:
        async with serving(tmp_path, serve) as port:
            stream = await opened(port, control)
            assert stream is not None
            for _ in range(20_000):
                stream.send_datagrams([bytes(1200)])
                if stream.unsent() > 1 << 20:
                    break
            assert stream.unsent() > 1 << 20
            stream.abort()
            leave.set()
            await until(lambda: control.lost)
            assert stream.unsent() == 0

    asyncio.run(main())
