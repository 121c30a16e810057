"""A weak listener hears a voice at its low rate, which is sent only while somebody asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tcclient.core import events
from tcclient.core.downlink.cause import Cause
from tcclient.core.downlink.subscription import Wishes
from tcproto.messages import Source
from tcproto.packet import AudioHeader
from tests.support.simulation.client import Client
from tests.support.simulation.network import LAN, Conditions
from tests.support.simulation.world import World

WIDE, THIN = 1e6, 32_000


def line(rate: float) -> Conditions:
    return Conditions(delay=0.04, rate=rate, queue=2.0)


def meeting(world: World, rate: float) -> tuple[Client, Client, Client]:
    """One who talks, one behind a line of this rate, and one behind a wide line."""
    (ada,) = world.room("ada", low_rate=True)
    ben = world.client("ben", LAN, down=line(rate), microphone=False)
    cleo = world.client("cleo", LAN, down=line(WIDE), microphone=False)
    world.until(lambda: world.ready(ada, ben, cleo))
    return ada, ben, cleo


def headers(hearer: Client, since: float) -> list[AudioHeader]:
    return [heard.packet.header for heard in hearer.heard if heard.at >= since]


def covered(hearer: Client, since: float) -> float:
    """Return the share of the media time since then that was heard; fails where some of it was heard twice."""
    found = sorted(headers(hearer, since), key=lambda header: header.timestamp)
    for one, other in itertools.pairwise(found):
        assert one.timestamp + one.duration_ms * 48 <= other.timestamp, "nothing twice"
    span = found[-1].timestamp + found[-1].duration_ms * 48 - found[0].timestamp
    return sum(header.duration_ms * 48 for header in found) / span


@pytest.mark.parametrize(("rate", "settled"), [(24_000, 30), (28_000, 15), (THIN, 15)])
def test_a_weak_listener_hears_the_voice_at_its_low_rate_and_a_good_one_as_ever(
    world: World, rate: float, settled: float
) -> None:
    ada, ben, cleo = meeting(world, rate)
    ada.talk()
    world.run(settled)
    since = world.now
    world.run(8)
    assert {header.duration_ms for header in headers(ben, since)} == {60}
    assert covered(ben, since) > 0.99
    assert {header.duration_ms for header in headers(cleo, 0.0)} == {20}
    assert covered(cleo, 0.0) == 1.0
    assert ben.session.seat.downlink.subscription.arrivals.line(world.now).queue < 0.15
    assert [(told.cause, told.layer) for told in ben.told(events.TrackLimited)][-1] == (Cause.BANDWIDTH, 0)
    assert not cleo.told(events.TrackLimited)


def test_nobody_encodes_it_where_nobody_asks_for_it(world: World) -> None:
    ada, ben, _ = meeting(world, WIDE)
    ada.talk()
    world.run(20)
    assert not ada.spoken_low
    assert {header.duration_ms for header in headers(ben, 0.0)} == {20}


def test_the_usual_voice_comes_back_with_the_line_and_the_low_rate_ends(world: World) -> None:
    ada, ben, _ = meeting(world, THIN)
    ada.talk()
    world.run(20)
    ben.down.change(rate=WIDE)
    took = world.until(
        lambda: headers(ben, world.now - 0.1)[-1:] != [] and ben.heard[-1].packet.header.duration_ms == 20, 60
    )
    assert took < 40
    world.run(5)
    sent = len(ada.spoken_low)
    since = world.now
    world.run(10)
    assert len(ada.spoken_low) == sent, "nobody wants it any more"
    assert covered(ben, since) == 1.0
    assert ben.told(events.TrackLimited)[-1].cause is None


def test_a_change_loses_no_more_than_a_packet_of_the_low_rate(world: World) -> None:
    ada, ben, _ = meeting(world, WIDE)
    ada.talk()
    world.run(3)
    since = world.now
    for _ in range(3):
        for sources, duration in (((Source.MICROPHONE, Source.MICROPHONE_LOW), 60), ((Source.MICROPHONE,), 20)):
            ben.session.seat.downlink.wish(Wishes(sources))
            ben.pump()
            world.run(3)
            assert {header.duration_ms for header in headers(ben, world.now - 2)} == {duration}
    found = sorted(headers(ben, since), key=lambda header: header.timestamp)
    gaps = [(b.timestamp - a.timestamp) / 48 - a.duration_ms for a, b in itertools.pairwise(found)]
    assert covered(ben, since) > 0.97
    assert max(gaps) <= 60
    assert min(gaps) == 0
    sequences = [header.sequence for header in found]
    assert all(0 < b - a <= 2 for a, b in itertools.pairwise(sequences)), "one run of numbers"


def test_a_mute_holds_for_both_rates(world: World) -> None:
    ada, ben, cleo = meeting(world, THIN)
    ada.talk()
    world.run(15)
    ada.mute()
    world.run(1)
    since = world.now
    world.run(3)
    assert not headers(ben, since)
    assert not headers(cleo, since)
    ada.mute(False)
    world.run(3)
    assert headers(ben, since)
    assert headers(cleo, since)


def test_where_the_low_rate_is_refused_the_microphone_is_heard_alone(make_world: Callable[..., World]) -> None:
    """As by a server that has no such source, here by one that allows no second publication."""
    world = make_world(limits__max_publications=1)
    ada, ben, cleo = meeting(world, THIN)
    ada.talk()
    world.run(15)
    assert not ada.told(events.PublishFailed)
    assert {header.duration_ms for header in headers(cleo, 0.0)} == {20}
    assert covered(cleo, 0.0) == 1.0
    assert not ben.session.seat.downlink.subscription.ladder.low_rate
