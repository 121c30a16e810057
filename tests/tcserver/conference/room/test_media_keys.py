"""Keys of the media path: of the room, and of each seat."""

import pytest

from tcproto import messages as m
from tcproto.messages.types import MAX_JOINED_KEYS
from tcserver.conference.room.media_seats import REKEY_INTERVAL
from tcserver.media.interface import (
    OpenSeat,
    RekeySeat,
    SealerRekeyDue,
    SeatOpened,
    SeatRekeyDue,
)
from tests.support.conference.driver import Driver

MICROPHONE, CAMERA, SCREEN = m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN


def test_leave_changes_the_room_key_and_leaves_together_share_one():
    driver = Driver()
    first, *others = (driver.participant() for _ in range(6))
    others[0].drop()
    (rotation,) = driver.plane.rotations
    assert rotation.at == driver.now + 2
    (new,) = first.got(m.NewRoomKey)
    assert (new.room_key.key, new.room_key.epoch, new.room_key.lowest) == (rotation.key, 1, 0)
    for client in others[1:4]:
        client.drop()
        driver.advance(0.5)
    assert others[0].got(m.NewRoomKey) == []
    driver.advance(0.5)
    assert len(driver.plane.rotations) == 2
    assert [new.room_key.epoch for new in first.got(m.NewRoomKey)] == [2]
    driver.advance(100)
    assert len(driver.plane.rotations) == 2
    driver.check()


@pytest.mark.no_cover  # it is long
def test_epoch_numbers_do_not_come_back_within_the_overlap():
    driver = Driver()
    driver.participant()
    seen = {}
    for _ in range(530):
        driver.participant().drop()
        driver.advance(1)
    for rotation in driver.plane.rotations:
        assert rotation.at - seen.get(rotation.epoch, -100) > 12
        seen[rotation.epoch] = rotation.at
    assert len(driver.plane.rotations) >= 260


def test_kick_changes_the_room_key():
    driver = Driver()
    chair, other = driver.participant(), driver.participant()
    chair.ask(m.Kick(other.participant))
    assert len(chair.got(m.NewRoomKey)) == 1
    assert other.got(m.NewRoomKey) == []


def test_old_and_worn_room_keys_are_replaced():
    driver = Driver(limits__idle_s=1e9, ping_interval=1e9)
    client = driver.participant()
    driver.advance(24 * 3600 - 1)
    assert driver.plane.rotations == []
    driver.advance(1)
    assert len(client.got(m.NewRoomKey)) == 1
    sealer = driver.plane.sealers[1][0][0].sealer
    for event in (SealerRekeyDue(1, sealer), SealerRekeyDue(1, sealer + 1), SealerRekeyDue(99, sealer)):
        driver.event(event)
    driver.advance(2)
    assert len(client.got(m.NewRoomKey)) == 1


def test_newcomer_gets_a_key_that_was_announced_while_the_seat_was_opened():
    driver = Driver()
    _, leaver = driver.participant(), driver.participant()
    driver.hold_seats = True
    client = driver.user()
    client.enter()
    seen_by_the_plane = tuple(driver.plane.sealers[1][0])
    leaver.drop()
    waiting = [command for command in driver.plane.log if isinstance(command, OpenSeat)][-1]
    driver.event(SeatOpened(waiting.media_id, seen_by_the_plane))
    first, second = client.view.joined.room_keys
    assert (first.epoch, second.epoch) == (0, 1)
    assert second.key == driver.plane.rotations[0].key
    driver.check()


def test_worn_keys_of_a_seat_are_replaced_not_too_often():
    driver = Driver()
    client = driver.participant()
    driver.event(SeatRekeyDue(client.media_id))
    driver.event(SeatRekeyDue(0x300))
    assert client.got(m.SessionKeys) == []
    driver.advance(10)
    driver.event(SeatRekeyDue(client.media_id))
    driver.event(SeatRekeyDue(client.media_id))
    (keys,) = client.got(m.SessionKeys)
    assert keys.epoch == 1
    assert keys.up_key != client.view.joined.up_key
    assert driver.plane.log[-1] == RekeySeat(client.media_id, 1, keys.up_key, keys.down_key)


def test_keys_that_are_worn_too_soon_are_replaced_when_it_is_time():
    driver = Driver()
    client, other = driver.participant(), driver.participant()
    driver.advance(REKEY_INTERVAL - 5)
    driver.event(SeatRekeyDue(client.media_id))
    driver.event(SeatRekeyDue(other.media_id))
    driver.advance(4)
    assert client.got(m.SessionKeys) == []
    other.ask(m.Leave())
    driver.advance(1.1)
    (keys,) = client.got(m.SessionKeys)
    assert RekeySeat(client.media_id, 1, keys.up_key, keys.down_key) in driver.plane.log
    driver.advance(5 * REKEY_INTERVAL)
    assert client.got(m.SessionKeys) == [], "once"
    driver.event(SeatRekeyDue(client.media_id))
    driver.event(SeatRekeyDue(client.media_id))
    driver.advance(REKEY_INTERVAL)
    assert [keys.epoch for keys in client.got(m.SessionKeys)] == [2, 3]
    driver.check()


def test_a_room_of_more_workers_than_a_reply_holds_keys_can_be_joined():
    workers = MAX_JOINED_KEYS + 5
    driver = Driver(server__workers=workers, server__room_spread=1)
    clients = [driver.participant() for _ in range(workers + 3)]
    last = clients[-1]
    assert len(last.view.joined.room_keys) == MAX_JOINED_KEYS
    assert len(last.view.sealers) == workers
    driver.check()
