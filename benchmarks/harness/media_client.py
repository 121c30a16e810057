"""A seat of a light client: it proves its path, and plays nothing."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections import Counter

from benchmarks.harness.report import BenchmarkError
from tcproto.datagram import (
    RELAY_TIME_SIZE,
    Item,
    ItemType,
    Kind,
    open_datagram,
    pack_header,
    pack_items,
    parse_header,
    parse_items,
    seal,
)
from tcproto.messages import Joined, RoomKey
from tcproto.path import PingItem

PROOF_LIMIT = 20.0
"""Seconds within which an answer has to come: a busy machine takes its time."""
RECEIVE_BYTES = 1 << 20
"""Socket buffer of a client: some hundreds of datagrams, until the drain comes by."""
FORWARD_NUMBER_SIZE = 2
PING = Item(ItemType.PING, PingItem(1, 2).pack())


class Seat(ABC):
    """A seat of a light client, whichever way its datagrams take."""

    def __init__(self, joined: Joined) -> None:
        self.media_id = joined.media_id
        self.ident = joined.media_id.to_bytes(4, "big")
        self.streams: list[int] = []
        """Stream ids of what it publishes."""
        self.packets = 0
        """Number of its next packet, over all streams."""
        self.pictures: Counter[int] = Counter()
        """How many it has begun, by stream."""
        self.sealers = [key.sealer for key in joined.room_keys]
        """Ids of those that seal for the room."""
        self._joined = joined
        self._room_keys = {(key.sealer, key.epoch): key.key for key in joined.room_keys}
        self._counter = 0

    @abstractmethod
    def send(self, datagram: bytes, server: tuple[str, int]) -> None:
        """Send a datagram."""

    def up(self, *items: Item) -> bytes:
        """Return the next datagram to the server."""
        joined = self._joined
        header = pack_header(Kind.UP, joined.epoch, joined.media_id, self._counter)
        self._counter += 1
        return seal(header, pack_items(list(items)), joined.up_key)

    def learn(self, key: RoomKey) -> None:
        """Take the next key of the room."""
        self._room_keys[key.sealer, key.epoch] = key.key

    def forwarded(self, data: bytes) -> bytes | None:
        """Return the packet that a room datagram begins with; None for other datagrams, and later keys."""
        header = parse_header(data)
        key = self._room_keys.get((header.id, header.epoch))
        if header.kind != Kind.ROOM or key is None:
            return None
        items = parse_items(open_datagram(data, key), RELAY_TIME_SIZE)
        return items[0].value[FORWARD_NUMBER_SIZE:] if items and items[0].type == ItemType.PACKET else None

    def token(self, data: bytes) -> bytes | None:
        """Return the token of a path challenge in a datagram; None where there is none."""
        if parse_header(data).kind != Kind.DOWN:
            return None
        items = parse_items(open_datagram(data, self._joined.down_key))
        return next((item.value for item in items if item.type == ItemType.PATH_CHALLENGE), None)


class MediaClient(Seat):
    """A seat on a UDP socket of its own."""

    def __init__(self, joined: Joined, host: str = "127.0.0.1") -> None:
        super().__init__(joined)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.socket.bind((host, 0))
        self.address: tuple[str, int] = self.socket.getsockname()

    def send(self, datagram: bytes, server: tuple[str, int]) -> None:
        """Send a datagram."""
        self.socket.sendto(datagram, server)

    def ping(self, server: tuple[str, int]) -> None:
        """Keep the path from being given up."""
        self.send(self.up(PING), server)

    def prove(self, server: tuple[str, int]) -> None:
        """Show that datagrams arrive here; raises ``BenchmarkError``."""
        self.socket.settimeout(PROOF_LIMIT)
        try:
            self.ping(server)
            while (token := self.token(self.socket.recv(2048))) is None:
                pass
            self.socket.sendto(self.up(Item(ItemType.PATH_RESPONSE, token)), server)
        except TimeoutError:
            raise BenchmarkError("the server does not ask for the proof of a path") from None
        self.socket.setblocking(False)

    async def prove_beside(self, server: tuple[str, int]) -> None:
        """Do the same while others do other things; raises ``BenchmarkError``."""
        self.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PROOF_LIMIT):
                self.ping(server)
                while (token := self.token(await loop.sock_recv(self.socket, 2048))) is None:
                    pass
        except TimeoutError:
            raise BenchmarkError("the server does not ask for the proof of a path") from None
        self.socket.sendto(self.up(Item(ItemType.PATH_RESPONSE, token)), server)
