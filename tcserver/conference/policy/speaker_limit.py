"""The speaker limit: how many talkers of a room the media plane forwards, and which it always forwards."""

from __future__ import annotations

from collections.abc import Collection

from tcproto.messages import Role
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import SetSpeakers

SMALL_ROOM = 8
"""Largest room in which all talkers are forwarded. Eight open microphones are fewer streams than a page of pictures."""
MAX_ALWAYS = 8
"""Leaders who are always forwarded, at any level, one for each account: as many as are in a small room."""


class SpeakerLimit(RoomPolicy):
    """Tells the media plane the limit, and who is always forwarded, when either changes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._told = SetSpeakers(room.number, 0)

    def entered(self, seat: Seat, now: float) -> None:
        """Adapt to a room that has grown."""
        self._update()

    def left(self, seat: Seat, now: float) -> None:
        """Adapt to a room that has shrunk."""
        self._update()

    def role_given(self, seat: Seat, role: Role, rank: int, now: float) -> None:
        """Adapt to a participant who leads, or leads no more."""
        self._update()

    def settings_changed(self, now: float) -> None:
        """Adapt to the limit of the room's record."""
        self._update()

    def worker_added(self, worker: int, now: float) -> None:
        """Tell a media worker that knows nothing of the room."""
        self._tell_again()

    def restarted(self, now: float) -> None:
        """Tell a media worker that knows nothing of the room."""
        self._tell_again()

    def _tell_again(self) -> None:
        self._told = SetSpeakers(self._room.number, 0)
        self._update()

    def _update(self) -> None:
        room = self._room
        setting = room.context.settings.rooms.loudest if room.record.loudest is None else room.record.loudest
        limit = setting if len(room.seats) > SMALL_ROOM else 0
        command = SetSpeakers(room.number, limit, _leaders(room.seats.values()) if limit else ())
        if command != self._told:
            self._told = command
            room.context.outbox.command(command)


def _leaders(seats: Collection[Seat]) -> tuple[int, ...]:
    """Return the media ids of those who lead, the highest rank first, then in the order in which they came."""
    leaders = [seat for seat in seats if seat.role in (Role.ADMIN, Role.CHAIR)]
    by_account: dict[int, int] = {}
    for seat in sorted(leaders, key=lambda seat: -seat.rank):
        by_account.setdefault(seat.session.account.id, seat.media_id)
    return tuple(by_account.values())[:MAX_ALWAYS]
