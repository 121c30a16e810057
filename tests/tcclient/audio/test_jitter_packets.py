"""The jitter buffer with one stream, packet by packet."""

import pytest

from tcclient.audio.frame import FrameKind
from tcclient.audio.jitter import (
    MAX_BUFFERED_MS,
    MAX_CONCEAL_MS,
    MAX_DELAY,
    MAX_PACKETS,
    MAX_REORDER,
    RESYNC_JUMP,
    JitterBuffer,
    PutResult,
)
from tests.support.packets import put, sound_packet

TICK = 0.02


def filled(*sequences, **options):
    """A buffer whose packets, 960 samples each, arrived on time, and that has been played up to the first of them."""
    buffer = JitterBuffer()
    for sequence in sequences:
        put(buffer, sequence, 960 * sequence, 960, b"%d" % sequence, 9.98 + TICK * sequence, **options)
    return buffer


def drain(buffer, start, count):
    return [buffer.get(start + TICK * index) for index in range(count)]


def test_empty_buffer_gives_silence():
    buffer = JitterBuffer()
    assert buffer.get(1.0).kind is FrameKind.SILENCE
    assert buffer.statistics.silence_ms == 20
    assert (len(buffer), buffer.buffered) == (0, 0)


def test_first_packet_waits_for_the_start_target():
    buffer = JitterBuffer()
    put(buffer, 7, 70_000, 960, b"first", 1.0)
    assert [buffer.get(1.0 + wait).kind for wait in (0, 0.02, 0.04, 0.0601)] == [
        *[FrameKind.SILENCE] * 3,
        FrameKind.PACKET,
    ]


def test_order_is_restored():
    buffer = filled(1, 0, 3, 2)
    frames = drain(buffer, 10.06, 4)
    # Number 1 defined the beginning; what comes before it is played all the same, since nothing was played yet.
    assert [frame.payload for frame in frames] == [b"0", b"1", b"2", b"3"]
    assert [frame.timestamp for frame in frames] == [0, 960, 1_920, 2_880]


def test_gap_is_concealed_and_counted_as_lost():
    buffer = filled(0, 2)
    frames = drain(buffer, 10.05, 3)
    assert [frame.kind for frame in frames] == [FrameKind.PACKET, FrameKind.CONCEAL, FrameKind.PACKET]
    assert (frames[1].timestamp, frames[1].duration, frames[1].payload) == (960, 960, None)
    assert (buffer.statistics.lost, buffer.statistics.concealed_ms) == (1, 20)


def test_gap_before_a_packet_with_fec_is_recovered():
    buffer = filled(0, 3, fec=True)
    frames = drain(buffer, 10.07, 4)
    assert [frame.kind for frame in frames] == [FrameKind.PACKET, FrameKind.CONCEAL, FrameKind.FEC, FrameKind.PACKET]
    assert (frames[2].payload, frames[2].timestamp) == (b"3", 1_920)
    assert (buffer.statistics.lost, buffer.statistics.fec_ms, buffer.statistics.concealed_ms) == (2, 20, 20)


def test_long_gap_is_concealed_then_lost():
    buffer = filled(0, 10)
    frames = drain(buffer, 10.21, 11)
    concealed = MAX_CONCEAL_MS // 20
    assert [frame.kind for frame in frames] == (
        [FrameKind.PACKET] + [FrameKind.CONCEAL] * concealed + [FrameKind.LOST] * (9 - concealed) + [FrameKind.PACKET]
    )
    assert buffer.statistics.lost_ms == 20 * (9 - concealed)
    assert buffer.statistics.lost == 9


def test_late_packet_is_waited_for_and_played():
    buffer = filled(0)
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [FrameKind.PACKET, FrameKind.LATE, FrameKind.LATE]
    assert put(buffer, 1, 960, 960, b"1", 10.105) is PutResult.QUEUED
    frame = buffer.get(10.11)
    assert (frame.kind, frame.payload) == (FrameKind.PACKET, b"1")
    assert frame.delay == pytest.approx(0.11)
    assert (buffer.statistics.late, buffer.statistics.lost) == (1, 0)


