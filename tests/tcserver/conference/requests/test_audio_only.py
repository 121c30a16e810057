"""A room whose chair wants no pictures: all of them are held, whoever sends them, and whenever they came."""

import pytest

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.media.interface import MuteStream
from tcserver.records import RoomRecord
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code

MICROPHONE, CAMERA, SCREEN = m.Source.MICROPHONE, m.Source.CAMERA, m.Source.SCREEN
HALL = RoomRecord("hall", "Hall", roles={"admin": m.Role.ADMIN, "chair": m.Role.CHAIR})


def meeting() -> tuple[Driver, Client, Client]:
    """A chair and a speaker, both with sound and pictures."""
    driver = Driver(rooms=(HALL,))
    chair, speaker = driver.participant("hall", "chair"), driver.participant("hall", "speaker", device=70)
    for client in (chair, speaker):
        for source in (MICROPHONE, CAMERA):
            assert isinstance(client.publish(source), m.Published)
    return driver, chair, speaker


def order(driver: Driver, chair: Client, audio_only: bool) -> None:
    assert isinstance(chair.ask(m.SetAudioOnly(audio_only)), m.Ok)
    driver.advance(0.1)


def flags(observer: Client, owner: Client) -> dict[m.Source, tuple[bool, bool]]:
    """Return muted and held of a participant's publications by source, as another sees them."""
    found = [each for each in observer.view.publications.values() if each.participant == owner.participant]
    return {each.source: (each.muted, each.held) for each in found}


def test_all_pictures_are_held_and_dropped_and_no_sound_is() -> None:
    driver, chair, speaker = meeting()
    admin = driver.participant("hall", "admin")
    assert isinstance(admin.publish(SCREEN), m.Published)
    order(driver, chair, True)
    assert speaker.view.info.audio_only
    for client in (chair, speaker):
        assert flags(speaker, client) == {MICROPHONE: (False, False), CAMERA: (True, True)}
    assert flags(speaker, admin) == {SCREEN: (True, True)}, "the order is for the room, whatever the rank"
    muted = [command for command in driver.plane.log if isinstance(command, MuteStream)]
    assert [command.muted for command in muted] == [True] * 3
    assert error_code(speaker.ask(m.Mute(2, False))) is ErrorCode.NOT_PERMITTED
    changes = len(driver.plane.log)
    order(driver, chair, True)
    assert len(driver.plane.log) == changes, "an order that is in force changes nothing"
    driver.check()


def test_pictures_that_come_later_are_held_too() -> None:
    driver, chair, speaker = meeting()
    order(driver, chair, True)
    late = driver.participant("hall", "late")
    assert late.view.info.audio_only
    for source in (MICROPHONE, CAMERA, SCREEN):
        assert isinstance(late.publish(source), m.Published)
    expected = {MICROPHONE: (False, False), CAMERA: (True, True), SCREEN: (True, True)}
    assert flags(speaker, late) == expected
    speaker.drop()
    again = driver.participant("hall", "speaker", device=70)
    assert isinstance(again.publish(CAMERA), m.Published)
    assert flags(late, again) == {CAMERA: (True, True)}
    driver.check()


def test_afterwards_each_turns_the_own_camera_on() -> None:
    driver, chair, speaker = meeting()
    order(driver, chair, True)
    order(driver, chair, False)
    assert not speaker.view.info.audio_only
    assert flags(chair, speaker)[CAMERA] == (True, False), "nobody is shown by another"
    assert isinstance(speaker.ask(m.Mute(2, False)), m.Ok)
    driver.advance(0.1)
    assert flags(chair, speaker)[CAMERA] == (False, False)
    driver.check()


@pytest.mark.parametrize("first", ["room", "person"])
def test_a_camera_that_is_held_twice_is_let_go_twice(first: str) -> None:
    driver, chair, speaker = meeting()
    order(driver, chair, True)
    for held in (True, False) if first == "person" else (True,):
        assert isinstance(chair.ask(m.MuteOther(speaker.participant, CAMERA, held, True)), m.Ok)
    if first == "room":
        order(driver, chair, False)
    driver.advance(0.1)
    assert flags(chair, speaker)[CAMERA] == (True, True)
    if first == "room":
        assert flags(speaker, chair)[CAMERA] == (True, False)
        assert isinstance(chair.ask(m.MuteOther(speaker.participant, CAMERA, False, True)), m.Ok)
    order(driver, chair, False)
    assert flags(chair, speaker)[CAMERA] == (True, False)
    driver.check()


def test_the_order_outlasts_a_change_of_the_record_and_ends_with_the_life_of_the_room() -> None:
    driver, chair, speaker = meeting()
    order(driver, chair, True)
    chair.ask(m.UpdateRoom(title="Besar"))
    driver.advance(0.1)
    assert (speaker.view.info.title, speaker.view.info.audio_only) == ("Besar", True)
    chair.ask(m.CloseRoom())
    again = driver.participant("hall", "speaker", device=70)
    assert not again.view.info.audio_only
    assert isinstance(again.publish(CAMERA), m.Published)
    assert flags(again, again) == {CAMERA: (False, False)}
    driver.check()
