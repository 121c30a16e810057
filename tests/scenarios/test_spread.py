"""A room over several media planes, with real clients."""

import pytest

from tcclient.core import PathState, events
from tcserver.media import Drop
from tests.support.simulation.network import Conditions

HOME = Conditions(delay=0.02)
SPREAD = {"server__workers": 3, "server__room_spread": 1}
GONE = (events.ParticipantLeft, events.Evicted, events.Closed, events.MembershipMismatch)


@pytest.fixture
def trio(make_world):
    """Three clients, each served by another plane."""
    world = make_world(**SPREAD)
    clients = world.room("ada", "ben", "cleo", conditions=HOME)
    assert {client.session.seat.path.media_id & 0xFF for client in clients} == {0, 1, 2}
    return world, clients


def all_hear_all(clients, since=0.0):
    return all(
        listener.heard_from(speaker, since=since)
        for listener in clients
        for speaker in clients
        if speaker is not listener
    )


def test_all_that_is_said_arrives_everywhere_under_three_sealers(trio):
    world, clients = trio
    for client in clients:
        client.talk()
    world.run(2)
    for client in clients:
        client.hush()
    world.run(0.5)
    for listener in clients:
        for speaker in clients:
            if speaker is not listener:
                assert listener.heard_from(speaker) == speaker.spoken
        talked = {sealer for sealer, _ in listener.session.seat.downlink.losses.statistics()}
        assert len(talked) >= 2, "those of the others' planes"
    assert not world.client_drops()


@pytest.mark.parametrize("whose", ["home", "other"])
def test_a_worker_ends_while_all_talk(trio, whose):
    world, clients = trio
    for client in clients:
        client.talk()
    world.run(1)
    (room,) = world.server.conference._rooms
    home = room.media_seats.home
    worker = home if whose == "home" else (home + 1) % 3
    untouched = [client for client in clients if client.session.seat.path.media_id & 0xFF != worker]
    before = [len(client.heard) for client in untouched]
    since = world.now
    world.server.replace_worker(worker)
    took = world.until(lambda: all_hear_all(clients, since + 0.1), limit=2.0)
    print(f"all hear all again after {took:.2f} s")
    for client, count in zip(untouched, before, strict=True):
        (other,) = (one for one in untouched if one is not client)
        assert len(client.heard) > count
        # From then on, apart from packets that were on the way, no packet between those two is missing.
        assert client.heard_from(other)[:-3] == other.spoken[: len(client.heard_from(other)) - 3]
    for client in clients:
        assert not any(client.told(kind) for kind in GONE)
        assert client.udp is PathState.OK


def test_positions_of_other_planes_keep_up(make_world, monkeypatch):
    """Far more datagrams come from another plane than a window holds, and none is refused for being ahead."""
    monkeypatch.setattr("tcclient.core.keys.room_datagrams.SEALER_WINDOW", 96)
    world = make_world(**SPREAD)
    ada, ben = world.room("ada", "ben", conditions=HOME)
    world.run(0.2)
    ada.talk()
    world.run(6)
    assert len(ben.heard) >= 290
    assert not ben.session.drops["ahead"]


def test_a_newcomer_takes_no_replay_of_any_sealer(trio):
    world, clients = trio
    for client in clients:
        client.talk()
    world.run(1)
    world.server.tap = []
    world.run(1)
    before = [data for _, data in world.server.tap]
    world.server.tap = None
    dora = world.client("dora", HOME)
    world.until(lambda: world.ready(dora))
    for client in clients:
        client.hush()
    world.run(0.5)
    heard = len(dora.heard)
    for data in before:
        dora.receive_datagram(data)
    assert len(dora.heard) == heard
    assert dora.session.drops["replay"] > 0


def test_who_leaves_opens_nothing_that_comes_later_from_any_plane(trio):
    world, (ada, ben, cleo) = trio
    world.run(1)
    keys = {
        (ident, epoch, held.key)
        for ident, sealer in cleo.session.seat.downlink.opener.sealers.items()
        for epoch, held in sealer.epochs.items()
    }
    cleo.leave()
    world.run(3)
    for plane in world.server.planes.all:
        for room in plane.rooms.values():
            room.sealer.states(world.server.clock.now)
            assert (room.sealer.ident, room.sealer.epoch, room.sealer.key) not in keys
    since = world.now
    ada.say()
    ben.say()
    world.run(0.5)
    assert ada.heard_from(ben, since=since)
    assert ben.heard_from(ada, since=since)


def test_a_storm_of_joins_over_three_planes(make_world):
    world = make_world(rooms__loudest=0, server__workers=3, server__room_spread=5)
    clients = [world.client(f"participant {n}", HOME) for n in range(20)]
    world.until(lambda: world.ready(*clients))
    seats = sorted(len(plane.seats) for plane in world.server.planes.all)
    assert seats == [6, 7, 7]
    since = world.now
    for client in clients:
        client.say()
    world.run(1)
    assert all_hear_all(clients, since)
    assert not world.server.drops().get(Drop.RELAY_SOURCE)
    assert not world.server.drops().get(Drop.RELAY_MESSAGE)


def test_the_loudest_of_three_planes(make_world):
    """There is one place for all planes: its holder alone is heard, and a turn begins with its first syllable."""
    world = make_world(rooms__loudest=1, **SPREAD)
    clients = world.room(*(f"participant {n}" for n in range(9)), conditions=HOME)
    by_worker = {client.session.seat.path.media_id & 0xFF: client for client in clients}
    first, second, listener = by_worker[0], by_worker[1], by_worker[2]

    def speak(seconds, **levels):
        since = world.now
        for _ in range(round(seconds / 0.02)):
            for client, name in ((first, "first"), (second, "second")):
                if name in levels:
                    client.say(level=levels[name], voice=levels[name] < 60)
            world.run(0.02)
        world.run(0.1)
        return [len(listener.heard_from(client, since=since)) for client in (first, second)]

    assert speak(1, first=20)[0] == 50
    assert speak(1, first=20, second=30) == [50, 0]
    speak(1, first=127, second=127)
    assert speak(1, first=127, second=30)[1] >= 50, "with what was kept back"
