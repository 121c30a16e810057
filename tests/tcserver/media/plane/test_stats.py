"""The figures of a media plane about itself, and when it reports that it has too much to do."""

import asyncio
import os
import socket
import sys

import pytest

from tcproto.datagram import MAX_COUNTER
from tcproto.messages import Kind
from tcproto.packet import PlainHeader
from tcserver.media import MediaPlane
from tcserver.media.forwarding.drops import PacketKind
from tcserver.media.interface import (
    MAX_LAG,
    CloseRoom,
    CloseSeat,
    CloseStream,
    OpenSealer,
    Overloaded,
    Receiver,
    RekeySeat,
)
from tcserver.media.plane.stats import MAX_RATE, LoadMeter, count
from tcserver.media.speakers.local import DECISION_INTERVAL
from tcserver.media.udp.sockets import MediaSockets
from tests.support.media.world import World, audio, keyframe, packet_item, video


def test_the_counts() -> None:
    world = World(participants=2)
    world.join(3, prove=False)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    counted = count(world.plane.rooms.values())
    assert (counted.rooms, counted.seats, counted.proven, counted.streams) == (1, 3, 2, 1)
    assert count([]) == (0, 0, 0, 0)


def uplink(world: World) -> tuple[int, int]:
    """Datagrams sent, as far as is known, and arrived."""
    counters = world.plane.flush_counters()
    return counters.uplink_sent, counters.uplink_received


def test_what_was_sent_and_what_arrived_is_counted_for_good() -> None:
    assert uplink(World(participants=0)) == (0, 0)
    world = World(participants=2)
    a, b = world.clients
    assert uplink(world) == (4, 4), "two datagrams each prove a path"
    late = [a.up() for _ in range(5)]
    world.receive(a, a.up())
    assert uplink(world) == uplink(world) == (10, 5)
    world.receive(a, *late[:2])
    assert uplink(world) == (10, 7)
    world.apply(CloseSeat(a.media_id, 1))
    assert uplink(world) == (10, 7)
    b.counter += 1
    world.receive(b, b.up())
    world.apply(CloseRoom(1))
    assert uplink(world) == (12, 8)


def test_what_was_sent_under_keys_that_have_changed_still_counts() -> None:
    world = World(participants=1)
    (a,) = world.clients
    for epoch in (1, 2):
        late = [a.up() for _ in range(3)]
        key = bytes([epoch]) * 32
        world.apply(RekeySeat(a.media_id, epoch, key, key))
        a.epoch, a.up_key, a.counter = epoch, key, 0
        world.receive(a, a.up())
        world.receive(a, *late[1:])
    assert uplink(world) == (2 + 3 + 1 + 3 + 1, 2 + 2 + 1 + 2 + 1)


def test_who_skips_counters_is_not_believed_to_have_sent_them() -> None:
    world = World(participants=1)
    (a,) = world.clients
    world.receive(a, a.up(counter=MAX_COUNTER))
    assert uplink(world) == (3, 3)


def test_packets_are_counted_by_kind_as_long_as_their_stream_lives_and_longer() -> None:
    world = World(participants=3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b, Receiver(c.media_id, redundant=True)])
    world.publish(b, 8, Kind.VIDEO, to=[a])
    world.publish(c, 9, None)
    for sequence in range(3):
        world.receive(a, a.up(packet_item(audio(7, sequence))))
        world.receive(b, b.up(packet_item(keyframe(8, sequence)), packet_item(video(8, sequence + 10))))
        world.receive(c, c.up(packet_item(PlainHeader(9, 1, 0, sequence, 0).pack())))
    world.receive(a, a.up(packet_item(audio(7, 2))), a.up(packet_item(audio(99))))
    received = {PacketKind.AUDIO: 4, PacketKind.VIDEO: 6, PacketKind.BEACON: 3}
    forwarded = {PacketKind.AUDIO: 6, PacketKind.VIDEO: 6, PacketKind.BEACON: 0}
    for command in (None, CloseStream(7, a.media_id), CloseSeat(b.media_id, 1), CloseRoom(1)):
        if command is not None:
            world.apply(command)
        counters = world.plane.flush_counters()
        assert (counters.packets_received, counters.packets_forwarded) == (received, forwarded)
    assert counters.forwarded == 12


