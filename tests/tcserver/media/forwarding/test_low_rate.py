"""The low rate of a microphone: in its place for those who want it, and one talker with it."""

import pytest

from tcproto.messages import Kind
from tcproto.packet import AudioHeader, parse_header
from tcserver.media.forwarding.drops import Drop
from tcserver.media.forwarding.stream import LOW_PATIENCE
from tcserver.media.interface import (
    ChangeForwarding,
    CloseStream,
    MuteStream,
    OpenStream,
    Receiver,
    SetSpeakers,
)
from tests.support.media.relay_world import ROOM, Workers, crowd, packets
from tests.support.media.relay_world import send as send_to_workers
from tests.support.media.world import CAPS, World, audio, forwarded, send

MICROPHONE, LOW = 10, 11
SPEECH = 20


class Talk:
    """One who talks at both rates, one who listens to the microphone, and one who wants its low rate."""

    def __init__(self, participants: int = 3) -> None:
        self.world = World(participants)
        self.talker, self.usual, self.thin = self.world.clients[:3]
        self.world.publish(self.talker, MICROPHONE, to=[self.usual, self.thin])
        self.world.publish(self.talker, LOW, to=[self.thin], microphone=MICROPHONE)
        self.sequence = 0

    def speak(self, seconds: float, *, low: bool = True) -> dict[object, list[int]]:
        """Send packets of both streams; return the streams of those that each got, in order."""
        heard: dict[object, list[int]] = {self.usual: [], self.thin: []}
        for _ in range(round(seconds / 0.06)):
            self.sequence += 1
            for stream in (MICROPHONE, LOW) if low else (MICROPHONE,):
                brought = forwarded(send(self.world, self.talker, audio(stream, self.sequence, level=SPEECH)))
                for client, streams in heard.items():
                    streams += [parse_header(packet).stream for _, packet in brought.get(client.address, ())]
            self.world.now += 0.06
            self.world.plane.poll(self.world.now)
        return heard


def test_who_wants_the_low_rate_gets_it_from_its_first_packet_on_in_place_of_the_microphone():
    talk = Talk()
    assert talk.speak(0.12, low=False) == {talk.usual: [MICROPHONE] * 2, talk.thin: [MICROPHONE] * 2}
    assert talk.speak(0.18) == {talk.usual: [MICROPHONE] * 3, talk.thin: [MICROPHONE, LOW, LOW, LOW]}
    assert talk.speak(0.18)[talk.thin] == [LOW] * 3, "never both"


def test_the_microphone_comes_back_at_once_where_the_low_rate_is_wanted_no_more():
    talk = Talk()
    talk.speak(0.3)
    talk.world.forward(talk.talker, LOW, [])
    assert talk.speak(0.12)[talk.thin] == [MICROPHONE] * 2
    talk.world.forward(talk.talker, LOW, [talk.thin])
    assert talk.speak(0.12, low=False)[talk.thin] == [MICROPHONE] * 2, "until the other comes"
    assert talk.speak(0.12)[talk.thin] == [MICROPHONE, LOW, LOW]


def test_the_microphone_comes_back_where_the_low_rate_comes_no_more():
    talk = Talk()
    talk.speak(0.3)
    streams = talk.speak(LOW_PATIENCE + 0.5, low=False)[talk.thin]
    assert set(streams) == {MICROPHONE}
    assert len(streams) >= 1
    assert talk.speak(0.6, low=False)[talk.thin] == [MICROPHONE] * 10


def test_the_microphone_comes_back_where_the_low_rate_ends():
    talk = Talk()
    talk.speak(0.3)
    talk.world.apply(CloseStream(LOW, talk.talker.media_id))
    assert talk.speak(0.12, low=False)[talk.thin] == [MICROPHONE] * 2


def test_both_are_muted_by_the_flag_of_the_microphone():
    talk = Talk()
    talk.speak(0.3)
    talk.world.apply(MuteStream(MICROPHONE, talk.talker.media_id, True))
    talk.world.drops()
    assert talk.speak(0.12) == {talk.usual: [], talk.thin: []}
    assert talk.world.drops()[Drop.MUTED] == 4
    talk.world.apply(MuteStream(MICROPHONE, talk.talker.media_id, False))
    assert talk.speak(0.12)[talk.thin][-1] == LOW


def test_the_low_rate_says_nothing_of_who_speaks():
    """Its levels are not heard: it is known as a talker only by its microphone."""
    talk = Talk()
    for sequence in range(30):
        send(talk.world, talk.talker, audio(LOW, sequence, level=SPEECH, voice=True))
        talk.world.now += 0.06
        talk.world.plane.poll(talk.world.now)
    assert talk.world.plane.rooms[1].speakers.ranking == ()
    talk.speak(1)
    assert [place.stream for place in talk.world.plane.rooms[1].speakers.ranking] == [MICROPHONE]


