"""Participants that are always forwarded in a large room, and what the media plane is told of accounts."""

from __future__ import annotations

from tcproto import messages as m
from tcproto.messages import Role
from tcserver.conference.policy.speaker_limit import MAX_ALWAYS, SMALL_ROOM
from tcserver.media.interface import OpenSeat, SetSpeakers
from tests.support.conference.driver import Driver


def told(driver: Driver) -> SetSpeakers:
    return [command for command in driver.plane.log if isinstance(command, SetSpeakers)][-1]


def crowd(driver: Driver, clients: int = SMALL_ROOM) -> list:
    return [driver.participant("room", f"a{n}") for n in range(clients)]


def test_chair_and_operator_are_always_in_and_nobody_else() -> None:
    driver = Driver()
    driver.add_account("admin", role=m.Role.ADMIN)
    driver.add_account("ketua", role=m.Role.CHAIR)
    opener, *others = crowd(driver)
    assert not any(isinstance(command, SetSpeakers) for command in driver.plane.log), "all are forwarded"
    chair, admin = driver.participant("room", "ketua"), driver.participant("room", "admin")
    assert told(driver) == SetSpeakers(1, 3, (admin.media_id, chair.media_id, opener.media_id))
    chair.ask(m.SetRole(others[0].participant, Role.CHAIR))
    assert others[0].media_id in told(driver).always
    chair.ask(m.SetRole(others[0].participant, Role.SPEAKER))
    admin.ask(m.Leave())
    opener.drop()
    assert told(driver) == SetSpeakers(1, 0, ())
    driver.participant("room", "b")
    assert told(driver) == SetSpeakers(1, 3, (chair.media_id,))
    driver.check()


def test_an_account_has_one_of_a_few_places_that_are_always_in() -> None:
    driver = Driver()
    for name in ("ketua", *(f"ketua-{n}" for n in range(MAX_ALWAYS + 3))):
        driver.add_account(name, role=m.Role.CHAIR)
    first, *_ = [driver.participant("room", "ketua") for _ in range(SMALL_ROOM + 1)]
    assert told(driver).always == (first.media_id,)
    for n in range(MAX_ALWAYS + 3):
        driver.participant("room", f"ketua-{n}")
    assert len(told(driver).always) == MAX_ALWAYS


def test_a_replaced_worker_is_told_of_them_under_their_new_ids() -> None:
    driver = Driver()
    opener, *_ = crowd(driver, SMALL_ROOM + 1)
    driver.replace_worker()
    assert told(driver) == SetSpeakers(1, 3, (opener.media_id,))
    accounts = {command.media_id: command.account for command in driver.plane.log if isinstance(command, OpenSeat)}
    assert accounts[opener.media_id] == driver.accounts["a0"].id


def test_the_media_plane_knows_whose_seats_are_whose() -> None:
    driver = Driver()
    clients = [driver.participant("room", account) for account in ("a", "b", "a")]
    accounts = {command.media_id: command.account for command in driver.plane.log if isinstance(command, OpenSeat)}
    assert [accounts[client.media_id] for client in clients] == [driver.accounts[name].id for name in "aba"]
