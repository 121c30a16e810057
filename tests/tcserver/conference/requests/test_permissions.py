"""Every (role, command, state) triple, and every pair of roles for what one member does to another."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference import ROLE_PERMISSIONS
from tcserver.conference.dispatch import COMMANDS
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

ROLES = [role for role in m.Role if role is not m.Role.UNKNOWN]
ADMIN, CHAIR, SPEAKER, LISTENER, OBSERVER, RECORDER = ROLES
ALL, LEADERS = set(ROLES), {ADMIN, CHAIR}
TALKERS = LEADERS | {SPEAKER}
MICROPHONE, CAMERA, SCREEN = m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN

HALL = RoomRecord("hall", "Hall", roles={role.value: m.Role(role) for role in ROLES} | {"second": m.Role.CHAIR})

COMMAND_TABLE = {
    "leave": (lambda _: m.Leave(), ALL),
    "get_snapshot": (lambda _: m.GetSnapshot(), ALL),
    "subscribe": (lambda _: m.Subscribe(1, (MICROPHONE,)), ALL),
    "publish microphone": (lambda _: m.Publish(9, m.Kind.AUDIO, MICROPHONE, "opus"), TALKERS),
    "publish camera": (lambda _: m.Publish(9, m.Kind.VIDEO, CAMERA, "vp8"), TALKERS),
    "publish screen": (lambda _: m.Publish(9, m.Kind.VIDEO, SCREEN, "vp8"), TALKERS),
    "publish screen_audio": (lambda _: m.Publish(9, m.Kind.AUDIO, m.Source.SCREEN_AUDIO, "opus"), TALKERS),
    "chat room": (lambda _: m.Chat(bytes(16), m.ChatScope.ROOM, sealed=b"x"), TALKERS | {LISTENER}),
    "chat participant": (
        lambda other: m.Chat(bytes(16), m.ChatScope.PARTICIPANT, "", other.participant, b"x"),
        TALKERS | {LISTENER},
    ),
    "chat server": (lambda _: m.Chat(bytes(16), m.ChatScope.SERVER, "x"), {ADMIN}),
    "set_role": (lambda other: m.SetRole(other.participant, LISTENER), LEADERS),
    "kick": (lambda other: m.Kick(other.participant), LEADERS),
    "raise_hand": (lambda _: m.RaiseHand(), ALL),
    "lower_hand": (lambda _: m.LowerHand(), ALL),
    "lower_hand of another": (lambda other: m.LowerHand(other.participant), LEADERS),
    "lower_hand of everybody": (lambda _: m.LowerHand(everybody=True), LEADERS),
    "mute_other": (lambda _: m.MuteOther(0, MICROPHONE, True), LEADERS),
    "mute_other hard": (lambda other: m.MuteOther(other.participant, MICROPHONE, True, True), LEADERS),
    "update_room title": (lambda _: m.UpdateRoom(title="New"), LEADERS),
    "update_room max_participants": (lambda _: m.UpdateRoom(max_participants=50), LEADERS),
    "update_room": (lambda _: m.UpdateRoom(), LEADERS),
    "lock_room": (lambda _: m.LockRoom(True), LEADERS),
    "set_audio_only": (lambda _: m.SetAudioOnly(True), LEADERS),
    "close_room": (lambda _: m.CloseRoom(), LEADERS),
}


def meeting(role):
    """A participant with a role, and a speaker, in one room."""
    driver = Driver(rooms=(HALL,))
    client, other = driver.participant("hall", role.value), driver.participant("hall", "somebody")
    driver.advance(1)
    assert client.view.joined.role is role
    assert client.view.joined.permissions == ROLE_PERMISSIONS[role]
    return driver, client, other


def test_the_table_names_every_command_of_a_member():
    named = {type(make(Driver().participant())).__name__ for make, _ in COMMAND_TABLE.values()}
    served = {
        row.message.__name__
        for row in m.ROWS.values()
        if row.message in COMMANDS and row.states is m.State.ROOM and row.answer is not None
    }
    assert served - named == {"Unpublish", "Mute"}, "which are about one's own publications"
    assert named <= served


@pytest.mark.parametrize("command", COMMAND_TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_in_the_room(role, command):
    make, allowed = COMMAND_TABLE[command]
    driver, client, other = meeting(role)
    before = (other.view.info, dict(other.view.members), len(driver.plane.log))
    code = error_code(client.ask(make(other)))
    driver.advance(1)
    if role in allowed:
        assert code is None
    else:
        assert code is ErrorCode.NOT_PERMITTED
        assert (other.view.info, other.view.members, len(driver.plane.log)) == before
        assert driver.writes == other.got(m.ChatMessage) == []
    driver.check()


@pytest.mark.parametrize("command", COMMAND_TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_outside_the_room(role, command):
    make, _ = COMMAND_TABLE[command]
    driver, client, other = meeting(role)
    message = make(other)
    client.ask(m.Leave())
    assert error_code(client.ask(message)) is ErrorCode.NOT_IN_ROOM
    guest = driver.client(role.value)
    guest.send(message)
    assert guest.closed.code is ErrorCode.UNEXPECTED_MESSAGE
    driver.check()


@pytest.mark.parametrize("command", COMMAND_TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_in_a_room_just_deleted(role, command):
    make, _ = COMMAND_TABLE[command]
    driver, client, other = meeting(role)
    message = make(other)
    driver.participant("hall", "admin").ask(m.CloseRoom())
    assert error_code(client.ask(message)) is ErrorCode.NOT_IN_ROOM
    driver.check()


RANKS = [{ADMIN}, {CHAIR}, {SPEAKER}, {LISTENER, OBSERVER, RECORDER}]


def rank(role):
    return next(place for place, roles in enumerate(RANKS) if role in roles)


@pytest.mark.parametrize("target_role", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_kick_of_another(role, target_role):
    driver, client, _ = meeting(role)
    target = driver.participant("hall", target_role.value)
    code = error_code(client.ask(m.Kick(target.participant, "off topic")))
    driver.advance(1)
    if role in LEADERS and rank(role) <= rank(target_role):
        assert code is None
        assert target.got(m.Evicted) == [m.Evicted(ErrorCode.KICKED, "off topic")]
        left = [c for message in client.got(m.RoomChanges) for c in message.changes][-1]
        assert (left.participant, left.code) == (left.participant, ErrorCode.KICKED)
        assert error_code(target.enter("hall")) is ErrorCode.KICKED
        assert isinstance(target.enter("elsewhere"), m.Joined), "the session goes on"
    else:
        assert code is ErrorCode.NOT_PERMITTED
        assert target.view is not None
    driver.check()


@pytest.mark.parametrize("given", ROLES)
@pytest.mark.parametrize("target_role", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_role_for_another(role, target_role, given):
    driver, client, _ = meeting(role)
    target = driver.participant("hall", target_role.value)
    code = error_code(client.ask(m.SetRole(target.participant, given)))
    driver.advance(0.1)
    if role in LEADERS and rank(role) <= rank(target_role) and rank(role) <= rank(given):
        assert code is None
        assert client.view.members[target.participant].role is given
    else:
        assert code is ErrorCode.NOT_PERMITTED
        assert client.view.members[target.participant].role is target_role


@pytest.mark.parametrize("role", ROLES)
def test_kick_of_oneself_is_a_leave(role):
    driver, client, other = meeting(role)
    code = error_code(client.ask(m.Kick(client.participant)))
    driver.advance(1)
    if role in LEADERS:
        assert code is None
        assert [evicted.code for evicted in client.got(m.Evicted)] == [ErrorCode.KICKED]
        assert other.view.members.keys() == {other.participant}
        assert isinstance(client.enter("hall"), m.Joined)
    else:
        assert code is ErrorCode.NOT_PERMITTED
    driver.check()


@pytest.mark.parametrize("role", ROLES)
def test_role_for_oneself_does_not_rise(role):
    driver, client, other = meeting(role)
    code = error_code(client.ask(m.SetRole(client.participant, ADMIN)))
    assert code is (None if role is ADMIN else ErrorCode.NOT_PERMITTED)
    if role in LEADERS:
        assert error_code(client.ask(m.SetRole(client.participant, OBSERVER))) is None
        assert error_code(client.ask(m.SetRole(client.participant, role))) is ErrorCode.NOT_PERMITTED
        driver.advance(1)
        assert other.view.members[client.participant].role is OBSERVER
    driver.check()


def test_chairs_may_act_on_each_other_and_nobody_below_on_them():
    driver, chair, _ = meeting(CHAIR)
    second = driver.participant("hall", "second")
    assert error_code(second.ask(m.SetRole(chair.participant, SPEAKER))) is None
    assert error_code(chair.ask(m.Kick(second.participant))) is ErrorCode.NOT_PERMITTED


def test_roles_and_kicks_of_participants_who_are_not_there():
    driver, chair, other = meeting(CHAIR)
    outsider = driver.participant("other", "somebody")
    other.drop()
    for participant in (0, outsider.participant, other.participant):
        assert error_code(chair.ask(m.Kick(participant))) is ErrorCode.NO_SUCH_PARTICIPANT
        assert error_code(chair.ask(m.SetRole(participant, SPEAKER))) is ErrorCode.NO_SUCH_PARTICIPANT
    assert error_code(chair.ask(m.SetRole(chair.participant, m.Role.UNKNOWN))) is ErrorCode.BAD_REQUEST


def test_a_role_that_was_given_holds_for_the_next_seat_too():
    driver = Driver()
    chair, loud = driver.participant(), driver.participant(device=70)
    chair.ask(m.SetRole(loud.participant, LISTENER))
    loud.drop()
    assert driver.participant(device=70).view.joined.role is LISTENER


def test_sixteen_bits_hold_all_permissions():
    assert max(m.Permission) < 1 << 16
    assert all(ROLE_PERMISSIONS[role] < 1 << 16 for role in ROLES)
