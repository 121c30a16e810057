"""Makes signals for demonstrations and tests: a sine, and a signal similar to speech."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tcclient.audio.opus import SAMPLE_RATE, Pcm

_VOWELS: Final = ((730, 1_090, 2_440), (270, 2_290, 3_010), (300, 870, 2_240), (530, 1_840, 2_480), (570, 840, 2_410))
"""First three formants in Hz of five vowels (Peterson and Barney, 1952)."""
_BANDWIDTHS: Final = (90, 130, 200)
"""Hz."""
_HARMONICS: Final = 30
_FULL_SCALE: Final = 32_768.0

_Floats = npt.NDArray[np.floating[Any]]


def sine(frequency: float, samples: int, *, level: float = -20.0, start: int = 0) -> Pcm:
    """Return a piece of an endless sine: ``samples`` samples from sample ``start`` on.

    ``frequency`` is in Hz, ``level`` in dBov (RMS, at most -3.1).
    """
    time = np.arange(start, start + samples) / SAMPLE_RATE
    return _scaled(np.sqrt(2) * np.sin(2 * np.pi * frequency * time), level)


def speech_like(samples: int, *, seed: int = 0, level: float = -23.0) -> Pcm:
    """Return vowels of a gliding pitch and bursts of noise, in phrases of about 2 s, with pauses of 0.4 to 1.2 s.

    ``level`` is the RMS, in dBov, of the signal without the pauses. The same seed gives the same signal.
    """
    random = np.random.default_rng(seed)
    pieces: list[_Floats] = []
    made = 0
    while made < samples or not pieces:
        phrase = [_syllable(random, 1 - 0.03 * place) for place in range(random.integers(6, 11))]
        pause = np.zeros(int(random.uniform(0.4, 1.2) * SAMPLE_RATE))
        pieces += [*phrase, pause]
        made += sum(len(piece) for piece in (*phrase, pause))
    signal = np.concatenate(pieces)
    loud = signal[signal != 0]
    return _scaled(signal[:samples] / np.sqrt(np.mean(loud**2)), level)


def _syllable(random: np.random.Generator, declination: float) -> _Floats:
    """Return a short burst of noise, then a vowel: 0.15 to 0.3 s, with rise and fall."""
    consonant = random.normal(size=int(random.uniform(0.02, 0.06) * SAMPLE_RATE))
    consonant = 0.5 * np.diff(consonant, prepend=0.0) * np.hanning(len(consonant))
    samples = int(random.uniform(0.13, 0.25) * SAMPLE_RATE)
    pitch = 120 * declination * np.linspace(random.uniform(0.9, 1.15), random.uniform(0.9, 1.15), samples)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    formants = _VOWELS[random.integers(len(_VOWELS))]
    vowel = np.zeros(samples)
    for harmonic in range(1, _HARMONICS + 1):
        frequency = harmonic * float(pitch.mean())
        resonance = sum(
            weight / (1 + ((frequency - centre) / width) ** 2)
            for centre, width, weight in zip(formants, _BANDWIDTHS, (1.0, 0.5, 0.25), strict=True)
        )
        vowel += resonance * np.sin(harmonic * phase)
    return np.concatenate((consonant, 3 * vowel * np.hanning(samples) ** 0.5))


def _scaled(signal: _Floats, level: float) -> Pcm:
    scaled = np.clip(signal * (_FULL_SCALE * 10 ** (level / 20)), -32_768, 32_767)
    pcm: Pcm = np.rint(scaled).astype(np.int16)
    return pcm
