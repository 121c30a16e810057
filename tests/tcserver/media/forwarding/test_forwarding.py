"""The receivers of packets, and the numbers and keys of what they receive."""

import pytest

from tcproto.copies import Copy, pack_copies
from tcproto.datagram import (
    MAX_DATAGRAM,
    MAX_PLAINTEXT,
    Item,
    ItemType,
    open_datagram,
    parse_relay_time,
)
from tcproto.messages import Caps
from tcproto.messages import Kind as StreamKind
from tcproto.packet import MAX_PACKET
from tcserver.media import Drop
from tcserver.media.forwarding.keyframes import KEYFRAME_EVENT_INTERVAL
from tcserver.media.interface import (
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    CloseStream,
    KeyframeAsked,
    OpenSealer,
    OpenStream,
    PathProven,
    Receiver,
)
from tests.support.media.world import (
    CAPS,
    ROOM_KEY,
    World,
    audio,
    deliveries,
    forwarded,
    keyframe,
    open_room,
    packet_item,
    send,
    video,
)


def test_everybody_gets_the_same_bytes_but_the_publisher():
    world = World(5)
    a, *others = world.clients
    world.publish(a, 7, to=others)
    sent = send(world, a, audio(7))
    assert [address for address, _ in sent] == [client.address for client in others]
    (datagram,) = {datagram for _, datagram in sent}
    plaintext = open_datagram(datagram, ROOM_KEY)
    assert parse_relay_time(plaintext) == int(world.now * 1e6) & 0xFFFFFFFF
    assert open_room(datagram) == [Item(ItemType.PACKET, b"\0\0" + audio(7))]
    counters = world.plane.counters
    assert (counters.forwarded, counters.sealed) == (1, 1)


@pytest.mark.parametrize("body", [bytes(200), b"\xff" * 200, bytes(MAX_PACKET - 14), b""])
def test_packets_are_bit_exact(body):
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    packets = [audio(7, n, body) for n in range(3)]
    got = [forwarded(send(world, a, packet))[b.address] for packet in packets]
    assert got == [[(n, packet)] for n, packet in enumerate(packets)]


def test_the_first_packet_after_each_routing_change_is_delivered():
    world = World(4)
    a, b, c, d = world.clients
    world.publish(a, 7)
    sequence = 0
    for receivers in ([b], [b, c], [c], [], [d, b, c], [b]):
        world.forward(a, 7, receivers)
        sent = send(world, a, audio(7, sequence))
        assert {address for address, _ in sent} == {client.address for client in receivers}
        sequence += 1
    world.apply(CloseSeat(b.media_id, 1))
    assert send(world, a, audio(7, sequence)) == []
    e = world.join(5)
    world.forward(a, 7, [e])
    assert [address for address, _ in send(world, a, audio(7, sequence + 1))] == [e.address]


def test_streams_with_the_same_members_share_one_set():
    world = World(4)
    sets = set()
    for number, client in enumerate(world.clients):
        world.publish(client, number, to=[other for other in world.clients if other is not client])
        world.plane.receive([(client.up(packet_item(audio(number))), client.address)], world.now)
        (transmission,) = world.plane.take_transmissions()
        sets.add(transmission.receivers)
        assert transmission.receivers.addresses[transmission.skip] == client.address
        assert len(deliveries([transmission])) == 3
    assert len(sets) == 1


def test_a_transmission_keeps_its_meaning_when_a_path_moves_in_the_same_batch():
    world = World(3)
    a, b, c = world.clients
    d = world.join(0, prove=False)
    world.publish(a, 7, to=[b, c, d])
    token = world.challenge(d, d.ping())
    response = d.up(Item(ItemType.PATH_RESPONSE, token))
    world.plane.receive(
        [
            (a.up(packet_item(audio(7, 0))), a.address),
            (response, d.address),
            (a.up(packet_item(audio(7, 1))), a.address),
        ],
        world.now,
    )
    first, second = world.plane.take_transmissions()
    assert {address for address, _ in deliveries([first])} == {b.address, c.address}
    assert {address for address, _ in deliveries([second])} == {b.address, c.address, d.address}


