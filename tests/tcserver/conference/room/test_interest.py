"""Which layers are wanted: counted over all receivers, and told to the publisher."""

from __future__ import annotations

import pytest

from tcproto import messages as m
from tcserver.conference.room.interest import INTEREST_HOLD, INTEREST_INTERVAL
from tests.support.conference.driver import Driver

CAMERA = m.Source.CAMERA


def told(publisher) -> list[list[int]]:
    """The messages since the last call: the highest wanted temporal layer of each spatial one, -1 for none."""
    messages = publisher.got(m.Interest)
    assert all([layer.spatial for layer in message.layers] == list(range(len(message.layers))) for message in messages)
    return [[layer.max_temporal if layer.wanted else -1 for layer in message.layers] for message in messages]


class Show:
    def __init__(self, watchers: int = 2, layers: int = 3) -> None:
        self.driver = Driver()
        self.camera = self.driver.participant()
        self.watchers = [self.driver.participant() for _ in range(watchers)]
        self.driver.advance(1)
        self.stream = self.camera.publish(CAMERA, layers=layers).stream
        self.generation = 0

    def choose(self, watcher: int, **choice: object) -> None:
        self.generation += 1
        choices = (m.StreamChoice(self.stream, **choice),)
        self.watchers[watcher].subscribe(choices=choices, generation=self.generation)

    def told_after(self, seconds: float) -> list[list[int]]:
        self.driver.advance(seconds)
        return told(self.camera)


def test_a_publisher_is_told_after_it_may_send_and_only_of_pictures():
    show = Show()
    before = [type(message) for message in show.camera.inbox]
    assert before[-1] is m.Interest
    assert told(show.camera) == [[-1, -1, -1]]
    assert show.camera.publish(CAMERA, layers=1)
    assert told(show.camera) == [[-1]]
    assert show.camera.publish(m.Source.MICROPHONE)
    assert show.told_after(5) == []
    show.driver.check()


def test_what_several_want_is_joined():
    show = Show()
    show.told_after(1)
    show.choose(0, min_spatial=1, max_spatial=1, max_temporal=0)
    show.choose(1, min_spatial=1, max_spatial=1, max_temporal=2)
    assert show.told_after(0.01) == [[-1, 2, -1]]
    show.choose(0, max_spatial=0, max_temporal=1)
    show.choose(1, min_spatial=2)
    assert show.told_after(1) == [[1, 2, 7]], "more at once"
    assert show.told_after(INTEREST_HOLD) == [[1, -1, 7]], "less after a while"
    show.driver.check()


def test_less_is_told_after_a_while_and_not_at_all_if_it_comes_back():
    show = Show()
    show.choose(0, min_spatial=2)
    assert show.told_after(1)[-1] == [-1, -1, 7]
    show.choose(0, wanted=False)
    assert show.told_after(INTEREST_HOLD - 0.01) == []
    assert show.told_after(0.02) == [[-1, -1, -1]]
    show.choose(0, max_spatial=0)
    assert show.told_after(1) == [[7, -1, -1]]
    show.choose(0, wanted=False)
    assert show.told_after(INTEREST_HOLD / 2) == []
    show.choose(0, max_spatial=0)
    assert show.told_after(2 * INTEREST_HOLD) == []
    show.watchers[1].subscribe(CAMERA)
    show.choose(0, wanted=False)
    assert show.told_after(2 * INTEREST_HOLD) == [], "the other still wants it"
    show.driver.check()


def test_more_is_told_at_most_each_interval():
    show = Show(watchers=3)
    show.told_after(1)
    show.choose(0, max_spatial=0)
    assert show.told_after(0.01) == [[7, -1, -1]]
    show.choose(1, min_spatial=1, max_spatial=1)
    show.choose(2, min_spatial=2)
    assert show.told_after(INTEREST_INTERVAL - 0.02) == []
    assert show.told_after(0.02) == [[7, 7, 7]]


def test_what_is_wanted_no_more_before_it_was_told_is_not_told():
    show = Show()
    show.choose(0, max_spatial=0)
    assert show.told_after(1)[-1] == [7, -1, -1]
    show.choose(1, min_spatial=2)
    show.choose(1, wanted=False)
    assert show.told_after(2 * INTEREST_HOLD) == []


@pytest.mark.parametrize("end", ["leave", "drop"])
def test_who_leaves_wants_nothing_more(end):
    show = Show(watchers=1)
    show.choose(0)
    assert [7, 7, 7] in show.told_after(1)
    watcher = show.watchers[0]
    (watcher.drop if end == "drop" else lambda: watcher.ask(m.Leave()))()
    assert show.told_after(INTEREST_HOLD + 70)[-1] == [-1, -1, -1]
    show.driver.check()


@pytest.mark.parametrize("end", [m.Unpublish(1), m.Leave(), m.CloseRoom()])
def test_nothing_is_told_after_the_end_of_a_stream(end):
    show = Show()
    show.told_after(1)
    show.choose(0)
    show.told_after(1)
    show.choose(0, wanted=False)
    show.camera.ask(end)
    assert show.told_after(2 * INTEREST_HOLD) == []
    show.driver.check()


def test_a_publication_that_ended_before_it_was_granted_is_told_nothing():
    driver = Driver()
    camera = driver.participant()
    driver.participant()
    camera.announce(CAMERA)
    camera.announce(CAMERA)
    camera.ask(m.Unpublish(1))
    driver.advance(1)
    assert len(told(camera)) == 1
    driver.check()


def test_the_same_is_wanted_after_a_media_worker_was_replaced():
    show = Show()
    show.choose(0, max_spatial=1)
    show.told_after(1)
    show.driver.replace_worker()
    assert show.told_after(2 * INTEREST_HOLD) == []
    show.choose(0, wanted=False)
    assert show.told_after(2 * INTEREST_HOLD) == [[-1, -1, -1]]
    show.driver.check()
