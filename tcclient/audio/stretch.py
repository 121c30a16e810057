"""Changes the length of a frame: of speech by one pitch period, so that the pitch stays, of quiet sound exactly.

The first is a small form of WSOLA.

Verhelst and Roelands, "An overlap-add technique based on waveform similarity", ICASSP 1993.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tcclient.audio.opus import Pcm

MIN_LAG: Final = 120
"""Samples, 2.5 ms: the shortest change, a period of 400 Hz."""
_OVERLAP: Final = 480
"""Samples, 10 ms: the length that is compared and cross-faded, one period of the deepest voice."""


def shorten(pcm: Pcm, maximum: int) -> Pcm:
    """Remove between 120 and ``maximum`` samples, at the least audible place.

    A frame that is too short stays unchanged.
    """
    lag, overlap = _best_lag(pcm, maximum)
    if lag == 0:
        return pcm
    return np.concatenate((_cross_fade(pcm[:overlap], pcm[lag : lag + overlap]), pcm[lag + overlap :]))


def lengthen(pcm: Pcm, maximum: int) -> Pcm:
    """Repeat between 120 and ``maximum`` samples, at the least audible place.

    A frame that is too short stays unchanged.
    """
    lag, overlap = _best_lag(pcm, maximum)
    if lag == 0:
        return pcm
    return np.concatenate((pcm[:lag], _cross_fade(pcm[lag : lag + overlap], pcm[:overlap]), pcm[overlap:]))


def resize(pcm: Pcm, change: int) -> Pcm:
    """Make quiet sound longer or, below zero, shorter by exactly so many samples, at most half of them."""
    if change == 0:
        return pcm
    lag = abs(change)
    overlap = min(_OVERLAP, len(pcm) - lag)
    beginning, later = pcm[:overlap], pcm[lag : lag + overlap]
    if change < 0:
        return np.concatenate((_cross_fade(beginning, later), pcm[lag + overlap :]))
    return np.concatenate((pcm[:lag], _cross_fade(later, beginning), pcm[overlap:]))


def _best_lag(pcm: Pcm, maximum: int) -> tuple[int, int]:
    """Return the lag at which the frame is most like its own beginning, and the compared length, or (0, 0)."""
    overlap = min(_OVERLAP, len(pcm) - maximum)
    if maximum < MIN_LAG or overlap < MIN_LAG:
        return 0, 0
    samples = pcm[: overlap + maximum].astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(samples, overlap)[MIN_LAG:]
    energy = np.einsum("ij,ij->i", windows, windows) + 1.0
    return MIN_LAG + int(np.argmax(windows @ samples[:overlap] / np.sqrt(energy))), overlap


def _cross_fade(old: Pcm, new: Pcm) -> Pcm:
    weight = np.linspace(0.0, 1.0, len(old))
    return np.rint(old * (1 - weight) + new * weight).astype(np.int16)
