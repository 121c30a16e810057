"""Real speech for meetings in virtual time: the sound at each microphone, and the audio levels in the packets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tcclient.audio.opus import SAMPLE_RATE
from tcclient.audio.speech import VoiceDetector, audio_level
from tcclient.capture import SPEECH
from tcclient.capture.reader import open_audio

FRAME = SAMPLE_RATE // 50
"""Samples of 20 ms."""
FRAME_SECONDS = 0.02
RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "media"
"""Recordings of human speech, beside the checkout."""
SPEECH_LEVEL = 42
"""-dBov of the loudest frames of a word, at least."""
WORD_GAP = 4
"""Frames of a pause that ends a word."""
EDGE_LEVEL = 52
"""-dBov down to which the beginning of a word is heard, in a recording at usual level."""
Samples = NDArray[np.int16]


class Voice(NamedTuple):
    """What a client says of a frame."""

    level: int
    voice: bool


class Word(NamedTuple):
    """A stretch of speech without a pause, in frames of its speaker; ``stop`` is the one behind it."""

    start: int
    stop: int


@cache
def recording(path: Path = SPEECH) -> Samples:
    """Return a recording, 48 kHz mono."""
    return np.concatenate(list(open_audio(path)))


def noise(seconds: float, level: float, rng: random.Random) -> Samples:
    """Return white noise at ``level`` dBov."""
    generator = np.random.default_rng(rng.randrange(1 << 32))
    samples = generator.normal(0, 32_768 * 10 ** (level / 20), round(seconds * SAMPLE_RATE))
    return samples.astype(np.int16)


def microphone(
    seconds: float, turns: Iterable[tuple[float, Samples]], level: float, rng: random.Random, gain: float = 0.0
) -> Samples:
    """Return what a microphone hears: noise at ``level`` dBov and, from each time on, speech, ``gain`` dB louder."""
    sound = noise(seconds, level, rng).astype(np.float32)
    for start, speech in turns:
        first = round(start / FRAME_SECONDS) * FRAME
        part = speech[: len(sound) - first]
        sound[first : first + len(part)] += part * 10 ** (gain / 20)
    return np.clip(sound, -32_768, 32_767).astype(np.int16)


def frames(pcm: Samples) -> NDArray[Any]:
    """Return the whole frames of a recording, shape (n, FRAME)."""
    return pcm[: len(pcm) - len(pcm) % FRAME].reshape(-1, FRAME)


def voices(pcm: Samples) -> list[Voice]:
    """Return what a client says of each frame."""
    detector = VoiceDetector()
    return [Voice(audio_level(frame), detector.detect(frame)) for frame in frames(pcm)]


def words(pcm: Samples) -> list[Word]:
    """Return the words of clean speech: from the first frame that is heard to a pause."""
    levels = [audio_level(frame) for frame in frames(pcm)]
    found: list[Word] = []
    start, last = None, 0
    for n, level in enumerate([*levels, *[127] * (WORD_GAP + 1)]):
        if level <= EDGE_LEVEL:
            start, last = n if start is None else start, n
        elif start is not None and n - last > WORD_GAP:
            if min(levels[start : last + 1]) <= SPEECH_LEVEL:
                found.append(Word(start, last + 1))
            start = None
    return found


def sentences(pcm: Samples, pause: int = 25) -> list[Samples]:
    """Cut clean speech at its pauses of ``pause`` frames and more."""
    found: list[list[int]] = []
    for start, stop in words(pcm):
        if found and start - found[-1][1] < pause:
            found[-1][1] = stop
        else:
            found.append([start, stop])
    return [pcm[max(0, start - 3) * FRAME : (stop + 3) * FRAME] for start, stop in found]


def shifted(found: Sequence[Word], frames_later: int) -> list[Word]:
    """Return the words of a turn that begins later."""
    return [Word(start + frames_later, stop + frames_later) for start, stop in found]
