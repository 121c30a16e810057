"""Urgent messages: passed on unread in both directions, within the share of a seat, and never on a stream."""

from tcproto.datagram import Item, ItemType
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.seat import URGENT
from tcserver.media.interface import STREAM_HOST, Address, SendUrgent, UrgentCame
from tests.support.media.world import World


def test_what_a_client_says_is_an_event_within_its_share():
    world = World(2)
    a, b = world.clients
    world.plane.take_events()
    for number in range(URGENT.packets_per_second + 5):
        world.receive(a, a.up(Item(ItemType.URGENT, b"%d" % number)))
    came = world.plane.take_events()
    assert came == [UrgentCame(a.media_id, b"%d" % number) for number in range(URGENT.packets_per_second)]
    assert world.drops() == {Drop.URGENT_RATE: 5}
    world.receive(b, b.up(Item(ItemType.URGENT, b"mine")))
    assert world.plane.take_events() == [UrgentCame(b.media_id, b"mine")], "each has its own share"


def test_seats_are_told_at_their_proved_address_within_their_share():
    world = World(3)
    a, b, c = world.clients
    world.plane.apply(SendUrgent((a.media_id, b.media_id, 12345), b"message"), world.now)
    told = {(receivers.addresses[0], data) for data, receivers, _ in world.plane.take_transmissions()}
    assert {address for address, _ in told} == {a.address, b.address}
    for client in (a, b):
        (datagram,) = (data for address, data in told if address == client.address)
        assert client.open_down(datagram) == [Item(ItemType.URGENT, b"message")]
    large = bytes(1000)
    for _ in range(20):
        world.plane.apply(SendUrgent((c.media_id,), large), world.now)
    sent = world.plane.take_transmissions()
    assert len(sent) == URGENT.bitrate // (8 * len(large))
    assert world.drops() == {Drop.URGENT_RATE: 20 - len(sent)}


def test_a_stream_and_a_seat_without_a_path_are_told_nothing():
    world = World(1)
    (a,) = world.clients
    world.plane.seats[a.media_id].path.address = Address(0, STREAM_HOST, 1)
    world.plane.apply(SendUrgent((a.media_id,), b"message"), world.now)
    world.plane.seats[a.media_id].path.address = None
    world.plane.apply(SendUrgent((a.media_id,), b"message"), world.now)
    assert world.plane.take_transmissions() == []
    assert world.drops() == {}
