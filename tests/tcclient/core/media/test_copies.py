"""Copies of sound behind a packet of the redundant variant."""

import pytest

from tcclient.core import Drop, Way, events
from tcclient.core.downlink.subscription import COPIED_VOICE, Wishes
from tcclient.core.media.copies import (
    COPIED_BELOW,
    COPIES_FROM,
    COPIES_UNTIL,
    ENOUGH,
    SECOND_BESIDE,
    SECOND_FROM,
    SECOND_UNTIL,
    OwnCopies,
)
from tcclient.core.media.losses import COPIED, ENOUGH_CLEAN, FAR, NEAR, PICTURES, SECOND_ANSWER, THIRD_ANSWER
from tcproto import messages as m
from tcproto.copies import DISTANCES, Copy, copied_distances, pack_copies
from tcproto.datagram import Item, ItemType, pack_items, pack_relay_time
from tcproto.packet import AUDIO_HEADER_SIZE, AudioHeader, Series, parse_header
from tests.support.scripted_media import give, packet_in, spend_beacons, undelivered
from tests.support.scripted_server import Server

SEALER = 77


def redundant(server, datagrams, number, distances, forward=None, *more):
    """Return a datagram of the redundant variant with a packet and copies of those so far before it."""
    packets = [packet_in(server, data) for data in datagrams]
    copies = []
    for distance in distances:
        header = parse_header(packets[number - distance])
        copies.append(Copy(distance, header.level, header.voice, packets[number - distance][AUDIO_HEADER_SIZE:]))
    value = (number if forward is None else forward).to_bytes(2, "big") + packets[number]
    items = [Item(ItemType.REDUNDANT_PACKET, value), Item(ItemType.COPIES, pack_copies(copies)), *more]
    return server.seal_room(pack_relay_time(int(server.now * 1e6)) + pack_items(items))


def spoken(server, client, number, count):
    """Speak, and return the room datagrams, which were not delivered."""
    before, server.deliver = len(server.forwarded), False
    for n in range(count):
        assert client.session.seat.publications.send_audio(number, b"voice", n * 960, server.now, level=30, voice=True)
        server.pump()
    server.deliver = True
    return server.forwarded[before:]


@pytest.fixture
def sound(server, pair):
    """Ten packets that nobody got."""
    a, _ = pair
    number = a.publish()
    spend_beacons(server)
    return spoken(server, a, number, 10)


def test_what_was_lost_comes_as_a_copy_once_and_is_not_asked_for(server, pair, sound):
    a, b = pair
    give(b, redundant(server, sound, 0, ()))
    b.session.receive_datagram(redundant(server, sound, 3, (1, 2)), server.now)
    b.collect()
    packets = b.take_media()
    assert [packet.header.sequence for packet in packets] == [3, 1, 2]
    assert [packet.repaired for packet in packets] == [False, True, True]
    give(b, redundant(server, sound, 4, (1, 2)), redundant(server, sound, 5, (2, 4)))
    stream = a.told(events.Published)[0].stream
    counts = b.session.seat.downlink.losses.statistics()[SEALER, Series(stream)]
    assert (counts.received, counts.lost, counts.repaired) == (6, 0, 2)
    assert counts.farthest_copy == 4
    down = b.session.network_statistics().down
    assert (down.lost, down.repaired) == (0, 2)
    assert not b.session.drops[Drop.PACKET_REFUSED], "copies of what has come are not opened"
    share, packets = b.session.seat.downlink.losses.share()
    assert 0 < share <= 2 / packets
    b.session.seat.path.way = Way.STREAM
    assert b.session.seat.downlink.losses.share() == (0.0, 0)


def test_a_whole_packet_as_a_copy(server, pair, sound):
    _, b = pair
    whole = Item(ItemType.FULL_COPY, packet_in(server, sound[0]))
    assert len(give(b, redundant(server, sound, 3, (1,), None, whole))) == 3


