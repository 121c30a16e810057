"""A model of the correct receivers, run beside the plane through arbitrary histories."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcproto.datagram import Item, ItemType, Kind, parse_header
from tcproto.messages import Kind as StreamKind
from tcserver.media import Drop
from tcserver.media.interface import (
    Address,
    CloseSeat,
    CloseStream,
    MuteStream,
    OpenSealer,
    OpenStream,
    PathLost,
    Receiver,
    RotateSealer,
)
from tests.support.media.world import CAPS, MediaClient, World, audio, open_room, packet_item

ROOMS = (1, 2)


class Routing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(0)
        self.keys = {1: {0: bytes(range(32))}, 2: {0: b"2" * 32}}
        self.waiting: dict[int, list[tuple[int, float]]] = {1: [], 2: []}
        self.epochs = {1: 0, 2: 0}
        self.world.apply(OpenSealer(2, 77, 0, self.keys[2][0]))
        self.clients: dict[int, MediaClient] = {}
        self.rooms: dict[int, int] = {}
        self.proven: dict[int, Address] = {}
        self.streams: dict[int, int] = {}
        self.muted: set[int] = set()
        self.wants: dict[int, dict[int, bool]] = {}
        self.sequence = 0
        self.number = 0
        self.forward: dict[int, int] = {}
        self.counters: dict[int, int] = {1: -1, 2: -1}

    def new_address(self) -> Address:
        self.number += 1
        return Address(self.number % 2, "10.0.0.1", self.number)

    @rule(room=st.sampled_from(ROOMS))
    def join(self, room):
        self.number += 1
        client = self.world.join(self.number, room=room, prove=False)
        client.address = self.new_address()
        self.clients[client.media_id], self.rooms[client.media_id] = client, room

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def leave(self, data):
        media_id = data.draw(st.sampled_from(sorted(self.clients)))
        self.world.apply(CloseSeat(media_id, self.rooms[media_id]))
        del self.clients[media_id], self.rooms[media_id]
        self.proven.pop(media_id, None)
        for stream in [stream for stream, owner in self.streams.items() if owner == media_id]:
            del self.streams[stream], self.wants[stream]

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def prove(self, data):
        media_id = data.draw(st.sampled_from(sorted(self.clients)))
        self.world.prove(self.clients[media_id], self.new_address())
        self.proven[media_id] = self.clients[media_id].address

    @precondition(lambda self: self.proven)
    @rule(data=st.data())
    def appear_elsewhere(self, data):
        """Authentic datagrams from another address are answered there, and move nothing yet."""
        media_id = data.draw(st.sampled_from(sorted(self.proven)))
        elsewhere = self.new_address()
        sent = self.world.receive_from(elsewhere, self.clients[media_id].ping())
        assert all(address == elsewhere and parse_header(d).kind == Kind.DOWN for address, d in sent)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def publish(self, data):
        media_id = data.draw(st.sampled_from(sorted(self.clients)))
        self.number += 1
        self.world.apply(OpenStream(self.number, media_id, StreamKind.AUDIO, CAPS))
        self.streams[self.number] = media_id
        self.wants[self.number] = {}

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), muted=st.booleans())
    def mute(self, data, muted):
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        self.world.apply(MuteStream(stream, self.streams[stream], muted))
        (self.muted.add if muted else self.muted.discard)(stream)

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def unpublish(self, data):
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        self.world.apply(CloseStream(stream, self.streams.pop(stream)))
        del self.wants[stream]

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def route(self, data):
        """Forward to anybody: also to the publisher and to participants of the other room, who must get nothing."""
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        wants = data.draw(st.dictionaries(st.sampled_from(sorted(self.clients)), st.booleans()))
        receivers = [Receiver(media_id, redundant) for media_id, redundant in wants.items()]
        self.world.forward(self.clients[self.streams[stream]], stream, receivers)
        self.wants[stream] = wants

    @rule(room=st.sampled_from(ROOMS), delay=st.sampled_from((0.0, 2.0)))
    def rotate(self, room, delay):
        if len(self.waiting[room]) >= 3:
            return
        epoch = len(self.keys[room])
        self.keys[room][epoch] = bytes([room, epoch % 256]) * 16
        at = max([self.world.now + delay, *(at for _, at in self.waiting[room])])
        self.world.apply(RotateSealer(room, 0, epoch % 256, self.keys[room][epoch], at))
        self.waiting[room].append((epoch, at))

    @rule(seconds=st.sampled_from((0.1, 1.0, 6.0)))
    def wait(self, seconds):
        self.world.now += seconds
        self.world.plane.poll(self.world.now)
        for event in self.world.plane.take_events():
            if isinstance(event, PathLost):
                del self.proven[event.media_id]

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def send(self, data):
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        owner = self.streams[stream]
        client, room = self.clients[owner], self.rooms[owner]
        self.sequence += 1
        packet = audio(stream, self.sequence)
        datagram = client.up(packet_item(packet))
        sent = self.world.receive(client, datagram)
        rooms = [(address, d) for address, d in sent if parse_header(d).kind == Kind.ROOM]
        number = self.forward.get(stream, 0)
        for redundant in (False, True):
            type_ = ItemType.REDUNDANT_PACKET if redundant else ItemType.PACKET
            expected = {
                self.proven[media_id]
                for media_id, variant in self.wants[stream].items()
                if variant == redundant
                and media_id != owner
                and media_id in self.proven
                and self.rooms.get(media_id) == room
                and stream not in self.muted
            }
            got = {}
            for address, d in rooms:
                (item,) = self.open(room, d)
                if item.type == type_:
                    assert address not in got
                    got[address] = item.value
            assert set(got) == expected
            if expected:
                self.forward[stream] = number + 1
                assert set(got.values()) == {number.to_bytes(2, "big") + packet}
        for counter in sorted({parse_header(d).counter for _, d in rooms}):
            assert counter == self.counters[room] + 1
            self.counters[room] = counter
        assert self.world.receive(client, datagram) == []

    @precondition(lambda self: self.streams and self.clients)
    @rule(data=st.data())
    def send_foreign(self, data):
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        media_id = data.draw(st.sampled_from(sorted(self.clients)))
        if self.streams[stream] != media_id:
            sent = self.world.receive(self.clients[media_id], self.clients[media_id].up(packet_item(audio(stream))))
            assert all(parse_header(d).kind == Kind.DOWN for _, d in sent)

    @invariant()
    def nothing_failed(self):
        assert self.world.plane.counters.drops[Drop.INTERNAL] == 0, self.world.plane.faults.take()

    def open(self, room: int, datagram: bytes) -> list[Item]:
        while self.waiting[room] and self.waiting[room][0][1] <= self.world.now:
            self.epochs[room], _ = self.waiting[room].pop(0)
        header = parse_header(datagram)
        assert header.epoch == self.epochs[room] % 256
        return open_room(datagram, self.keys[room][self.epochs[room]])


Routing.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRouting = Routing.TestCase