def test_it_takes_no_place_of_its_own_and_has_that_of_its_microphone():
    talk = Talk(5)
    other = talk.world.clients[3]
    talk.world.publish(other, 20, to=[talk.usual, talk.thin])
    talk.world.apply(SetSpeakers(1, 2))
    heard: set[int] = set()
    for sequence in range(100):
        for client, stream in ((talk.talker, MICROPHONE), (talk.talker, LOW), (other, 20)):
            packet = audio(stream, sequence, level=SPEECH, voice=True)
            brought = forwarded(send(talk.world, client, packet))
            heard |= {parse_header(packet).stream for _, packet in brought.get(talk.thin.address, ()) if sequence > 50}
        talk.world.now += 0.06
        talk.world.plane.poll(talk.world.now)
    assert heard == {LOW, 20}
    assert set(talk.world.plane.rooms[1].speakers.holders) == {MICROPHONE, 20}


def test_nobody_gets_the_low_rate_of_a_talker_without_a_place():
    talk = Talk(5)
    other = talk.world.clients[3]
    talk.world.publish(other, 20, to=[talk.usual, talk.thin])
    talk.world.apply(SetSpeakers(1, 1))
    for sequence in range(100):
        for client, stream, level in ((other, 20, 10), (talk.talker, MICROPHONE, 40), (talk.talker, LOW, 10)):
            brought = forwarded(send(talk.world, client, audio(stream, sequence, level=level, voice=level < 30)))
            streams = {parse_header(packet).stream for _, packet in brought.get(talk.thin.address, ())}
            assert streams <= {20}, "the microphone alone decides"
        talk.world.now += 0.06
        talk.world.plane.poll(talk.world.now)


def test_it_has_the_rank_of_its_microphone_among_the_voices():
    talk = Talk(5)
    other = talk.world.clients[3]
    wish = Receiver(talk.thin.media_id, voices=1)
    talk.world.publish(other, 20, to=[wish])
    for stream in (MICROPHONE, LOW):
        talk.world.forward(talk.talker, stream, [wish])

    def speak(seconds: float, level: int, others_level: int) -> set[int]:
        heard: set[int] = set()
        for _ in range(round(seconds / 0.02)):
            talk.sequence += 1
            heard = set()
            levels = ((talk.talker, MICROPHONE, level), (talk.talker, LOW, level), (other, 20, others_level))
            for client, stream, loud in levels:
                brought = forwarded(send(talk.world, client, audio(stream, talk.sequence, level=loud, voice=loud < 60)))
                heard |= {parse_header(packet).stream for _, packet in brought.get(talk.thin.address, ())}
            talk.world.now += 0.02
            talk.world.plane.poll(talk.world.now)
        return heard

    assert speak(4, SPEECH, 127) == {LOW}
    assert speak(6, 127, SPEECH) == {20}


@pytest.mark.parametrize("is_known", [True, False])
def test_a_stream_without_a_microphone_is_one_of_its_own(is_known: bool):
    world = World(2)
    talker, listener = world.clients
    if is_known:
        world.publish(talker, MICROPHONE, to=[listener])
    world.publish(talker, LOW, to=[listener], microphone=0 if is_known else MICROPHONE)
    packet = audio(LOW, 1, level=SPEECH)
    assert isinstance(parse_header(packet), AudioHeader)
    assert listener.address in forwarded(send(world, talker, packet))


def test_the_same_holds_for_a_talker_who_is_not_at_the_home_of_the_room():
    workers = Workers(2)
    talker, usual, thin, other = crowd(workers, (1, 0, 1, 0))
    workers.apply(SetSpeakers(ROOM, 1))
    workers.publish(talker, MICROPHONE, [usual, thin])
    workers.publish(other, 20, [usual, thin])
    wish = Receiver(thin.media_id)
    workers.apply(OpenStream(LOW, talker.media_id, Kind.AUDIO, CAPS, microphone=MICROPHONE))
    workers.apply(ChangeForwarding(ROOM, (LOW,), (wish,)))

    def speak(numbers: range, level: int, others_level: int) -> set[tuple[str, int]]:
        heard: set[tuple[str, int]] = set()
        for sequence in numbers:
            heard = set()
            for client, stream, loud in ((talker, MICROPHONE, level), (talker, LOW, level), (other, 20, others_level)):
                packet = audio(stream, sequence, level=loud, voice=loud < 60)
                brought = packets(send_to_workers(workers, client, packet))
                heard |= {(name, stream) for name, c in (("usual", usual), ("thin", thin)) if brought.get(c.address)}
            workers.poll(0.02)
        return heard

    assert speak(range(150), SPEECH, 127) == {("usual", MICROPHONE), ("thin", LOW)}
    assert speak(range(150, 300), 127, SPEECH) == {("usual", 20), ("thin", 20)}