def test_copies_that_are_malformed_or_not_of_the_stream_are_dropped(server, pair, sound):
    a, b = pair
    other = bytearray(packet_in(server, sound[0]))
    other[1] ^= 1
    wrong = [
        Item(ItemType.COPIES, b"\0"),
        Item(ItemType.FULL_COPY, bytes(other)),
        Item(ItemType.FULL_COPY, b"\x30" + bytes(other[1:])),
        Item(ItemType.FULL_COPY, b"short"),
    ]
    assert len(give(b, redundant(server, sound, 3, (1,), None, *wrong))) == 2
    assert b.session.drops[Drop.PACKET_MALFORMED] == len(wrong)
    camera = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    server.deliver = False
    a.session.seat.publications.send_video(camera, b"picture", 0, server.now, keyframe=True)
    server.pump()
    picture = packet_in(server, server.forwarded[-1])
    items = [Item(ItemType.PACKET, bytes(2) + picture), Item(ItemType.COPIES, b"")]
    give(b, server.seal_room(pack_relay_time(0) + pack_items(items)))
    assert b.session.drops[Drop.PACKET_MALFORMED] == len(wrong) + 1


def test_copies_without_a_packet_or_a_sender_are_skipped(server, pair, sound):
    _, b = pair
    lone = [Item(ItemType.PACKET, b"\0\0short"), Item(ItemType.COPIES, b"\0")]
    give(b, server.seal_room(pack_relay_time(0) + pack_items(lone)))
    assert b.session.drops[Drop.PACKET_MALFORMED] == 1
    server.publications.clear()
    b.session.seat.room.streams.clear()
    give(b, redundant(server, sound, 3, (1,)))
    assert b.session.drops[Drop.PACKET_MALFORMED] == 1


def test_copies_are_taken_without_encryption_too():
    server = Server(e2ee=False)
    a, b = server.seated(2)
    number = a.publish()
    spend_beacons(server)
    data = spoken(server, a, number, 4)
    assert len(give(b, redundant(server, data, 3, (1, 2)), redundant(server, data, 2, (1, 2)))) == 4


def test_a_lossy_way_down_chooses_the_variant_with_copies(server, pair, sound):
    a, b = pair
    b.session.seat.downlink.wish(Wishes((m.Source.MICROPHONE,)))
    server.pump()
    b.session.seat.path.statistics.rtt = 4 * FAR
    for data in undelivered(server, a, 60)[::2]:
        give(b, data)
    server.advance(1)
    *_, subscribed, again = [message for message in b.received if isinstance(message, m.Subscribe)]
    assert subscribed.redundant_sources == (m.Source.MICROPHONE, m.Source.SCREEN_AUDIO)
    assert again.redundant_sources == (), "none come"
    assert subscribed.defaults == (m.Source.MICROPHONE,)


def test_whether_what_is_lost_is_better_asked_for(server, pair, sound):
    _, b = pair
    losses, statistics = b.session.seat.downlink.losses, b.session.seat.path.statistics
    answers = []
    for rtt in (None, NEAR, (NEAR + FAR) / 2, FAR + 0.01):
        statistics.rtt = rtt
        answers.append((losses.repairs_by_requests(False), losses.repairs_by_requests(True)))
    assert answers == [(False, False), (True, True), (False, True), (False, False)]
    statistics.rtt = NEAR
    for number in (0, 4, 9):
        give(b, redundant(server, sound, number, (), number * 3))
    assert not losses.repairs_by_requests(True), "losses come in bursts"


def test_the_delay_with_which_a_voice_begins(server, pair, sound):
    _, b = pair
    downlink, path = b.session.seat.downlink, b.session.seat.path
    losses, subscription = downlink.losses, downlink.subscription
    path.statistics.rtt = None
    assert losses.start_delay() == 0.0
    path.statistics.rtt = NEAR
    assert losses.start_delay() == NEAR + SECOND_ANSWER, "nobody knows what is lost"
    subscription.ladder.voices, subscription.ladder.capacity = 2, COPIED_VOICE - 1
    assert losses.start_delay() == NEAR + SECOND_ANSWER, "the line bears no more"
    subscription.ladder.capacity = COPIED_VOICE
    assert losses.start_delay() == NEAR + SECOND_ANSWER + THIRD_ANSWER, "a voice is left out, so there is room"
    subscription.ladder.capacity = COPIED_VOICE - 1
    server.advance(1)
    number = pair[0].publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    pair[0].session.seat.publications.send_video(number, b"picture", 0, server.now, keyframe=True)
    server.pump()
    path.statistics.rtt = NEAR
    assert losses.start_delay() == NEAR + SECOND_ANSWER, "nothing is lost yet"
    first, *_, last = undelivered(server, pair[0], 10)
    give(b, first, last)
    assert losses.start_delay() == NEAR + SECOND_ANSWER + THIRD_ANSWER, "pictures come, which take the most of a line"
    server.advance(PICTURES + 0.1)
    give(b, *undelivered(server, pair[0], 1))
    path.statistics.rtt = NEAR
    assert losses.start_delay() == NEAR + SECOND_ANSWER, "they have ended"
    losses.forgive()
    path.statistics.rtt = NEAR + 0.01
    assert losses.start_delay() == COPIED
    path.way = Way.STREAM
    assert losses.start_delay() == 0.0
    path.way = Way.UDP
    for data in undelivered(server, pair[0], ENOUGH_CLEAN + 2):
        give(b, data)
    assert losses.start_delay() == 0.0, "nothing is lost"


