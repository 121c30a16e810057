from __future__ import annotations

import pytest

from tcclient.capture.pacing import MAX_CATCH_UP, TOO_LATE, Schedule, Timeline


def test_deadlines_do_not_drift_over_an_hour() -> None:
    schedule, now = Schedule(Timeline(100.0), 0.02), 100.0
    for frame in range(180_000):
        now += schedule.wait(frame * 0.02, now) + 0.003  # each frame costs 3 ms of its time
    assert now == pytest.approx(100.0 + 179_999 * 0.02 + 0.003, abs=0.001)
    assert schedule.timeline.skipped == 0


def test_short_delay_is_caught_up() -> None:
    schedule = Schedule(Timeline(0.0), 0.02)
    waits = [schedule.wait(frame * 0.02, 0.1) for frame in range(3, 7)]
    assert waits == [0.0, 0.0, 0.0, pytest.approx(0.02)]
    assert schedule.timeline.skipped == 0


def test_long_delay_moves_the_schedule_instead_of_bursting() -> None:
    schedule = Schedule(Timeline(0.0), 0.02)
    assert schedule.wait(0.0, 5.0) == 0.0
    assert schedule.timeline.skipped == pytest.approx(5.0)
    assert schedule.wait(0.02, 5.0) == pytest.approx(0.02)


def test_catch_up_is_bounded() -> None:
    schedule, now = Schedule(Timeline(0.0), 0.02), 0.0
    now = MAX_CATCH_UP * 0.02
    at_once = 0
    while schedule.wait(at_once * 0.02, now) == 0.0:
        at_once += 1
    assert at_once == MAX_CATCH_UP + 1


def test_streams_of_one_timeline_stay_in_step() -> None:
    timeline = Timeline(0.0)
    sound, picture = Schedule(timeline, 0.02), Schedule(timeline, 0.04)
    assert sound.wait(0.0, 0.5) == 0.0
    assert picture.wait(0.04, 0.5) == pytest.approx(0.04)


def test_pictures_leave_frames_out_and_never_hold_sound_up() -> None:
    timeline = Timeline(0.0)
    sound, picture = Schedule(timeline, 0.02), Schedule(timeline, 0.04, follows=True)
    assert picture.wait(0.0, 0.5) == 0.0
    assert timeline.skipped == 0
    assert picture.too_late(0.0, TOO_LATE + 0.01)
    assert not picture.too_late(0.04, TOO_LATE)
    assert not sound.too_late(0.0, TOO_LATE + 0.01)
