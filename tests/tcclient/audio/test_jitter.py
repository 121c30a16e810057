from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tcclient.audio.jitter import (
    MAX_BUFFERED_MS,
    MAX_CONCEAL_MS,
    MAX_DELAY,
    MAX_PACKETS,
    MAX_REORDER,
    MAX_SPEED_CHANGE,
    FrameKind,
    JitterBuffer,
    PutResult,
)

TICK = 0.02
KINDS = FrameKind


def play(arrivals, *, timestamps=None, options=None, extra=0.3):
    """Play packets of 20 ms that arrive at these seconds (nan: never); return the buffer and each (time, frame)."""
    buffer, played = JitterBuffer(), []
    order = [int(index) for index in np.argsort(arrivals, kind="stable") if not np.isnan(arrivals[index])]
    now, end, backlog = arrivals[order[0]], arrivals[order[-1]] + extra, 0
    waiting = iter(order)
    index = next(waiting, None)
    while now < end:
        while index is not None and arrivals[index] <= now:
            timestamp = 960 * index if timestamps is None else int(timestamps[index])
            buffer.put(index, timestamp, 960, b"%d" % index, float(arrivals[index]), **(options or {}).get(index, {}))
            index = next(waiting, None)
        while backlog < 960:
            frame = buffer.get(now)
            played.append((now, frame._replace(delay=frame.delay + backlog / 48_000)))
            backlog = 960 if frame.kind is KINDS.SILENCE else backlog + frame.duration + frame.adjust
        backlog -= 960
        now += TICK
    return buffer, played


def kinds(played):
    return Counter(frame.kind for _, frame in played)


def delays(played):
    """Milliseconds of added delay of all packets, the wait in the play-out included."""
    return 1e3 * np.array([frame.delay for _, frame in played if frame.kind is KINDS.PACKET])


def punctual(packets, seed=1):
    return 5 + TICK * np.arange(packets) + np.random.default_rng(seed).uniform(0, 0.004, packets)


# --- one stream, packet by packet


def test_empty_buffer_gives_silence():
    buffer = JitterBuffer()
    assert buffer.get(1.0).kind is KINDS.SILENCE
    assert buffer.statistics.silence_ms == 20
    assert (len(buffer), buffer.buffered) == (0, 0)


def test_first_packet_waits_for_the_start_target():
    buffer = JitterBuffer()
    buffer.put(7, 70_000, 960, b"first", 1.0)
    assert [buffer.get(1.0 + wait).kind for wait in (0, 0.02, 0.0401)] == [KINDS.SILENCE, KINDS.SILENCE, KINDS.PACKET]


def filled(*sequences, **options):
    """A buffer whose packets, 960 samples each, arrived on time, and that has been played up to the first of them."""
    buffer = JitterBuffer()
    for sequence in sequences:
        buffer.put(sequence, 960 * sequence, 960, b"%d" % sequence, 10 + TICK * sequence, **options)
    return buffer


def drain(buffer, start, count):
    return [buffer.get(start + TICK * index) for index in range(count)]


def test_order_is_restored():
    buffer = filled(1, 0, 3, 2)
    frames = drain(buffer, 10.06, 4)
    # Number 1 defined the beginning; what comes before it is played all the same, since nothing was played yet.
    assert [frame.payload for frame in frames] == [b"0", b"1", b"2", b"3"]
    assert [frame.timestamp for frame in frames] == [0, 960, 1_920, 2_880]


def test_gap_is_concealed_and_counted_as_lost():
    buffer = filled(0, 2)
    frames = drain(buffer, 10.05, 3)
    assert [frame.kind for frame in frames] == [KINDS.PACKET, KINDS.CONCEAL, KINDS.PACKET]
    assert (frames[1].timestamp, frames[1].duration, frames[1].payload) == (960, 960, None)
    assert (buffer.statistics.lost, buffer.statistics.concealed_ms) == (1, 20)


