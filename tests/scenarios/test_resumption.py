"""Control connections are lost: the seat goes on, and what was missed comes afterwards."""

import pytest

from tcclient.core import Phase, events
from tcproto.errors import Action, ErrorCode
from tcproto.messages import RaiseHand
from tests.support.simulation.client import Client
from tests.support.simulation.network import Conditions
from tests.support.simulation.world import World

HOLD = 60.0


def meeting(*names: str, seed: int = 1, **options: object) -> tuple[World, list[Client]]:
    world = World(seed, limits__resume_s=HOLD)
    return world, world.room(*names, returns=True, **options)


def left(client: Client) -> list[events.Event]:
    return client.told(events.ParticipantLeft) + client.told(events.TrackUnpublished)


def silence(client: Client, speaker: Client, since: float) -> float:
    """The longest time in which nothing of a speaker was heard."""
    times = [heard.at for heard in client.heard if heard.speaker == speaker.name and heard.at >= since]
    return max(b - a for a, b in zip([since, *times], [*times, client.world.now], strict=True))


def test_after_a_reset_the_seat_goes_on_without_a_gap():
    world, (anna, budi, citra) = meeting("anna", "budi", "citra")
    for client in (anna, budi):
        client.talk()
    anna.request(RaiseHand())
    world.run(1)
    seat, since = anna.session.seat, world.now
    anna.reset()
    assert anna.session.phase is Phase.DETACHED
    world.run(3)
    assert anna.session.phase is Phase.ROOM
    assert anna.session.seat is seat
    assert anna.session.seat.room.members[anna.participant].member.hand
    assert silence(anna, budi, since) < 0.1
    assert silence(budi, anna, since) < 0.1
    assert left(budi) == left(citra) == left(anna) == []
    assert [type(event) for event in anna.events if isinstance(event, events.Detached | events.Resumed)] == [
        events.Detached,
        events.Resumed,
    ]


@pytest.mark.parametrize("away", [10.0, 45.0])
def test_who_was_away_for_an_outage_of_all_hears_again_at_once_and_has_missed_no_word(away):
    world, (anna, budi, citra) = meeting("anna", "budi", "citra")
    budi.talk()
    anna.talk()
    world.run(1)
    seat = anna.session.seat
    anna.go_silent()
    anna.block()
    world.run(away / 2)
    citra.session.seat.send_chat("while you were away", 1, citra.clock.now)
    citra.pump()
    citra.mute()
    world.run(away / 2)
    anna.unblock()
    back = world.now
    world.until(lambda: anna.session.phase is Phase.ROOM and anna.told(events.ChatReceived), limit=21)
    world.run(1)
    assert silence(anna, budi, back) <= 1.0
    assert silence(budi, anna, back) <= 1.0
    assert anna.session.seat is seat
    assert [event.text for event in anna.told(events.ChatReceived)] == ["while you were away"]
    assert anna.session.seat.room.publications[citra.participant, citra.microphone].muted
    assert left(budi) == left(citra) == []


def test_keys_and_changes_that_others_make_meanwhile_come_afterwards():
    world, (anna, budi, citra) = meeting("anna", "budi", "citra")
    world.run(1)
    anna.go_silent()
    citra.leave()
    world.run(1)
    dedi = world.client("dedi", returns=True)
    world.run(20)
    assert anna.session.phase is Phase.ROOM
    assert anna.session.seat.room.members.keys() == budi.session.seat.room.members.keys()
    since = world.now
    for speaker in (budi, dedi, anna):
        speaker.talk()
    world.run(1)
    for speaker, hearer in ((budi, anna), (dedi, anna), (anna, budi), (anna, dedi)):
        assert silence(hearer, speaker, since) < 0.3, (speaker.name, hearer.name)
    assert [event.participant.member.name for event in anna.told(events.ParticipantLeft)] == ["citra"]
    assert [event.participant.member.name for event in budi.told(events.ParticipantLeft)] == ["citra"]


