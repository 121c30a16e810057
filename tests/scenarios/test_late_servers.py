"""A server that waits for its processor sends late what it has sealed in time: the line carries as much as before."""

import pytest

from tcclient.core import events
from tcclient.core.downlink.arrivals import KEPT
from tcclient.core.downlink.cause import Cause
from tests.support.simulation.client import Client
from tests.support.simulation.film import Simulcast
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

LINES = {"narrow": 1.2e6, "ample": 4e6, "without limit": 0.0}
"""Bit/s, where two voices and a camera take 0.8 Mbit/s with all headers."""
CAMERA = 600
"""As ``Simulcast`` counts."""
LENGTHS = (0.03, 0.06, 0.15)
"""Seconds for which the server waits."""
EVERY = (0.3, 2.0)
"""Seconds from one wait to the next."""


@pytest.fixture(params=LINES)
def listener(request: pytest.FixtureRequest, world: World) -> Client:
    """Who listens to two voices and looks at a camera, of which the line is known to bear the larger layer."""
    down = Conditions(delay=0.02, rate=LINES[request.param], queue=1.0)
    ada, ben = world.room("ada", "ben")
    cleo = world.client("cleo", Conditions(delay=0.02), down=down, microphone=False)
    world.until(lambda: cleo.in_room)
    world.run(1)
    Simulcast(world, ada, CAMERA)
    for talker in (ada, ben):
        talker.talk()
    world.run(1)
    world.until(lambda: not cleo.session.seat.downlink.subscription.ladder.is_limiting)
    world.run(KEPT)
    cleo.events.clear()
    return cleo


def given_up(client: Client) -> list[events.TrackLimited]:
    """What it has told since then."""
    return [told for told in client.told(events.TrackLimited) if told.cause is Cause.BANDWIDTH]


def hinder(world: World, length: float, every: float) -> None:
    """Let the server wait for its processor again and again, at all places of a picture."""

    def stop() -> None:
        world.server.processor.stop(length)
        world.clock.after(every * world.rng.uniform(0.8, 1.2), stop)

    stop()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("every", EVERY)
def test_nothing_is_given_up(world: World, listener: Client, length: float, every: float) -> None:
    hinder(world, length, every)
    world.run(10)
    assert given_up(listener) == []


@pytest.mark.parametrize("length", LENGTHS)
def test_a_line_that_becomes_thin_is_found_all_the_same(world: World, listener: Client, length: float) -> None:
    hinder(world, length, EVERY[0])
    world.run(2)
    assert given_up(listener) == []
    listener.down.change(rate=250_000)
    world.until(lambda: bool(listener.session.seat.downlink.subscription.ladder.given_up), 1)
    world.run(5)
    assert listener.down.queue < 0.15