def test_gap_before_a_packet_with_fec_is_recovered():
    buffer = filled(0, 3, fec=True)
    frames = drain(buffer, 10.07, 4)
    assert [frame.kind for frame in frames] == [KINDS.PACKET, KINDS.CONCEAL, KINDS.FEC, KINDS.PACKET]
    assert (frames[2].payload, frames[2].timestamp) == (b"3", 1_920)
    assert (buffer.statistics.lost, buffer.statistics.fec_ms, buffer.statistics.concealed_ms) == (2, 20, 20)


def test_long_gap_is_concealed_then_lost():
    buffer = filled(0, 10)
    frames = drain(buffer, 10.21, 11)
    concealed = MAX_CONCEAL_MS // 20
    assert [frame.kind for frame in frames] == (
        [KINDS.PACKET] + [KINDS.CONCEAL] * concealed + [KINDS.LOST] * (9 - concealed) + [KINDS.PACKET]
    )
    assert buffer.statistics.lost_ms == 20 * (9 - concealed)
    assert buffer.statistics.lost == 9


def test_late_packet_is_waited_for_and_played():
    buffer = filled(0)
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [KINDS.PACKET, KINDS.LATE, KINDS.LATE]
    assert buffer.put(1, 960, 960, b"1", 10.105) is PutResult.QUEUED
    frame = buffer.get(10.11)
    assert (frame.kind, frame.payload) == (KINDS.PACKET, b"1")
    assert frame.delay == pytest.approx(0.09)
    assert (buffer.statistics.late, buffer.statistics.lost) == (1, 0)


def test_waiting_counts_towards_a_gap():
    buffer = filled(0)
    assert [frame.kind for frame in drain(buffer, 10.05, 2)] == [KINDS.PACKET, KINDS.LATE]
    buffer.put(2, 1_920, 960, b"2", 10.08)
    assert buffer.get(10.09).payload == b"2"
    assert buffer.put(1, 960, 960, b"1", 10.1) is PutResult.LATE
    assert (buffer.statistics.lost, buffer.statistics.late) == (1, 1)


def test_stream_that_dries_up_falls_silent():
    frames = drain(filled(0), 10.05, 8)
    waits = MAX_CONCEAL_MS // 20
    assert [frame.kind for frame in frames] == [KINDS.PACKET] + [KINDS.LATE] * waits + [KINDS.SILENCE] * (7 - waits)


@pytest.mark.parametrize("flag", ["end_of_talk", "silence"])
def test_nothing_is_concealed_after_the_end(flag):
    buffer = filled(0, **{flag: True})
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [KINDS.PACKET, KINDS.SILENCE, KINDS.SILENCE]
    buffer.put(4, 19_200, 960, b"4", 10.4)
    assert [frame.kind for frame in drain(buffer, 10.41, 3)] == [KINDS.SILENCE, KINDS.SILENCE, KINDS.PACKET]
    assert (buffer.statistics.lost, buffer.statistics.concealed_ms) == (0, 0)


def test_gap_of_time_without_gap_of_numbers_is_a_pause():
    buffer = filled(0)
    buffer.put(1, 960 * 11, 960, b"1", 10.22)
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [KINDS.PACKET, KINDS.SILENCE, KINDS.SILENCE]
    assert buffer.get(10.27).payload == b"1"
    assert buffer.statistics.lost == 0


def test_duplicates_are_told_from_late_packets():
    buffer = filled(0, 1, 3)
    assert buffer.put(3, 2_880, 960, b"again", 10.07) is PutResult.DUPLICATE
    drain(buffer, 10.07, 4)
    assert buffer.put(1, 960, 960, b"again", 10.08) is PutResult.DUPLICATE
    assert buffer.put(2, 1_920, 960, b"2", 10.08) is PutResult.LATE
    assert (buffer.statistics.duplicate, buffer.statistics.late) == (2, 1)


def test_numbers_wrap():
    buffer = JitterBuffer()
    for step in range(200):
        number, timestamp = (2**32 - 100 + step) % 2**32, (2**32 - 96_000 + 960 * step) % 2**32
        assert buffer.put(number, timestamp, 960, b"%d" % step, 10 + TICK * step) is PutResult.QUEUED
        frame = buffer.get(10.041 + TICK * step)
        assert (frame.payload, frame.timestamp) == ((b"%d" % step, timestamp) if frame.payload else (None, None))
    assert buffer.statistics.played > 190
    assert buffer.statistics.resyncs == 0


