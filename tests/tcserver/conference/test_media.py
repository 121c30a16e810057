import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.messages import Role
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tcserver.media.interface import (
    Address,
    KeyframeAsked,
    MuteStream,
    OpenStream,
    PathLost,
    PathProven,
    Receiver,
    SendKeyframe,
    SpeakersChanged,
)
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

MICROPHONE, CAMERA, SCREEN = m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN


def receivers(driver, publisher, stream):
    return {r.media_id: r for r in driver.plane.forwarding.get((publisher.media_id, stream), {}).values()}


def test_publication_is_opened_announced_and_acknowledged():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(1)
    reply = client.publish(CAMERA, layers=3, width=1280, height=720, muted=True)
    command = driver.plane.streams[client.media_id, reply.stream]
    assert command == OpenStream(reply.stream, client.media_id, m.Kind.VIDEO, reply.caps, muted=True, layers=3)
    info = other.view.publications[client.participant, 1]
    assert (info.stream, info.layers, info.width, info.height, info.muted) == (reply.stream, 3, 1280, 720, True)
    assert (info.kind, info.source) == (m.Kind.VIDEO, CAMERA)


@pytest.mark.parametrize(
    "message",
    [
        m.Publish(1, m.Kind.AUDIO, CAMERA, "opus"),
        m.Publish(1, m.Kind.VIDEO, MICROPHONE, "vp8"),
        m.Publish(1, m.Kind.DATA, m.Source.DATA, "x"),
        m.Publish(1, m.Kind.VIDEO, m.Source.SCREEN_AUDIO, "vp8"),
        m.Publish(1, m.Kind.AUDIO, m.Source.SCREEN_AUDIO, "opus", layers=2),
        m.Publish(1, m.Kind.AUDIO, SCREEN, "opus"),
        m.Publish(1, m.Kind.UNKNOWN, m.Source.UNKNOWN, "x"),
        m.Publish(1, m.Kind.AUDIO, MICROPHONE, ""),
        m.Publish(1, m.Kind.AUDIO, MICROPHONE, "opus", layers=2),
    ],
)
def test_publication_that_makes_no_sense(message):
    assert error_code(Driver().participant().ask(message)) is ErrorCode.BAD_REQUEST


def test_publication_numbers_only_grow():
    driver = Driver()
    client = driver.participant()
    client.ask(m.Publish(7, m.Kind.AUDIO, MICROPHONE, "opus"))
    for number in (0, 5, 7):
        assert error_code(client.ask(m.Publish(number, m.Kind.AUDIO, MICROPHONE, "opus"))) is ErrorCode.BAD_REQUEST


def test_publications_are_bounded():
    driver = Driver(limits__max_publications=2)
    client = driver.participant()
    assert [error_code(client.publish()) for _ in range(3)] == [None, None, ErrorCode.TOO_MANY_STREAMS]
    client.ask(m.Unpublish(1))
    assert isinstance(client.publish(), m.Published)


def test_mute_and_unpublish():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    stream = client.publish().stream
    driver.advance(1)
    for muted in (True, True, False):
        assert isinstance(client.ask(m.Mute(1, muted)), m.Ok)
    mutes = [c for c in driver.plane.log if isinstance(c, MuteStream)]
    assert mutes == [MuteStream(stream, client.media_id, True), MuteStream(stream, client.media_id, False)]
    client.ask(m.Mute(1, True))
    driver.advance(1)
    assert other.view.publications[client.participant, 1].muted
    assert isinstance(client.ask(m.Unpublish(1)), m.Ok)
    driver.advance(1)
    assert other.view.publications == {}
    assert error_code(client.ask(m.Unpublish(1))) is ErrorCode.NO_SUCH_PUBLICATION
    assert error_code(client.ask(m.Mute(1, True))) is ErrorCode.NO_SUCH_PUBLICATION
    assert error_code(other.ask(m.Mute(1, True))) is ErrorCode.NO_SUCH_PUBLICATION
    driver.check()


# Forwarding


def test_before_the_first_wish_only_beacons_are_forwarded():
    driver = Driver()
    clients = [driver.participant() for _ in range(3)]
    for client in clients:
        stream = client.publish().stream
        assert receivers(driver, client, stream) == {}
        others = {other.media_id for other in clients if other is not client}
        assert receivers(driver, client, client.view.joined.beacon_stream).keys() == others
    clients[0].drop()
    for client in clients[1:]:
        assert len(receivers(driver, client, client.view.joined.beacon_stream)) == 1
    driver.check()


