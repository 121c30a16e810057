from dataclasses import replace

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.membership import MemberStatement, verify_member
from tcserver.conference.limits.admission import MAX_WAIT
from tcserver.identity import ServerIdentity
from tcserver.media.interface import CloseRoom, OpenSealer, OpenSeat
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

LIFE = bytes(16)
HALL = RoomRecord("hall", "The Hall", max_participants=20)


def test_first_joins_and_sees_itself_as_chair():
    driver = Driver()
    client = driver.participant("Rapat  Desa", name="Siti")
    view = client.view
    assert (view.info.name, view.info.title, view.info.e2ee, view.info.permanent) == (
        "rapat desa",
        "Rapat Desa",
        True,
        False,
    )
    assert view.joined.role is m.Role.CHAIR
    assert m.Permission(view.joined.permissions) & m.Permission.KICK
    assert view.joined.media_id & 0xFF == 0
    (member,) = view.members.values()
    assert member.name == "Siti"
    statement = MemberStatement(
        ServerIdentity(bytes(range(32))).fingerprint,
        view.info.life,
        "rapat desa",
        "dinkes",
        "Siti",
        member.box_key,
        member.signed_at,
    )
    assert verify_member(statement, member.signature, member.device_key)
    assert view.joined.room_keys[0].key == next(c.key for c in driver.plane.log if isinstance(c, OpenSealer))
    opened = next(c for c in driver.plane.log if isinstance(c, OpenSeat))
    assert (opened.up_key, opened.down_key) == (view.joined.up_key, view.joined.down_key)
    driver.check()


def test_nobody_sits_down_with_the_box_key_of_somebody_who_is_here():
    """Otherwise a member could copy it from the roster, and newcomers would not know its owner."""
    driver = Driver()
    owner, _, copier = driver.participant(), driver.participant(), driver.user(account="dinsos")
    opened = copier.ask(m.OpenRoom("room"))
    box_key = owner.view.members[owner.participant].box_key
    copied = copier.join_message("room", opened.room.life, box_key=box_key)
    assert error_code(copier.ask(copied)) is ErrorCode.BAD_REQUEST
    owner.ask(m.Leave())
    assert isinstance(copier.ask(copied), m.Joined), "members who saw it leave know that the key is spent"
    driver.check()


def test_the_log_has_sessions_as_the_list_of_sessions_has_them_and_the_accounts_of_who_comes_and_goes():
    driver = Driver()
    chair, other = driver.participant(), driver.participant(account="dinsos")
    participant = other.participant
    chair.ask(m.SetRole(participant, m.Role.LISTENER))
    chair.ask(m.Kick(participant))
    by, session = (f"{number:08x}" for number in driver.session_numbers)
    where = {"room": "room", "participant": participant, "session": session}
    opened, _, *events = ((event.name, event.fields) for event in driver.logged)
    assert opened == ("room_opened", {"room": "room", "by": by})
    assert events == [
        ("joined", {**where, "account": "dinsos"}),
        ("role_given", {**where, "role": m.Role.LISTENER, "by": by}),
        ("kicked", {**where, "by": by}),
        ("left", {**where, "account": "dinsos", "reason": ErrorCode.KICKED}),
    ]
    driver.check()


def test_the_reply_waits_for_the_media_plane():
    driver = Driver()
    driver.hold_seats = True
    first, client = driver.user(), driver.user()
    assert first.enter() is None
    assert client.enter() is None
    assert error_code(client.ask(m.Leave())) is ErrorCode.NOT_IN_ROOM
    room = client.ask(m.OpenRoom("room")).room
    assert error_code(client.ask(client.join_message("room", room.life))) is ErrorCode.ALREADY_IN_ROOM
    driver.answer_held()
    assert client.view.members.keys() == {first.participant, client.participant}
    driver.check()


def test_seat_that_the_media_plane_does_not_open_is_given_up():
    driver = Driver()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    late = driver.held.pop()
    driver.advance(5)
    assert error_code(client.replies[client.requests]) is ErrorCode.INTERNAL
    driver.apply(late())
    driver.check()
    driver.hold_seats = False
    assert isinstance(client.enter(), m.Joined)


