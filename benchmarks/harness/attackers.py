"""What can be thrown at a server with an account or without, each as fast as one process can: see ``attack``."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count

from benchmarks.harness.control_client import ControlClient
from benchmarks.harness.light_clients import Clients
from benchmarks.harness.media_client import MediaClient
from benchmarks.harness.mmsg import DatagramBatch
from benchmarks.harness.processes import need_files
from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.server import OTHER_FILES, OTHERS, Server
from benchmarks.harness.web_attackers import (
    ELSEWHERE,
    ask_from_elsewhere,
    open_streams,
    send_endless_headers,
    shake_hands_slowly,
)
from tcproto import codec
from tcproto.control import FRAME_MESSAGE
from tcproto.datagram import Item, ItemType
from tcproto.messages import (
    AddressedBox,
    Chat,
    ChatScope,
    GetSnapshot,
    KeyBoxes,
    KeyframeRequest,
    Kind,
    Login,
    LoginBegin,
    OpenRoom,
    Publish,
    Source,
    StreamChoice,
    Subscribe,
    Unpublish,
    encode,
)
from tcproto.messages.types import MAX_CHOICES
from tcproto.path import PingItem

HALL = "hall"
CORRIDOR = "corridor"
ATTACKER, COLLEAGUE = OTHERS
SEATS = 3
"""Of the attacker."""
PREPARED = 20_000
"""Datagrams that are sealed beforehand: sealing is slower than sending."""
BATCH = 64
"""Datagrams sent at once."""
SILENT = 1024
"""Connections that send nothing."""
AT_ONCE = 16
"""Who logs in, or comes and goes, at a time."""
RETRY = 1.0
"""Seconds until an attacker that was disconnected comes back."""


class Attacker:
    """An account with a few seats in the room of the call."""

    def __init__(self, clients: Clients, server: Server) -> None:
        self._clients = clients
        self._server = server
        self.numbers = count(1)

    @property
    def address(self) -> tuple[str, int]:
        """Address and port of the server."""
        return self._server.address

    async def seat(self) -> tuple[ControlClient, MediaClient]:
        """Take a seat, with a path that is proved."""
        line, seat = await self._clients.guest(HALL)
        await seat.prove_beside(self._server.address)
        return line, seat

    async def flood(self, frame_type: int, bodies: Iterator[bytes]) -> None:
        """Throw frames at the server from one seat; come back when it is taken away."""
        while True:
            with suppress(BenchmarkError):
                line, _ = await self.seat()
                while not line.is_closed:
                    await line.throw(frame_type, next(bodies))
            await asyncio.sleep(RETRY)

    async def flood_from_all(self, frame_type: int, bodies: Iterator[bytes]) -> None:
        """The same from all seats."""
        await asyncio.gather(*(self.flood(frame_type, bodies) for _ in range(SEATS)))

    async def connect_silently(self) -> None:
        """Hold connections, and open another one for each that the server closes."""
        need_files(SILENT + OTHER_FILES)

        async def hold() -> None:
            while True:
                with suppress(OSError):
                    reader, writer = await asyncio.open_connection(*self._server.address)
                    try:
                        await reader.read()
                    finally:
                        writer.close()
                await asyncio.sleep(RETRY)

        await asyncio.gather(*(hold() for _ in range(SILENT)))

    async def repeat(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do it again and again, several at a time, whatever the server says."""

        async def repeat() -> None:
            while True:
                with suppress(BenchmarkError, OSError):
                    async with asyncio.timeout(RETRY):
                        await work()
                await asyncio.sleep(0)

        await asyncio.gather(*(repeat() for _ in range(AT_ONCE)))

    async def log_in(self) -> None:
        """Log in with signatures that the server checks in vain, and hang up."""
        _, line = await asyncio.get_running_loop().create_connection(ControlClient, *self._server.address)
        try:
            await line.hello
            await line.request(LoginBegin(ATTACKER))
            await line.request(Login(ATTACKER, "Nobody", os.urandom(32), os.urandom(64), os.urandom(64)))
        finally:
            line.transport.abort()

    async def visit(self) -> None:
        """Log in, take a seat in another room, and hang up."""
        line, seat = await self._clients.guest(CORRIDOR)
        seat.socket.close()
        line.transport.abort()

    def requests(self, make: Callable[[int], object]) -> Iterator[bytes]:
        """Return requests without end, made of their numbers."""
        return (encode(make(number), number) for number in self.numbers)

    async def datagrams(self, rate: float, *items: Item) -> None:
        """Send datagrams at a rate per second, which differ in their counter only."""
        _, seat = await self.seat()
        seat.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        loop = asyncio.get_running_loop()
        while True:
            sealed = [seat.up(*items) for _ in range(PREPARED)]
            batch = DatagramBatch(seat.socket, self._server.address, sealed, 1)
            began = loop.time()
            for at in range(0, PREPARED, BATCH):
                batch.fire(at, min(at + BATCH, PREPARED))
                await asyncio.sleep(max(0.0, began + (at + BATCH) / rate - loop.time()))


