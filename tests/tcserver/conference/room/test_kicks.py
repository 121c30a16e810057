"""Kicks last, whatever the removed participant does. The opener of a temporary room is no higher than real chairs."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcproto.messages import Role
from tcserver.conference.room.kicks import KICKED_DEVICES, MAX_KICKED, Kicks
from tcserver.records import RoomRecord
from tests.support.conference.driver import Driver, error_code
from tests.support.memory import kept, largest_table

KICK = 300.0


def kicked(driver: Driver, device: int = 70, room: str = "room") -> tuple:
    chair = driver.participant(room, "chair")
    target = driver.participant(room, "loud", device=device)
    assert isinstance(chair.ask(m.Kick(target.participant)), m.Ok)
    return chair, target


def test_a_kick_lasts_and_the_time_that_is_told_is_true() -> None:
    driver = Driver()
    _, target = kicked(driver)
    for reply in (target.ask(m.OpenRoom("room")), target.ask(target.join_message("room", bytes(16)))):
        assert reply.code is ErrorCode.KICKED
        assert KICK * 1000 <= reply.retry_after_ms <= KICK * 1000 + 1
    driver.advance(KICK - 1)
    reply = target.enter()
    assert (reply.code, reply.retry_after_ms) == (ErrorCode.KICKED, 1001)
    driver.advance(reply.retry_after_ms / 1000)
    assert isinstance(target.enter(), m.Joined)
    driver.check()


@pytest.mark.parametrize("name", ["room", "ROOM", "  Room "])
def test_neither_a_new_login_nor_a_new_life_of_the_room_ends_a_kick(name: str) -> None:
    driver = Driver()
    chair, target = kicked(driver)
    chair.ask(m.Leave())
    target.drop()
    driver.advance(60)
    assert driver.conference.rooms == 0
    again = driver.user("loud", device=70)
    assert error_code(again.ask(m.OpenRoom(name))) is ErrorCode.KICKED
    assert driver.conference.rooms == 0
    assert isinstance(again.enter("other room"), m.Joined)
    assert isinstance(driver.user("loud").enter(name), m.Joined), "a colleague on another device"


def test_a_device_that_is_made_anew_helps_a_few_times_only() -> None:
    driver = Driver()
    chair = driver.participant("room", "chair")
    for number in range(KICKED_DEVICES):
        target = driver.user("loud", device=70 + number)
        assert isinstance(target.enter(), m.Joined)
        chair.ask(m.Kick(target.participant))
        driver.advance(1)
    fresh = driver.user("loud", device=99)
    reply = fresh.enter()
    assert reply.code is ErrorCode.KICKED
    driver.advance(reply.retry_after_ms / 1000)
    assert isinstance(fresh.enter(), m.Joined)


def test_how_long_a_kick_lasts_can_be_set() -> None:
    driver = Driver(rooms__kick_s=2.0)
    _, target = kicked(driver)
    assert error_code(target.enter()) is ErrorCode.KICKED
    driver.advance(2)
    assert isinstance(target.enter(), m.Joined)
    driver = Driver(rooms__kick_s=0.0)
    _, target = kicked(driver)
    assert isinstance(target.enter(), m.Joined)


def test_kicks_are_bounded() -> None:
    kicks = Kicks()
    for number in range(MAX_KICKED + 1):
        for device in range(KICKED_DEVICES + 2):
            kicks.add("room", str(number), bytes([device]), 100.0)
    assert {len(table) for table in kept(kicks, OrderedDict)} == {MAX_KICKED, KICKED_DEVICES}
    assert kicks.wait("room", "0", b"\0", 0.0) == 0
    assert kicks.wait("room", "1", b"\4", 0.0) == 100
    assert kicks.wait("room", "1", b"\4", 100.0) == 0
    assert largest_table(kicks) == MAX_KICKED - 1


@pytest.mark.parametrize("leader", [m.Role.CHAIR, m.Role.ADMIN])
def test_who_opened_a_temporary_room_stands_below_the_chairs(leader: m.Role) -> None:
    driver = Driver()
    driver.add_account("ketua", role=leader)
    opener, speaker = driver.participant("room", "opener"), driver.participant("room", "speaker")
    chair = driver.participant("room", "ketua")
    assert opener.view.joined.role is Role.CHAIR
    for reply in (opener.ask(m.Kick(chair.participant)), opener.ask(m.SetRole(chair.participant, Role.OBSERVER))):
        assert error_code(reply) is ErrorCode.NOT_PERMITTED
    # A chair that the opener made is no higher, and neither is the opener that made itself one.
    assert isinstance(opener.ask(m.SetRole(speaker.participant, Role.CHAIR)), m.Ok)
    opener.ask(m.SetRole(opener.participant, Role.SPEAKER))
    speaker.ask(m.SetRole(opener.participant, Role.CHAIR))
    for client in (opener, speaker):
        assert error_code(client.ask(m.Kick(chair.participant))) is ErrorCode.NOT_PERMITTED
    assert isinstance(speaker.ask(m.Kick(opener.participant)), m.Ok), "among themselves they may"
    assert isinstance(chair.ask(m.SetRole(speaker.participant, Role.LISTENER)), m.Ok)
    driver.check()


def test_a_real_chair_who_opens_a_room_is_one_and_can_make_others() -> None:
    driver = Driver()
    for name in ("first", "second"):
        driver.add_account(name, role=m.Role.CHAIR)
    first, second, speaker = (driver.participant("room", name) for name in ("first", "second", "speaker"))
    assert isinstance(first.ask(m.SetRole(speaker.participant, Role.CHAIR)), m.Ok)
    assert isinstance(speaker.ask(m.Kick(second.participant)), m.Ok)


def test_chairs_of_a_permanent_room_are_real_ones() -> None:
    driver = Driver(rooms=(RoomRecord("hall", "Hall", roles={"a": m.Role.CHAIR}),))
    driver.add_account("b", role=m.Role.CHAIR)
    a, b = driver.participant("hall", "a"), driver.participant("hall", "b")
    assert isinstance(a.ask(m.Kick(b.participant)), m.Ok)