def test_who_disconnects_while_the_seat_is_opened_was_never_there():
    driver = Driver()
    other = driver.participant()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    client.drop()
    driver.answer_held()
    driver.advance(1)
    assert other.got(m.RoomChanges) == []
    assert driver.plane.rotations == []
    driver.check()


def test_joins_of_others_come_as_numbered_changes_in_batches():
    driver = Driver()
    first, *others = [driver.user() for _ in range(36)]
    for client in (first, *others):
        client.enter()
    assert len(first.got(m.RoomChanges)) == 1
    driver.advance(0.1)
    assert len(first.got(m.RoomChanges)) == 1
    assert len(first.view.members) == 36
    driver.advance(1)
    assert first.got(m.RoomChanges) == []
    assert {client.view.number for client in others} == {36}
    driver.check()


def test_big_room_comes_in_pages_and_long_batches_in_several_messages():
    driver = Driver()
    clients = [driver.user() for _ in range(100)]
    for client in clients:
        client.enter()
    first, last = clients[0], clients[-1]
    assert last.publish().stream
    driver.advance(0.1)
    assert len(first.view.members) == 100
    pages = last.got(m.Snapshot)
    assert [len(page.members) for page in pages] == [48, 48, 4]
    assert len(first.got(m.RoomChanges)) == 1 + 2
    driver.check()


def test_longest_names_fit_a_page_and_a_batch():
    driver = Driver()
    wide = "\U0001f600"
    driver.accounts["a" * 32] = replace(driver.add_account("a" * 32), display=wide * 64)
    clients = [driver.participant(account="a" * 32, name=wide * 61 + f"{i:03}") for i in range(66)]
    driver.advance(0.1)
    for client in clients:
        client.send(m.Publish(2**32 - 1, m.Kind.VIDEO, m.Source.SCREEN, wide * 16, True, 4, 65535, 65535))
    assert isinstance(clients[0].ask(m.GetSnapshot()), m.Ok)
    assert len(clients[0].view.publications) == 66
    driver.advance(0.1)
    assert all(isinstance(client.replies[client.requests], m.Published) for client in clients[1:])
    driver.check()


def test_snapshot_can_be_asked_for_again_in_the_middle_of_a_batch():
    driver = Driver()
    first, _second, third = driver.participant(), driver.participant(), driver.participant()
    assert first.view.number == 2
    assert isinstance(first.ask(m.GetSnapshot()), m.Ok)
    assert first.view.number == 3
    driver.advance(1)
    assert first.view.members == third.view.members
    driver.check()


def test_room_has_a_limit():
    driver = Driver(rooms__max_participants=2)
    driver.hold_seats = True
    driver.user().enter()
    driver.user().enter()
    third = driver.user()
    assert error_code(third.enter()) is ErrorCode.ROOM_FULL
    driver.answer_held()
    assert error_code(third.enter()) is ErrorCode.ROOM_FULL
    driver.check()


def test_mode_has_to_match():
    driver = Driver(rooms=(replace(HALL, e2ee=False),))
    driver.participant()
    client = driver.user()
    assert error_code(client.enter("room", e2ee=False)) is ErrorCode.MODE_MISMATCH
    assert error_code(client.enter("hall", e2ee=True)) is ErrorCode.MODE_MISMATCH
    assert isinstance(client.enter("hall", e2ee=False), m.Joined)
    assert not client.view.info.e2ee


def test_unknown_room_where_temporary_ones_are_not_allowed():
    driver = Driver(rooms__temporary=False, rooms=(HALL,))
    client = driver.user()
    assert error_code(client.enter("other")) is ErrorCode.NO_SUCH_ROOM
    assert isinstance(client.enter("HALL"), m.Joined)


@pytest.mark.parametrize("name", ["", "a/b", "a\u202eb", "\ufeff", "x" * 65])
def test_bad_room_name(name):
    assert error_code(Driver().user().ask(m.OpenRoom(name))) is ErrorCode.BAD_REQUEST


