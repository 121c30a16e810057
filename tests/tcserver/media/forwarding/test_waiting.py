"""A receiver that begins to want video gets nothing before a keyframe, and everything from there on."""

from __future__ import annotations

import pytest

from tcproto.datagram import ItemType
from tcproto.messages import Kind
from tcproto.packet import parse_header
from tcserver.media.forwarding.keyframes import KEY_DELIVERY
from tcserver.media.interface import Address, CloseSeat, KeyframeAsked, Receiver, SendKeyframe
from tcserver.media.plane.plane import SWEEP_INTERVAL
from tests.support.media.world import MediaClient, World, keyframe, open_room, packet_item, send, video

STREAM = 7


class Picture:
    """Participant 1 films; the others may watch."""

    def __init__(self, participants: int = 4) -> None:
        self.world = World(participants)
        self.publisher, *self.viewers = self.world.clients
        self.world.publish(self.publisher, STREAM, Kind.VIDEO, layers=4)
        self.sequences = [0] * 4

    def watch(self, *receivers: Receiver) -> None:
        self.world.forward(self.publisher, STREAM, receivers)
        self.world.plane.take_transmissions()

    def send(self, key: bool = False, spatial: int = 0, **fields: int) -> list[MediaClient]:
        """Send a packet, and return its receivers."""
        sequence = self.sequences[spatial]
        self.sequences[spatial] += 1
        packet = (keyframe if key else video)(STREAM, sequence, spatial=spatial, **fields)
        addresses = {address for address, _ in send(self.world, self.publisher, packet)}
        return [client for client in self.world.clients if client.address in addresses]

    def asked(self) -> list[KeyframeAsked]:
        return [event for event in self.world.plane.take_events() if isinstance(event, KeyframeAsked)]


def test_who_comes_while_a_picture_runs_begins_with_the_next_keyframe():
    picture = Picture()
    first, second, third = picture.viewers
    picture.watch(Receiver(first.media_id))
    assert [picture.send(key=n == 0) for n in range(3)] == [[first]] * 3
    picture.watch(*(Receiver(viewer.media_id) for viewer in picture.viewers))
    assert [picture.send() for _ in range(5)] == [[first]] * 5
    assert picture.send(key=True) == [first, second, third]
    assert [picture.send() for _ in range(3)] == [[first, second, third]] * 3
    assert not any(picture.world.plane.rooms[1].streams[STREAM].waiting.values())


def test_the_first_who_watches_a_picture_that_runs_waits_too():
    picture = Picture()
    picture.watch(Receiver(picture.viewers[0].media_id))
    assert [picture.send(), picture.send(), picture.send(key=True), picture.send()] == [
        [],
        [],
        *[picture.viewers[:1]] * 2,
    ]


def test_any_packet_of_the_keyframe_will_do():
    """The first packet may have been lost on its way to the server, and may be sent again."""
    picture = Picture()
    picture.watch(Receiver(picture.viewers[0].media_id))
    picture.send()
    header = keyframe(STREAM, 5)
    later = header[:16] + (1).to_bytes(2, "big") + (3).to_bytes(2, "big") + header[20:]
    assert parse_header(later).packet_index == 1
    assert send(picture.world, picture.publisher, later)
    assert send(picture.world, picture.publisher, video(STREAM, 6))


def test_a_keyframe_beside_other_packets_in_one_datagram_counts():
    picture = Picture()
    viewer = picture.viewers[0]
    picture.watch(Receiver(viewer.media_id))
    parts = [video(STREAM, 0), keyframe(STREAM, 1), video(STREAM, 2)]
    datagram = picture.publisher.up(*map(packet_item, parts))
    sent = picture.world.receive(picture.publisher, datagram)
    got = [item.value[2:] for address, data in sent for item in open_room(data) if address == viewer.address]
    assert got == parts[1:]


def test_only_a_layer_that_is_new_waits():
    picture = Picture()
    viewer = picture.viewers[0]
    low, high = Receiver(viewer.media_id, max_spatial=0), Receiver(viewer.media_id, max_spatial=1)
    picture.watch(low)
    for spatial in range(2):
        picture.send(key=True, spatial=spatial)
    picture.watch(high)
    assert (picture.send(), picture.send(spatial=1)) == ([viewer], [])
    assert picture.send(key=True) == [viewer]
    assert picture.send(spatial=1) == [], "the keyframe was another layer's"
    picture.watch(low)
    assert picture.send(key=True, spatial=1) == []
    picture.watch(high)
    assert picture.send(spatial=1) == []
    assert picture.send(key=True, spatial=1) == [viewer]
    assert (picture.send(), picture.send(spatial=1)) == ([viewer], [viewer])
    picture.watch(Receiver(viewer.media_id, min_spatial=1))
    assert (picture.send(key=True), picture.send(spatial=1)) == ([], [viewer])
    picture.watch(Receiver(viewer.media_id))
    assert (picture.send(), picture.send(key=True)) == ([], [viewer]), "it begins again with a keyframe"


