import pytest

from tcclient.core.path.statistics import FULL_QUEUE, RECENT, RECENT_STEP, LossMeter, PathStatistics
from tests.support.memory import largest_table

NOW = 1000.0


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


def test_downlink_delay_over_the_wrap():
    statistics = PathStatistics()
    statistics.measured(0.1, -7_000_000)
    assert statistics.downlink_delay(2**32 - 7_000_000 - 10_000, 0.02) == pytest.approx(0.03)
    statistics.measured(0.2, 99)
    assert statistics.clock_offset == 2**32 - 7_000_000, "the quickest pong is the best"
    assert (statistics.rtt, statistics.least_rtt) == (pytest.approx(0.1125), 0.1)


def test_losses_before_a_meter_began_do_not_count():
    meter = LossMeter(100, 50)
    meter.mark(10.0, 100, 50)
    assert meter.recent(100, 50) == 0.0
    assert meter.recent(200, 60) == 0.1
    assert meter.sent(200) == 100