def test_defaults_cover_newcomers_and_choices_go_before_them():
    driver = Driver()
    talker, listener = driver.participant(), driver.participant()
    first = talker.publish().stream
    assert isinstance(listener.subscribe(MICROPHONE, CAMERA), m.Ok)
    assert receivers(driver, talker, first) == {listener.media_id: Receiver(listener.media_id)}
    camera = talker.publish(CAMERA).stream
    screen = talker.publish(SCREEN).stream
    newcomer = driver.participant()
    second = newcomer.publish().stream
    assert receivers(driver, newcomer, second).keys() == {listener.media_id}
    assert receivers(driver, talker, camera).keys() == {listener.media_id}
    assert receivers(driver, talker, screen) == {}
    choices = (
        m.StreamChoice(first, redundant=True),
        m.StreamChoice(camera, wanted=False),
        m.StreamChoice(screen, max_spatial=1, max_temporal=2),
        m.StreamChoice(60000),
    )
    listener.subscribe(MICROPHONE, CAMERA, choices=choices, generation=2)
    assert receivers(driver, talker, first)[listener.media_id] == Receiver(listener.media_id, redundant=True)
    assert receivers(driver, talker, camera) == {}
    assert receivers(driver, talker, screen)[listener.media_id] == Receiver(listener.media_id, False, 1, 2)
    assert receivers(driver, newcomer, second).keys() == {listener.media_id}
    commands = len(driver.plane.log)
    assert isinstance(listener.subscribe(generation=1), m.Ok)
    assert isinstance(listener.subscribe(MICROPHONE, CAMERA, choices=choices, generation=3), m.Ok)
    assert len(driver.plane.log) == commands
    listener.subscribe(generation=4)
    assert receivers(driver, talker, first) == {}
    driver.check()


def test_who_leaves_gets_nothing_more():
    driver = Driver()
    talker, listener = driver.participant(), driver.participant()
    stream = talker.publish().stream
    listener.subscribe(MICROPHONE)
    listener.ask(m.Leave())
    assert receivers(driver, talker, stream) == {}
    assert isinstance(listener.enter(), m.Joined)
    assert receivers(driver, talker, stream) == {}
    driver.check()


def test_losing_a_right_ends_what_it_allowed_at_once():
    driver = Driver()
    chair, speaker, other = driver.participant(), driver.participant(), driver.participant()
    other.subscribe(MICROPHONE, CAMERA)
    speaker.publish()
    speaker.publish(CAMERA)
    chair.publish()
    speaker.subscribe(MICROPHONE)
    driver.advance(1)
    assert isinstance(chair.ask(m.SetRole(speaker.participant, m.Role.LISTENER)), m.Ok)
    driver.advance(1)
    assert {key for key in driver.plane.streams if key[0] == speaker.media_id} == {
        (speaker.media_id, speaker.view.joined.beacon_stream)
    }
    assert other.view.publications.keys() == {(chair.participant, 1)}
    assert other.view.members[speaker.participant].role is m.Role.LISTENER
    assert error_code(speaker.publish()) is ErrorCode.NOT_PERMITTED
    assert len(receivers(driver, chair, 6)) == 2, "a listener still listens"
    assert isinstance(chair.ask(m.SetRole(chair.participant, m.Role.SPEAKER)), m.Ok)
    assert len(receivers(driver, chair, 6)) == 2, "what is still allowed goes on"
    driver.check()


def test_losing_the_right_to_listen_ends_forwarding_at_once():
    hall = RoomRecord("hall", "Hall", roles={"a1": Role.CHAIR}, permissions={Role.OBSERVER: 0})
    driver = Driver(rooms=(hall,))
    chair, listener = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    stream = chair.publish().stream
    listener.subscribe(MICROPHONE)
    assert len(receivers(driver, chair, stream)) == 1
    chair.ask(m.SetRole(listener.participant, m.Role.OBSERVER))
    assert receivers(driver, chair, stream) == {}
    assert len(receivers(driver, chair, chair.view.joined.beacon_stream)) == 1
    chair.ask(m.SetRole(listener.participant, m.Role.LISTENER))
    assert len(receivers(driver, chair, stream)) == 1
    driver.check()


@pytest.mark.parametrize("meanwhile", [None, m.Unpublish(1), m.Leave(), m.CloseRoom()])
def test_publisher_may_send_once_all_know_the_stream_or_when_it_is_over(meanwhile):
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    request = client.announce()
    assert request in client.open
    assert other.view.publications == {}
    if meanwhile is None:
        driver.advance(BATCH_INTERVAL)
    else:
        assert isinstance(client.ask(meanwhile), m.Ok)
    reply = client.replies[request]
    assert isinstance(reply, m.Published)
    if meanwhile is None:
        assert [info.stream for info in other.view.publications.values()] == [reply.stream]
    driver.advance(1)
    driver.check()


