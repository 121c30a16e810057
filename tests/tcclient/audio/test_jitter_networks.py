"""The jitter buffer in whole networks, in virtual time."""

from collections import Counter

import numpy as np
import pytest

from tcclient.audio.delay import MIN_TARGET
from tcclient.audio.frame import FrameKind
from tcclient.audio.jitter import MAX_CONCEAL_MS, MAX_SPEED_CHANGE, JitterBuffer
from tests.support.packets import put

TICK = 0.02


def quiet(frame):
    """Whether the frame is in a gap between words: 200 ms in each second."""
    return (frame.timestamp // 960) % 50 >= 40


def change(frame):
    """Samples by which the decoder changes a frame, at most."""
    if frame.kind is not FrameKind.PACKET:
        return 0
    return frame.adjust if frame.audible or quiet(frame) else 0


def play(arrivals, *, timestamps=None, options=None, extra=0.3):
    """Play packets of 20 ms that arrive at these seconds (nan: never); return the buffer and each (time, frame)."""
    buffer, played = JitterBuffer(), []
    order = [int(index) for index in np.argsort(arrivals, kind="stable") if not np.isnan(arrivals[index])]
    now, end, backlog = arrivals[order[0]] + 1e-9, arrivals[order[-1]] + extra, 0
    waiting = iter(order)
    index = next(waiting, None)
    while now < end:
        while index is not None and arrivals[index] <= now:
            timestamp = 960 * index if timestamps is None else int(timestamps[index])
            put(buffer, index, timestamp, 960, b"%d" % index, float(arrivals[index]), **(options or {}).get(index, {}))
            index = next(waiting, None)
        while backlog < 960:
            frame = buffer.get(now, backlog)
            played.append((now, frame))
            backlog = 960 if frame.kind is FrameKind.SILENCE else backlog + frame.duration + change(frame)
        backlog -= 960
        now += TICK
    return buffer, played


def kinds(played):
    return Counter(frame.kind for _, frame in played)


def delays(played):
    """Milliseconds of added delay of all packets, the wait in the play-out included."""
    return 1e3 * np.array([frame.delay for _, frame in played if frame.kind is FrameKind.PACKET])


def punctual(packets, seed=1):
    return 5 + TICK * np.arange(packets) + np.random.default_rng(seed).uniform(0, 0.004, packets)


def loss(pattern, packets):
    random = np.random.default_rng(6)
    lost = np.zeros(packets, bool)
    if pattern == "independent":
        lost = random.random(packets) < 0.1
    elif pattern == "bursts of 4":
        for start in np.flatnonzero(random.random(packets) < 0.025):
            lost[start : start + 4] = True
    else:
        for start in range(500, packets, 500):
            lost[start : start + 15] = True
    lost[0] = lost[-1] = False
    return lost


def test_clean_network_has_little_delay():
    buffer, played = play(punctual(1_500))
    assert delays(played).mean() < 45
    assert buffer.statistics.target_ms == 1e3 * MIN_TARGET
    assert buffer.statistics.late == 0
    assert kinds(played)[FrameKind.PACKET] == 1_500


def test_half_gaussian_jitter_up_to_30_ms():
    jitter = np.minimum(np.abs(np.random.default_rng(3).normal(0, 0.015, 5_000)), 0.030)
    buffer, played = play(5 + TICK * np.arange(5_000) + jitter)
    assert delays(played).mean() <= 50
    assert buffer.statistics.late < 0.001 * 5_000


def test_exponential_jitter_of_20_ms():
    jitter = np.random.default_rng(3).exponential(0.020, 5_000)
    buffer, played = play(5 + TICK * np.arange(5_000) + jitter)
    assert delays(played).mean() <= 110
    assert buffer.statistics.late < 0.015 * 5_000


def test_stalls_cost_pauses_and_no_words():
    random = np.random.default_rng(4)
    arrivals = punctual(3_000)
    for start in range(200, 3_000, 200):
        stall = random.uniform(0.15, 0.25)
        stalled = arrivals[start : start + 13]
        np.maximum(stalled, arrivals[start] + stall, out=stalled)
    buffer, played = play(np.maximum.accumulate(arrivals))
    assert kinds(played)[FrameKind.PACKET] == 3_000
    assert delays(played).mean() < 215
    # Only the first stalls are heard in full: then the buffer expects them.
    assert buffer.statistics.concealed_ms < 14 * 200 / 2
    assert buffer.statistics.late < 0.01 * 3_000


def test_delay_shrinks_after_a_stall_without_losing_speech():
    arrivals = punctual(2_000)
    arrivals[100:120] = np.maximum(arrivals[100:120], arrivals[100] + 0.39)
    _, played = play(np.maximum.accumulate(arrivals))
    assert delays(played)[112] > 200
    assert delays(played)[-1] < 50
    assert kinds(played)[FrameKind.PACKET] == 2_000


def test_delay_shrinks_at_once_in_a_pause():
    arrivals = punctual(1_200)
    arrivals[1_040:1_053] = np.maximum(arrivals[1_040:1_053], arrivals[1_040] + 0.15)
    timestamps = 960 * np.arange(1_200)
    arrivals[1_060:] += 20
    timestamps[1_060:] += 20 * 48_000
    _, played = play(np.maximum.accumulate(arrivals), timestamps=timestamps, options={1_059: {"end_of_talk": True}})
    assert delays(played)[1_059] > 100
    assert delays(played)[1_060] < 65


@pytest.mark.no_cover  # it is long
@pytest.mark.parametrize("ppm", [100, -100])
def test_clock_drift_over_ten_minutes(ppm):
    packets = 30_000
    jitter = np.random.default_rng(5).uniform(0, 0.004, packets)
    buffer, played = play(5 + TICK * (1 + ppm * 1e-6) * np.arange(packets) + jitter)
    assert kinds(played)[FrameKind.PACKET] == packets
    assert buffer.statistics.late < 0.001 * packets
    assert buffer.statistics.concealed_ms <= MAX_CONCEAL_MS + 20 * buffer.statistics.late + 100
    assert delays(played)[300:].max() <= 60


def test_speed_changes_by_no_more_than_five_per_cent(monkeypatch):
    monkeypatch.setitem(globals(), "quiet", lambda frame: False)  # nobody pauses
    arrivals = punctual(1_000)
    arrivals[100:120] = np.maximum(arrivals[100:120], arrivals[100] + 0.39)
    _, played = play(np.maximum.accumulate(arrivals))
    adjustments = [frame.adjust * frame.audible for _, frame in played if frame.kind is FrameKind.PACKET]
    window = int(1 / MAX_SPEED_CHANGE)
    changed = np.convolve(np.abs(adjustments), np.ones(window))
    assert 0 < changed.max() <= MAX_SPEED_CHANGE * 960 * window + 480


@pytest.mark.parametrize("pattern", ["independent", "bursts of 4", "bursts of 15"])
def test_losses_do_not_move_the_delay(pattern):
    arrivals = punctual(3_000)
    lost = loss(pattern, 3_000)
    arrivals[lost] = np.nan
    buffer, played = play(arrivals)
    assert buffer.statistics.lost == lost.sum()
    assert kinds(played)[FrameKind.PACKET] == 3_000 - lost.sum()
    assert delays(played)[100:].max() <= 65
    # After 5 packets of a burst the stream counts as dried up, and it dries up once more at the end.
    bursts = [len(run) for run in "".join("x" if gone else " " for gone in lost).split()]
    concealed = sum(min(20 * burst, MAX_CONCEAL_MS) for burst in bursts)
    assert buffer.statistics.concealed_ms == pytest.approx(concealed + MAX_CONCEAL_MS, abs=40)


def test_fec_is_waited_for_where_packets_carry_it():
    arrivals = punctual(3_000)
    lost = loss("independent", 3_000)
    arrivals[lost] = np.nan
    _, played = play(arrivals, options={index: {"fec": True} for index in range(3_000)})
    assert kinds(played)[FrameKind.FEC] > 0.8 * lost.sum()


def test_discontinuous_transmission_is_not_loss():
    talk = [index for start in range(0, 3_000, 300) for index in range(start, start + 150)]
    quiet = [index for start in range(150, 3_000, 300) for index in range(start, start + 150, 20)]
    sent = np.array(sorted(talk + quiet))
    arrivals = punctual(3_000)[sent]
    options = {position: {"comfort": True} for position, index in enumerate(sent) if index in set(quiet)}
    buffer, played = play(arrivals, timestamps=960 * sent, options=options)
    assert set(kinds(played)) == {FrameKind.PACKET, FrameKind.SILENCE}
    assert (buffer.statistics.lost, buffer.statistics.late) == (0, 0)


def test_simulation_is_deterministic():
    jitter = np.random.default_rng(7).exponential(0.02, 500)
    assert play(5 + TICK * np.arange(500) + jitter)[1] == play(5 + TICK * np.arange(500) + jitter)[1]
