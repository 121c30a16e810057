"""The estimator, on a narrow link in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, isfinite
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcclient.core.path.train import HEADERS
from tcclient.core.rate.arrivals import MAX_CLOCKS, STEP
from tcclient.core.rate.estimator import (
    CONGESTED,
    GENTLE_GROWTH,
    IN_USE,
    LEAST,
    MOST,
    MOST_LOST_AT_START,
    PAUSE_SHARE,
    START,
    RateEstimator,
)
from tcproto.serial import clock_us

PACKET_INTERVAL = 0.02
DELAY = 0.05


class Way:
    """A link of some bits per second, with a queue of 0.3 s, whose sender does what the estimator says."""

    delay = DELAY

    def __init__(self, capacity: float, loss: float = 0.0, jitter: float = 0.0, most: float = 2e6) -> None:
        self.estimator = RateEstimator(start=64e3, most=most)
        self.capacity = capacity
        self.use: Callable[[float], float] = lambda allowed: allowed
        self.now = 1000.0
        self.wait = 0.0
        self.loses: Callable[[float], float] = lambda rate: loss
        self.fill: Callable[[float], float] = lambda now: 0.0
        self._jitter = jitter
        self._random = Random(1)
        self._free_at = 0.0
        self._last = 0.0

    def run(self, seconds: float) -> list[float]:
        """Return the waits in the queue."""
        waits = []
        end = self.now + seconds
        while self.now < end:
            rate = self.use(self.estimator.bitrate)
            size = max(100, min(1000, int(rate * PACKET_INTERVAL / 8)))
            self.now += size * 8 / rate
            wait = max(self.fill(self.now), self._free_at - self.now)
            waits.append(wait)
            if wait > 0.3 or self._random.random() < self.loses(rate):
                self.estimator.missed(1)
            else:
                self._free_at = self.now + wait + size * 8 / self.capacity
                arrived = self._free_at + self.delay + abs(self._random.gauss(0, self._jitter))
                self._last = arrived = max(self._last, arrived)
                self.estimator.arrived(clock_us(self.now), arrived, size - HEADERS)
            if self._last >= self.estimator.next_deadline:
                self.estimator.handle_timeout(self._last)
        return waits


def test_it_finds_what_the_way_carries_and_leaves_the_queue_short() -> None:
    way = Way(1e6)
    way.run(10)
    waits = way.run(10)
    assert 0.9e6 < way.estimator.bitrate < 1.05e6
    assert sorted(waits)[len(waits) // 2] < 0.03
    assert not way.estimator.is_congested
    assert not way.estimator.is_application_limited


def test_it_goes_down_at_once_where_the_way_becomes_narrow() -> None:
    way = Way(1e6)
    way.run(15)
    way.capacity = 250e3
    way.run(1)
    assert way.estimator.is_congested
    assert way.estimator.queue_s > CONGESTED
    way.run(1)
    assert way.estimator.bitrate < 250e3
    way.run(4)
    assert not way.estimator.is_congested
    assert max(way.run(10)) < 0.15
    assert way.estimator.bitrate > 0.75 * 250e3


@pytest.mark.parametrize("narrow", [150e3, 300e3, 600e3])
def test_what_a_queue_has_lost_is_not_taken_for_chance_once_it_is_short(narrow: float) -> None:
    way = Way(2e6, most=1.5e6)
    way.run(20)
    way.capacity = narrow
    way.run(2.5)
    assert max(way.run(6)) < 0.04
    assert not way.estimator.is_lossy


def test_a_longer_way_is_soon_taken_for_what_it_is() -> None:
    way = Way(1e6)
    way.run(15)
    way.delay += 0.09
    way.run(15)
    assert way.estimator.queue_s < 0.05
    assert way.estimator.bitrate > 0.8e6


def test_a_policer_is_found_by_its_loss() -> None:
    way = Way(10e6)
    way.use = lambda allowed: min(allowed, 300e3)
    way.run(10)
    way.loses = lambda rate: max(0.0, 1 - 300e3 / rate)
    way.use = lambda allowed: allowed
    way.run(20)
    assert way.estimator.bitrate < 420e3


def test_beside_a_flow_that_fills_the_queue_it_keeps_its_share() -> None:
    way = Way(300e3)
    way.run(15)
    start = way.now
    way.fill = lambda now: 0.1 + 0.1 * ((now - start) % 2)
    way.run(30)
    assert way.estimator.bitrate > 100e3


def test_the_quickest_transit_is_that_of_the_last_minute() -> None:
    way = Way(10e6)
    way.use = lambda allowed: 50e3
    way.run(10)
    way.delay += 0.04
    way.run(10)
    assert way.estimator.queue_s > 0.03
    way.run(60)
    assert way.estimator.queue_s < 0.01


def test_of_many_clocks_the_oldest_is_forgotten() -> None:
    estimator = RateEstimator()
    for clock in range(MAX_CLOCKS + 1):
        for number in range(2):
            estimator.arrived(1000 * number, 100 + 0.001 * number, 100, clock)
    for clock in range(MAX_CLOCKS + 1):
        estimator.arrived(2000, 105.0, 100, clock)
    estimator.handle_timeout(105.1)
    assert estimator.queue_s == 0, "the clock that was forgotten begins anew"


@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_loss_of_the_link_does_not_pull_it_down(loss: float) -> None:
    way = Way(256e3, loss, jitter=0.015, most=512e3)
    way.run(40)
    assert way.estimator.bitrate > 0.8 * 256e3
    assert way.estimator.loss == pytest.approx(loss, abs=0.1)


@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_once_a_link_that_loses_was_full_its_queue_is_short(loss: float) -> None:
    """What is lost is sent again behind that queue."""
    way = Way(256e3, loss, most=512e3)
    way.run(15)
    way.use = lambda allowed: 1.2 * 256e3 / (1 - loss)
    way.run(1.5)
    way.use = lambda allowed: allowed
    way.run(2)
    waits = sorted(way.run(5))
    assert way.estimator.is_lossy
    assert waits[len(waits) // 2] < 0.012
    assert way.estimator.bitrate * (1 - loss) > 0.85 * (1 - loss) * 256e3


@pytest.mark.parametrize("capacity", [128e3, 256e3, 1e6, 10e6])
@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2, 0.3])
def test_a_link_that_begins_to_lose_is_soon_used_as_before(loss: float, capacity: float) -> None:
    way = Way(capacity, most=1.5e6)
    way.run(70)
    way.loses = lambda rate: loss
    way.run(15)
    usable = min(capacity, 1.5e6)
    rates = []
    for _ in range(100):
        way.run(0.1)
        rates.append(way.estimator.bitrate)
    assert sum(rates) / len(rates) > 0.7 * usable
    assert max(rates) < 1.3 * usable / (1 - loss)


@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_a_link_that_loses_no_more_is_not_tried_for_more_at_once(loss: float) -> None:
    way = Way(256e3, loss, most=2e6)
    way.run(40)
    way.loses = lambda rate: 0.0
    assert max(way.run(8)) < 0.2
    assert not way.estimator.is_lossy


def test_of_a_link_that_loses_no_more_is_tried_than_it_was_seen_to_carry() -> None:
    way = Way(256e3, 0.2, most=2e6)
    way.use = lambda allowed: 60e3
    way.run(10)
    assert way.estimator.is_lossy
    assert way.estimator.bearable == 0, "it was never full"
    way.use = lambda allowed: 1.2 * 256e3 / 0.8
    way.run(2)
    way.use = lambda allowed: 60e3
    way.run(3)
    assert 0.6 * 256e3 < way.estimator.bearable < 1.2 * 256e3
    way.loses = lambda rate: 0.0
    way.run(10)
    assert way.estimator.bearable == float("inf")


@pytest.mark.parametrize("capacity", [256e3, 10e6])
@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_a_link_that_is_known_to_lose_is_used_all_the_time(loss: float, capacity: float) -> None:
    """By chance now more is lost and now less: the least of a minute is less than is usual."""
    way = Way(capacity, loss, most=400e3)
    way.run(20)
    rates = []
    for _ in range(1200):
        way.run(0.1)
        rates.append(way.estimator.bitrate)
    usable = min(capacity, 400e3)
    assert sum(rate < 0.6 * usable for rate in rates) < 0.02 * len(rates)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_a_policer_is_not_taken_for_chance(share: float) -> None:
    """Whatever it lets through of what was sent before."""
    way = Way(10e6)
    way.use = lambda allowed: min(allowed, 600e3)
    way.run(70)
    limit = share * 600e3
    way.loses = lambda rate: max(0.0, 1 - limit / rate)
    way.run(20)
    assert way.estimator.bitrate < 1.4 * limit
    assert way.estimator.loss < 0.3


@pytest.mark.parametrize(("loss", "more"), [(0.0, 0.0), (0.2, 0.2), (0.5, MOST_LOST_AT_START)])
def test_it_begins_with_what_arrives(loss: float, more: float) -> None:
    way = Way(10e6, loss)
    way.use = lambda allowed: 40e3
    way.run(1)
    assert way.estimator.loss == pytest.approx(loss, abs=0.15)
    assert way.estimator.bitrate == pytest.approx(64e3 / (1 - more), rel=0.15)


def test_what_was_lowered_is_not_raised_to_the_rate_at_the_beginning() -> None:
    way = Way(50e3, 0.2)
    way.run(10)
    assert way.estimator.bitrate < 64e3


def test_it_grows_gently_where_packets_are_lost_by_chance() -> None:
    way = Way(10e6, 0.1)
    way.run(2.5)
    assert 3 * 64e3 < way.estimator.bitrate < 64e3 / 0.9 * exp(2.5 * GENTLE_GROWTH)


def test_it_does_not_grow_beyond_what_is_in_use() -> None:
    way = Way(10e6)
    way.use = lambda allowed: min(allowed, 100e3)
    way.run(30)
    assert way.estimator.bitrate < 200e3
    way.use = lambda allowed: 0.3 * allowed
    way.run(10)
    assert way.estimator.is_application_limited


def test_a_moment_with_little_does_not_mean_that_the_application_limits() -> None:
    """Pictures vary from one to the next. Who tries for more then fills the queue."""
    way = Way(1e6)
    way.run(15)
    way.use = lambda allowed: 0.4 * allowed
    way.run(0.4)
    assert way.estimator.received < IN_USE * way.estimator.bitrate
    assert not way.estimator.is_application_limited
    way.run(2)
    assert way.estimator.is_application_limited


def test_without_arrivals_it_stays_as_it_is() -> None:
    estimator = RateEstimator()
    estimator.handle_timeout(5.0)
    estimator.missed(3)
    estimator.handle_timeout(6.0)
    assert (estimator.bitrate, estimator.queue_s, estimator.received) == (START, 0.0, 0.0)
    assert estimator.next_deadline == float("inf")


def test_what_came_late_after_all_is_not_lost() -> None:
    estimator = RateEstimator()
    for number in range(10):
        estimator.arrived(number * 20000, 0.02 * number, 100)
    estimator.missed(2)
    estimator.missed(-2)
    estimator.handle_timeout(0.3)
    assert estimator.loss == 0


def test_what_is_repeated_counts_for_the_rate_alone() -> None:
    def received(repeated: bool) -> RateEstimator:
        estimator = RateEstimator()
        for number in range(60):
            now = 0.02 * number
            estimator.arrived(clock_us(now), now + 0.1, 172)
            if repeated:
                estimator.repeated(now + 0.1, 172)
            if now + 0.1 >= estimator.next_deadline:
                estimator.handle_timeout(now + 0.1)
        return estimator

    once, twice = received(repeated=False), received(repeated=True)
    assert once.received == pytest.approx(80e3, rel=0.1)
    assert twice.received == pytest.approx(160e3, rel=0.1)
    assert twice.queue_s == once.queue_s < 1e-6


def test_the_clocks_of_two_senders_are_kept_apart() -> None:
    estimator = RateEstimator()
    for number in range(20):
        now = 100 + 0.02 * number
        for clock in (1, 2):
            estimator.arrived(clock_us(now * clock), now + 0.1, 100, clock)
    estimator.handle_timeout(101.0)
    assert estimator.queue_s == pytest.approx(0, abs=0.4)


def test_another_way_begins_again() -> None:
    way = Way(1e6)
    way.run(10)
    way.estimator.restart()
    assert way.estimator.bitrate == 64e3
    assert way.estimator.received == 0
    way.run(STEP)
    assert way.estimator.bitrate >= LEAST


TIMES = st.sampled_from((0.0, 0.001, 0.1, 3.0, 4000.0))
CLOCKS = st.integers(0, 2**32 - 1) | st.sampled_from((0, 2**31 - 1, 2**31, 2**32 - 1))
STEPS = st.one_of(
    st.tuples(st.just("arrived"), TIMES, CLOCKS, st.integers(0, 1200), st.integers(0, 20)),
    st.tuples(st.just("missed"), TIMES, st.integers(-(2**31), 2**31) | st.integers(-3, 3)),
    st.tuples(st.just("timeout"), TIMES),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(STEPS, max_size=60),
    st.sampled_from((0.0, 50e3, MOST)),
    st.sampled_from((0.0, 1e-9, 0.1)),
    st.booleans(),
)
def test_whatever_is_told_the_rate_stays_within_its_bounds(
    steps: list[tuple[str, float, int, int, int]], most: float, round_trip: float, rivals: bool
) -> None:
    """Reports come from the other side, which may lie, and so may clocks: those that stand, wrap, or jump."""
    estimator = RateEstimator(start=LEAST, most=most)
    estimator.round_trip, estimator._rivals.are_there = round_trip, rivals
    now = 1000.0
    for kind, seconds, *values in steps:
        now += seconds
        if kind == "arrived":
            sent, size, clock = values
            estimator.arrived(sent, now, size, clock)
        elif kind == "missed":
            estimator.missed(values[0])
        else:
            estimator.handle_timeout(now)
        assert PAUSE_SHARE * LEAST <= estimator.bitrate <= max(LEAST, most)
        assert 0 <= estimator.loss <= 1
        assert isfinite(estimator.queue_s)
