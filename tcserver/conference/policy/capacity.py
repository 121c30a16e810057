"""How many seats a room has, and how many publications a seat."""

from __future__ import annotations

from tcproto.errors import ErrorCode, Refusal
from tcproto.messages import Join, Publish
from tcserver.conference.login.connection import Request
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat


class Capacity(RoomPolicy):
    """Refuses a participant or a publication too many; seats that are being opened count."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def check_join(self, request: Request[Join]) -> None:
        """Refuse a seat in a full room."""
        room = self._room
        if len(room.seats) + len(room.joining) >= room.info.max_participants:
            raise Refusal(ErrorCode.ROOM_FULL)

    def check_publish(self, seat: Seat, message: Publish) -> None:
        """Refuse a publication to a participant who has as many as the server allows."""
        if len(seat.publications) >= self._room.context.settings.limits.max_publications:
            raise Refusal(ErrorCode.TOO_MANY_STREAMS)
