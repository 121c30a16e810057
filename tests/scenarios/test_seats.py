"""Devices come back, clients share an account, roles and microphones change."""

from tcclient.core import events
from tcproto.errors import Action, ErrorCode
from tcproto.messages import Kick, Kind, Role, SetRole, Source
from tcserver.media import Drop
from tcserver.records import DuplicatePolicy


def test_a_returning_device_takes_over_its_own_seat(world):
    """The network of a client failed without a word, and the client is back before the server noticed."""
    ada, ben = world.room("ada", "ben")
    ghost = ada.participant
    ada.vanish()
    world.run(3)
    ada.rebind()
    ada.unblock()
    ada.connect()
    world.until(lambda: world.ready(ada))
    world.run(0.2)
    (left,) = ben.told(events.ParticipantLeft)
    assert left.participant.id == ghost
    assert ada.participant != ghost
    assert len(ben.session.seat.room.members) == 2
    assert len(world.server.sessions) == 2
    ada.say()
    ben.say()
    world.run(0.5)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken


def test_two_people_of_one_account_keep_their_seats(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo", account="dinkes")
    ben.vanish()
    world.run(3)
    ben.rebind()
    ben.unblock()
    ben.connect()
    world.until(lambda: world.ready(ben))
    world.run(0.2)
    assert not ada.told(events.Closed)
    assert not cleo.told(events.Closed)
    labels = {participant.label for participant in cleo.session.seat.room.members.values()}
    assert labels == {"Dinkes / ada", "Dinkes / ben", "Dinkes / cleo"}
    for client in (ada, ben, cleo):
        client.say()
    world.run(0.5)
    for client in (ada, ben, cleo):
        assert len(client.heard_from(ada, ben, cleo)) == 2


def test_a_device_that_logs_in_twice_is_told_on_its_first_connection(world):
    ada, ben = world.room("ada", "ben")
    twin = world.client("ada twin")
    twin.device = ada.device
    twin.close()
    twin.connect()
    world.until(lambda: world.ready(twin))
    (closed,) = ada.told(events.Closed)
    assert (closed.code, closed.action) == (ErrorCode.REPLACED, Action.STOP)
    assert not ben.told(events.Closed)


def test_an_account_may_be_limited_to_one_session(world):
    world.server.account("solo", duplicates=DuplicatePolicy.REFUSE)
    (ada,) = world.room("ada", account="solo")
    ben = world.client("ben", account="solo")
    world.run(1)
    (failed,) = ben.told(events.LoginFailed)
    assert failed.code is ErrorCode.TOO_MANY_SESSIONS
    assert ada.in_room


def test_a_muted_microphone_is_silent_at_the_server_at_once(world):
    """This also holds if the client goes on sending: the server never trusts its word."""
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    world.run(1)
    ada.session.seat.publishing.set_muted(ada.microphone, True)
    ada.pump()
    ada.session.seat.publications.live[ada.microphone].muted = False  # a client that lies
    world.run(0.01)
    muted_at = world.now
    world.run(2)
    assert not ben.heard_from(ada, since=muted_at)
    assert world.server.drops()[Drop.MUTED] >= 99
    (updated,) = ben.told(events.TrackUpdated)
    assert updated.track.muted
    ada.mute(False)
    world.run(0.01)
    unmuted_at = world.now
    world.run(1)
    assert len(ben.heard_from(ada, since=unmuted_at)) == 50


def test_muting_ten_times_a_second_ends_in_the_last_state(world):
    ada, ben = world.room("ada", "ben")
    world.run(0.2)
    ada.talk()
    for turn in range(20):
        ada.mute(turn % 2 == 0)
        world.run(0.05)
    world.run(1)
    since = world.now
    world.run(1)
    assert len(ben.heard_from(ada, since=since)) == 50
    assert not next(iter(ben.session.seat.room.publications.values())).muted


def test_who_becomes_a_listener_is_heard_no_more_and_may_come_back(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    world.run(0.2)
    ben.talk()
    world.run(1)
    ada.request(SetRole(ben.participant, Role.LISTENER))
    world.run(0.005)
    since = world.now
    world.run(1)
    assert not ada.heard_from(ben, since=since)
    assert not cleo.heard_from(ben, since=since)
    assert not ben.say(), "the client knows that its publication has ended"
    ben.hush()
    assert ben.session.seat.room.members[ben.participant].member.role is Role.LISTENER
    ada.say()
    world.run(0.1)
    assert ben.heard_from(ada) == ada.spoken, "who listens still hears"
    ada.request(SetRole(ben.participant, Role.SPEAKER))
    world.run(0.3)
    ben.microphone = ben.publish(Kind.AUDIO, Source.MICROPHONE, "opus")
    world.until(lambda: world.ready(ben))
    ben.say()
    world.run(0.1)
    assert ada.heard_from(ben)[-1] == cleo.heard_from(ben)[-1] == ben.spoken[-1]


def test_who_is_kicked_is_told_and_may_not_send(world):
    ada, ben, cleo = world.room("ada", "ben", "cleo")
    world.run(0.2)
    ben.talk()
    world.run(1)
    ada.request(Kick(ben.participant, "enough"))
    world.run(0.005)
    since = world.now
    world.run(1)
    (evicted,) = ben.told(events.Evicted)
    assert (evicted.code, evicted.text) == (ErrorCode.KICKED, "enough")
    (left,) = cleo.told(events.ParticipantLeft)
    assert left.code is ErrorCode.KICKED
    assert not cleo.heard_from(ben, since=since)
    ben.hush()
    ben.enter()
    world.run(0.1)
    (failed,) = ben.told(events.JoinFailed)
    assert failed.code is ErrorCode.KICKED
    world.run(failed.retry_after_ms / 1000 - 0.2)
    assert not ben.in_room
    world.until(lambda: world.ready(ben))  # it tries again at the time that it was told


def test_a_room_that_all_have_left_begins_a_new_life(world):
    ada, ben = world.room("ada", "ben")
    life = ada.session.seat.room.room.life
    ada.leave()
    ben.leave()
    world.run(25)
    ada.enter()
    ben.enter()
    world.until(lambda: world.ready(ada, ben))
    world.run(0.3)
    assert ada.session.seat.room.room.life == ben.session.seat.room.room.life != life
    ada.say()
    ben.say()
    world.run(0.5)
    assert ben.heard_from(ada) == ada.spoken
    assert ada.heard_from(ben) == ben.spoken
