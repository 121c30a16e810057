"""Receivers that want a few voices at a time get the first of the ranking."""

from tcserver.media.interface import Receiver
from tests.support.media.relay_world import Workers, packets
from tests.support.media.relay_world import send as send_to_workers
from tests.support.media.world import Address, World, audio, forwarded, send
from tests.tcserver.media.relay.test_relay_speakers import crowd

SPEECH, SILENCE = 20, 127


class Talk:
    """Three who talk, and others who want 1, 2 and all voices."""

    def __init__(self) -> None:
        self.world = World(6)
        self.talkers, self.listeners = self.world.clients[:3], self.world.clients[3:]
        self.sequence = 0
        for number, talker in enumerate(self.talkers):
            wishes = [Receiver(c.media_id, voices=n) for c, n in zip(self.listeners, (1, 2, 0), strict=True)]
            self.world.publish(talker, number, to=wishes)

    def speak(self, seconds: float, *levels: int) -> list[set[int]]:
        """Send packets of 20 ms at these levels; return the streams that each listener got in the last frame."""
        for _ in range(round(seconds / 0.02)):
            self.sequence += 1
            heard: dict[Address, set[int]] = {}
            for stream, level in enumerate(levels):
                packet = audio(stream, self.sequence, level=level, voice=level < 60)
                for address in forwarded(send(self.world, self.talkers[stream], packet)):
                    heard.setdefault(address, set()).add(stream)
            self.world.now += 0.02
            self.world.plane.poll(self.world.now)
        return [heard.get(listener.address, set()) for listener in self.listeners]


def test_the_first_of_the_ranking_are_forwarded():
    talk = Talk()
    one, two, every = talk.speak(3, SPEECH, SILENCE, SILENCE)
    assert one == {0}
    assert every == {0, 1, 2}
    one, two, every = talk.speak(3, SPEECH, SILENCE, SPEECH)
    assert (one, two, every) == ({0}, {0, 2}, {0, 1, 2})
    one, two, every = talk.speak(4, SILENCE, SPEECH, SPEECH)
    assert one in ({1}, {2})
    assert (two, every) == ({1, 2}, {0, 1, 2})


def test_a_stream_is_forwarded_until_the_ranking_is_known():
    talk = Talk()
    assert talk.speak(0.02, SPEECH, SPEECH, SPEECH) == [{0, 1, 2}] * 3


def test_who_wants_all_again_gets_all():
    talk = Talk()
    talk.speak(2, SPEECH, SPEECH, SPEECH)
    for number, talker in enumerate(talk.talkers):
        talk.world.forward(talker, number, talk.listeners)
    assert talk.speak(0.1, SPEECH, SPEECH, SPEECH) == [{0, 1, 2}] * 3


def test_a_ranking_changes_no_audience_where_everybody_wants_all():
    talk = Talk()
    for number, talker in enumerate(talk.talkers):
        talk.world.forward(talker, number, talk.listeners)
    talk.speak(1, SPEECH, SILENCE, SILENCE)
    room = talk.world.plane.rooms[1]
    audience = room.streams[2].lone.plain.audience
    talk.speak(3, SILENCE, SILENCE, SPEECH)
    assert room.streams[2].lone.plain.audience is audience


def test_a_stream_that_is_new_is_behind_those_that_are_ranked():
    talk = Talk()
    talk.speak(1, SPEECH, SPEECH, SPEECH)
    world, (one, two, every) = talk.world, talk.listeners
    world.publish(two, 9, to=[Receiver(one.media_id, voices=1), Receiver(every.media_id)])
    assert set(forwarded(send(world, two, audio(9, 0, level=SILENCE)))) == {every.address}


def test_the_own_streams_of_a_receiver_are_none_of_its_voices():
    talk = Talk()
    talk.speak(3, SPEECH, SILENCE, SILENCE)
    first, second, third = talk.talkers
    for number, talker in enumerate(talk.talkers):
        others = [Receiver(other.media_id, voices=1) for other in (first, second, third) if other is not talker]
        talk.world.forward(talker, number, others)
    talk.listeners = talk.talkers
    assert talk.speak(1, SPEECH, SILENCE, SILENCE) == [{1}, {0}, {0}]
    assert talk.speak(3, SPEECH, SPEECH, SILENCE) == [{1}, {0}, {0}]
    talk.speak(6, SILENCE, SPEECH, SPEECH)
    heard_by_first, *_ = talk.speak(0.02, SILENCE, SPEECH, SPEECH)
    assert heard_by_first in ({1}, {2})


def test_the_own_streams_are_none_of_the_voices_on_another_worker():
    workers = Workers(2)
    first, second = crowd(workers, (0, 1))
    workers.publish(first, 0, [Receiver(second.media_id, voices=1)])
    workers.publish(second, 1, [Receiver(first.media_id, voices=1)])
    heard: dict[int, bool] = {}
    for sequence in range(200):
        for stream, (talker, listener) in enumerate(((first, second), (second, first))):
            level = SPEECH if stream == 0 else SILENCE
            brought = packets(send_to_workers(workers, talker, audio(stream, sequence, level=level, voice=not stream)))
            heard[stream] = listener.address in brought
        workers.poll(0.02)
    assert heard == {0: True, 1: True}


def test_the_ranking_holds_wherever_the_talkers_are():
    workers = Workers(2)
    first, second, listener = crowd(workers, (0, 1, 1))
    wish = Receiver(listener.media_id, voices=1)
    for stream, talker in enumerate((first, second)):
        workers.publish(talker, stream, [wish])
    heard: set[int] = set()
    for sequence in range(200):
        heard = set()
        for stream, talker in enumerate((first, second)):
            level = SPEECH if stream == 0 else SILENCE
            brought = packets(send_to_workers(workers, talker, audio(stream, sequence, level=level, voice=not stream)))
            heard |= {stream for _ in brought.get(listener.address, ())}
        workers.poll(0.02)
    assert heard == {0}
