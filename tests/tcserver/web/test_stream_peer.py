"""The stream path on real sockets: a client of the library ``websockets``, and frames that it would never send."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.errors import Action, ErrorCode
from tcproto.messages import Close, Error, Ping, Pong
from tcproto.stream_path import MAX_CONTROL_BYTES, MAX_MESSAGE, SUBPROTOCOL, frame, pack_control, pack_datagram
from tcserver.daemon import control_peer
from tcserver.daemon.control_peer import READ_SIZE, ControlPeer
from tcserver.daemon.control_turns import ControlTurns
from tcserver.media.streams.streams import Streamed, Streams
from tcserver.web import stream_peer
from tcserver.web.stream_peer import StreamPath
from tests.support.plain_stream import listening
from tests.tcserver.daemon.test_control_peer import STATIC, Handler

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Member(ControlPeer):
    """A control connection on which somebody has logged in."""

    is_stranger = False


class NotingStreams(Streams):
    """Counts how often what came could have waited."""

    asked = 0

    def soon(self, handle: Callable[[], None]) -> None:
        self.asked += 1
        super().soon(handle)


class Server:
    """A stream path with control connections whose handler notes what it is told, and datagrams that are noted."""

    def __init__(self) -> None:
        self.handler = Handler()
        self.streams = NotingStreams()
        self.peer_type = ControlPeer
        self.streams.connect(self._carry)
        self.datagrams: list[tuple[int, bytes]] = []
        self.batches = 0
        turns = ControlTurns(asyncio.get_running_loop().call_later, time.monotonic)
        numbers, buffer = iter(range(1, 100)), bytearray(READ_SIZE)

        def make() -> ControlPeer:
            return self.peer_type(next(numbers), ControlConnection.server(STATIC), self.handler, turns, buffer)

        self.path = StreamPath(make, self.streams)
        self.port = 0

    def _carry(self, streamed: Streamed) -> None:
        self.datagrams += [(number, datagram) for number, datagrams in streamed for datagram in datagrams]
        self.batches += 1

    async def wait(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - conditions of any kind
                await asyncio.sleep(0.002)

    def connect(self, **more: Any) -> connect:
        options = {"subprotocols": [SUBPROTOCOL], "compression": None, "proxy": None, "ping_interval": None}
        return connect(f"ws://127.0.0.1:{self.port}/tc", **options | more)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection after its upgrade, to send any bytes on."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(upgrade())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return reader, writer


def upgrade(**changed: str | None) -> bytes:
    fields: dict[str, str | None] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(["GET /tc HTTP/1.1", *lines, "", ""]).encode()


def client_frame(payload: bytes, first: int = 0x82, masked: bool = True) -> bytes:
    """A frame with a mask of zeros, which changes nothing."""
    size = len(payload)
    bit = 0x80 if masked else 0
    head = bytes((first, bit | size)) if size < 126 else bytes((first, bit | 126)) + size.to_bytes(2, "big")
    return head + (bytes(4) if masked else b"") + payload


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with listening(server.path.open) as port:
        server.port = port
        yield server
        for peer in server.handler.peers:
            peer.abort()
        if server.handler.welcome:
            await server.wait(lambda: server.handler.told.count("disconnected") == len(server.handler.peers))
        assert len(server.streams.lane) == 0
        server.streams.stop()


def run(main: Any, loop: Any = uvloop.new_event_loop) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(20), serving() as server:
            await main(server)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(guarded())


async def talk(client: ClientConnection, connection: ControlConnection) -> Any:
    """Send what the control connection has, and return its next event."""
    while True:
        for message in pack_control(connection.data_to_send()):
            await client.send(message)
        if (event := connection.next_event()) is not None:
            return event
        message = await client.recv()
        assert isinstance(message, bytes)
        assert message[0] == 0
        connection.receive_data(message[1:])


@pytest.mark.parametrize(("code", "leaves"), [(1000, True), (1001, True), (None, True), (1002, False), (3000, False)])
def test_a_close_frame_of_a_browser_that_leaves_is_a_goodbye(code: int | None, leaves: bool) -> None:
    async def main(server: Server) -> None:
        _, writer = await server.raw()
        writer.write(client_frame(b"" if code is None else code.to_bytes(2, "big"), first=0x88))
        await server.wait(lambda: server.handler.told.count("disconnected") == 1)
        assert server.handler.peers[0].has_left is leaves
        writer.close()

    run(main)


@LOOPS
def test_a_control_connection_and_datagrams_both_ways(loop: Any) -> None:
    async def main(server: Server) -> None:
        async with server.connect() as client:
            assert client.subprotocol == SUBPROTOCOL
            connection = ControlConnection.client()
            assert isinstance(await talk(client, connection), HandshakeCompleted)
            assert server.handler.peers[0].address == "127.0.0.1"
            for n in range(3):
                await client.send(pack_datagram(bytes([n]) * 100))
            request = connection.request(Ping(5))
            assert await talk(client, connection) == Replied(Ping(5), Pong(5), request)
            await server.wait(lambda: len(server.datagrams) == 3)
            assert server.datagrams == [(1, bytes([n]) * 100) for n in range(3)]
            server.streams.lane.deliver(b"abcd", 3, (1,), "anybody")
            assert [await client.recv(), await client.recv()] == [b"\x01abc", b"\x01d"]
        await server.handler.gone.wait()
        assert client.close_code == 1000
        assert server.handler.told == [("handshake", 64), "disconnected"]

    run(main, loop)


@pytest.mark.parametrize(("peer_type", "asked"), [(ControlPeer, 0), (Member, 1)], ids=["stranger", "member"])
def test_only_what_members_send_may_wait(peer_type: type[ControlPeer], asked: int) -> None:
    async def main(server: Server) -> None:
        server.peer_type = peer_type
        _, writer = await server.raw()
        writer.write(client_frame(pack_datagram(b"a")))
        await server.wait(lambda: server.datagrams)
        assert server.datagrams == [(1, b"a")]
        assert server.streams.asked == asked
        writer.close()

    run(main)


def test_what_comes_in_one_piece_is_handled_in_order_and_datagrams_in_batches() -> None:
    async def main(server: Server) -> None:
        _, writer = await server.raw()
        connection = ControlConnection.client()
        first = connection.data_to_send()
        pieces = [pack_datagram(b"a"), *(pack_control(bytes([byte]))[0] for byte in first), pack_datagram(b"b")]
        writer.write(b"".join(map(client_frame, pieces)))
        await server.wait(lambda: server.handler.told)
        assert server.handler.told == [("handshake", 64)]
        assert server.datagrams == [(1, b"a"), (1, b"b")]
        assert server.batches == 1
        writer.close()

    run(main)


def test_messages_of_the_control_connection_are_cut() -> None:
    async def main(server: Server) -> None:
        async with server.connect() as client:
            connection = ControlConnection.client()
            await talk(client, connection)
            big = os.urandom(3 * MAX_CONTROL_BYTES)
            server.handler.peers[0]._transport.write(big)
            messages = [await client.recv() for _ in range(3)]
            assert [len(message) for message in messages] == [MAX_MESSAGE] * 3
            assert b"".join(message[1:] for message in messages) == big  # type: ignore[index]

    run(main)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec_WebSocket_Protocol": None}, 400),
        ({"Sec_WebSocket_Protocol": "tc.2"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Upgrade": None}, 426),
        ({"Connection": "close"}, 426),
    ],
    ids=str,
)
def test_a_request_that_is_no_upgrade_of_this_kind(changed: dict[str, str | None], status: int) -> None:
    async def main(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(upgrade(**changed))
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert server.handler.peers == []
        writer.close()

    run(main)


def test_no_extension_is_agreed_upon() -> None:
    async def main(server: Server) -> None:
        async with server.connect(compression="deflate") as client:
            assert client.protocol.extensions == []
        with pytest.raises(InvalidStatus):
            await server.connect(subprotocols=["other"])

    run(main)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (client_frame(b""), 1002),
        (client_frame(b"\x00"), 1002),
        (client_frame(b"\x02x"), 1002),
        (client_frame(b"\x01x", masked=False), 1002),
        (client_frame(b"\x01x", first=0x02), 1002),
        (client_frame(b"\x01x", first=0x02) + client_frame(b"y", first=0x80), 1002),
        (client_frame(b"x", first=0x80), 1002),
        (client_frame(b"\x01x", first=0xC2), 1002),
        (client_frame(b"x", first=0x83), 1002),
        (client_frame(bytes(126), first=0x89), 1002),
        (client_frame(b"hello", first=0x81), 1003),
        (client_frame(b"\x01" + bytes(MAX_MESSAGE)), 1009),
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009),
    ],
    ids=[
        *("empty", "no control bytes", "kind 2", "not masked", "fragment", "fragments", "continuation"),
        *("extension bit", "unknown opcode", "long ping", "text", "too long", "a terabyte"),
    ],
)
def test_frames_that_end_the_stream(sent: bytes, code: int) -> None:
    async def main(server: Server) -> None:
        reader, writer = await server.raw()
        writer.write(sent)
        answer = await reader.read()
        assert answer[:1] == b"\x88"
        assert int.from_bytes(answer[2:4], "big") == code
        await server.handler.gone.wait()
        assert server.datagrams == []
        writer.close()

    run(main)


def test_the_end_of_the_control_connection_is_the_end_of_the_stream() -> None:
    async def main(server: Server) -> None:
        async with server.connect() as client:
            connection = ControlConnection.client()
            await talk(client, connection)
            for message in pack_control(b"\x00\x05wrong"):
                await client.send(message)
            event = await talk(client, connection)
            assert isinstance(event, Received)
            assert isinstance(event.message, Close)
            assert event.message.code == ErrorCode.BAD_FRAME
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
        await server.handler.gone.wait()

    run(main)


def test_a_client_that_was_too_slow_and_reads_after_all_learns_why_it_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_peer, "CLOSE_LIMIT", 15)
    monkeypatch.setattr(stream_peer, "CLOSE_LIMIT", 15)
    notice = Error(ErrorCode.BAD_REQUEST, "x" * 256, Action.NONE)

    async def main(server: Server) -> None:
        async with server.connect(max_queue=1) as client:
            connection = ControlConnection.client()
            await talk(client, connection)
            client.transport.pause_reading()
            number = 0
            while "fell behind" not in server.handler.told:
                for _ in range(100):
                    number += 1
                    server.handler.peers[0].send(notice, number)
                server.handler.peers[0].flush()
                await asyncio.sleep(0)
            connection._requests = dict.fromkeys(range(1, number + 1), Ping(1))
            client.transport.resume_reading()
            while isinstance(event := await talk(client, connection), Replied):
                pass
            assert event.message.code is ErrorCode.SLOW_CONSUMER
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
        await server.handler.gone.wait()

    run(main)


def test_what_was_sent_before_the_close_is_handled() -> None:
    async def main(server: Server) -> None:
        seen: list[Any] = []
        server.handler.act = lambda peer, envelope: seen.append(envelope.message)
        async with server.connect() as client:
            connection = ControlConnection.client()
            await talk(client, connection)
            connection.request(Ping(1))
            connection.request(Ping(2))
            for message in pack_control(connection.data_to_send()):
                await client.send(message)
        await server.handler.gone.wait()
        assert seen == [Ping(1), Ping(2)]

    run(main)


def test_a_connection_that_is_not_welcome() -> None:
    async def main(server: Server) -> None:
        server.handler.welcome = False
        with contextlib.suppress(ConnectionClosed, OSError, EOFError):
            async with server.connect() as client, asyncio.timeout(5):
                await client.recv()
        await server.wait(lambda: len(server.streams.lane) == 0)

    run(main)


def test_frames_are_those_of_the_protocol() -> None:
    assert frame(b"\x01" + bytes(124))[:3] == b"\x82\x7d\x01"
    assert frame(b"\x01" + bytes(125))[:5] == b"\x82\x7e\x00\x7e\x01"
