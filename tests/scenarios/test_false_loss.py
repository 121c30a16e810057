"""Packets that are not sent, or that the server leaves out, do not count as lost.

Packets lost in the network count exactly.
"""

from __future__ import annotations

import pytest

from tcclient.core.downlink.subscription import Wishes
from tcproto.messages import Source
from tests.support.simulation.network import Conditions

LOSSY = Conditions(delay=0.02, loss=0.1)


def quiet(world, client, seconds, *, thinned):
    """A microphone in a silent room: every frame is comfort noise, and one in 420 ms is sent if it is thinned."""
    begin = world.now
    for frame in range(int(seconds / 0.02)):
        world.run(begin + 0.02 * frame - world.now)
        if frame % 21 == 0 or not thinned:
            client.say(comfort=True, voice=False, level=127, end_of_talk=frame == 0)
        else:
            client.spoken_frames += 1  # its time passes all the same
    world.run(1)


def network(client):
    return client.session.network_statistics()


@pytest.mark.parametrize("thinned", [True, False])
def test_a_quiet_microphone_loses_nothing(world, thinned):
    """Silence is left out by the sender, as it should be, or by the server, which drops packets that come too often."""
    ada, ben = world.room("ada", "ben")
    world.run(1)
    quiet(world, ada, 30, thinned=thinned)
    assert 70 <= len(ben.heard_from(ada)) <= 76
    for client in (ada, ben):
        statistics = network(client)
        assert (statistics.up.lost, statistics.down.lost) == (0, 0)
        assert (statistics.up.recent_loss, statistics.down.recent_loss) == (0.0, 0.0)
    assert {heard.packet.lost for heard in ben.heard} == {0}
    counters = world.server.plane.flush_counters()
    # Packets that were on the way at the last report of the server are not known to be lost.
    assert counters.uplink_sent == counters.uplink_received
    assert (counters.drops["surplus_comfort"] > 0) == (not thinned)


def test_who_is_not_among_the_loudest_loses_nothing(make_world):
    world = make_world(rooms__loudest=1)
    _, ada, ben, cleo, *_ = world.room("dora", "ada", "ben", "cleo", *(f"member {number}" for number in range(5)))
    world.run(0.5)
    begin = world.now
    for frame in range(500):
        world.run(begin + 0.02 * frame - world.now)
        louder = (frame // 100) % 2
        ada.say(level=20 if louder else 60)
        ben.say(level=60 if louder else 20)
    world.run(1)
    assert 50 < len(cleo.heard_from(ada)) < len(ada.spoken)
    assert network(cleo).down.lost == 0


def test_what_was_not_wanted_for_a_while_is_no_loss(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    world.run(0.5)
    ada.talk()
    world.run(2)
    ben.session.seat.downlink.wish(Wishes((Source.CAMERA,)))
    ben.pump()
    world.run(5)
    ben.session.seat.downlink.wish(Wishes((Source.MICROPHONE,)))
    ben.pump()
    world.run(2)
    ada.hush()
    world.run(1)
    assert len(ben.heard_from(ada)) < len(cleo.heard_from(ada)) - 240
    assert (network(ben).down.lost, network(cleo).down.lost) == (0, 0)


@pytest.mark.parametrize("silent", [True, False])
def test_what_the_network_loses_is_counted_also_between_silences(world, silent):
    ada, ben = world.room("ada", "ben")
    world.run(1)
    ben.down.conditions = LOSSY
    if silent:
        quiet(world, ada, 60, thinned=True)
    else:
        ada.talk()
        world.run(60)
        ada.hush()
    ben.down.change(loss=0.0)
    ada.say()
    world.run(3.5)
    statistics = network(ben).down
    assert ben.room_losses
    assert len(ben.room_losses) == statistics.lost + statistics.repaired, "also around changes of the variant"
    assert statistics.repaired > 0
    assert statistics.packets - statistics.lost == len(ben.heard) + len(beacons(ben))
    assert ben.heard[-1].packet.lost <= statistics.lost


def beacons(client):
    """Room datagrams that brought no sound."""
    counts = client.session.seat.downlink.losses.statistics()
    sound = {heard.packet.header.stream for heard in client.heard}
    return [None for (_, series), count in counts.items() if series.stream not in sound for _ in range(count.received)]


def test_loss_of_late_is_that_of_the_last_seconds(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.5)
    ada.talk()
    ada.change(loss=0.3)
    ben.change(loss=0.3)
    world.run(30)
    assert network(ada).up.recent_loss == pytest.approx(0.3, abs=0.1)
    assert network(ben).down.recent_loss == pytest.approx(0.3, abs=0.1)
    ada.change(loss=0.0)
    ben.change(loss=0.0)
    world.run(13)
    assert (network(ada).up.recent_loss, network(ben).down.recent_loss) == (0.0, 0.0)
    assert network(ada).up.loss == pytest.approx(0.3 * 30 / 43, abs=0.05)
    down = network(ben).down
    assert (down.lost + down.repaired) / down.packets == pytest.approx(0.3 * 30 / 43, abs=0.05)


def test_delay_and_order_of_both_directions_are_measured(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.5)
    ada.talk()
    world.run(30)
    calm = network(ada)
    assert calm.up.jitter_ms < 1
    assert (calm.up.late, calm.up.reordered) == (0, 0)
    assert calm.control_rtt == pytest.approx(0.002, abs=0.002)
    assert calm.rtt == pytest.approx(0.002, abs=0.001)
    ada.up.change(jitter=0.05, reorder=0.1, reorder_delay=0.3)
    world.run(120)
    rough = network(ada)
    assert rough.up.jitter_ms > 10
    assert rough.up.late > 5
    assert rough.up.reordered > 5
    assert (rough.down.late, rough.down.reordered) == (0, 0)
    ben.down.change(delay=0.1, reorder=0.1, reorder_delay=0.06)  # less than a round trip: nothing could be sent again
    world.run(3)
    before = network(ben).down
    world.run(20)
    after = network(ben).down
    assert after.reordered - before.reordered == pytest.approx(100, abs=40)
    counters = world.server.plane.flush_counters()
    assert counters.uplink_reordered > 200
    assert counters.uplink_late >= rough.up.late
