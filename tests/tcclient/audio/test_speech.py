import numpy as np
import pytest

from tcclient.audio.speech import HANGOVER, SILENCE_LEVEL, PauseDetector, VoiceDetector, audio_level
from tcclient.audio.tone import sine, speech_like


def noise(samples, level, seed=0):
    signal = np.random.default_rng(seed).normal(size=samples)
    return np.rint(np.clip(signal * 32_768 * 10 ** (level / 20), -32_768, 32_767)).astype(np.int16)


def detections(pcm, detector=None, size=960):
    detector = detector or VoiceDetector()
    return np.array([detector.detect(pcm[start : start + size]) for start in range(0, len(pcm) - size + 1, size)])


@pytest.mark.parametrize(
    ("pcm", "level"),
    [
        (np.zeros(960, np.int16), SILENCE_LEVEL),
        (np.zeros(0, np.int16), SILENCE_LEVEL),
        (np.full(960, -32_768, np.int16), 0),
        (np.full(960, 32_767, np.int16), 0),
        (np.tile(np.array([328, -328], np.int16), 480), 40),
        (np.tile(np.array([1, -1], np.int16), 480), 90),
        (sine(440, 4_800, level=-35), 35),
    ],
)
def test_level(pcm, level):
    assert audio_level(pcm) == level


def test_levels_fall_with_amplitude():
    levels = [audio_level(sine(440, 960, level=-level)) for level in range(4, 90)]
    assert levels == sorted(levels)


def test_speech_is_voice_and_its_pauses_are_not():
    speech = speech_like(48_000 * 8, seed=2)
    found = detections(speech)
    frames = speech[: len(found) * 960].reshape(-1, 960)
    loud = np.array([audio_level(frame) < 35 for frame in frames])
    assert found[loud].mean() > 0.98
    assert not found.all()


def test_hangover_bridges_gaps_and_ends():
    detector = VoiceDetector()
    assert detections(sine(200, 9_600), detector).all()
    silent = detections(np.zeros(48_000, np.int16), detector)
    assert silent.sum() == pytest.approx(HANGOVER / 0.02, abs=1)
    assert not silent[-1]


@pytest.mark.parametrize("level", [-70, -60, -50, -45])
def test_steady_noise_becomes_no_voice(level):
    detector = VoiceDetector()
    found = detections(noise(48_000 * 12, level), detector)
    assert not found[-100:].any()
    assert detector.floor == pytest.approx(level, abs=4)


def test_speech_over_noise_is_found():
    detector = VoiceDetector()
    detections(noise(48_000 * 10, -50), detector)
    speech = speech_like(48_000 * 6, seed=4)
    frames = speech.reshape(-1, 960)
    loud = np.array([audio_level(frame) < 32 for frame in frames])
    found = detections((speech // 2 + noise(len(speech), -50, seed=1)).astype(np.int16), detector)
    assert found[loud].mean() > 0.95
    assert not found.all()


def test_long_tone_stays_voice():
    assert detections(sine(440, 48_000 * 40)).all()


def test_faint_sounds_are_no_voice():
    assert not detections(sine(440, 48_000, level=-60)).any()


def test_frames_far_below_the_loudest_for_a_while_are_a_pause():
    loud, soft, pause = sine(300, 48_000, level=-20), sine(300, 9_600, level=-40), sine(300, 9_600, level=-50)
    found = detections(np.concatenate((loud, soft, pause, loud)), PauseDetector())
    assert list(found) == [False] * 66 + [True] * 4 + [False] * 50
    within_a_word = pause[: 6 * 960]
    assert not detections(np.concatenate((loud, within_a_word, loud)), PauseDetector()).any()


def test_a_speaker_who_became_quieter_has_pauses_again():
    loud, quieter, pause = noise(48_000, -10), noise(240_000, -40), noise(9_600, -70)
    found = detections(np.concatenate((loud, quieter, pause)), PauseDetector())
    assert found[56:60].all()
    assert not found[200:300].any()
    assert found[306:].all()


def test_digital_silence_is_a_pause_before_anything_was_said():
    assert detections(np.zeros(9_600, np.int16), PauseDetector())[6:].all()
