import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.errors import Action, ErrorCode, ProtocolError
from tcproto.messages import Close, Envelope, Error, Ping, Pong
from tcserver.daemon import control_peer
from tcserver.daemon.control_peer import READ_SIZE, ControlPeer
from tcserver.daemon.control_turns import ControlTurns

STATIC = bytes(range(32))


class Handler:
    """Notes its calls; ``act`` says what to do with a message."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.peers: list[ControlPeer] = []
        self.charged: list[int] = []
        self.spends: list[float] = []
        """Microseconds that frames have taken."""
        self.waits: list[float] = []
        """What the next frames are told to wait, the first last."""
        self.welcome = True
        self.act = lambda peer, envelope: peer.send(Pong(envelope.message.time), envelope.request_id)
        self.gone = asyncio.Event()

    def connected(self, peer: ControlPeer) -> bool:
        self.peers.append(peer)
        return self.welcome

    def handshake_done(self, peer: ControlPeer, handshake_hash: bytes) -> None:
        self.told.append(("handshake", len(handshake_hash)))

    def charge(self, peer: ControlPeer, size: int) -> float:
        self.charged.append(size)
        return self.waits.pop() if self.waits else 0.0

    def spent(self, peer: ControlPeer, microseconds: float) -> None:
        self.spends.append(microseconds)

    def received(self, peer: ControlPeer, envelope: Envelope) -> None:
        self.act(peer, envelope)

    def failed(self, peer: ControlPeer, error: ProtocolError) -> None:
        self.told.append(("failed", error.code))

    def crashed(self, peer: ControlPeer, error: Exception) -> None:
        self.told.append(("crashed", type(error)))

    def fell_behind(self, peer: ControlPeer) -> None:
        self.told.append("fell behind")

    def withdrawn(self, peer: ControlPeer) -> None:
        self.told.append("withdrawn")

    def disconnected(self, peer: ControlPeer) -> None:
        self.told.append("disconnected")
        self.gone.set()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connection = ControlConnection.client()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (event := await self.event()) is not None:
            yield event

    async def event(self) -> Any:
        """The next event, or None at the end."""
        while (event := self.connection.next_event()) is None:
            self.writer.write(self.connection.data_to_send())
            try:
                data = await self.reader.read(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.connection.receive_data(data)
        return event


def conversation(main: Any) -> None:
    """Run ``main(handler, client)`` on a connection of one server."""

    async def run() -> None:
        handler = Handler()
        turns = ControlTurns(asyncio.get_running_loop().call_later, time.monotonic)
        numbers, buffer = iter(range(1, 100)), bytearray(READ_SIZE)

        def make() -> ControlPeer:
            return ControlPeer(next(numbers), ControlConnection.server(STATIC), handler, turns, buffer)

        async with asyncio.timeout(20):
            server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=4096)
            try:
                await main(handler, Client(reader, writer))
            finally:
                writer.transport.abort()
                if handler.welcome:
                    await handler.gone.wait()
                server.close()
                await server.wait_closed()

    asyncio.run(run())


async def ping(client: Client) -> Any:
    assert isinstance(await client.event(), HandshakeCompleted)
    client.connection.request(Ping(5))
    return await client.event()


def test_a_conversation() -> None:
    async def main(handler: Handler, client: Client) -> None:
        reply = await ping(client)
        assert reply.reply == Pong(5)
        assert handler.peers[0].address == "127.0.0.1"
        client.writer.write_eof()
        await handler.gone.wait()
        assert handler.told == [("handshake", 64), "disconnected"]
        handler.peers[0].send(Ping(1), 0)
        handler.peers[0].flush()
        handler.peers[0].close()

    conversation(main)


def test_an_error_of_ours_ends_one_connection() -> None:
    async def main(handler: Handler, client: Client) -> None:
        handler.act = lambda peer, envelope: 1 // 0
        event = await ping(client)
        assert isinstance(event, Received)
        assert isinstance(event.message, Close)
        assert event.message.code is ErrorCode.INTERNAL
        assert "ZeroDivision" not in event.message.text
        assert await client.event() is None
        assert handler.told == [("handshake", 64), ("crashed", ZeroDivisionError), "disconnected"]

    conversation(main)


def test_an_error_of_theirs_is_told_and_logged() -> None:
    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        client.writer.write(b"\x00\x01x")
        event = await client.event()
        assert isinstance(event.message, Close)
        assert event.message.code is ErrorCode.BAD_FRAME
        assert await client.event() is None
        assert handler.told[1:] == [("failed", ErrorCode.BAD_FRAME), "disconnected"]

    conversation(main)


def test_a_refused_connection_is_not_told_of_again() -> None:
    async def main(handler: Handler, client: Client) -> None:
        handler.welcome = False
        reader, writer = await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        handler.welcome = True
        assert handler.told == []
        assert len(handler.peers) == 2

    conversation(main)


@pytest.mark.parametrize("welcome", [True, False])
def test_a_connection_that_is_withdrawn_is_not_told_of_again(welcome: bool) -> None:
    async def main(handler: Handler, client: Client) -> None:
        handler.welcome = welcome
        _, writer = await asyncio.open_connection(*client.writer.get_extra_info("peername"))
        while len(handler.peers) < 2:  # noqa: ASYNC110 - what it waits for is told by nobody
            await asyncio.sleep(0)
        peer = handler.peers[1]
        peer.withdraw()
        peer.send(Pong(1), 1)
        peer.buffer_updated(5)
        writer.close()
        await writer.wait_closed()
        peer.abort()
        handler.welcome = True
        assert handler.told[:1] == (["withdrawn"] if welcome else [])
        assert "failed" not in str(handler.told)

    conversation(main)


def fill(peer: ControlPeer, messages: int) -> None:
    for number in range(messages):
        peer.send(Pong(number), number + 1)
    peer.flush()


def test_a_receiver_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_peer, "CLOSE_LIMIT", 0.05)

    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        client.writer.transport.pause_reading()
        while not handler.gone.is_set():
            fill(handler.peers[0], 1000)
            await asyncio.sleep(0)
        assert handler.told == [("handshake", 64), "fell behind", "disconnected"]

    conversation(main)


def test_a_receiver_that_was_too_slow_and_reads_after_all_learns_why_it_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_peer, "CLOSE_LIMIT", 15)
    answer = Error(ErrorCode.BAD_REQUEST, "x" * 256, Action.NONE)

    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        client.writer.transport.pause_reading()
        number = 0
        while "fell behind" not in handler.told:
            for _ in range(100):
                number += 1
                handler.peers[0].send(answer, number)
            handler.peers[0].flush()
            await asyncio.sleep(0)
        handler.peers[0].send(answer, number)
        client.connection._requests = dict.fromkeys(range(1, number + 1), Ping(1))
        client.writer.transport.resume_reading()
        events = [event async for event in client]
        assert {type(event) for event in events[:-1]} == {Replied}
        assert events[-1].message.code is ErrorCode.SLOW_CONSUMER
        assert handler.told[-1] == "disconnected"

    conversation(main)


def test_a_receiver_that_does_not_read_cannot_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_peer, "CLOSE_LIMIT", 0.05)

    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        client.writer.transport.pause_reading()
        transport = handler.peers[0]._transport
        assert transport is not None
        while transport.get_write_buffer_size() < 100_000:
            fill(handler.peers[0], 1000)
            await asyncio.sleep(0)
        handler.peers[0].close()
        handler.peers[0].close()
        await handler.gone.wait()

    conversation(main)


def test_pings_go_out_as_requests() -> None:
    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        handler.peers[0].send(Ping(9), 1)
        handler.peers[0].flush()
        event = await client.event()
        assert isinstance(event, Received)
        assert event.message == Ping(9)
        answers: list[Envelope] = []
        handler.act = lambda peer, envelope: answers.append(envelope)
        client.connection.reply(event.request_id, Pong(9))
        client.writer.write(client.connection.data_to_send())
        client.writer.write_eof()
        await handler.gone.wait()
        assert answers == [Envelope(Pong(9), event.request_id)]

    conversation(main)


def test_a_frame_is_charged_before_it_is_read_and_waits_as_long_as_it_is_told() -> None:
    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        handler.waits = [0.02, 0.1]
        got: list[float] = []
        handler.act = lambda peer, envelope: got.append(time.monotonic())
        began = time.monotonic()
        for number in range(3):
            client.connection.request(Ping(number))
        frames = client.connection.data_to_send()
        before = len(handler.charged)
        client.writer.write(frames)
        async with asyncio.timeout(10):
            while len(got) < 3:  # noqa: ASYNC110 - what happens on the server is told to nobody else
                await asyncio.sleep(0.005)
        assert got[0] - began >= 0.12
        size = len(frames) // 3
        assert handler.charged[before:] == [size] * 5, "the first one is charged again after each wait"

    conversation(main)


def test_what_is_sent_before_the_end_is_handled() -> None:
    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        handler.waits = [0.05]
        got: list[Any] = []
        handler.act = lambda peer, envelope: got.append(envelope.message)
        for number in range(20):
            client.connection.request(Ping(number))
        client.writer.write(client.connection.data_to_send())
        client.writer.write_eof()
        await handler.gone.wait()
        assert got == [Ping(number) for number in range(20)]

    conversation(main)


def test_who_has_to_wait_makes_the_server_hold_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_peer, "MAX_BYTES_BEFORE_LOGIN", 1 << 30)
    monkeypatch.setattr(control_peer, "MAX_HELD", 1000)

    async def main(handler: Handler, client: Client) -> None:
        await ping(client)
        handler.act = lambda peer, envelope: None
        handler.charge = lambda peer, size: 60.0  # type: ignore[method-assign]
        peer = handler.peers[0]
        for _ in range(20_000):
            client.connection.send(Close(ErrorCode.SHUTDOWN, "", Action.NONE))
        client.writer.write(client.connection.data_to_send())
        await asyncio.sleep(0.2)
        assert 0 < peer._connection.buffered <= control_peer.MAX_HELD + control_peer.READ_SIZE
        peer.abort()

    conversation(main)


def test_what_a_frame_takes_is_measured() -> None:
    async def main(handler: Handler, client: Client) -> None:
        def busy(peer: ControlPeer, envelope: Envelope) -> None:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            peer.send(Pong(0), envelope.request_id)

        handler.act = busy
        await ping(client)
        assert 20_000 <= handler.spends[-1] < 200_000
        assert max(handler.spends[:-1]) < 20_000

    conversation(main)