def test_who_is_not_invited_gets_the_answer_of_a_room_that_does_not_exist():
    invited = replace(HALL, invited_only=True, roles={"guest": m.Role.SPEAKER})
    driver = Driver(rooms__temporary=False, rooms=(invited,))
    driver.add_account("operator", role=m.Role.ADMIN)
    driver.add_account("leader", role=m.Role.CHAIR)
    for account in ("guest", "operator"):
        assert isinstance(driver.user(account).enter("hall"), m.Joined)
    life = driver.rooms.by_name("hall").info.life
    for account in ("stranger", "leader"):
        client = driver.user(account)
        refused = client.enter("hall")
        assert refused == client.enter("nowhere")
        assert refused.code is ErrorCode.NO_SUCH_ROOM
        assert client.enter("hall", e2ee=False) == refused, "nor by its mode"
        assert client.ask(client.join_message("hall", life)) == refused, "nor by its life"
        assert client.ask(client.join_message("nowhere", life)) == refused
    driver.check()


def test_an_invitation_holds_from_the_next_entry_on():
    driver = Driver(rooms=(HALL,))
    early = driver.participant("hall", "early")
    driver.apply(driver.conference.rooms_changed([replace(HALL, invited_only=True)], driver.now))
    assert early.view is not None, "who is in stays"
    late = driver.user("late")
    assert error_code(late.enter("hall")) is ErrorCode.NO_SUCH_ROOM
    roles = {"late": m.Role.LISTENER}
    driver.apply(driver.conference.rooms_changed([replace(HALL, invited_only=True, roles=roles)], driver.now))
    assert late.enter("hall").role is m.Role.LISTENER
    driver.check()


@pytest.mark.parametrize("name", ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "Ruang 🎉", "会議室", "ﷺ"])
def test_room_names_of_all_scripts(name):
    driver = Driver()
    assert isinstance(driver.user().enter(name), m.Joined)
    assert isinstance(driver.user().enter(name.upper()), m.Joined)


def test_join_is_for_this_life_and_signed():
    driver = Driver(rooms=(HALL,))
    client = driver.user()
    assert error_code(client.ask(client.join_message("room", LIFE))) is ErrorCode.NO_SUCH_ROOM
    assert error_code(client.ask(client.join_message("hall", LIFE))) is ErrorCode.ROOM_CHANGED
    life = client.ask(m.OpenRoom("room")).room.life
    assert error_code(client.ask(client.join_message("room", LIFE))) is ErrorCode.ROOM_CHANGED
    assert error_code(client.ask(client.join_message("room", life, name="Another"))) is ErrorCode.BAD_REQUEST
    assert isinstance(client.ask(client.join_message("room", life)), m.Joined)


def test_unused_room_closes_after_five_minutes_and_an_empty_one_after_twenty_seconds():
    driver = Driver(rooms=(HALL,))
    client = driver.user()
    lives = {}
    for name in ("room", "hall"):
        lives[name] = client.ask(m.OpenRoom(name)).room.life
    driver.advance(299)
    assert driver.conference.rooms == 2
    driver.advance(1)
    assert driver.conference.rooms == 0
    for name in ("room", "hall"):
        assert isinstance(client.enter(name), m.Joined)
        assert client.view.info.life != lives[name]
        lives[name] = client.view.info.life
        driver.advance(1000)
        assert isinstance(client.ask(m.Leave()), m.Ok)
        driver.advance(19)
        assert isinstance(client.enter(name), m.Joined)
        assert client.view.info.life == lives[name]
        client.ask(m.Leave())
        driver.advance(20)
        assert driver.conference.rooms == 0
        assert isinstance(driver.plane.log[-1], CloseRoom)
    assert client.ask(m.OpenRoom("hall")).room.life != lives["hall"]
    driver.check()


def test_rooms_are_bounded_for_all_and_for_an_account():
    driver = Driver(rooms__max_rooms=3, max_unused_rooms=2)
    client, other = driver.user("a1"), driver.user("a2")
    codes = [error_code(client.ask(m.OpenRoom(name))) for name in "abc"]
    assert codes == [None, None, ErrorCode.RATE_LIMITED]
    assert isinstance(client.enter("a"), m.Joined)
    assert error_code(other.ask(m.OpenRoom("c"))) is None
    assert error_code(other.ask(m.OpenRoom("d"))) is ErrorCode.SERVER_FULL


