"""How many pictures per second are asked for: by temporal layers, where there are any."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tcclient.core.downlink.frame_rates import FrameRates
from tcproto.messages import Kind, PublicationInfo, Source, StreamChoice, Subscribe
from tcproto.packet import VIDEO_CLOCK, VideoHeader

CAMERAS = Subscribe(1, (Source.CAMERA,))
PATTERNS = {1: (0,), 2: (0, 1), 3: (0, 2, 1, 2)}
"""Temporal layers of pictures that follow each other, by the number of layers."""


class Watched:
    """A room with two cameras of others, and the pictures that come of them."""

    def __init__(self, most: float) -> None:
        cameras = [PublicationInfo(2, n, stream, Kind.VIDEO, Source.CAMERA, "vp8") for n, stream in ((1, 21), (2, 22))]
        room = SimpleNamespace(publications={(info.participant, info.number): info for info in cameras})
        self.rates = FrameRates(room)  # type: ignore[arg-type]
        self.rates.most = most

    def come(self, count: int, rate: float, layers: int, *, first: int = 0, spatial: int = 0, lost: int = -1) -> int:
        """Let pictures of stream 21 come, all but ``lost``; return how often something else is wanted."""
        changes = 0
        for number in range(count):
            temporal = PATTERNS[layers][number % len(PATTERNS[layers])]
            timestamp = (first + round(number * VIDEO_CLOCK / rate)) % 2**32
            header = VideoHeader(21, 0, 0, number, timestamp, number, 0, 1, spatial=spatial, temporal=temporal)
            changes += number != lost and self.rates.received(header)
        return changes

    def asked(self, wanted: Subscribe = CAMERAS) -> dict[int, StreamChoice]:
        return {choice.stream: choice for choice in self.rates.refine(wanted).choices}


@pytest.mark.parametrize(
    ("most", "layers", "highest"),
    [
        (0, 3, None), (30, 3, None), (29, 3, None), (27, 3, 1), (15, 3, 1), (14, 3, 1), (13, 3, 0), (5e-324, 3, 0),
        (30, 2, None), (15, 2, 0), (10, 2, 0), (10, 1, None),
    ],
)  # fmt: skip
def test_so_many_temporal_layers_come_as_the_rate_has_room_for(most: float, layers: int, highest: int | None) -> None:
    watched = Watched(most)
    changes = watched.come(40, 30.0, layers)
    asked = watched.asked()
    assert asked == ({} if highest is None else {21: StreamChoice(21, by_default=True, max_temporal=highest)})
    assert changes == len(asked), "it is asked for once"


def test_a_clock_that_begins_anew_and_a_picture_that_was_lost_change_nothing() -> None:
    watched = Watched(15)
    assert watched.come(40, 30.0, 2, first=2**32 - VIDEO_CLOCK // 2, lost=20) == 1
    assert watched.asked()[21].max_temporal == 0


def test_a_publisher_that_sends_fewer_pictures_may_send_all_of_them() -> None:
    watched = Watched(15)
    watched.come(40, 30.0, 2)
    watched.come(20, 7.5, 1, first=2 * VIDEO_CLOCK)
    assert watched.asked() == {}


def test_the_lowest_rate_of_several_sizes_that_are_too_much_counts() -> None:
    watched = Watched(15)
    watched.come(40, 30.0, 3)
    assert watched.asked()[21].max_temporal == 1
    assert watched.come(40, 30.0, 2, spatial=1) == 1
    assert watched.asked()[21].max_temporal == 0


def test_what_the_program_chose_stays_and_only_what_is_wanted_is_asked_for() -> None:
    watched = Watched(15)
    watched.come(40, 30.0, 3)
    choice = StreamChoice(21, redundant=True, max_spatial=1, max_temporal=0)
    assert watched.asked(Subscribe(1, (), (choice,))) == {21: choice}
    bounded = StreamChoice(21, redundant=True, max_spatial=1)
    assert watched.asked(Subscribe(1, (), (bounded,)))[21] == StreamChoice(
        21, redundant=True, max_spatial=1, max_temporal=1
    )
    assert watched.asked(Subscribe(1, (Source.MICROPHONE,))) == {}


def test_a_stream_that_has_ended_and_a_wish_that_is_taken_back_leave_nothing() -> None:
    watched = Watched(15)
    watched.come(40, 30.0, 2)
    watched.rates.ended(21)
    assert watched.asked() == {}
    watched.come(40, 30.0, 2)
    watched.rates.most = 0
    assert watched.asked() == {}
    watched.rates.most = 15
    assert watched.asked() == {}
