"""Sources that can be published: files, generators, devices, and frames that the caller encoded.

A source is a description. Its frames come from one iteration. A synchronous one is read and encoded in a worker thread,
and the library keeps the time. With an asynchronous one, the code that makes the frames keeps the time.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tcclient.core.rate.allocation import Demand, PictureDemand, SoundDemand, SoundRate
from tcproto.messages import Kind, Source
from tcproto.packet import VIDEO_CLOCK

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt

    from tcclient.audio.opus import Pcm
    from tcclient.capture.devices import Microphone

    Picture = av.VideoFrame | npt.NDArray[np.uint8]

VideoCodec = Literal["vp8", "h264"]
AUDIO_BITRATE = 25_200
"""Bit/s: 63 bytes in 20 ms, which with the padding count fill four blocks of 16."""
SCREEN_AUDIO_BITRATE = 64_000
"""Bit/s of what a screen plays: music in mono at full bandwidth (RFC 7587, section 3.1.1)."""
BITS_PER_PIXEL = 0.1
"""Of VP8 at conversational quality: 640x360 at 25 pictures/s make 576 kbit/s."""
WAKING = 10.0
"""Seconds that a microphone may take until its first sound: headsets without a cord need two."""
MIN_VIDEO_BITRATE = 100_000
MAX_VIDEO_BITRATE = 1_500_000
MAX_LAYERS = 3
"""Spatial layers of one source at most: 180, 360 and 720 lines, for example."""
MIN_LAYER_HEIGHT = 160
"""Lines of the smallest spatial layer: faces can be made out."""
STILL_BITRATE, MIN_STILL_HEIGHT = 8_000, 80
"""Bit/s of still pictures, and their lines at least: faces stay visible where a line bears no moving picture."""
LAYER_PIXELS, LAYER_BITRATE, LAYER_GROWTH = 320 * 180, 100_000, 0.83
"""Bit/s of a spatial layer: 100 kbit/s at 320x180, 316 at 640x360, 1,000 at 1280x720."""


class EncodedAudio(NamedTuple):
    """An Opus packet that the caller encoded."""

    payload: bytes
    duration_ms: int = 20
    """20, 40, 60 or 10."""
    level: int = 127
    """Audio level in -dBov, 0 (loudest) to 127 (silence)."""
    voice: bool = True
    end_of_talk: bool = False
    comfort: bool = False
    """A packet of silence in discontinuous transmission."""


class EncodedVideo(NamedTuple):
    """A picture that the caller encoded."""

    data: bytes
    keyframe: bool
    timestamp: int
    """90 kHz; taken modulo 2**32."""
    temporal_id: int = 0
    spatial_id: int = 0
    """The spatial layer, 0 for the smallest."""
    discardable: bool = False
    """Whether no other picture refers to it."""


class VideoLayer(NamedTuple):
    """How one spatial layer is encoded."""

    width: int
    height: int
    bitrate: int
    """Bit/s."""


@dataclass(frozen=True)
class AudioSource:
    """Sound: int16 mono PCM at 48 kHz, in pieces of any length; encoded with Opus.

    ``bitrate`` in bit/s and ``frame_ms``, 20, 40 or 60, hold where the way up has room; ``dtx`` sends next to nothing
    in silence.
    """

    frames: Iterable[Pcm] | AsyncIterable[Pcm]
    bitrate: int = AUDIO_BITRATE
    frame_ms: int = 20
    dtx: bool = False
    source: Source = Source.MICROPHONE
    live: bool = False
    """Frames come at their own times, as from a device, though the iteration is synchronous."""
    low_rate: bool = False
    """A microphone is sent at 8.4 kbit/s in packets of 60 ms as well, while somebody's line bears no more."""


@dataclass(frozen=True)
class EncodedAudioSource:
    """Sound that the caller encodes with Opus."""

    frames: Iterable[EncodedAudio] | AsyncIterable[EncodedAudio]
    source: Source = Source.MICROPHONE


