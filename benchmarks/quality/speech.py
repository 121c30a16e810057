"""How speech sounds in the recordings, beside what libopus alone makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from benchmarks.harness.report import BenchmarkError, Missing
from benchmarks.harness.signal_comparison import SPEECH_RATE, Sound, aligned, resampled, windows
from tcclient.capture.reader import open_audio
from tcproto.packet import AUDIO_CLOCK

SHORTEST, LONGEST = 8 * SPEECH_RATE, 10 * SPEECH_RATE
"""Samples of a window: PESQ was made for utterances of 8 to 12 s (ITU-T P.862.3, section 7)."""
FRAME = 960
CUT = SPEECH_RATE // 10
"""Samples at the end of a recording that are not judged. If the meeting ends in the middle of a word, PESQ counts the
last frame, which is silence, as a fault of 0.3 MOS."""
SILENCE = 100
"""Peak, in steps of 16 bits, below which a window has no speech that PESQ could find."""
MISSING_PESQ = "pesq is not installed: pip install 'teleconference[bench]' (needs a C compiler)"

Pesq = Callable[[int, Sound, Sound, str], float]


@dataclass(frozen=True)
class Score:
    """Wide-band PESQ (MOS-LQO, 1.0 to 4.6) over the windows of one sound."""

    mean: float
    least: float
    windows: int


def load_pesq() -> Pesq | None:
    """Return PESQ, or None where it is not installed."""
    try:
        from pesq import pesq
    except ImportError:
        return None
    measure: Pesq = pesq
    return measure


def required_pesq(benchmark: str) -> Pesq:
    """Return PESQ for a benchmark that is nothing without it; raises ``Missing``."""
    pesq = load_pesq()
    if pesq is None:
        raise Missing(
            f"{benchmark} needs pesq, which is not installed: pip install 'teleconference[bench]' (and a C compiler)"
        )
    return pesq


def source_sound(path: Path, seconds: float | None) -> Sound:
    """Return the sound that was spoken: 48 kHz, repeated to fill a length that was asked for."""
    whole = np.concatenate(list(open_audio(path, samples=FRAME)))
    return whole if seconds is None else np.resize(whole, round(seconds * AUDIO_CLOCK))


def recorded_sound(path: Path) -> Sound:
    """Return the sound of a recording: 48 kHz."""
    return np.concatenate(list(open_audio(path, samples=FRAME)))


def direct_sound(source: Sound, bitrate: int) -> Sound:
    """Return what libopus, used through PyAV with the call's settings, makes of a sound without any network."""
    encoder = av.CodecContext.create("libopus", "w")
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = AUDIO_CLOCK, "mono", "s16"
    encoder.bit_rate = bitrate
    encoder.options = {"application": "voip", "vbr": "off", "compression_level": "10", "frame_duration": "20"}
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = AUDIO_CLOCK, "mono"
    pieces = []
    for frame in source[: len(source) // FRAME * FRAME].reshape(-1, FRAME):
        picture = av.AudioFrame.from_ndarray(frame[None, :], format="s16", layout="mono")
        picture.sample_rate = AUDIO_CLOCK
        for packet in encoder.encode(picture):
            pieces += [decoded.to_ndarray().reshape(-1) for decoded in decoder.decode(av.Packet(bytes(packet)))]
    return np.concatenate(pieces)


def score(pesq: Pesq, source: Sound, heard: Sound) -> Score:
    """Compare a sound with its source, both 48 kHz; raises ``BenchmarkError`` where PESQ finds no speech."""
    reference, degraded = aligned(resampled(source, AUDIO_CLOCK), resampled(heard, AUDIO_CLOCK)[:-CUT])
    values = [
        float(pesq(SPEECH_RATE, reference[part], degraded[part], "wb"))
        for part in windows(len(reference), SHORTEST, LONGEST)
        if np.abs(reference[part]).max(initial=0) > SILENCE
    ]
    if not values:
        raise BenchmarkError("there is no speech in the sound")
    return Score(float(np.mean(values)), min(values), len(values))
