"""What somebody with an account can throw at a server, each as fast as one process can: see `attack`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count

from benchmarks.light_clients import Clients
from benchmarks.line import Line
from benchmarks.native import Volley
from benchmarks.report import BenchmarkError
from benchmarks.seat import Seat
from benchmarks.server import Server
from tcproto import codec
from tcproto.control import FRAME_DATAGRAM, FRAME_MESSAGE
from tcproto.datagram import Item, ItemType
from tcproto.messages import (
    AddressedBox,
    Chat,
    ChatScope,
    GetSnapshot,
    KeyBoxes,
    KeyframeRequest,
    Kind,
    OpenRoom,
    Publish,
    Source,
    StreamChoice,
    Subscribe,
    Unpublish,
    encode,
)
from tcproto.path import PingItem

HALL = "hall"
SEATS = 3
"""Of the attacker."""
PREPARED = 20_000
"""Datagrams that are sealed beforehand: sealing is slower than sending."""
BATCH = 64
"""Datagrams sent at once."""
RETRY = 1.0
"""Seconds until an attacker who was thrown out comes back."""


class Attacker:
    """An account with a few seats in the room of the call."""

    def __init__(self, clients: Clients, server: Server) -> None:
        self._clients = clients
        self._server = server
        self.numbers = count(1)

    async def seat(self) -> tuple[Line, Seat]:
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

    def requests(self, make: Callable[[int], object]) -> Iterator[bytes]:
        """Return requests without end, made of their numbers."""
        return (encode(make(number), number) for number in self.numbers)

    async def datagrams(self, rate: float, *items: Item) -> None:
        """Send datagrams, all the same but for their counter, at a rate per second."""
        _, seat = await self.seat()
        seat.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        loop = asyncio.get_running_loop()
        while True:
            sealed = [seat.up(*items) for _ in range(PREPARED)]
            volley = Volley(seat.socket, self._server.address, sealed, 1)
            began = loop.time()
            for at in range(0, PREPARED, BATCH):
                volley.fire(at, min(at + BATCH, PREPARED))
                await asyncio.sleep(max(0.0, began + (at + BATCH) / rate - loop.time()))


def _boxes(attacker: Attacker) -> Awaitable[None]:
    boxes = tuple(AddressedBox(n, os.urandom(300)) for n in range(64))
    return attacker.flood_from_all(FRAME_MESSAGE, iter(lambda: encode(KeyBoxes(boxes)), None))


def _subscriptions(attacker: Attacker) -> Awaitable[None]:
    choices = tuple(StreamChoice(n) for n in range(1024))
    return attacker.flood_from_all(FRAME_MESSAGE, attacker.requests(lambda n: Subscribe(n, (Source.CAMERA,), choices)))


def _unknown(attacker: Attacker) -> Awaitable[None]:
    body = codec.pack({"t": "future", "id": 1, "x": [list(range(1000))] * 16})
    return attacker.flood_from_all(FRAME_MESSAGE, iter(lambda: body, None))


def _tunnel(attacker: Attacker) -> Awaitable[None]:
    return attacker.flood_from_all(FRAME_DATAGRAM, iter(lambda: bytes(1200), None))


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
    "key boxes": _boxes,
    "subscriptions": _subscriptions,
    "unknown messages": _unknown,
    "tunnel frames": _tunnel,
    "texts": _texts,
    "snapshots": _snapshots,
    "publications": _publications,
    "rooms": _rooms,
    "keyframe requests": _keyframes,
    "empty items": _items,
    "pings": _pings,
}
"""By name; each goes on until it is cancelled."""
