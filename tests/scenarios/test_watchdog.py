"""Somebody speaks, pings are answered, and no sound comes: the client does something about it."""

import pytest

from tcclient.core import PathState, Way
from tcclient.core.downlink.subscription import Wishes
from tcclient.core.media.watchdog import MAX_REPAIRS, SOUND_PATIENCE
from tcclient.core.path.probation import DOUBTED_STEADY
from tcproto.messages import Source, Subscribe
from tests.support.simulation.client import Client
from tests.support.simulation.wiretap import ControlTap
from tests.support.simulation.world import World

ONLY_PONGS = 110
"""Bytes of UDP payload that let pongs with one position pass, and no packet of sound."""


def talking(world: World, **options: object) -> tuple[Client, Client, ControlTap]:
    """One who talks, and one who listens; what the server reads from then on."""
    (ada,) = world.room("ada")
    ben = world.client("ben", muted=True, **options)
    world.until(lambda: world.ready(ben))
    ada.talk()
    world.run(2)
    return ada, ben, ControlTap(world)


def subscriptions(tap: ControlTap) -> int:
    return sum(isinstance(envelope.message, Subscribe) for envelope in tap.read)


def test_where_only_small_datagrams_pass_the_stream_is_used_and_kept(world: World) -> None:
    ada, ben, tap = talking(world, ways=(Way.UDP, Way.STREAM))
    ben.down.change(mtu=ONLY_PONGS)
    start = world.now
    world.until(lambda: ben.heard_from(ada, since=start + 0.1), limit=SOUND_PATIENCE + 0.5)
    assert (ben.way, ben.udp) == (Way.STREAM, PathState.OK)
    since = world.now
    world.run(DOUBTED_STEADY - 5)
    assert len(ben.heard_from(ada, since=since)) == pytest.approx(50 * (DOUBTED_STEADY - 5), abs=2)
    ben.down.change(mtu=65_507)
    world.until(lambda: ben.way is Way.UDP, limit=DOUBTED_STEADY + 3)
    assert subscriptions(tap) == 1


def test_without_a_stream_it_asks_again_for_what_it_wants_but_not_for_ever(world: World) -> None:
    ada, ben, tap = talking(world)
    ben.down.change(mtu=ONLY_PONGS)
    world.run(60)
    assert ben.udp is PathState.OK
    assert subscriptions(tap) == MAX_REPAIRS
    ben.down.change(mtu=65_507)
    world.run(SOUND_PATIENCE + 1)
    assert ben.heard_from(ada, since=world.now - 1)
    ben.down.change(mtu=ONLY_PONGS)
    world.run(10)
    assert subscriptions(tap) > MAX_REPAIRS, "that was another fault"


def test_nothing_is_missed_that_is_not_wanted_or_not_said(world: World) -> None:
    ada, ben, tap = talking(world)
    ben.session.seat.downlink.wish(Wishes((Source.CAMERA,)))
    ben.pump()
    world.run(10)
    assert subscriptions(tap) == 1, "our own"
    ben.session.seat.downlink.wish(Wishes((Source.MICROPHONE,)))
    ben.pump()
    world.run(1)
    ada.hush()
    ada.say(end_of_talk=True)
    world.run(30)
    ada.mute()
    world.run(10)
    assert subscriptions(tap) == 2
    assert ben.udp is PathState.OK
