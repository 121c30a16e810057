"""A client that has the stream beside UDP: when it changes the way, and how long sound is missing."""

from dataclasses import replace

import pytest

from tcclient.core import Drop, PathState, Way, events
from tcclient.core.path.probation import DOUBTED_STEADY, MAX_STEADY, STEADY
from tcclient.core.path.proof import IMPATIENT, QUICK_INTERVALS
from tcproto.datagram import MAX_DATAGRAM
from tcproto.messages import Kind, Source
from tcproto.packet import VideoHeader
from tcserver.media.interface import Address
from tests.support.simulation.client import Client
from tests.support.simulation.network import LAN, SATELLITE, Conditions
from tests.support.simulation.world import World

BOTH = (Way.UDP, Way.STREAM)


def talking(world: World, **options: object) -> tuple[Client, Client]:
    """Two who talk; the second has both ways."""
    (ada,) = world.room("ada")
    ben = world.client("ben", ways=BOTH, **options)
    world.until(lambda: world.ready(ben))
    for client in (ada, ben):
        client.talk()
    world.run(1)
    return ada, ben


def changes(client: Client) -> list[tuple[Way, PathState]]:
    return [(changed.way, changed.state) for changed in client.told(events.PathChanged)]


def gap(world: World, hearer: Client, speaker: Client, seconds: float) -> float:
    """Let time pass; return the longest time without a packet."""
    start = world.now
    world.run(seconds)
    times = [heard.at for heard in hearer.heard if heard.speaker == speaker.name and heard.at >= start]
    return max(later - earlier for earlier, later in zip([start, *times], [*times, world.now], strict=True))


def on(client: Client, way: Way) -> bool:
    return (client.way, client.udp) == (way, PathState.OK)


def test_udp_that_works_is_used_and_nothing_goes_by_the_stream(world: World) -> None:
    ada, ben = talking(world)
    assert gap(world, ben, ada, 30) < 0.03
    assert changes(ben) == [(Way.UDP, PathState.OK)]
    assert not any(address.host.startswith("stream") for address in world.server.bytes_in)


@pytest.mark.parametrize("blocked", [("up",), ("down",), ("up", "down")], ids="+".join)
def test_udp_that_is_blocked_from_the_start(world: World, blocked: tuple[str, ...]) -> None:
    (ada,) = world.room("ada")
    ada.talk()
    ben = world.client("ben", ways=BOTH)
    for way in blocked:
        getattr(ben, way).change(blocked=True)
    start = world.now
    world.until(lambda: ben.in_room)
    world.until(lambda: ben.heard_from(ada), limit=sum(QUICK_INTERVALS) + 4 * LAN.delay + 0.02)
    ben.talk()
    world.until(lambda: ada.heard_from(ben), limit=start + 1 - world.now)
    assert on(ben, Way.STREAM)
    assert changes(ben) == [(Way.STREAM, PathState.OK)]


def test_the_stream_is_used_in_the_end_though_it_answers_as_late_as_udp(world: World) -> None:
    (ada,) = world.room("ada")
    ada.talk()
    ben = world.client("ben", ways=BOTH)
    ben.block()
    world.until(lambda: ben.in_room)
    ben.stream_down.stop()
    world.until(lambda: ben.way is Way.STREAM, limit=IMPATIENT.proof + 0.01)
    world.run(1)
    ben.stream_down.resume()
    world.until(lambda: ben.heard_from(ada), limit=0.5)
    assert changes(ben) == [(Way.STREAM, PathState.UNKNOWN), (Way.STREAM, PathState.OK)]


def test_first_pings_that_are_lost_open_no_stream(world: World) -> None:
    """Two of three, where a round trip takes 0.18 s."""
    world.room("ada")
    ben = world.client("ben", Conditions(delay=0.09), ways=BOTH)
    ben.block()
    world.until(lambda: ben.in_room)
    world.run(0.15)
    ben.unblock()
    world.run(1)
    assert changes(ben) == [(Way.UDP, PathState.OK)]
    assert not any(address.host.startswith("stream") for address in world.server.bytes_in)


@pytest.mark.parametrize("blocked", [("up",), ("down",), ("up", "down")], ids="+".join)
def test_udp_that_is_blocked_in_mid_call_and_comes_back(world: World, blocked: tuple[str, ...]) -> None:
    ada, ben = talking(world)
    for way in blocked:
        getattr(ben, way).change(blocked=True)
    start = world.now
    world.run(3)
    for hearer, speaker in ((ada, ben), (ben, ada)):
        assert hearer.heard_from(speaker, since=start + 2.9), "within three seconds"
    assert on(ben, Way.STREAM)
    assert gap(world, ada, ben, 30) < 0.03
    assert gap(world, ben, ada, 30) < 0.03
    ben.unblock()
    assert STEADY <= world.until(lambda: ben.way is Way.UDP) < STEADY + 2.1
    assert gap(world, ben, ada, 5) < 0.03, "both ways deliver while it changes"
    assert gap(world, ada, ben, 5) < 0.03
    before = world.server.bytes_out[Address(0, *ben.address)]
    world.run(5)
    assert world.server.bytes_out[Address(0, *ben.address)] > before + 250 * 100, "250 packets"
    assert changes(ben)[1:] == [
        (Way.STREAM, PathState.UNKNOWN),
        (Way.STREAM, PathState.OK),
        (Way.UDP, PathState.OK),
    ]
    assert not ada.told(events.ParticipantLeft)
    assert len(ben.told(events.LoggedIn)) == 1


def test_udp_that_comes_and_goes_is_left_alone(world: World) -> None:
    """UDP is there for 1.3 s of each 3: the way changes once."""
    _, ben = talking(world)
    for _ in range(30):
        ben.block()
        world.run(1.7)
        ben.unblock()
        world.run(1.3)
    assert on(ben, Way.STREAM)
    assert len(changes(ben)) == 3


