import numpy as np
import pytest

from tcclient.audio.speech import audio_level
from tcclient.audio.tone import sine, speech_like


@pytest.mark.parametrize("frequency", [100, 440, 3_000])
def test_sine_has_its_frequency_and_level(frequency):
    pcm = sine(frequency, 48_000, level=-30)
    assert (pcm.dtype, pcm.shape) == (np.int16, (48_000,))
    assert np.argmax(np.abs(np.fft.rfft(pcm))) == frequency
    assert audio_level(pcm) == 30


def test_sine_continues_over_blocks():
    blocks = [sine(441, 960, start=960 * block) for block in range(10)]
    assert np.array_equal(np.concatenate(blocks), sine(441, 9_600))


def test_speech_like_signal_is_reproducible():
    assert np.array_equal(speech_like(48_000, seed=1), speech_like(48_000, seed=1))
    assert not np.array_equal(speech_like(48_000, seed=1), speech_like(48_000, seed=2))
    assert np.array_equal(speech_like(0), np.zeros(0, np.int16))


def test_speech_like_signal_has_phrases_and_pauses():
    pcm = speech_like(48_000 * 20, seed=1)
    assert (pcm.dtype, pcm.shape) == (np.int16, (960_000,))
    levels = np.array([audio_level(frame) for frame in pcm.reshape(-1, 960)])
    assert 0.15 < (levels == 127).mean() < 0.5
    assert 18 <= levels[levels < 127].min() + 5 <= 26
    assert np.abs(pcm.astype(int)).max() < 32_767


def test_speech_like_signal_is_voiced_below_4_khz():
    pcm = speech_like(48_000 * 5, seed=1)
    power = np.abs(np.fft.rfft(pcm)) ** 2
    assert power[: 4_000 * 5].sum() > 0.8 * power.sum()
