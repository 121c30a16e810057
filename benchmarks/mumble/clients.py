"""Light clients of a Mumble server: they log in, go to a channel and show their UDP address, but play nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, Self, TypeVar

from benchmarks.harness.light_clients import AT_ONCE, REPLY_LIMIT
from benchmarks.harness.media_client import PROOF_LIMIT, RECEIVE_BYTES
from benchmarks.harness.report import BenchmarkError
from benchmarks.mumble.server import MumbleServer
from benchmarks.mumble.wire import (
    FRAME_HEADER,
    FRAMES_PER_PACKET,
    Direction,
    MessageType,
    Voice,
    pack_message,
    pack_ping,
    pack_voice,
    parse_fields,
    parse_voice,
)

T = TypeVar("T")
VERSION = 0x010304
"""1.3.4, whose voice packets these are: later servers speak to such a client as this one does."""
ADMINISTRATOR = "SuperUser"
ROOT = 0
"""The channel in which everybody arrives."""
Fields = dict[int, int | bytes]
UdpSocket = socket.socket


class Guest:
    """Somebody in a channel, with a UDP socket."""

    def __init__(self, line: _Line, host: str, session: int, crypt: Fields) -> None:
        key, up, down = (_data(crypt, number) for number in (1, 2, 3))
        self.line = line
        self.session = session
        self.socket: UdpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.bind((host, 0))
        self.up = Direction(key, up)
        self.down = Direction(key, down)
        self._sequence = 0

    def say(self, opus: bytes) -> bytes:
        """Return the next datagram of voice, 20 ms of it."""
        packet = pack_voice(self._sequence, opus)
        self._sequence += FRAMES_PER_PACKET
        return self.up.seal(packet)

    def hear(self) -> Voice:
        """Wait for a datagram of voice; raises ``BenchmarkError``, also for anything else."""
        self.socket.settimeout(PROOF_LIMIT)
        try:
            return parse_voice(self.down.open(self.socket.recv(2048)))
        except (TimeoutError, ValueError) as error:
            raise BenchmarkError(f"Mumble's server sends no voice: {error}") from None
        finally:
            self.socket.setblocking(False)

    def ping(self, server: tuple[str, int]) -> None:
        """Send what the server answers."""
        self.socket.sendto(self.up.seal(pack_ping(self.session)), server)

    def prove(self, server: tuple[str, int]) -> None:
        """Show the UDP address, and see that it works both ways; raises ``BenchmarkError``."""
        self.socket.settimeout(PROOF_LIMIT)
        try:
            self.ping(server)
            while self.down.open(self.socket.recv(2048)) != pack_ping(self.session):
                pass
        except (TimeoutError, ValueError) as error:
            raise BenchmarkError(f"Mumble's server does not answer over UDP: {error}") from None
        finally:
            self.socket.setblocking(False)


class Guests:
    """Light clients of a server, whose control connections stay open; a context manager that closes them.

    Each has an address of its own, as in a network: the server looks for the sender of a first datagram among all
    whose connection comes from the same one.
    """

    def __init__(self, server: MumbleServer) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self._lines: list[_Line] = []
        self._guests: list[Guest] = []
        # The server has made its certificate itself a moment ago, on this machine.
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.transport.abort()
        self._runner.run(asyncio.sleep(0))
        self._runner.close()
        for guest in self._guests:
            guest.socket.close()

    def open_channels(self, names: Sequence[str]) -> list[int]:
        """Make channels, as the administrator; return their ids."""
        return self._runner.run(self._limited(self._open_channels(names)))

    def join(self, channel: int, participants: int) -> list[Guest]:
        """Let participants join a channel."""
        guests = self._runner.run(self._at_once(channel, participants))
        self._guests += guests
        return guests

    def prove(self) -> None:
        """Prove all UDP addresses."""
        for guest in self._guests:
            guest.prove(self._server.address)

    def agree(self, guests: Sequence[Guest]) -> None:
        """Let the server go on from the nonces of some, and these from the server's.

        This is for talkers that have sealed packets without sending them, and listeners that have not opened their
        packets.
        """
        self._runner.run(self._limited(_agree(guests)))

    def rest(self, seconds: float) -> None:
        """Let time pass, and take what the server tells over the control connections."""
        self._runner.run(asyncio.sleep(seconds))

    async def _open_channels(self, names: Sequence[str]) -> list[int]:
        line, _ = await self._dial()
        await line.log_in(ADMINISTRATOR, self._server.administrator_password)
        return [await _open_channel(line, name) for name in names]

    async def _at_once(self, channel: int, participants: int) -> list[Guest]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def join() -> Guest:
            async with turn:
                return await self._limited(self._join(channel))

        return list(await asyncio.gather(*(join() for _ in range(participants))))

    async def _join(self, channel: int) -> Guest:
        line, host = await self._dial()
        session, crypt = await line.log_in(f"guest-{host}")
        await line.request(
            pack_message(MessageType.USER_STATE, {1: session, 5: channel}),
            MessageType.USER_STATE,
            lambda fields: (fields.get(1), fields.get(5)) == (session, channel),
        )
        return Guest(line, host, session, crypt)

    async def _dial(self) -> tuple[_Line, str]:
        number = len(self._lines) + 1
        host = f"127.1.{number >> 8}.{number & 0xFF}"
        line = _Line()
        self._lines.append(line)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: line, *self._server.address, ssl=self._tls, local_addr=(host, 0))
        return line, host

    async def _limited(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(REPLY_LIMIT):
                return await work
        except TimeoutError:
            raise BenchmarkError("Mumble's server does not reply") from None


async def _open_channel(line: _Line, name: str) -> int:
    reply = await line.request(
        pack_message(MessageType.CHANNEL_STATE, {2: ROOT, 3: name}),
        MessageType.CHANNEL_STATE,
        lambda fields: fields.get(3) == name.encode(),
    )
    return _number(reply, 1)


async def _agree(guests: Sequence[Guest]) -> None:
    for guest in guests:
        line = guest.line
        line.send(pack_message(MessageType.CRYPT_SETUP, {2: guest.up.nonce}))
        # It has taken that when it replies to what follows.
        crypt = await line.request(pack_message(MessageType.CRYPT_SETUP, {}), MessageType.CRYPT_SETUP)
        guest.down.nonce = _data(crypt, 3)


class _Wish(NamedTuple):
    """A message that somebody waits for."""

    kind: MessageType
    suits: Callable[[Fields], bool]
    reply: asyncio.Future[Fields]


class _Line(asyncio.Protocol):
    """A control connection, which reads only what somebody waits for: the server tells everybody about everybody."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._buffer = bytearray()
        self._wishes: list[_Wish] = []

    def expect(self, kind: MessageType, suits: Callable[[Fields], bool] = bool) -> asyncio.Future[Fields]:
        """Return what will have the next message that suits, or ``BenchmarkError`` for a refusal."""
        reply: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._wishes.append(_Wish(kind, suits, reply))
        return reply

    def send(self, message: bytes) -> None:
        """Send a message."""
        self.transport.write(message)

    async def request(self, message: bytes, kind: MessageType, suits: Callable[[Fields], bool] = bool) -> Fields:
        """Send a message and return the reply; raises ``BenchmarkError`` for a refusal."""
        reply = self.expect(kind, suits)
        self.send(message)
        return await reply

    async def log_in(self, name: str, password: str = "") -> tuple[int, Fields]:
        """Return the session, and the key and the nonces of its voice; raises ``BenchmarkError`` for a refusal."""
        crypt, welcome = self.expect(MessageType.CRYPT_SETUP), self.expect(MessageType.SERVER_SYNC)
        self.send(pack_message(MessageType.VERSION, {1: VERSION, 2: "benchmark"}))
        self.send(pack_message(MessageType.AUTHENTICATE, {1: name, 2: password, 5: 1}))
        return _number(await welcome, 1), await crypt

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) >= at + FRAME_HEADER:
            kind = int.from_bytes(buffer[at : at + 2], "big")
            end = at + FRAME_HEADER + int.from_bytes(buffer[at + 2 : at + FRAME_HEADER], "big")
            if len(buffer) < end:
                break
            if self._wishes:
                self._received(kind, bytes(buffer[at + FRAME_HEADER : end]))
            at = end
        del buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        self._refused("the end of the connection")

    def _received(self, kind: int, body: bytes) -> None:
        if kind in (MessageType.REJECT, MessageType.PERMISSION_DENIED):
            fields = parse_fields(body)
            reason = fields.get(2 if kind == MessageType.REJECT else 4, b"")
            self._refused(f"{MessageType(kind).name} {reason!r}")
        for wish in self._wishes:
            if wish.kind == kind and wish.suits(fields := parse_fields(body)):
                self._wishes.remove(wish)
                if not wish.reply.done():
                    wish.reply.set_result(fields)
                return

    def _refused(self, how: str) -> None:
        for wish in self._wishes:
            if not wish.reply.done():
                wish.reply.set_exception(BenchmarkError(f"Mumble's server refuses: {how}"))
        self._wishes.clear()


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int):
        raise BenchmarkError(f"Mumble's server leaves out number {number}")
    return value


def _data(fields: Fields, number: int) -> bytes:
    value = fields.get(number)
    if not isinstance(value, bytes):
        raise BenchmarkError(f"Mumble's server leaves out bytes {number}")
    return value
