"""How many talkers of a room the media plane forwards, and who always is."""

from __future__ import annotations

from collections.abc import Collection

from tcproto.messages import Role
from tcserver.conference.context import Context
from tcserver.conference.room.seat import Seat
from tcserver.media.interface import SetSpeakers

SMALL_ROOM = 8
"""Participants up to which all talkers are forwarded: eight open microphones are fewer streams than some have tiles."""
MAX_ALWAYS = 8
"""Leaders who are forwarded whatever their level, one of each account: as many as make a small room."""


class SpeakerLimit:
    """The limit of one room's life, told to the media plane when it changes."""

    def __init__(self, context: Context, room: int, setting: int | None) -> None:
        self._context = context
        self._room = room
        self.setting = setting
        """Of this room; None: the server's."""
        self._told = SetSpeakers(room, 0)

    def restart(self, seats: Collection[Seat]) -> None:
        """Tell a media plane that knows nothing of the room."""
        self._told = SetSpeakers(self._room, 0)
        self.follow(seats)

    def follow(self, seats: Collection[Seat]) -> None:
        """Follow who is here, in the order in which they came, and the setting."""
        setting = self._context.settings.loudest if self.setting is None else self.setting
        limit = setting if len(seats) > SMALL_ROOM else 0
        command = SetSpeakers(self._room, limit, _leaders(seats) if limit else ())
        if command != self._told:
            self._told = command
            self._context.outbox.command(command)


def _leaders(seats: Collection[Seat]) -> tuple[int, ...]:
    """Return the media ids of those who lead, the highest rank first."""
    leaders = [seat for seat in seats if seat.role in (Role.ADMIN, Role.CHAIR)]
    by_account: dict[int, int] = {}
    for seat in sorted(leaders, key=lambda seat: -seat.rank):
        by_account.setdefault(seat.session.account.id, seat.media_id)
    return tuple(by_account.values())[:MAX_ALWAYS]
