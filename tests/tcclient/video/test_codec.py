import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from tcclient.capture.picture import TestPicture, read_counter
from tcclient.capture.reader import open_video
from tcclient.video.assembly import FrameAssembler
from tcclient.video.bitstream import Codec, holds_keyframe, nal_units
from tcclient.video.codec import (
    H264_RATE_WINDOW,
    KEYFRAME_TIME,
    MAX_ENCODED,
    VideoDecoder,
    VideoEncoder,
    VideoError,
)
from tcclient.video.gate import ReferenceTracker
from tcproto.packet import VIDEO_CLOCK, cut_frame
from tests.support.packets import picture_packet

WIDTH, HEIGHT, FPS, STEP = 320, 180, 25, 3600

CODECS = pytest.mark.parametrize("codec", ["vp8", "h264"])


@pytest.fixture(scope="module")
def pictures() -> list[av.VideoFrame]:
    return list(islice(TestPicture(WIDTH, HEIGHT, FPS), 50))


def encode(codec: Codec, pictures: list[av.VideoFrame], keyframes: frozenset[int] = frozenset()) -> Iterator[bytes]:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 400_000)
    for number, picture in enumerate(pictures):
        yield encoder.encode(picture, timestamp=number * STEP, keyframe=number in keyframes).data


def psnr(one: av.VideoFrame, other: av.VideoFrame) -> float:
    difference = one.to_ndarray()[: one.height].astype(float) - other.to_ndarray()[: one.height]
    return float(10 * np.log10(255**2 / max(float((difference**2).mean()), 1e-6)))


@CODECS
def test_each_picture_comes_out_at_once_and_right(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    encoder, decoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 400_000), VideoDecoder(codec)
    base = 0xFFFFFFFF - 10 * STEP  # the timestamps wrap on the way
    keyframes, quality, size = [], [], 0
    for number, picture in enumerate(pictures):
        frame = encoder.encode(picture, timestamp=(base + number * STEP) & 0xFFFFFFFF, keyframe=number == 30)
        assert frame.timestamp == (base + number * STEP) & 0xFFFFFFFF
        assert frame.keyframe == holds_keyframe(codec, frame.data)
        assert frame.temporal_id == 0
        size += len(frame.data)
        keyframes += [number] * frame.keyframe
        shown = decoder.decode(frame.data)
        assert shown is not None
        assert (shown.width, shown.height) == (WIDTH, HEIGHT)
        assert read_counter(shown) == number
        quality.append(psnr(picture, shown))
    assert keyframes == [0, 30]
    assert np.mean(quality) > 33
    assert size * 8 * FPS / len(pictures) < 400_000 * 1.15


@CODECS
def test_a_keyframe_comes_at_least_every_ten_seconds_of_media(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 200_000)
    times = [  # one picture per second, as a shared screen may have
        number for number in range(22) if encoder.encode(pictures[number], timestamp=number * VIDEO_CLOCK).keyframe
    ]
    assert times == [0, 10, 20]


def test_h264_has_parameter_sets_in_front_of_each_keyframe(pictures: list[av.VideoFrame]) -> None:
    for number, data in enumerate(encode("h264", pictures, frozenset({20, 40}))):
        assert data.startswith((b"\0\0\0\1", b"\0\0\1"))
        kinds = [unit[0] & 31 for unit in nal_units(data)]
        if number in {0, 20, 40}:
            assert kinds.index(7) < kinds.index(8) < kinds.index(5)
        else:
            assert 5 not in kinds


@CODECS
def test_the_frame_is_given_back_as_it_was(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 200_000)
    before = pictures[7].pts, pictures[7].time_base, pictures[7].pict_type
    encoder.encode(pictures[7], timestamp=123)
    assert (pictures[7].pts, pictures[7].time_base, pictures[7].pict_type) == before


@CODECS
def test_pictures_of_another_size_or_format_are_scaled(codec: Codec) -> None:
    encoder, decoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 400_000), VideoDecoder(codec)
    picture = TestPicture(640, 360).frame(1234).reformat(format="rgb24")
    shown = decoder.decode(encoder.encode(picture, timestamp=0).data)
    assert shown is not None
    assert (shown.width, shown.height) == (WIDTH, HEIGHT)
    assert read_counter(shown) == 1234


