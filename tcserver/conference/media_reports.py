"""Reports of the media plane, passed to the rooms that they are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from tcserver.conference.context import Context
from tcserver.conference.effects import Where
from tcserver.conference.login.session import Session
from tcserver.conference.requests import publishing, urgent
from tcserver.conference.room.room import Room
from tcserver.conference.room.rooms import Rooms
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import (
    Event,
    KeyframeAsked,
    Overloaded,
    PathLost,
    PathProven,
    RoomFailed,
    SealerRekeyDue,
    SealerTold,
    SeatLeft,
    SeatOpened,
    SeatRekeyDue,
    SeatSilent,
    SpeakersChanged,
    UrgentCame,
    WorkerLoad,
    WorkerReplaced,
)


class MediaReports:
    """Takes the events of the media plane. Those about a seat or a room that is gone are ignored.

    ``left`` takes that the client of a session has left.
    """

    def __init__(self, context: Context, rooms: Rooms, left: Callable[[Session, float], None]) -> None:
        self._context = context
        self._rooms = rooms
        self._left = left

    def take(self, event: Event, now: float) -> None:
        """Take an event. If that fails, end the life of the room that the event is about, and of no other."""
        try:
            self._take(event, now)
        except Exception as error:
            room = self._room_of(event)
            if room is None:
                self._context.crashed(Where.EVENT, error, event=type(event).__name__)
            else:
                self._rooms.crashed(room, error, now)

    def _take(self, event: Event, now: float) -> None:
        match event:
            case SeatOpened() | SealerTold():
                self._rooms.sealer_told(event, now)
            case SeatRekeyDue():
                if seat := self._context.seats.get(event.media_id):
                    self._rooms.of(seat).media_seats.rekey(seat, now)
            case SealerRekeyDue():
                if room := self._rooms.by_number(event.room):
                    sealer = event.sealer
                    room.tell(lambda policy: policy.rekey_due(sealer, now))
            case SpeakersChanged():
                if room := self._rooms.by_number(event.room):
                    room.speakers_changed(event.started, event.stopped, event.dominant, now)
            case KeyframeAsked() | SeatSilent() | SeatLeft() | UrgentCame():
                if seat := self._context.seats.get(event.media_id):
                    self._take_of_seat(seat, event, now)
            case RoomFailed():
                if room := self._rooms.by_number(event.room):
                    self._rooms.restart(room, now)
            case _:
                self._take_of_no_room(event, now)

    def _take_of_seat(self, seat: Seat, event: KeyframeAsked | SeatSilent | SeatLeft | UrgentCame, now: float) -> None:
        room = self._rooms.of(seat)
        match event:
            case SeatSilent():
                room.qualities.silent(seat, event.silent, now)
            case SeatLeft():
                self._left(seat.session, now)
            case UrgentCame():
                urgent.take(self._context, room, seat, event.message, now)
            case KeyframeAsked():
                publishing.keyframe_asked(self._context, room, event, now)

    def _take_of_no_room(
        self, event: WorkerLoad | WorkerReplaced | Overloaded | PathProven | PathLost, now: float
    ) -> None:
        match event:
            case WorkerLoad():
                self._rooms.worker_load(event)
            case WorkerReplaced():
                self._worker_replaced(event, now)
            case Overloaded():
                self._rooms.overloaded(event, now)
            case PathProven() | PathLost():
                # Nothing is decided by the paths of seats: the dashboard shows how often they come and go.
                self._context.counters[f"media_{type(event).__name__}"] += 1
            case _:
                assert_never(event)

    def _room_of(self, event: Event) -> Room | None:
        match event:
            case SealerRekeyDue() | SpeakersChanged() | RoomFailed():
                return self._rooms.by_number(event.room)
            case (
                SeatOpened()
                | SealerTold()
                | SeatRekeyDue()
                | SeatSilent()
                | SeatLeft()
                | UrgentCame()
                | KeyframeAsked()
            ):
                seat = self._context.seats.get(event.media_id)
                return None if seat is None else self._rooms.of(seat)
        return None

    def _worker_replaced(self, event: WorkerReplaced, now: float) -> None:
        for room in self._rooms.worker_replaced(event.worker, now):
            # Participants who speak are announced again: the new worker has heard nobody so far.
            speaking = tuple(seat.participant for seat in room.seats.values() if seat.is_speaking)
            if speaking and room.media_seats.home == event.worker:
                room.speakers_changed((), speaking, room.dominant, now)
