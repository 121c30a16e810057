from dataclasses import replace

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference import SaveRoom
from tcserver.conference.policy.speaker_limit import SMALL_ROOM
from tcserver.conference.room.rooms import FAILED_SAVE_RETRY_MS
from tcserver.media.interface import SeatOpened
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code
from tests.support.conference.settings import settings

HALL = RoomRecord("hall", "The Hall", max_participants=20)


def test_update_of_a_temporary_room():
    driver = Driver(rooms__max_participants=10)
    chair, other = driver.participant(), driver.participant()
    assert isinstance(chair.ask(m.UpdateRoom("Rapat", 2)), m.Ok)
    driver.advance(0.1)
    assert (other.view.info.title, other.view.info.max_participants) == ("Rapat", 2)
    assert error_code(driver.user().enter()) is ErrorCode.ROOM_FULL
    number = other.view.number
    assert isinstance(chair.ask(m.UpdateRoom()), m.Ok)
    driver.advance(0.1)
    assert other.view.number == number
    for bad in (m.UpdateRoom(max_participants=0), m.UpdateRoom(max_participants=11), m.UpdateRoom("\u202e")):
        assert error_code(chair.ask(bad)) is ErrorCode.BAD_REQUEST
    assert isinstance(chair.ask(m.UpdateRoom("")), m.Ok)
    driver.advance(0.1)
    assert other.view.info.title == ""
    assert driver.writes == []
    driver.check()


def test_update_of_a_permanent_room_is_on_disk_before_it_is_acknowledged():
    driver = Driver(rooms=(replace(HALL, roles={"dinkes": m.Role.CHAIR}),), rooms__max_participants=10)
    chair = driver.participant("hall")
    assert chair.view.info.max_participants == 10
    driver.hold_writes = True
    assert chair.ask(m.UpdateRoom("New")) is None
    driver.advance(1)
    assert chair.view.info.title == "The Hall"
    assert error_code(chair.ask(m.UpdateRoom("Newer"))) is ErrorCode.RATE_LIMITED
    driver.answer_held()
    driver.advance(1)
    assert isinstance(chair.replies[chair.requests - 1], m.Ok)
    assert chair.view.info.title == "New"
    (write,) = driver.writes
    assert write == SaveRoom(write.ticket, "hall", {"title": "New"}), "what was not asked for stays as stored"
    assert isinstance(chair.ask(m.UpdateRoom(max_participants=5)), m.Ok)
    assert driver.writes[-1].changes == {"max_participants": 5}
    driver.advance(1)
    assert (chair.view.info.title, chair.view.info.max_participants) == ("New", 5)
    driver.check()


def test_what_an_operator_changes_while_a_change_is_written_stays():
    hall = replace(HALL, roles={"dinkes": m.Role.CHAIR})
    driver = Driver(rooms=(hall,))
    chair = driver.participant("hall")
    driver.hold_writes = True
    chair.ask(m.UpdateRoom("New"))
    driver.apply(driver.conference.rooms_changed([replace(hall, max_participants=30)], driver.now))
    driver.answer_held()
    driver.advance(1)
    assert (chair.view.info.title, chair.view.info.max_participants) == ("New", 30)
    driver.check()


def test_a_permanent_room_that_is_removed_while_a_change_is_written_is_gone():
    driver = Driver(rooms=(replace(HALL, roles={"dinkes": m.Role.CHAIR}),), rooms__temporary=False)
    chair = driver.participant("hall")
    driver.hold_writes = True
    chair.ask(m.UpdateRoom("New"))
    driver.apply(driver.conference.rooms_changed([], driver.now))
    driver.answer_held()
    assert [e.code for e in chair.got(m.Evicted)] == [ErrorCode.ROOM_CLOSED]
    assert error_code(chair.enter("hall")) is ErrorCode.NO_SUCH_ROOM
    driver.check()


def test_change_that_cannot_be_written_is_refused():
    driver = Driver(rooms=(replace(HALL, roles={"dinkes": m.Role.CHAIR}),))
    chair = driver.participant("hall")
    driver.hold_writes = True
    assert chair.ask(m.UpdateRoom("New")) is None
    driver.apply(driver.conference.saved(driver.writes[0].ticket, False, driver.now))
    refused = chair.replies[chair.requests]
    assert (refused.code, refused.retry_after_ms) == (ErrorCode.INTERNAL, FAILED_SAVE_RETRY_MS)
    driver.advance(1)
    assert chair.view.info.title == "The Hall"
    driver.check()


