"""Pictures in several spatial layers: encoded as far as they are wanted, and each can be decoded by itself."""

from __future__ import annotations

from itertools import islice

import av
import pytest

from tcclient.capture.picture import TestPicture, read_counter
from tcclient.capture.simulcast import STILL_TIME, LayeredEncoder
from tcclient.sources import STILL_BITRATE, EncodedVideo, VideoSource
from tcclient.video.codec import VideoDecoder, VideoError
from tcproto.packet import VIDEO_CLOCK

ALL = 7


def made(width: int = 640, height: int = 360, **more: object) -> LayeredEncoder:
    return LayeredEncoder(VideoSource((), width, height, layers=3, **more))  # type: ignore[arg-type]


def pictures(count: int) -> list[av.VideoFrame]:
    return list(islice(TestPicture(640, 360, 25), count))


def encoded(encoder: LayeredEncoder, begin: int, count: int) -> list[EncodedVideo]:
    frames = []
    for n, picture in enumerate(pictures(begin + count)[begin:], begin):
        frames += encoder.encode(picture, n * 3600)
    return frames


def test_each_layer_is_a_picture_of_its_own() -> None:
    """The largest shows every picture, the smallest without its upper temporal layer every second one."""
    encoder = made()
    frames = encoded(encoder, 0, 10)
    assert [(frame.spatial_id, frame.timestamp // 3600) for frame in frames[:4]] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [frame.temporal_id for frame in frames if frame.spatial_id == 0] == [0, 1] * 5
    assert all(frame.temporal_id == 0 for frame in frames if frame.spatial_id == 1)
    assert all(frame.discardable == (frame.temporal_id > 0) for frame in frames)
    for layer, size in enumerate([(320, 180), (640, 360)]):
        decoder, shown = VideoDecoder("vp8"), []
        for frame in frames:
            if frame.spatial_id == layer and not frame.discardable:
                picture = decoder.decode(frame.data)
                assert picture is not None
                assert (picture.width, picture.height) == size
                shown.append(read_counter(picture.reformat(640, 360)))
        assert shown == list(range(0, 10, 2 - layer))


def test_a_layer_that_is_not_wanted_is_not_encoded_and_begins_again_with_a_keyframe() -> None:
    encoder = made()
    encoded(encoder, 0, 2)
    encoder.want((-1, ALL))
    frames = encoded(encoder, 2, 2)
    assert [(frame.spatial_id, frame.keyframe) for frame in frames] == [(1, False), (1, False)]
    encoder.want((-1, -1))
    assert encoded(encoder, 4, 2) == []
    encoder.want((0, -1))
    frames = encoded(encoder, 6, 4)
    assert [(frame.spatial_id, frame.temporal_id, frame.keyframe) for frame in frames] == [(0, 0, True), (0, 0, False)]


def test_a_keyframe_is_made_in_the_layer_that_needs_it() -> None:
    encoder = made()
    encoded(encoder, 0, 3)
    encoder.want_keyframe(0)
    frames = encoded(encoder, 3, 2)
    assert [(frame.spatial_id, frame.temporal_id, frame.keyframe) for frame in frames] == [
        (0, 0, True), (1, 0, False), (0, 1, False), (1, 0, False),
    ]  # fmt: skip


def test_other_codecs_have_no_temporal_layers() -> None:
    frames = encoded(made(codec="h264"), 0, 3)
    assert [(frame.spatial_id, frame.temporal_id) for frame in frames] == [(0, 0), (1, 0)] * 3


def test_one_layer_is_encoded_as_ever() -> None:
    encoder = LayeredEncoder(VideoSource((), 320, 180))
    frames = encoded(encoder, 0, 3)
    assert [(frame.spatial_id, frame.temporal_id, frame.keyframe) for frame in frames] == [
        (0, 0, True), (0, 0, False), (0, 0, False),
    ]  # fmt: skip


def test_a_picture_that_cannot_be_scaled_is_an_error_of_one_line() -> None:
    with pytest.raises(VideoError, match="cannot scale a picture: there is no picture in it"):
        made().encode(av.VideoFrame(), 0)


def test_still_pictures_are_keyframes_each_while_and_when_one_is_asked_for() -> None:
    encoder = LayeredEncoder(VideoSource((), 640, 360, layers=2, stills=True))
    encoder.want((ALL, -1, -1))
    frames = encoded(encoder, 0, 130)
    assert [frame.timestamp for frame in frames] == [0, STILL_TIME + 1800, 2 * STILL_TIME + 3600]
    assert all(frame.keyframe and frame.spatial_id == 0 and not frame.discardable for frame in frames)
    assert all(len(frame.data) <= 2 * STILL_BITRATE * STILL_TIME / VIDEO_CLOCK / 8 for frame in frames)
    picture = VideoDecoder("vp8").decode(frames[1].data)
    assert picture is not None
    assert (picture.width, picture.height) == (160, 90)
    encoder.want_keyframe(0)
    assert len(encoded(encoder, 130, 2)) == 1
    encoder.want((-1, ALL, -1))
    moving = encoded(encoder, 132, 4)
    assert [frame.temporal_id for frame in moving] == [0, 1, 0, 1]
    assert {frame.spatial_id for frame in moving} == {1}
