"""Media files made for tests: a film with a beep and a flash, and odd variants of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tcclient.capture.reader import AudioFile, VideoFile

RATE = 25
CLAP = 1.0
"""Seconds from the beginning at which the film beeps and flashes, for 0.2 s."""


def write_film(
    path: Path,
    *,
    seconds: float = 2.0,
    sound_seconds: float | None = None,
    sound: Callable[[float], float | None] = lambda time: time,
    pictures: Callable[[float], float | None] = lambda time: time,
    codecs: tuple[str, str] = ("libopus", "libvpx"),
) -> Path:
    """Write a film. ``sound`` and ``pictures`` move times of packets (seconds), or return None to leave one out."""
    with av.open(str(path), "w") as container:
        voice = container.add_stream(codecs[0], rate=48_000, layout="mono")
        film = container.add_stream(codecs[1], rate=RATE, width=64, height=48, pix_fmt="yuv420p")
        assert isinstance(voice, av.AudioStream)
        assert isinstance(film, av.VideoStream)
        film.codec_context.max_b_frames = 0
        packets = [*_sounds(voice, sound_seconds or seconds), *_films(film, seconds)]
        for packet in sorted(packets, key=lambda p: (p.dts or 0) * p.time_base):
            moved = (sound if packet.stream is voice else pictures)(float((packet.pts or 0) * packet.time_base))
            if moved is not None:
                packet.pts = packet.dts = round(moved / packet.time_base)
                container.mux(packet)
    return path


def _sounds(stream: av.AudioStream, seconds: float) -> Iterable[av.Packet]:
    time = np.arange(round(seconds * 48_000)) / 48_000
    beep = (16_000 * np.sin(2 * np.pi * 1000 * time) * ((time >= CLAP) & (time < CLAP + 0.2))).astype(np.int16)
    resampler = av.AudioResampler(
        format=stream.format, layout="mono", rate=48_000, frame_size=stream.codec_context.frame_size or 960
    )
    frame = av.AudioFrame.from_ndarray(beep[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return [packet for piece in [*pieces, None] for packet in stream.encode(piece)]


def _films(stream: av.VideoStream, seconds: float) -> Iterable[av.Packet]:
    packets = []
    for number in range(round(seconds * RATE)):
        flash = CLAP <= number / RATE < CLAP + 0.2
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 if flash else 0, np.uint8), format="rgb24")
        picture.pts, picture.time_base = number, Fraction(1, RATE)
        packets += stream.encode(picture)
    return packets + stream.encode(None)


def beeps(audio: AudioFile, seconds: float) -> list[float]:
    """Return the times at which the sound becomes loud, in the first seconds."""
    pieces, length = [], 0
    for frame in audio:
        pieces.append(frame)
        length += len(frame)
        if length >= seconds * 48_000:
            break
    sound = np.abs(np.concatenate(pieces).astype(int))
    loud = [sound[i : i + 480].max() > 3000 for i in range(0, len(sound) - 479, 480)]
    return [i / 100 for i in range(len(loud)) if loud[i] and not any(loud[max(0, i - 5) : i])]


def flashes(video: VideoFile, seconds: float) -> list[float]:
    """Return the times at which the picture becomes bright, in the first seconds."""
    found, bright = [], False
    for picture in video:
        time = float((picture.pts or 0) * (picture.time_base or 0))
        if time >= seconds:
            break
        now = picture.to_ndarray()[: picture.height].mean() > 128
        if now and not bright:
            found.append(time)
        bright = bool(now)
    return found