@pytest.mark.parametrize(
    ("sequence", "timestamp"),
    [(51, 48_000 * 500), (51, 2**32 - 48_000 * 500), (2**31 + 40, 0), (50 - MAX_REORDER - 1 + 2**32, 48_000)],
)
def test_jumps_resynchronise(sequence, timestamp):
    buffer, now = JitterBuffer(), 10.0
    for step in range(51):
        buffer.put(step, 960 * step, 960, b"old", now)
        buffer.get(now)
        now += TICK
    assert buffer.put(sequence, timestamp, 960, b"new", now) is PutResult.RESYNC
    assert (len(buffer), buffer.statistics.resyncs) == (1, 1)
    frames = drain(buffer, now, 4)
    assert {frame.payload for frame in frames} == {None, b"new"}
    assert buffer.put(sequence + 1, timestamp + 960, 960, b"next", now + TICK) is PutResult.QUEUED


def test_old_packet_with_a_wild_timestamp_is_only_late():
    buffer = filled(0, 1, 3)
    drain(buffer, 10.07, 4)
    target = buffer.statistics.target_ms
    assert buffer.put(2, 2**31 - 1, 960, b"wild", 10.08) is PutResult.LATE
    assert buffer.statistics.target_ms == target


def test_overlapping_packets_are_dropped():
    buffer = JitterBuffer()
    for step in range(3):
        buffer.put(step, 100 * step, 960, b"%d" % step, 10.0)
    assert [frame.payload for frame in drain(buffer, 10.05, 2)] == [b"0", None]
    assert buffer.statistics.late == 2


def test_memory_is_bounded_in_milliseconds():
    buffer = filled(*range(500))
    assert buffer.buffered <= MAX_BUFFERED_MS * 48
    assert buffer.statistics.discarded == 500 - len(buffer)
    assert buffer.get(20.0).payload == b"%d" % (500 - len(buffer) - 1)


def test_memory_is_bounded_in_packets():
    buffer = JitterBuffer()
    for step in range(4 * MAX_PACKETS):
        buffer.put(step, 120 * step, 120, b"short", 10 + 0.0025 * step)
    assert len(buffer) == MAX_PACKETS


def test_delay_has_a_ceiling():
    buffer = filled(*range(45))
    frame = buffer.get(10.9)
    assert frame.delay <= MAX_DELAY
    assert buffer.statistics.discarded > 0


def test_surplus_silence_is_dropped():
    buffer = filled(*range(20), silence=True)
    frame = buffer.get(10.40)
    assert frame.delay < 0.07
    assert buffer.statistics.discarded > 10


@pytest.mark.parametrize("duration", [0, -1, 5_761])
def test_impossible_durations_are_refused(duration):
    with pytest.raises(ValueError, match="cannot last"):
        JitterBuffer().put(0, 0, duration, b"", 0.0)


def test_time_held_by_the_server_is_no_jitter():
    buffer = JitterBuffer()
    for step in range(20):
        held = TICK * (20 - step)
        buffer.put(step, 960 * step, 960, b"", 10.4, held=held)
    for step in range(20, 200):
        buffer.put(step, 960 * step, 960, b"", 10 + TICK * step)
        buffer.get(10 + TICK * step)
    assert buffer.statistics.target_ms <= 40


# --- whole networks, in virtual time


def test_clean_network_has_little_delay():
    buffer, played = play(punctual(1_500))
    assert delays(played).mean() < 45
    assert buffer.statistics.target_ms == 20
    assert buffer.statistics.late == 0
    assert kinds(played)[KINDS.PACKET] == 1_500


def test_half_gaussian_jitter_up_to_30_ms():
    jitter = np.minimum(np.abs(np.random.default_rng(3).normal(0, 0.015, 5_000)), 0.030)
    buffer, played = play(5 + TICK * np.arange(5_000) + jitter)
    assert delays(played).mean() <= 60
    assert buffer.statistics.late < 0.005 * 5_000