def test_publications_are_told_of_in_batches():
    driver = Driver()
    first, *others = (driver.participant() for _ in range(20))
    driver.advance(1)
    first.got(m.RoomChanges)
    for client in others:
        client.announce()
        driver.advance(0.02)
    driver.advance(1)
    assert len(first.view.publications) == 19
    assert len(first.got(m.RoomChanges)) == 5


# Keyframes


@pytest.mark.parametrize(("spatial", "interval"), [(0, 0.5), (2, 1.0)])
def test_keyframe_requests_are_joined_and_throttled(spatial, interval):
    driver = Driver()
    camera, *watchers = (driver.participant() for _ in range(4))
    stream = camera.publish(CAMERA, layers=3).stream
    for watcher in watchers:
        watcher.subscribe(choices=(m.StreamChoice(stream),))
        watcher.tell(m.KeyframeRequest(stream, spatial))
    assert camera.got(m.KeyframeRequest) == [m.KeyframeRequest(stream, spatial)]
    driver.advance(interval - 0.01)
    assert camera.got(m.KeyframeRequest) == []
    driver.advance(0.01)
    assert camera.got(m.KeyframeRequest) == [m.KeyframeRequest(stream, spatial)], "once more for those who came late"
    driver.advance(10)
    assert camera.got(m.KeyframeRequest) == []
    driver.event(KeyframeAsked(watchers[0].media_id, stream, spatial))
    assert len(camera.got(m.KeyframeRequest)) == 1


def asked_for(driver, camera, watcher, stream, seconds, every):
    """Ask again and again, and return how often the publisher was asked."""
    count = 0
    for _ in range(round(seconds / every)):
        watcher.tell(m.KeyframeRequest(stream, 0))
        driver.advance(every)
        count += len(camera.got(m.KeyframeRequest))
    return count


@pytest.mark.parametrize(("every", "most"), [(0.04, 8), (0.5, 8), (0.76, 60 * 0.5 + 9), (2.0, 60 * 0.5 + 1)])
def test_one_receiver_cannot_make_a_publisher_send_keyframe_after_keyframe(every, most):
    """A viewer that asks without a pause gains nothing. A viewer that asks at a slow rate gets no more than that."""
    driver = Driver()
    camera, watcher, other = driver.participant(), driver.participant(account="b"), driver.participant(account="c")
    stream = camera.publish(CAMERA).stream
    for client in (watcher, other):
        client.subscribe(CAMERA)
    driver.advance(1)
    assert 5 <= asked_for(driver, camera, watcher, stream, 60, every) <= most
    other.tell(m.KeyframeRequest(stream, 0))
    driver.advance(0.5)
    assert len(camera.got(m.KeyframeRequest)) == 1, "others have their own requests"
    # A viewer that has been quiet for long counts as any other.
    driver.advance(60)
    camera.got(m.KeyframeRequest)
    watcher.tell(m.KeyframeRequest(stream, 0))
    assert len(camera.got(m.KeyframeRequest)) == 1
    room = driver.room_of(camera)
    askers = room.forwarding.streams[stream].keyframes._askers
    assert len(askers) == 2
    watcher.ask(m.Leave())
    other.drop()
    assert not askers


def test_a_keyframe_that_can_be_sent_again_is_not_asked_for():
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    stream = camera.publish(CAMERA).stream
    watcher.subscribe(CAMERA)
    driver.plane.replays.add(watcher.media_id)
    watcher.tell(m.KeyframeRequest(stream, 0))
    driver.advance(2)
    assert camera.got(m.KeyframeRequest) == []
    assert driver.plane.log[-1] == SendKeyframe(stream, camera.media_id, watcher.media_id, 0)


@pytest.mark.parametrize(
    ("choice", "layers"),
    [
        (None, (0, 0)),
        ({}, (0, 3)),
        ({"min_spatial": 1}, (1, 3)),
        ({"min_spatial": 2, "max_spatial": 2}, (2, 2)),
        ({"min_spatial": 3, "max_spatial": 1}, (1, 1)),
        ({"min_spatial": 3}, (2, 3)),
        ({"max_spatial": 1, "by_default": True}, (0, 1)),
    ],
)
def test_spatial_layers_are_chosen_from_the_lowest_to_the_highest(choice, layers):
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    stream = camera.publish(CAMERA, layers=3).stream
    watcher.subscribe(CAMERA, choices=() if choice is None else (m.StreamChoice(stream, **choice),))
    receiver = receivers(driver, camera, stream)[watcher.media_id]
    assert (receiver.min_spatial, receiver.max_spatial) == layers


@pytest.mark.parametrize(("layers", "stills"), [(1, False), (2, True)])
def test_still_pictures_are_told_where_there_are_several_layers(layers, stills):
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    camera.publish(CAMERA, layers=layers, stills=True)
    driver.advance(1)
    (info,) = watcher.view.publications.values()
    assert info.stills == stills


