"""Clients of a media plane, which seal, open and keep the keys, and a plane with a room full of them."""

from collections.abc import Iterable

from tcproto.datagram import (
    HEADER_SIZE,
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
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import AudioHeader, VideoHeader
from tcproto.path import PingItem
from tcserver.media import Drop, MediaPlane, Transmission
from tcserver.media.forwarding.path import MOVE_INTERVAL
from tcserver.media.interface import (
    Address,
    ChangeForwarding,
    Event,
    OpenSealer,
    OpenSeat,
    OpenStream,
    PathProven,
    Receiver,
)

ROOM_KEY = bytes(range(32))
SEALER = 0x5EA1
CAPS = Caps(bitrate=2_000_000, packets_per_second=1000)


def audio(stream: int, sequence: int = 0, body: bytes = b"body", **fields) -> bytes:
    return AudioHeader(stream, 1, 0, sequence, sequence * 960 & 0xFFFFFFFF, **fields).pack() + body


def video(stream: int, sequence: int = 0, body: bytes = b"body", **fields) -> bytes:
    return VideoHeader(stream, 1, 0, sequence, 0, 0, 0, 1, **fields).pack() + body


def keyframe(stream: int, sequence: int = 0, body: bytes = b"body", **fields) -> bytes:
    return video(stream, sequence, body, keyframe=True, reference=0, **fields)


def packet_item(packet: bytes) -> Item:
    return Item(ItemType.PACKET, packet)


class MediaClient:
    """A client: it seals up datagrams, and opens down and room datagrams."""

    def __init__(self, media_id: int, address: Address) -> None:
        self.media_id = media_id
        self.address = address
        self.up_key = media_id.to_bytes(4, "big") * 8
        self.down_key = bytes(reversed(self.up_key))
        self.epoch = 0
        self.counter = 0

    def up(self, *items: Item, counter: int | None = None) -> bytes:
        if counter is None:
            counter, self.counter = self.counter, self.counter + 1
        return seal(pack_header(Kind.UP, self.epoch, self.media_id, counter), pack_items(list(items)), self.up_key)

    def ping(self) -> bytes:
        return self.up(Item(ItemType.PING, PingItem(1, 2).pack()))

    def open_down(self, datagram: bytes) -> list[Item]:
        header = parse_header(datagram)
        assert (header.kind, header.id) == (Kind.DOWN, self.media_id)
        return parse_items(open_datagram(datagram, self.down_key))


def open_room(datagram: bytes, key: bytes = ROOM_KEY) -> list[Item]:
    assert parse_header(datagram).kind == Kind.ROOM
    return parse_items(open_datagram(datagram, key), RELAY_TIME_SIZE)


def deliveries(transmissions: Iterable[Transmission]) -> list[tuple[Address, bytes]]:
    """Return each (address, datagram) that a sender would send."""
    return [
        (address, datagram)
        for datagram, receivers, skip in transmissions
        for index, address in enumerate(receivers.addresses)
        if index != skip
    ]


class World:
    """A plane with one room and its participants, whose paths are proven."""

    def __init__(self, participants: int = 3) -> None:
        self.now = 100.0
        self.random = 0
        self.plane = MediaPlane(lambda size: self.random_bytes(size))  # a test may replace it
        self.events: list[Event] = []
        self.apply(OpenSealer(1, SEALER, 0, ROOM_KEY))
        self.clients = [self.join(n) for n in range(1, participants + 1)]
        self.plane.take_events()

    def random_bytes(self, size: int) -> bytes:
        self.random += 1
        return self.random.to_bytes(size, "big")

    def apply(self, *commands) -> None:
        for command in commands:
            self.plane.apply(command, self.now)

    def join(self, number: int, room: int = 1, prove: bool = True) -> MediaClient:
        """Open a seat, participant ``number``, media id 1000 and more."""
        client = MediaClient(1000 + number, Address(0, f"10.0.0.{number}", 5000))
        self.apply(OpenSeat(client.media_id, room, number, 0, client.up_key, client.down_key))
        if prove:
            self.prove(client)
        return client

    def prove(self, client: MediaClient, address: Address | None = None) -> None:
        """Bring a client's path to an address, by ping, challenge and response."""
        client.address = address or client.address
        self.now += 1 if address is None else MOVE_INTERVAL
        token = self.challenge(client, client.ping())
        assert token is not None
        self.receive(client, client.up(Item(ItemType.PATH_RESPONSE, token)))
        assert self.plane.take_events()[-1] == PathProven(client.media_id, client.address)

    def challenge(self, client: MediaClient, datagram: bytes) -> bytes | None:
        """Return the token that the answer to a datagram holds."""
        for address, answer in self.receive(client, datagram):
            assert address == client.address
            for item in client.open_down(answer):
                if item.type == ItemType.PATH_CHALLENGE:
                    return item.value
        return None

    def receive(self, client: MediaClient, *datagrams: bytes) -> list[tuple[Address, bytes]]:
        """Return what is sent when datagrams come from the client's address."""
        return self.receive_from(client.address, *datagrams)

    def receive_from(self, address: Address, *datagrams: bytes) -> list[tuple[Address, bytes]]:
        self.plane.receive([(datagram, address) for datagram in datagrams], self.now)
        return deliveries(self.plane.take_transmissions())

    def publish(
        self,
        client: MediaClient,
        stream: int,
        kind: StreamKind | None = StreamKind.AUDIO,
        to: Iterable[MediaClient | Receiver] = (),
        caps: Caps = CAPS,
        **options,
    ) -> None:
        self.apply(OpenStream(stream, client.media_id, kind, caps, **options))
        self.forward(client, stream, to)

    def forward(self, client: MediaClient, stream: int, to: Iterable[MediaClient | Receiver]) -> None:
        """Let a stream go to these receivers and to no other."""
        receivers = {r.media_id: r if isinstance(r, Receiver) else Receiver(r.media_id) for r in to}
        room = self.plane.rooms[self.plane.seats[client.media_id].room]
        gone = tuple(media_id for media_id in room.streams[stream].receivers if media_id not in receivers)
        self.apply(ChangeForwarding(room.number, (stream,), tuple(receivers.values()), gone))

    def drops(self) -> dict[Drop, int]:
        """Return the drops since the last call."""
        drops = {reason: count for reason, count in self.plane.counters.drops.items() if count}
        self.plane.counters.drops.update(dict.fromkeys(Drop, 0))
        return drops


def forwarded(sent: Iterable[tuple[Address, bytes]], key: bytes = ROOM_KEY) -> dict[Address, list[tuple[int, bytes]]]:
    """Return (forward number, packet) of the packets, by receiver."""
    packets: dict[Address, list[tuple[int, bytes]]] = {}
    for address, datagram in sent:
        for item in open_room(datagram, key):
            assert item.type in (ItemType.PACKET, ItemType.REDUNDANT_PACKET)
            packets.setdefault(address, []).append((int.from_bytes(item.value[:2], "big"), item.value[2:]))
    return packets


def send(world: World, client: MediaClient, packet: bytes, *behind: Item) -> list[tuple[Address, bytes]]:
    """Return what everybody is sent when a packet comes, with more items behind it."""
    return world.receive(client, client.up(packet_item(packet), *behind))


def flip(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


HEADER_BITS = HEADER_SIZE * 8
