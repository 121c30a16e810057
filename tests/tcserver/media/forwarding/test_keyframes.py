"""Keyframes from the ring, for receivers that begin to want a stream and have the keys."""

import pytest

from tcproto.datagram import Item, ItemType
from tcproto.messages import Kind
from tcserver.media.forwarding.keyframes import BURST, BURST_INTERVAL, KEY_DELIVERY, MAX_REPLAY, MAX_WAITING, Replays
from tcserver.media.forwarding.sealer import RING_SIZE
from tcserver.media.interface import CloseSeat, KeyframeAsked, Receiver, RotateSealer, SendKeyframe
from tests.support.media.world import World, audio, deliveries, packet_item, video

STREAM = 7


class Show:
    """Participant 1 publishes video, and the second gets it. The third is there, and has had the keys for long."""

    def __init__(self) -> None:
        self.world = World(3)
        self.publisher, self.first, self.third = self.world.clients
        self.world.publish(self.publisher, STREAM, Kind.VIDEO, to=[self.first], layers=4)
        self.world.now += KEY_DELIVERY
        self.sequences = [0, 0, 0, 0]

    def send(self, *, key: bool = False, index: int = 0, spatial: int = 0, temporal: int = 0) -> bytes | None:
        """Send a packet, and return the datagram that the second participant gets."""
        sequence = self.sequences[spatial]
        self.sequences[spatial] += 1
        header = video(STREAM, sequence, keyframe=key, reference=0 if key else 1, spatial=spatial, temporal=temporal)
        packet = header[:16] + index.to_bytes(2, "big") + (9).to_bytes(2, "big") + header[20:]
        sent = self.world.receive(self.publisher, self.publisher.up(packet_item(packet)))
        return next((datagram for address, datagram in sent if address == self.first.address), None)

    def frames(self, packets: int, **fields: int) -> list[bytes | None]:
        """Send a keyframe of three packets, and so many in all."""
        return [self.send(key=n < 3, index=n if n < 3 else 0, **fields) for n in range(packets)]

    def want(self, *receivers: Receiver) -> list[bytes]:
        """Forward to others, and return what the third is sent at once."""
        self.world.forward(self.publisher, STREAM, receivers)
        return self.sent()

    def sent(self) -> list[bytes]:
        sent = deliveries(self.world.plane.take_transmissions())
        assert {address for address, _ in sent} <= {self.third.address}
        return [datagram for _, datagram in sent]

    def asked(self) -> list[KeyframeAsked]:
        return [event for event in self.world.plane.take_events() if isinstance(event, KeyframeAsked)]


def test_who_begins_gets_what_was_sealed_since_the_keyframe_and_nothing_is_asked_for():
    show = Show()
    show.send()
    sealed = show.frames(8)
    sent = show.world.plane.counters.sent
    assert show.want(Receiver(1002), Receiver(1003)) == sealed
    assert show.world.plane.counters.sent == sent + 8
    assert show.asked() == []
    assert show.want(Receiver(1002), Receiver(1003)) == [], "who has it does not begin"
    assert show.want(Receiver(1002)) == []
    assert show.want(Receiver(1002), Receiver(1003)) == sealed, "who comes back begins again"


@pytest.mark.parametrize("by_datagram", [False, True])
def test_who_asks_is_sent_the_last_keyframe_again_once_and_then_another_is_asked_for(by_datagram):
    show = Show()

    def ask(client, spatial=0):
        show.world.now += 1
        if by_datagram:
            value = STREAM.to_bytes(2, "big") + bytes([spatial])
            sent = show.world.receive(client, client.up(Item(ItemType.KEYFRAME_REQUEST, value)))
            return [datagram for _, datagram in sent]
        show.world.apply(SendKeyframe(STREAM, show.publisher.media_id, client.media_id, spatial))
        return show.sent()

    show.want(Receiver(1002), Receiver(1003))
    sealed = show.frames(8)
    assert ask(show.third) == sealed
    assert show.asked() == []
    assert ask(show.third) == []
    assert show.asked() == [KeyframeAsked(1003, STREAM, 0)]
    again = show.frames(5)
    assert ask(show.third) == again, "another keyframe"
    assert ask(show.third, spatial=2) == []
    assert show.asked() == [KeyframeAsked(1003, STREAM, 2)]
    show.world.forward(show.publisher, STREAM, [Receiver(1002)])
    assert ask(show.third) == []
    assert show.asked() == [], "nobody asks for what it does not receive"


def test_a_replay_is_paced():
    show = Show()
    sealed = show.frames(25)
    plane, world = show.world.plane, show.world
    assert show.want(Receiver(1003)) == sealed[:BURST]
    plane.poll(world.now)
    assert show.sent() == []
    assert plane.next_deadline() == pytest.approx(world.now + BURST_INTERVAL)
    for part in (sealed[10:20], sealed[20:], []):
        world.now += BURST_INTERVAL + 1e-6
        plane.poll(world.now)
        assert show.sent() == part
    assert plane.next_deadline() > world.now + BURST_INTERVAL