@dataclass(frozen=True)
class VideoSource:
    """Pictures that are sent with one size, with bars if their aspect is different.

    They are encoded at ``bitrate`` bit/s at most.

    With ``layers`` up to 3 they are also sent in half and a quarter of the size (simulcast), as far as these have 160
    lines. Each receiver gets one size, and what nobody gets is not encoded. With ``stills`` there is one size more, of
    still pictures in place of a film: 8 kbit/s, which a line bears that has no room for anything that moves.

    ``frames`` are ``av.VideoFrame`` with ``pts`` and ``time_base``, of any format, or numpy arrays of RGB, uint8, shape
    (height, width, 3). Arrays follow each other at ``frame_rate``, or are sent as they come if the source is live.
    """

    frames: Iterable[Picture] | AsyncIterable[Picture]
    width: int
    height: int
    frame_rate: Fraction = Fraction(25)
    bitrate: int = 0
    """0: by size and rate."""
    codec: VideoCodec = "vp8"
    source: Source = Source.CAMERA
    live: bool = False
    """Frames come at their own times, as from a device, though the iteration is synchronous."""
    begin: Fraction | None = None
    """Time of the pictures, in seconds, at which the publication begins; None: the time of the first picture."""
    layers: int = 1
    """Spatial layers at most, without that of still pictures."""
    stills: bool = False
    """Whether a layer of still pictures is added, half the size of the smallest, where that has 160 lines."""

    @property
    def target_bitrate(self) -> int:
        """The bitrate of the whole size, chosen by size and rate where none was given."""
        if self.layers > 1 and not self.bitrate:
            return _layer_bitrate(self.width, self.height)
        natural = int(self.width * self.height * self.frame_rate * Fraction(BITS_PER_PIXEL))
        return self.bitrate or min(max(natural, MIN_VIDEO_BITRATE), MAX_VIDEO_BITRATE)

    @property
    def spatial_layers(self) -> tuple[VideoLayer, ...]:
        """The layers in which it is sent, the smallest first."""
        stills = VideoLayer(*_half(self._moving[0]), STILL_BITRATE)
        return (stills, *self._moving) if self.has_stills else self._moving

    @property
    def has_stills(self) -> bool:
        """Whether the lowest layer is one of still pictures."""
        return self.stills and min(self._moving[0][:2]) >= 2 * MIN_STILL_HEIGHT

    @property
    def _moving(self) -> tuple[VideoLayer, ...]:
        layers = [VideoLayer(self.width, self.height, self.target_bitrate)]
        while len(layers) < self.layers and min(layers[0][:2]) >= 2 * MIN_LAYER_HEIGHT:
            width, height = _half(layers[0])
            layers.insert(0, VideoLayer(width, height, min(_layer_bitrate(width, height), layers[0].bitrate)))
        return tuple(layers)


@dataclass(frozen=True)
class EncodedVideoSource:
    """Pictures that the caller encodes; ``keyframe_wanted`` is called when a receiver needs a keyframe."""

    frames: Iterable[EncodedVideo] | AsyncIterable[EncodedVideo]
    width: int
    height: int
    codec: VideoCodec = "vp8"
    source: Source = Source.CAMERA
    keyframe_wanted: Callable[[], None] | None = field(default=None, compare=False)


def _half(layer: VideoLayer) -> tuple[int, int]:
    return layer.width // 4 * 2, layer.height // 4 * 2


def _layer_bitrate(width: int, height: int) -> int:
    growth: float = (width * height / LAYER_PIXELS) ** LAYER_GROWTH
    return min(round(LAYER_BITRATE * growth), MAX_VIDEO_BITRATE)


AnyAudio = AudioSource | EncodedAudioSource
AnyVideo = VideoSource | EncodedVideoSource
AnySource = AnyAudio | AnyVideo


def codec_of(source: AnySource) -> tuple[Kind, Source, str, int, int, int]:
    """Return kind, source, codec, width, height and spatial layers of the publication of a source."""
    if isinstance(source, AudioSource | EncodedAudioSource):
        return Kind.AUDIO, source.source, "opus", 0, 0, 1
    layers = len(source.spatial_layers) if isinstance(source, VideoSource) else 1
    return Kind.VIDEO, source.source, source.codec, source.width, source.height, layers


def has_low_rate(source: AnySource) -> bool:
    """Return whether a source is sent at a low rate as well, where somebody wants that."""
    return isinstance(source, AudioSource) and source.low_rate and source.source is Source.MICROPHONE


def demand_of(source: AnySource) -> Demand | None:
    """Return what a source sends where the way up has room; None where the caller encodes."""
    if isinstance(source, AudioSource):
        return SoundDemand(SoundRate(source.bitrate, source.frame_ms))
    if isinstance(source, VideoSource):
        bitrates = tuple(layer.bitrate for layer in source.spatial_layers)
        return PictureDemand(bitrates, float(source.frame_rate), stills=source.has_stills)
    return None


def audio_file(
    path: Path | str,
    *,
    loop: bool = False,
    seconds: float | None = None,
    bitrate: int = 0,
    frame_ms: int = 20,
    source: Source = Source.MICROPHONE,
) -> AudioSource:
    """Return the sound of a WAV, Ogg, FLAC, MP3, MP4 or MKV file, at most ``seconds`` of it.

    ``source`` may be ``Source.SCREEN_AUDIO``, for the sound of a film beside the camera. ``bitrate`` 0: 25,200 bit/s,
    of a screen 64,000.

    Time counts from the beginning of the file, as in ``video_file``: published together, both are in step. Raises
    ``MediaFileError``.
    """
    from tcclient.capture.reader import open_audio

    frames: Iterable[Pcm] = open_audio(Path(path), samples=frame_ms * 48, loop=loop)
    if seconds is not None:
        frames = islice(frames, round(seconds * 1000 / frame_ms))
    natural = SCREEN_AUDIO_BITRATE if source is Source.SCREEN_AUDIO else AUDIO_BITRATE
    return AudioSource(frames, bitrate or natural, frame_ms, source=source)


