"""From the packets of several layers to the pictures of one."""

from __future__ import annotations

from typing import Any

from tcclient.core.media.packet import MediaPacket, VideoPacket
from tcclient.video.gate import ENOUGH
from tcclient.video.layers import PictureLayers
from tcproto.packet import VideoHeader


def packet(frame: int, spatial: int = 0, *, key: bool = False, index: int = 0, count: int = 1) -> VideoPacket:
    sequence = 2 * frame + index
    reference = 0 if key else 1
    header = VideoHeader(7, 1, 0, sequence, frame * 3600, frame, index, count, key, False, spatial, 0, reference)
    return MediaPacket(2, 1, header, b"picture", 0.0, 0, 0)


class Show:
    """A track with these welcome layers, and the layers of the pictures that it has shown."""

    def __init__(self, *welcome: int) -> None:
        self.welcome = set(welcome)
        self.told: list[int] = []
        self.layers = PictureLayers(self.welcome.__contains__, lambda layer, now: self.told.append(layer))
        self.now = 0.0

    def take(self, *packets: VideoPacket) -> list[tuple[int, int]]:
        shown = []
        for each in packets:
            shown += self.layers.push(each, self.now)
        return [(picture.header.spatial, picture.header.frame_id) for picture in shown]

    def tend(self, **_: Any) -> list[tuple[int, int]]:
        return [(picture.header.spatial, picture.header.frame_id) for picture in self.layers.tend(self.now)]


def test_another_layer_begins_with_its_keyframe_and_never_before() -> None:
    show = Show(0, 2)
    assert show.take(packet(0, key=True), packet(5, 2), packet(1), packet(6, 2)) == [(0, 0), (0, 1)]
    assert show.take(packet(7, 2, key=True, count=2), packet(2)) == [(0, 2)], "not before it is whole"
    assert show.take(packet(7, 2, key=True, index=1, count=2)) == [(2, 7)]
    show.welcome.discard(0)
    assert show.take(packet(3), packet(4, key=True)) == [], "what comes late of the layer before"
    assert show.told == [0, 0, 0, 2]


def test_the_layer_before_does_not_come_back_without_a_keyframe() -> None:
    show = Show(0, 1)
    assert show.take(packet(0, key=True), packet(0, 1, key=True)) == [(0, 0), (1, 0)]
    assert show.take(packet(1), packet(1, 1)) == [(1, 1)]
    assert show.take(packet(2, key=True)) == [(0, 2)]


def test_a_layer_that_is_not_welcome_is_forgotten_with_what_waits_of_it() -> None:
    show = Show(0, 1)
    show.take(packet(0, key=True), packet(1, 1, key=True, count=2))
    show.welcome.discard(1)
    assert show.tend() == []
    show.welcome.add(1)
    assert show.take(packet(1, 1, key=True, index=1, count=2)) == []
    assert show.take(packet(2, 1, key=True)) == [(1, 2)]


def test_what_comes_out_while_the_layer_is_not_welcome_does_not_count() -> None:
    show = Show(0)
    assert show.take(packet(0, key=True), packet(1, count=2), packet(2)) == [(0, 0)]
    show.welcome.discard(0)
    show.now = show.layers.patience + 0.1
    assert show.tend() == []
    show.welcome.add(0)
    assert show.take(packet(3)) == []
    assert show.layers.keyframes_due(show.now) == [0]


def test_keyframes_are_asked_for_of_welcome_layers_that_have_begun() -> None:
    show = Show(0, 1)
    assert show.layers.keyframes_due(0.0) == []
    show.take(packet(3), packet(3, 1))
    assert show.layers.keyframes_due(0.0) == [0, 1]
    assert show.layers.keyframes_due(0.1) == []
    show.welcome.discard(1)
    assert show.layers.keyframes_due(60.0) == [0]
    show.take(packet(4, key=True, count=2))
    assert show.layers.keyframes_due(200.0) == [], "one is coming"


def test_pictures_that_wait_too_long_are_given_up_and_counted() -> None:
    show = Show(0, 1)
    show.take(packet(0, key=True), packet(0, 1, key=True))
    show.take(packet(1, 1, count=2), packet(2, 1))
    show.now = show.layers.patience + 0.1
    assert show.tend() == []
    assert show.layers.incomplete == 1
    show.take(packet(3, key=True))
    show.welcome.discard(1)
    show.tend()
    assert show.layers.incomplete == 1, "those of forgotten layers included"


def test_a_new_decoder_begins_with_a_keyframe() -> None:
    show = Show(0)
    assert show.take(packet(0, key=True), packet(1)) == [(0, 0), (0, 1)]
    show.layers.broken()
    assert show.take(*(packet(2 + n) for n in range(ENOUGH))) == []
    assert show.take(packet(9, key=True)) == [(0, 9)]
