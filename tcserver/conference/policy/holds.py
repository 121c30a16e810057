"""Sources that are held muted: which, of whom, and also after the device has come back."""

from __future__ import annotations

from collections import OrderedDict

from tcproto.messages import Role, Source
from tcserver.conference.room.policy import RoomPolicy
from tcserver.conference.room.room import Room
from tcserver.conference.room.seat import Seat

MAX_REMEMBERED_HOLDS = 4096
"""Devices whose held sources are kept, also if these are none any more, for when they come back in the same life of a
room. Beyond it the oldest is forgotten."""


class Holds(RoomPolicy):
    """Keeps the sources of each participant that another participant has muted for good."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held: OrderedDict[tuple[str, bytes], frozenset[Source]] = OrderedDict()
        """Sources by account and device."""

    def admitted(self, seat: Seat, now: float) -> None:
        """Hold what was held when the device left; of a newcomer the microphone, if the room wants that."""
        is_quiet = self._room.record.quiet_entry and seat.role not in (Role.ADMIN, Role.CHAIR)
        seat.held = self._held.get(_key(seat), frozenset({Source.MICROPHONE}) if is_quiet else frozenset())

    def source_held(self, seat: Seat, source: Source, held: bool, now: float) -> None:
        """Hold a source of a participant, or let go of it."""
        seat.held = seat.held | {source} if held else seat.held - {source}
        key = _key(seat)
        self._held[key] = seat.held
        self._held.move_to_end(key)
        if len(self._held) > MAX_REMEMBERED_HOLDS:
            self._held.popitem(last=False)


def _key(seat: Seat) -> tuple[str, bytes]:
    return seat.session.account.name, seat.session.device_key
