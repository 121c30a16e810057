"""Checks sources and what they yield. A wrong shape, type or rate is reported in words, and not by a codec."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from fractions import Fraction
from numbers import Rational
from typing import Any, get_args

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from tcclient.audio.opus import FRAME_MS, Pcm
from tcclient.audio.opus_packet import packet_duration
from tcclient.errors import SourceError
from tcclient.sources import (
    MAX_LAYERS,
    AnySource,
    AudioSource,
    EncodedAudio,
    EncodedAudioSource,
    EncodedVideo,
    EncodedVideoSource,
    VideoSource,
)
from tcclient.video.codec import VideoEncoder
from tcproto.messages import Source
from tcproto.packet import VIDEO_CLOCK

AUDIO_BITRATES = 6_000, 510_000
"""Least and most bit/s of Opus (RFC 6716, section 2.1.1)."""
PACKET_MS = 10, 20, 40, 60
"""Durations of Opus packets that the wire carries, in ms."""
MAX_SIDE = 0xFFFF
"""Largest width or height, in pixels, that an announcement can name."""
_SOUND = Source.MICROPHONE, Source.SCREEN_AUDIO
_PICTURES = Source.CAMERA, Source.SCREEN


def check_source(source: AnySource) -> None:
    """Check sizes and rates. Raises ``SourceError`` for a source that can never be sent."""
    _check_kind(source)
    if isinstance(source, AudioSource):
        if source.frame_ms not in FRAME_MS:
            raise SourceError(f"frame_ms is one of {', '.join(map(str, FRAME_MS))}, not {source.frame_ms}")
        _check_range("the bitrate of sound", source.bitrate, *AUDIO_BITRATES)
    elif isinstance(source, VideoSource):
        rate = source.frame_rate
        if not isinstance(rate, Rational | float) or not 0 < rate <= 240:
            raise SourceError(f"frame_rate is more than 0 and at most 240 pictures per second, not {rate}")
        for name, side in (("width", source.width), ("height", source.height)):
            _check_range(name, side, 16, MAX_SIDE)
        _check_range("layers", source.layers, 1, MAX_LAYERS)
        VideoEncoder(source.codec, source.width, source.height, rate, source.target_bitrate)
    elif isinstance(source, EncodedVideoSource):
        for name, side in (("width", source.width), ("height", source.height)):
            _check_range(name, side, 1, MAX_SIDE)
        if source.codec not in ("vp8", "h264"):
            raise SourceError(f"no codec {source.codec!r}: vp8 or h264")


def _check_kind(source: AnySource) -> None:
    """Check that a source fits its kind: sound of a microphone or a screen, pictures of a camera or a screen."""
    if not isinstance(source, AnySource):
        kinds = ", ".join(kind.__name__ for kind in get_args(AnySource))
        raise SourceError(f"a source is one of {kinds}, not {_described(source)}")
    if not isinstance(source.frames, Iterable | AsyncIterable):
        raise SourceError(f"frames are something to iterate over, not {_described(source.frames)}")
    if not isinstance(source.source, Source):
        raise SourceError(f"source is a tcclient.Source, not {source.source!r}")
    sound = isinstance(source, AudioSource | EncodedAudioSource)
    what, allowed = ("sound", _SOUND) if sound else ("pictures", _PICTURES)
    if source.source not in allowed:
        raise SourceError(f"the source of {what} is {' or '.join(allowed)}, not {source.source}")


def take_pcm(piece: object) -> Pcm:
    """Return a piece of sound. Raises ``SourceError`` unless it is an int16 array of shape (samples,)."""
    if not isinstance(piece, np.ndarray) or piece.dtype != np.int16 or piece.ndim != 1:
        raise SourceError(f"sound is a numpy array of int16, shape (samples,), not {_described(piece)}")
    return piece


def take_audio(frame: object) -> EncodedAudio:
    """Return an encoded frame of sound.

    Raises ``SourceError`` unless it is an Opus packet of the duration that it claims.
    """
    if not isinstance(frame, EncodedAudio):
        raise SourceError(f"encoded sound is an EncodedAudio, not {_described(frame)}")
    duration = packet_duration(frame.payload) if isinstance(frame.payload, bytes) else None
    if duration is None or frame.duration_ms not in PACKET_MS or duration != frame.duration_ms * 48:
        durations = ", ".join(map(str, PACKET_MS))
        raise SourceError(f"encoded sound is an Opus packet of {durations} ms, as duration_ms says")
    return frame


def take_video(frame: object) -> EncodedVideo:
    """Return an encoded picture. Raises ``SourceError`` if it is none."""
    if not isinstance(frame, EncodedVideo) or not isinstance(frame.data, bytes) or not frame.data:
        raise SourceError(f"an encoded picture is an EncodedVideo with bytes in it, not {_described(frame)}")
    return frame


class PictureIntake:
    """Takes the pictures of one source: ``av.VideoFrame``, or numpy arrays of RGB, uint8, (height, width, 3).

    Arrays have no time. They follow each other at ``rate`` pictures per second. If the source is ``live``, their time
    is that of their arrival (``now`` in seconds).
    """

    def __init__(self, rate: Fraction | float, *, live: bool) -> None:
        self._rate, self._live = rate, live
        self._count = 0
        self._begun: float | None = None

    def take(self, picture: Any, now: float) -> av.VideoFrame:
        """Return the picture with its time. Raises ``SourceError`` for another shape or type."""
        if isinstance(picture, av.VideoFrame):
            return picture
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or not _is_rgb(picture):
            raise SourceError(
                "a picture is an av.VideoFrame, or a numpy array of uint8, shape (height, width, 3), not "
                + _described(picture)
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.color_range = ColorRange.JPEG
        self._begun = now if self._begun is None else self._begun
        seconds = now - self._begun if self._live else self._count / self._rate
        self._count += 1
        frame.pts, frame.time_base = round(seconds * VIDEO_CLOCK), Fraction(1, VIDEO_CLOCK)
        return frame


def _is_rgb(picture: npt.NDArray[np.uint8]) -> bool:
    return picture.ndim == 3 and picture.shape[2] == 3 and picture.size > 0


def _check_range(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        raise SourceError(f"{name} is {least} to {most}, not {value}")


def _described(thing: object) -> str:
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype}, shape {thing.shape}"
    return type(thing).__name__
