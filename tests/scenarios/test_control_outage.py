"""TCP stalls while UDP works, and the other way round."""

import pytest

from tcclient.core import PathState, events
from tcclient.core.downlink.subscription import Wishes
from tcproto.errors import ErrorCode
from tcproto.messages import StreamChoice
from tests.support.simulation.network import LAN


def test_a_client_that_is_quiet_is_pinged_and_stays(world):
    """A clock that runs slow pings later than the server expects: its pongs must count."""
    ada = world.client("ada", drift=-0.02)
    world.client("ben")
    world.run(120)
    assert ada.in_room
    assert not ada.told(events.Closed)


@pytest.mark.parametrize("seconds", [3, 9, 13])
def test_media_flow_through_a_tcp_outage(world, seconds):
    """No seat ends in less than 15 s of silence."""
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    world.run(0.2)
    for client in (ada, ben, cleo):
        client.talk()
    world.run(1)
    ada.outage(seconds)
    world.run(seconds + 5)
    for client in (ada, ben, cleo):
        client.hush()
    world.run(1)
    for speaker, listener in ((ada, ben), (ben, ada), (cleo, ada), (ada, cleo)):
        assert listener.heard_from(speaker) == speaker.spoken
        assert not speaker.unsent
    assert not ada.told(events.Closed)
    assert not ben.told(events.ParticipantLeft)


def test_a_longer_outage_ends_the_session_of_a_server_that_keeps_no_seats(world):
    ada, ben = world.room("ada", "ben")
    participant = ada.participant
    ada.outage(30)
    world.run(25)
    (detached,) = ada.told(events.Detached)
    assert detached.code is ErrorCode.IDLE_TIMEOUT
    (left,) = ben.told(events.ParticipantLeft)
    assert left.participant.id == participant
    assert left.code is ErrorCode.IDLE_TIMEOUT
    assert len(world.server.sessions) == 1
    ada.connect()
    world.until(lambda: world.ready(ada, ben))
    world.run(0.2)
    ada.say()
    ben.say()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken


def test_who_vanishes_is_gone_after_fifteen_to_twenty_seconds(world):
    ada, ben = world.room("ada", "ben")
    ada.vanish()
    world.run(14)
    assert not ben.told(events.ParticipantLeft)
    world.run(7)
    assert len(ben.told(events.ParticipantLeft)) == 1
    assert len(world.server.sessions) == 1


def test_udp_that_is_blocked_is_noticed_and_nothing_is_sent_there(world):
    ada = world.client("ada", LAN)
    ben = world.client("ben", LAN)
    ben.block()
    world.until(lambda: world.ready(ada))
    ada.talk()
    world.run(10)
    assert ben.udp is PathState.LOST
    assert [changed.state for changed in ben.told(events.PathChanged)] == [PathState.LOST]
    assert not any(address[1:] == ben.address for address in world.server.bytes_out)
    assert ben.in_room
    ben.unblock()
    world.run(2)
    assert ben.udp is PathState.OK
    heard = len(ben.heard)
    world.run(1)
    assert len(ben.heard) == heard + 50


def test_udp_blocked_one_way_is_not_taken_for_a_path(world):
    """What the client sends arrives, what the server sends does not: the address is not proved, and gets no media."""
    ada = world.client("ada")
    ben = world.client("ben")
    ben.down.change(blocked=True)
    world.until(lambda: world.ready(ada))
    world.server.tap = []
    ada.talk()
    world.run(10)
    assert ben.udp is not PathState.OK
    assert not ben.room_losses
    assert sum(address[1:] == ben.address for address, _ in world.server.tap) > 0


def test_a_path_that_is_lost_gets_nothing_until_it_is_proven_again(world):
    ada, ben = world.room("ada", "ben")
    ada.talk()
    world.run(2)
    ben.block()
    world.run(20)
    assert ben.udp is PathState.LOST
    world.server.tap = []
    world.run(10)
    assert not any(address[1:] == ben.address for address, _ in world.server.tap)
    ben.unblock()
    world.run(2.5)
    assert ben.udp is PathState.OK
    heard = len(ben.heard)
    world.run(1)
    assert len(ben.heard) == heard + 50
    assert [changed.state for changed in ben.told(events.PathChanged)] == [
        PathState.OK,
        PathState.LOST,
        PathState.OK,
    ]


@pytest.mark.parametrize(("microphone", "sources", "interval"), [(True, None, 1), (False, (), 5)])
def test_pings_come_as_often_as_they_should_for_an_hour(world, microphone, sources, interval):
    """The times follow a schedule: one ping a second in a call, one in five seconds without."""
    options = {} if sources is None else {"sources": sources}
    (ada,) = world.room("ada", microphone=microphone, **options)
    world.run(10)
    before = ada.session.seat.path._number
    datagrams = ada.up.sent
    world.run(3600)
    pings = ada.session.seat.path._number - before & 0xFFFF
    assert pings == 3600 // interval
    assert ada.up.sent - datagrams == pings + 360, "and a beacon in ten seconds"


def test_wall_clocks_that_jump_a_day_change_nothing(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    for jump in (86_400, -2 * 86_400, 86_400):
        world.server.clock.set_wall(jump)
        ada.clock.set_wall(-jump)
        world.run(10)
        newcomer = world.client(f"guest {jump}{world.now}")
        world.until(lambda newcomer=newcomer: world.ready(newcomer), 1)
    ada.hush()
    world.run(1)
    assert ben.heard_from(ada) == ada.spoken
    assert not ada.unsent
    assert not ada.told(events.Closed)


def test_the_server_closes_with_a_word(world):
    ada, ben = world.room("ada", "ben")
    world.server.do(world.server.conference.shutdown, "for repairs", 5000)
    world.run(1)
    for client in (ada, ben):
        (closed,) = client.told(events.Closed)
        assert (closed.code, closed.text, closed.retry_after_ms) == (ErrorCode.SHUTDOWN, "for repairs", 5000)
    assert not world.server.sessions


def test_who_chose_a_single_stream_pings_as_in_a_call(world):
    (ada,) = world.room("ada")
    (ben,) = world.room("ben", microphone=False, sources=())
    stream = ada.session.seat.publications.live[ada.microphone].stream
    ben.session.seat.downlink.wish(Wishes((), (StreamChoice(stream),)))
    ben.pump()
    world.run(10)
    before = ben.up.sent
    world.run(60)
    assert ben.up.sent - before == 60 + 6, "pings and beacons"
    ben.session.seat.downlink.wish(Wishes((), (StreamChoice(stream, wanted=False),)))
    ben.pump()
    world.run(10)
    before = ben.up.sent
    world.run(60)
    assert ben.up.sent - before == 12 + 6
