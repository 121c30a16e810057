"""A client that waits for its processor reads late what came in time: that is no fault of the line."""

import pytest

from tcclient.core import PathState, Way, events
from tcclient.core.downlink.cause import Cause
from tcproto.messages import Quality
from tests.support.simulation.client import Client
from tests.support.simulation.film import Simulcast
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

HOME = Conditions(delay=0.02)
PATTERNS = {"now and then": (0.3, 2.0), "often": (0.15, 0.4), "nearly always": (0.08, 0.1)}
"""Seconds for which it waits, and from one wait to the next."""


def listener(world: World, **options: object) -> Client:
    """Return who listens to two voices and looks at a camera."""
    ada, ben = world.room("ada", "ben", conditions=HOME)
    cleo = world.client("cleo", HOME, microphone=False, **options)
    world.until(lambda: cleo.in_room)
    world.run(1)
    Simulcast(world, ada)
    for talker in (ada, ben):
        talker.talk()
    return cleo


def hinder(world: World, client: Client, length: float, every: float) -> None:
    """Let it wait for its processor again and again."""

    def stop() -> None:
        client.processor.stop(length)
        world.clock.after(every, stop)

    stop()


def given_up(client: Client) -> list[events.TrackLimited]:
    return [told for told in client.told(events.TrackLimited) if told.cause is Cause.BANDWIDTH]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("way", Way)
def test_nothing_is_given_up_and_the_connection_is_good(world: World, way: Way, pattern: str) -> None:
    cleo = listener(world, ways=(way,))
    world.run(5)
    hinder(world, cleo, *PATTERNS[pattern])
    world.run(20)
    assert given_up(cleo) == []
    assert not cleo.session.seat.downlink.subscription.ladder.has_stepped
    assert (cleo.way, cleo.udp) == (way, PathState.OK)
    qualities = {told.quality for told in cleo.told(events.ConnectionQuality) if told.participant == cleo.participant}
    assert qualities == {Quality.EXCELLENT}
    statistics = cleo.session.network_statistics()
    assert (statistics.down.lost, statistics.down.late) == (0, 0)
    assert statistics.down.jitter_ms < 1
    assert statistics.rtt == pytest.approx(2 * HOME.delay)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_line_that_becomes_thin_is_found_all_the_same(world: World, pattern: str) -> None:
    cleo = listener(world)
    world.run(5)
    hinder(world, cleo, *PATTERNS[pattern])
    world.run(5)
    assert given_up(cleo) == []
    cleo.down.change(rate=250_000)
    world.until(lambda: bool(given_up(cleo)), 3)
    world.run(10)
    assert cleo.down.queue < 0.15
