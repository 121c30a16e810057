"""Level and presence of speech in a frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from tcclient.audio.opus import SAMPLE_RATE, Pcm

SILENCE_LEVEL: Final = 127
"""The level of digital silence (RFC 6464 section 3)."""
HANGOVER: Final = 0.300
"""Seconds that voice is held after the last loud frame: longer than the gaps inside a sentence."""

_FULL_SCALE: Final = 32_768.0
_ABOVE_FLOOR: Final = 9.0
"""dB above the noise from which a frame counts as voice: steady noise varies by 2 or 3 dB from frame to frame."""
_QUIETEST_VOICE: Final = -55.0
"""dBov. A quieter frame is never voice, however quiet the room is."""
_LOUDEST_FLOOR: Final = -40.0
"""dBov. A louder frame is never noise, however steady it is, so that a long tone or music passes."""
_FLOOR_RISE: Final = 2.0
"""dB per second. A fan that starts counts as noise after some seconds. The gaps between words undo what the words
raised."""
_FLOOR_FALL: Final = 0.5
"""Part of the difference, per frame: two frames of a gap are enough to find the floor."""

_USUAL_VOICE: Final = -40.0
"""dBov of loud frames that are assumed before any was heard."""
_LOUDEST_FALL: Final = 5.0
"""dB per second by which the loudest frame is forgotten: pauses are found again soon after a speaker became quieter."""
_QUIET_BELOW: Final = 25.0
"""dB below the loudest frames: the ends of words are louder, and so are most consonants."""
_PAUSE: Final = 0.12
"""Seconds of quiet sound after which it is a pause. Within a word there is none so long, and there a change of the
length by 10 ms costs up to 0.7 of PESQ in the 8 s around it."""


def audio_level(pcm: Pcm) -> int:
    """Return the level of a frame as -dBov of its RMS, from 0 (loudest) to 127 (silence), as RFC 6464 defines it."""
    return round(min(max(-_dbov(pcm), 0.0), SILENCE_LEVEL))


class VoiceDetector:
    """Tells voice from background noise: the level is compared with an adaptive noise floor, with a hangover."""

    def __init__(self) -> None:
        self._floor = _QUIETEST_VOICE - _ABOVE_FLOOR
        self._hangover = 0.0

    @property
    def floor(self) -> float:
        """The estimated level of the background noise, in dBov."""
        return self._floor

    def detect(self, pcm: Pcm) -> bool:
        """Return whether this frame, int16 of shape (n,), belongs to speech. Give all frames, in order."""
        seconds, level = len(pcm) / SAMPLE_RATE, _dbov(pcm)
        if level < self._floor:
            self._floor += _FLOOR_FALL * (level - self._floor)
        else:
            self._floor = min(level, self._floor + _FLOOR_RISE * seconds, _LOUDEST_FLOOR)
        if level >= max(self._floor + _ABOVE_FLOOR, _QUIETEST_VOICE):
            self._hangover = HANGOVER
            return True
        self._hangover -= seconds
        return self._hangover > 0


class PauseDetector:
    """Tells frames in pauses: so much quieter than the speech around them, for so long, that nobody hears how long
    they are."""

    def __init__(self) -> None:
        self._loudest = _USUAL_VOICE
        self._quiet = 0.0
        """Seconds of quiet sound in a row."""

    def detect(self, pcm: Pcm) -> bool:
        """Return whether this frame, int16 of shape (n,), is in a pause. Give all frames, in order."""
        level = _dbov(pcm)
        self._loudest = max(level, self._loudest - _LOUDEST_FALL * len(pcm) / SAMPLE_RATE)
        before = self._quiet
        self._quiet = before + len(pcm) / SAMPLE_RATE if level < self._loudest - _QUIET_BELOW else 0.0
        return self._quiet > 0 and before >= _PAUSE - 1e-9


def _dbov(pcm: Pcm) -> float:
    if len(pcm) == 0:
        return -float(SILENCE_LEVEL)
    samples = pcm.astype(np.float32)
    power = float(np.dot(samples, samples)) / len(pcm) / _FULL_SCALE**2
    return 10 * float(np.log10(max(power, 10 ** (-SILENCE_LEVEL / 10))))
