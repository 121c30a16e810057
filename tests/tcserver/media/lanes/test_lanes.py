"""Lanes: an address may be a stream, and nothing but its lane knows."""

import socket
from collections import Counter

import pytest

from tcserver.media import ReceiverSet, Transmission
from tcserver.media.interface import Address
from tcserver.media.lanes.lane import LaneCounts, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.sendmmsg import make_lanes
from tests.support.media.loopback import address_of, linux, received, trains_out
from tests.support.media.queue_lane import QueueLane
from tests.support.media.world import MediaClient, World, audio, forwarded, packet_item

STREAM = 1
"""The lane of streams; 0 is that of the UDP socket."""
LIMIT = 40


class LaneWorld(World):
    """A room in which some have UDP and some a stream. All datagrams go through the sender and its lanes."""

    def __init__(self, udp: str, trains: bool, server: socket.socket, sockets: list[socket.socket]) -> None:
        super().__init__(0)
        self.queue = QueueLane(LIMIT, trains)
        self.lanes = [*make_lanes(udp, [server], pytest.fail), self.queue]
        self.sender = Sender(self.lanes)
        self.sockets = sockets
        self.read = {Address(STREAM, "stream", number) for number in range(1, 4)}
        """Streams that keep up."""
        addresses = [*map(address_of, sockets), *sorted(self.read)]
        self.clients = [self.seat(number, address) for number, address in enumerate(addresses, 1)]

    def seat(self, number: int, address: Address) -> MediaClient:
        client = self.join(number, prove=False)
        self.prove(client, address)
        return client

    def receive_from(self, address: Address, *datagrams: bytes) -> list[tuple[Address, bytes]]:
        """Return what arrives, on sockets and streams."""
        self.plane.receive([(datagram, address) for datagram in datagrams], self.now)
        self.sender.send(self.plane.take_transmissions())
        arrived = [(address_of(sock), datagram) for sock in self.sockets for datagram in received(sock)]
        for stream in sorted(self.read):
            arrived += [(stream, datagram) for datagram in self.queue.take(stream.host, stream.port)]
        return arrived


@pytest.fixture(params=["sendto", pytest.param("sendmmsg", marks=linux), pytest.param("gso", marks=trains_out)])
def udp(request):
    return request.param


@pytest.mark.parametrize("trains", [False, True])
def test_a_seat_on_a_stream_proves_its_path_sends_and_receives(udp, trains, bind):
    """All get everything but their own, in order, from either kind of seat. The bytes are the same for all."""
    world = LaneWorld(udp, trains, bind(), [bind(), bind()])
    for stream, publisher in enumerate(world.clients, 1):
        world.publish(publisher, stream, to=[client for client in world.clients if client is not publisher])
        packets = [audio(stream, sequence, bytes(60)) for sequence in range(5)]
        arrived = world.receive(publisher, *(publisher.up(packet_item(packet)) for packet in packets))
        others = [client.address for client in world.clients if client is not publisher]
        assert forwarded(arrived) == {address: list(enumerate(packets)) for address in others}
        for address in others:
            assert [datagram for to, datagram in arrived if to == address] == [
                datagram for to, datagram in arrived if to == others[0]
            ]
    assert not world.drops()
    counts = total(world.lanes)
    assert counts.sent == world.plane.counters.sent
    assert (counts.errors, counts.gave_way, world.queue.waiting) == ({}, {}, 0)


@pytest.mark.parametrize("trains", [False, True])
def test_a_seat_moves_from_udp_to_a_stream(udp, trains, bind):
    world = LaneWorld(udp, trains, bind(), [bind(), bind()])
    publisher, mover, *_ = world.clients
    world.publish(publisher, 7, to=[mover])
    world.prove(mover, Address(STREAM, "stream", 3))
    arrived = world.receive(publisher, *(publisher.up(packet_item(audio(7, number))) for number in range(3)))
    assert forwarded(arrived) == {mover.address: [(number, audio(7, number)) for number in range(3)]}


def test_a_stream_that_does_not_keep_up_costs_nobody_else_anything(udp, bind):
    world = LaneWorld(udp, True, bind(), [bind(), bind()])
    publisher, *others = world.clients
    slow = others.pop()
    world.read.remove(slow.address)
    world.publish(publisher, 7, to=[*others, slow])
    for number in range(LIMIT + 10):
        packets = [audio(7, 2 * number, bytes(60)), audio(7, 2 * number + 1, bytes(60))]
        arrived = forwarded(world.receive(publisher, *(publisher.up(packet_item(packet)) for packet in packets)))
        assert arrived == {client.address: list(enumerate(packets, 2 * number)) for client in others}
        world.now += 0.04
    assert (world.queue.waiting, world.queue.counts.gave_way) == (LIMIT, {"small": LIMIT + 20})
    newest = forwarded((slow.address, datagram) for datagram in world.queue.take(slow.address.host, slow.address.port))
    assert [number for number, _ in newest[slow.address]] == list(range(LIMIT + 20, 2 * LIMIT + 20))


@trains_out
@pytest.mark.parametrize("trains", [False, True])
def test_each_publisher_of_a_train_gets_the_others_part_on_any_lane(trains, bind):
    """One train of several publishers, of both lanes."""
    clients, queue = [bind() for _ in range(3)], QueueLane(LIMIT, trains)
    sender = Sender([*make_lanes("gso", [bind()], pytest.fail), queue])
    addresses = [*map(address_of, clients), *(Address(STREAM, "stream", number) for number in range(3))]
    receivers = ReceiverSet(enumerate(addresses))
    batch = [(bytes((number,)) * 100, publisher) for number, publisher in enumerate((0, 3, 0, -1, 5, 2, 3))]
    sender.send([Transmission(datagram, receivers, publisher) for datagram, publisher in batch])
    for index in range(6):
        expected = [datagram for datagram, publisher in batch if publisher != index]
        got = received(clients[index]) if index < 3 else queue.take("stream", index - 3)
        assert got == expected, index


def test_counts_of_lanes_add_up():
    first, second = QueueLane(1), QueueLane(1)
    first.counts.sent, second.counts.sent = 3, 4
    first.counts.errors["EPERM"] += 1
    second.counts.errors.update(EPERM=2, EIO=5)
    for lane, size in ((first, 100), (first, 1100), (second, 1100)):
        (group,) = ReceiverSet([(1, Address(0, "stream", 1))]).by_lane
        for _ in range(2):
            lane.send(bytes(size), size, group, 0, 1)
    second.counts.refused_trains = 6
    sums = total([first, second])
    assert (sums.sent, sums.errors, sums.refused_trains) == (7, {"EPERM": 3, "EIO": 5}, 6)
    assert sums.gave_way == Counter(small=2, large=2)
    assert (total([]), first.counts.sent) == (LaneCounts(), 3)