def test_waiting_counts_towards_a_gap():
    buffer = filled(0)
    assert [frame.kind for frame in drain(buffer, 10.05, 2)] == [FrameKind.PACKET, FrameKind.LATE]
    put(buffer, 2, 1_920, 960, b"2", 10.08)
    assert buffer.get(10.09).payload == b"2"
    assert put(buffer, 1, 960, 960, b"1", 10.1) is PutResult.LATE
    assert (buffer.statistics.lost, buffer.statistics.late) == (1, 1)


def test_stream_that_dries_up_falls_silent():
    frames = drain(filled(0), 10.05, 8)
    waits = MAX_CONCEAL_MS // 20
    assert [frame.kind for frame in frames] == [FrameKind.PACKET] + [FrameKind.LATE] * waits + [FrameKind.SILENCE] * (
        7 - waits
    )


@pytest.mark.parametrize("flag", ["end_of_talk", "comfort"])
def test_nothing_is_concealed_after_the_end(flag):
    buffer = filled(0, **{flag: True})
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [FrameKind.PACKET, FrameKind.SILENCE, FrameKind.SILENCE]
    put(buffer, 4, 19_200, 960, b"4", 10.4)
    assert [frame.kind for frame in drain(buffer, 10.41, 3)] == [FrameKind.SILENCE] * 2 + [FrameKind.PACKET]
    assert (buffer.statistics.lost, buffer.statistics.concealed_ms) == (0, 0)


def test_gap_of_time_without_gap_of_numbers_is_a_pause():
    buffer = filled(0)
    put(buffer, 1, 960 * 11, 960, b"1", 10.22)
    assert [frame.kind for frame in drain(buffer, 10.05, 3)] == [FrameKind.PACKET, FrameKind.SILENCE, FrameKind.SILENCE]
    assert buffer.get(10.27).payload == b"1"
    assert buffer.statistics.lost == 0


def test_duplicates_are_told_from_late_packets():
    buffer = filled(0, 1, 3)
    assert put(buffer, 3, 2_880, 960, b"again", 10.07) is PutResult.DUPLICATE
    drain(buffer, 10.07, 4)
    assert put(buffer, 1, 960, 960, b"again", 10.08) is PutResult.DUPLICATE
    assert put(buffer, 2, 1_920, 960, b"2", 10.08) is PutResult.LATE
    assert (buffer.statistics.duplicate, buffer.statistics.late) == (2, 1)


def test_numbers_wrap():
    buffer = JitterBuffer()
    for step in range(200):
        number, timestamp = (2**32 - 100 + step) % 2**32, (2**32 - 96_000 + 960 * step) % 2**32
        assert put(buffer, number, timestamp, 960, b"%d" % step, 10 + TICK * step) is PutResult.QUEUED
        frame = buffer.get(10.061 + TICK * step)
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
        put(buffer, step, 960 * step, 960, b"old", now)
        buffer.get(now)
        now += TICK
    assert put(buffer, sequence, timestamp, 960, b"new", now) is PutResult.RESYNC
    assert (len(buffer), buffer.statistics.resyncs) == (1, 1)
    frames = drain(buffer, now, 4)
    assert {frame.payload for frame in frames} == {None, b"new"}
    assert put(buffer, sequence + 1, timestamp + 960, 960, b"next", now + TICK) is PutResult.QUEUED


def test_the_last_packet_of_a_talk_that_is_repaired_late_moves_no_clock():
    """Nothing follows it that would tell at once that it is missing."""
    buffer = filled(0, 1, 3)
    packet = sound_packet(4, 4 * 960, b"4", 10.08 + RESYNC_JUMP + 0.1)._replace(repaired=True)
    assert buffer.put(packet, 960) is PutResult.LATE
    assert (buffer.statistics.resyncs, buffer.statistics.late) == (0, 1)


