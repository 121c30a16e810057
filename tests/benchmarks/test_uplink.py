"""What ``benchmarks uplink`` says of a meeting."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.commands.uplink import THIN, rated, thin
from benchmarks.harness.virtual_publisher import Meeting, Sample


def meeting(queues: list[tuple[float, float]], rate: float) -> Meeting:
    """Return a meeting in which so many bits per second arrive, and the queue is as long from each time on."""
    times = [n / 100 for n in range(2000)]
    queue = [[long for start, long in queues if start <= at][-1] for at in times]
    samples = [Sample(at, long, round(at * rate), 20) for at, long in zip(times, queue, strict=True)]
    return Meeting(np.zeros(0, np.int16), samples)


def test_a_thin_line_is_rated_from_five_seconds_on() -> None:
    result = rated(meeting([(0, 0.4), (5, 0.02)], THIN / 2), 3.0, 20, None)
    assert result.used == pytest.approx(50, abs=1)
    assert (result.queue, result.queue_p95, result.down) == (pytest.approx(20), pytest.approx(20), 0)


def test_a_fall_is_settled_when_the_queue_is_short_and_stays_so() -> None:
    queues = [(0, 0.0), (12, 0.3), (13, 0.05), (13.5, 0.2), (14.0, 0.01)]
    assert rated(meeting(queues, 6e5), 3.0, 20, 12.0).down == pytest.approx(2.0, abs=0.02)
    assert rated(meeting([(0, 0.0)], 6e5), 3.0, 20, 12.0).down == 0


def test_a_short_meeting_has_sound_and_pictures() -> None:
    time = np.arange(72_000) / 48_000
    held = thin((6000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16), 0.0, 1)
    assert held.pictures > 10
    assert held.keyframes >= 1
    assert np.abs(held.mix).max() > 3000
    assert held.rate(0.5, 1.5) > 0.2 * THIN
