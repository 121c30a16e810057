"""A microphone_low beside its microphone: who may publish it, who gets it, and when it is to be encoded."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference.room.interest import INTEREST_HOLD
from tests.support.conference.driver import Driver, error_code

MICROPHONE, LOW, CAMERA = m.Source.MICROPHONE, m.Source.MICROPHONE_LOW, m.Source.CAMERA


def receivers(driver, publisher, stream):
    return {r.media_id: r for r in driver.plane.forwarding.get((publisher.media_id, stream), {}).values()}


def talker_and_listener(**settings):
    driver = Driver(**settings)
    talker, listener = driver.participant(), driver.participant()
    driver.advance(1)
    return driver, talker, listener


def wanted(client):
    return [(layer.stream, layer.wanted) for message in client.got(m.Interest) for layer in message.layers]


def test_it_stands_in_for_the_last_microphone_and_ends_with_it():
    driver, talker, listener = talker_and_listener()
    assert error_code(talker.publish(LOW)) is ErrorCode.BAD_REQUEST, "there is no microphone"
    first, second = talker.publish(MICROPHONE), talker.publish(MICROPHONE)
    low = talker.publish(LOW)
    assert driver.plane.streams[talker.media_id, low.stream].microphone == second.stream
    assert driver.plane.streams[talker.media_id, first.stream].microphone == 0
    assert error_code(talker.publish(LOW)) is ErrorCode.BAD_REQUEST, "that one has it already"
    talker.ask(m.Unpublish(second.number))
    driver.advance(1)
    assert [number for _, number in listener.view.publications] == [first.number]
    assert (talker.media_id, low.stream) not in driver.plane.streams
    assert isinstance(talker.publish(LOW), m.Published)


def test_both_end_where_the_permission_of_a_microphone_does():
    driver = Driver()
    chair, talker = driver.participant(), driver.participant()
    driver.advance(1)
    talker.publish(MICROPHONE)
    talker.publish(LOW)
    assert isinstance(chair.ask(m.SetRole(talker.participant, m.Role.LISTENER)), m.Ok)
    driver.advance(1)
    assert not chair.view.publications
    assert error_code(talker.publish(LOW)) is not None


def test_it_goes_to_those_who_want_the_source_and_the_microphone():
    driver, talker, listener = talker_and_listener()
    microphone, low = talker.publish(MICROPHONE), talker.publish(LOW)
    listener.subscribe(MICROPHONE)
    assert set(receivers(driver, talker, microphone.stream)) == {listener.media_id}
    assert not receivers(driver, talker, low.stream)
    listener.ask(m.Subscribe(2, (MICROPHONE, LOW), voices=1, redundant_sources=(MICROPHONE,)))
    one, other = (receivers(driver, talker, each.stream)[listener.media_id] for each in (microphone, low))
    assert one == other, "it is wanted in the same way"
    assert (one.voices, one.redundant) == (1, True)
    listener.subscribe(LOW, generation=3)
    assert not receivers(driver, talker, low.stream), "the microphone is not wanted"
    unwanted = m.StreamChoice(microphone.stream, wanted=False)
    listener.subscribe(MICROPHONE, LOW, choices=(unwanted,), generation=4)
    assert not receivers(driver, talker, low.stream)
    listener.subscribe(MICROPHONE, choices=(m.StreamChoice(low.stream),), generation=5)
    assert not receivers(driver, talker, low.stream), "a choice of the stream means nothing"


def test_its_publisher_is_told_whether_anybody_wants_it():
    driver, talker, listener = talker_and_listener()
    talker.publish(MICROPHONE)
    low = talker.publish(LOW)
    driver.advance(1)
    assert wanted(talker) == [(low.stream, False)]
    listener.subscribe(MICROPHONE, LOW)
    driver.advance(1)
    assert wanted(talker) == [(low.stream, True)]
    listener.subscribe(MICROPHONE, generation=2)
    driver.advance(INTEREST_HOLD + 0.1)
    assert wanted(talker) == [(low.stream, False)]


@pytest.mark.parametrize("hard", [False, True])
def test_nobody_mutes_it_by_itself(hard):
    driver = Driver()
    chair, talker = driver.participant(), driver.participant()
    driver.advance(1)
    talker.publish(MICROPHONE)
    talker.publish(LOW)
    asked = m.MuteOther(talker.participant, LOW, True, hard=hard)
    assert error_code(chair.ask(asked)) is ErrorCode.BAD_REQUEST


def test_a_new_worker_knows_what_it_stands_in_for():
    driver, talker, listener = talker_and_listener()
    microphone, low = talker.publish(MICROPHONE), talker.publish(LOW)
    listener.subscribe(MICROPHONE, LOW)
    driver.replace_worker()
    driver.advance(1)
    assert driver.plane.streams[talker.media_id, low.stream].microphone == microphone.stream
    assert set(receivers(driver, talker, low.stream)) == {listener.media_id}
