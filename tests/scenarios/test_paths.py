"""Paths of all kinds: with a small MTU, of many behind one address, from one kind of address to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from tcclient.core import PathState, Way, events
from tcproto.messages import Kind, Source
from tcproto.packet import VideoHeader
from tests.support.simulation.client import Client
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.world import World

HOME = Conditions(delay=0.03)
FAR = Conditions(delay=0.08)


def gap(hearer: Client, speaker: Client, since: float) -> float:
    """The longest time without a packet of a speaker."""
    times = [heard.at for heard in hearer.heard if heard.speaker == speaker.name and heard.at >= since]
    return max(b - a for a, b in pairwise([since, *times, hearer.world.now]))


def pictures(client: Client, since: float) -> int:
    return sum(heard.at > since and isinstance(heard.packet.header, VideoHeader) for heard in client.heard)


@pytest.mark.parametrize("mtu", [1000, 800, 576])
def test_with_a_small_mtu_sound_stays_on_udp_and_pictures_take_the_stream(world: World, mtu: int) -> None:
    small = replace(LAN, mtu=mtu - 28)
    (ada,) = world.room("ada")
    ben = world.client("ben", small, ways=(Way.UDP, Way.STREAM))
    world.until(lambda: world.ready(ben))
    for client in (ada, ben):
        client.talk()
    world.run(2)
    since = world.now
    world.run(6)
    assert ben.way is Way.UDP
    assert gap(ben, ada, since) < 0.05
    assert gap(ada, ben, since) < 0.05
    cameras = {client: client.publish(Kind.VIDEO, Source.CAMERA, "vp8") for client in (ada, ben)}
    world.until(lambda: ben.way is Way.STREAM and ben.udp is PathState.OK, limit=20)
    since = world.now
    for client, camera in cameras.items():
        client.show(camera, bytes(5000), 0, keyframe=True)
    world.run(1)
    assert pictures(ada, since) == pictures(ben, since) == 5
    assert gap(ben, ada, since) < 0.2


@pytest.mark.parametrize("others", [(), ("cleo",)], ids=["alone", "beside another"])
def test_copies_that_are_too_long_for_the_way_cost_a_second_of_sound_at_most(world: World, others: tuple[str]) -> None:
    """At 10 % loss far from the server sound comes with copies of what came before, 60 ms and 240 bytes each."""
    lossy = replace(FAR, loss=0.1, mtu=576 - 28)
    ada, *_ = world.room("ada", *others)
    ben = world.client("ben", FAR, down=lossy, muted=True)
    world.until(lambda: world.ready(ben))
    began = world.now
    for frame in range(400):
        world.until(lambda at=began + frame * 0.06: world.now >= at)
        ada.say(bytes(240), timestamp=frame * 2880, duration_ms=60)
    assert 0.4 < gap(ben, ada, began) < 1.0, "copies were asked for"
    since = began + 6
    expected = sum(began + frame * 0.06 > since for frame in range(400))
    assert len(ben.heard_from(ada, since=since)) > 0.95 * expected
    assert gap(ben, ada, since) < 0.5


def test_all_of_an_office_behind_one_address_hear_each_other_and_ports_may_be_swapped(world: World) -> None:
    """The NAT gives the port of one to another. What is sealed for one seat is opened by that one alone."""
    office = [world.client(f"person {n}", HOME, host="198.51.100.7") for n in range(6)]
    world.until(lambda: world.ready(*office))
    first, second, *_ = office
    first.talk()
    second.talk()
    world.run(2)
    since, addresses = world.now, (first.address, second.address)
    spare = world.new_address("198.51.100.7")
    second.rebind(spare)
    first.rebind(addresses[1])
    second.rebind(addresses[0])
    world.run(3)
    for speaker in (first, second):
        for hearer in office:
            if hearer is not speaker:
                assert gap(hearer, speaker, since) < 0.6, (hearer.name, speaker.name)
    assert all(client.udp is PathState.OK for client in office)
    assert not any(client.told(events.ParticipantLeft) for client in office)


def test_an_address_may_change_from_ipv4_to_ipv6_and_back(world: World) -> None:
    ada, ben = world.room("ada", "ben", conditions=HOME)
    for client in (ada, ben):
        client.talk()
    world.run(2)
    for host in ("2001:db8::5", "198.51.100.7", "2001:db8:7::1"):
        since = world.now
        ben.rebind(world.new_address(host))
        world.run(3)
        assert gap(ben, ada, since) < 0.4
        assert gap(ada, ben, since) < 0.4
    assert not ada.told(events.ParticipantLeft)
    assert len(ada.told(events.ParticipantJoined)) == 2, "itself, and the other one once"


@pytest.mark.parametrize("seconds", [5, 20], ids=["lost here", "lost at the server too"])
@pytest.mark.parametrize("ways", [(Way.UDP,), (Way.UDP, Way.STREAM)], ids=["udp", "both"])
def test_all_may_speak_while_every_way_of_two_is_lost_at_once(
    make_world: Callable[..., World], seconds: float, ways: tuple[Way, ...]
) -> None:
    world = make_world(limits__resume_s=60.0)
    ada, ben = world.room("ada", "ben", conditions=HOME, ways=ways, returns=True)
    streams = [s for client in (ada, ben) if len(ways) > 1 for s in (client.stream_up, client.stream_down)]
    for client in (ada, ben):
        client.talk()
    world.run(2)
    for client in (ada, ben):
        client.block()
        client.outage(seconds)
    for stream in streams:
        stream.stop()
    world.run(seconds)
    assert PathState.OK not in (ada.udp, ben.udp)
    for client in (ada, ben):
        client.unblock()
    for stream in streams:
        stream.resume()
    back = world.now
    world.run(3)
    assert gap(ada, ben, back) < 1.0
    assert gap(ben, ada, back) < 1.0
    assert not ada.unsent
    assert not ada.told(events.ParticipantLeft)