def test_old_packet_with_a_wild_timestamp_is_only_late():
    buffer = filled(0, 1, 3)
    drain(buffer, 10.07, 4)
    target = buffer.statistics.target_ms
    assert put(buffer, 2, 2**31 - 1, 960, b"wild", 10.08) is PutResult.LATE
    assert buffer.statistics.target_ms == target


def test_overlapping_packets_are_dropped():
    buffer = JitterBuffer()
    for step in range(3):
        put(buffer, step, 100 * step, 960, b"%d" % step, 10.0)
    assert [frame.payload for frame in drain(buffer, 10.07, 2)] == [b"0", None]
    assert buffer.statistics.late == 2


def test_a_sender_that_numbers_against_time_moves_the_play_out_nowhere_back():
    buffer = JitterBuffer()
    put(buffer, 36, 0, 960, b"numbered later", 10.0)
    put(buffer, 35, 33_600, 960, b"numbered earlier", 10.0)
    timestamps = []
    for step in range(49, 80):
        put(buffer, step, 960 * step, 960, b"%d" % step, 10 + TICK * (step - 49))
        timestamps.append(buffer.get(10 + TICK * (step - 49)).timestamp)
    played = [timestamp for timestamp in timestamps if timestamp is not None]
    assert played == sorted(played)
    assert len(played) > 25
    assert buffer.statistics.late == 1


def test_memory_is_bounded_in_milliseconds():
    buffer = filled(*range(500))
    assert buffer.buffered <= MAX_BUFFERED_MS * 48
    assert buffer.statistics.discarded == 500 - len(buffer)
    assert buffer.get(20.0).payload == b"%d" % (500 - len(buffer) - 1)


def test_memory_is_bounded_in_packets():
    buffer = JitterBuffer()
    for step in range(4 * MAX_PACKETS):
        put(buffer, step, 120 * step, 120, b"short", 10 + 0.0025 * step)
    assert len(buffer) == MAX_PACKETS


def test_delay_has_a_ceiling():
    buffer = filled(*range(45))
    frame = buffer.get(10.88)
    assert frame.delay <= MAX_DELAY
    assert buffer.statistics.discarded > 0


def test_surplus_silence_is_dropped():
    buffer = filled(*range(20), comfort=True)
    frame = buffer.get(10.40)
    assert frame.delay < 0.07
    assert buffer.statistics.discarded > 10


@pytest.mark.parametrize("duration", [0, -1, 5_761])
def test_impossible_durations_are_refused(duration):
    with pytest.raises(ValueError, match="cannot last"):
        put(JitterBuffer(), 0, 0, duration, b"", 0.0)


def test_time_held_by_the_server_is_no_jitter():
    buffer = JitterBuffer()
    for step in range(20):
        held = TICK * (20 - step)
        put(buffer, step, 960 * step, 960, b"", 10.4, held=held)
    for step in range(20, 200):
        put(buffer, step, 960 * step, 960, b"", 10 + TICK * step)
        buffer.get(10 + TICK * step)
    assert buffer.statistics.target_ms <= 40


def test_repaired_packets_raise_the_delay_at_once_and_no_further_ones_are_late():
    """Each tenth packet is lost, and comes 0.1 s later. Waiting for the first ones makes up for the delay."""
    buffer, arrivals = JitterBuffer(), []
    for n in range(200):
        late = 0.1 if n % 10 == 9 else 0.0
        packet = sound_packet(n, 960 * n, b"%d" % n, 10 + TICK * n + late)._replace(repaired=late > 0)
        arrivals.append(packet)
    arrivals.sort(key=lambda packet: packet.received_at)
    frames = []
    for tick in range(190):
        now = 10.001 + TICK * tick
        while arrivals and arrivals[0].received_at <= now:
            buffer.put(arrivals.pop(0), 960)
        frames.append(buffer.get(now))
    assert buffer.statistics.late <= 3
    assert all(frame.kind is FrameKind.PACKET for frame in frames[60:])
    assert 100 <= buffer.statistics.delay_ms <= 140
    assert buffer.statistics.concealed_ms <= 140
