"""Retransmission on the way down: what was sealed is sent again, to the one who asks and within its share."""

import pytest

from tcproto.datagram import LARGE, Item, ItemType
from tcproto.feedback import REPEAT_INTERVAL, RetransmissionRequest
from tcproto.messages import Kind
from tcproto.packet import Series
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.keyframes import BURST, BURST_INTERVAL, KEY_DELIVERY
from tcserver.media.forwarding.repeats import ASKED, MAX_REMEMBERED, REPEATED, Repeats
from tcserver.media.forwarding.stream import KEPT_NUMBERS
from tcserver.media.interface import OpenSealer, Receiver
from tcserver.media.relay.wire import Message, pack_head, pack_repeat, pack_repeated
from tests.support.media import relay_world
from tests.support.media.relay_world import ROOM, Workers, crowd, sealer_of
from tests.support.media.world import SEALER, World, audio, deliveries, keyframe, packet_item, send, video

STREAM = 7


def request(series=Series(STREAM), base=0, bitmap=0, sealer=SEALER) -> Item:  # noqa: B008 - a tuple never changes
    return Item(ItemType.RETRANSMISSION_REQUEST, RetransmissionRequest(sealer, series, base, bitmap).pack())


class Talk:
    """The first participant speaks to the second and, in the redundant variant, to the third."""

    def __init__(self, kind: Kind = Kind.AUDIO) -> None:
        self.world = World(4)
        self.talker, self.near, self.far, self.other = self.world.clients
        receivers = [self.near, Receiver(self.far.media_id, redundant=True)]
        self.world.publish(self.talker, STREAM, kind, to=receivers)
        self.sent: list[bytes] = []

    def speak(self, count: int) -> None:
        for sequence in range(len(self.sent), len(self.sent) + count):
            sent = send(self.world, self.talker, audio(STREAM, sequence))
            self.sent.append(dict(sent)[self.near.address])

    def ask(self, client, *items: Item, after: float = REPEAT_INTERVAL) -> list[bytes]:
        self.world.now += after
        answers = self.world.receive(client, client.up(*items))
        assert {address for address, _ in answers} <= {client.address}, "nobody else gets anything"
        return [datagram for _, datagram in answers]


def test_lost_packets_are_sent_again_as_they_were_to_the_asker_alone():
    talk = Talk()
    talk.speak(20)
    assert talk.ask(talk.near, request(base=1)) == [talk.sent[1]]
    assert talk.ask(talk.near, request(base=2, bitmap=0b1000_0000_0000_0011)) == [talk.sent[i] for i in (2, 3, 4, 18)]
    assert talk.ask(talk.near, request(base=5), request(base=7)) == [talk.sent[5], talk.sent[7]]
    assert talk.world.plane.counters.repeated == 7
    assert talk.world.drops() == {}


def test_numbers_wrap():
    talk = Talk()
    talk.world.plane.rooms[1].streams[STREAM].lone.number = 0xFFFE
    talk.speak(4)
    assert talk.ask(talk.near, request(base=0xFFFE, bitmap=0b111)) == talk.sent


def test_packets_that_share_a_datagram_bring_it_once():
    talk = Talk()
    packets = [packet_item(audio(STREAM, sequence)) for sequence in range(3)]
    sent = dict(talk.world.receive(talk.talker, talk.talker.up(*packets)))
    assert talk.ask(talk.near, request(base=0, bitmap=0b11)) == [sent[talk.near.address]]


@pytest.mark.parametrize(
    ("who", "item"),
    [
        ("other", request()),
        ("talker", request()),
        ("near", request(Series(STREAM, temporal=1))),
        ("near", request(Series(STREAM + 1))),
        ("near", request(base=3)),
        ("near", request(base=0xFFFF)),
        ("near", request(sealer=SEALER + 1)),
    ],
    ids=[
        *("who gets nothing of it", "the talker", "another layer", "another stream", "not sent yet"),
        *("before the first", "another sealer"),
    ],
)
def test_what_is_not_for_the_asker_is_not_sent(who, item):
    talk = Talk()
    talk.speak(3)
    assert talk.ask(getattr(talk, who), item) == []
    assert talk.world.drops() == {Drop.NOT_KEPT: 1}


def test_who_changes_to_the_other_variant_may_ask_for_what_was_lost_before():
    talk = Talk()
    world, talker, near, far = talk.world, talk.talker, talk.near, talk.far
    to_near, to_far = [], []
    for sequence, redundant in enumerate((False, False, True, True, False)):
        world.forward(talker, STREAM, [Receiver(near.media_id, redundant), Receiver(far.media_id, redundant=True)])
        sent = dict(send(world, talker, audio(STREAM, sequence)))
        to_near.append(sent[near.address])
        to_far.append(sent[far.address])
    assert to_near[2:4] == to_far[2:4]
    numbers = request(base=0, bitmap=0b1111)
    assert talk.ask(near, numbers) == to_near
    assert talk.ask(far, numbers) == to_far, "one on the other variant changes nothing"