def test_who_wants_other_temporal_layers_or_the_other_variant_goes_on():
    picture = Picture()
    viewer = picture.viewers[0]
    picture.watch(Receiver(viewer.media_id, max_temporal=0))
    picture.send(key=True)
    for receiver in (Receiver(viewer.media_id), Receiver(viewer.media_id, redundant=True)):
        picture.watch(receiver)
        assert picture.send() == [viewer]


def test_a_replay_is_followed_by_what_comes_next():
    picture = Picture()
    first, second, _ = picture.viewers
    picture.watch(Receiver(first.media_id))
    picture.world.now += KEY_DELIVERY
    picture.send(key=True)
    picture.watch(Receiver(first.media_id), Receiver(second.media_id))
    assert picture.asked() == []
    assert picture.send() == [first, second]


def test_a_replay_that_is_asked_for_ends_the_waiting():
    """The viewer could not open it when it came, and can now."""
    picture = Picture()
    first = picture.viewers[0]
    late = picture.world.join(9)
    picture.watch(Receiver(first.media_id))
    picture.world.now += KEY_DELIVERY
    picture.world.plane.seats[late.media_id].opened_at = picture.world.now
    picture.send(key=True)
    picture.watch(Receiver(first.media_id), Receiver(late.media_id))
    assert picture.send() == [first]
    picture.world.plane.seats[late.media_id].opened_at -= 2 * KEY_DELIVERY
    picture.world.apply(SendKeyframe(STREAM, picture.publisher.media_id, late.media_id, 0))
    replayed = picture.world.plane.take_transmissions()
    assert len(replayed) == 2, "the keyframe, and what came since"
    assert {address for sent in replayed for address in sent.receivers.addresses} == {late.address}
    addresses = {address for address, _ in send(picture.world, picture.publisher, video(STREAM, 2))}
    assert addresses == {first.address, late.address}


def test_a_keyframe_that_does_not_come_is_asked_for_again():
    picture = Picture()
    picture.watch(*(Receiver(viewer.media_id) for viewer in picture.viewers[:2]))
    world = picture.world
    picture.send()
    for _ in range(3):
        world.now += SWEEP_INTERVAL
        world.plane.poll(world.now)
        assert picture.asked() == [KeyframeAsked(picture.viewers[0].media_id, STREAM, 0)], "once for all who wait"
    picture.send(key=True)
    world.now += SWEEP_INTERVAL
    world.plane.poll(world.now)
    assert picture.asked() == []


@pytest.mark.parametrize("how", ["leaves", "wants it no more"])
def test_nobody_waits_who_is_gone(how):
    picture = Picture()
    viewer = picture.viewers[0]
    picture.watch(Receiver(viewer.media_id))
    picture.send()
    if how == "leaves":
        picture.world.apply(CloseSeat(viewer.media_id, 1))
    else:
        picture.watch()
    stream = picture.world.plane.rooms[1].streams[STREAM]
    assert not any(stream.waiting.values())
    assert picture.send(key=True) == []


def test_forward_numbers_begin_where_the_keyframe_does():
    picture = Picture()
    first, second, _ = picture.viewers
    picture.watch(Receiver(first.media_id))
    picture.send(key=True)
    picture.watch(Receiver(first.media_id), Receiver(second.media_id))
    numbers: dict[Address, list[int]] = {first.address: [], second.address: []}
    for sequence, packet in enumerate((video, video, keyframe, video), 1):
        for address, data in send(picture.world, picture.publisher, packet(STREAM, sequence)):
            (item,) = open_room(data)
            assert item.type == ItemType.PACKET
            numbers[address].append(int.from_bytes(item.value[:2], "big"))
    assert numbers == {first.address: [1, 2, 3, 4], second.address: [3, 4]}


def test_a_page_that_is_turned_costs_no_packet_that_cannot_be_shown():
    """Ten viewers turn to ten cameras, 75 packets before the keyframes that are asked for: 7,500 packets are saved."""
    world = World(20)
    films, viewers = world.clients[:10], world.clients[10:]
    for stream, film in enumerate(films, 1):
        world.publish(film, stream, Kind.VIDEO)
        send(world, film, keyframe(stream))
    sent = world.plane.counters.sent
    for stream, film in enumerate(films, 1):
        world.forward(film, stream, [Receiver(viewer.media_id) for viewer in viewers])
        for sequence in range(1, 76):
            assert send(world, film, video(stream, sequence)) == []
    assert world.plane.counters.sent == sent
    for stream, film in enumerate(films, 1):
        assert len(send(world, film, keyframe(stream, 76))) == len(viewers)
        assert len(send(world, film, video(stream, 77))) == len(viewers)