def test_exponential_jitter_of_20_ms():
    jitter = np.random.default_rng(3).exponential(0.020, 5_000)
    buffer, played = play(5 + TICK * np.arange(5_000) + jitter)
    assert delays(played).mean() <= 110
    assert buffer.statistics.late < 0.02 * 5_000


def test_stalls_cost_pauses_and_no_words():
    random = np.random.default_rng(4)
    arrivals = punctual(3_000)
    for start in range(200, 3_000, 200):
        stall = random.uniform(0.15, 0.25)
        stalled = arrivals[start : start + 13]
        np.maximum(stalled, arrivals[start] + stall, out=stalled)
    buffer, played = play(np.maximum.accumulate(arrivals))
    assert kinds(played)[KINDS.PACKET] == 3_000
    assert delays(played).mean() < 200
    # Only the first stalls are heard in full: then the buffer expects them.
    assert buffer.statistics.concealed_ms < 14 * 200 / 2
    assert buffer.statistics.late < 0.01 * 3_000


def test_delay_shrinks_after_a_stall_without_losing_speech():
    arrivals = punctual(2_000)
    arrivals[100:113] = np.maximum(arrivals[100:113], arrivals[100] + 0.25)
    _, played = play(np.maximum.accumulate(arrivals))
    assert delays(played)[112] > 200
    assert delays(played)[-1] < 50
    assert kinds(played)[KINDS.PACKET] == 2_000


def test_delay_shrinks_at_once_in_a_pause():
    arrivals = punctual(1_200)
    arrivals[1_040:1_053] = np.maximum(arrivals[1_040:1_053], arrivals[1_040] + 0.15)
    timestamps = 960 * np.arange(1_200)
    arrivals[1_060:] += 20
    timestamps[1_060:] += 20 * 48_000
    _, played = play(np.maximum.accumulate(arrivals), timestamps=timestamps, options={1_059: {"end_of_talk": True}})
    assert delays(played)[1_059] > 100
    assert delays(played)[1_060] < 65


@pytest.mark.parametrize("ppm", [100, -100])
def test_clock_drift_over_ten_minutes(ppm):
    packets = 30_000
    jitter = np.random.default_rng(5).uniform(0, 0.004, packets)
    buffer, played = play(5 + TICK * (1 + ppm * 1e-6) * np.arange(packets) + jitter)
    assert kinds(played)[KINDS.PACKET] == packets
    assert buffer.statistics.late <= 2
    assert buffer.statistics.concealed_ms <= MAX_CONCEAL_MS + 40
    assert delays(played)[100:].max() <= 60


def test_speed_changes_by_no_more_than_five_per_cent():
    arrivals = punctual(1_000)
    arrivals[100:113] = np.maximum(arrivals[100:113], arrivals[100] + 0.25)
    _, played = play(np.maximum.accumulate(arrivals))
    adjustments = [frame.adjust for _, frame in played if frame.kind is KINDS.PACKET]
    window = int(1 / MAX_SPEED_CHANGE)
    changed = np.convolve(np.abs(adjustments), np.ones(window))
    assert 0 < changed.max() <= MAX_SPEED_CHANGE * 960 * window + 480


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


@pytest.mark.parametrize("pattern", ["independent", "bursts of 4", "bursts of 15"])
def test_losses_do_not_move_the_delay(pattern):
    arrivals = punctual(3_000)
    lost = loss(pattern, 3_000)
    arrivals[lost] = np.nan
    buffer, played = play(arrivals)
    assert buffer.statistics.lost == lost.sum()
    assert kinds(played)[KINDS.PACKET] == 3_000 - lost.sum()
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
    assert kinds(played)[KINDS.FEC] > 0.8 * lost.sum()


def test_discontinuous_transmission_is_not_loss():
    talk = [index for start in range(0, 3_000, 300) for index in range(start, start + 150)]
    quiet = [index for start in range(150, 3_000, 300) for index in range(start, start + 150, 20)]
    sent = np.array(sorted(talk + quiet))
    arrivals = punctual(3_000)[sent]
    options = {position: {"silence": True} for position, index in enumerate(sent) if index in set(quiet)}
    buffer, played = play(arrivals, timestamps=960 * sent, options=options)
    assert set(kinds(played)) == {KINDS.PACKET, KINDS.SILENCE}
    assert (buffer.statistics.lost, buffer.statistics.late) == (0, 0)