def test_what_is_not_sealed_any_more_is_not_mistaken_for_what_was():
    talk = Talk()
    world, kept = talk.world, KEPT_NUMBERS[Kind.AUDIO]
    talk.speak(3)
    world.forward(talk.talker, STREAM, [talk.near])
    talk.speak(kept)
    world.forward(talk.talker, STREAM, [talk.near, Receiver(talk.far.media_id, redundant=True)])
    assert talk.ask(talk.far, request(base=kept + 2)) == [], "it was not sent this one"
    world.forward(talk.talker, STREAM, [talk.near, talk.far])
    talk.speak(1)
    assert talk.ask(talk.far, request(base=kept + 2, bitmap=0b1)) == [talk.sent[-1]]


def test_nothing_is_sent_again_from_before_the_asker_was_sent_anything():
    talk = Talk()
    talk.speak(3)
    talk.world.forward(talk.talker, STREAM, [talk.near, talk.other])
    assert talk.ask(talk.other, request(base=0, bitmap=0b11)) == []
    talk.speak(1)
    assert talk.ask(talk.other, request(base=0, bitmap=0b111)) == talk.sent[3:]
    talk.world.forward(talk.talker, STREAM, [talk.near])
    assert talk.ask(talk.other, request(base=3)) == []


def test_nothing_of_a_stream_is_sent_again_from_before_the_asker_got_that_stream():
    talk = Talk()
    talk.world.publish(talk.other, STREAM + 1, to=[talk.near, talk.far])
    send(talk.world, talk.other, audio(STREAM + 1, 0))
    later = request(Series(STREAM + 1), bitmap=0b1)
    talk.world.forward(talk.other, STREAM + 1, [talk.far])
    send(talk.world, talk.other, audio(STREAM + 1, 1))
    talk.world.forward(talk.other, STREAM + 1, [talk.near, talk.far])
    assert talk.ask(talk.near, later) == [], "it had the stream before, and gave it up"
    sent = dict(send(talk.world, talk.other, audio(STREAM + 1, 2)))[talk.near.address]
    assert talk.ask(talk.near, request(Series(STREAM + 1), base=2), later) == [sent]
    assert len(talk.ask(talk.far, later)) == 2


def test_who_began_with_a_replayed_keyframe_may_ask_for_what_was_lost_of_that():
    talk = Talk(Kind.VIDEO)
    talk.world.now += KEY_DELIVERY
    packets = [keyframe(STREAM, 0), video(STREAM, 1), keyframe(STREAM, 2), video(STREAM, 3)]
    sent = [dict(send(talk.world, talk.talker, packet))[talk.near.address] for packet in packets]
    talk.world.forward(talk.talker, STREAM, [talk.near, talk.other])
    assert [datagram for _, datagram in talk.world.receive(talk.other)] == sent[2:]
    assert talk.ask(talk.other, request(base=1, bitmap=0b11)) == sent[2:]


def test_what_another_sealer_has_sealed_is_forgotten():
    talk = Talk()
    talk.speak(3)
    talk.world.apply(OpenSealer(1, SEALER + 1, 0, bytes(32)))
    for number in range(3):
        assert talk.ask(talk.near, request(base=number, sealer=SEALER + 1)) == []
    assert talk.world.drops() == {Drop.NOT_KEPT: 3}


def test_so_many_packets_of_a_series_are_found():
    talk = Talk()
    most = KEPT_NUMBERS[Kind.AUDIO]
    talk.speak(most + 2)
    assert talk.ask(talk.near, request(base=1)) == []
    assert talk.ask(talk.near, request(base=2)) == [talk.sent[2]]


def test_a_malformed_request_is_dropped():
    talk = Talk()
    talk.speak(1)
    for value in (
        b"",
        request().value[:-1],
        request().value + b"x",
        request().value[:6] + b"\x18" + request().value[7:],
    ):
        assert talk.ask(talk.near, Item(ItemType.RETRANSMISSION_REQUEST, value)) == []
    assert talk.world.drops() == {Drop.ITEM: 4}


def test_another_request_at_once_is_ignored():
    talk = Talk()
    talk.speak(2)
    assert talk.ask(talk.near, request()) == [talk.sent[0]]
    assert talk.ask(talk.near, request(bitmap=1), after=REPEAT_INTERVAL / 2) == [talk.sent[1]]
    assert talk.world.drops() == {Drop.REPEAT_RATE: 1}
    assert talk.ask(talk.near, request(), after=REPEAT_INTERVAL / 2 + 1e-6) == [talk.sent[0]]


