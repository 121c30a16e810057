import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.messages import Role
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tcserver.media.interface import (
    Address,
    MuteStream,
    OpenStream,
    PathLost,
    PathProven,
    Receiver,
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


# Layers


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
