"""When the media plane says that it has too much to do."""

import pytest

from tcserver.media.forwarding.stats import MAX_RATE, LoadMeter
from tcserver.media.interface import MAX_LAG, CloseRoom, OpenSealer, Overloaded
from tcserver.media.speakers.local import DECISION_INTERVAL
from tests.support.media.world import World


@pytest.mark.parametrize(
    ("lags", "rate", "overloaded"),
    [
        ((), 0, False),
        ((MAX_LAG + 0.01, MAX_LAG + 0.02), 0, True),
        ((9.0,), 0, False),
        ((9.0, 0.001, 9.0), 0, False),
        ((), MAX_RATE + 1, True),
        ((0.0, 0.0), MAX_RATE, False),
    ],
)
def test_what_is_too_much(lags, rate, overloaded):
    meter = LoadMeter()
    meter.measure(1_000_000, 100.0)
    for lag in lags:
        meter.late(lag)
    told = meter.measure(1_000_000 + rate * 2, 102.0)
    assert told == (Overloaded(min(lags, default=0.0), rate) if overloaded else None)
    assert meter.measure(1_000_000 + rate * 2, 103.0) is None
    assert meter.measure(1_000_000 + rate * 2, 103.0) is None


def polls(world: World, late: float, seconds: float) -> int:
    """Poll late; return how often overload was told."""
    end = world.now + seconds
    while world.now < end:
        deadline = world.plane.next_deadline()
        assert deadline is not None
        world.now = max(world.now, deadline) + late
        world.plane.poll(world.now)
    return sum(isinstance(event, Overloaded) for event in world.plane.take_events())


def test_a_plane_that_is_late_all_the_time_says_so_each_second():
    world = World(1)
    world.plane.poll(world.now)
    assert polls(world, 0.002, 5) == 0
    assert 3 <= polls(world, 2 * MAX_LAG, 5) <= 5
    assert polls(world, 0.002, 2 * DECISION_INTERVAL) <= 1
    assert polls(world, 0.002, 5) == 0


def test_a_plane_without_rooms_is_not_late():
    world = World(1)
    world.plane.poll(world.now)
    world.apply(CloseRoom(1))
    assert world.plane.next_deadline() is None
    world.now += 3600
    world.apply(OpenSealer(2, 5, 0, bytes(32)))
    assert world.plane.next_deadline() == world.now
    assert polls(world, 0.002, 3) == 0
