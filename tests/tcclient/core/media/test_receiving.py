import pytest

from tcclient.core import Drop, PathState, events
from tcclient.core.media.publications import MAX_AUDIO_PAYLOAD, MAX_FRAME, MAX_SEQUENCE
from tcclient.core.media.receiving import MAX_QUEUED
from tcclient.core.path.egress import MAX_QUEUED as MAX_SENT
from tcclient.core.path.egress import UNKNOWN_PACE
from tcproto import messages as m
from tcproto.datagram import MAX_COUNTER, MAX_DATAGRAM, ItemType, parse_header
from tcproto.packet import MAX_VIDEO_PAYLOAD, PacketType
from tests.support.scripted_media import give, packet_in, packet_types, payloads, undelivered
from tests.support.scripted_server import Server


def test_sound_arrives_as_it_was_sent(server, pair):
    a, b = pair
    number = a.publish()
    assert a.session.seat.publications.send_audio(
        number,
        b"opus",
        2**32 + 5,
        server.now,
        duration_ms=60,
        level=12,
        voice=True,
        end_of_talk=True,
        comfort=True,
    )
    server.now += 0.03
    server.pump()
    (packet,) = b.take_media()
    assert (packet.participant, packet.publication, packet.payload) == (a.participant, number, b"opus")
    header = packet.header
    assert header.stream == a.told(events.Published)[0].stream
    assert (header.timestamp, header.duration_ms, header.level) == (5, 60, 12)
    assert (header.voice, header.end_of_talk, header.comfort) == (True, True, True)
    assert (packet.received_at, packet.relay_time, packet.held_ms) == (server.now, int(server.now * 1e6), 0)


def test_sound_is_padded_to_steps(server, pair):
    a, _ = pair
    a.publish()
    sizes = set()
    for size in range(33, 47):
        (data,) = undelivered(server, a, payload=b"x" * size)
        sizes.add(len(data))
    assert len(sizes) == 1