@pytest.mark.parametrize("packets", [MAX_REPLAY, MAX_REPLAY + 1])
def test_far_behind_a_keyframe_a_new_one_is_asked_for(packets):
    show = Show()
    show.frames(packets)
    began = bool(show.want(Receiver(1003)))
    assert began == (packets == MAX_REPLAY)
    assert show.asked() == ([] if began else [KeyframeAsked(1003, STREAM, 0)])


def spoil(how: str, show: Show) -> Receiver:
    """Make a replay useless; return the receiver that wants the stream."""
    world = show.world
    match how:
        case "newcomer":
            show.frames(5)
            show.third = world.join(4)
            world.plane.take_events()
            return Receiver(1004)
        case "came shortly before":
            show.third = world.join(4)
            world.now += KEY_DELIVERY - 1.1
            show.frames(5)
            world.plane.take_events()
            return Receiver(1004)
        case "a packet of the keyframe was lost":
            show.send(key=True, index=0)
            show.sequences[0] += 1
            show.send(key=True, index=2)
        case "the beginning of the keyframe was lost":
            show.sequences[0] += 1
            show.send(key=True, index=1)
        case "a packet since the keyframe was lost":
            show.frames(4)
            show.sequences[0] += 1
            show.send()
        case "no keyframe":
            show.send()
        case "nobody got it":
            show.frames(5)
            world.forward(show.publisher, STREAM, [])
            show.send()
        case "new room key":
            show.frames(5)
            world.apply(RotateSealer(1, 0, 1, bytes(32), world.now))
            world.publish(show.first, 8, to=[show.publisher])
            world.receive(show.first, show.first.up(packet_item(audio(8))))
        case "out of the ring":
            show.frames(5)
            world.publish(show.first, 8, to=[show.publisher])
            for n in range(RING_SIZE):
                world.now += 0.002
                world.receive(show.first, show.first.up(packet_item(audio(8, n))))
        case "redundant":
            show.frames(5)
            return Receiver(1003, redundant=True)
    return Receiver(1003)


def test_packets_may_come_out_of_order():
    show = Show()
    show.send()
    late = show.sequences[0]
    show.sequences[0] += 1
    sealed = [show.send(key=True, index=index) for index in (1, 2)]
    next_sequence, show.sequences[0] = show.sequences[0], late
    sealed.append(show.send(key=True, index=0))
    show.sequences[0] = next_sequence
    sealed.append(show.send())
    assert show.want(Receiver(1003)) == sealed
    assert show.asked() == []


def test_what_was_sent_before_the_keyframe_and_comes_late_is_not_replayed():
    show = Show()
    late = show.sequences[0]
    show.sequences[0] += 1
    sealed = show.frames(4)
    next_sequence, show.sequences[0] = show.sequences[0], late
    assert show.send() is not None
    show.sequences[0] = next_sequence
    assert show.want(Receiver(1003)) == sealed


@pytest.mark.parametrize(
    "how",
    [
        "newcomer",
        "came shortly before",
        "a packet of the keyframe was lost",
        "the beginning of the keyframe was lost",
        "a packet since the keyframe was lost",
        "no keyframe",
        "nobody got it",
        "new room key",
        "out of the ring",
        "redundant",
    ],
)
def test_what_could_not_be_used_is_not_sent_but_asked_for(how):
    show = Show()
    receiver = spoil(how, show)
    assert show.want(receiver) == []
    assert show.asked() == [KeyframeAsked(receiver.media_id, STREAM, 0)]


def test_only_the_layers_that_are_new_begin():
    show = Show()
    low, high = show.frames(4, spatial=0), show.frames(5, spatial=1)
    show.send(spatial=2)
    assert show.want(Receiver(1003, max_spatial=0)) == low
    assert show.want(Receiver(1003, max_spatial=1)) == high
    assert show.want(Receiver(1003, max_spatial=0)) == []
    assert show.asked() == []
    assert show.want(Receiver(1003, max_spatial=3)) == high
    assert show.asked() == [KeyframeAsked(1003, STREAM, 2)]


def test_temporal_layers_that_are_not_wanted_are_left_out():
    show = Show()
    sealed = [*show.frames(4), show.send(temporal=1), show.send()]
    assert show.want(Receiver(1003, max_temporal=0)) == [*sealed[:4], sealed[5]]


def test_nothing_is_replayed_to_who_left_or_has_no_path():
    show = Show()
    show.frames(25)
    assert len(show.want(Receiver(1003))) == BURST
    show.world.apply(CloseSeat(1003, 1))
    show.world.now += 1
    show.world.plane.poll(show.world.now)
    assert show.sent() == []
    unproven = show.world.join(4, prove=False)
    show.world.now += KEY_DELIVERY
    show.frames(5)
    assert show.want(Receiver(unproven.media_id), Receiver(9999)) == []


def test_what_waits_for_a_receiver_is_bounded():
    replays = Replays()
    packets = [b""] * MAX_REPLAY
    added = [replays.add(1, packets, 0.0) for _ in range(MAX_WAITING // MAX_REPLAY + 1)]
    assert added == [True] * (MAX_WAITING // MAX_REPLAY) + [False]
    assert replays.add(2, packets, 0.0)
    assert {media_id: len(burst) for media_id, burst in replays.due(0.0)} == {1: BURST, 2: BURST}
