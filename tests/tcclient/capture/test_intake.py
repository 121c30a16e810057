from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from tcclient.audio.opus import OpusEncoder
from tcclient.capture.intake import PictureIntake, check_source, take_audio, take_pcm, take_video
from tcclient.errors import ClientError, MediaError, SourceError
from tcclient.sources import (
    AnySource,
    AudioSource,
    EncodedAudio,
    EncodedAudioSource,
    EncodedVideo,
    EncodedVideoSource,
    VideoSource,
)
from tcproto.messages import Source

OPUS = OpusEncoder().encode(np.zeros(960, np.int16))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (AudioSource([], frame_ms=10), "frame_ms is one of 20, 40, 60, not 10"),
        (AudioSource([], bitrate=500), "bitrate of sound is 6000 to 510000"),
        (AudioSource([], bitrate="much"), "bitrate of sound"),  # type: ignore[arg-type]
        (VideoSource([], 8, 64), "width is 16 to 65535, not 8"),
        (VideoSource([], 64, 70_000), "height is 16 to 65535"),
        (VideoSource([], 64.0, 64), "width is 16 to 65535, not 64.0"),  # type: ignore[arg-type]
        (VideoSource([], 65, 64), "65x64 is no size to encode"),
        (VideoSource([], 8000, 8000), "8000x8000 is no size to encode"),
        (VideoSource([], 64, 64, Fraction(0)), "frame_rate is more than 0"),
        (VideoSource([], 64, 64, Fraction(1000)), "at most 240 pictures per second, not 1000"),
        (VideoSource([], 64, 64, "25"), "frame_rate"),  # type: ignore[arg-type]
        (VideoSource([], 64, 64, bitrate=500), "at 500 bit/s"),
        (VideoSource([], 64, 64, bitrate=-5), "at -5 bit/s"),
        (VideoSource([], 64, 64, codec="av1"), "no codec 'av1'"),  # type: ignore[arg-type]
        (EncodedVideoSource([], 0, 64), "width is 1 to 65535"),
        (EncodedVideoSource([], 64, 64, codec="av1"), "no codec 'av1'"),  # type: ignore[arg-type]
    ],
)
def test_what_can_never_be_sent_is_refused_in_words(source: AnySource, text: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_source(source)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ClientError)


def test_sources_of_all_kinds_pass() -> None:
    for source in (AudioSource([]), VideoSource([], 64, 64), VideoSource([], 64, 64, codec="h264", bitrate=100_000)):
        check_source(source)


@pytest.mark.parametrize(
    "piece",
    [
        np.zeros(960, np.float32),
        np.zeros((960, 1), np.int16),
        np.zeros((2, 960), np.int16),
        np.int16(3),
        [0] * 960,
        bytes(1920),
        None,
    ],
)
def test_sound_of_another_shape_or_type_is_refused(piece: object) -> None:
    with pytest.raises(SourceError, match=r"int16, shape \(samples,\), not "):
        take_pcm(piece)


@pytest.mark.parametrize(
    "frame",
    [OPUS, EncodedAudio(OPUS, 40), EncodedAudio(b""), EncodedAudio(OPUS, 0), EncodedAudio(None), EncodedAudio(b"\xff")],  # type: ignore[arg-type]
)
def test_encoded_sound_that_is_none_is_refused(frame: object) -> None:
    with pytest.raises(SourceError, match="encoded sound"):
        take_audio(frame)


@pytest.mark.parametrize("frame", [b"x", EncodedVideo(b"", True, 0), EncodedVideo("x", True, 0)])  # type: ignore[arg-type]
def test_an_encoded_picture_that_is_none_is_refused(frame: object) -> None:
    with pytest.raises(SourceError, match="encoded picture"):
        take_video(frame)


def test_what_is_right_is_taken_as_it_is() -> None:
    pcm, sound, picture = np.zeros(5, np.int16), EncodedAudio(OPUS), EncodedVideo(b"x", True, 0)
    assert take_pcm(pcm) is pcm
    assert take_audio(sound) is sound
    assert take_video(picture) is picture


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
        b"x",
    ],
)
def test_pictures_of_another_shape_or_type_are_refused(picture: object) -> None:
    with pytest.raises(SourceError, match=r"shape \(height, width, 3\), not "):
        PictureIntake(25, live=False).take(picture, 0.0)


def test_arrays_become_pictures_with_times() -> None:
    intake, grey = PictureIntake(Fraction(30), live=False), np.full((48, 64, 3), 64, np.uint8)
    pictures = [intake.take(grey, 0.0) for _ in range(3)]
    assert [picture.pts for picture in pictures] == [0, 3000, 6000]
    assert (pictures[0].width, pictures[0].height, pictures[0].format.name) == (64, 48, "rgb24")
    live = PictureIntake(Fraction(30), live=True)
    assert [live.take(grey[:, ::-1], now).pts for now in (5.0, 5.5)] == [0, 45_000]
    ready = av.VideoFrame(64, 48, "yuv420p")
    assert intake.take(ready, 0.0) is ready


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("speech.wav", "a source is one of AudioSource, EncodedAudioSource, VideoSource, EncodedVideoSource, not str"),
        (None, "a source is one of .* not NoneType"),
        (AudioSource(5), "frames are something to iterate over, not int"),  # type: ignore[arg-type]
        (VideoSource(None, 64, 48), "frames are .* not NoneType"),  # type: ignore[arg-type]
        (AudioSource([], source="screen_audio"), "source is a tcclient.Source, not 'screen_audio'"),  # type: ignore[arg-type]
        (AudioSource([], source=Source.SCREEN), "the source of sound is microphone or screen_audio, not screen"),
        (EncodedAudioSource([], source=Source.CAMERA), "the source of sound is"),
        (VideoSource([], 64, 48, source=Source.MICROPHONE), "the source of pictures is camera or screen, not mic"),
        (EncodedVideoSource([], 64, 48, source=Source.SCREEN_AUDIO), "the source of pictures is"),
        (AudioSource([], source=Source.DATA), "the source of sound is"),
    ],
)
def test_what_is_no_source_is_refused(source: Any, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        check_source(source)


def test_sources_of_screens_and_people_are_taken() -> None:
    check_source(AudioSource([], source=Source.SCREEN_AUDIO))
    check_source(EncodedAudioSource([]))
    check_source(VideoSource([], 64, 48, source=Source.SCREEN))
