"""Sealers: keys follow each other, counters do not wrap, and the last datagrams are kept."""

import pytest

from tcproto.datagram import (
    MAX_COUNTER,
    REKEY_COUNTER,
    parse_header,
)
from tcproto.errors import CryptoFailure
from tcserver.media import Drop
from tcserver.media.forwarding.sealer import MAX_WAITING_KEYS, RING_SIZE, MediaSealer
from tcserver.media.interface import (
    CloseSeat,
    OpenSealer,
    OpenSeat,
    RotateSealer,
    SealerRekeyDue,
    SeatOpened,
)
from tests.support.media.world import (
    ROOM_KEY,
    World,
    audio,
    open_room,
    send,
)


def test_a_key_is_used_from_its_time_on_and_an_ex_member_opens_nothing_new():
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b, c])
    world.apply(CloseSeat(c.media_id, 1))
    new_key = b"n" * 32
    world.apply(RotateSealer(1, 0, 1, new_key, world.now + 2))
    ((address, before),) = send(world, a, audio(7, 0))
    world.now += 2
    ((_, after),) = send(world, a, audio(7, 1))
    assert address == b.address
    assert open_room(before)
    with pytest.raises(CryptoFailure):
        open_room(after)
    assert open_room(after, new_key)
    headers = [parse_header(before), parse_header(after)]
    assert [(h.epoch, h.counter) for h in headers] == [(0, 0), (1, 1)]


def test_a_waiting_key_is_told_to_newcomers_and_keys_take_turns():
    world = World(2)
    keys = [bytes([n]) * 32 for n in range(3)]
    world.apply(RotateSealer(1, 0, 1, keys[1], world.now + 2), RotateSealer(1, 0, 2, keys[2], world.now + 4))
    world.apply(OpenSeat(5, 1, 5, 0, bytes(32), bytes(32)))
    (opened,) = world.plane.take_events()
    assert isinstance(opened, SeatOpened)
    assert [(state.epoch, state.key) for state in opened.sealer] == [(0, ROOM_KEY), (1, keys[1]), (2, keys[2])]
    world.now += 3
    world.apply(OpenSeat(6, 1, 6, 0, bytes(32), bytes(32)))
    (opened,) = world.plane.take_events()
    assert [state.epoch for state in opened.sealer] == [1, 2]


def test_a_new_key_of_the_sealer_is_asked_for_once():
    world = World(2)
    a, b = world.clients
    sealer = world.plane.rooms[1].sealer
    sealer.counter = REKEY_COUNTER
    for _ in range(2):
        world.now += 1
        world.plane.poll(world.now)
    assert world.plane.take_events() == [SealerRekeyDue(1, 0x5EA1)]
    world.apply(RotateSealer(1, 0, 1, bytes(32), world.now))
    world.publish(a, 7, to=[b])
    assert parse_header(send(world, a, audio(7))[0][1]).counter == REKEY_COUNTER
    world.now += 1
    world.plane.poll(world.now)
    assert world.plane.take_events() == []


def test_a_sealer_stops_before_its_counter_wraps():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.plane.rooms[1].sealer.counter = MAX_COUNTER
    assert parse_header(send(world, a, audio(7, 0))[0][1]).counter == MAX_COUNTER
    assert send(world, a, audio(7, 1)) == []
    assert world.drops() == {Drop.COUNTER_SPENT: 1}


def test_a_sealer_never_begins_again():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    send(world, a, audio(7, 0))
    world.apply(OpenSealer(1, world.plane.rooms[1].sealer.ident, 0, ROOM_KEY))
    assert parse_header(send(world, a, audio(7, 1))[0][1]).counter == 1
    world.apply(OpenSealer(1, 99, 0, b"z" * 32))
    header = parse_header(send(world, a, audio(7, 2))[0][1])
    assert (header.id, header.counter) == (99, 0)


def test_the_keys_that_wait_are_bounded_and_the_newest_stay():
    sealer = MediaSealer(1, 0, ROOM_KEY, 0.0)
    for epoch in range(1, MAX_WAITING_KEYS + 3):
        sealer.rotate(epoch, bytes([epoch]) * 32, 5.0)
    assert [state.epoch for state in sealer.states(0.0)] == [0, *range(3, MAX_WAITING_KEYS + 3)]


def test_the_ring_keeps_what_was_sealed_last():
    sealer = MediaSealer(1, 0, ROOM_KEY, 0.0)
    sealed = [sealer.seal(b"%d" % n, 0.0) for n in range(RING_SIZE + 2)]
    assert sealer.recent(RING_SIZE + 1) == sealed[-1]
    assert sealer.recent(2) == sealed[2]
    assert sealer.recent(1) is None
    assert sealer.recent(RING_SIZE + 2) is None
