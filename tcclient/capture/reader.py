"""Sound and pictures of files: WAV, Ogg, FLAC, MP3, MP4, Matroska, through PyAV.

Both count their time from the beginning of the file, which is the earlier of its first sound and its first picture, and
both begin again together. So the sound and the pictures of one file stay in step, even if two readers read them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from tcclient.capture.container import MediaFile, MediaStream
from tcclient.capture.splice import Splice
from tcclient.errors import MediaFileError, one_line
from tcclient.video.framing import fit, frame_picture, shown_size
from tcproto.packet import AUDIO_CLOCK, VIDEO_CLOCK

MAX_SIDE = 8192
"""Largest width or height, in pixels, of a video file. A larger one is taken as damage."""

MIN_SIDE = 16
"""Smallest width or height, in pixels, that the codecs encode."""

MAX_RATE = 60
"""Pictures per second that are returned at most. Browsers write faster files; some of their pictures are left out."""

USUAL_RATE = Fraction(25)
"""Pictures per second of a file that does not name a rate."""

SKEW = AUDIO_CLOCK * 40 // 1000
"""Samples by which sound may differ from its timestamps. Beyond it the difference is filled with silence or cut out.
The rounding of containers and the delay of codecs stay below it, and lip-sync allows it (ITU-R BT.1359: 45 ms ahead).
"""

LOOKED_AT = 10
"""Pictures that are decoded to measure the rate."""

PIECE = AUDIO_CLOCK
"""Most samples of silence made at once."""

Samples = npt.NDArray[np.int16]


class AudioFile:
    """The sound of a file as frames of ``samples`` samples: int16, mono, 48 kHz, shape (samples,).

    Holes are silence, and so is the time before a sound that begins later than the pictures of the file. The last frame
    is padded with zeros. With ``loop`` the file begins again after all of it has ended, for ever. Each iteration reads
    the file from the beginning. ``duration`` is where the sound ends, in seconds, or None if the file does not say.
    ``damaged`` counts the pieces that could not be decoded and were left out. Iteration raises ``MediaFileError`` if
    nothing more can be read.
    """

    def __init__(self, path: Path, samples: int, loop: bool) -> None:
        if samples < 1:
            raise ValueError("a frame has at least one sample")
        self.path, self.samples, self.loop = path, samples, loop
        self._reading = _AudioReading(path)
        _opened(self._reading, loop)
        self.duration = self._reading.duration

    @property
    def damaged(self) -> int:
        """Pieces of the newest iteration that could not be decoded."""
        return self._reading.file.damaged

    def __iter__(self) -> Iterator[Samples]:
        if not (self._reading.fresh or self._reading.file.is_pipe):
            self._reading = _AudioReading(self.path)
        reading = self._reading
        rest = np.empty(0, np.int16)
        while True:
            for piece in reading.round(fill=self.loop):
                rest = np.concatenate((rest, piece))
                whole = len(rest) - len(rest) % self.samples
                yield from rest[:whole].reshape(-1, self.samples)
                rest = rest[whole:]
            if not self.loop:
                break
        if len(rest):
            yield np.concatenate((rest, np.zeros(self.samples - len(rest), np.int16)))


class VideoFile:
    """The pictures of a file: yuv420p, upright, with square pixels, even sizes, scaled down (never up) to fit.

    Their pts are in 90 kHz (``time_base`` 1/90000), from the beginning of the file. ``width``, ``height`` are those of
    the pictures that are returned; a later picture of another aspect gets bars. ``frame_rate`` is that of the file, at
    most ``MAX_RATE``. ``duration`` is where the pictures end, in seconds, or None if the file does not say. ``damaged``
    counts the pieces that could not be decoded and were left out. With ``loop`` the file begins again after all of it
    has ended, for ever, with timestamps that continue. Each iteration reads the file from the beginning. Iteration
    raises ``MediaFileError`` if nothing more can be read.
    """

    def __init__(self, path: Path, max_width: int, max_height: int, loop: bool) -> None:
        if min(max_width, max_height) < MIN_SIDE:
            raise ValueError("a picture is at least 16x16")
        self.path, self.loop = path, loop
        self._reading = _VideoReading(path)
        _opened(self._reading, loop)
        self.duration, self.frame_rate = self._reading.duration, self._reading.frame_rate
        shown = self._reading.shown
        self.width, self.height = fit(*shown, max_width, max_height)
        if min(self.width, self.height) < MIN_SIDE:
            self._reading.close()
            size = f"{self.width}x{self.height}"
            raise MediaFileError(
                one_line(path, f"pictures of {shown[0]}x{shown[1]} would be sent as {size}; each side needs {MIN_SIDE}")
            )

    @property
    def damaged(self) -> int:
        """Pieces of the newest iteration that could not be decoded."""
        return self._reading.file.damaged

    def __iter__(self) -> Iterator[av.VideoFrame]:
        if not (self._reading.fresh or self._reading.file.is_pipe):
            self._reading = _VideoReading(self.path)
        reading = self._reading
        due = 0
        while True:
            for ticks, picture, pixel in reading.round():
                if ticks < due:
                    continue
                due = ticks + VIDEO_CLOCK // (MAX_RATE + 1)
                try:
                    small = frame_picture(picture, self.width, self.height, pixel)
                except (av.FFmpegError, ValueError):
                    reading.file.damaged += 1
                    continue
                small.pts, small.time_base = ticks, Fraction(1, VIDEO_CLOCK)
                yield small
            if not self.loop:
                return


def open_audio(path: str | Path, *, samples: int = 960, loop: bool = False) -> AudioFile:
    """Open the first audio stream of a file. Raises ``MediaFileError``, a single line with path and reason."""
    return AudioFile(Path(path), samples, loop)


def open_video(path: str | Path, *, max_width: int = 1280, max_height: int = 720, loop: bool = False) -> VideoFile:
    """Open the first video stream of a file. Raises ``MediaFileError``, a single line with path and reason."""
    return VideoFile(Path(path), max_width, max_height, loop)


class _Told(NamedTuple):
    """What a stream says of its pictures. It is read before the file is closed: then its memory is gone."""

    pixel: Fraction | None
    """The aspect of a pixel."""
    rate: Fraction | None
    """Pictures per second."""

    @classmethod
    def by(cls, stream: MediaStream) -> Self:
        if not isinstance(stream, VideoStream):
            return cls(None, None)
        return cls(stream.sample_aspect_ratio, stream.average_rate or stream.guessed_rate)


class _Reading(ABC):
    """One reading of the sound or of the pictures of a file, in as many rounds as wanted."""

    want: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.file = MediaFile(path, self.want)
        self.splice = Splice()
        self.duration: float | None = None
        self.fresh = True
        """Whether nothing has been taken from it yet."""
        self._begun: Iterator[Any] | None = None
        self._decoder: Generator[tuple[_Told, Any], None, None] | None = None

    @abstractmethod
    def look(self) -> None:
        """Decode the beginning, so that damage shows now and not in the middle of a call."""

    def close(self) -> None:
        """Close the file. A further reading begins from the start."""
        self.fresh = False
        if self._decoder is not None:
            self._decoder.close()
        self.file.close()

    def _peek(self, count: int) -> list[tuple[_Told, Any]]:
        """Decode the first frames, and keep them for the round."""
        self._decoder = self._decode()
        first = list(islice(self._decoder, count))
        self._begun = chain(first, self._decoder)
        self.duration = self.file.duration
        return first

    def _frames(self) -> Iterator[tuple[_Told, Any]]:
        """Iterate over the frames of a round, with what their stream says."""
        self.fresh = False
        frames, self._begun = self._begun or self._decode(), None
        return frames

    def _decode(self) -> Generator[tuple[_Told, Any], None, None]:
        seen = False
        for stream, packet, shift in self.file.packets(self.splice):
            base = packet.time_base or stream.time_base
            if base and shift:
                moved = round(shift / base)
                packet.pts = packet.pts + moved if packet.pts is not None else None
                packet.dts = packet.dts + moved if packet.dts is not None else None
            try:
                frames = packet.decode()
            except (av.FFmpegError, OSError, ValueError):  # each codec raises errors of its own
                self.file.damaged += 1
                continue
            told = _Told.by(stream)
            for frame in frames:
                seen = True
                yield told, frame
        if not seen:
            raise MediaFileError(one_line(self.file.path, f"no {self.want} in it that can be decoded"))


class _AudioReading(_Reading):
    want = "audio"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._place = Fraction(0)
        """Samples that were returned, those in the resampler included: the position of the next one."""
        self._omit = 0
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None

    def look(self) -> None:
        _, frame = self._peek(1)[0]
        try:
            _resampler().resample(frame)
        except (av.FFmpegError, OSError, ValueError) as error:
            form = f"{frame.layout.nb_channels} channels at {frame.sample_rate} Hz"
            raise MediaFileError(one_line(self.file.path, f"sound of {form} cannot be converted")) from error

    def round(self, *, fill: bool) -> Iterator[Samples]:
        """Read the file once, from the beginning. With ``fill``, add silence until all of the file has ended."""
        for _, frame in self._frames():
            at = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            try:
                yield from self._aligned(at)
                yield from self._resampled(frame)
            except (av.FFmpegError, OSError, ValueError):
                self.file.damaged += 1
                self._resampler = None
                continue
            self._place += Fraction(frame.samples * AUDIO_CLOCK, frame.sample_rate)
        yield from self._drained()
        if fill:
            yield from self._aligned(Fraction(self.splice.end))

    def _aligned(self, at: Fraction | None) -> Iterator[Samples]:
        """Go on at a time of the file: add silence in between, or leave out what comes twice."""
        gap = 0 if at is None else round(at * AUDIO_CLOCK - self._place)
        if gap > (SKEW if self._place else 0):
            yield from self._drained()
            self._place += gap
            for done in range(0, gap, PIECE):
                yield np.zeros(min(PIECE, gap - done), np.int16)
        elif gap < -SKEW:
            yield from self._drained()
            self._place += gap
            self._omit = -gap

    def _resampled(self, frame: av.AudioFrame) -> Iterator[Samples]:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or form != self._form:
            yield from self._drained()
            self._form = form
            self._resampler = _resampler()
        for piece in self._resampler.resample(frame):
            yield self._kept(piece)

    def _drained(self) -> Iterator[Samples]:
        resampler, self._resampler = self._resampler, None
        for piece in resampler.resample(None) if resampler is not None else ():
            yield self._kept(piece)

    def _kept(self, piece: av.AudioFrame) -> Samples:
        samples: Samples = piece.to_ndarray()[0]
        omitted = min(self._omit, len(samples))
        self._omit -= omitted
        return samples[omitted:]


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=AUDIO_CLOCK)


class _VideoReading(_Reading):
    want = "video"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.frame_rate = USUAL_RATE
        self.shown = (0, 0)
        self._next = 0

    def look(self) -> None:
        first = self._peek(LOOKED_AT)
        told, picture = first[0]
        _check_size(self.file.path, picture)
        self.shown = shown_size(picture, told.pixel)
        times = [
            picture.pts * picture.time_base for _, picture in first if picture.pts is not None and picture.time_base
        ]
        self.frame_rate = _rate(told.rate, times)

    def round(self) -> Iterator[tuple[int, av.VideoFrame, Fraction | None]]:
        """Read the file once. Yield the time of each picture in 90 kHz, the picture, and the aspect of its pixels."""
        period = round(VIDEO_CLOCK / self.frame_rate)
        for told, picture in self._frames():
            _check_size(self.file.path, picture)
            ticks = -1
            if picture.pts is not None and picture.time_base is not None:
                ticks = round(picture.pts * picture.time_base * VIDEO_CLOCK)
            ticks = ticks if ticks > self._next - period else self._next
            self._next = ticks + period
            yield ticks, picture, told.pixel


def _opened(reading: _Reading, loop: bool) -> None:
    """Look into a file. Only a pipe, which can be read once, is left open."""
    try:
        reading.look()
        if loop and reading.file.is_pipe:
            raise MediaFileError(one_line(reading.file.path, "a pipe cannot be repeated"))
    except BaseException:
        reading.close()
        raise
    if not reading.file.is_pipe:
        reading.close()


def _check_size(path: Path, picture: av.VideoFrame) -> None:
    if max(picture.width, picture.height) > MAX_SIDE:
        raise MediaFileError(one_line(path, f"pictures of {picture.width}x{picture.height}: more than {MAX_SIDE}"))


def _rate(told: Fraction | None, times: list[Fraction]) -> Fraction:
    """Return the pictures per second: as the file says, if that is possible."""
    if told is not None and 1 <= told <= MAX_RATE:
        return told
    span = times[-1] - times[0] if times else Fraction(0)
    found = (len(times) - 1) / span if span > 0 else USUAL_RATE
    return min(max(found, Fraction(1)), Fraction(MAX_RATE)).limit_denominator(1001)
