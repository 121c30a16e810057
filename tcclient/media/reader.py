"""Sound and pictures of files: WAV, Ogg, FLAC, MP3, MP4, Matroska, through PyAV."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from tcclient.media.errors import MediaFileError, one_line

AUDIO_RATE = 48_000
"""Samples per second of what is read: the rate of Opus."""

VIDEO_CLOCK = 90_000
"""Ticks per second of the timestamps of pictures (RFC 3551, section 4)."""

FORMATS = "wav,ogg,mp3,mov,matroska,webm,flac"
"""Containers that are opened. Others, such as playlists, could make the library fetch what they name."""

MAX_SIDE = 8192
"""Largest width or height, in pixels, of a video file: more is taken for damage."""

av.logging.set_level(None)  # libraries print about each broken packet; here every failure is an exception

Samples = npt.NDArray[np.int16]


class AudioFile:
    """The sound of a file as frames of `samples` samples: int16, mono, 48 kHz, shape (samples,).

    The last frame is padded with zeros; with `loop` the sound begins again without a gap, for ever. Each iteration
    reads the file from the beginning. `duration` in seconds, or None where the file does not tell. Iteration raises
    `MediaFileError` if the file turns out to be damaged.
    """

    def __init__(self, path: Path, samples: int, loop: bool) -> None:
        if samples < 1:
            raise ValueError("a frame has at least one sample")
        self.path, self.samples, self.loop = path, samples, loop
        with closing(_open(path)) as container:
            self.duration = _duration(container, _audio_stream(path, container))
        with closing(self._decode()) as pieces:
            next(pieces, None)  # so that damage shows now and not in the middle of a call

    def __iter__(self) -> Iterator[Samples]:
        rest = np.empty(0, np.int16)
        while True:
            for piece in self._decode():
                rest = np.concatenate((rest, piece))
                whole = len(rest) - len(rest) % self.samples
                yield from rest[:whole].reshape(-1, self.samples)
                rest = rest[whole:]
            if not self.loop:
                break
        if len(rest):
            yield np.concatenate((rest, np.zeros(self.samples - len(rest), np.int16)))

    def _decode(self) -> Generator[Samples, None, None]:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=AUDIO_RATE)
        heard = False
        with closing(_open(self.path)) as container:
            stream = _audio_stream(self.path, container)
            try:
                for frame in container.decode(stream):
                    for piece in resampler.resample(frame):
                        heard = True
                        yield piece.to_ndarray()[0]
                for piece in resampler.resample(None) if heard else ():
                    yield piece.to_ndarray()[0]
            except (av.FFmpegError, OSError) as error:
                raise MediaFileError(one_line(self.path, error)) from error
        if not heard:
            raise MediaFileError(one_line(self.path, "no audio in it that can be decoded"))


class VideoFile:
    """The pictures of a file: yuv420p, scaled down (never up) to fit, even sizes, pts in 90 kHz from 0 (`time_base`
    1/90000).

    `width`, `height` are those of the pictures given out, `frame_rate` is that of the file; `duration` in seconds, or
    None where the file does not tell. With `loop` it begins again, for ever, with timestamps that go on. Each
    iteration reads the file from the beginning. Iteration raises `MediaFileError` if the file turns out to be
    damaged.
    """

    def __init__(self, path: Path, max_width: int, max_height: int, loop: bool) -> None:
        if min(max_width, max_height) < 16:
            raise ValueError("a picture is at least 16x16")
        self.path, self.loop = path, loop
        with closing(_open(path)) as container:
            stream = _video_stream(path, container)
            if not (0 < stream.width <= MAX_SIDE and 0 < stream.height <= MAX_SIDE):
                raise MediaFileError(one_line(path, f"pictures of {stream.width}x{stream.height}"))
            self.width, self.height = fit(stream.width, stream.height, max_width, max_height)
            rate = stream.average_rate or stream.guessed_rate
            self.frame_rate = rate or Fraction(25)
            self.duration = _duration(container, stream)
        with closing(self._decode()) as pictures:
            next(pictures)  # so that damage shows now and not in the middle of a call

    def __iter__(self) -> Iterator[av.VideoFrame]:
        period = max(1, round(VIDEO_CLOCK / self.frame_rate))
        pts = -period
        while True:
            offset: int | None = None
            for picture in self._decode():
                if picture.pts is None or picture.time_base is None:
                    pts += period
                else:
                    ticks = round(picture.pts * picture.time_base * VIDEO_CLOCK)
                    if offset is None:
                        offset = pts + period - ticks
                    pts = max(pts + 1, ticks + offset)
                small = picture.reformat(self.width, self.height, "yuv420p", interpolation=Interpolation.AREA)
                small.pts, small.time_base = pts, Fraction(1, VIDEO_CLOCK)
                yield small
            if not self.loop:
                return

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        seen = False
        with closing(_open(self.path)) as container:
            stream = _video_stream(self.path, container)
            stream.thread_count = 1  # threads of the decoder would delay the first picture, and starve the encoder
            try:
                for picture in container.decode(stream):
                    seen = True
                    yield picture
            except (av.FFmpegError, OSError) as error:
                raise MediaFileError(one_line(self.path, error)) from error
        if not seen:
            raise MediaFileError(one_line(self.path, "no video in it that can be decoded"))


def open_audio(path: str | Path, *, samples: int = 960, loop: bool = False) -> AudioFile:
    """Open the first audio stream of a file. Raises `MediaFileError`, a single line with path and reason."""
    return AudioFile(Path(path), samples, loop)


def open_video(path: str | Path, *, max_width: int = 1280, max_height: int = 720, loop: bool = False) -> VideoFile:
    """Open the first video stream of a file. Raises `MediaFileError`, a single line with path and reason."""
    return VideoFile(Path(path), max_width, max_height, loop)


def fit(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the largest even size of the same aspect, within one pixel pair, that is neither larger than this nor
    than that."""
    scale = min(Fraction(1), Fraction(max_width, width), Fraction(max_height, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _open(path: Path) -> InputContainer:
    if path.is_dir():
        raise MediaFileError(one_line(path, "is a directory"))
    try:
        with path.open("rb"):
            pass
        return av.open(f"file:{path}", options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except av.ArgumentError as error:
        raise MediaFileError(one_line(path, "not WAV, Ogg, FLAC, MP3, MP4 or Matroska")) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaFileError(one_line(path, error)) from error


def _audio_stream(path: Path, container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise MediaFileError(one_line(path, "no audio in it"))
    return container.streams.audio[0]


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise MediaFileError(one_line(path, "no video in it"))
    return container.streams.video[0]


def _duration(container: InputContainer, stream: AudioStream | VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None