@CODECS
def test_timestamps_that_stand_still_or_go_back_still_give_pictures(
    codec: Codec, pictures: list[av.VideoFrame]
) -> None:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 200_000)
    for timestamp in (5000, 5000, 4000, 4000 + (1 << 30), 90_000):
        assert encoder.encode(pictures[0], timestamp=timestamp).data


def test_pictures_of_the_upper_temporal_layer_can_be_left_out(pictures: list[av.VideoFrame]) -> None:
    """The others come out bit by bit as with them, also after a keyframe in the middle of the pattern."""
    encoder = VideoEncoder("vp8", WIDTH, HEIGHT, FPS, 300_000, temporal_layers=2)
    sent = [
        encoder.encode(picture, timestamp=n * STEP, keyframe=n == 11) for n, picture in enumerate(islice(pictures, 24))
    ]
    temporal = [0, 1] * 5 + [0] + [0, 1] * 6 + [0]
    assert [frame.temporal_id for frame in sent] == temporal
    assert [n for n, frame in enumerate(sent) if frame.keyframe] == [0, 11]
    every, some = VideoDecoder("vp8"), VideoDecoder("vp8")
    for frame in sent:
        whole = every.decode(frame.data)
        assert whole is not None
        if frame.temporal_id == 0:
            part = some.decode(frame.data)
            assert part is not None
            assert np.array_equal(whole.to_ndarray(), part.to_ndarray())


@pytest.mark.parametrize(("codec", "temporal_layers"), [("vp8", 3), ("vp8", 0), ("h264", 2)])
def test_other_temporal_layers_are_refused(codec: Codec, temporal_layers: int) -> None:
    with pytest.raises(VideoError, match="temporal layers"):
        VideoEncoder(codec, 64, 48, 25, 100_000, temporal_layers=temporal_layers)


@pytest.mark.parametrize(
    ("codec", "width", "height", "fps", "bitrate"),
    [
        ("vp8", 321, 180, 25, 200_000),
        ("vp8", 320, 181, 25, 200_000),
        ("vp8", 8, 180, 25, 200_000),
        ("h264", 16384, 16384, 25, 200_000),
        ("vp8", 320, 180, 0, 200_000),
        ("vp8", 320, 180, 1000, 200_000),
        ("vp8", 320, 180, 25, 0),
        ("av2", 320, 180, 25, 200_000),
    ],
)
def test_an_encoder_that_cannot_be_had_is_an_error_of_one_line(
    codec: Codec, width: int, height: int, fps: float, bitrate: int
) -> None:
    with pytest.raises(VideoError) as caught:
        VideoEncoder(codec, width, height, fps, bitrate)
    assert "\n" not in str(caught.value)


