"""Compares the sounds, pictures and moments at the end of a call with those at its beginning."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import av
import numpy as np
import numpy.typing as npt

SPEECH_RATE = 16_000
"""Samples per second of wide-band speech, at which it is compared (ITU-T P.862.2)."""
PEAK = 255.0
BEST_PSNR = 100.0
"""dB reported for equal pictures, whose ratio is infinite."""

Sound = npt.NDArray[np.int16]


def alignment(source: Sound, heard: Sound) -> int:
    """Return how many samples later than ``source`` the same sound begins in ``heard``, by cross-correlation."""
    size = 1 << (len(source) + len(heard) - 1).bit_length()
    spectrum = np.conj(np.fft.rfft(source.astype(float), size)) * np.fft.rfft(heard.astype(float), size)
    best = int(np.argmax(np.fft.irfft(spectrum, size)))
    return best if best < len(heard) else best - size


def aligned(source: Sound, heard: Sound) -> tuple[Sound, Sound]:
    """Return the parts of both that belong together, equally long."""
    offset = alignment(source, heard)
    source, heard = source[max(0, -offset) :], heard[max(0, offset) :]
    length = min(len(source), len(heard))
    return source[:length], heard[:length]


def windows(length: int, shortest: int, longest: int) -> list[slice]:
    """Cut a length into equal windows, at most ``longest`` and, where it is enough, at least ``shortest`` long."""
    count = max(1, -(-length // longest))
    if length // count < shortest:
        count = max(1, length // shortest)
    edges = [length * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def resampled(sound: Sound, rate: int, to: int = SPEECH_RATE) -> Sound:
    """Return mono sound at another rate."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=to)
    frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
    frame.sample_rate = rate
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([piece.to_ndarray()[0] for piece in pieces])


def psnr(error: float) -> float:
    """Return the peak signal-to-noise ratio, in dB, of a mean squared error of 8-bit samples."""
    return min(BEST_PSNR, float(10 * np.log10(PEAK**2 / error))) if error else BEST_PSNR


def squared_errors(source: Iterable[Any], shown: Iterable[Any]) -> list[float]:
    """Return the mean squared error of each picture (``av.VideoFrame``, yuv420p), over all samples, luma and chroma."""
    return [
        float(np.square(a.to_ndarray().astype(np.int32) - b.to_ndarray()).mean())
        for a, b in zip(source, shown, strict=True)
    ]


def onsets(levels: npt.NDArray[np.floating[Any]], threshold: float, apart: int) -> list[int]:
    """Return where a signal rises above a threshold for the first time in at least ``apart`` samples."""
    found: list[int] = []
    last = -apart
    for i in np.flatnonzero(levels >= threshold):
        if i - last >= apart:
            found.append(int(i))
        last = int(i)
    return found
