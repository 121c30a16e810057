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


def change(driver: Driver, **values) -> None:
    """Let the operator change the hall, from what it was at the beginning."""
    driver.apply(driver.conference.rooms_changed([replace(HALL, **values)], driver.now))
    driver.advance(0.1)


def test_a_right_that_a_role_loses_in_mid_meeting_ends_what_is_sent_by_it_and_nothing_else():
    driver = Driver(rooms=(HALL,))
    speaker, listener = driver.participant("hall"), driver.participant("hall")
    listener.subscribe(m.Source.MICROPHONE, m.Source.CAMERA)
    for source in (m.Source.MICROPHONE, m.Source.CAMERA):
        assert isinstance(speaker.publish(source), m.Published)
    without_camera = speaker.view.joined.permissions & ~m.Permission.PUBLISH_VIDEO
    change(driver, permissions={m.Role.SPEAKER: int(without_camera)})
    shown = [info.source for info in listener.view.publications.values()]
    assert shown == [m.Source.MICROPHONE], "everybody sees that it ended"
    assert len(driver.plane.forwarding) == 3, "the microphone, and two beacons"
    assert listener.view.members[speaker.participant].permissions == without_camera
    assert error_code(speaker.publish(m.Source.CAMERA)) is ErrorCode.NOT_PERMITTED
    change(driver, permissions={})
    assert isinstance(speaker.publish(m.Source.CAMERA), m.Published)
    driver.check()


def test_who_may_not_hear_any_more_gets_nothing_at_once():
    driver = Driver(rooms=(HALL,))
    speaker, other = driver.participant("hall"), driver.participant("hall")
    other.subscribe(m.Source.MICROPHONE)
    speaker.publish()
    change(driver, permissions={m.Role.SPEAKER: int(m.Permission.PUBLISH_AUDIO)})
    heard = [receivers for key, receivers in driver.plane.forwarding.items() if key[0] == speaker.media_id]
    assert [len(receivers) for receivers in heard] == [1, 0], "the beacon goes on"
    driver.check()


def test_roles_that_the_operator_changes_hold_for_those_who_are_here():
    driver = Driver(rooms=(HALL,))
    driver.add_account("a2", role=m.Role.CHAIR)
    one, two = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    change(driver, default_role=m.Role.LISTENER)
    roles = [two.view.members[client.participant].role for client in (one, two)]
    assert roles == [m.Role.LISTENER, m.Role.CHAIR], "the account has a role of its own"
    change(driver, roles={"a1": m.Role.CHAIR, "a2": m.Role.SPEAKER})
    roles = [two.view.members[client.participant].role for client in (one, two)]
    assert roles == [m.Role.CHAIR, m.Role.SPEAKER]
    assert error_code(two.ask(m.Kick(one.participant))) is ErrorCode.NOT_PERMITTED
    assert isinstance(one.ask(m.Kick(two.participant)), m.Ok)
    given = [event.fields for event in driver.logged if event.name == "role_given"]
    assert {fields["by"] for fields in given} == {"operator"}
    driver.check()


def test_a_role_that_a_chair_gave_stays_until_the_operator_names_another():
    chairs = {"a1": m.Role.CHAIR}
    driver = Driver(rooms=(replace(HALL, roles=chairs),))
    chair, other = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    assert isinstance(chair.ask(m.SetRole(other.participant, m.Role.OBSERVER)), m.Ok)
    change(driver, roles=chairs, default_role=m.Role.LISTENER, title="Another title")
    assert other.view.members[other.participant].role is m.Role.OBSERVER
    change(driver, roles={**chairs, "a2": m.Role.SPEAKER})
    assert other.view.members[other.participant].role is m.Role.SPEAKER
    driver.check()


def test_a_change_of_something_else_changes_no_rights():
    driver = Driver()
    opener, other = driver.participant(), driver.participant()
    opener.got(m.RoomChanges)
    assert isinstance(opener.ask(m.UpdateRoom(title="Another title")), m.Ok)
    driver.advance(0.1)
    (changes,) = opener.got(m.RoomChanges)
    assert [change.what for change in changes.changes] == [m.ChangeKind.ROOM_UPDATED]
    assert other.view.members[opener.participant].role is m.Role.CHAIR


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