def _silence(attacker: Attacker) -> Awaitable[None]:
    return attacker.connect_silently()


def _logins(attacker: Attacker) -> Awaitable[None]:
    return attacker.repeat(attacker.log_in)


def _visits(attacker: Attacker) -> Awaitable[None]:
    return attacker.repeat(attacker.visit)


def _boxes(attacker: Attacker) -> Awaitable[None]:
    boxes = tuple(AddressedBox(n, os.urandom(300)) for n in range(64))
    return attacker.flood_from_all(FRAME_MESSAGE, iter(lambda: encode(KeyBoxes(boxes)), None))


def _subscriptions(attacker: Attacker) -> Awaitable[None]:
    choices = tuple(StreamChoice(n) for n in range(MAX_CHOICES))
    return attacker.flood_from_all(FRAME_MESSAGE, attacker.requests(lambda n: Subscribe(n, (Source.CAMERA,), choices)))


def _unknown(attacker: Attacker) -> Awaitable[None]:
    body = codec.pack({"t": "future", "id": 1, "x": [list(range(1000))] * 16})
    return attacker.flood_from_all(FRAME_MESSAGE, iter(lambda: body, None))


def _texts(attacker: Attacker) -> Awaitable[None]:
    text = "x" * 2000
    requests = attacker.requests(lambda n: Chat(n.to_bytes(16, "big"), ChatScope.ROOM, text))
    return attacker.flood_from_all(FRAME_MESSAGE, requests)


def _snapshots(attacker: Attacker) -> Awaitable[None]:
    return attacker.flood_from_all(FRAME_MESSAGE, attacker.requests(lambda _: GetSnapshot()))


def _publications(attacker: Attacker) -> Awaitable[None]:
    def make(number: int) -> object:
        if number % 2:
            return Publish(number, Kind.AUDIO, Source.MICROPHONE, "opus")
        return Unpublish(number - 1)

    return attacker.flood_from_all(FRAME_MESSAGE, attacker.requests(make))


def _rooms(attacker: Attacker) -> Awaitable[None]:
    return attacker.flood_from_all(FRAME_MESSAGE, attacker.requests(lambda n: OpenRoom(f"room {n}", e2ee=False)))


def _keyframes(attacker: Attacker) -> Awaitable[None]:
    asked = (encode(KeyframeRequest(n % 64, 0)) for n in attacker.numbers)
    return attacker.flood_from_all(FRAME_MESSAGE, asked)


def _items(attacker: Attacker) -> Awaitable[None]:
    return attacker.datagrams(5_000, *[Item(ItemType.PADDING, b"")] * 380)


def _pings(attacker: Attacker) -> Awaitable[None]:
    return attacker.datagrams(40_000, Item(ItemType.PING, PingItem(1, 2).pack()))


ATTACKS: Mapping[str, Callable[[Attacker], Awaitable[None]]] = {
    "silent connections": _silence,
    "wrong logins": _logins,
    "visits": _visits,
    "key boxes": _boxes,
    "subscriptions": _subscriptions,
    "unknown messages": _unknown,
    "texts": _texts,
    "snapshots": _snapshots,
    "publications": _publications,
    "rooms": _rooms,
    "keyframe requests": _keyframes,
    "empty items": _items,
    "pings": _pings,
    "WebSockets": lambda attacker: open_streams(attacker.address),
    "WebSockets of other pages": lambda attacker: ask_from_elsewhere(attacker.address),
    "slow TLS handshakes": lambda attacker: shake_hands_slowly(attacker.address),
    "slow TLS from elsewhere": lambda attacker: shake_hands_slowly(attacker.address, ELSEWHERE),
    "endless headers": lambda attacker: send_endless_headers(attacker.address),
}
"""By name; each goes on until it is cancelled."""
