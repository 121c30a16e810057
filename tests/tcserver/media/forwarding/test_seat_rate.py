"""The limits of what one seat may send. Nobody else can use them up for it."""

from __future__ import annotations

import pytest

from tcproto.datagram import MAX_UP_ITEMS, MIN_DATAGRAM, Item, ItemType, Kind, pack_header, seal
from tcproto.feedback import RetransmissionRequest
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import Series
from tcserver.media import Drop
from tcserver.media.forwarding.cap import RateCap
from tcserver.media.forwarding.repeats import ASKED
from tcserver.media.forwarding.seat import ANSWERED_PINGS, SEAT_CAPS
from tcserver.media.interface import Address, CloseStream
from tests.support.media.world import SEALER, World, audio, flip, packet_item

EMPTY = Item(ItemType.PADDING, b"")
FUTURE = Item(99, b"")
ELSEWHERE = Address(0, "10.9.9.9", 1)


@pytest.fixture
def world() -> World:
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b, c], caps=Caps(bitrate=160_000, packets_per_second=130))
    world.now += 10
    return world


@pytest.mark.parametrize("item", [EMPTY, FUTURE, Item(ItemType.PING, b""), Item(ItemType.KEYFRAME_REQUEST, b"")])
def test_a_datagram_of_too_many_items_is_one_counted_drop(world: World, item: Item) -> None:
    a = world.clients[0]
    packet = packet_item(audio(7))
    assert len(world.receive(a, a.up(*[FUTURE] * (MAX_UP_ITEMS - 1), packet))) == 2
    world.drops()
    for number in (MAX_UP_ITEMS + 1, 380):
        assert world.receive(a, a.up(*[item] * (number - 1), packet)) == []
        assert world.drops() == {Drop.ITEMS: 1}


@pytest.mark.parametrize("item", [EMPTY, FUTURE, Item(ItemType.PATH_RESPONSE, bytes(8)), packet_item(b"?" * 20)])
def test_datagrams_beyond_the_budget_are_dropped_unopened(world: World, item: Item) -> None:
    """Of 5,000 in a second, only as many are opened as the seat may send with all that it publishes."""
    a = world.clients[0]
    before = world.plane.counters.accepted
    most = SEAT_CAPS.packets_per_second + 130
    world.now += 1
    for _ in range(5000):
        world.now += 1 / 5000
        world.receive(a, a.up(item))
    accepted = world.plane.counters.accepted - before
    assert accepted <= 2 * most + 1, "a second's worth at once, and one in that second"
    assert world.drops()[Drop.SEAT_RATE] == 5000 - accepted
    # A second later the seat is heard again, at its full rate, and others never noticed.
    world.now += 1
    assert sum(len(world.receive(a, a.up(packet_item(audio(7, n))))) for n in range(100)) == 200


def test_who_only_listens_may_ask_for_all_that_is_repeated_to_a_receiver(world: World) -> None:
    """In any second, each packet in a datagram of its own, beside reports and pings."""
    listener = world.clients[1]
    request = RetransmissionRequest(SEALER, Series(7), 0, 0)
    world.now += 1
    for number in range(3 * ASKED.packets_per_second):
        world.now += 1 / ASKED.packets_per_second
        asked = request._replace(base=number).pack()
        world.receive(listener, listener.up(Item(ItemType.RETRANSMISSION_REQUEST, asked)))
        if number % 4 == 0:
            world.receive(listener, listener.up(EMPTY))
    assert Drop.SEAT_RATE not in world.drops()


def test_bytes_count_too(world: World) -> None:
    a = world.clients[0]
    world.now += 1
    large = Item(99, bytes(1100))
    for _ in range(200):
        world.receive(a, a.up(large))
    assert world.drops() == {Drop.SEAT_RATE: 200 - (SEAT_CAPS.bitrate + 160_000) // 8 // (1100 + MIN_DATAGRAM + 1)}


def test_all_that_a_seat_publishes_has_room_within_its_budget() -> None:
    world = World(2)
    a, b = world.clients
    for stream in range(8):
        world.publish(a, stream + 1, StreamKind.AUDIO, [b], caps=Caps(bitrate=1_000_000, packets_per_second=300))
    for stream in range(8):
        for sequence in range(300):
            assert len(world.receive(a, a.up(packet_item(audio(stream + 1, sequence, bytes(200)))))) == 1
    assert not world.drops()
    for stream in range(8):
        world.apply(CloseStream(stream + 1, a.media_id))
    world.now += 10
    for _ in range(500):
        world.receive(a, a.up(EMPTY))
    assert world.drops() == {Drop.SEAT_RATE: 500 - SEAT_CAPS.packets_per_second}


def test_nobody_else_uses_up_the_budget_of_a_seat(world: World) -> None:
    """Neither with forged nor with repeated datagrams, from the address of the seat or from others."""
    a = world.clients[0]
    world.now += 1
    genuine = a.up(packet_item(audio(7, 0)))
    assert len(world.receive(a, genuine)) == 2
    forged = seal(pack_header(Kind.UP, 0, a.media_id, 1 << 30), b"x", bytes(32))
    for datagram in (forged, genuine, flip(a.up(EMPTY), 100)):
        for address in (a.address, ELSEWHERE):
            for _ in range(1000):
                world.receive_from(address, datagram)
    assert not world.drops().keys() & {Drop.SEAT_RATE, Drop.INTERNAL}
    assert sum(len(world.receive(a, a.up(packet_item(audio(7, n))))) for n in range(1, 129)) == 256


def test_what_is_authentic_counts_from_wherever_it_comes(world: World) -> None:
    a = world.clients[0]
    world.now += 1
    for _ in range(1000):
        world.receive_from(ELSEWHERE, a.up(EMPTY))
    assert world.drops()[Drop.SEAT_RATE] == 1000 - SEAT_CAPS.packets_per_second - 130


def test_pings_are_answered_at_a_bounded_rate(world: World) -> None:
    a = world.clients[0]
    world.now += 5
    answered = 0
    for _ in range(2000):
        world.now += 1 / 200
        answered += len(world.receive(a, a.ping()))
    assert 100 <= answered <= 10 * ANSWERED_PINGS.packets_per_second + ANSWERED_PINGS.packets_per_second
    assert world.drops()[Drop.PING_RATE] == 2000 - answered
    world.now += 1
    assert len(world.receive(a, a.ping())) == 1


def test_a_cap_that_changes_takes_nothing_that_was_left() -> None:
    cap = RateCap(Caps(bitrate=0, packets_per_second=10), 0.0)
    assert all(cap.take(0, 0.0) for _ in range(8))
    cap.change(Caps(bitrate=0, packets_per_second=20))
    assert [cap.take(0, 0.0) for _ in range(13)] == [True] * 12 + [False]
    cap.change(Caps(bitrate=0, packets_per_second=5))
    assert [cap.take(0, 10.0) for _ in range(6)] == [True] * 5 + [False]
