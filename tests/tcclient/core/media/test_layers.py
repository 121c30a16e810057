"""Which layer of a stream is received: one, or two during a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tcclient.core.media.layers import (
    ASK_AGAIN,
    ASKS_SPAN,
    MAX_RETRY,
    MOST_ASKS,
    PATIENCE,
    RETRY,
    STALLED,
    LayerChoices,
)
from tcclient.core.timers import NEVER
from tcproto.messages import Kind, PublicationInfo, Source, StreamChoice, Subscribe

STREAM, OWN = 7, 1
ROUND_TRIP = 0.1
LATE = PATIENCE + ROUND_TRIP


class Roster:
    """What of a room the choices look at."""

    own = OWN

    def __init__(self, publications: Iterable[PublicationInfo]) -> None:
        self.publications = {(info.participant, info.number): info for info in publications}


def camera(layers: int = 3, stream: int = STREAM, participant: int = 2, **more: Any) -> PublicationInfo:
    size = {"width": 1280, "height": 720} | more
    return PublicationInfo(participant, 1, stream, Kind.VIDEO, Source.CAMERA, "vp8", layers=layers, **size)


class Receiver:
    """A receiver that subscribes to cameras, and what it has asked for: the lowest and the highest layer."""

    def __init__(self, *publications: PublicationInfo, subscribed: bool = True, **choice: Any) -> None:
        room: Any = Roster(publications or [camera()])
        self.room = room
        self.layers = LayerChoices(room, lambda: ROUND_TRIP, self.ask)
        self.wanted = Subscribe(1, (Source.CAMERA,), (StreamChoice(STREAM, **choice),) if choice else ())
        self.asked: list[Subscribe] = []
        self.works = True
        self.now = 100.0
        if subscribed:
            self.ask()

    def ask(self) -> bool:
        if self.works:
            self.asked.append(self.layers.refine(self.wanted, self.now))
        return self.works

    def choose(self, **choice: Any) -> tuple[int, int] | None:
        self.wanted = Subscribe(1, (Source.CAMERA,), (StreamChoice(STREAM, **choice),))
        self.ask()
        return self.range()

    def range(self) -> tuple[int, int] | None:
        (found,) = [(c.min_spatial, c.max_spatial) for c in self.asked[-1].choices if c.stream == STREAM] or [None]
        return found

    def show(self, layer: int) -> tuple[int, int] | None:
        assert self.layers.is_welcome(STREAM, layer)
        self.layers.shown(STREAM, layer, self.now)
        return self.range()

    def wait(self, seconds: float) -> tuple[int, int] | None:
        """Let time go by, without a picture."""
        until = self.now + seconds
        while (due := self.layers.next_deadline) <= until:
            assert due > self.now - 1e-9
            self.now = due
            self.layers.handle_timeout(self.now)
        self.now = until
        return self.range()

    def keep_showing(self, layer: int, asked: tuple[int, int]) -> float:
        """Show pictures of a layer as long as this is asked for; return for how many seconds."""
        begun = self.now
        while self.range() == asked:
            self.show(layer)
            self.wait(0.1)
        return self.now - begun


def test_one_layer_is_asked_for_the_highest() -> None:
    receiver = Receiver()
    (choice,) = receiver.asked[0].choices
    assert choice == StreamChoice(STREAM, max_spatial=2, min_spatial=2, by_default=True)
    assert receiver.show(2) == (2, 2)
    assert len(receiver.asked) == 1
    assert not receiver.layers.is_welcome(STREAM, 1)


def test_nothing_is_chosen_where_there_is_one_layer_or_none_is_wanted() -> None:
    alone = camera(layers=1, stream=1), camera(stream=2, participant=OWN)
    receiver = Receiver(*alone)
    assert receiver.asked[0].choices == ()
    assert receiver.layers.next_deadline == NEVER
    assert receiver.layers.is_welcome(1, 0)
    assert not receiver.layers.shown(1, 0, 0.0)
    receiver = Receiver(wanted=False)
    assert receiver.asked[0].choices == receiver.wanted.choices
    receiver = Receiver(subscribed=False)
    receiver.wanted = Subscribe(1, (Source.MICROPHONE,))
    receiver.ask()
    assert receiver.asked[0].choices == ()


@pytest.mark.parametrize(
    ("height", "choice", "layer"),
    [(720, {}, 2), (719, {}, 1), (360, {}, 1), (200, {}, 0), (90, {}, 0), (0, {"max_spatial": 1}, 1), (0, {}, 2)],
)
def test_the_height_and_the_choice_bound_the_layer(height: int, choice: dict[str, int], layer: int) -> None:
    receiver = Receiver(subscribed=False)
    receiver.layers.max_height = height
    assert receiver.choose(redundant=True, max_temporal=1, **choice) == (layer, layer)
    assert receiver.asked[-1].choices[0].redundant
    assert receiver.asked[-1].choices[0].max_temporal == 1


def test_an_unknown_size_is_no_bound() -> None:
    receiver = Receiver(camera(width=0, height=0), subscribed=False)
    receiver.layers.max_height = 180
    assert receiver.choose() == (2, 2)


def test_a_change_takes_both_until_the_other_is_shown() -> None:
    receiver = Receiver()
    receiver.show(2)
    assert receiver.choose(max_spatial=0) == (0, 2)
    assert receiver.show(2) == (0, 2)
    assert receiver.show(0) == (0, 0)
    assert not receiver.layers.is_welcome(STREAM, 2)
    assert receiver.choose(max_spatial=1) == (0, 1)
    assert receiver.show(1) == (1, 1)


def test_upwards_what_is_shown_stays_and_the_other_is_tried_again_later() -> None:
    receiver = Receiver(max_spatial=0)
    receiver.show(0)
    assert receiver.choose(max_spatial=2) == (0, 2)
    pause = RETRY
    for _ in range(8):
        assert receiver.keep_showing(0, (0, 2)) == pytest.approx(LATE, abs=0.11)
        assert not receiver.layers.is_welcome(STREAM, 2)
        assert receiver.keep_showing(0, (0, 0)) == pytest.approx(pause, abs=0.11)
        pause = min(2 * pause, MAX_RETRY)
    assert receiver.show(2) == (2, 2)
    assert receiver.choose(max_spatial=1) == (1, 2)
    receiver.show(1)
    assert receiver.choose(max_spatial=2) == (1, 2)
    assert receiver.keep_showing(1, (1, 2)) == pytest.approx(LATE, abs=0.11)
    assert receiver.keep_showing(1, (1, 1)) == pytest.approx(RETRY, abs=0.11), "the pause is short again"


def test_downwards_the_higher_one_is_given_up() -> None:
    receiver = Receiver()
    receiver.show(2)
    receiver.choose(max_spatial=1)
    assert receiver.wait(LATE) == (1, 1)
    assert not receiver.layers.is_welcome(STREAM, 2)
    assert receiver.wait(LATE) == (0, 1), "the next lower one is welcome, too"
    assert receiver.layers.is_welcome(STREAM, 0)
    assert receiver.show(0) == (0, 0)
    assert receiver.wait(STALLED - 0.1) == (0, 0)
    receiver.show(0)
    assert receiver.wait(RETRY - STALLED + 0.1) == (0, 1)
    assert receiver.show(1) == (1, 1)


def test_where_the_layer_does_not_come_at_first_any_lower_one_is_welcome() -> None:
    receiver = Receiver()
    assert receiver.wait(LATE) == (0, 2)
    assert receiver.show(2) == (2, 2)


def test_the_lowest_layer_may_come_before_the_server_knows_better() -> None:
    receiver = Receiver()
    assert receiver.show(0) == (0, 2)
    assert receiver.show(2) == (2, 2)


def test_where_no_picture_comes_any_lower_layer_is_welcome_unless_it_is_muted() -> None:
    receiver = Receiver()
    receiver.show(2)
    receiver.room.publications[2, 1] = camera(muted=True)
    assert receiver.wait(10 * STALLED) == (2, 2)
    receiver.room.publications[2, 1] = camera()
    assert receiver.wait(STALLED) == (0, 2)
    assert receiver.wait(100) == (0, 2)
    assert receiver.show(1) == (1, 1)
    assert receiver.wait(2.9) == (1, 1)


def test_new_streams_are_asked_for_once() -> None:
    receiver = Receiver()
    receiver.layers.publications_changed(receiver.now)
    assert len(receiver.asked) == 1
    receiver.room.publications[3, 1] = camera(stream=9, participant=3)
    receiver.layers.publications_changed(receiver.now)
    assert {choice.stream for choice in receiver.asked[-1].choices} == {STREAM, 9}
    receiver.wanted = Subscribe(2, ())
    receiver.ask()
    count = len(receiver.asked)
    receiver.layers.publications_changed(receiver.now)
    assert len(receiver.asked) == count, "they are not wanted"


def test_senders_that_change_their_layers_do_not_make_receivers_ask_all_the_time() -> None:
    receiver = Receiver(camera(), subscribed=False)
    begun = receiver.now
    for number in range(100):
        receiver.room.publications = {(2, n): camera(stream=10 * number + n) for n in range(3)}
        receiver.layers.publications_changed(receiver.now)
        receiver.wait(0.1)
    assert len(receiver.asked) <= MOST_ASKS * (1 + (receiver.now - begun) / ASKS_SPAN)
    receiver.wait(ASKS_SPAN)
    assert {choice.stream for choice in receiver.asked[-1].choices} == {990, 991, 992}, "the last change is not lost"


def test_what_cannot_be_asked_is_asked_again() -> None:
    receiver = Receiver()
    receiver.show(2)
    receiver.choose(max_spatial=0)
    receiver.works = False
    assert receiver.show(0) == (0, 2)
    receiver.works = True
    assert receiver.wait(ASK_AGAIN) == (0, 0)
