import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.core.media.statistics import ENOUGH_LOST, FEW_LOST, LossRuns, StreamStatistics
from tcproto.transit import LATE


@given(st.integers(0, 65535), st.integers(1, 200), st.data())
def test_loss_over_the_wrap_in_any_order(first, count, data):
    """Forward numbers are contiguous, so a missing number between the ends is a loss."""
    numbers = list(range(first, first + count))
    kept = data.draw(st.lists(st.sampled_from(numbers), unique=True, min_size=1))
    counts = StreamStatistics()
    for number in kept:
        counts.count(number & 0xFFFF, None, 0.0)
    assert counts.received == len(kept)
    assert counts.lost == max(kept) - min(kept) + 1 - len(kept)
    assert counts.jitter_ms == 0.0


def test_nothing_received_is_nothing_lost():
    assert StreamStatistics().lost == 0


def test_jitter_is_that_of_rfc_3550_and_late_is_late():
    counts = StreamStatistics()
    for number, transit in enumerate((5.0, 5.016, 5.0)):
        counts.count(number, transit, transit - 5.0)
    assert counts.jitter_ms == pytest.approx(1 + (16 - 1) / 16)
    counts.count(3, 5.0 + LATE, LATE)
    assert counts.late == 1


def test_a_series_that_begins_again_lost_nothing_meanwhile():
    counts = StreamStatistics()
    assert [counts.count(number, None, 0.0) for number in (5, 6, 9, 7)] == [1, 1, 3, 0]
    assert (counts.expected, counts.received, counts.lost) == (5, 4, 1)
    counts.restart()
    assert [counts.count(number, None, 0.0) for number in (40_000, 40_002, 39_999)] == [1, 2, 1]
    assert (counts.expected, counts.received, counts.lost) == (9, 7, 2)


def test_what_was_missed_before_a_series_began_again_is_not_expected_twice():
    counts = StreamStatistics()
    assert [counts.count(number, None, 0.0) for number in (5, 8)] == [1, 3]
    counts.restart()
    counts.restart()
    assert [counts.count(number, None, 0.0) for number in (11, 6, 10, 9, 7)] == [1, 2, 0, 0, 0]
    assert (counts.expected, counts.received, counts.lost) == (7, 7, 0)


def test_losses_that_come_in_bursts():
    runs = LossRuns()
    for n in range(ENOUGH_LOST // 2):
        assert not runs.are_bursts(False), "too few"
        runs.lost(2, float(n))
    assert runs.are_bursts(False)
    for n in range(2):
        runs.lost(1, 4.0 + n / 2)
    assert (runs.are_bursts(False), runs.are_bursts(True)) == (False, True)
    for n in range(10):
        runs.lost(1, 8.0 + n / 2)
    assert not runs.are_bursts(True)


def test_long_runs_tell_soon():
    runs = LossRuns()
    runs.lost(FEW_LOST - 1, 0.0)
    assert not runs.are_bursts(False)
    runs = LossRuns()
    runs.lost(FEW_LOST, 0.0)
    assert runs.are_bursts(False)
    runs.lost(1, 1.0)
    assert (runs.are_bursts(False), runs.are_bursts(True)) == (False, True)