class Talk:
    """A publication of ours, and the copies behind its packets."""

    def __init__(self) -> None:
        self.loss = (0.0, 0)
        self.copies = OwnCopies(lambda: self.loss)
        self.sequence = 0

    def say(self, level: int = 30, number: int = 1, *, beside: bool = False) -> tuple[int, ...]:
        """Return how many packets back the copies behind the next packet reach, perhaps ``beside`` pictures."""
        header = AudioHeader(5, 1, 0, self.sequence, self.sequence * 960, 20, level, True)
        self.sequence += 1
        packet = header.pack() + b"body"
        return tuple(copied_distances(self.copies.behind(number, header, packet, beside_pictures=beside)))


def test_our_packets_have_copies_where_the_way_up_loses():
    talk = Talk()
    for _ in range(5):
        assert talk.say() == ()
    none, one, two, _ = DISTANCES[20]
    for loss, expected in (
        ((1.0, ENOUGH - 1), none),
        ((COPIES_FROM - 0.01, ENOUGH), none),
        ((COPIES_FROM, ENOUGH), one),
        ((COPIES_UNTIL, ENOUGH), one),
        ((SECOND_FROM, ENOUGH), two),
        ((COPIES_UNTIL - 0.001, ENOUGH), none),
        ((COPIES_FROM - 0.01, ENOUGH), none),
    ):
        talk.loss = loss
        assert talk.say() == expected


def test_pictures_pay_for_a_second_copy():
    talk = Talk()
    _, one, two, _ = DISTANCES[20]
    talk.loss = (SECOND_BESIDE, ENOUGH)
    for _ in range(5):
        talk.say()
    for share, beside, expected in (
        (SECOND_BESIDE, False, one),
        (SECOND_BESIDE - 0.01, True, one),
        (SECOND_BESIDE, True, two),
        (SECOND_UNTIL, True, two),
        (SECOND_UNTIL - 0.01, True, one),
        (SECOND_UNTIL, True, one),
    ):
        talk.loss = (share, ENOUGH)
        assert talk.say(beside=beside) == expected


def test_what_is_quiet_is_copied_beside_pictures():
    talk = Talk()
    talk.loss = (COPIES_FROM, ENOUGH)
    levels = [20, 20 + COPIED_BELOW + 2, 20, 20, 20]
    assert [talk.say(level, beside=True) for level in levels] == [(), (), (), (3,), (3,)]


def test_what_is_much_quieter_than_the_rest_is_not_copied():
    talk = Talk()
    talk.loss = (0.2, ENOUGH)
    levels = [20, 20 + COPIED_BELOW, 20 + COPIED_BELOW + 2, 20, 20, 20]
    assert [talk.say(level) for level in levels] == [(), (), (), (3,), (3,), ()]
    for _ in range(200):
        talk.say(20 + COPIED_BELOW + 2)
    assert talk.say() == (3,), "it has become quieter"


def test_copies_are_of_one_publication_and_end_with_it():
    talk = Talk()
    talk.loss = (0.2, ENOUGH)
    assert [talk.say(number=number) for number in (1, 2, 2, 1, 1)] == [(), (), (), (3,), ()]
    talk.copies.forget(1)
    talk.say()
    assert talk.say() == ()


def test_a_lossy_way_up_has_copies_of_what_was_said(server, pair):
    a, _ = pair
    number = a.publish()

    def size() -> int:
        a.session.seat.publications.send_audio(number, b"voice", 0, server.now, level=30, voice=True)
        return sum(map(len, a.session.datagrams_to_send(server.now)))

    plain = size()
    assert size() == size() == plain
    a.session.seat.path.statistics.up_counted(100, 20, 0.0)
    assert size() > plain
    a.session.seat.path.way = Way.STREAM
    assert size() == 0, "a stream loses nothing"
