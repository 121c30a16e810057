"""Our publications: accepted, refused, muted, ended."""

from collections import Counter

import pytest

from tcclient.core import events
from tcclient.core.rate.allocation import PictureDemand
from tcproto import messages as m
from tcproto.datagram import KEY_OVERLAP
from tcproto.errors import Action, ErrorCode, Refusal
from tcproto.packet import KEYFRAME_INTERVAL, Series
from tests.support.scripted_media import payloads
from tests.support.scripted_server import CAPS, KEEP, Server


@pytest.fixture
def server():
    return Server()


def test_a_server_that_asks_for_keyframes_all_the_time_gets_one_a_second(server):
    (client,) = server.seated(1)
    for layers in (1, 3):
        number = client.publish(kind=m.Kind.VIDEO, source=m.Source.CAMERA, codec="vp8", layers=layers)
    first, second = (event.stream for event in client.told(events.Published))
    for _ in range(10 * 25):
        for stream, spatial in ((first, 0), (first, 1), (second, 0), (second, 2), (second, 3)):
            client.notify(m.KeyframeRequest(stream, spatial))
        server.advance(0.04)
    told = Counter((event.number, event.spatial) for event in client.told(events.KeyframeRequested))
    assert set(told) == {(number - 1, 0), (number, 0), (number, 2)}, "of layers that there are"
    assert all(10 <= count <= 11 for count in told.values())
    # A keyframe request that came too early is not forgotten.
    server.advance(KEYFRAME_INTERVAL)
    before = len(client.told(events.KeyframeRequested))
    client.notify(m.KeyframeRequest(first, 0))
    client.notify(m.KeyframeRequest(first, 0))
    server.advance(KEYFRAME_INTERVAL + 0.1)
    assert len(client.told(events.KeyframeRequested)) == before + 1
    client.notify(m.KeyframeRequest(first, 0))
    client.session.seat.publishing.unpublish(number - 1)
    server.advance(KEYFRAME_INTERVAL)
    assert len(client.told(events.KeyframeRequested)) <= before + 2
    assert not client.seat.publications.keyframes._made.keys() & {(number - 1, 0)}


def test_it_is_told_which_layers_of_our_publications_are_wanted(server):
    first, second = server.seated(2)
    number = first.publish(kind=m.Kind.VIDEO, source=m.Source.CAMERA, codec="vp8", layers=3)
    voice = first.publish()
    streams = {event.number: event.stream for event in first.told(events.Published)}
    foreign = second.publish(kind=m.Kind.VIDEO, source=m.Source.CAMERA, codec="vp8")
    (other,) = [event.stream for event in second.told(events.Published) if event.number == foreign]
    layers = [(streams[number], 0, 1, True), (streams[number], 1, 0, False), (streams[number], 3, 0, True)]
    layers += [(streams[voice], 0, 0, True), (other, 0, 0, True), (60_000, 0, 0, True)]
    first.notify(m.Interest(tuple(m.LayerInterest(*layer) for layer in layers)))
    server.pump()
    assert first.told(events.LayersWanted) == [events.LayersWanted(number, (1, -1, -1))]


def test_a_frame_refers_to_the_last_one_of_the_lowest_temporal_layer(server):
    first, second = server.seated(2)
    number = first.publish(kind=m.Kind.VIDEO, source=m.Source.CAMERA, codec="vp8")
    server.advance(3)
    send = first.session.seat.publications.send_video
    second.take_media()
    for frame, (keyframe, temporal) in enumerate([(True, 0), (False, 1), (False, 0), (False, 1), (False, 1)]):
        assert send(number, b"frame", frame * 3600, server.now, keyframe=keyframe, temporal=temporal)
    server.pump()
    assert [packet.header.reference for packet in second.take_media()] == [0, 1, 2, 1, 2]
    for frame in range(252):
        assert send(number, b"frame", frame, server.now, keyframe=False, temporal=1)
    assert send(number, b"frame", 0, server.now, keyframe=False, temporal=1)
    assert not send(number, b"frame", 0, server.now, keyframe=False, temporal=1), "it is too far back"
    server.advance(0.01)
    assert first.told(events.KeyframeRequested)
    assert send(number, b"frame", 0, server.now, keyframe=True)
    for value in (0, 256):
        with pytest.raises(ValueError, match="reference"):
            send(number, b"frame", 0, server.now, keyframe=False, reference=value)


