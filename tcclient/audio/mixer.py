"""Mixes the voices of a room into one stream of sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tcclient.audio.opus import SAMPLE_RATE, Pcm
from tcclient.audio.speech import audio_level

MAX_VOICES: Final = 16
"""Voices mixed at once. Nobody can tell more of them apart. The loudest are kept."""
DUCK_DB: Final = 12.0
"""dB by which others are lowered while a priority speaker talks: still audible, and clearly in the background."""
LIMIT: Final = 24_576
"""Amplitude, 2.5 dB below full scale, up to which the mix passes unchanged."""

_TALKING_LEVEL: Final = 50
"""-dBov up to which a priority speaker counts as talking."""
_DUCK_HOLD: Final = 0.500
"""Seconds that others stay lowered, so that they do not get louder between words."""
_HEADROOM: Final = 32_767 - LIMIT


class Voice(NamedTuple):
    """The block of one speaker."""

    pcm: Pcm
    volume: float = 1.0
    """Factor of the amplitude, 0 or more."""
    priority: bool = False
    """Others are lowered while this one talks."""


class Mixer:
    """Adds up to 16 voices, lowers the others by ``duck_db`` (0 or more) while a priority speaker talks, and limits."""

    def __init__(self, *, duck_db: float = DUCK_DB) -> None:
        self._ducked_gain = 10 ** (-duck_db / 20)
        self._gain = 1.0
        self._hold = 0.0

    def mix(self, voices: Sequence[Voice], samples: int) -> Pcm:
        """Mix blocks of the equal length ``samples``. Raise ``ValueError`` for a block of another length.

        A single voice at volume 1 whose amplitude stays below ``LIMIT`` comes out unchanged.
        """
        for voice in voices:
            if voice.pcm.shape != (samples,):
                raise ValueError(f"a block of {voice.pcm.shape} in a mix of {samples} samples")
        if len(voices) > MAX_VOICES:
            voices = sorted(voices, key=lambda voice: (not voice.priority, -_loudness(voice)))[:MAX_VOICES]
        ramp = self._duck(voices, samples)
        total = np.zeros(samples, np.float32)
        for voice in voices:
            gain = np.float32(voice.volume)
            total += voice.pcm * gain if voice.priority else voice.pcm * gain * ramp
        return limit(total)

    def _duck(self, voices: Sequence[Voice], samples: int) -> npt.NDArray[np.float32]:
        """Return the gain of voices without priority. It moves within one block, so that it does not click."""
        if any(voice.priority and voice.volume and audio_level(voice.pcm) <= _TALKING_LEVEL for voice in voices):
            self._hold = _DUCK_HOLD
        else:
            self._hold = max(0.0, self._hold - samples / SAMPLE_RATE)
        before, self._gain = self._gain, self._ducked_gain if self._hold else 1.0
        return np.linspace(before, self._gain, samples, dtype=np.float32)


def _loudness(voice: Voice) -> float:
    return voice.volume * float(np.linalg.norm(voice.pcm.astype(np.float32)))


def limit(mix: npt.NDArray[np.floating[Any]]) -> Pcm:
    """Round to int16: unchanged up to ``LIMIT``, and bent smoothly towards full scale above. Monotone, never wraps."""
    excess = np.maximum(np.abs(mix) - LIMIT, 0)
    bent = np.sign(mix) * (LIMIT + _HEADROOM * np.tanh(excess / _HEADROOM))
    return np.rint(np.where(excess > 0, bent, mix)).astype(np.int16)
