"""The control server between its connections and the conference, over sockets of this machine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import pytest

from tcproto.control import ControlConnection, HandshakeCompleted, Received, Replied
from tcproto.errors import ErrorCode
from tcproto.messages import Close, Ping, Pong
from tcserver.conference import Conference, Disconnect, Send, Settings
from tcserver.daemon import control_server
from tcserver.daemon.control_server import ControlServer
from tests.support.conference.identities import SERVER

PATIENCE = 10.0


class Setup:
    """A control server and its conference, with the part of the daemon that carries effects out."""

    def __init__(self) -> None:
        self.now = 0.0
        self.conference = Conference(Settings(), SERVER, os.urandom, lambda: 0)
        self.server = ControlServer(self.conference, SERVER.secret, self.carry_out, lambda: self.now, self.failed)
        self.errors: list[OSError] = []

    def listen(self, port: int = 0) -> int:
        return self.server.listen(["127.0.0.1"], port, self.server.make_peer, "server.port")

    def failed(self, error: OSError) -> None:
        self.errors.append(error)

    def carry_out(self, effects: list) -> None:
        for effect in effects:
            match effect:
                case Send(connection, message, request_id):
                    self.server.send(connection, message, request_id)
                case Disconnect(connection):
                    self.server.disconnect(connection)
        while self.server.flush():
            pass


class Dialled:
    """A client after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connection = ControlConnection.client()

    async def event(self) -> object:
        """The next event, or None at the end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.writer.write(self.connection.data_to_send())
                if (event := self.connection.next_event()) is not None:
                    return event
                data = await self.reader.read(4096)
                if not data:
                    return None
                self.connection.receive_data(data)


def closing_code(event: object) -> ErrorCode:
    assert isinstance(event, Received)
    assert isinstance(event.message, Close)
    return event.message.code


@contextlib.asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Dialled]:
    """A connection that was taken, and is closed behind."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Dialled(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def greeted(port: int) -> AsyncIterator[Dialled]:
    """A connection after the handshake."""
    async with dialled(port) as client:
        assert isinstance(await client.event(), HandshakeCompleted)
        yield client


def test_messages_pass_between_a_client_and_the_conference() -> None:
    async def main() -> None:
        setup = Setup()
        async with greeted(setup.listen()) as client:
            client.connection.request(Ping(7))
            assert await client.event() == Replied(Ping(7), Pong(7), 1)
            assert len(setup.server.peers) == setup.conference.connections == 1
        await setup.server.stop_listening()
        await setup.server.close()
        assert len(setup.server.peers) == setup.conference.connections == 0

    asyncio.run(main())


def test_connections_that_are_cut_are_lost_without_a_word() -> None:
    async def main() -> None:
        setup = Setup()
        async with greeted(setup.listen()) as client:
            client.connection.request(Ping(7))
            await client.event()
            setup.server.cut()
            with contextlib.suppress(ConnectionResetError):
                assert await client.event() is None
        await setup.server.stop_listening()
        await setup.server.close()
        assert len(setup.server.peers) == setup.conference.connections == 0

    asyncio.run(main())


def test_a_client_that_breaks_the_protocol_is_told_so_and_forgotten() -> None:
    async def main() -> None:
        setup = Setup()
        async with greeted(setup.listen()) as client:
            client.writer.write(b"\x00\x00")
            assert closing_code(await client.event()) is ErrorCode.BAD_FRAME
            assert setup.conference.connections == 0
        await setup.server.stop_listening()
        await setup.server.close()

    asyncio.run(main())


def test_all_are_told_of_the_end_and_none_is_taken_after_it() -> None:
    async def main() -> None:
        setup = Setup()
        port = setup.listen()
        async with greeted(port) as first, greeted(port) as second:
            setup.carry_out(setup.conference.shutdown("", 5000, setup.now))
            for client in (first, second):
                assert closing_code(await client.event()) is ErrorCode.SHUTDOWN
            async with dialled(port) as late:
                with contextlib.suppress(ConnectionError):
                    assert await late.event() is None
            await setup.server.stop_listening()
        await setup.server.close()
        assert setup.server.peers == {}
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(main())


def test_who_keeps_the_connection_open_does_not_delay_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "DRAIN_LIMIT", 0.05)

    async def main() -> None:
        setup = Setup()
        async with greeted(setup.listen()) as client:
            await setup.server.stop_listening()
            async with asyncio.timeout(PATIENCE):
                await setup.server.close()
            assert setup.server.peers == {}
            with contextlib.suppress(ConnectionError):
                assert await client.event() is None

    asyncio.run(main())


def test_a_port_that_is_in_use_is_named_in_the_error() -> None:
    async def main() -> None:
        setup, other = Setup(), Setup()
        port = setup.listen()
        with pytest.raises(OSError, match=f"server.port: TCP port {port}"):
            other.listen(port)
        await setup.server.stop_listening()
        assert setup.errors == other.errors == []

    asyncio.run(main())


def test_messages_for_who_is_gone_go_nowhere() -> None:
    async def main() -> None:
        server = Setup().server
        server.send(4711, Pong(1), 1)
        server.disconnect(4711)
        assert not server.flush()

    asyncio.run(main())