def test_simulation_is_deterministic():
    jitter = np.random.default_rng(7).exponential(0.02, 500)
    assert play(5 + TICK * np.arange(500) + jitter)[1] == play(5 + TICK * np.arange(500) + jitter)[1]


# --- anything at all


class AnyNetwork(RuleBasedStateMachine):
    """Packets with any numbers at any time: the buffer stays bounded, and plays each packet once and in order."""

    def __init__(self):
        super().__init__()
        self.buffer = JitterBuffer()
        self.now = 100.0
        self.sent = 0
        self.base = 0
        self.timestamp = 0
        self.played = []
        self.put_count = 0

    def put(self, sequence, timestamp, duration, **options):
        before = self.buffer.statistics
        self.put_count += 1
        result = self.buffer.put(
            sequence % 2**32, timestamp % 2**32, duration, b"%d" % self.put_count, self.now, **options
        )
        after = self.buffer.statistics
        assert after.received == before.received + 1
        assert (result is PutResult.RESYNC) == (after.resyncs == before.resyncs + 1)
        assert (result is PutResult.DUPLICATE) == (after.duplicate == before.duplicate + 1)
        if result is PutResult.RESYNC:
            self.played.clear()
            assert len(self.buffer) == 1

    @rule(count=st.integers(1, 30), flags=st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def speak(self, count, flags):
        end_of_talk, silence, fec = flags
        for step in range(count):
            last = step == count - 1
            self.put(
                self.sent, self.timestamp, 960, fec=fec, end_of_talk=end_of_talk and last, silence=silence and last
            )
            self.sent += 1
            self.timestamp += 960
            self.tick(1)

    @rule(packets=st.integers(1, 40))
    def lose(self, packets):
        self.sent += packets
        self.timestamp += 960 * packets

    @rule(back=st.integers(0, 3_000), shift=st.sampled_from([0, 0, 120, -960, 10**6]), duration=st.integers(1, 5_760))
    def old_packet(self, back, shift, duration):
        self.put(self.sent - back, self.timestamp - 960 * back + shift, duration)

    @rule(sequence=st.integers(0, 2**32 - 1), timestamp=st.integers(0, 2**32 - 1), duration=st.integers(1, 5_760))
    def any_packet(self, sequence, timestamp, duration):
        self.put(sequence, timestamp, duration)

    @rule(ahead=st.integers(-50, 50), samples=st.integers(-48_000, 48_000), held=st.floats(0, 2))
    def odd_packet(self, ahead, samples, held):
        self.put(self.sent + ahead, self.timestamp + samples, 960, held=held)

    @rule(ticks=st.integers(1, 60))
    def tick(self, ticks):
        for _ in range(ticks):
            frame = self.buffer.get(self.now)
            assert 0 < frame.duration <= 5_760
            assert abs(frame.adjust) <= frame.duration // 2
            assert (frame.payload is not None) == (frame.kind in (KINDS.PACKET, KINDS.FEC))
            assert (frame.timestamp is None) == (frame.kind in (KINDS.LATE, KINDS.SILENCE))
            if frame.timestamp is not None:
                self.played.append(frame)
            self.now += TICK

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds):
        self.now += seconds

    @invariant()
    def memory_is_bounded(self):
        assert len(self.buffer) <= MAX_PACKETS
        assert self.buffer.buffered <= MAX_BUFFERED_MS * 48 + 5_760

    @invariant()
    def output_is_monotone_and_unique(self):
        for before, after in zip(self.played, self.played[1:], strict=False):
            step = (after.timestamp - before.timestamp + 2**31) % 2**32 - 2**31
            assert step >= before.duration
        packets = [frame.payload for frame in self.played if frame.kind is KINDS.PACKET]
        assert len(packets) == len(set(packets))
        del self.played[:-1]


AnyNetwork.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnyNetwork = AnyNetwork.TestCase
