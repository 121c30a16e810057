"""Somebody leaves while the control connection does not work, and UDP does."""

import pytest

from tcclient.core import Phase, Way, events
from tcserver.conference.login.sessions import LEAVE_PATIENCE
from tests.support.simulation.client import Client
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

HOLD = 60.0


def meeting(*names: str, **options: object) -> tuple[World, list[Client]]:
    world = World(7, limits__resume_s=HOLD)
    clients = world.room(*names, **options)
    for client in clients:
        client.talk()
    world.run(1)
    return world, clients


def gone(client: Client) -> list[str]:
    return [event.participant.member.name for event in client.told(events.ParticipantLeft)]


def test_who_closes_after_the_connection_was_lost_is_gone_at_once():
    world, (anna, budi) = meeting("anna", "budi")
    budi.reset()
    assert budi.session.phase is Phase.DETACHED
    world.run(2)
    assert not gone(anna)
    budi.close()
    world.run(0.5)
    assert gone(anna) == ["budi"]
    assert len(world.server.sessions) == 1
    assert world.server.plane.seats.keys() == {anna.session.seat.path.media_id}


@pytest.mark.parametrize("silently", [False, True], ids=["stalled", "without a sign"])
def test_who_closes_while_the_connection_stands_still_is_gone_soon(silently: bool):
    world, (anna, budi) = meeting("anna", "budi")
    if silently:
        budi.go_silent()
    else:
        budi.outage(30)
    world.run(1)
    budi.close()
    heard = len(anna.heard)
    world.run(LEAVE_PATIENCE + 0.5)
    assert gone(anna) == ["budi"]
    assert len(anna.heard) == heard, "and is silent from then on"
    assert len(world.server.sessions) == 1


def test_a_connection_that_breaks_behind_the_farewell_holds_no_seat():
    world, (anna, budi) = meeting("anna", "budi")
    budi.outage(0.5)
    budi.close()
    world.run(0.1)
    world.server.reset(budi.from_server)
    world.run(0.3)
    assert gone(anna) == ["budi"]


def test_what_was_said_on_the_connection_before_is_still_heard():
    """Datagrams are faster than TCP on a bad line. The text comes first all the same."""
    world, (anna, budi) = meeting("anna", "budi", conditions=Conditions(delay=0.02), tcp_delay=0.5)
    budi.session.seat.send_chat("good bye", 1, budi.clock.now)
    budi.pump()
    budi.close()
    world.run(0.3)
    assert not gone(anna)
    world.run(1.5)
    assert [event.text for event in anna.told(events.ChatReceived)] == ["good bye"]
    assert gone(anna) == ["budi"]


def test_a_farewell_may_be_lost_once_or_twice():
    world, (anna, budi) = meeting("anna", "budi")
    budi.go_silent()
    forward, lost = world.server.receive, 2

    def receive(data: bytes, source: tuple[str, int]) -> None:
        nonlocal lost
        if lost and budi.session.closed and source == budi.address:
            lost -= 1
        else:
            forward(data, source)

    world.server.receive = receive  # type: ignore[method-assign]
    budi.close()
    world.run(LEAVE_PATIENCE + 0.5)
    assert gone(anna) == ["budi"]


def test_a_farewell_that_is_sent_again_ends_no_other_seat():
    world, (anna, budi) = meeting("anna", "budi")
    said: list[bytes] = []
    forward = world.server.receive

    def receive(data: bytes, source: tuple[str, int]) -> None:
        if budi.session.closed and source == budi.address:
            said.append(data)
        forward(data, source)

    world.server.receive = receive  # type: ignore[method-assign]
    budi.close()
    world.run(2)
    assert len(said) == 3
    again = world.client("budi")
    world.until(lambda: world.ready(again))
    for data in said:
        forward(data, again.address)
    world.run(3)
    assert again.session.phase is Phase.ROOM
    assert gone(anna) == ["budi"]


def test_who_was_away_while_others_left_hears_who_is_left():
    """It gets no new keys while TCP stands still. With them, all is heard again."""
    world, (anna, budi, citra) = meeting("anna", "budi", "citra")
    anna.returns = True
    anna.go_silent()
    world.run(0.5)
    since = world.now
    citra.close()
    world.run(1)
    assert anna.heard_from(budi, since=since), "the old keys are good for some seconds"
    assert gone(budi) == ["citra"]
    world.run(20)
    since = world.now
    world.run(1)
    assert gone(anna) == ["citra"]
    assert len(anna.heard_from(budi, since=since)) == pytest.approx(50, abs=2)
    assert len(budi.heard_from(anna, since=since)) == pytest.approx(50, abs=2)


def test_on_the_stream_the_connection_alone_says_it():
    world = World(7, limits__resume_s=HOLD)
    (anna,) = world.room("anna")
    budi = world.client("budi", ways=(Way.UDP, Way.STREAM))
    budi.block()
    world.until(lambda: world.ready(budi) and budi.way is Way.STREAM)
    world.run(1)
    sent = budi.up.sent
    budi.close()
    world.run(1)
    assert gone(anna) == ["budi"]
    assert budi.up.sent == sent
