from itertools import pairwise

import pytest

from tcclient.audio.gate import ComfortThinner, Decision, GateMode, MicrophoneGate
from tcproto.packet import COMFORT_INTERVAL

SEND, END, SILENCE, NOTHING = Decision.SEND, Decision.END, Decision.SILENCE, Decision.NOTHING
LAST, COMFORT = Decision.LAST, Decision.COMFORT


def test_open_gate_sends_whatever_it_hears():
    gate = MicrophoneGate(GateMode.OPEN)
    assert [gate.decide(voice, 960) for voice in (False, True, False)] == [SEND] * 3


def test_voice_opens_and_its_end_is_marked():
    gate = MicrophoneGate(GateMode.VOICE)
    assert [gate.decide(voice, 960) for voice in (False, True, True, False, False)] == [
        NOTHING, SEND, SEND, END, NOTHING,
    ]  # fmt: skip


def test_push_to_talk_ignores_voice():
    gate = MicrophoneGate(GateMode.PUSH_TO_TALK)
    assert gate.decide(True, 960) is NOTHING
    gate.talk_pressed = True
    assert gate.decide(False, 960) is SEND
    gate.talk_pressed = False
    assert gate.decide(True, 960) is END


@pytest.mark.parametrize("mode", GateMode)
def test_mute_shuts_every_mode_from_the_next_frame(mode):
    gate = MicrophoneGate(mode)
    gate.talk_pressed = True
    assert gate.decide(True, 960) is SEND
    gate.muted = True
    assert [gate.decide(True, 960) for _ in range(3)] == [END, NOTHING, NOTHING]
    gate.muted = False
    assert gate.decide(True, 960) is SEND


@pytest.mark.parametrize(("samples", "every"), [(960, 20), (1_920, 10), (2_880, 7)])
def test_silence_is_told_every_400_ms(samples, every):
    gate = MicrophoneGate()
    decisions = [gate.decide(False, samples) for _ in range(5 * every)]
    assert [index for index, decision in enumerate(decisions, 1) if decision is SILENCE] == [
        every * count for count in range(1, 6)
    ]
    assert set(decisions) == {SILENCE, NOTHING}


def test_silence_is_counted_from_the_end_of_talk():
    gate = MicrophoneGate()
    for _ in range(15):
        gate.decide(False, 960)
    gate.decide(True, 960)
    assert [gate.decide(False, 960) for _ in range(21)] == [END, *[NOTHING] * 19, SILENCE]


def thinned(frames, samples=960):
    """Decisions about frames: (comfort, update)."""
    thinner = ComfortThinner()
    return [thinner.decide(*frame, samples) for frame in frames]


TALK, UPDATE, EMPTY = (False, True), (True, True), (True, False)


def test_talk_is_never_thinned_and_comfort_ends_it():
    assert thinned([TALK, TALK, UPDATE, EMPTY, TALK, EMPTY, EMPTY, TALK]) == [
        SEND, SEND, LAST, NOTHING, SEND, LAST, NOTHING, SEND,
    ]  # fmt: skip


@pytest.mark.parametrize(("samples", "every"), [(960, 21), (1_920, 10), (1_920, 11), (2_880, 7)])
def test_an_encoder_that_tells_the_background_sends_that_and_nothing_else(samples, every):
    frames = [UPDATE if index % every == 0 else EMPTY for index in range(10 * every)]
    decisions = thinned(frames, samples)
    assert [index for index, decision in enumerate(decisions) if decision is COMFORT] == list(
        range(every, 10 * every, every)
    )
    assert decisions[0] is LAST
    assert set(decisions) == {LAST, COMFORT, NOTHING}


@pytest.mark.parametrize(("samples", "every"), [(960, 24), (1_920, 12), (2_880, 8), (480, 48)])
def test_comfort_without_background_is_sent_all_the_same(samples, every):
    decisions = thinned([EMPTY] * (3 * every + 1), samples)
    assert [index for index, decision in enumerate(decisions) if decision is COMFORT] == [every, 2 * every, 3 * every]


@pytest.mark.parametrize("samples", [480, 960, 1_920, 2_880])
def test_no_two_frames_of_comfort_are_sent_within_400_ms(samples):
    decisions = thinned([UPDATE] * 500, samples)
    sent = [index * samples for index, decision in enumerate(decisions) if decision is not NOTHING]
    assert min(b - a for a, b in pairwise(sent)) >= COMFORT_INTERVAL * 48_000
