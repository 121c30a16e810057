"""Meetings on thin lines in virtual time: what ``benchmarks rural`` counts."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.commands.rural import FALL, HEAD_START, QUIETER, RISE, THIN, back, voices
from benchmarks.harness.virtual_call import speech
from benchmarks.harness.virtual_meeting import Change, Heard, Listener, Talker, hold
from tcclient.capture import SPEECH
from tcproto.packet import AUDIO_CLOCK
from tests.support.simulation.film import FRAME
from tests.support.simulation.network import LAN


@pytest.fixture(scope="module")
def words():
    return speech(SPEECH, 1.5)


def test_each_listener_gets_what_the_own_line_lets_through(words):
    talkers = [Talker(words, 1_500), Talker(words // 2)]
    blocked = Listener(LAN, (Change(0.5, replace(LAN, blocked=True)),))
    good, cut = hold(talkers, [Listener(LAN), blocked], 1.5, 1)
    for number in (0, 1):
        assert good.share(number, 0.5) == 1
        assert good.concealed(number) == 0
        assert cut.share(number, 1.0) == 0
        assert cut.concealed(number) > 0
        assert np.abs(good.voice(number)).max() > 1_000
    assert good.frame_rate(0, 0, 1) == pytest.approx(1 / FRAME, abs=1)
    assert cut.frame_rate(0, 0.6, 1.5) == 0
    assert good.queue_p95(0) == 0


def test_the_first_voice_begins_and_is_louder(words):
    first, second = voices([words, words], 2, 4.0)
    begin = round(HEAD_START * AUDIO_CLOCK)
    assert np.array_equal(first[: len(words)], words)
    assert not second[:begin].any()
    assert np.array_equal(second[begin:], (first[begin:] * QUIETER).astype(np.int16))


def test_a_thin_line_holds_datagrams_and_less_is_asked_for(words):
    talkers = [Talker(words, 1_500), Talker(words), Talker(words)]
    (heard,) = hold(talkers, [Listener(replace(THIN, rate=128e3))], 1.5, 1)
    assert heard.queue_p95(0) > 0.1
    assert [step[1:] for step in heard.steps] == [(1, 0), (1, 1)], "one voice by the probe, then no camera"


def test_the_same_seed_gives_the_same_meeting(words):
    line = Listener(replace(THIN, rate=128e3, loss=0.1))
    first, again, other = (hold([Talker(words)], [line], 1.0, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.voice(0), again.voice(0))
    assert not np.array_equal(first.voice(0), other.voice(0))


def test_pictures_are_back_when_they_stay():
    def shown(*gaps):
        heard = Heard()
        times = np.arange(0, 45, FRAME)
        heard.pictures[0] = [(at, 0) for at in times if not any(begin <= at < end for begin, end in gaps)]
        return heard

    assert back(shown((FALL, RISE))) == 0
    assert back(shown((FALL, RISE + 3.5))) == 4
    assert back(shown((FALL, RISE + 3.5), (40, 41))) == 11
    assert back(shown((FALL, 45))) == float("inf")