def test_what_is_asked_for_while_nothing_passes_is_done_afterwards_and_once():
    world, (anna, budi) = meeting("anna", "budi")
    world.run(1)
    anna.go_silent()
    anna.session.seat.send_chat("into the void", 1, anna.clock.now)
    hand = anna.request(RaiseHand())
    world.run(20)
    assert anna.session.phase is Phase.ROOM
    assert [event.text for event in budi.told(events.ChatReceived)] == ["into the void"]
    assert events.RequestDone(hand) in anna.events
    anna.reset()
    anna.session.seat.send_chat("in between", 2, anna.clock.now)
    world.run(2)
    assert [event.text for event in budi.told(events.ChatReceived)] == ["into the void", "in between"]
    assert len(anna.told(events.ChatSent)) == 2


def test_beyond_the_hold_the_client_enters_again_and_others_saw_a_leave():
    world, (anna, budi) = meeting("anna", "budi")
    world.run(1)
    before = anna.participant
    anna.returns = False
    anna.reset()
    world.run(HOLD + 1)
    assert [event.participant.id for event in budi.told(events.ParticipantLeft)] == [before]
    anna.reconnect()
    world.run(3)
    assert [event.code for event in anna.told(events.ResumeFailed)] == [ErrorCode.CANNOT_RESUME]
    assert anna.session.phase is Phase.ROOM
    assert anna.participant != before
    anna.talk()
    world.run(1)
    assert budi.heard_from(anna)


def test_who_was_kicked_meanwhile_is_told_so_and_stays_out():
    world, (anna, budi) = meeting("anna", "budi")
    world.run(1)
    anna.returns = False
    anna.reset()
    operator = world.server.conference.operator
    world.server.do(lambda now: operator.kick("room", str(anna.participant), "enough", now)[1])
    world.run(0.2)
    assert len(budi.told(events.ParticipantLeft)) == 1
    anna.reconnect()
    world.run(1)
    assert anna.told(events.Evicted) == [events.Evicted(ErrorCode.KICKED, "enough")]
    assert not anna.session.seated


def test_after_a_restart_of_the_server_all_meet_in_the_same_room():
    world, clients = meeting("anna", "budi", "citra")
    for client in clients:
        client.talk()
    world.run(1)
    life = clients[0].session.seat.room.room.life
    world.server.die()
    world.run(2)
    world.server.start()
    up = world.now
    world.until(lambda: all(client.session.phase is Phase.ROOM and client.in_room for client in clients))
    assert world.now - up < 3
    world.run(0.2)
    assert {len(client.session.seat.room.members) for client in clients} == {3}
    assert clients[0].session.seat.room.room.life != life
    world.run(4)
    since = world.now - 0.5
    for hearer in clients:
        others = [client for client in clients if client is not hearer]
        assert all(hearer.heard_from(other, since=since) for other in others)


def test_a_connection_that_is_lost_again_while_it_resumes_is_tried_again():
    world, (anna, budi) = meeting("anna", "budi", conditions=Conditions(delay=0.1))
    world.run(1)
    anna.reset()
    world.until(lambda: anna.session.phase is Phase.LOGGING_IN)
    anna.reset()
    world.run(3)
    assert len(anna.told(events.Detached)) == 2
    assert anna.session.phase is Phase.ROOM
    assert left(budi) == []


def test_a_hint_that_the_network_changed_finds_a_dead_connection_in_two_seconds():
    world, (anna, _) = meeting("anna", "budi")
    world.run(1)
    anna.session.hint_network_changed(anna.clock.now)
    anna.pump()
    world.run(3)
    assert anna.told(events.Detached) == []
    anna.go_silent()
    world.run(0.5)
    anna.session.hint_network_changed(anna.clock.now)
    anna.pump()
    world.run(2.2)
    assert [event.code for event in anna.told(events.Detached)] == [ErrorCode.IDLE_TIMEOUT]


def test_a_server_that_goes_down_in_order_keeps_no_seat():
    world, (anna,) = meeting("anna")
    anna.returns = False
    world.server.do(lambda now: world.server.conference.shutdown("update", 5000, now))
    world.run(1)
    (closed,) = anna.told(events.Closed)
    assert (closed.code, closed.action, closed.retry_after_ms) == (ErrorCode.SHUTDOWN, Action.RECONNECT, 5000)