def test_the_stats_of_real_sockets() -> None:
    async def main() -> None:
        sockets = MediaSockets(MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop())
        sockets.open()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            try:
                for _ in range(3):
                    client.sendto(bytes(50), sockets.local_addresses()[0])
                if sys.platform == "linux":
                    (state,) = sockets.stats()[0].sockets
                    assert state.receive_queue > 150
                    assert (state.send_queue, state.drops) == (0, 0)
                sockets.pump(0)
                stats = sockets.stats()[0]
                assert stats.counters.received == 3
                assert stats.latency.total == 1, "one batch"
                assert 0 < stats.latency.sum < 20
                assert (stats.kernel_sent, stats.waiting, dict(stats.errors)) == (0, 0, {})
                assert stats.counts.rooms == 0
            finally:
                await sockets.close()
        assert sockets.stats()[0].sockets == ()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of what it dropped")
def test_what_a_full_queue_costs_is_told() -> None:
    async def main() -> None:
        sockets = MediaSockets(
            MediaPlane(os.urandom), [("127.0.0.1", 0)], asyncio.get_running_loop(), buffer_bytes=65_536
        )
        sockets.open()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            try:
                for _ in range(1000):
                    client.sendto(bytes(1000), sockets.local_addresses()[0])
                (state,) = sockets.stats()[0].sockets
                assert 0 < state.drops < 1000
                while sockets.stats()[0].sockets[0].receive_queue:
                    sockets.pump(0)
                assert sockets.stats()[0].counters.received == 1000 - state.drops
            finally:
                await sockets.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lags", "rate", "overloaded"),
    [
        ((), 0, False),
        ((MAX_LAG + 0.01, MAX_LAG + 0.02), 0, True),
        ((9.0,), 0, False),
        ((9.0, 0.001, 9.0), 0, False),
        ((), MAX_RATE + 1, True),
        ((0.0, 0.0), MAX_RATE, False),
    ],
)
def test_what_is_too_much(lags, rate, overloaded):
    meter = LoadMeter()
    meter.measure(1_000_000, 100.0)
    for lag in lags:
        meter.late(lag)
    told = meter.measure(1_000_000 + rate * 2, 102.0)
    assert told == (Overloaded(min(lags, default=0.0), rate) if overloaded else None)
    assert meter.measure(1_000_000 + rate * 2, 103.0) is None
    assert meter.measure(1_000_000 + rate * 2, 103.0) is None


def polls(world: World, late: float, seconds: float) -> int:
    """Poll late; return how often overload was told."""
    end = world.now + seconds
    while world.now < end:
        deadline = world.plane.next_deadline()
        assert deadline is not None
        world.now = max(world.now, deadline) + late
        world.plane.poll(world.now)
    return sum(isinstance(event, Overloaded) for event in world.plane.take_events())


def test_a_plane_that_is_late_all_the_time_says_so_each_second():
    world = World(1)
    world.plane.poll(world.now)
    assert polls(world, 0.002, 5) == 0
    assert 3 <= polls(world, 2 * MAX_LAG, 5) <= 5
    assert polls(world, 0.002, 2 * DECISION_INTERVAL) <= 1
    assert polls(world, 0.002, 5) == 0


def test_a_plane_without_rooms_is_not_late():
    world = World(1)
    world.plane.poll(world.now)
    world.apply(CloseRoom(1))
    assert world.plane.next_deadline() is None
    world.now += 3600
    world.apply(OpenSealer(2, 5, 0, bytes(32)))
    assert world.plane.next_deadline() == world.now
    assert polls(world, 0.002, 3) == 0
