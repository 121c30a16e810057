"""Muting others: asked for, or held by the server."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference.policy.holds import MAX_REMEMBERED_HOLDS, Holds
from tcserver.media.interface import MuteStream
from tcserver.records import RoomRecord
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code

MICROPHONE, CAMERA = m.Source.MICROPHONE, m.Source.CAMERA
ROLES = {"admin": m.Role.ADMIN, "chair": m.Role.CHAIR, "second": m.Role.CHAIR}
HALL = RoomRecord("hall", "Hall", roles=ROLES)


def meeting() -> tuple[Driver, Client, Client]:
    """A chair, and a speaker whose microphone is live."""
    driver = Driver(rooms=(HALL,))
    chair, speaker = driver.participant("hall", "chair"), driver.participant("hall", "speaker", device=70)
    assert isinstance(speaker.publish(), m.Published)
    return driver, chair, speaker


def flags(client: Client, owner: Client) -> list[tuple[m.Source, bool, bool]]:
    """Return source, muted and held of a participant's publications, as another sees them."""
    found = [each for each in client.view.publications.values() if each.participant == owner.participant]
    return [(each.source, each.muted, each.held) for each in found]


def commands(driver: Driver) -> list[MuteStream]:
    return [command for command in driver.plane.log if isinstance(command, MuteStream)]


@pytest.mark.parametrize("muted", [True, False])
def test_a_request_reaches_the_participant_and_changes_nothing(muted: bool) -> None:
    driver, chair, speaker = meeting()
    assert isinstance(chair.ask(m.MuteOther(speaker.participant, MICROPHONE, muted)), m.Ok)
    assert speaker.got(m.MuteAsked) == [m.MuteAsked(chair.participant, MICROPHONE, muted)]
    driver.advance(0.1)
    assert flags(chair, speaker) == [(MICROPHONE, False, False)]
    assert commands(driver) == []
    driver.check()


def test_a_held_microphone_is_muted_at_the_server_until_it_is_let_go_and_its_owner_unmutes() -> None:
    driver, chair, speaker = meeting()
    assert isinstance(chair.ask(m.MuteOther(speaker.participant, MICROPHONE, True, True)), m.Ok)
    driver.advance(0.1)
    assert flags(speaker, speaker) == flags(chair, speaker) == [(MICROPHONE, True, True)]
    assert [command.muted for command in commands(driver)] == [True]
    assert error_code(speaker.ask(m.Mute(1, False))) is ErrorCode.NOT_PERMITTED
    assert isinstance(speaker.ask(m.Mute(1, True)), m.Ok)
    assert isinstance(chair.ask(m.MuteOther(speaker.participant, MICROPHONE, False, True)), m.Ok)
    driver.advance(0.1)
    assert flags(chair, speaker) == [(MICROPHONE, True, False)], "nobody is unmuted by another"
    assert isinstance(speaker.ask(m.Mute(1, False)), m.Ok)
    driver.advance(0.1)
    assert flags(chair, speaker) == [(MICROPHONE, False, False)]
    driver.check()


def test_a_hold_is_for_later_publications_too_and_outlasts_a_new_seat_of_the_device() -> None:
    driver, chair, speaker = meeting()
    chair.ask(m.MuteOther(speaker.participant, MICROPHONE, True, True))
    speaker.ask(m.Unpublish(1))
    assert isinstance(speaker.publish(), m.Published)
    assert isinstance(speaker.publish(CAMERA), m.Published)
    assert flags(chair, speaker) == [(MICROPHONE, True, True), (CAMERA, False, False)]
    speaker.drop()
    again = driver.participant("hall", "speaker", device=70)
    assert isinstance(again.publish(), m.Published)
    assert flags(chair, again) == [(MICROPHONE, True, True)]
    other = driver.participant("hall", "speaker")
    assert isinstance(other.publish(), m.Published)
    assert flags(chair, other) == [(MICROPHONE, False, False)]
    driver.check()


def test_all_means_those_of_a_lower_rank() -> None:
    driver, chair, speaker = meeting()
    second, admin = driver.participant("hall", "second"), driver.participant("hall", "admin")
    for client in (chair, second, admin):
        client.publish()
    assert isinstance(chair.ask(m.MuteOther(0, MICROPHONE, True, True)), m.Ok)
    driver.advance(0.1)
    held = {client: flags(admin, client)[0][2] for client in (chair, second, admin, speaker)}
    assert held == {chair: False, second: False, admin: False, speaker: True}
    assert error_code(chair.ask(m.MuteOther(admin.participant, MICROPHONE, True))) is ErrorCode.NOT_PERMITTED
    assert isinstance(chair.ask(m.MuteOther(second.participant, MICROPHONE, True)), m.Ok)
    assert error_code(chair.ask(m.MuteOther(0, m.Source.DATA, True))) is ErrorCode.BAD_REQUEST
    driver.check()


def test_what_is_remembered_of_holds_is_bounded_and_what_is_not_held_is_not_kept() -> None:
    driver, _, speaker = meeting()
    room = driver.room_of(speaker)
    (holds,) = [policy for policy in room.policies if isinstance(policy, Holds)]
    seat = room.seats[speaker.participant]
    for number in range(MAX_REMEMBERED_HOLDS + 1):
        seat.session.device_key = number.to_bytes(32, "big")
        seat.held = frozenset()
        holds.source_held(seat, MICROPHONE, True, driver.now)
    for number, kept in ((0, frozenset()), (1, frozenset({MICROPHONE}))):
        seat.session.device_key = number.to_bytes(32, "big")
        holds.admitted(seat, driver.now)
        assert seat.held == kept
    holds.source_held(seat, MICROPHONE, False, driver.now)
    holds.admitted(seat, driver.now)
    assert seat.held == frozenset()
