"""Requests for keyframes: who is asked, how often, and what ends them."""

import pytest

from tcproto import messages as m
from tcserver.conference.room.change_log import BATCH_INTERVAL
from tcserver.media.interface import (
    KeyframeAsked,
    SendKeyframe,
)
from tests.support.conference.driver import Driver

MICROPHONE, CAMERA, SCREEN = m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN


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