@CODECS
def test_a_decoder_shows_nothing_before_a_keyframe(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    decoder = VideoDecoder(codec)
    frames = list(encode(codec, pictures[:20], frozenset({10})))
    shown = [decoder.decode(data) for data in frames[3:]]
    assert all(picture is None for picture in shown[:7])
    assert [read_counter(picture) for picture in shown[7:] if picture] == list(range(10, 20))
    decoder.reset()
    assert decoder.decode(frames[11]) is None


@CODECS
def test_corrupt_data_is_a_typed_error_and_the_decoder_goes_on(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    rng = random.Random(5)
    frames = list(encode(codec, pictures[:12], frozenset({10})))
    decoder = VideoDecoder(codec)
    errors = 0
    for _ in range(60):
        decoder.decode(frames[0])
        data = bytearray(frames[rng.randrange(2)])
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            decoder.decode(bytes(data[: rng.choice((len(data), rng.randrange(1, len(data) + 1)))]))
        except VideoError:
            errors += 1
    assert errors > 10
    decoder.reset()
    shown = [decoder.decode(data) for data in frames[10:]]
    assert [read_counter(picture) for picture in shown if picture] == [10, 11]


@CODECS
def test_a_frame_without_a_picture_is_a_typed_error(codec: Codec) -> None:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 200_000)
    with pytest.raises(VideoError, match="cannot encode"):
        encoder.encode(av.VideoFrame(), timestamp=0)


@CODECS
@pytest.mark.parametrize("data", [b"", bytes(MAX_ENCODED + 1)])
def test_data_without_a_sensible_size_is_refused(codec: Codec, data: bytes) -> None:
    decoder = VideoDecoder(codec)
    with pytest.raises(VideoError):
        decoder.decode(data)


def test_a_keyframe_that_claims_a_huge_picture_is_refused(pictures: list[av.VideoFrame]) -> None:
    data = bytearray(next(encode("vp8", pictures[:1])))
    data[6:10] = (16383).to_bytes(2, "little") * 2  # width and height (RFC 6386, section 9.1)
    with pytest.raises(VideoError):
        VideoDecoder("vp8").decode(bytes(data))


def test_the_size_may_change_in_the_middle() -> None:
    decoder = VideoDecoder("vp8")
    for number, width in enumerate((320, 640, 160)):
        picture = TestPicture(width, width * 9 // 16 // 2 * 2).frame(number)
        shown = decoder.decode(
            VideoEncoder("vp8", picture.width, picture.height, FPS, 300_000).encode(picture, timestamp=0).data
        )
        assert shown is not None
        assert (shown.width, read_counter(shown)) == (width, number)


@CODECS
def test_over_a_lossy_link_every_picture_shown_is_right(codec: Codec, pictures: list[av.VideoFrame]) -> None:
    rng = random.Random(11)
    encoder, decoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, 400_000), VideoDecoder(codec)
    assembler, gate = FrameAssembler(patience=0.1), ReferenceTracker()
    sequence, now, wanted, shown, requests = 0, 0.0, False, 0, 0
    for number in range(100):
        now = number / FPS
        source = pictures[number % len(pictures)]
        frame = encoder.encode(source, timestamp=number * STEP, keyframe=wanted)
        pieces = cut_frame(frame.data, 300)
        wanted = False
        for index, piece in enumerate(pieces):
            packet = picture_packet(
                sequence,
                number,
                piece,
                index=index,
                count=len(pieces),
                timestamp=frame.timestamp,
                keyframe=frame.keyframe,
            )
            sequence += 1
            if rng.random() < 0.01:
                continue
            for whole in assembler.push(packet, now):
                if gate.admit(whole.header):
                    seen = decoder.decode(whole.payload)
                    assert seen is not None
                    assert read_counter(seen) == whole.header.frame_id % len(pictures)
                    shown += 1
        if gate.keyframe_due(now):
            wanted = True
            requests += 1
    assert assembler.statistics.incomplete > 0
    assert shown > 50
    assert requests <= 100 / FPS / 0.5 + 1


@CODECS
@pytest.mark.parametrize("bitrate", [100_000, 400_000])
def test_a_keyframe_takes_a_bounded_time_at_the_rate(codec: Codec, bitrate: int, shared_media: Path) -> None:
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, bitrate)
    video = open_video(shared_media / "bigbuckbunny.mp4", max_width=WIDTH, max_height=HEIGHT)
    sizes = []
    for number, picture in enumerate(islice(video, 75)):
        sizes.append(len(encoder.encode(picture, timestamp=number * STEP, keyframe=number in {25, 50}).data) * 8)
    assert max(sizes) < {"vp8": 1.1 * KEYFRAME_TIME, "h264": 0.75 * H264_RATE_WINDOW}[codec] * bitrate
    assert sum(sizes) < 1.1 * bitrate * len(sizes) / FPS


@CODECS
def test_real_pictures_keep_their_quality(codec: Codec, shared_media: Path) -> None:
    encoder, decoder = VideoEncoder(codec, 640, 360, 25, 600_000), VideoDecoder(codec)
    quality = []
    video = open_video(shared_media / "bigbuckbunny.mp4", max_width=640, max_height=360)
    for picture in islice(video, 40):
        assert picture.pts is not None
        shown = decoder.decode(encoder.encode(picture, timestamp=picture.pts).data)
        assert shown is not None
        quality.append(psnr(picture, shown))
    assert np.mean(quality) > {"vp8": 36, "h264": 34}[codec]
