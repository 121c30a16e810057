import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.audio.mixer import LIMIT, MAX_VOICES, Mixer, Voice, limit
from tcclient.audio.speech import audio_level
from tcclient.audio.tone import sine, speech_like

SILENCE = np.zeros(960, np.int16)


def test_nobody_is_silence():
    assert np.array_equal(Mixer().mix([], 960), SILENCE)


def test_one_voice_comes_out_exactly():
    pcm = speech_like(96_000, seed=1, level=-20)
    pcm = np.clip(pcm, -LIMIT, LIMIT)
    mixer = Mixer()
    for start in range(0, len(pcm), 960):
        assert np.array_equal(mixer.mix([Voice(pcm[start : start + 960])], 960), pcm[start : start + 960])


def test_two_voices_add():
    first, second = sine(300, 960), sine(500, 960)
    assert np.array_equal(Mixer().mix([Voice(first), Voice(second)], 960), first + second)


@pytest.mark.parametrize(("volume", "gain"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.5, 1.5), (2.0, 2.0)])
def test_volume(volume, gain):
    pcm = sine(300, 960, level=-30)
    assert np.array_equal(Mixer().mix([Voice(pcm, volume)], 960), np.rint(pcm * gain).astype(np.int16))


def test_others_are_lowered_by_12_db_while_a_priority_speaker_talks():
    mixer, quiet, talking = Mixer(), sine(300, 960, level=-30), sine(2_000, 960, level=-30)
    other = Voice(quiet)
    during = [mixer.mix([other, Voice(talking, priority=True)], 960) for _ in range(3)][-1]
    assert audio_level(during - talking) == 42
    held = [mixer.mix([other, Voice(SILENCE, priority=True)], 960) for _ in range(20)][-1]
    assert audio_level(held) == 42
    after = [mixer.mix([other], 960) for _ in range(20)][-1]
    assert np.array_equal(after, quiet)


def test_ducking_does_not_click():
    mixer, other = Mixer(), Voice(np.full(960, 10_000, np.int16))
    blocks = [mixer.mix([other], 960), mixer.mix([other, Voice(np.full(960, 200, np.int16), priority=True)], 960)]
    steps = np.abs(np.diff(np.concatenate(blocks).astype(int)))
    assert np.delete(steps, 959).max() < 20
    assert steps[959] < 200 + 20, "where the priority speaker begins, and nothing else"


def test_silent_priority_speaker_lowers_nobody():
    pcm = sine(300, 960)
    assert np.array_equal(Mixer().mix([Voice(pcm), Voice(SILENCE, priority=True)], 960), pcm)


def test_the_loudest_and_those_with_priority_are_kept():
    loud, soft, faint = (np.full(960, amplitude, np.int16) for amplitude in (100, 3, 1))
    voices = [Voice(soft)] * 5 + [Voice(loud)] * (MAX_VOICES - 1) + [Voice(faint, priority=True)]
    assert set(Mixer().mix(voices, 960)) == {100 * (MAX_VOICES - 1) + 1}


def test_blocks_of_another_length_are_refused():
    with pytest.raises(ValueError, match="a block of"):
        Mixer().mix([Voice(SILENCE[:-1])], 960)


def test_transfer_curve_is_monotone_and_unity_below_the_limit():
    levels = np.arange(-20 * 32_768, 20 * 32_768, 7, dtype=np.float32)
    output = limit(levels).astype(int)
    assert (np.diff(output) >= 0).all()
    below = np.abs(levels) <= LIMIT
    assert np.array_equal(output[below], levels[below])
    assert (output.min(), output.max()) == (-32_767, 32_767)


@given(st.lists(st.tuples(st.sampled_from([-32_768, -1, 0, 1, 32_767]), st.floats(0, 2), st.booleans()), max_size=24))
def test_no_mix_wraps(speakers):
    voices = [Voice(np.full(16, value, np.int16), volume, priority) for value, volume, priority in speakers]
    mixed = Mixer(duck_db=0).mix(voices, 16)
    if len(voices) <= MAX_VOICES:
        total = sum(np.float32(value) * np.float32(volume) for value, volume, _ in speakers)
        assert mixed[0] == 0 or np.sign(mixed[0]) == np.sign(total)


def test_who_was_made_loud_is_kept_before_who_was_made_silent():
    pcm = np.full(960, 100, np.int16)
    voices = [Voice(pcm, 0.0)] * MAX_VOICES + [Voice(pcm, 1.0)]
    assert set(Mixer().mix(voices, 960)) == {100}


def test_a_priority_speaker_who_was_made_silent_lowers_nobody():
    pcm = sine(300, 960)
    assert np.array_equal(Mixer().mix([Voice(pcm), Voice(pcm, 0.0, priority=True)], 960), pcm)


def test_volume_of_a_priority_speaker_and_of_a_lowered_one():
    mixer, low, high = Mixer(), np.full(960, 4_000, np.int16), np.full(960, 1_000, np.int16)
    voices = [Voice(low, 0.5), Voice(high, 2.0, priority=True)]
    assert [mixer.mix(voices, 960) for _ in range(2)][-1][0] == round(4_000 * 0.5 * 10 ** (-12 / 20) + 2_000)


def test_too_many_loud_voices_are_bent_and_not_cut():
    """The peaks of a sum that is four times too large: still a wave, below full scale, above the bend."""
    voices = [Voice(sine(300, 960, level=-6)) for _ in range(4)]
    mixed = Mixer().mix(voices, 960)
    assert LIMIT < np.abs(mixed.astype(int)).max() <= 32_767
    assert Mixer().mix([Voice(sine(300, 960, level=-6))], 960).max() < LIMIT
    assert len(set(mixed[np.abs(mixed.astype(int)) > LIMIT])) > 20, "a clipped wave has two values there"
