import pytest

from tcclient.audio.gate import Decision, GateMode, TransmitGate

SEND, END, SILENCE, NOTHING = Decision.SEND, Decision.END, Decision.SILENCE, Decision.NOTHING


def test_open_gate_sends_whatever_it_hears():
    gate = TransmitGate(GateMode.OPEN)
    assert [gate.decide(voice, 960) for voice in (False, True, False)] == [SEND] * 3


def test_voice_opens_and_its_end_is_marked():
    gate = TransmitGate(GateMode.VOICE)
    assert [gate.decide(voice, 960) for voice in (False, True, True, False, False)] == [
        NOTHING, SEND, SEND, END, NOTHING,
    ]  # fmt: skip


def test_push_to_talk_ignores_voice():
    gate = TransmitGate(GateMode.PUSH_TO_TALK)
    assert gate.decide(True, 960) is NOTHING
    gate.talk_pressed = True
    assert gate.decide(False, 960) is SEND
    gate.talk_pressed = False
    assert gate.decide(True, 960) is END


@pytest.mark.parametrize("mode", GateMode)
def test_mute_shuts_every_mode_from_the_next_frame(mode):
    gate = TransmitGate(mode)
    gate.talk_pressed = True
    assert gate.decide(True, 960) is SEND
    gate.muted = True
    assert [gate.decide(True, 960) for _ in range(3)] == [END, NOTHING, NOTHING]
    gate.muted = False
    assert gate.decide(True, 960) is SEND


@pytest.mark.parametrize(("samples", "every"), [(960, 20), (1_920, 10), (2_880, 7)])
def test_silence_is_told_every_400_ms(samples, every):
    gate = TransmitGate()
    decisions = [gate.decide(False, samples) for _ in range(5 * every)]
    assert [index for index, decision in enumerate(decisions, 1) if decision is SILENCE] == [
        every * count for count in range(1, 6)
    ]
    assert set(decisions) == {SILENCE, NOTHING}


def test_silence_is_counted_from_the_end_of_talk():
    gate = TransmitGate()
    for _ in range(15):
        gate.decide(False, 960)
    gate.decide(True, 960)
    assert [gate.decide(False, 960) for _ in range(21)] == [END, *[NOTHING] * 19, SILENCE]
