import numpy as np
import pytest

from tcclient.audio.stretch import MIN_LAG, lengthen, resize, shorten
from tcclient.audio.tone import sine, speech_like


@pytest.mark.parametrize("change", [shorten, lengthen])
@pytest.mark.parametrize(("samples", "maximum"), [(960, 480), (960, 120), (1_920, 480), (480, 240), (960, 300)])
def test_change_is_within_the_limits(change, samples, maximum):
    pcm = speech_like(samples, seed=1)
    difference = abs(len(change(pcm, maximum)) - samples)
    assert MIN_LAG <= difference <= maximum


@pytest.mark.parametrize("change", [shorten, lengthen])
@pytest.mark.parametrize(("samples", "maximum"), [(960, 0), (960, 119), (120, 120), (200, 150)])
def test_frames_that_are_too_short_stay(change, samples, maximum):
    pcm = speech_like(samples, seed=1)
    assert change(pcm, maximum) is pcm


@pytest.mark.parametrize("frequency", [110, 200, 333])
@pytest.mark.parametrize("change", [shorten, lengthen])
def test_whole_periods_are_changed_so_that_a_tone_stays_a_tone(change, frequency):
    pcm = sine(frequency, 1_920, level=-12)
    changed = change(pcm, 480)
    limit = 1.2 * np.abs(np.diff(pcm.astype(int))).max()
    assert np.abs(np.diff(changed.astype(int))).max() <= limit
    assert changed[0] == pcm[0]
    assert changed[-1] == pcm[-1]


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_silence_and_full_scale(change):
    assert not change(np.zeros(960, np.int16), 480).any()
    loud = np.full(960, -32_768, np.int16)
    assert set(change(loud, 480)) == {-32_768}


@pytest.mark.parametrize("samples", [120, 960, 2_880])
@pytest.mark.parametrize("part", [-0.5, -0.1, 0.0, 0.1, 0.5])
def test_quiet_sound_gets_exactly_the_length_that_was_asked_for(samples, part):
    pcm = speech_like(samples, seed=1)
    changed = resize(pcm, int(part * samples))
    assert len(changed) == samples + int(part * samples)
    assert changed.dtype == np.int16
    assert (changed[0], changed[-1]) == (pcm[0], pcm[-1])