def test_the_largest_sound_fits_a_datagram(server, pair):
    a, b = pair
    number = a.publish()
    a.speak(payload=b"x" * MAX_AUDIO_PAYLOAD)
    assert payloads(b) == [b"x" * MAX_AUDIO_PAYLOAD]
    assert max(map(len, server.forwarded)) <= MAX_DATAGRAM
    for wrong in (
        lambda: a.session.seat.publications.send_audio(number, b"x" * (MAX_AUDIO_PAYLOAD + 1), 0, server.now),
        lambda: a.session.seat.publications.send_audio(number, b"x", 0, server.now, level=128),
        lambda: a.session.seat.publications.send_audio(number, b"x", 0, server.now, duration_ms=30),
        lambda: a.session.seat.publications.send_video(number, b"x", 0, server.now, keyframe=True),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            wrong()
    a.speak()
    assert payloads(b) == [b"voice"], "no sequence number was lost"


@pytest.mark.parametrize("size", [1, MAX_VIDEO_PAYLOAD, MAX_VIDEO_PAYLOAD + 1, 10_007, MAX_FRAME])
def test_a_picture_is_cut_into_equal_datagrams(server, pair, size):
    a, b = pair
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", layers=2)
    frame = bytes(i % 251 for i in range(size))
    count = a.session.seat.publications.send_video(number, frame, 90_000, server.now, keyframe=True, spatial=1)
    server.pump()
    server.advance(1.5 * count * MAX_DATAGRAM * 8 / UNKNOWN_PACE + 0.001)
    media = b.take_media()
    assert count == len(media) == -(-size // MAX_VIDEO_PAYLOAD)
    assert b"".join(packet.payload for packet in media) == frame
    sizes = {len(data) for data in server.forwarded if packet_in(server, data)[0] >> 4 == PacketType.VIDEO}
    assert len(sizes) == 1
    assert max(sizes) <= MAX_DATAGRAM
    assert [p.header.packet_index for p in media] == list(range(count))
    assert {p.header.packet_count for p in media} == {count}
    a.session.seat.publications.send_video(
        number, frame[:100], 93_000, server.now, keyframe=False, temporal=2, spatial=1, reference=1, discardable=True
    )
    server.pump()
    (packet,) = b.take_media()
    header = packet.header
    assert (header.sequence, header.frame_id, header.reference) == (count, 1, 1)
    assert (header.spatial, header.temporal, header.discardable, header.keyframe) == (1, 2, True, False)


def test_pictures_that_were_not_sent_are_followed_by_a_keyframe(server, pair):
    """An encoder goes on through a mute, and through a new key.

    A picture that refers to an unsent one cannot be decoded.
    """
    a, b = pair
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", layers=2)

    def shown(payload, *, keyframe, spatial=0):
        sent = a.session.seat.publications.send_video(
            number, payload, 0, server.now, keyframe=keyframe, spatial=spatial
        )
        server.pump()
        assert payloads(b) == [payload] * sent
        return bool(sent)

    assert shown(b"first", keyframe=True)
    assert shown(b"first", keyframe=True, spatial=1)
    a.session.seat.publishing.set_muted(number, True)
    assert not shown(b"muted", keyframe=False)
    a.session.seat.publishing.set_muted(number, False)
    server.pump()
    assert not shown(b"refers to what is missing", keyframe=False)
    assert shown(b"the other layer missed nothing", keyframe=False, spatial=1)
    a.session.handle_timeout(server.now)
    a.collect()
    assert a.told(events.KeyframeRequested) == [events.KeyframeRequested(number, 0)]
    assert shown(b"new", keyframe=True)
    assert shown(b"after it", keyframe=False)


def test_pictures_out_of_range(server, pair):
    a, _ = pair
    number = a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    for frame, more in [
        (b"", {}),
        (bytes(MAX_FRAME + 1), {}),
        (b"x", {"spatial": 1}),
        (b"x", {"spatial": -1}),
        (b"x", {"temporal": 8}),
        (b"x", {"reference": 0}),
        (b"x", {"reference": 256}),
    ]:
        with pytest.raises(ValueError, match=r"frame|layer"):
            a.session.seat.publications.send_video(number, frame, 0, server.now, **{"keyframe": False, **more})
    assert a.session.datagrams_to_send(server.now) == []


def test_nothing_is_sent_before_it_is_accepted_or_while_muted(server):
    (a,) = server.seated(1)
    number = a.session.seat.publishing.publish(m.Kind.AUDIO, m.Source.MICROPHONE, "opus", server.now)
    assert not a.session.seat.publications.can_send(number)
    assert not a.speak(number)
    assert a.session.seat.publications.can_send(number)
    assert a.told(events.PublicationReady) == [events.PublicationReady(number)]
    assert a.speak(number)
    a.session.seat.publishing.set_muted(number, True)
    assert a.session.seat.publications.can_send(number), "were it not muted"
    assert not a.speak(number)
    a.session.seat.publishing.set_muted(number, False)
    assert a.speak(number)
    assert len(a.told(events.PublicationReady)) == 1, "it is told once"
    assert not a.speak(4711)
    assert not a.session.seat.publications.can_send(4711)


def test_the_state_of_the_path_stops_nothing(server):
    a = server.connect()
    a.udp = False
    a.login()
    number = a.publish()
    assert a.session.seat.path.state is PathState.UNKNOWN
    assert a.speak(number)
    server.advance(6)
    assert a.session.seat.path.state is PathState.LOST
    assert a.session.seat.publications.can_send(number)
    assert a.speak(number)


def test_without_a_sender_key_nothing_is_sent():
    server = Server()
    (a,) = server.seated(1)
    number = a.publish()
    a.seat.keys.stop()
    assert not a.speak(number)
    assert not a.speak(number)
    server.advance(11)
    assert packet_types(server) == {PacketType.BEACON}


def test_a_publication_stops_at_the_end_of_its_sequence_numbers(server, pair):
    a, b = pair
    audio, video = a.publish(), a.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8")
    for number in (audio, video):
        a.seat.publications.live[number].sequences[0] = MAX_SEQUENCE
    frame = bytes(MAX_VIDEO_PAYLOAD + 1)
    assert a.session.seat.publications.send_video(video, frame, 0, server.now, keyframe=True) == 0
    assert a.drops(Drop.COUNTER_SPENT) == 2
    assert a.speak(audio)
    assert not a.speak(audio)
    assert payloads(b) == [b"voice"]


def test_the_up_counter_never_wraps(server, pair):
    a, _ = pair
    number = a.publish()
    a.seat.egress.counter = MAX_COUNTER
    a.session.seat.publications.send_audio(number, b"last", 0, server.now)
    a.session.seat.publications.send_audio(number, b"none", 0, server.now)
    (data,) = a.session.datagrams_to_send(server.now)
    assert parse_header(data).counter == MAX_COUNTER
    assert a.drops(Drop.COUNTER_SPENT) == 1


def test_what_nobody_takes_is_bounded(server, pair):
    a, b = pair
    number = a.publish()
    for i in range(MAX_SENT + 10):
        a.session.seat.publications.send_audio(number, i.to_bytes(2, "big"), 0, server.now)
    queued = []
    while datagrams := a.session.datagrams_to_send(server.now):
        queued += datagrams
    assert len(queued) == MAX_SENT
    assert a.drops(Drop.QUEUE_FULL) == 10
    b.collect = lambda: None
    for _ in range(9):
        for i in range(500):
            a.session.seat.publications.send_audio(number, i.to_bytes(2, "big"), 0, server.now)
        server.pump()
        server.advance(0.01)
    assert len(b.session.media_received()) == MAX_QUEUED
    assert b.drops(Drop.QUEUE_FULL) == 4500 - MAX_QUEUED


def test_held_packets_say_so(server, pair):
    a, b = pair
    a.publish()
    forward = server.forward
    server.forward = lambda client, packet: forward(client, packet, ItemType.HELD_PACKET, (150).to_bytes(2, "big"))
    a.speak()
    server.forward = lambda client, packet: forward(
        client, packet, ItemType.HELD_REDUNDANT_PACKET, (90).to_bytes(2, "big")
    )
    a.speak()
    assert [packet.held_ms for packet in b.take_media()] == [150, 90]


def test_both_variants_deliver_once(server, pair):
    a, b = pair
    a.publish()
    forward = server.forward

    def twice(client, packet):
        forward(client, packet)
        forward(client, packet, ItemType.REDUNDANT_PACKET)

    server.forward = twice
    a.speak()
    assert payloads(b) == [b"voice"]
    assert b.drops(Drop.PACKET_REFUSED) == 1
    statistics = b.session.seat.downlink.losses.statistics()
    assert not any(series.redundant for _, series in statistics), "they count as one series"


def test_own_packets_that_come_back_are_not_played(server, pair):
    a, _ = pair
    a.publish()
    assert give(a, *undelivered(server, a)) == []
    assert a.drops(Drop.OWN) == 1
