"""The low rate of a microphone: the same sound once more, in long packets of few bits."""

from __future__ import annotations

from collections import deque

import numpy as np

from tcclient.audio.opus import BitrateMode, OpusEncoder, Pcm
from tcclient.audio.speech import VoiceDetector, audio_level
from tcclient.core.rate.allocation import LOW_RATE
from tcclient.sources import EncodedAudio

SAMPLES = LOW_RATE.frame_ms * 48
"""Samples of a frame."""
MAX_WAITING = 8
"""Frames that wait for those of the usual rate; the oldest are left out."""


class LowRateEncoding:
    """Encodes while it is wanted and of use. ``encode`` runs in the executor, all else on the event loop."""

    def __init__(self) -> None:
        self.wanted = False
        self.of_use = True
        """Whether the microphone is not at the low rate itself."""
        self._encoder: OpusEncoder | None = None
        """None while it is not wanted: who begins anew begins with a state of its own."""
        self._detector = VoiceDetector()
        self._rest: Pcm = np.zeros(0, np.int16)
        self._position = 0
        """Samples that have come."""
        self._frames: deque[tuple[int, EncodedAudio]] = deque(maxlen=MAX_WAITING)
        """With the position of the first sample of each."""

    def encode(self, pcm: Pcm) -> None:
        """Take the next piece of sound."""
        self._position += len(pcm)
        if not (self.wanted and self.of_use):
            self._encoder, self._rest = None, self._rest[:0]
            return
        if self._encoder is None:
            self._encoder = OpusEncoder(bitrate=LOW_RATE.bitrate, frame_ms=LOW_RATE.frame_ms, mode=BitrateMode.CBR)
        samples = np.concatenate((self._rest, pcm))
        start = self._position - len(samples)
        while len(samples) >= SAMPLES:
            frame, samples = samples[:SAMPLES], samples[SAMPLES:]
            level, voice = audio_level(frame), self._detector.detect(frame)
            self._frames.append((start, EncodedAudio(self._encoder.encode(frame), LOW_RATE.frame_ms, level, voice)))
            start += SAMPLES
        self._rest = samples

    def take(self, end: int) -> list[tuple[int, EncodedAudio]]:
        """Return the frames that end at this position or before it, with the position at which each begins, once."""
        taken: list[tuple[int, EncodedAudio]] = []
        while self._frames and self._frames[0][0] + SAMPLES <= end:
            taken.append(self._frames.popleft())
        return taken
