"""Media planes that share a room, wired as their workers are, without sockets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from tcproto.datagram import Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as StreamKind
from tcserver.media import Counters, Drop, MediaPlane
from tcserver.media.interface import (
    Address,
    ChangeForwarding,
    Command,
    Event,
    OpenSealer,
    OpenSeat,
    OpenStream,
    PathProven,
    Receiver,
    ShareRoom,
)
from tcserver.media.relay.wire import Message, parse_head
from tcserver.media.workers.router import Router
from tests.support.media.world import CAPS, MediaClient, deliveries, open_room, packet_item

ROOM = 1
Sent = list[tuple[Address, bytes]]


def sealer_of(worker: int, life: int = 0) -> int:
    return 0x5EA0 + worker + 0x100 * life


def key_of(worker: int) -> bytes:
    return bytes([worker]) * 32


class Workers:
    """A room on so many planes, each with a sealer. ``loses`` tells which relayed messages do not arrive."""

    def __init__(self, count: int) -> None:
        self.now = 100.0
        self.addresses = [Address(1, "127.0.0.1", 9000 + worker) for worker in range(count)]
        self.random = random.Random(1)
        self.planes = [self.plane(worker) for worker in range(count)]
        self.router = Router()
        self.events: list[Event] = []
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.relayed: list[tuple[int, int, bytes]] = []
        """(from, to, message) of each message, whether it arrived or not."""
        for worker in range(count):
            self.apply(OpenSealer(ROOM, sealer_of(worker), 0, key_of(worker), worker))
        self.share()

    def plane(self, worker: int) -> MediaPlane:
        return MediaPlane(self.random.randbytes, worker=worker, peers=self.addresses)

    def share(self) -> None:
        if len(self.planes) > 1:
            self.apply(ShareRoom(ROOM, 0, tuple(range(len(self.planes)))))

    def replace(self, worker: int, life: int = 1) -> None:
        """Replace the process of a worker. Its seats are lost."""
        self.planes[worker] = self.plane(worker)
        self.apply(OpenSealer(ROOM, sealer_of(worker, life), 0, key_of(worker), worker))
        self.share()

    def apply(self, *commands: Command) -> None:
        for command in commands:
            for worker in self.router.workers(command):
                self.planes[worker].apply(command, self.now)

    def join(self, number: int, worker: int, prove: bool = True) -> MediaClient:
        client = MediaClient(number << 8 | worker, Address(0, f"10.0.0.{number}", 5000))
        self.apply(OpenSeat(client.media_id, ROOM, number, 0, client.up_key, client.down_key))
        if prove:
            self.prove(client)
        return client

    def prove(self, client: MediaClient) -> None:
        self.now += 1
        (token,) = [
            item.value
            for _, answer in self.receive(client, client.ping())
            for item in client.open_down(answer)
            if item.type == ItemType.PATH_CHALLENGE
        ]
        self.receive(client, client.up(Item(ItemType.PATH_RESPONSE, token)))
        assert PathProven(client.media_id, client.address) in self.take_events()

    def publish(
        self,
        client: MediaClient,
        stream: int,
        to: Iterable[MediaClient | Receiver],
        kind: StreamKind | None = StreamKind.AUDIO,
    ):
        receivers = tuple(r if isinstance(r, Receiver) else Receiver(r.media_id) for r in to)
        self.apply(OpenStream(stream, client.media_id, kind, CAPS), ChangeForwarding(ROOM, (stream,), receivers))

    def receive(self, client: MediaClient, *datagrams: bytes) -> Sent:
        """Return what clients are sent when datagrams come from the client."""
        self.planes[client.media_id & 0xFF].receive([(datagram, client.address) for datagram in datagrams], self.now)
        return self.exchange()

    def poll(self, seconds: float = 0.0) -> Sent:
        """Let time pass."""
        self.now += seconds
        for plane in self.planes:
            plane.poll(self.now)
        return self.exchange()

    def exchange(self) -> Sent:
        """Deliver everything between the planes, and return what goes to clients."""
        to_clients: Sent = []
        busy = True
        while busy:
            busy = False
            for worker, plane in enumerate(self.planes):
                for address, data in deliveries(plane.take_transmissions()):
                    busy = True
                    if address not in self.addresses:
                        to_clients.append((address, data))
                        continue
                    target = self.addresses.index(address)
                    self.relayed.append((worker, target, data))
                    if not self.loses(data):
                        self.planes[target].receive_relayed([(data, self.addresses[worker])], self.now)
        for plane in self.planes:
            self.events += plane.take_events()
            assert (failed := plane.faults.take()) is None, failed
        return to_clients

    def take_events(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def messages(self, kind: Message) -> list[tuple[int, int]]:
        """Return (from, to) of the relayed messages of a kind since the last call, and forget all messages."""
        found = [(worker, target) for worker, target, data in self.relayed if parse_head(data)[0] == kind]
        self.relayed = []
        return found

    def drops(self, worker: int) -> dict[Drop, int]:
        counters: Counters = self.planes[worker].counters
        drops = {reason: count for reason, count in counters.drops.items() if count}
        counters.drops.update(dict.fromkeys(Drop, 0))
        return drops


def packets(sent: Sent) -> dict[Address, list[bytes]]:
    """Return what the room datagrams bring to each client: item type, forward number and packet."""
    found: dict[Address, list[bytes]] = {}
    for address, data in sent:
        header = parse_header(data)
        if header.kind == Kind.ROOM:
            for item in open_room(data, key_of(header.id & 0xFF ^ 0xA0)):
                found.setdefault(address, []).append(bytes([item.type]) + item.value)
    return found


def crowd(workers: Workers, numbers: tuple[int, ...]) -> list[MediaClient]:
    return [workers.join(number, worker) for number, worker in enumerate(numbers, 1)]


def send(workers: Workers, client: MediaClient, packet: bytes) -> Sent:
    return workers.receive(client, client.up(packet_item(packet)))
