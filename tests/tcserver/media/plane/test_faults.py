"""Bugs in a media plane: an exception ends only the part in which it happened, and the other rooms go on."""

from __future__ import annotations

import pytest

from tcserver.media import Fault
from tcserver.media.interface import (
    ChangeForwarding,
    CloseRoom,
    CloseSeat,
    MuteStream,
    OpenSealer,
    OpenTicket,
    PathLost,
    Receiver,
    RoomFailed,
    SpeakersChanged,
)
from tests.support.media.world import ROOM_KEY, SEALER, World, audio, send


class Bug(Exception):
    """The exception that the tests put in."""


def fail(*args: object, **kwargs: object) -> None:
    raise Bug


class Rooms(World):
    """Two rooms: one that is about to fail, and one of participants 11 and 12."""

    def __init__(self) -> None:
        super().__init__(2)
        self.apply(OpenSealer(2, SEALER + 1, 0, ROOM_KEY))
        self.others = [self.join(number, room=2) for number in (11, 12)]
        self.broken = self.plane.rooms[1]
        self.publish(self.clients[0], 7, to=[self.clients[1]])
        self.publish(self.others[0], 7, to=[self.others[1]])
        self.plane.take_events()

    def faults(self) -> dict[Fault, int]:
        failed = self.plane.faults.take()
        assert failed is None or isinstance(failed[1], Bug)
        return {fault: number for fault, number in self.plane.counters.faults.items() if number}


def talk(rooms: Rooms) -> list[object]:
    """Let participant 11 speak for a while, and return what the plane reports."""
    events: list[object] = []
    for sequence in range(50):
        rooms.now += 0.02
        send(rooms, rooms.others[0], audio(7, sequence, level=20))
        rooms.plane.poll(rooms.now)
        events += rooms.plane.take_events()
    return events


@pytest.mark.parametrize("method", ["decide", "suppressed"])
def test_a_room_whose_decisions_fail_keeps_no_other_from_its_own(monkeypatch, method):
    rooms = Rooms()
    whole = getattr(type(rooms.broken), method)
    monkeypatch.setattr(
        type(rooms.broken), method, lambda room, now: fail() if room is rooms.broken else whole(room, now)
    )
    events = talk(rooms)
    assert any(isinstance(event, SpeakersChanged) and event.room == 2 for event in events)
    found = rooms.faults()
    assert found.keys() == {Fault.ROOM}
    assert found[Fault.ROOM] > 2
    monkeypatch.undo()
    assert len(send(rooms, rooms.clients[0], audio(7))) == 1, "sound goes on"


def test_a_seat_whose_look_fails_keeps_no_other_path_from_being_given_up(monkeypatch):
    rooms = Rooms()
    broken = rooms.plane.seats[rooms.clients[0].media_id].path
    lose = type(broken).lose
    monkeypatch.setattr(type(broken), "lose", lambda path, now: fail() if path is broken else lose(path, now))
    rooms.plane.poll(rooms.now)
    for _ in range(100):
        rooms.now += 1
        rooms.plane.poll(rooms.now)
    lost = {event.media_id for event in rooms.plane.take_events() if isinstance(event, PathLost)}
    assert lost == {client.media_id for client in (rooms.clients[1], *rooms.others)}
    assert rooms.faults()[Fault.SEAT] == 101


@pytest.mark.parametrize(
    ("command", "method"),
    [
        (ChangeForwarding(1, (7,), (Receiver(1002, redundant=True),)), "stream.change_receivers"),
        (MuteStream(7, 1001, True), "room.silence"),
        (CloseSeat(1001, 1), "room.close_seat"),
    ],
)
def test_a_command_that_fails_is_told_and_the_room_can_be_closed(monkeypatch, command, method):
    rooms = Rooms()
    where, name = method.split(".")
    target = rooms.broken if where == "room" else rooms.broken.streams[7]
    with monkeypatch.context() as patch:
        patch.setattr(type(target), name, fail)
        rooms.apply(command)
    assert rooms.plane.take_events() == [RoomFailed(1)]
    assert rooms.faults() == {Fault.COMMAND: 1}
    rooms.apply(*(CloseSeat(client.media_id, 1) for client in rooms.clients), CloseRoom(1))
    assert rooms.plane.rooms.keys() == {2}
    assert rooms.plane.seats.keys() == {client.media_id for client in rooms.others}
    assert len(send(rooms, rooms.others[0], audio(7))) == 1


def test_a_command_about_no_room_that_fails_is_counted(monkeypatch):
    rooms = Rooms()
    with monkeypatch.context() as patch:
        patch.setattr("tcserver.media.plane.directory.Ticket", fail)
        rooms.apply(OpenTicket(5, bytes(32), rooms.now + 10, 20))
    assert rooms.plane.take_events() == []
    assert rooms.faults() == {Fault.COMMAND: 1}
