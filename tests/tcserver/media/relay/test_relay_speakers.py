"""Speakers of a room over several media planes, and the talkers that are forwarded."""

from tcproto.datagram import ItemType
from tcserver.media.interface import (
    Address,
    ChangeForwarding,
    CloseSeat,
    MuteStream,
    OpenSealer,
    Receiver,
    SetSpeakers,
    SpeakersChanged,
)
from tcserver.media.relay.relay import LOST_AFTER
from tcserver.media.relay.wire import Message, parse_head
from tests.support.media.relay_world import ROOM, Workers, crowd, key_of, packets, sealer_of, send
from tests.support.media.world import audio

STREAM = 7


class Hall:
    """A room in which everybody has a microphone, with seats on the home and on other workers."""

    def __init__(self, numbers: tuple[int, ...], limit: int = 1) -> None:
        self.workers = Workers(max(numbers) + 1)
        self.clients = crowd(self.workers, numbers)
        self.sequence = 0
        self.workers.apply(SetSpeakers(ROOM, limit))
        for stream, client in enumerate(self.clients):
            self.workers.publish(client, stream, [other for other in self.clients if other is not client])

    def speak(self, levels: dict[int, int], seconds: float) -> dict[int, int]:
        """Send packets of 20 ms at these levels. Return how many of each stream everybody else got."""
        heard: dict[int, int] = {}
        for _ in range(round(seconds / 0.02)):
            self.sequence += 1
            sent = []
            for stream, level in levels.items():
                packet = audio(stream, self.sequence, level=level, voice=level < 60)
                sent += send(self.workers, self.clients[stream], packet)
            sent += self.workers.poll(0.02)
            for brought in packets(sent).values():
                for item in brought:
                    held = item[0] in (ItemType.HELD_PACKET, ItemType.HELD_REDUNDANT_PACKET)
                    stream = int.from_bytes(item[6:8] if held else item[4:6], "big")
                    heard[stream] = heard.get(stream, 0) + 1
        others = len(self.clients) - 1
        assert not any(count % others for count in heard.values()), "everybody gets the same"
        return {stream: count // others for stream, count in heard.items()}

    def holders(self) -> set[tuple[int, ...]]:
        return {tuple(sorted(plane.forwarded_talkers(ROOM))) for plane in self.workers.planes}


def test_who_is_always_forwarded_still_is_when_other_workers_come():
    workers = Workers(1)
    workers.addresses = [*workers.addresses, Address(1, "127.0.0.1", 9001)]
    workers.planes = [workers.plane(0), workers.plane(1)]
    for worker in (0, 1):
        workers.apply(OpenSealer(ROOM, sealer_of(worker), 0, key_of(worker), worker))
    workers.apply(SetSpeakers(ROOM, 1, (0x101,)))
    workers.share()
    soft, other = crowd(workers, (1, 1))
    assert soft.media_id == 0x101
    workers.publish(soft, STREAM, [other])
    assert set(packets(send(workers, soft, audio(STREAM, level=90, voice=False)))) == {other.address}


def test_the_loudest_are_forwarded_wherever_they_are():
    hall = Hall((0, 0, 1, 1, 2), limit=2)
    heard = hall.speak({0: 50, 1: 20, 2: 45, 3: 20, 4: 50}, 1.0)
    heard = hall.speak({0: 50, 1: 20, 2: 45, 3: 20, 4: 50}, 1.0)
    assert heard == {1: 50, 3: 50}
    assert hall.holders() == {(1, 3)}


def test_a_talker_elsewhere_loses_no_first_syllable():
    hall = Hall((0, 1, 1))
    assert hall.speak({0: 20}, 1.0) == {0: 50}
    hall.speak({0: 127, 1: 127}, 1.0)
    heard = hall.speak({0: 127, 1: 20}, 1.0)
    assert heard[1] >= 50, "with what was kept back until the home had decided"
    assert hall.holders() == {(1,)}


def test_a_decision_that_was_lost_is_told_again():
    hall = Hall((0, 1, 1))
    hall.workers.loses = lambda data: parse_head(data)[0] == Message.HOLDERS
    assert hall.speak({1: 20}, 0.5) == {}
    hall.workers.loses = lambda _: False
    assert hall.speak({1: 20}, 1.5)[1] >= 20


def test_a_talker_who_is_muted_makes_way():
    hall = Hall((0, 1, 1))
    hall.speak({1: 20}, 1.0)
    assert hall.holders() == {(1,)}
    hall.workers.apply(MuteStream(1, hall.clients[1].media_id, True))
    hall.workers.poll(0.02)
    hall.workers.poll(1)
    assert hall.holders() == {()}
    assert hall.speak({2: 30}, 1.0)[2] >= 50


def test_only_the_home_says_who_speaks():
    hall = Hall((0, 1), limit=0)
    hall.workers.take_events()
    assert hall.speak({1: 20}, 1.0) == {1: 50}
    assert [event for event in hall.workers.take_events() if isinstance(event, SpeakersChanged)] == [
        SpeakersChanged(ROOM, (2,), (), 2)
    ]
    hall.workers.apply(MuteStream(1, hall.clients[1].media_id, True))
    hall.workers.poll(0.02)
    hall.workers.poll(1)
    stopped = [event for event in hall.workers.take_events() if isinstance(event, SpeakersChanged)]
    assert [event.stopped for event in stopped] == [(2,)]


def test_a_new_home_decides_again():
    hall = Hall((0, 1, 1))
    hall.speak({1: 20}, 1.0)
    hall.workers.replace(0)
    hall.workers.apply(SetSpeakers(ROOM, 1), CloseSeat(hall.clients[0].media_id, ROOM))
    hall.clients[0] = hall.workers.join(9, 0)
    hall.workers.apply(ChangeForwarding(ROOM, (1, 2), (Receiver(hall.clients[0].media_id),)))
    hall.speak({1: 127, 2: 20}, 1.0)
    assert hall.holders() == {(2,)}


# What no worker should send


def test_the_home_forgets_talkers_of_a_worker_that_died():
    hall = Hall((0, 1))
    hall.speak({1: 20}, 1.0)
    hall.workers.take_events()
    assert hall.holders() == {(1,)}
    hall.workers.replace(1)
    hall.workers.apply(CloseSeat(hall.clients[1].media_id, ROOM))
    for _ in range(round(LOST_AFTER + 2)):
        hall.workers.poll(1.0)
    assert hall.holders() == {()}
    assert hall.workers.take_events()[-1] == SpeakersChanged(ROOM, (), (), 0)