def video_file(
    path: Path | str,
    *,
    loop: bool = False,
    seconds: float | None = None,
    max_width: int = 1280,
    max_height: int = 720,
    bitrate: int = 0,
    codec: VideoCodec = "vp8",
    source: Source = Source.CAMERA,
    layers: int = 1,
) -> VideoSource:
    """Return the pictures of an MP4 or MKV file, at most ``seconds`` of them, scaled down to fit.

    ``layers`` is that of ``VideoSource``. ``source`` may be ``Source.SCREEN``, for a film beside the camera.
    Raises ``MediaFileError``.
    """
    from tcclient.capture.reader import open_video

    file = open_video(Path(path), max_width=max_width, max_height=max_height, loop=loop)
    frames: Iterable[av.VideoFrame] = file
    if seconds is not None:
        frames = takewhile(lambda picture: (picture.pts or 0) < seconds * VIDEO_CLOCK, file)
    rate = Fraction(file.frame_rate)
    begin = Fraction(0)
    return VideoSource(frames, file.width, file.height, rate, bitrate, codec, source, begin=begin, layers=layers)


def tone(frequency: float = 440.0) -> AudioSource:
    """Return an endless sine at -20 dBov; ``frequency`` in Hz."""
    return AudioSource(_tone(frequency))


def moving_bars(
    width: int = 640,
    height: int = 360,
    fps: int = 25,
    codec: VideoCodec = "vp8",
    bitrate: int = 0,
    layers: int = 1,
    stills: bool = False,
) -> VideoSource:
    """Return an endless moving test picture."""
    from tcclient.capture.picture import TestPicture

    pictures = TestPicture(width, height, fps)
    return VideoSource(pictures, width, height, Fraction(fps), bitrate, codec, layers=layers, stills=stills)


def microphone(device: str | None = None, *, bitrate: int = AUDIO_BITRATE, dtx: bool = True) -> AudioSource:
    """Return the sound of a microphone (None: the default one); raises ``DeviceError``."""
    from tcclient.capture.devices import Microphone

    return AudioSource(_sound_of(Microphone(device)), bitrate, dtx=dtx, live=True, low_rate=True)


def camera(
    device: str | None = None,
    width: int = 640,
    height: int = 360,
    fps: int = 25,
    codec: VideoCodec = "vp8",
    bitrate: int = 0,
    layers: int = 1,
    stills: bool = False,
) -> VideoSource:
    """Return the pictures of a camera (None: the default one), scaled to a size; raises ``DeviceError``.

    ``layers`` and ``stills`` are those of ``VideoSource``.
    """
    from tcclient.capture.devices import Camera

    pictures = Camera(device, fps=fps)
    rate = Fraction(fps)
    return VideoSource(pictures, width, height, rate, bitrate, codec, live=True, layers=layers, stills=stills)


def filtered(source: AudioSource, change: Callable[[Pcm], Pcm]) -> AudioSource:
    """Return a source whose pieces go through ``change`` before they are encoded.

    For what cancels echo, suppresses noise or levels a voice; it may keep a state, and is called for one piece after
    the other, in a worker thread where the source is synchronous.
    """
    frames = source.frames
    through = _each_later(frames, change) if isinstance(frames, AsyncIterable) else _each(frames, change)
    return replace(source, frames=through)


def _each(frames: Iterable[Pcm], change: Callable[[Pcm], Pcm]) -> Iterator[Pcm]:
    try:
        for frame in frames:
            yield change(frame)
    finally:
        if (close := getattr(frames, "close", None)) is not None:
            close()


async def _each_later(frames: AsyncIterable[Pcm], change: Callable[[Pcm], Pcm]) -> AsyncIterator[Pcm]:
    try:
        async for frame in frames:
            yield change(frame)
    finally:
        if (close := getattr(frames, "aclose", None)) is not None:
            await close()


def _sound_of(device: Microphone) -> Iterator[Pcm]:
    with device:
        yield device.read(WAKING)
        while True:
            yield device.read()


def _tone(frequency: float) -> Iterator[Pcm]:
    from tcclient.audio.tone import sine

    start = 0
    while True:
        yield sine(frequency, 960, start=start)
        start += 960