def test_layers():
    world = World(4)
    a, b, c, d = world.clients
    wants = [Receiver(b.media_id, max_spatial=0, max_temporal=0), Receiver(c.media_id, max_temporal=1)]
    world.publish(a, 7, StreamKind.VIDEO, to=[*wants, Receiver(d.media_id, min_spatial=1)], layers=4)
    expected = {
        (0, 0): [b, c],
        (0, 1): [c],
        (1, 0): [c, d],
        (1, 2): [d],
        (2, 7): [d],
    }
    for repeat in range(2):
        for n, ((spatial, temporal), clients) in enumerate(expected.items()):
            packet = keyframe(7, 10 * repeat + n, spatial=spatial, temporal=temporal)
            got = forwarded(send(world, a, packet))
            assert got == {client.address: [(repeat, packet)] for client in clients}


def test_forward_numbers_wrap_and_are_spent_only_on_what_is_sent():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b], caps=Caps(2**32 - 1, 65_535))
    send(world, a, audio(7, 0))
    world.forward(a, 7, [])
    send(world, a, audio(7, 1))
    world.forward(a, 7, [b])
    assert forwarded(send(world, a, audio(7, 2)))[b.address][0][0] == 1
    world.plane.rooms[1].streams[7].lone.number = 0xFFFF
    numbers = [forwarded(send(world, a, audio(7, n)))[b.address][0][0] for n in (3, 4)]
    assert numbers == [0xFFFF, 0]


def test_packets_of_one_datagram_share_a_room_datagram_while_they_fit():
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b])
    world.publish(a, 8, to=[b])
    world.publish(a, 9, to=[c])
    sent = world.receive(a, a.up(*(packet_item(audio(stream)) for stream in (7, 9, 8))))
    assert len(sent) == 2
    assert forwarded(sent) == {b.address: [(0, audio(7)), (0, audio(8))], c.address: [(0, audio(9))]}
    # Each packet takes two bytes more on the way out.
    sizes = [100] * 11
    space = MAX_PLAINTEXT - sum(3 + size for size in sizes[1:]) - 1
    packets = [audio(7, n + 1).ljust(size, b"x") for n, size in enumerate([space, *sizes[1:]])]
    sent = world.receive(a, a.up(*map(packet_item, packets)))
    assert len(sent) == 2
    assert all(len(datagram) <= MAX_DATAGRAM for _, datagram in sent)
    assert [packet for _, packet in forwarded(sent)[b.address]] == packets


def copies_of(*packets: tuple[int, bytes]) -> Item:
    return Item(ItemType.COPIES, pack_copies([Copy(distance, 40, True, body) for distance, body in packets]))


def test_redundant_and_plain_variants():
    """The copies of the publisher bring what had not arrived, to all. The copies of the variant are the server's."""
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[Receiver(b.media_id), Receiver(c.media_id, redundant=True)])

    def sound(n: int) -> bytes:
        return audio(7, n, level=40, voice=True)

    sent = dict(send(world, a, sound(1), copies_of((1, b"body"))))
    for address, type_ in ((b.address, ItemType.PACKET), (c.address, ItemType.REDUNDANT_PACKET)):
        expected = [Item(type_, n.to_bytes(2, "big") + sound(n)) for n in range(2)]
        assert open_room(sent[address]) == expected
    sent = dict(send(world, a, sound(3), copies_of((2, b"body"))))
    assert open_room(sent[b.address]) == [Item(ItemType.PACKET, b"\0\2" + sound(3))]
    assert open_room(sent[c.address]) == [Item(ItemType.REDUNDANT_PACKET, b"\0\2" + sound(3)), copies_of((3, b"body"))]
    assert world.drops() == {}


def test_full_copies_bring_what_had_not_arrived():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, StreamKind.VIDEO, to=[b])
    lost = video(7, 4, b"lost")
    sent = send(world, a, keyframe(7, 5), Item(ItemType.FULL_COPY, lost))
    assert forwarded(sent)[b.address] == [(0, lost), (1, keyframe(7, 5))]
    send(world, a, lost)
    assert world.drops() == {Drop.PACKET_DUPLICATE: 1}


def test_copies_that_are_malformed_are_dropped():
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[Receiver(b.media_id), Receiver(c.media_id, redundant=True)])
    world.publish(a, 8, StreamKind.VIDEO, to=[b])
    good = copies_of((1, b"x"))
    bad = [Item(ItemType.COPIES, b"\x01"), Item(ItemType.FULL_COPY, audio(9)), Item(ItemType.FULL_COPY, b"short")]
    sent = dict(send(world, a, audio(7, 5), *bad, good))
    assert [item.type for item in open_room(sent[c.address])] == 2 * [ItemType.REDUNDANT_PACKET]
    assert world.drops() == {Drop.COPY: 3}
    send(world, a, keyframe(8, 5), good)
    world.receive(a, a.up(good))
    assert world.drops() == {Drop.COPY: 2}


