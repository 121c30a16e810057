"""Requests of the operator, answered by a whole conference without sockets."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcproto import messages as m
from tcproto.errors import ErrorCode
from tcserver.conference.requests.operator import MAX_DRAIN, REMINDER
from tcserver.daemon.administration import Administration
from tcserver.media.interface import STREAM_HOST
from tcserver.media.plane.stats import SeatStats
from tests.support.conference.client import Client
from tests.support.conference.driver import Driver, error_code


class Stats:
    """Takes the place of the media planes: each seat on the way that it is given."""

    def __init__(self) -> None:
        self.seats: tuple[SeatStats, ...] = ()


def asked(
    driver: Driver, stats: Stats | None = None, set_log_level: Callable[[str], None] = lambda level: None
) -> Administration:
    found = [stats] if stats is not None else []
    return Administration(driver.conference, lambda: found, driver.apply, set_log_level, lambda: driver.now)


def answer(administration: Administration, **request: object) -> dict:
    return json.loads(administration.answer(json.dumps(request).encode()))


def test_rooms_tell_who_is_in_and_on_what_way():
    driver, stats = Driver(), Stats()
    chair, other = driver.participant("Hall"), driver.participant("Hall")
    driver.participant("Attic")
    other.publish(m.Source.CAMERA, muted=True)
    driver.advance(7)
    stats.seats = (SeatStats(chair.media_id, "192.0.2.7", 200, 190), SeatStats(other.media_id, "", 0, 0))
    third = driver.participant("Hall")
    stats.seats += (SeatStats(third.media_id, STREAM_HOST, 3, 3),)
    attic, hall = answer(asked(driver, stats), do="rooms")["result"]
    assert (attic["name"], hall["name"], hall["permanent"], hall["e2ee"]) == ("attic", "hall", False, True)
    first, second, last = hall["seats"]
    assert (last["path"], last["address"], last["sent"]) == ("stream", "", 3)
    assert (first["participant"], first["account"], first["role"]) == (chair.participant, chair.account, "chair")
    assert (first["path"], first["address"], first["sent"], first["lost"]) == ("udp", "192.0.2.7", 200, 10)
    assert (second["path"], second["address"], second["lost"]) == ("", "", 0)
    assert second["publications"] == {"camera": True}
    assert second["seconds"] >= 7
    assert "media_id" not in first


def test_a_seat_that_no_media_plane_knows_is_on_no_way():
    driver = Driver()
    driver.participant("hall")
    (room,) = answer(asked(driver), do="rooms")["result"]
    assert (room["seats"][0]["path"], room["seats"][0]["sent"]) == ("", 0)


@pytest.mark.parametrize("by_number", [False, True])
def test_kick_takes_the_seats_of_an_account_or_one_participant(by_number):
    driver = Driver()
    stays, goes = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    who = str(goes.participant) if by_number else "A2"
    assert answer(asked(driver), do="kick", room="Hall", who=who, reason="late") == {"result": 1}
    assert goes.got(m.Evicted) == [m.Evicted(ErrorCode.KICKED, "late")]
    assert stays.got(m.Evicted) == []
    assert [event.fields["by"] for event in driver.logged if event.name == "kicked"] == ["operator"]
    driver.advance(1)
    driver.check()


def test_kick_takes_all_seats_of_an_account():
    driver = Driver()
    devices = [driver.participant("hall", "a1") for _ in range(2)]
    assert answer(asked(driver), do="kick", room="hall", who="a1", reason="") == {"result": 2}
    assert all(client.got(m.Evicted) for client in devices)


def microphones(client: Client) -> dict[int, tuple[bool, bool]]:
    """By participant: whether its microphone is muted, and held, as a participant sees it."""
    return {each.participant: (each.muted, each.held) for each in client.view.publications.values()}


@pytest.mark.parametrize("by_number", [False, True])
def test_a_microphone_is_held_muted_and_let_go(by_number):
    driver = Driver()
    chair, talker = driver.participant("hall", "a1"), driver.participant("hall", "a2")
    for client in (chair, talker):
        client.publish()
    who = str(talker.participant) if by_number else "A2"
    fields = {"do": "mute", "room": "Hall", "who": who, "source": "microphone"}
    assert answer(asked(driver), **fields, held=True) == {"result": 1}
    driver.advance(0.2)
    assert microphones(chair) == {chair.participant: (False, False), talker.participant: (True, True)}
    assert error_code(talker.ask(m.Mute(1, False))) is ErrorCode.NOT_PERMITTED
    assert answer(asked(driver), **fields, held=False) == {"result": 1}
    assert isinstance(talker.ask(m.Mute(1, False)), m.Ok)
    driver.advance(0.2)
    assert microphones(chair)[talker.participant] == (False, False)
    changes = [event.fields for event in driver.logged if event.name == "hold_changed"]
    assert [(change["held"], change["by"]) for change in changes] == [("yes", "operator"), ("no", "operator")]
    driver.check()


def test_all_are_muted_but_chairs_and_what_a_chair_let_go_stays_free():
    driver = Driver()
    chair, *others = [driver.participant("hall", f"a{number}") for number in range(3)]
    for client in (chair, *others):
        client.publish()
    assert answer(asked(driver), do="mute", room="hall", who=None, source="microphone", held=True) == {"result": 2}
    driver.advance(0.2)
    expected = {client.participant: (client is not chair, client is not chair) for client in (chair, *others)}
    assert microphones(chair) == expected
    let_go = m.MuteOther(others[0].participant, m.Source.MICROPHONE, False, True)
    assert isinstance(chair.ask(let_go), m.Ok)
    assert isinstance(others[0].ask(m.Mute(1, False)), m.Ok)
    driver.check()


def test_a_meeting_is_ended_and_its_room_can_be_entered_again():
    driver = Driver()
    clients = [driver.participant("hall") for _ in range(3)]
    assert answer(asked(driver), do="close", room="hall", reason="fire") == {"result": 3}
    assert [client.got(m.Evicted) for client in clients] == [[m.Evicted(ErrorCode.ROOM_CLOSED, "fire")]] * 3
    assert driver.conference.rooms == 0
    assert isinstance(clients[0].enter("hall"), m.Joined)


@pytest.mark.parametrize(("room", "told"), [(None, 3), ("hall", 2)])
def test_a_notice_goes_to_all_or_to_one_room(room, told):
    driver = Driver()
    clients = [driver.participant("hall"), driver.participant("hall"), driver.participant("attic")]
    assert answer(asked(driver), do="notice", text="one\ntwo", room=room) == {"result": told}
    got = [message for client in clients for message in client.got(m.ChatMessage)]
    assert len(got) == told
    assert {(text.scope, text.participant, text.text) for text in got} == {(m.ChatScope.SERVER, 0, "one\ntwo")}


def test_the_level_of_the_log_is_changed():
    levels: list[str] = []
    assert answer(asked(Driver(), set_log_level=levels.append), do="log_level", level="debug") == {"result": "debug"}
    assert levels == ["debug"]


def test_statistics_without_media_are_those_of_the_conference():
    driver = Driver(limits__resume_s=60.0)
    talker, lost = driver.participant("hall"), driver.participant("hall")
    talker.publish()
    driver.client()
    lost.drop()
    driver.user().ask(m.OpenRoom("", True))
    found = answer(asked(driver), do="statistics")["result"]
    assert found["now"] == {
        "connections": 3,
        "half_open": 1,
        "sessions": 3,
        "detached": 1,
        "rooms": 1,
        "seats": 2,
        "seats_proven": 0,
    }
    assert found["publications"] == {"microphone": 1}
    assert found["refusals"] == {"bad_request": 1}
    assert found["events"] == {"session_detached": 1}
    assert found["forward_latency_ms"] == {"p50": None, "p99": None}
    assert set(found["media"].values()) == {0}


def notices(client: Client) -> list[str]:
    """Return the texts that have come since the last call."""
    return [text.text for text in client.got(m.ChatMessage)]


def test_a_server_that_will_end_says_so_twice_and_lets_no_room_begin():
    driver = Driver()
    inside, lobby = driver.participant("hall"), driver.user()
    begun = driver.now
    assert answer(asked(driver), do="drain", seconds=600, text="until five") == {"result": 2}
    assert notices(inside) == notices(lobby) == ["until five"]
    refused = lobby.ask(m.OpenRoom("attic", True))
    assert (error_code(refused), refused.retry_after_ms) == (ErrorCode.MAINTENANCE, 600_000)
    assert isinstance(lobby.enter("hall"), m.Joined), "a room that is open is entered as before"
    driver.advance(600 - REMINDER - 0.5)
    assert notices(inside) == []
    driver.advance(1.0)
    assert notices(inside) == notices(lobby) == ["until five"], "again"
    driver.advance(REMINDER - 1.0)
    assert not driver.is_stopped
    driver.advance(1.0)
    assert driver.is_stopped
    assert driver.now - begun == pytest.approx(600.5)
    assert [event.fields["seconds"] for event in driver.logged if event.name == "drain"] == [600]
    driver.check()


def test_an_announced_end_is_moved_or_taken_back():
    driver = Driver()
    inside, lobby = driver.participant("hall"), driver.user()
    answer(asked(driver), do="drain", seconds=600, text="until five")
    answer(asked(driver), do="drain", seconds=30, text="until four")
    answer(asked(driver), do="drain", seconds=900, text="until six")
    driver.advance(700.0)
    assert not driver.is_stopped
    assert notices(inside) == ["until five", "until four", "until six"], "no reminder of a time that holds no more"
    assert answer(asked(driver), do="end_drain") == {"result": 0}
    assert isinstance(lobby.ask(m.OpenRoom("attic", True)), m.Room)
    driver.advance(300.0)
    assert not driver.is_stopped
    assert notices(inside) == []
    driver.check()


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "kick", "room": "cellar", "who": "a1", "reason": ""},
        {"do": "kick", "room": "hall", "who": "nobody", "reason": ""},
        {"do": "kick", "room": "hall", "who": "77", "reason": ""},
        {"do": "kick", "room": "a/b", "who": "a1", "reason": ""},
        {"do": "kick", "room": "hall", "who": "a1", "reason": "x" * 257},
        {"do": "kick", "room": "hall", "who": "a1", "reason": "two\nlines"},
        {"do": "kick", "room": "hall", "who": "a1"},
        {"do": "mute", "room": "cellar", "who": "a1", "source": "microphone", "held": True},
        {"do": "mute", "room": "hall", "who": "nobody", "source": "microphone", "held": True},
        {"do": "mute", "room": "hall", "who": "a1", "source": "microphone_low", "held": True},
        {"do": "mute", "room": "hall", "who": "a1", "source": "microphone", "held": 1},
        {"do": "mute", "room": "hall", "who": 7, "source": "microphone", "held": True},
        {"do": "mute", "room": "hall", "who": "a1", "held": True},
        {"do": "log_level", "level": "loud"},
        {"do": "log_level", "level": 10},
        {"do": "log_level"},
        {"do": "drain", "seconds": 0, "text": "soon"},
        {"do": "drain", "seconds": -1.5, "text": "soon"},
        {"do": "drain", "seconds": MAX_DRAIN + 1, "text": "soon"},
        {"do": "drain", "seconds": True, "text": "soon"},
        {"do": "drain", "seconds": "60", "text": "soon"},
        {"do": "drain", "seconds": 60, "text": " "},
        {"do": "drain", "seconds": 60},
        {"do": "end_drain"},
        {"do": "close", "room": "cellar", "reason": ""},
        {"do": "close", "room": "hall", "reason": "\x1b[2J"},
        {"do": "notice", "text": "  ", "room": None},
        {"do": "notice", "text": "x" * 2001, "room": None},
        {"do": "notice", "text": "\x07", "room": None},
        {"do": "notice", "text": "hello", "room": "cellar"},
        {"do": "notice", "text": "\ud800", "room": None},
        {"do": "notice", "text": 7, "room": None},
        {"do": "reboot"},
        {"do": None},
        {},
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(request_):
    driver = Driver()
    client = driver.participant("hall", "a1")
    reply = answer(asked(driver), **request_)
    assert reply.keys() == {"error", "code"}
    assert reply["error"]
    assert isinstance(driver.user().ask(m.OpenRoom("another", True)), m.Room)
    driver.advance(100.0)
    assert not driver.is_stopped
    assert client.got(m.Evicted) == client.got(m.ChatMessage) == []
    driver.check()


@given(st.binary(max_size=200) | st.just(b"[" * 60_000) | st.just(b"[]") | st.just(b'{"do": ["rooms"]}'))
def test_any_bytes_are_answered(request_):
    assert set(json.loads(asked(Driver()).answer(request_))) <= {"result", "error", "code"}