def test_publishing_mute_and_the_end(server):
    first, second = server.seated(2)
    number = first.publish()
    assert first.told(events.Published) == [events.Published(number, 10 * first.participant + 1, CAPS)]
    first.session.seat.publishing.set_muted(number, True)
    server.pump()
    assert second.told(events.TrackUpdated)[0].track.muted
    first.session.seat.publishing.unpublish(number)
    server.pump()
    assert second.told(events.TrackUnpublished)[0].track.number == number
    assert first.session.seat.publishing.unpublish(number) == 0
    with pytest.raises(Refusal):
        first.session.seat.publishing.set_muted(number, False)
    assert first.publish() == number + 1, "numbers are spent"


def test_a_refused_publication(server):
    (client,) = server.seated(1)
    server.answers[m.Publish] = m.Error(ErrorCode.TOO_MANY_STREAMS, "enough", Action.NONE)
    number = client.publish()
    assert client.told(events.PublishFailed) == [events.PublishFailed(number, ErrorCode.TOO_MANY_STREAMS, "enough")]
    assert not client.speak(number)


@pytest.mark.parametrize("ends", [False, True])
def test_a_stream_id_that_is_in_use_or_has_just_ended_is_refused(server, ends):
    (client,) = server.seated(1)
    server.answers[m.Publish] = m.Published(1, 5, CAPS)
    first = client.publish()
    server.advance(30)
    if ends:
        client.session.seat.publishing.unpublish(first)
    server.advance(KEY_OVERLAP - 2)
    second = client.publish()
    assert [e.number for e in client.told(events.PublishFailed)] == [second]
    assert not client.speak(second)
    assert m.Unpublish(second) in client.received


def test_a_stream_id_comes_back_and_everything_of_it_begins_anew(server, pair):
    a, b = pair
    number = a.publish()
    stream = a.told(events.Published)[0].stream
    a.speak(number)
    counts = b.session.seat.downlink.losses.statistics()[77, Series(stream)]
    assert counts.received == 1
    a.session.seat.publishing.unpublish(number)
    server.pump()
    server.advance(KEY_OVERLAP + 1)
    server.answers[m.Publish] = m.Published(number + 1, stream, CAPS)
    again = a.publish()
    assert [e.stream for e in a.told(events.Published)] == [stream, stream]
    payloads(b)
    a.speak(again)
    assert payloads(b) == [b"voice"]
    fresh = b.session.seat.downlink.losses.statistics()[77, Series(stream)]
    assert (fresh.received, fresh.lost, counts.received) == (1, 0, 1)


def test_a_publication_that_ended_before_it_was_accepted(server):
    (client,) = server.seated(1)
    number = client.session.seat.publishing.publish(m.Kind.AUDIO, m.Source.MICROPHONE, "opus", server.now)
    client.session.seat.publishing.unpublish(number)
    server.pump()
    assert not client.speak(number)


@pytest.mark.parametrize("reply_first", [False, True])
def test_a_publication_that_the_server_ends_in_the_message_that_tells_of_it(server, reply_first):
    client, other = server.seated(2)
    server.answers[m.Publish] = KEEP
    number = client.publish()
    info = m.PublicationInfo(client.participant, number, 5, m.Kind.AUDIO, m.Source.MICROPHONE, "opus")
    begins = m.Change(m.ChangeKind.PUBLISHED, publication=info)
    ends = m.Change(m.ChangeKind.UNPUBLISHED, participant=client.participant, number=number)
    both = m.RoomChanges(server.number + 1, (begins, ends))
    server.number += 2
    request = server.unanswered[m.Publish]
    if reply_first:
        client.connection.reply(request, m.Published(number, 5, CAPS))
    for one in (client, other):
        one.notify(both)
    if not reply_first:
        client.connection.reply(request, m.Published(number, 5, CAPS))
    server.pump()
    assert [(e.number, e.code) for e in client.told(events.PublishFailed)] == [(number, ErrorCode.NOT_PERMITTED)]
    assert number not in client.seat.publications.live
    assert not client.speak(number)
    assert not other.told(events.PublishFailed)