@pytest.mark.parametrize("limit", ["rooms__max_rooms", "rooms__max_rooms_per_account", "max_unused_rooms"])
def test_who_may_open_no_further_room_is_told_when_one_ends(limit):
    driver = Driver(**{"rooms__max_rooms": 9, "rooms__max_rooms_per_account": 9, "max_unused_rooms": 9, limit: 2})
    client = driver.user("a1")
    lifetime = driver.conference.context.settings.rooms.unused_close_s
    for name in "ab":
        assert error_code(client.ask(m.OpenRoom(name))) is None
        driver.advance(1)
    assert client.ask(m.OpenRoom("c")).retry_after_ms == min(MAX_WAIT, lifetime - 2) * 1000 + (lifetime - 2 < MAX_WAIT)
    driver.advance(lifetime - 4)
    refused = client.ask(m.OpenRoom("c"))
    assert refused.retry_after_ms == 2001
    driver.advance(refused.retry_after_ms / 1000)
    assert error_code(client.ask(m.OpenRoom("c"))) is None, "what was told is true"


def test_who_may_open_no_further_room_while_all_are_in_use_is_told_to_ask_again():
    driver = Driver(rooms__max_rooms=2)
    for name in "ab":
        driver.participant(name, f"in-{name}")
    refused = driver.user("a1").ask(m.OpenRoom("c"))
    assert (refused.code, refused.retry_after_ms) == (ErrorCode.SERVER_FULL, MAX_WAIT * 1000)


def test_no_account_uses_up_the_rooms_and_permanent_ones_can_always_be_opened():
    driver = Driver(
        rooms__max_rooms=10,
        rooms__max_rooms_per_account=4,
        max_unused_rooms=3,
        rooms=(HALL, replace(HALL, name="aula")),
    )
    clients = [driver.user("greedy") for _ in range(4)]
    for number, client in enumerate(clients):
        assert isinstance(client.enter(f"room-{number}"), m.Joined)
    fifth = driver.user("greedy")
    assert error_code(fifth.ask(m.OpenRoom("room-5"))) is ErrorCode.RATE_LIMITED
    assert error_code(fifth.ask(m.OpenRoom("room-0"))) is None, "what is open is found"
    assert isinstance(fifth.enter("hall"), m.Joined)
    # A room counts for its opener as long as it is open.
    other = driver.user("other")
    assert isinstance(other.enter("room-0"), m.Joined)
    clients[0].ask(m.Leave())
    assert error_code(clients[0].ask(m.OpenRoom("room-5"))) is ErrorCode.RATE_LIMITED
    other.ask(m.Leave())
    driver.advance(20)
    assert error_code(clients[0].ask(m.OpenRoom("room-5"))) is None
    # When all temporary rooms are taken, permanent ones are not.
    for number in range(6):
        assert error_code(driver.user(f"a{number}").ask(m.OpenRoom(f"a{number}"))) is None
    assert error_code(driver.user("late").ask(m.OpenRoom("late"))) is ErrorCode.SERVER_FULL
    assert isinstance(driver.user("late").enter("aula"), m.Joined)
    driver.check()


@pytest.mark.parametrize(
    "name", ["h\u0430ll", "HaIl".replace("I", "1"), "hal1", "h-all", "h\u00e1ll", "ha ll", "\u04bball"]
)
def test_a_temporary_room_does_not_look_like_a_permanent_one(name):
    driver = Driver(rooms=(HALL,))
    client = driver.user()
    assert error_code(client.ask(m.OpenRoom(name))) is ErrorCode.BAD_NAME
    assert error_code(client.ask(m.OpenRoom("hill"))) is None
    driver.apply(driver.conference.rooms_changed([replace(HALL, name="hill 2")], driver.now))
    assert error_code(client.ask(m.OpenRoom(name))) is None
    assert error_code(client.ask(m.OpenRoom("hi11-2"))) is ErrorCode.BAD_NAME


def test_leave_ends_everything_that_came_from_the_room():
    driver = Driver()
    first, second = driver.participant(), driver.participant()
    driver.advance(1)
    assert isinstance(first.ask(m.Leave()), m.Ok)
    second.publish()
    second.ask(m.Chat(bytes(16), m.ChatScope.ROOM, sealed=b"hello"))
    driver.advance(1)
    first.got(m.RoomChanges)
    assert first.inbox == [*first.got(m.Snapshot)]
    assert second.view.members.keys() == {second.participant}
    driver.check()


def test_disconnect_is_a_leave():
    driver = Driver()
    first, second = driver.participant(), driver.participant()
    first.drop()
    driver.advance(0.1)
    assert second.view.members.keys() == {second.participant}
    driver.check()
