"""How much is sent on a way that loses by chance."""

from __future__ import annotations

import pytest

from tcclient.core.rate.ceiling import FULL, LEFT, LEFT_BY_LOSS, REMEMBERED, RISE, Ceiling

STEP = 0.1
RATE = 256e3


def steps(ceiling: Ceiling, start: float, seconds: float, wait: float, sent: float = RATE) -> float:
    """Take the same for a while; return when it ends."""
    count = round(seconds / STEP)
    for n in range(count):
        ceiling.update(start + n * STEP, STEP, wait, sent, 0.1)
    return start + count * STEP


def test_without_a_full_link_nothing_is_known() -> None:
    ceiling = Ceiling()
    steps(ceiling, 0.0, 60.0, FULL / 2)
    assert ceiling.bitrate == float("inf")
    steps(ceiling, 60.0, 1.0, FULL, sent=0.0)
    assert ceiling.bitrate == float("inf"), "too little came to tell"
    assert not ceiling.is_known


def test_once_known_it_stays_so_also_after_days_without_a_full_link() -> None:
    ceiling = Ceiling()
    ceiling.update(0.0, STEP, FULL, RATE, 0.1)
    for second in range(40_000):
        ceiling.update(second, 1.0, 0.0, RATE, 0.1)
    assert ceiling.is_known


@pytest.mark.parametrize("floor", [0.0, 0.05, 0.2])
def test_the_more_is_lost_the_more_is_left(floor: float) -> None:
    ceiling = Ceiling()
    ceiling.update(0.0, STEP, FULL, RATE, floor)
    assert ceiling.bitrate == pytest.approx((1 - LEFT - LEFT_BY_LOSS * floor) * RATE)


def test_it_rises_slowly_while_the_link_is_not_full() -> None:
    ceiling = Ceiling()
    now = steps(ceiling, 0.0, 1.0, FULL)
    full = ceiling.bitrate
    steps(ceiling, now, 5.0, 0.0)
    assert ceiling.bitrate == pytest.approx(full * (1 + 5 * RISE), rel=0.02)


def test_a_moment_with_less_tells_nothing_until_the_others_are_long_ago() -> None:
    ceiling = Ceiling()
    now = steps(ceiling, 0.0, STEP, FULL)
    full = ceiling.bitrate
    now = steps(ceiling, now, REMEMBERED - 1, FULL, RATE / 2)
    assert ceiling.bitrate == full
    steps(ceiling, now, 2.0, FULL, RATE / 2)
    assert ceiling.bitrate == pytest.approx(full / 2)


def test_it_goes_down_at_once_where_a_link_begins_to_lose() -> None:
    """Also where the link was full long ago."""
    ceiling = Ceiling()
    ceiling.update(0.0, STEP, FULL, RATE, 0.0)
    before = ceiling.bitrate
    ceiling.update(STEP, STEP, 0.0, RATE, 0.2)
    assert ceiling.bitrate == pytest.approx(before * (1 - LEFT - LEFT_BY_LOSS * 0.2) / (1 - LEFT), rel=0.01)
