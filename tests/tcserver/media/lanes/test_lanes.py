"""Lanes: an address may be a stream, and nothing but its lane knows."""

import socket
from collections import Counter

import pytest

from tcproto.stream_path import MAX_SMALL
from tcserver.media import ReceiverSet, Transmission
from tcserver.media.interface import STREAM_HOST, Address
from tcserver.media.lanes.lane import LaneCounts, total
from tcserver.media.lanes.sender import Sender
from tcserver.media.udp.sendmmsg import make_lanes
from tests.support.media.loopback import address_of, linux, received, trains_out
from tests.support.media.stream_ends import Lane
from tests.support.media.world import MediaClient, World, audio, forwarded, packet_item

STREAM = 1
"""The lane of streams; 0 is that of the UDP socket."""


class LaneWorld(World):
    """A room in which some have UDP and some a stream. All datagrams go through the sender and its lanes."""

    def __init__(self, udp: str, server: socket.socket, sockets: list[socket.socket]) -> None:
        super().__init__(0)
        self.streams = Lane(3)
        self.lanes = [*make_lanes(udp, [server], pytest.fail), self.streams]
        self.sender = Sender(self.lanes)
        self.sockets = sockets
        addresses = [*map(address_of, sockets), *(Address(STREAM, STREAM_HOST, number) for number in self.streams.ends)]
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
        self.streams.run()
        for number, end in self.streams.ends.items():
            arrived += [(Address(STREAM, STREAM_HOST, number), datagram) for datagram in end.take()]
        return arrived


@pytest.fixture(params=["sendto", pytest.param("sendmmsg", marks=linux), pytest.param("gso", marks=trains_out)])
def udp(request):
    return request.param


def test_a_seat_on_a_stream_proves_its_path_sends_and_receives(udp, bind):
    """All get everything but their own, in order, from either kind of seat. The bytes are the same for all."""
    world = LaneWorld(udp, bind(), [bind(), bind()])
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
    assert (counts.errors, counts.gave_way, world.streams.waiting) == ({}, {}, 0)


def test_a_seat_moves_from_udp_to_a_stream_and_back(udp, bind):
    world = LaneWorld(udp, bind(), [bind(), bind()])
    publisher, mover, *_ = world.clients
    world.publish(publisher, 7, to=[mover])
    for turn, address in enumerate((Address(STREAM, STREAM_HOST, 3), mover.address, Address(STREAM, STREAM_HOST, 2))):
        world.prove(mover, address)
        numbers = range(3 * turn, 3 * turn + 3)
        arrived = world.receive(publisher, *(publisher.up(packet_item(audio(7, number))) for number in numbers))
        assert forwarded(arrived) == {address: [(number, audio(7, number)) for number in numbers]}


def test_a_stream_that_does_not_keep_up_costs_nobody_else_anything(udp, bind):
    world = LaneWorld(udp, bind(), [bind(), bind()])
    publisher, *others = world.clients
    slow = others.pop()
    world.streams.ends[slow.address.port].reads = False
    world.publish(publisher, 7, to=[*others, slow])
    reached = 0
    for number in range(MAX_SMALL):
        packets = [audio(7, 2 * number, bytes(60)), audio(7, 2 * number + 1, bytes(60))]
        arrived = forwarded(world.receive(publisher, *(publisher.up(packet_item(packet)) for packet in packets)))
        reached += len(arrived.pop(slow.address, ()))
        assert arrived == {client.address: list(enumerate(packets, 2 * number)) for client in others}
        world.now += 0.004
    waiting, gave_way = world.streams.waiting, world.streams.counts.gave_way["small"]
    assert waiting <= MAX_SMALL
    assert reached + waiting + gave_way == 2 * MAX_SMALL
    assert gave_way > 0


@trains_out
def test_each_publisher_of_a_train_gets_the_others_part_on_any_lane(bind):
    """One train of several publishers, of both lanes."""
    clients, streams = [bind() for _ in range(3)], Lane(3)
    sender = Sender([*make_lanes("gso", [bind()], pytest.fail), streams])
    addresses = [*map(address_of, clients), *(Address(STREAM, STREAM_HOST, number) for number in streams.ends)]
    receivers = ReceiverSet(enumerate(addresses))
    batch = [(bytes((number,)) * 100, publisher) for number, publisher in enumerate((0, 3, 0, -1, 5, 2, 3))]
    sender.send([Transmission(datagram, receivers, publisher) for datagram, publisher in batch])
    streams.run()
    for index in range(6):
        expected = [datagram for datagram, publisher in batch if publisher != index]
        got = received(clients[index]) if index < 3 else streams.ends[index - 2].take()
        assert got == expected, index


def test_counts_of_lanes_add_up():
    first, second = Lane(0), Lane(0)
    first.counts.sent, second.counts.sent = 3, 4
    first.counts.errors["EPERM"] += 1
    second.counts.errors.update(EPERM=2, EIO=5)
    first.counts.gave_way.update(small=1, large=1)
    second.counts.gave_way.update(large=1)
    second.counts.refused_trains = 6
    sums = total([first, second])
    assert (sums.sent, sums.errors, sums.refused_trains) == (7, {"EPERM": 3, "EIO": 5}, 6)
    assert sums.gave_way == Counter(small=1, large=2)
    assert (total([]), first.counts.sent) == (LaneCounts(), 3)
