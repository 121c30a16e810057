"""Everybody sees how good everybody's connection is, and each is told what could be done about its own."""

from tcclient.core import Way, events
from tcclient.core.media.quality import Advice
from tcproto.messages import Kind, Quality, Source
from tests.support.simulation.client import Client
from tests.support.simulation.world import World


def seen(hearer: Client, of: Client) -> list[Quality]:
    changes = hearer.told(events.ConnectionQuality)
    return [change.quality for change in changes if change.participant == of.participant]


def scores(client: Client) -> tuple[float, float]:
    """Return what is to be expected of speech on the way up and on the way down."""
    network = client.session.network_statistics()
    assert network.up.score is not None
    assert network.down.score is not None
    return network.up.score, network.down.score


def test_a_poor_uplink_is_seen_by_all_and_its_end_too(world: World) -> None:
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    ben.talk()
    camera = ben.publish(Kind.VIDEO, Source.CAMERA, "vp8")
    world.run(15)
    for client in (ada, ben, cleo):
        assert seen(client, ben) == [Quality.EXCELLENT]
        assert min(scores(client)) > 4.0
    ben.up.change(loss=0.15)
    world.run(15)
    up, down = scores(ben)
    assert up < 3.0 < 4.0 < down, "each direction has a score of its own"
    for client in (ada, ben, cleo):
        assert seen(client, ben)[-1] is Quality.POOR
        assert set(seen(client, ada)) == {Quality.EXCELLENT}
    dora = world.client("dora")
    world.until(lambda: world.ready(dora))
    assert seen(dora, ben) == [Quality.POOR], "who comes later is told at once"
    ben.session.seat.publishing.unpublish(camera)
    ben.pump()
    world.run(2)
    ben.up.change(loss=0.0)
    world.run(20)
    assert [told.advice for told in ben.told(events.ConnectionAdvice)] == [Advice.CAMERA_OFF, Advice.UPLINK, None]
    for client in (ada, ben, cleo, dora):
        assert seen(client, ben)[-1] is Quality.EXCELLENT
    assert not ada.told(events.ConnectionAdvice)


def test_who_has_vanished_is_lost_to_the_others_and_back_when_it_is_heard_again(world: World) -> None:
    ada, ben = world.room("ada", "ben", muted=True)
    world.run(5)
    ben.block()
    ben.outage(12)
    took = world.until(lambda: seen(ada, ben)[-1] is Quality.LOST)
    assert 7 < took < 9.5
    world.run(12 - took)
    ben.unblock()
    world.until(lambda: seen(ada, ben)[-1] is not Quality.LOST, limit=6)


def test_who_only_listens_where_udp_is_blocked_is_not_told_of_a_poor_way_up(world: World) -> None:
    """Half of what it sends are pings by UDP, to see whether that works again: their loss says nothing."""
    (ada,) = world.room("ada")
    ada.talk()
    ben = world.client("ben", ways=(Way.UDP, Way.STREAM), muted=True)
    ben.block()
    world.run(120)
    assert ben.way is Way.STREAM
    assert Quality.POOR not in seen(ada, ben)
    assert seen(ada, ben)[-1] is Quality.EXCELLENT
    assert not ben.told(events.ConnectionAdvice)