def test_copies_that_do_not_fit_on_the_way_out_stay_behind():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[Receiver(b.media_id, redundant=True)])
    send(world, a, audio(7, 3, bytes(101)))
    ((_, datagram),) = send(world, a, audio(7, 6).ljust(MAX_PACKET, b"x"))
    assert [item.type for item in open_room(datagram)] == [ItemType.REDUNDANT_PACKET]
    assert world.drops() == {Drop.COPY: 1}


def test_copies_count_for_the_cap():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b], caps=Caps(1_000_000, 3))
    copies = copies_of(*((distance, b"x") for distance in range(1, 16)))
    sent = forwarded(send(world, a, audio(7, 50), copies))
    assert len(sent[b.address]) == 3


def test_rooms_do_not_mix():
    world = World(2)
    a, b = world.clients
    world.apply(OpenSealer(2, 77, 0, b"2" * 32))
    c = world.join(8, room=2)
    world.publish(a, 7, to=[b, c])
    assert {address for address, _ in send(world, a, audio(7))} == {b.address}
    send(world, c, audio(7))
    assert world.drops() == {Drop.UNKNOWN_STREAM: 1}


def test_a_closed_room_forgets_everybody():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.apply(CloseRoom(1))
    assert send(world, a, audio(7)) == []
    assert world.drops() == {Drop.UNKNOWN_ID: 1}
    assert world.plane.next_deadline() is None


def test_a_closed_stream_ends_and_its_id_can_be_used_again():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.apply(CloseStream(7, a.media_id))
    send(world, a, audio(7))
    assert world.drops() == {Drop.UNKNOWN_STREAM: 1}
    world.apply(OpenStream(7, b.media_id, StreamKind.AUDIO, CAPS), ChangeForwarding(1, (7,), (Receiver(a.media_id),)))
    assert set(forwarded(send(world, b, audio(7)))) == {a.address}


def test_a_seat_takes_its_streams_with_it():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.apply(CloseSeat(a.media_id, 1))
    assert world.plane.rooms[1].streams == {}
    a = world.join(1)
    world.publish(b, 8, to=[a])
    assert set(forwarded(send(world, b, audio(8)))) == {a.address}


def test_a_media_id_that_comes_back_gets_nothing_of_its_former_life():
    world = World(2)
    a, b = world.clients
    world.publish(a, 7, to=[b])
    world.apply(CloseSeat(b.media_id, 1))
    b = world.join(2)
    assert send(world, a, audio(7, 0)) == []
    world.forward(a, 7, [b])
    assert set(forwarded(send(world, a, audio(7, 1)))) == {b.address}


def test_keyframe_requests_of_receivers_are_passed_on_seldom():
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, StreamKind.VIDEO, to=[b])
    request = Item(ItemType.KEYFRAME_REQUEST, b"\0\x07\x01")
    world.receive(b, b.up(request))
    world.receive(b, b.up(request))
    world.receive(c, c.up(request))
    assert world.plane.take_events() == [KeyframeAsked(b.media_id, 7, 1)]
    world.now += KEYFRAME_EVENT_INTERVAL * 1.01
    world.receive(b, b.up(request))
    assert len(world.plane.take_events()) == 1
    world.receive(b, b.up(Item(ItemType.KEYFRAME_REQUEST, b"\0\x08\0"), Item(ItemType.KEYFRAME_REQUEST, b"\0")))
    assert world.drops() == {Drop.ITEM: 2}


def test_counters_tell_what_was_sent():
    world = World(3)
    a, b, c = world.clients
    world.publish(a, 7, to=[b, c])
    before = world.plane.counters.sent, world.plane.counters.sent_bytes
    sent = send(world, a, audio(7))
    counters = world.plane.counters
    assert counters.sent - before[0] == len(sent) == 2
    assert counters.sent_bytes - before[1] == sum(len(datagram) for _, datagram in sent)
    assert PathProven(b.media_id, b.address) not in world.plane.take_events()
