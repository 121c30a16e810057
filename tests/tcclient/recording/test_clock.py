import random
from itertools import pairwise

import pytest

from tcclient.recording.clock import MAX_LAG, MAX_SLEW, ClockMapping, MediaClock, Unwrapper

WRAP = 1 << 32


def test_mappings_near_the_wrap() -> None:
    mapping = ClockMapping(WRAP - 48_000, 5_000_000)
    assert mapping.time_of(0, 48_000) == 6_000_000
    assert mapping.time_of(WRAP - 96_000, 48_000) == 4_000_000


@pytest.mark.parametrize("rate", [48_000, 90_000])
@pytest.mark.parametrize("first", [0, 1 << 31, WRAP - 5])
@pytest.mark.parametrize("step", [0.02, 10.0, 3600.0, 20 * 3600.0])
def test_timestamps_go_on_for_days_and_across_pauses(rate: int, first: int, step: float) -> None:
    unwrapper = Unwrapper(rate)
    for number in range(50):
        true = first + round(number * step * rate)
        assert unwrapper.ticks(true % WRAP, 7.0 + number * step + 0.3 * (number % 3)) == true


def test_packets_out_of_order_keep_their_ticks() -> None:
    unwrapper, order = Unwrapper(48_000), list(range(200))
    random.Random(1).shuffle(order)
    assert unwrapper.ticks(WRAP - 96_000, 0.0) == WRAP - 96_000
    for number in order:
        true = WRAP - 96_000 + 960 * number
        assert unwrapper.ticks(true % WRAP, 4.0) == true


def test_a_clock_follows_a_sound_card_that_is_off() -> None:
    clock, rate = MediaClock(48_000), 48_000 * 1.0002
    before = -1
    for second in range(0, 12 * 3600, 10):
        ticks = round(second * rate)
        clock.map(ClockMapping(ticks % WRAP, second * 1_000_000))
        time = clock.time_of(ticks)
        assert abs(time - second * 1_000_000) < 5_000
        assert time > before
        before = time


def test_a_pause_of_the_sender_is_a_jump_and_time_never_goes_back() -> None:
    clock = MediaClock(90_000)
    clock.map(ClockMapping(0, 0))
    assert clock.time_of(90_000) == 1_000_000
    clock.map(ClockMapping(90_000, 1_000_000 + MAX_LAG + 1))
    assert clock.time_of(90_001) == pytest.approx(1_000_000 + MAX_LAG + 12, abs=2)
    clock.map(ClockMapping(90_001, 0))
    times = [clock.time_of(90_001 + 3600 * number) for number in range(50)]
    steps = [b - a for a, b in pairwise(times)]
    assert min(steps) >= 40_000 * (1 - MAX_SLEW) - 2
    assert max(steps) <= 40_000


def test_what_is_older_than_the_newest_is_placed_beside_it() -> None:
    clock = MediaClock(48_000)
    assert not clock.known
    clock.map(ClockMapping(48_000, 1_000_000))
    assert [clock.time_of(ticks) for ticks in (96_000, 48_000, 0)] == [2_000_000, 1_000_000, 0]
