"""Calls in virtual time: what is heard is what the line lets through, and the same again from the same seed."""

import numpy as np
import pytest

from benchmarks.commands.speech import LAN, WAN
from benchmarks.harness.virtual_call import Line, call, speech
from tcclient.audio.frame import FrameKind
from tcclient.capture import SPEECH
from tests.support.simulation.network import Conditions

GOOD = Line(LAN, LAN)


@pytest.fixture(scope="module")
def words():
    return speech(SPEECH, 1.0)


def likeness(source, heard):
    """Return the correlation of the loudness of two sounds in steps of 10 ms, where it is best."""
    loudness = [np.abs(sound[: len(sound) // 480 * 480]).reshape(-1, 480).mean(1) for sound in (source, heard)]
    loudness = [(each - each.mean()) / each.std() for each in loudness]
    return np.correlate(loudness[1], loudness[0], "valid").max() / len(loudness[0])


def test_a_good_line_brings_and_records_every_word(words):
    held = call(words, 20, 25_200, GOOD, Line(WAN, WAN), seed=1)
    assert held.unsent == 0
    assert held.invented == 0
    assert held.kinds[FrameKind.PACKET] == pytest.approx(48_000, abs=2_000)
    assert likeness(words, held.mix) > 0.9
    assert held.recording is not None
    assert likeness(words, held.recording) > 0.9
    assert 0.06 < np.mean(held.mouth_to_ear) < 0.21, "a frame, 40 ms of line, and 140 in which sound can be repaired"
    assert held.up_kbit == pytest.approx(62, abs=6)


def test_faults_hit_the_line_that_has_them(words):
    deaf = call(words, 20, 25_200, GOOD, Line(WAN, Conditions(blocked=True)), seed=1)
    assert deaf.recording is None
    assert not deaf.mix.any()
    assert deaf.down_bytes > 0, "what the server sent counts, whatever arrives"
    mute = call(words, 20, 25_200, Line(Conditions(blocked=True), LAN), GOOD, seed=1)
    assert not mute.mix.any()
    assert mute.down_kbit < 0.2 * deaf.down_kbit


def test_the_same_seed_gives_the_same_call(words):
    line = Line(WAN, Conditions(delay=0.04, loss=0.2, jitter=0.02))
    first, again, other = (call(words, 40, 24_000, GOOD, line, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.mix, again.mix)
    assert first.mouth_to_ear == again.mouth_to_ear
    assert not np.array_equal(first.mix, other.mix)
