"""Paths that lose a part of the datagrams, or all in one direction: they stay in use."""

from __future__ import annotations

import pytest

from tcclient.core import PathState, events
from tcserver.media.forwarding.path import PathChange
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

LOSSY = Conditions(delay=0.04, loss=0.2)


def states(client):
    return [changed.state for changed in client.told(events.PathChanged)]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("burst", [1.0, 2.0])
def test_a_path_that_loses_a_fifth_each_way_is_never_lost(seed, burst):
    """A client that is alone gets nothing but pongs. It gets them only if ping and pong both arrive."""
    world = World(seed)
    alone = world.client("alone", Conditions(delay=0.04, loss=0.2, burst=burst))
    idle = world.client("idle", Conditions(delay=0.04, loss=0.2, burst=burst), microphone=False, sources=(), room="b")
    world.run(600)
    for client in (alone, idle):
        assert states(client) == [PathState.OK]
    assert world.server.plane.counters.paths[PathChange.LOST] == 0


def test_minutes_of_speech_over_it_leave_no_frame_unsent_and_few_missing(world):
    """Without repair on either way 36 % would be missing."""
    ada, ben = world.room("ada", "ben", conditions=LOSSY)
    world.run(0.5)
    ada.talk(0.06)
    world.run(180)
    ada.hush()
    world.run(1)
    assert (ada.unsent, states(ada), states(ben)) == (0, [PathState.OK], [PathState.OK])
    assert len(ben.heard_from(ada)) >= 0.97 * len(ada.spoken)
    assert ada.session.seat.path.statistics.up_lost > 0


def test_who_hears_but_is_not_heard_keeps_both_directions_in_use(world):
    """The way up is down for ten seconds. Datagrams that come show that the way down works."""
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    ben.talk()
    world.run(1)
    ben.up.change(blocked=True)
    since = world.now
    world.run(10)
    assert states(ben) == [PathState.OK]
    assert len(ben.heard_from(ada, since=since)) == 500
    assert not ada.heard_from(ben, since=since + 0.01)
    ben.up.change(blocked=False)
    since = world.now
    world.run(1)
    assert len(ada.heard_from(ben, since=since + 0.01)) >= 49, "at once: nothing had stopped"
    assert ben.unsent == 0


def test_who_is_not_heard_for_longer_gets_nothing_more_from_the_server(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    world.run(1)
    ben.up.change(blocked=True)
    world.run(20)
    assert states(ben) == [PathState.OK, PathState.LOST]
    world.server.tap = []
    world.run(5)
    assert not any(address[1:] == ben.address for address, _ in world.server.tap)
    ben.up.change(blocked=False)
    world.run(1.5)
    assert states(ben) == [PathState.OK, PathState.LOST, PathState.OK]
    since = world.now
    world.run(1)
    assert len(ben.heard_from(ada, since=since)) == 50


@pytest.mark.parametrize("blocked", ["up", "both"])
def test_a_lost_path_is_tried_until_it_works_again(world, blocked):
    """Frames are sent whatever is known of the path: the first frame that can arrive does."""
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    world.run(1)
    ada.up.change(blocked=True)
    ada.down.change(blocked=blocked == "both")
    world.run(6)
    assert ada.udp is PathState.LOST
    ada.change(blocked=False)
    since = world.now
    world.run(0.1)
    assert len(ben.heard_from(ada, since=since)) >= 4
    assert ada.unsent == 0


@pytest.mark.parametrize("others", [(), ("cleo",), ("cleo", "dora")], ids=["alone", "beside plain", "beside both"])
def test_a_change_of_the_variant_loses_nothing(world, others):
    """An outage takes the last packets of one variant and the first of the other, there and back."""
    conditions = Conditions(delay=0.04)
    ada, ben, *rest = world.room("ada", "ben", *others, conditions=conditions)
    ada.talk()
    world.run(1)
    for client in rest[1:]:
        lose_bursts(world, client, 3)
    lose_bursts(world, ben, 6, until=lambda: ben.session.seat.downlink.feedback.redundant)
    assert ben.session.seat.downlink.subscription.asked.redundant_sources
    outage(world, ben, after=0.01)
    world.run(2)
    ben.session.seat.downlink.feedback.give_up_copies(world.now)
    ben.session.seat.downlink.subscription.again()
    ben.pump()
    outage(world, ben, after=0.01)
    assert not ben.session.seat.downlink.subscription.asked.redundant_sources
    world.run(1)
    ada.hush()
    world.run(1)
    assert sorted(ben.heard_from(ada)) == sorted(ada.spoken)
    down = ben.session.network_statistics().down
    assert (down.lost, down.repaired) == (0, len(ben.room_losses))
    redundant = [heard.packet.header.sequence for heard in ben.heard if heard.packet.repaired]
    assert max(redundant) - min(redundant) > 100, "both changes were struck"


def lose_bursts(world, client, seconds, until=lambda: False):
    """Lose 60 ms in each 0.3 s on the way down."""
    end = world.now + seconds
    while world.now < end and not until():
        outage(world, client)
        world.run(0.24)


def outage(world, client, after=0.0):
    world.run(after)
    client.down.change(blocked=True)
    world.run(0.06)
    client.down.change(blocked=False)
