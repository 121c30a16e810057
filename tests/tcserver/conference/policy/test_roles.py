"""Roles in a room: which one a participant gets, what it allows, and whether it has it again after coming back."""

from dataclasses import replace

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference.permissions import OPENER_RANK
from tcserver.conference.policy.roles import MAX_REMEMBERED_ROLES, Roles
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

HALL = RoomRecord("hall", "The Hall", max_participants=20)


def test_who_opened_the_room_is_chair_again_after_coming_back_and_nobody_else():
    driver = Driver()
    chair, speaker = driver.participant(device=70), driver.participant()
    assert speaker.view.joined.role is m.Role.SPEAKER
    chair.drop()
    assert driver.participant().view.joined.role is m.Role.SPEAKER
    assert driver.participant(device=70).view.joined.role is m.Role.CHAIR
    driver.check()


def test_a_room_that_emptied_gets_a_chair_again():
    driver = Driver()
    driver.participant(device=70).drop()
    driver.advance(1)
    assert driver.participant().view.joined.role is m.Role.CHAIR


def test_roles_of_room_and_account():
    hall = replace(HALL, default_role=m.Role.LISTENER, roles={"a1": m.Role.CHAIR, "a2": m.Role.SPEAKER})
    driver = Driver(rooms=(hall,))
    driver.add_account("a2", role=m.Role.OBSERVER)
    driver.add_account("a3", role=m.Role.ADMIN)
    driver.add_account("a4", role=m.Role.RECORDER)
    roles = [driver.participant("hall", account).view.joined.role for account in ("a0", "a1", "a2", "a3", "a4")]
    assert roles == [m.Role.LISTENER, m.Role.CHAIR, m.Role.SPEAKER, m.Role.ADMIN, m.Role.RECORDER]
    # In a temporary room the account's own role holds, and an admin leads already.
    roles = [driver.participant("room", account).view.joined.role for account in ("a2", "a3", "a0")]
    assert roles == [m.Role.OBSERVER, m.Role.ADMIN, m.Role.SPEAKER]


def test_room_can_override_what_a_role_may_do():
    hall = replace(HALL, permissions={m.Role.SPEAKER: int(m.Permission.CHAT_ROOM)})
    driver = Driver(rooms=(hall,))
    client = driver.participant("hall")
    assert client.view.joined.permissions == m.Permission.CHAT_ROOM
    assert error_code(client.publish()) is ErrorCode.NOT_PERMITTED
    assert error_code(client.subscribe()) is ErrorCode.NOT_PERMITTED
    assert isinstance(client.ask(m.Chat(bytes(16), m.ChatScope.ROOM, sealed=b"hello")), m.ChatAccepted)


def test_remembered_roles_are_bounded():
    driver = Driver()
    chair = driver.participant()
    room = driver.room_of(chair)
    (roles,) = [policy for policy in room.policies if isinstance(policy, Roles)]
    seat = room.seats[chair.participant]
    device = seat.session.device_key
    assert roles.remembered(seat) == (m.Role.CHAIR, OPENER_RANK)
    for number in range(MAX_REMEMBERED_ROLES):
        seat.session.device_key = number.to_bytes(32, "big")
        roles.remember(seat, m.Role.SPEAKER, 1)
    assert roles.remembered(seat) == (m.Role.SPEAKER, 1)
    seat.session.device_key = device
    assert roles.remembered(seat) is None
