import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.core.media.statistics import (
    ENOUGH_LOST,
    FEW_LOST,
    FULL_QUEUE,
    RECENT,
    RECENT_STEP,
    LossMeter,
    LossRuns,
    PathStatistics,
    StreamStatistics,
)
from tcclient.core.membership.beacons import GENERATIONS, BeaconSchedule
from tcproto.sender_key import SenderKey
from tcproto.transit import LATE
from tests.support.memory import largest_table

NOW = 1000.0


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


def test_loss_of_late_forgets_what_was_before():
    meter, sent, lost = LossMeter(), 0, 0
    assert meter.recent(sent, lost) == 0.0
    for second in range(60):
        meter.mark(NOW + second, sent, lost)
        sent += 50
        lost += 10 if 20 <= second < 30 else 0
        expected = sum(20 <= at < 30 for at in range(max(0, second - 10), second + 1)) * 10
        assert meter.recent(sent, lost) == pytest.approx(expected / (50 * min(second + 1, 11)))
    assert meter.recent(sent, lost) == 0.0
    assert lost == 100


def test_counts_of_late_are_bounded_and_no_share_is_beyond_one():
    meter = LossMeter()
    for step in range(10_000):
        meter.mark(NOW + step / 100, step, 0)
    assert largest_table(meter) <= RECENT / RECENT_STEP + 2
    assert meter.recent(10_000, 20_000) == 1.0
    assert meter.recent(10_000, -5) == 0.0


def test_pings_tell_how_the_way_up_does():
    """The server's clock differs, wraps, and the third ping takes 300 ms longer."""
    statistics, begin = PathStatistics(), 2**32 - 2_500_000
    for second, (transit, overtaken) in enumerate([(0.05, False), (0.05, False), (0.35, True), (0.05, False)]):
        sent_at = int((NOW + second) * 1e6) % 2**32
        statistics.ping_arrived(sent_at, (begin + int((second + transit) * 1e6)) % 2**32, overtaken)
    assert (statistics.up_late, statistics.up_reordered) == (1, 1)
    assert statistics.up_jitter_ms == pytest.approx(300 / 16 + (300 - 300 / 16) / 16)
    statistics.up_counted(100, 20, NOW)
    assert statistics.up[:3] == (100, 20, 0.2)
    assert statistics.up.loss == 0.2
    assert statistics.up_loss() == (0.2, 100)
    for rtt in (0.1, 0.1 + 9 * FULL_QUEUE):
        statistics.measured(rtt, 0)
    assert statistics.up_loss() == (0.0, 0), "a queue is full"


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


def test_downlink_delay_over_the_wrap():
    statistics = PathStatistics()
    statistics.measured(0.1, -7_000_000)
    assert statistics.downlink_delay(2**32 - 7_000_000 - 10_000, 0.02) == pytest.approx(0.03)
    statistics.measured(0.2, 99)
    assert statistics.clock_offset == 2**32 - 7_000_000, "the quickest pong is the best"
    assert (statistics.rtt, statistics.least_rtt) == (pytest.approx(0.1125), 0.1)


def test_beacons_follow_the_key():
    schedule = BeaconSchedule(bytes)
    key = SenderKey(1, 0, bytes(32))
    schedule.begin(-10.0)
    for at in (-10.0, -9.0, -7.0):
        assert schedule.next_deadline == at
        schedule.sent(None, at)
    schedule.key_changed(key, 0.0)
    assert schedule.next_deadline == 0.0
    schedule.sent(key, 0.0)
    schedule.key_changed(key, 0.0)
    assert schedule.next_deadline == 10.0
    schedule.sent(key, 10.0)
    schedule.key_changed(key._replace(generation=GENERATIONS - 1), 11.0)
    assert schedule.next_deadline == 20.0
    schedule.key_changed(key._replace(generation=GENERATIONS), 12.0)
    assert schedule.next_deadline == 12.0
    schedule.sent(key, 12.0)
    schedule.key_changed(key._replace(number=2), 13.0)
    assert schedule.next_deadline == 13.0


def test_losses_before_a_meter_began_do_not_count():
    meter = LossMeter(100, 50)
    meter.mark(10.0, 100, 50)
    assert meter.recent(100, 50) == 0.0
    assert meter.recent(200, 60) == 0.1
    assert meter.sent(200) == 100
