import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcclient.core.beacons import GENERATIONS, BeaconSchedule
from tcclient.core.statistics import LATE, TRANSIT_MEMORY, PathStatistics, RelayClock, StreamStatistics
from tcproto.sender_key import SenderKey

NOW = 1000.0


@given(st.integers(0, 65535), st.integers(1, 200), st.data())
def test_loss_over_the_wrap_in_any_order(first, count, data):
    """Forward numbers are contiguous, so what is missing between the ends was lost."""
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


def test_the_relay_clock_unwraps():
    clock = RelayClock()
    for step in range(40):
        relay = int((4290 + step) * 1e6) % 2**32
        _, delay = clock.transit(relay, NOW + step)
        assert delay == pytest.approx(0, abs=1e-6)
    _, delay = clock.transit(relay, NOW + 39.25)
    assert delay == pytest.approx(0.25, abs=1e-6)
    _, delay = clock.transit(int((4290 + 38.5) * 1e6) % 2**32, NOW + 39.25)
    assert delay == pytest.approx(0.75, abs=1e-6)


def test_the_relay_clock_forgets_a_route_that_was_quicker():
    clock = RelayClock()
    assert clock.transit(0, NOW)[1] == 0
    delays = [clock.transit(int(step * 1e6), NOW + step + 0.5)[1] for step in range(1, int(3 * TRANSIT_MEMORY))]
    assert delays[0] == pytest.approx(0.5)
    assert delays[-1] == pytest.approx(0.0)


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
    schedule.pause()
    schedule.key_changed(key._replace(number=3), 14.0)
    assert schedule.next_deadline == float("inf")
