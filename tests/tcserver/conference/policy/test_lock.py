"""The lock of a room: who enters all the same, and until when it holds."""

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference.policy.lock import MAX_REMEMBERED_DEVICES, Lock
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code

HALL = RoomRecord("hall", "Hall", roles={"chair": m.Role.CHAIR, "second": m.Role.CHAIR})


def test_a_locked_room_lets_in_who_leads_and_who_was_there() -> None:
    driver = Driver(rooms=(HALL,))
    chair, guest = driver.participant("hall", "chair"), driver.participant("hall", "guest", device=70)
    assert isinstance(chair.ask(m.LockRoom(True)), m.Ok)
    driver.advance(0.1)
    assert guest.view.info.locked
    assert error_code(driver.user("guest").enter("hall")) is ErrorCode.ROOM_LOCKED, "another device of the account"
    assert isinstance(driver.user("second").enter("hall"), m.Joined)
    guest.drop()
    again = driver.participant("hall", "guest", device=70)
    assert again.view.info.locked
    assert isinstance(chair.ask(m.LockRoom(True)), m.Ok), "a locked room stays locked"
    assert isinstance(chair.ask(m.LockRoom(False)), m.Ok)
    driver.advance(0.1)
    assert not again.view.info.locked
    assert isinstance(driver.user("late").enter("hall"), m.Joined)
    driver.check()


def test_a_lock_ends_with_the_life_of_the_room_and_no_change_of_the_record_ends_it() -> None:
    driver = Driver(rooms=(HALL,))
    chair = driver.participant("hall", "chair")
    chair.ask(m.LockRoom(True))
    chair.ask(m.UpdateRoom(title="Besar"))
    driver.advance(0.1)
    assert (chair.view.info.title, chair.view.info.locked) == ("Besar", True)
    assert error_code(driver.user("guest").enter("hall")) is ErrorCode.ROOM_LOCKED
    chair.ask(m.CloseRoom())
    assert not driver.participant("hall", "guest").view.info.locked
    driver.check()


def test_remembered_devices_are_bounded() -> None:
    driver = Driver(rooms=(HALL,))
    first = driver.participant("hall", "guest", device=70)
    room = driver.room_of(first)
    (lock,) = [policy for policy in room.policies if isinstance(policy, Lock)]
    other = room.seats[driver.participant("hall", "other").participant]
    for number in range(MAX_REMEMBERED_DEVICES):
        other.session.device_key = number.to_bytes(32, "big")
        lock.entered(other, driver.now)
    driver.participant("hall", "chair").ask(m.LockRoom(True))
    first.drop()
    assert error_code(driver.user("guest", device=70).enter("hall")) is ErrorCode.ROOM_LOCKED
