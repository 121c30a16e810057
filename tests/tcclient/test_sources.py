"""Sources as programs make them."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from tcclient import sources
from tcclient.capture import CLIP, SPEECH
from tcclient.core.rate.allocation import PictureDemand
from tcclient.errors import MediaFileError
from tcclient.sources import AudioSource, EncodedAudioSource, EncodedVideoSource, VideoSource, codec_of, demand_of
from tcproto.messages import Kind, Source


@pytest.mark.parametrize(
    ("width", "height", "rate", "bitrate", "target"),
    [
        (640, 360, 25, 0, 576_000),
        (16, 16, 1, 0, sources.MIN_VIDEO_BITRATE),
        (1920, 1080, 60, 0, sources.MAX_VIDEO_BITRATE),
        (640, 360, 25, 42_000, 42_000),
    ],
)
def test_the_bitrate_of_pictures_is_by_size_and_rate(
    width: int, height: int, rate: int, bitrate: int, target: int
) -> None:
    assert VideoSource((), width, height, Fraction(rate), bitrate).target_bitrate == target


@pytest.mark.parametrize(
    ("width", "height", "most", "layers"),
    [
        (1280, 720, 3, [(320, 180, 100_000), (640, 360, 316_017), (1280, 720, 998_664)]),
        (1280, 720, 2, [(640, 360, 316_017), (1280, 720, 998_664)]),
        (640, 360, 3, [(320, 180, 100_000), (640, 360, 316_017)]),
        (360, 640, 3, [(180, 320, 100_000), (360, 640, 316_017)]),
        (318, 318, 3, [(318, 318, 159_543)]),
        (1920, 1080, 3, [(480, 270, 196_025), (960, 540, 619_471), (1920, 1080, sources.MAX_VIDEO_BITRATE)]),
        (1280, 720, 1, [(1280, 720, sources.MAX_VIDEO_BITRATE)]),
    ],
)
def test_layers_have_half_the_size_of_the_next_and_rates_by_size(
    width: int, height: int, most: int, layers: list[tuple[int, int, int]]
) -> None:
    assert list(VideoSource((), width, height, layers=most).spatial_layers) == layers


def test_a_given_bitrate_is_that_of_the_whole_size_and_none_is_above_it() -> None:
    layers = VideoSource((), 1280, 720, bitrate=250_000, layers=3).spatial_layers
    assert [layer.bitrate for layer in layers] == [100_000, 250_000, 250_000]


@pytest.mark.parametrize(
    ("width", "height", "most", "layers"),
    [
        (640, 360, 1, [(320, 180, 8_000), (640, 360, 576_000)]),
        (640, 360, 3, [(160, 90, 8_000), (320, 180, 100_000), (640, 360, 316_017)]),
        (1920, 1080, 3, 4),
        (320, 180, 3, [(160, 90, 8_000), (320, 180, 100_000)]),
        (316, 158, 3, 1),
    ],
)
def test_still_pictures_are_one_layer_more(width: int, height: int, most: int, layers: object) -> None:
    source = VideoSource((), width, height, layers=most, stills=True)
    found = list(source.spatial_layers)
    assert layers in (found, len(found))
    assert source.has_stills == (found[0].bitrate == sources.STILL_BITRATE)
    demand = demand_of(source)
    assert isinstance(demand, PictureDemand)
    assert demand.stills == source.has_stills
    assert codec_of(source)[-1] == len(found)


def test_what_is_announced_of_a_source() -> None:
    assert codec_of(AudioSource(())) == (Kind.AUDIO, Source.MICROPHONE, "opus", 0, 0, 1)
    assert codec_of(EncodedAudioSource((), Source.SCREEN_AUDIO)) == (Kind.AUDIO, Source.SCREEN_AUDIO, "opus", 0, 0, 1)
    assert codec_of(VideoSource((), 64, 48)) == (Kind.VIDEO, Source.CAMERA, "vp8", 64, 48, 1)
    encoded = EncodedVideoSource((), 64, 48, "h264", Source.SCREEN)
    assert codec_of(encoded) == (Kind.VIDEO, Source.SCREEN, "h264", 64, 48, 1)
    assert codec_of(VideoSource((), 640, 360, layers=3))[-1] == 2


def test_a_tone_is_endless_continuous_and_20_db_below_full_scale() -> None:
    wave = np.concatenate(list(islice(sources.tone(1000.0).frames, 50))).astype(float)
    assert wave.shape == (48_000,)
    assert 20 * np.log10(np.sqrt(np.mean(wave**2)) * np.sqrt(2) / 32_768) == pytest.approx(-20, abs=3.1)
    assert np.abs(np.diff(wave)).max() < 610, "no step between blocks"
    assert np.argmax(np.abs(np.fft.rfft(wave))) == 1000


def test_a_sound_file_is_cut_to_its_seconds() -> None:
    source = sources.audio_file(SPEECH, seconds=0.1)
    assert sum(map(len, source.frames)) == 4800
    assert (source.bitrate, source.source) == (sources.AUDIO_BITRATE, Source.MICROPHONE)


@pytest.mark.parametrize(("bitrate", "used"), [(0, sources.SCREEN_AUDIO_BITRATE), (32_000, 32_000)])
def test_what_a_screen_plays_has_more_bits_unless_told_otherwise(bitrate: int, used: int) -> None:
    assert sources.audio_file(SPEECH, bitrate=bitrate, source=Source.SCREEN_AUDIO).bitrate == used


def test_a_film_is_scaled_down_and_cut_to_its_seconds() -> None:
    source = sources.video_file(CLIP, seconds=0.2, max_width=160, max_height=120)
    pictures = list(source.frames)
    assert 0 < len(pictures) <= 0.2 * source.frame_rate + 1
    assert source.width <= 160
    assert source.height <= 120
    assert source.begin == 0


def test_test_pictures_have_the_size_and_rate_that_was_asked_for() -> None:
    source = sources.moving_bars(96, 64, 10)
    first, second = islice(source.frames, 2)
    assert (source.width, source.height, source.frame_rate) == (96, 64, 10)
    assert (first.width, first.height) == (96, 64)
    assert second.pts - first.pts == sources.VIDEO_CLOCK / 10
    assert not np.array_equal(first.to_ndarray(), second.to_ndarray())


def test_a_file_that_is_not_there_is_an_error_at_once() -> None:
    for make in (sources.audio_file, sources.video_file):
        with pytest.raises(MediaFileError, match="nothing"):
            make("nothing.mkv")  # type: ignore[operator]
