"""Keys of a seat: which of them open a datagram, when new ones are asked for, and where counters end."""

import pytest

from tcproto.datagram import MAX_COUNTER, REKEY_COUNTER, ItemType
from tcserver.media import Drop
from tcserver.media.interface import Address, RekeySeat, SeatRekeyDue
from tests.support.media.world import World


@pytest.fixture
def world() -> World:
    return World(3)


def test_rekey_accepts_the_old_key_for_the_overlap(world):
    a = world.clients[0]
    old = a.up(counter=500), a.up(counter=501), a.up(counter=502), a.up(counter=503)
    world.apply(RekeySeat(a.media_id, 1, b"u" * 32, b"d" * 32))
    world.receive(a, old[0])
    assert world.drops() == {}
    world.now += 20
    (_, answer), *_ = world.receive(a, a.ping())
    assert a.open_down(answer)[0].type == ItemType.PONG, "nothing shows that the client has the new keys"
    world.receive(a, old[3])
    a.epoch = 1
    world.receive(a, a.up(counter=0))
    assert world.drops() == {Drop.BOX: 1}, "what is forged shows nothing"
    world.receive(a, old[0])
    assert world.drops() == {Drop.DUPLICATE: 1}
    a.up_key, a.down_key, a.epoch = b"u" * 32, b"d" * 32, 1
    world.receive(a, a.up(counter=0))
    assert world.drops() == {}
    world.now += 9.99
    world.receive(a, old[1])
    assert world.drops() == {}
    world.now += 0.01
    world.receive(a, old[2])
    assert world.drops() == {Drop.EPOCH: 1}
    (_, answer), *_ = world.receive(a, a.ping())
    assert a.open_down(answer)[0].type == ItemType.PONG


def test_new_keys_are_asked_for_once(world):
    a = world.clients[0]
    world.plane.poll(world.now)
    assert world.plane.take_events() == []
    world.receive(a, a.up(counter=REKEY_COUNTER))
    for _ in range(3):
        world.now += 1
        world.plane.poll(world.now)
    assert world.plane.take_events() == [SeatRekeyDue(a.media_id)]
    world.apply(RekeySeat(a.media_id, 1, b"u" * 32, b"d" * 32))
    world.plane.poll(world.now + 1)
    assert world.plane.take_events() == []


def test_keys_wear_out_with_age(world):
    world.now += 24 * 3600 - 60
    world.plane.poll(world.now)
    assert not [event for event in world.plane.take_events() if isinstance(event, SeatRekeyDue)]
    world.now += 120
    world.plane.poll(world.now)
    due = [event.media_id for event in world.plane.take_events() if isinstance(event, SeatRekeyDue)]
    assert due == [client.media_id for client in world.clients]


def test_a_down_counter_stops_before_it_wraps(world):
    a = world.clients[0]
    world.plane.seats[a.media_id].down.counter = MAX_COUNTER
    assert len(world.receive(a, a.ping())) == 1
    assert world.receive(a, a.ping()) == []
    assert world.drops() == {Drop.COUNTER_SPENT: 1}


def test_who_is_answered_alone_is_one_set_until_the_address_changes(world):
    client = world.clients[0]
    seat = world.plane.seats[client.media_id]
    first, second = client.address, Address(0, "10.9.9.9", 5000)
    alone = seat.alone(first)
    assert (alone.addresses, alone.media_ids) == ((first,), (client.media_id,))
    assert seat.alone(Address(*first)) is alone
    assert seat.alone(second).addresses == (second,)
    assert seat.alone(first).addresses == (first,)
