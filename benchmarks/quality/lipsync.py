"""Whether sound and picture of a recording are in step: a clip that flashes and beeps once a second."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from benchmarks.harness.report import BenchmarkError
from benchmarks.harness.signal_comparison import onsets
from tcproto.packet import AUDIO_CLOCK

WIDTH, HEIGHT, FPS = 320, 180, 25
FLASH_FRAMES = 3
BEEP = AUDIO_CLOCK // 10
"""Samples of a beep of 1 kHz."""
LOUD = 3_000
"""Level, in steps of 16 bits, at which a beep has begun; it is played at 16,000."""
BRIGHT = 128


def make_clip(path: Path, seconds: int) -> None:
    """Write a clip: dark and silent, with a flash and a beep at each whole second, from the first on."""
    with av.open(str(path), "w", format="matroska") as container:
        video = container.add_stream("ffv1", rate=FPS, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        audio = container.add_stream("pcm_s16le", rate=AUDIO_CLOCK, layout="mono")
        beep = (16_000 * np.sin(2 * np.pi * 1_000 / AUDIO_CLOCK * np.arange(BEEP))).astype(np.int16)
        for number in range(seconds * FPS):
            bright = number >= FPS and number % FPS < FLASH_FRAMES
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = 235 if bright else 16
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(picture))
            if number % FPS == 0:
                sound = np.zeros(AUDIO_CLOCK, np.int16)
                sound[: BEEP if number else 0] = beep[: BEEP if number else 0]
                frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = (
                    AUDIO_CLOCK,
                    number // FPS * AUDIO_CLOCK,
                    Fraction(1, AUDIO_CLOCK),
                )
                container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))


def leads(path: Path) -> list[float]:
    """Return, for each flash of a file, by how many seconds its beep comes before (negative) or after it."""
    flashes, beeps = _flashes(path), _beeps(path)
    if not flashes or not beeps:
        raise BenchmarkError(f"{path}: no flash or no beep in it")
    return [min((beep - flash for beep in beeps), key=abs) for flash in flashes]


def errors(source: Path, recording: Path) -> list[float]:
    """Return the error at each flash, in seconds: how much the recording differs from the source."""
    true = float(np.median(leads(source)))
    return [lead - true for lead in leads(recording)]


def _flashes(path: Path) -> list[float]:
    times, levels = [], []
    with av.open(str(path)) as container:
        for picture in container.decode(container.streams.video[0]):
            times.append(float(picture.pts * picture.time_base))  # type: ignore[operator]
            levels.append(float(picture.to_ndarray()[: picture.height].mean()))
    return [times[i] for i in onsets(np.array(levels), BRIGHT, FPS // 2)]


def _beeps(path: Path) -> list[float]:
    """Samples lie where the timestamps of their frames put them: a gap stays one."""
    times: list[npt.NDArray[np.float64]] = []
    levels: list[npt.NDArray[np.int16]] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=AUDIO_CLOCK)
        for frame in container.decode(container.streams.audio[0]):
            start = float(frame.pts * frame.time_base)  # type: ignore[operator]
            for piece in resampler.resample(frame):
                samples = piece.to_ndarray()[0]
                times.append(start + np.arange(len(samples)) / AUDIO_CLOCK)
                levels.append(samples)
    sound = np.concatenate(levels).astype(float)
    return [float(np.concatenate(times)[i]) for i in onsets(np.abs(sound), LOUD, AUDIO_CLOCK // 2)]