def test_a_publication_that_the_server_ended_before_the_snapshot_that_we_asked_for(server):
    (client,) = server.seated(1)
    number = client.publish()
    assert client.speak(number)
    del server.publications[client.participant, number]
    server.number += 2
    client.notify(m.RoomChanges(server.number, ()))  # a gap: the client asks for a snapshot
    server.pump()
    server.advance(1)
    assert number not in client.seat.publications.live
    assert [e.track.number for e in client.told(events.TrackUnpublished)] == [number]


def test_values_out_of_range_spend_no_number(server):
    (client,) = server.seated(1)
    with pytest.raises(ValueError, match="layers"):
        client.session.seat.publishing.publish(m.Kind.VIDEO, m.Source.CAMERA, "vp8", server.now, layers=9)
    assert client.publish() == 1


def low_rate_of(client, number):
    low = client.seat.publications.low_rate(number)
    assert low is not None
    return low


def test_a_low_rate_is_announced_behind_its_microphone_and_is_a_part_of_it(server):
    first, second = server.seated(2)
    number = first.publish(low_rate=True)
    announced = [message for message in first.received if isinstance(message, m.Publish)]
    assert [(each.number, each.source) for each in announced] == [
        (number, m.Source.MICROPHONE),
        (number + 1, m.Source.MICROPHONE_LOW),
    ]
    assert [event.number for event in first.told(events.Published)] == [number], "nobody waits for the other"
    assert [event.number for event in first.told(events.PublicationReady)] == [number]
    low = low_rate_of(first, number)
    server.advance(4)
    second.take_media()
    assert first.speak(number, b"usual")
    assert first.seat.publications.send_audio(low.number, b"low", 960, server.now, duration_ms=60)
    server.pump()
    found = [(packet.publication, packet.header.sequence, packet.payload) for packet in second.take_media()]
    assert found == [(number, 0, b"usual"), (number, 1, b"low")], "one voice"
    first.session.seat.publishing.unpublish(number)
    server.pump()
    assert first.received[-2:] == [m.Unpublish(low.number), m.Unpublish(number)]
    assert not first.seat.publications.live


def test_a_low_rate_is_sent_when_it_is_wanted_and_muted_with_its_microphone(server):
    (client,) = server.seated(1)
    number = client.publish(low_rate=True, muted=True)
    low = low_rate_of(client, number)
    assert low.muted
    for wanted in (True, False):
        client.notify(m.Interest((m.LayerInterest(low.stream, 0, 0, wanted),)))
        server.pump()
        assert low.is_wanted is wanted
    told = [events.LayersWanted(number, (0,)), events.LayersWanted(number, (-1,))]
    assert client.told(events.LayersWanted) == told
    for muted in (False, True):
        client.session.seat.publishing.set_muted(number, muted)
        assert low.muted is muted
    server.pump()
    assert [message.number for message in client.received if isinstance(message, m.Mute)] == [number, number]


def test_where_the_low_rate_is_refused_the_microphone_stays(server):
    (client,) = server.seated(1)
    number = client.publish(low_rate=True)
    publishing = client.session.seat.publishing
    low = low_rate_of(client, number)
    publishing.replied(low.number, m.Error(ErrorCode.BAD_REQUEST, "", Action.NONE), server.now)
    assert client.seat.publications.low_rate(number) is None
    assert list(client.seat.publications.live) == [number]
    assert not client.told(events.PublishFailed)
    publishing.set_muted(number, True)
    publishing.unpublish(number)


def test_a_low_rate_that_is_wanted_leaves_less_of_the_way_up(server):
    (client,) = server.seated(1)
    number = client.publish(low_rate=True)
    camera = client.publish(
        kind=m.Kind.VIDEO, source=m.Source.CAMERA, codec="vp8", demand=PictureDemand((2_000_000,), 25)
    )
    low = low_rate_of(client, number)

    def bitrate():
        client.session.seat.sharing.update(server.now)
        client.collect()
        rates = [event.rate for event in client.told(events.RateChanged) if event.number == camera]
        return rates[-1].bitrates[0]

    before = bitrate()
    assert bitrate() == before > 0
    low.is_wanted = True
    assert bitrate() < before
