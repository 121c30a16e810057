"""The packets of a stream that is not heard yet: they are kept, and sent from the first syllable on."""

import pytest

from tcproto.copies import Copy, pack_copies
from tcproto.datagram import Item, ItemType
from tcproto.packet import AudioHeader, parse_header
from tcserver.media import Drop
from tcserver.media.interface import CloseStream, MuteStream, Receiver, SetSpeakers
from tcserver.media.speakers.loudest import EXPIRY
from tcserver.media.speakers.preroll import LEAD, MAX_PREROLL_PACKETS, PREROLL, Held, Preroll
from tests.support.media.world import World, audio, open_room, packet_item

FRAME = 0.02
TALK = 30


def held(at: float, sequence: int = 0, voice: bool = False) -> Held:
    header = AudioHeader(1, 1, 0, sequence, 0, level=50, voice=voice)
    return Held(header, header.pack(), [], at)


def test_pre_roll_begins_shortly_before_the_first_voice():
    preroll = Preroll()
    for n in range(10):
        preroll.held.append(held(n * FRAME, n, voice=n in (7, 9)))
    assert [packet.header.sequence for packet in preroll.take(0.19)] == [4, 5, 6, 7, 8, 9]
    assert preroll.take(0.19) == []
    for n in range(10):
        preroll.held.append(held(n * FRAME, n))
    assert [packet.header.sequence for packet in preroll.take(0.2)] == [7, 8, 9]
    assert 3 * FRAME < LEAD < 4 * FRAME


def test_pre_roll_is_bounded_in_time_and_packets():
    preroll = Preroll()
    for n in range(100):
        preroll.held.append(held(n * 0.001, n, voice=True))
    assert [packet.header.sequence for packet in preroll.take(0.1)] == list(range(80, 100))
    assert MAX_PREROLL_PACKETS == 20
    for n in range(20):
        preroll.held.append(held(n * FRAME, n, voice=True))
    assert [packet.header.sequence for packet in preroll.take(0.38)] == list(range(9, 20))
    preroll.held.append(held(1.0, voice=True))
    assert preroll.take(1.0 + PREROLL + 0.01) == []


def talk(world: World, number: int, sequence: int, *behind: Item, **fields) -> list[tuple[int, int, int, bytes]]:
    """Send an audio packet; return (type, forward number, ms held, packet) of what participant 3 gets for it."""
    client = world.clients[number - 1]
    packet = audio(number, sequence, **({"level": TALK, "voice": True} | fields))
    got = []
    for address, datagram in world.receive(client, client.up(packet_item(packet), *behind)):
        if address == world.clients[2].address:
            for type_, value in open_room(datagram):
                start = 4 if type_ in (ItemType.HELD_PACKET, ItemType.HELD_REDUNDANT_PACKET) else 2
                wait = int.from_bytes(value[2:start], "big")
                got.append((type_, int.from_bytes(value[:2], "big"), wait, value[start:]))
    return got


def crowded(redundant: bool = False) -> World:
    """Two talkers and one place, which the first has; the third listens."""
    world = World(3)
    for number in (1, 2):
        world.publish(world.clients[number - 1], number, to=[Receiver(1003, redundant), Receiver(1001), Receiver(1002)])
    world.apply(SetSpeakers(1, 1))
    assert talk(world, 1, 0)
    return world


def test_who_wins_a_place_is_sent_from_the_first_syllable_on():
    world = crowded()
    for sequence in range(5):
        world.now += FRAME
        assert talk(world, 2, sequence) == []
    assert world.plane.counters.held == 5
    assert not any(world.drops().values())
    world.now += EXPIRY - 3 * FRAME
    got = talk(world, 2, 5)
    assert [item[:3] for item in got] == [
        (ItemType.HELD_PACKET, 0, 170),
        (ItemType.HELD_PACKET, 1, 150),
        (ItemType.HELD_PACKET, 2, 130),
        (ItemType.HELD_PACKET, 3, 110),
        (ItemType.HELD_PACKET, 4, 90),
        (ItemType.PACKET, 5, 0),
    ]
    assert [parse_header(packet).sequence for *_, packet in got] == list(range(6))
    world.now += FRAME
    assert [item[:3] for item in talk(world, 2, 6)] == [(ItemType.PACKET, 6, 0)]
    assert world.plane.counters.forwarded == 8


def test_copies_are_held_with_their_packet_and_mend_what_was_lost_before_it():
    world = crowded(redundant=True)
    world.now += FRAME
    copy = Item(ItemType.COPIES, pack_copies([Copy(1, TALK, True, b"body")]))
    assert talk(world, 2, 1, copy) == []
    world.now += EXPIRY
    got = talk(world, 2, 3)
    assert [item[:3] for item in got] == [
        (ItemType.HELD_REDUNDANT_PACKET, 0, 150),
        (ItemType.HELD_REDUNDANT_PACKET, 1, 150),
        (ItemType.REDUNDANT_PACKET, 2, 0),
        (ItemType.COPIES, 0x0380 | TALK, 0),
    ]
    plain = [
        parse_header(item.value[4 if item.type == ItemType.HELD_PACKET else 2 :]).sequence
        for address, datagram in world.receive(world.clients[1], world.clients[1].up(packet_item(audio(2, 4))))
        if address == world.clients[0].address
        for item in open_room(datagram)
    ]
    assert plain == [4]


@pytest.mark.parametrize("end", [MuteStream(1, 1001, True), CloseStream(1, 1001)], ids=["mute", "close"])
def test_a_stream_that_ends_leaves_its_place(end):
    world = crowded()
    assert talk(world, 2, 0) == []
    world.apply(end)
    assert [item[0] for item in talk(world, 2, 1)] == [ItemType.PACKET, ItemType.PACKET]


def test_nothing_from_before_a_mute_is_sent_after_it():
    world = crowded()
    assert talk(world, 2, 0) == []
    world.apply(MuteStream(2, 1002, True), MuteStream(2, 1002, False), SetSpeakers(1, 2))
    assert [parse_header(packet).sequence for *_, packet in talk(world, 2, 1)] == [1]


def test_without_a_limit_all_are_forwarded_and_what_was_held_goes_first():
    world = crowded()
    assert talk(world, 2, 0) == []
    world.now += FRAME
    world.apply(SetSpeakers(1, 0), SetSpeakers(9, 1))
    assert len(talk(world, 2, 1)) in (1, 2)
    assert len(talk(world, 1, 1)) == 1


def test_a_packet_held_for_nobody_is_dropped_as_any_other():
    world = crowded()
    assert talk(world, 2, 0) == []
    world.forward(world.clients[1], 2, [])
    world.apply(SetSpeakers(1, 2))
    assert talk(world, 2, 1) == []
    assert world.drops()[Drop.NO_RECEIVER] == 1