def test_a_path_that_is_not_proven_is_sent_nothing():
    talk = Talk()
    talk.speak(1)
    talk.world.plane.seats[talk.near.media_id].path.address = None
    talk.world.receive(talk.near, talk.near.up(request()))
    assert talk.world.drops() == {Drop.REPEAT_RATE: 1}
    assert talk.world.plane.counters.repeated == 0


def test_pictures_are_paced_and_sound_is_not():
    world = World(2)
    talker, viewer = world.clients
    world.publish(talker, STREAM, Kind.VIDEO, to=[viewer])
    send(world, talker, keyframe(STREAM, 0))
    sent = [dict(send(world, talker, video(STREAM, n, bytes(LARGE))))[viewer.address] for n in range(1, BURST + 3)]
    world.now += 1
    world.plane.sooner = False
    answers = [data for _, data in world.receive(viewer, viewer.up(request(base=1, bitmap=0xFFFF)))]
    assert answers == sent[:BURST]
    assert world.plane.sooner, "the owner of the timer has to look again"
    world.now += BURST_INTERVAL + 1e-6
    world.plane.poll(world.now)
    assert [data for _, data in deliveries(world.plane.take_transmissions())] == sent[BURST:]


def test_a_queue_of_pictures_that_is_full_takes_no_more():
    world = World(2)
    talker, viewer = world.clients
    world.publish(talker, STREAM, Kind.VIDEO, to=[viewer])
    send(world, talker, keyframe(STREAM, 0))
    send(world, talker, video(STREAM, 1, bytes(LARGE)))
    world.plane._replays.add(viewer.media_id, [b""] * 400, world.now)
    world.now += 1
    world.receive(viewer, viewer.up(request(base=1)))
    assert world.drops() == {Drop.REPEAT_RATE: 1}


def test_a_receiver_has_a_share_in_requests_and_in_bytes():
    series, now = Series(STREAM), 5.0
    repeats = Repeats(now)
    asked = sum(len(repeats.admit(SEALER, series, range(n * 16, n * 16 + 16), now)) for n in range(100))
    assert asked == ASKED.packets_per_second
    assert len(repeats.admit(SEALER, series, range(5000, 5100), now + 0.1)) <= ASKED.packets_per_second / 10
    assert len(repeats._asked) <= MAX_REMEMBERED
    size = 1000
    assert sum(repeats.may_send(size, now) for _ in range(1000)) == REPEATED.bitrate // (8 * size)
    assert Repeats(now).admit(SEALER, series, [1], now), "nobody else's"


def test_what_another_worker_has_sealed_is_asked_for_there():
    workers = Workers(2)
    talker, near, other = crowd(workers, (0, 1, 1))
    workers.publish(talker, STREAM, [near])
    sent = [dict(relay_world.send(workers, talker, audio(STREAM, sequence)))[near.address] for sequence in range(3)]
    workers.now += 1
    asked = near.up(request(base=0, bitmap=0b10, sealer=sealer_of(0)))
    assert workers.receive(near, asked) == [(near.address, sent[0]), (near.address, sent[2])]
    assert workers.planes[1].counters.repeated == 2
    assert workers.receive(near, near.up(request(base=0, sealer=sealer_of(0)))) == [], "too soon"
    assert workers.receive(other, other.up(request(base=0, sealer=sealer_of(0)))) == [], "who gets nothing of it"
    assert (workers.drops(0), workers.drops(1)) == ({Drop.NOT_KEPT: 1}, {Drop.REPEAT_RATE: 1})
    assert workers.receive(near, near.up(request(base=1, sealer=12345))) == []
    assert workers.drops(1) == {Drop.NOT_KEPT: 1}


@pytest.mark.parametrize(
    "message",
    [
        pack_head(Message.REPEAT, ROOM) + bytes(6),
        pack_head(Message.REPEAT, ROOM) + bytes(8),
        pack_repeat(ROOM + 1, 1, Series(STREAM), [1]),
        pack_repeated(ROOM, 1, b"short"),
        pack_repeated(ROOM + 1, 1, bytes(40)),
    ],
)
def test_a_malformed_message_of_another_worker_is_dropped(message):
    workers = Workers(2)
    crowd(workers, (0, 1))
    address = workers.addresses[1]
    workers.planes[0].receive_relayed([(message, address)], workers.now)
    assert workers.exchange() == []
    assert workers.drops(0) == {Drop.RELAY_MESSAGE: 1}


def test_an_answer_for_a_seat_that_is_gone_or_has_not_asked_goes_nowhere():
    workers = Workers(2)
    (there, _) = crowd(workers, (0, 1))
    for media_id in (4711 << 8, there.media_id):
        message = pack_repeated(ROOM, media_id, bytes(40))
        workers.planes[0].receive_relayed([(message, workers.addresses[1])], workers.now)
        assert workers.exchange() == []
    assert workers.drops(0) == {Drop.REPEAT_RATE: 1}