def test_a_choice_by_default_follows_the_default_of_its_source():
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    stream = camera.publish(CAMERA, layers=2).stream
    choice = m.StreamChoice(stream, max_spatial=1, min_spatial=1, by_default=True)
    watcher.subscribe(MICROPHONE, choices=(choice,))
    assert receivers(driver, camera, stream) == {}
    watcher.subscribe(CAMERA, choices=(choice,), generation=2)
    assert receivers(driver, camera, stream) == {watcher.media_id: Receiver(watcher.media_id, False, 1, 7, 1)}


def test_keyframe_requests_for_what_one_does_not_receive_are_ignored():
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    outsider = driver.participant("other")
    stream = camera.publish(CAMERA, layers=2).stream
    audio = camera.publish().stream
    watcher.tell(m.KeyframeRequest(stream, 0))
    watcher.subscribe(MICROPHONE, CAMERA, choices=(m.StreamChoice(stream, max_spatial=1),))
    for asked in (
        m.KeyframeRequest(stream, 2),
        m.KeyframeRequest(audio, 0),
        m.KeyframeRequest(camera.view.joined.beacon_stream, 0),
        m.KeyframeRequest(60000, 0),
    ):
        watcher.tell(asked)
    camera.tell(m.KeyframeRequest(stream, 0))
    outsider.tell(m.KeyframeRequest(stream, 0))
    watcher.subscribe(choices=(m.StreamChoice(stream, max_spatial=0),), generation=2)
    watcher.tell(m.KeyframeRequest(stream, 1))
    watcher.subscribe(choices=(m.StreamChoice(stream, min_spatial=1),), generation=3)
    watcher.tell(m.KeyframeRequest(stream, 0))
    driver.event(KeyframeAsked(0x700, stream, 0))
    driver.advance(2)
    assert camera.got(m.KeyframeRequest) == []
    assert driver.conference.counters["keyframe_request_ignored"] == 9


def test_publisher_knows_a_newcomer_before_it_is_asked_for_a_keyframe():
    driver = Driver()
    camera, other = driver.participant(), driver.participant()
    stream = camera.publish(CAMERA).stream
    newcomer = driver.participant()
    for watcher in (other, newcomer):
        watcher.subscribe(CAMERA)
        watcher.tell(m.KeyframeRequest(stream, 0))
    camera.inbox.clear()
    driver.advance(BATCH_INTERVAL)
    assert [type(message) for message in camera.inbox] == [m.RoomChanges, m.KeyframeRequest]
    driver.check()


@pytest.mark.parametrize("end", [m.Unpublish(1), m.Leave()])
def test_keyframe_request_that_waits_for_a_newcomer_to_be_known_ends_with_the_stream(end):
    driver = Driver()
    camera = driver.participant()
    driver.participant()
    stream = camera.publish(CAMERA).stream
    newcomer = driver.participant()
    newcomer.subscribe(CAMERA)
    newcomer.tell(m.KeyframeRequest(stream, 0))
    camera.ask(end)
    driver.advance(2)
    assert camera.got(m.KeyframeRequest) == []
    driver.check()


@pytest.mark.parametrize("end", ["unpublish", "leave", "delete"])
def test_waiting_keyframe_request_ends_with_the_stream(end):
    driver = Driver()
    camera, watcher = driver.participant(), driver.participant()
    stream = camera.publish(CAMERA).stream
    watcher.subscribe(CAMERA)
    watcher.tell(m.KeyframeRequest(stream, 0))
    watcher.tell(m.KeyframeRequest(stream, 0))
    camera.got(m.KeyframeRequest)
    camera.ask({"unpublish": m.Unpublish(1), "leave": m.Leave(), "delete": m.CloseRoom()}[end])
    driver.advance(5)
    assert camera.got(m.KeyframeRequest) == []
    driver.check()


# Speakers


def test_speakers_are_told_to_their_room():
    driver = Driver()
    first, second, outsider = driver.participant(), driver.participant(), driver.participant("other")
    driver.event(SpeakersChanged(1, (first.participant, 999), (888,), 999))
    driver.event(SpeakersChanged(77, (first.participant,), (), 0))
    for client in (first, second):
        assert client.got(m.Speakers) == [m.Speakers((first.participant,), (888,), 0)]
    assert outsider.got(m.Speakers) == []


def test_paths_are_counted_for_the_dashboard():
    driver = Driver()
    driver.event(PathProven(0x100, Address(0, "127.0.0.1", 9)))
    driver.event(PathLost(0x100))
    driver.event(PathLost(0x100))
    assert driver.conference.counters["media_PathProven"] == 1
    assert driver.conference.counters["media_PathLost"] == 2
