"""What ``benchmarks uplink`` says of a meeting."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.commands.uplink import FALL_AT, LEARNT, THIN, Row, rated, rated_fall, thin
from benchmarks.harness.signal_comparison import Sound
from benchmarks.harness.virtual_publisher import Meeting, Sample

QUIET = np.zeros(0, np.int16)


def meeting(queues: list[tuple[float, float]], rate: float, seconds: float = 20) -> Meeting:
    """Return a meeting in which so many bits per second arrive, and the queue is as long from each time on."""
    times = [n / 100 for n in range(round(100 * seconds))]
    queue = [[long for start, long in queues if start <= at][-1] for at in times]
    samples = [Sample(at, long, round(at * rate), 20) for at, long in zip(times, queue, strict=True)]
    return Meeting(np.zeros(0, np.int16), samples)


def loudness(rate: int, said: Sound, heard: Sound, mode: str) -> float:
    """Stand for PESQ: tell which part of the call is rated by its loudness."""
    return round(float(np.median(heard)), -2)


def test_a_thin_line_is_rated_from_five_seconds_on() -> None:
    result = rated(loudness, Row(0.1), meeting([(0, 0.4), (5, 0.02)], THIN / 2), QUIET, 20)
    assert result.used == pytest.approx(50, abs=1)
    assert (result.queue, result.queue_p95, result.down) == (pytest.approx(20), pytest.approx(20), 0)
    assert result.learning == 0


def test_a_line_that_begins_to_lose_is_rated_when_that_may_be_known_and_before() -> None:
    known = FALL_AT + LEARNT
    held = meeting([(0, 0.4), (known, 0.02)], THIN / 2, known + 10)
    held.mix = np.full(round((known + 10) * 48_000), 1000, np.int16)
    held.mix[round(FALL_AT * 48_000) : round(known * 48_000)] = 2000
    held.mix[round(known * 48_000) :] = 3000
    result = rated(loudness, Row(0.1, before=0.0), held, held.mix, known + 10)
    assert (result.mos, result.learning) == (3000, 2000)
    assert (result.queue, result.queue_p95) == (pytest.approx(20), pytest.approx(20))


def test_a_fall_is_settled_when_the_queue_is_short_and_stays_so() -> None:
    queues = [(0, 0.0), (12, 0.3), (13, 0.05), (13.5, 0.2), (14.0, 0.01)]
    assert rated_fall(loudness, meeting(queues, 6e5), QUIET, 20, 12.0).down == pytest.approx(2.0, abs=0.02)
    assert rated_fall(loudness, meeting([(0, 0.0)], 6e5), QUIET, 20, 12.0).down == 0


def test_a_short_meeting_has_sound_and_pictures() -> None:
    time = np.arange(72_000) / 48_000
    held = thin((6000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16), Row(0.0), 1)
    assert held.pictures > 10
    assert held.keyframes >= 1
    assert np.abs(held.mix).max() > 3000
    assert held.rate(0.5, 1.5) > 0.2 * THIN