def test_a_relapse_doubles_the_time_until_udp_is_used_again(world: World) -> None:
    _, ben = talking(world)
    took = []
    for _ in range(3):
        ben.block()
        world.until(lambda: on(ben, Way.STREAM))
        ben.unblock()
        took.append(world.until(lambda: on(ben, Way.UDP), limit=15))
        world.run(1)
    for seconds, steady in zip(took, (STEADY, 2 * STEADY, MAX_STEADY), strict=True):
        assert steady <= seconds < steady + 2.1
    world.run(60)
    ben.block()
    world.until(lambda: on(ben, Way.STREAM))
    ben.unblock()
    assert world.until(lambda: on(ben, Way.UDP)) < STEADY + 2.1


def test_an_outage_of_everything_ends_with_the_first_way_that_answers(world: World) -> None:
    """The stream cannot be proved either, so UDP need not be steady."""
    ada, ben = talking(world)
    ben.block()
    for stream in (ben.stream_up, ben.stream_down):
        stream.stop()
    world.run(8)
    assert (ben.way, ben.udp) == (Way.STREAM, PathState.LOST)
    ben.unblock()
    world.until(lambda: on(ben, Way.UDP), limit=1.1)
    for stream in (ben.stream_up, ben.stream_down):
        stream.resume()
    assert gap(world, ben, ada, 5) < 0.2
    assert on(ben, Way.UDP)


def test_a_far_server_needs_no_stream(world: World) -> None:
    _, ben = talking(world, conditions=SATELLITE)
    world.run(60)
    assert changes(ben) == [(Way.UDP, PathState.OK)]
    assert not any(address.host.startswith("stream") for address in world.server.bytes_in)


def test_the_stream_alone(world: World) -> None:
    (ada,) = world.room("ada")
    ada.talk()
    ben = world.client("ben", ways=(Way.STREAM,))
    ben.block()
    world.until(lambda: world.ready(ben))
    assert gap(world, ben, ada, 60) < 0.2
    assert changes(ben) == [(Way.STREAM, PathState.OK)]
    assert ben.up.sent == 0


def test_a_stream_that_takes_nothing_gets_no_old_sound(world: World) -> None:
    ada, ben = talking(world)
    ben.block()
    world.until(lambda: on(ben, Way.STREAM))
    ben.stream_unsent = 4000
    world.run(2)
    dropped = ben.session.drops[Drop.STREAM_SLOW]
    assert 60 < dropped < 120, "all but the last 0.4 s"
    ben.stream_unsent = 0
    start = world.now
    world.run(0.1)
    assert 15 <= len(ada.heard_from(ben, since=start)) <= 30
    world.run(1)
    assert ben.session.drops[Drop.STREAM_SLOW] == dropped


def test_another_media_id_is_proved_on_the_way_in_use(world: World) -> None:
    ada, ben = talking(world)
    ben.block()
    world.until(lambda: on(ben, Way.STREAM))
    before = ben.session.seat.path.media_id
    world.server.replace_worker(0)
    world.until(lambda: ben.session.seat.path.media_id != before and on(ben, Way.STREAM), limit=5)
    world.run(1)
    assert gap(world, ben, ada, 5) < 0.03


def test_who_has_the_stream_on_a_good_network_sees_no_difference() -> None:
    """With it the packets come at the same moments as without it."""
    times = []
    for ways in ((Way.UDP,), BOTH):
        world = World(5)
        ada = world.client("ada", LAN)
        ben = world.client("ben", LAN, ways=ways)
        world.until(lambda ada=ada, ben=ben, world=world: world.ready(ada, ben))
        ada.talk()
        world.run(5)
        times.append([heard.at for heard in ben.heard])
    assert times[0] == times[1]
    assert len(times[0]) > 200


def test_where_large_datagrams_are_dropped_pictures_come_by_the_stream(world: World) -> None:
    """Sound alone would go on by UDP. With pictures the stream is used, until pings of the greatest size pass."""
    ada, ben = talking(world, down=replace(LAN, mtu=1000))
    world.run(20)
    assert on(ben, Way.UDP)
    camera = ada.publish(Kind.VIDEO, Source.CAMERA, "vp8")
    world.until(lambda: ada.session.seat.publications.can_send(camera))
    world.until(lambda: on(ben, Way.STREAM), limit=2)
    start = world.now
    ada.show(camera, bytes(5000), 0, keyframe=True)
    world.run(1)
    assert len([heard for heard in ben.heard if heard.at > start and isinstance(heard.packet.header, VideoHeader)]) == 5
    world.run(2 * DOUBTED_STEADY)
    assert on(ben, Way.STREAM)
    ben.down.change(mtu=65_507)
    assert world.until(lambda: ben.way is Way.UDP, limit=DOUBTED_STEADY + 3) >= DOUBTED_STEADY


def test_a_way_that_takes_large_datagrams_is_asked_once(world: World) -> None:
    _, ben = talking(world, conditions=replace(LAN, loss=0.1))
    world.run(60)
    large = [size for size in sizes_sent(world, ben, 30) if size == MAX_DATAGRAM]
    assert on(ben, Way.UDP)
    assert not large


def sizes_sent(world: World, client: Client, seconds: float) -> list[int]:
    """Let time pass; return the sizes of the datagrams that come to the server from a client by UDP."""
    sizes: list[int] = []
    receive = world.server.receive

    def note(data: bytes, source: tuple[str, int]) -> None:
        sizes.extend([len(data)] * (source == client.address))
        receive(data, source)

    world.server.receive = note  # type: ignore[method-assign]
    world.run(seconds)
    return sizes