@pytest.mark.parametrize("permanent", [False, True])
def test_who_ends_the_meeting_ends_it_for_all_and_a_permanent_room_stays(permanent):
    rooms = (replace(HALL, roles={"a1": m.Role.CHAIR}),) if permanent else ()
    driver = Driver(rooms=rooms, rooms__temporary=not permanent)
    chair, other = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    driver.hold_seats = True
    joining = driver.user("a3")
    joining.enter("hall")
    assert isinstance(chair.ask(m.CloseRoom()), m.Ok)
    assert driver.writes == []
    for client in (chair, other):
        assert [e.code for e in client.got(m.Evicted)] == [ErrorCode.ROOM_CLOSED]
        assert error_code(client.ask(m.Leave())) is ErrorCode.NOT_IN_ROOM
    assert error_code(joining.replies[joining.requests]) is ErrorCode.ROOM_CLOSED
    driver.answer_held()
    assert driver.conference.rooms == 0
    assert isinstance(other.enter("hall"), m.Joined)
    driver.advance(10)
    driver.check()


def test_operator_changes_permanent_rooms():
    driver = Driver(rooms=(HALL, replace(HALL, name="attic", title="Attic")))
    hall, attic, temporary = driver.participant("hall"), driver.participant("attic"), driver.participant("cellar")
    changed = replace(HALL, title="Hall 2", max_participants=1, e2ee=False)
    cellar = replace(HALL, name="cellar", title="Cellar")
    driver.apply(driver.conference.rooms_changed([changed, cellar], driver.now))
    driver.advance(0.1)
    assert (hall.view.info.title, hall.view.info.max_participants, hall.view.info.e2ee) == ("Hall 2", 1, True)
    assert [e.code for e in attic.got(m.Evicted)] == [ErrorCode.ROOM_CLOSED]
    assert not temporary.view.info.permanent
    temporary.drop()
    driver.advance(30)
    assert driver.participant("cellar").view.info.permanent
    hall.drop()
    driver.advance(30)
    assert error_code(driver.user().enter("hall")) is ErrorCode.MODE_MISMATCH
    driver.check()


def test_permanent_room_that_comes_and_goes_leaves_an_open_temporary_one_alone():
    driver = Driver()
    client = driver.participant("cellar")
    driver.apply(driver.conference.rooms_changed([replace(HALL, name="cellar", title="Cellar")], driver.now))
    driver.apply(driver.conference.rooms_changed([], driver.now))
    driver.advance(1)
    assert client.view.info.title == "cellar"
    driver.check()


def test_new_settings_hold_from_now_on():
    driver = Driver()
    driver.participant()
    driver.conference.settings_changed(settings(driver.conference.context.settings, rooms__temporary=False))
    assert error_code(driver.user().enter("other")) is ErrorCode.NO_SUCH_ROOM


def test_seat_that_was_opened_twice_counts_once():
    driver = Driver()
    client = driver.participant()
    driver.event(SeatOpened(client.media_id, ()))
    driver.event(SeatOpened(0x100, ()))
    driver.check()


def test_talkers_are_limited_in_rooms_of_more_than_eight():
    driver = Driver()
    clients = [driver.participant() for _ in range(SMALL_ROOM)]
    (room,) = driver.plane.limits
    assert driver.plane.limits[room] == []
    last = driver.participant()
    driver.participant()
    assert driver.plane.limits[room] == [3]
    last.drop()
    clients[0].drop()
    driver.advance(0.1)
    assert driver.plane.limits[room] == [3, 0]
    driver.conference.settings_changed(settings(driver.conference.context.settings, rooms__loudest=0))
    driver.participant()
    assert driver.plane.limits[room] == [3, 0]
    driver.conference.settings_changed(settings(driver.conference.context.settings, rooms__loudest=5))
    driver.participant()
    assert driver.plane.limits[room] == [3, 0, 5]
    driver.check()


def test_a_permanent_room_has_its_own_number_of_talkers():
    driver = Driver(rooms=[replace(HALL, max_participants=50, loudest=7)])
    for _ in range(SMALL_ROOM + 1):
        driver.participant("hall")
    (room,) = driver.plane.limits
    for loudest in (7, 7, 0, None, 2):
        driver.apply(driver.conference.rooms_changed([replace(HALL, max_participants=50, loudest=loudest)], driver.now))
    assert driver.plane.limits[room] == [7, 0, 3, 2]
    driver.conference.settings_changed(settings(driver.conference.context.settings, rooms__loudest=5))
    driver.participant("hall")
    assert driver.plane.limits[room] == [7, 0, 3, 2]
    driver.check()


def test_joins_of_the_whole_server_pass_a_bucket():
    driver = Driver(rooms__joins_per_s=2, rooms__join_burst=4)
    for number in range(4):
        driver.participant(account=f"a{number}")
    client = driver.user()
    refused = client.enter()
    assert error_code(refused) is ErrorCode.RATE_LIMITED
    assert 0 < refused.retry_after_ms <= 501
    driver.advance(0.6)
    assert error_code(client.enter()) is None
    driver.check()
